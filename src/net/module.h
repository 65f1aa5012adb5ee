/* SPDX-License-Identifier: MIT */
/* net/module.h — the parts of this library that are loaded only when an address asks for them, or
 * linked in. */
#ifndef FACI_NET_MODULE_H
#define FACI_NET_MODULE_H

#include <faciliter/error.h>

struct faci_tls_module;
struct faci_http_module;

/* FAC_OK; FAC_E_UNSUPPORTED: it was not built, or is not installed, which the message tells. Any
 * thread; once loaded it stays. */
fac_status faci_module_tls(const struct faci_tls_module **out, fac_error *err);
fac_status faci_module_http(const struct faci_http_module **out, fac_error *err);

#endif
