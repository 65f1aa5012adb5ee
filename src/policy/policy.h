/* SPDX-License-Identifier: MIT */
/* policy/policy.h — what a cache means, whatever is behind it: the key space under a prefix, the
 * limits, the times to live, the deadline of a call. */
#ifndef FACI_POLICY_POLICY_H
#define FACI_POLICY_POLICY_H

#include "backend/backend.h"

#include <faciliter/cache.h>

#include <stddef.h>
#include <stdint.h>

enum {
    FACI_BATCH_MAX = 1000000
}; /* items of one batch, arguments of one command */

/* What a caller wants of one call: fac_call, checked. */
struct faci_call {
    uint32_t deadline_ms;     /* 0: the settings' timeout */
    uint64_t max_reply_bytes; /* 0: the default */
};

/* The verbs of cache.h over a backend. Pointers have been checked for NULL. Any thread. */
fac_status faci_policy_get(struct faci_backend *backend, fac_bytes name,
                           const struct faci_call *call, fac_value **out, fac_error *err);
fac_status faci_policy_get_into(struct faci_backend *backend, fac_bytes name,
                                const struct faci_call *call, void *buf, size_t cap,
                                size_t *out_len, fac_error *err);
fac_status faci_policy_set(struct faci_backend *backend, fac_bytes name, fac_bytes value,
                           int64_t ttl_ms, enum faci_set_mode mode,
                           const struct faci_call *call, fac_error *err);
fac_status faci_policy_remove(struct faci_backend *backend, fac_bytes name,
                              const struct faci_call *call, fac_error *err);
fac_status faci_policy_exists(struct faci_backend *backend, fac_bytes name,
                              const struct faci_call *call, fac_error *err);
fac_status faci_policy_ttl(struct faci_backend *backend, fac_bytes name,
                           const struct faci_call *call, int64_t *out_ttl_ms, fac_error *err);
fac_status faci_policy_touch(struct faci_backend *backend, fac_bytes name, int64_t ttl_ms,
                             const struct faci_call *call, fac_error *err);
fac_status faci_policy_increment(struct faci_backend *backend, fac_bytes name, int64_t delta,
                                 int64_t ttl_ms, const struct faci_call *call, int64_t *out,
                                 fac_error *err);

/* All statuses (and values) are set on every return. `n` is at most FACI_BATCH_MAX. */
fac_status faci_policy_get_many(struct faci_backend *backend, const fac_bytes *names, size_t n,
                                const struct faci_call *call, fac_value **values,
                                fac_status *statuses, fac_error *err);
fac_status faci_policy_set_many(struct faci_backend *backend, const fac_item *items, size_t n,
                                const struct faci_call *call, fac_status *statuses,
                                fac_error *err);
fac_status faci_policy_remove_many(struct faci_backend *backend, const fac_bytes *names,
                                   size_t n, const struct faci_call *call, fac_status *statuses,
                                   fac_error *err);

fac_status faci_policy_clear(struct faci_backend *backend, const struct faci_call *call,
                             fac_clear_progress *progress, fac_error *err);
fac_status faci_policy_health(struct faci_backend *backend, const struct faci_call *call,
                              fac_health *out, fac_error *err);
fac_status faci_policy_command(struct faci_backend *backend, const fac_bytes *args, size_t n,
                               const struct faci_call *call, fac_reply **out, fac_error *err);

/* Choose and reach the server, within the settings' timeout. */
fac_status faci_policy_connect(struct faci_backend *backend, fac_error *err);

#endif
