/* SPDX-License-Identifier: MIT */
/* tls/module.c — the one symbol of the module, for the loader of net/module_load.c. */
#include "tls/session.h"

#include <faciliter/export.h>

FAC_API const struct faci_tls_module *faci_tls_module(void);

const struct faci_tls_module *faci_tls_module(void)
{
    return &k_faci_tls_openssl;
}
