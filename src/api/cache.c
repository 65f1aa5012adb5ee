/* SPDX-License-Identifier: MIT */
/* api/cache.c — opening, counting and ending handles; entering and leaving calls. */
#include "api/cache.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/mem.h"
#include "config/options.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

enum {
    STRUCT_MAX_BYTES = 4096
}; /* no version's struct is larger: a size beyond was never set */

/* --- Structs that grow ---------------------------------------------------------------------- */

fac_status faci_struct_read(void *ours, size_t our_bytes, const void *theirs, size_t min_bytes,
                            const char *name, fac_error *err)
{
    size_t their_bytes = 0;
    memcpy(&their_bytes, theirs, sizeof(their_bytes));
    if (their_bytes < min_bytes || their_bytes > STRUCT_MAX_BYTES) {
        return faci_fail(err, FAC_E_INVALID, 0, "%s.size is %zu: not set", name, their_bytes);
    }
    for (size_t i = our_bytes; i < their_bytes; i++) {
        if (((const unsigned char *)theirs)[i] != 0) {
            return faci_fail(err, FAC_E_UNSUPPORTED, 0,
                             "%s sets what this library (%s) does not know", name,
                             fac_version());
        }
    }
    memcpy(ours, theirs, their_bytes < our_bytes ? their_bytes : our_bytes);
    return FAC_OK;
}

void faci_struct_write(void *theirs, size_t their_bytes, void *ours, size_t our_bytes)
{
    size_t bytes = their_bytes < our_bytes ? their_bytes : our_bytes;
    memcpy(ours, &bytes, sizeof(bytes));
    memcpy(theirs, ours, bytes);
}

fac_status faci_null(fac_error *err, const char *name)
{
    return faci_fail(err, FAC_E_INVALID, 0, "%s is NULL", name);
}

/* --- Life ----------------------------------------------------------------------------------- */

void faci_cache_free(fac_cache *cache)
{
    if (cache->backend != NULL) {
        cache->backend->ops->free(cache->backend);
    }
    struct faci_config *config = cache->config;
    fac_allocator alloc = config->alloc;
    faci_mem_free(&alloc, cache);
    faci_config_free(config);
}

fac_status faci_cache_open(struct faci_config *config, struct faci_log log, bool connects,
                           fac_cache **out, fac_error *err)
{
    fac_cache *cache = faci_mem_zalloc(&config->alloc, sizeof(*cache));
    if (cache == NULL) {
        faci_config_free(config);
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    atomic_init(&cache->refs, 1U);
    cache->fork_generation = faci_fork_generation();
    cache->config = config;
    fac_status st = config->choices[0].family == FAC_MEMORY
                        ? faci_backend_open_memory(config, &cache->backend, err)
                        : faci_backend_open_server(config, log, &cache->backend, err);
    if (st == FAC_OK && connects) {
        st = faci_policy_connect(cache->backend, err);
    }
    if (st < 0) {
        faci_cache_free(cache);
        return st;
    }
    *out = cache;
    return FAC_OK;
}

fac_status fac_cache_open(const fac_options *options, fac_cache **out, fac_error *err)
{
    faci_error_clear(err);
    if (out == NULL) {
        return faci_null(err, "out");
    }
    int cancel_state = 0;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    struct faci_config *config = NULL;
    fac_options known;
    fac_status st = faci_options_read(options, &known, err);
    if (st == FAC_OK) {
        st = faci_config_resolve(&known, &config, err);
    }
    if (st == FAC_OK) {
        struct faci_log log = {known.log, known.log_context};
        st = faci_cache_open(config, log, known.open == FAC_OPEN_CONNECT, out, err);
    }
    (void)pthread_setcancelstate(cancel_state, NULL);
    if (st == FAC_OK) {
        faci_error_clear(err);
    }
    return st;
}

fac_cache *fac_cache_ref(fac_cache *cache)
{
    if (cache != NULL) {
        unsigned before = atomic_fetch_add_explicit(&cache->refs, 1U, memory_order_relaxed);
        faci_check(before > 0);
    }
    return cache;
}

void fac_cache_unref(fac_cache *cache)
{
    if (cache != NULL) {
        unsigned before = atomic_fetch_sub_explicit(&cache->refs, 1U, memory_order_acq_rel);
        faci_check(before > 0);
        if (before == 1) {
            faci_cache_retire(cache);
        }
    }
}

void faci_cache_stop(fac_cache *cache)
{
    atomic_store(&cache->is_closed, true);
    cache->backend->ops->close(cache->backend);
}

void fac_cache_close(fac_cache *cache)
{
    if (cache != NULL) {
        faci_cache_stop(cache);
        fac_cache_unref(cache);
    }
}

/* --- Calls ---------------------------------------------------------------------------------- */

static fac_status read_call(const fac_call *call, struct faci_call *out, fac_error *err)
{
    fac_call known = {0};
    fac_status st = faci_struct_read(&known, sizeof(known), call,
                                     offsetof(fac_call, max_reply_bytes), "call", err);
    if (st < 0) {
        return st;
    }
    if (known.size < sizeof(known)) {
        known.max_reply_bytes = 0; /* a field counts whole or not at all */
    }
    if (known.flags != 0) {
        return faci_fail(err, FAC_E_INVALID, 0, "call.flags is 0x%x: none is defined",
                         (unsigned)known.flags);
    }
    out->deadline_ms = known.deadline_ms;
    out->max_reply_bytes = known.max_reply_bytes;
    return FAC_OK;
}

/* enter() and enter_closed(), a piece of each: calls do not pass through one function more. */
static inline fac_status enter_any(fac_cache *cache, const fac_call *call,
                                   struct faci_entry *entry, fac_error *err)
{
    faci_error_clear(err);
    if (cache == NULL) {
        return faci_null(err, "cache");
    }
    entry->call = (struct faci_call){0};
    if (call != NULL) {
        fac_status st = read_call(call, &entry->call, err);
        if (st < 0) {
            return st;
        }
    }
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &entry->cancel_state);
    entry->stripe = faci_counter_stripe();
    faci_count(cache, entry, FACI_COUNT_ENTERED, 1);
    return FAC_OK;
}

