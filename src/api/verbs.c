/* SPDX-License-Identifier: MIT */
/* api/verbs.c — the public verbs of one key: check pointers, enter, ask policy, count, leave. */
#include "api/cache.h"

#include "base/error.h"

fac_status fac_cache_get(fac_cache *cache, fac_bytes key, const fac_call *call, fac_value **out,
                         fac_error *err)
{
    if (out == NULL) {
        return faci_null(err, "out");
    }
    struct faci_entry entry;
    fac_status st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return st;
    }
    st = faci_policy_get(cache->backend, key, &entry.call, out, err);
    return faci_leave_lookup(cache, &entry, st, err);
}

fac_status fac_cache_get_into(fac_cache *cache, fac_bytes key, const fac_call *call, void *buf,
                              size_t cap, size_t *out_len, fac_error *err)
{
    if (buf == NULL && cap > 0) {
        return faci_null(err, "buf");
    }
    if (out_len == NULL) {
        return faci_null(err, "out_len");
    }
    struct faci_entry entry;
    fac_status st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return st;
    }
    st = faci_policy_get_into(cache->backend, key, &entry.call, buf, cap, out_len, err);
    return faci_leave_lookup(cache, &entry, st, err);
}

static fac_status set_as(fac_cache *cache, fac_bytes key, fac_bytes value, int64_t ttl_ms,
                         enum faci_set_mode mode, const fac_call *call, fac_error *err)
{
    struct faci_entry entry;
    fac_status st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return st;
    }
    st = faci_policy_set(cache->backend, key, value, ttl_ms, mode, &entry.call, err);
    if (st == FAC_OK) {
        faci_count(cache, &entry, FACI_COUNT_SETS, 1);
    }
    return faci_leave(cache, &entry, st, err);
}

fac_status fac_cache_set(fac_cache *cache, fac_bytes key, fac_bytes value, int64_t ttl_ms,
                         const fac_call *call, fac_error *err)
{
    return set_as(cache, key, value, ttl_ms, FACI_SET_ALWAYS, call, err);
}

fac_status fac_cache_add(fac_cache *cache, fac_bytes key, fac_bytes value, int64_t ttl_ms,
                         const fac_call *call, fac_error *err)
{
    return set_as(cache, key, value, ttl_ms, FACI_SET_IF_ABSENT, call, err);
}

fac_status fac_cache_delete(fac_cache *cache, fac_bytes key, const fac_call *call,
                            fac_error *err)
{
    struct faci_entry entry;
    fac_status st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return st;
    }
    st = faci_policy_remove(cache->backend, key, &entry.call, err);
    if (st == FAC_OK) {
        faci_count(cache, &entry, FACI_COUNT_DELETES, 1);
    }
    return faci_leave(cache, &entry, st, err);
}

fac_status fac_cache_exists(fac_cache *cache, fac_bytes key, const fac_call *call,
                            fac_error *err)
{
    struct faci_entry entry;
    fac_status st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return st;
    }
    st = faci_policy_exists(cache->backend, key, &entry.call, err);
    return faci_leave(cache, &entry, st, err);
}

fac_status fac_cache_ttl(fac_cache *cache, fac_bytes key, const fac_call *call,
                         int64_t *out_ttl_ms, fac_error *err)
{
    if (out_ttl_ms == NULL) {
        return faci_null(err, "out_ttl_ms");
    }
    struct faci_entry entry;
    fac_status st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return st;
    }
    st = faci_policy_ttl(cache->backend, key, &entry.call, out_ttl_ms, err);
    return faci_leave(cache, &entry, st, err);
}

fac_status fac_cache_touch(fac_cache *cache, fac_bytes key, int64_t ttl_ms,
                           const fac_call *call, fac_error *err)
{
    struct faci_entry entry;
    fac_status st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return st;
    }
    st = faci_policy_touch(cache->backend, key, ttl_ms, &entry.call, err);
    return faci_leave(cache, &entry, st, err);
}

fac_status fac_cache_increment(fac_cache *cache, fac_bytes key, int64_t delta, int64_t ttl_ms,
                               const fac_call *call, int64_t *out, fac_error *err)
{
    struct faci_entry entry;
    fac_status st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return st;
    }
    int64_t sum = 0;
    st = faci_policy_increment(cache->backend, key, delta, ttl_ms, &entry.call, &sum, err);
    if (st == FAC_OK && out != NULL) {
        *out = sum;
    }
    return faci_leave(cache, &entry, st, err);
}
