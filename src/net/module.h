/* SPDX-License-Identifier: MIT */
/* net/module.h — the parts of this library that are loaded only when an address asks for them, or
 * linked in. */
#ifndef FACI_NET_MODULE_H
#define FACI_NET_MODULE_H

#include "base/error.h"

struct faci_tls_module;
struct faci_http_module;

/* FAC_OK; FAC_E_UNSUPPORTED: it was not built, or is not installed, which the message tells. Any
 * thread; once loaded it stays. */
fac_status faci_module_tls(const struct faci_tls_module **out, fac_error *err);
fac_status faci_module_http(const struct faci_http_module **out, fac_error *err);

/* What both say where the build option left it out. */
static inline fac_status faci_module_left_out(const char *what, const char *option,
                                              fac_error *err)
{
    return faci_fail(err, FAC_E_UNSUPPORTED, 0, "%s is not built into this library (%s)", what,
                     option);
}

#endif
