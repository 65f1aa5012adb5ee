/* SPDX-License-Identifier: MIT */
/* net/module_link.c — the static library has its modules in itself. */
#include "net/module.h"

#include "net/http_module.h"
#include "net/tls_module.h"

#ifdef FAC_HAS_TLS
extern const struct faci_tls_module k_faci_tls_openssl;

fac_status faci_module_tls(const struct faci_tls_module **out, fac_error *err)
{
    (void)err;
    *out = &k_faci_tls_openssl;
    return FAC_OK;
}
#else
fac_status faci_module_tls(const struct faci_tls_module **out, fac_error *err)
{
    (void)out;
    return faci_module_left_out("TLS", "FAC_TLS", err);
}
#endif

#ifdef FAC_HAS_HTTP
extern const struct faci_http_module k_faci_http_curl;

fac_status faci_module_http(const struct faci_http_module **out, fac_error *err)
{
    (void)err;
    *out = &k_faci_http_curl;
    return FAC_OK;
}
#else
fac_status faci_module_http(const struct faci_http_module **out, fac_error *err)
{
    (void)out;
    return faci_module_left_out("https://", "FAC_HTTP", err);
}
#endif
