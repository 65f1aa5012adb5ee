/* SPDX-License-Identifier: MIT */
/* config/options.c — the ABI rule of fac_options: shorter ones inherit, longer ones must be
 * empty where we cannot read them. */
#include "config/options.h"

#include "base/assert.h"
#include "base/error.h"

#include <string.h>

#define END_OF(field) (offsetof(fac_options, field) + sizeof(((fac_options *)0)->field))

/* Where each field ends, in order. A size between two of them comes from no header; the field
 * that it cuts is then read as missing, so half a pointer is never followed. */
static const size_t k_field_ends[] = {
    END_OF(provider),
    END_OF(open),
    END_OF(url),
    END_OF(unix_socket),
    END_OF(host),
    END_OF(port),
    END_OF(db),
    END_OF(username),
    END_OF(password),
    END_OF(password_file),
    END_OF(prefix),
    END_OF(ttl_ms),
    END_OF(max_connections),
    END_OF(timeout_ms),
    END_OF(retry_on_timeout),
    END_OF(memory_bytes),
    END_OF(ignore_environment),
    offsetof(fac_options, allocator) + sizeof(void *),
    END_OF(log),
    END_OF(log_context),
    END_OF(max_retries),
    END_OF(breaker),
    END_OF(breaker_open_ms),
    END_OF(reconnect_max_ms),
    END_OF(integrity_check),
    END_OF(api_key),
    END_OF(tls),
    END_OF(tls_ca_file),
    END_OF(tls_ca_dir),
    END_OF(tls_cert_file),
    END_OF(tls_key_file),
    END_OF(tls_server_name),
    END_OF(tls_min_version),
    END_OF(tls_insecure),
    END_OF(password_fn),
    END_OF(password_context),
};

_Static_assert(END_OF(password_context) == sizeof(fac_options),
               "a field was added at the end of fac_options: add it to k_field_ends");

void faci_options_inherit(fac_options *options)
{
    memset(options, 0, sizeof(*options));
    options->size = sizeof(*options);
    options->db = -1;
    options->ttl_ms = FAC_TTL_DEFAULT;
    options->max_retries = -1;
    options->integrity_check = -1;
}

static size_t whole_fields(size_t size)
{
    size_t end = 0;
    for (size_t i = 0; i < FACI_COUNT(k_field_ends) && k_field_ends[i] <= size; i++) {
        end = k_field_ends[i];
    }
    return end;
}

fac_status faci_options_read(const fac_options *options, fac_options *out, fac_error *err)
{
    fac_options full;
    faci_options_inherit(&full);
    if (options != NULL) {
        size_t size = options->size;
        if (size < END_OF(provider)) {
            return faci_fail(err, FAC_E_INVALID, 0,
                             "options.size is %zu: call fac_options_init() first", size);
        }
        const unsigned char *bytes = (const unsigned char *)options;
        for (size_t i = sizeof(full); i < size; i++) {
            if (bytes[i] != 0) {
                return faci_fail(err, FAC_E_UNSUPPORTED, 0,
                                 "options has a field that this version does not know, at "
                                 "byte %zu of %zu",
                                 i, size);
            }
        }
        memcpy(&full, options, whole_fields(size));
        full.size = sizeof(full);
    }
    *out = full;
    return FAC_OK;
}