fac_status faci_enter_closed(fac_cache *cache, const fac_call *call, struct faci_entry *entry,
                             fac_error *err)
{
    return enter_any(cache, call, entry, err);
}

fac_status faci_enter(fac_cache *cache, const fac_call *call, struct faci_entry *entry,
                      fac_error *err)
{
    fac_status st = enter_any(cache, call, entry, err);
    if (st == FAC_OK && atomic_load_explicit(&cache->is_closed, memory_order_acquire)) {
        st = faci_fail(err, FAC_E_CLOSED, 0, "the cache is closed");
        return faci_leave(cache, entry, st, err);
    }
    return st;
}

static void count_error(fac_cache *cache, const struct faci_entry *entry, fac_status st)
{
    if (st != FAC_E_INVALID) {
        faci_count(cache, entry, FACI_COUNT_ERRORS, 1);
        if (st == FAC_E_TIMEOUT) {
            faci_count(cache, entry, FACI_COUNT_TIMEOUTS, 1);
        }
    }
}

/* `kind`: as what the call has ended. */
static inline fac_status leave_as(fac_cache *cache, const struct faci_entry *entry,
                                  enum faci_count kind, fac_status st, fac_error *err)
{
    if (st >= 0) {
        faci_error_clear(err);
    } else {
        count_error(cache, entry, st);
    }
    faci_count(cache, entry, kind, 1); /* the last touch: from here on it may be freed */
    if (atomic_load(&faci_n_retired) > 0) {
        faci_cache_reap();
    }
    (void)pthread_setcancelstate(entry->cancel_state, NULL);
    return st;
}

fac_status faci_leave(fac_cache *cache, const struct faci_entry *entry, fac_status st,
                      fac_error *err)
{
    return leave_as(cache, entry, FACI_COUNT_LEFT, st, err);
}

fac_status faci_leave_lookup(fac_cache *cache, const struct faci_entry *entry, fac_status st,
                             fac_error *err)
{
    enum faci_count kind = st < 0           ? FACI_COUNT_LEFT
                           : st == FAC_MISS ? FACI_COUNT_MISSES
                                            : FACI_COUNT_HITS;
    return leave_as(cache, entry, kind, st, err);
}
