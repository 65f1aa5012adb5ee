/* SPDX-License-Identifier: MIT */
/* policy/limits.h — the documented limits, and the checks that keep them. For policy only. */
#ifndef FACI_POLICY_LIMITS_H
#define FACI_POLICY_LIMITS_H

#include "backend/backend.h"
#include "policy/policy.h"

enum {
    FACI_KEY_MAX_BYTES = 64 * 1024, /* with the prefix, which is at most 256 */
    FACI_VALUE_MAX_BYTES = 64 * 1024 * 1024,
    FACI_REPLY_DEFAULT_BYTES = 256 * 1024 * 1024,
};

/* Ten years of 365 days. */
#define FACI_TTL_MAX_MS INT64_C(315360000000)

/* FAC_OK or FAC_E_INVALID; a value over its limit is FAC_E_TOO_LARGE. */
fac_status faci_policy_check_key(const struct faci_key *key, fac_error *err);
fac_status faci_policy_check_value(fac_bytes value, fac_error *err);
fac_status faci_policy_check_ttl(int64_t ttl_ms, fac_error *err);

/* The moment at which a call ends, and a server behind the backend. */
fac_status faci_policy_begin(struct faci_backend *backend, const struct faci_call *call,
                             struct faci_limits *out, fac_error *err);

#endif
