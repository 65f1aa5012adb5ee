/* SPDX-License-Identifier: MIT */
/* http/module.c — the one symbol of the module, for the loader of net/module_load.c. */
#include "http/http.h"

#include <faciliter/export.h>

FAC_API const struct faci_http_module *faci_http_module(void);

const struct faci_http_module *faci_http_module(void)
{
    return &k_faci_http_curl;
}
