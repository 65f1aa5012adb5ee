/* SPDX-License-Identifier: MIT */
/* api/many.c — the public verbs of many keys. */
#include "api/cache.h"

#include "base/error.h"

/* Every status is set on every return, so on the early ones too. */
static fac_status fail_all(size_t n, fac_value **values, fac_status *statuses, fac_status st)
{
    for (size_t i = 0; i < n; i++) {
        if (statuses != NULL) {
            statuses[i] = st;
        }
        if (values != NULL) {
            values[i] = NULL;
        }
    }
    return st;
}

static void count_statuses(fac_cache *cache, const struct faci_entry *entry,
                           const fac_status *statuses, size_t n, enum faci_count ok)
{
    uint64_t n_ok = 0;
    uint64_t n_miss = 0;
    for (size_t i = 0; i < n; i++) {
        n_ok += statuses[i] == FAC_OK ? 1U : 0U;
        n_miss += statuses[i] == FAC_MISS ? 1U : 0U;
    }
    faci_count(cache, entry, ok, n_ok);
    if (ok == FACI_COUNT_BATCH_HITS) {
        faci_count(cache, entry, FACI_COUNT_BATCH_MISSES, n_miss);
    }
}

/* An absurd count is a bug of the caller's, whose arrays are not that long: they are not touched. */
static bool is_absurd(size_t n, fac_status *out, fac_error *err)
{
    if (n <= FACI_BATCH_MAX) {
        return false;
    }
    *out = faci_fail(err, FAC_E_INVALID, 0, "n is %zu: a batch has at most %d items", n,
                     (int)FACI_BATCH_MAX);
    return true;
}

/* Leaves, and keeps what `err` says of an item although the call as a whole is OK. */
static fac_status leave_with_items(fac_cache *cache, const struct faci_entry *entry,
                                   fac_status st, fac_error *err)
{
    return faci_leave(cache, entry, st, st >= 0 ? NULL : err);
}

fac_status fac_cache_get_many(fac_cache *cache, const fac_bytes *keys, size_t n,
                              const fac_call *call, fac_value **values, fac_status *statuses,
                              fac_error *err)
{
    fac_status st = FAC_OK;
    if (is_absurd(n, &st, err)) {
        return st;
    }
    if (n > 0 && (keys == NULL || values == NULL || statuses == NULL)) {
        return fail_all(n, values, statuses, faci_null(err, "keys, values or statuses"));
    }
    struct faci_entry entry;
    st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return fail_all(n, values, statuses, st);
    }
    st = faci_policy_get_many(cache->backend, keys, n, &entry.call, values, statuses, err);
    count_statuses(cache, &entry, statuses, n, FACI_COUNT_BATCH_HITS);
    return leave_with_items(cache, &entry, st, err);
}

fac_status fac_cache_set_many(fac_cache *cache, const fac_item *items, size_t n,
                              const fac_call *call, fac_status *statuses, fac_error *err)
{
    fac_status st = FAC_OK;
    if (is_absurd(n, &st, err)) {
        return st;
    }
    if (n > 0 && (items == NULL || statuses == NULL)) {
        return fail_all(n, NULL, statuses, faci_null(err, "items or statuses"));
    }
    struct faci_entry entry;
    st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return fail_all(n, NULL, statuses, st);
    }
    st = faci_policy_set_many(cache->backend, items, n, &entry.call, statuses, err);
    count_statuses(cache, &entry, statuses, n, FACI_COUNT_SETS);
    return leave_with_items(cache, &entry, st, err);
}

fac_status fac_cache_delete_many(fac_cache *cache, const fac_bytes *keys, size_t n,
                                 const fac_call *call, fac_status *statuses, fac_error *err)
{
    fac_status st = FAC_OK;
    if (is_absurd(n, &st, err)) {
        return st;
    }
    if (n > 0 && (keys == NULL || statuses == NULL)) {
        return fail_all(n, NULL, statuses, faci_null(err, "keys or statuses"));
    }
    struct faci_entry entry;
    st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return fail_all(n, NULL, statuses, st);
    }
    st = faci_policy_remove_many(cache->backend, keys, n, &entry.call, statuses, err);
    count_statuses(cache, &entry, statuses, n, FACI_COUNT_DELETES);
    return leave_with_items(cache, &entry, st, err);
}
