/* SPDX-License-Identifier: MIT */
/* api/about.c — the public verbs that are not about keys: clear, health, stats, command. */
#include "api/cache.h"

#include "base/error.h"

#include <stddef.h>

fac_status fac_cache_clear(fac_cache *cache, const fac_call *call, fac_clear_progress *progress,
                           fac_error *err)
{
    fac_clear_progress known = {0};
    struct faci_entry entry;
    fac_status st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return st;
    }
    if (progress != NULL) {
        st = faci_struct_read(&known, sizeof(known), progress,
                              offsetof(fac_clear_progress, n_scanned), "progress", err);
    }
    size_t their_bytes = known.size;
    if (st == FAC_OK) {
        st = faci_policy_clear(cache->backend, &entry.call, &known, err);
        if (progress != NULL) {
            faci_struct_write(progress, their_bytes, &known, sizeof(known));
            progress->size = their_bytes; /* the same struct comes back to go on */
        }
    }
    return faci_leave(cache, &entry, st, err);
}

fac_status fac_cache_health(fac_cache *cache, const fac_call *call, fac_health *out,
                            size_t size, fac_error *err)
{
    if (out == NULL) {
        return faci_null(err, "out");
    }
    if (size < sizeof(size_t)) {
        return faci_fail(err, FAC_E_INVALID, 0, "size is %zu: not that of fac_health", size);
    }
    fac_health health = {0};
    struct faci_entry entry;
    fac_status st = faci_enter_closed(cache, call, &entry, err);
    if (st < 0) {
        return st;
    }
    st = faci_policy_health(cache->backend, &entry.call, &health, err);
    faci_struct_write(out, size, &health, sizeof(health));
    return faci_leave(cache, &entry, st, err);
}

static void fill_stats(fac_cache *cache, fac_stats *out)
{
    const struct faci_counters *counters = &cache->counters;
    out->hits = faci_counter_sum(counters, FACI_COUNT_HITS) +
                faci_counter_sum(counters, FACI_COUNT_BATCH_HITS);
    out->misses = faci_counter_sum(counters, FACI_COUNT_MISSES) +
                  faci_counter_sum(counters, FACI_COUNT_BATCH_MISSES);
    out->sets = faci_counter_sum(counters, FACI_COUNT_SETS);
    out->deletes = faci_counter_sum(counters, FACI_COUNT_DELETES);
    out->errors = faci_counter_sum(counters, FACI_COUNT_ERRORS);
    out->timeouts = faci_counter_sum(counters, FACI_COUNT_TIMEOUTS);
    cache->backend->ops->stats(cache->backend, out);
}

fac_status fac_cache_stats(fac_cache *cache, const fac_call *call, fac_stats *out, size_t size,
                           fac_error *err)
{
    if (out == NULL) {
        return faci_null(err, "out");
    }
    if (size < sizeof(size_t)) {
        return faci_fail(err, FAC_E_INVALID, 0, "size is %zu: not that of fac_stats", size);
    }
    struct faci_entry entry;
    fac_status st = faci_enter_closed(cache, call, &entry, err);
    if (st < 0) {
        return st;
    }
    fac_stats stats = {0};
    fill_stats(cache, &stats);
    faci_struct_write(out, size, &stats, sizeof(stats));
    return faci_leave(cache, &entry, FAC_OK, err);
}

fac_status fac_cache_set_memory(fac_cache *cache, uint64_t memory_bytes, const fac_call *call,
                                fac_error *err)
{
    struct faci_entry entry;
    fac_status st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return st;
    }
    st = cache->backend->ops->set_memory(cache->backend, memory_bytes, err);
    return faci_leave(cache, &entry, st, err);
}

fac_status fac_cache_command(fac_cache *cache, const fac_bytes *args, size_t n,
                             const fac_call *call, fac_reply **out, fac_error *err)
{
    if (args == NULL) {
        return faci_null(err, "args");
    }
    if (out == NULL) {
        return faci_null(err, "out");
    }
    struct faci_entry entry;
    fac_status st = faci_enter(cache, call, &entry, err);
    if (st < 0) {
        return st;
    }
    st = faci_policy_command(cache->backend, args, n, &entry.call, out, err);
    return faci_leave(cache, &entry, st, err);
}
