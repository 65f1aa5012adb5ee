/* SPDX-License-Identifier: MIT */
/* api/cache.h — the inside of fac_cache, and how a public call enters and leaves it. For api/
 * only. */
#ifndef FACI_API_CACHE_H
#define FACI_API_CACHE_H

#include "backend/backend.h"
#include "base/counter.h"
#include "policy/policy.h"

#include <faciliter/cache.h>

#include <stdatomic.h>
#include <stdbool.h>

/* Each call is counted once when it begins and once when it ends: as a hit or a miss, if it looked
 * for one key. */
enum faci_count {
    FACI_COUNT_ENTERED, /* calls that began */
    FACI_COUNT_HITS,    /* that ended with a value */
    FACI_COUNT_MISSES,  /* without one */
    FACI_COUNT_LEFT,    /* that ended, of all other kinds */
    FACI_COUNT_SETS,
    FACI_COUNT_DELETES,
    FACI_COUNT_BATCH_HITS, /* keys */
    FACI_COUNT_BATCH_MISSES,
    FACI_COUNT_ERRORS,
    FACI_COUNT_TIMEOUTS,
    FACI_COUNT_KINDS,
};
_Static_assert((int)FACI_COUNT_KINDS <= (int)FACI_COUNTER_SLOTS, "one slot for each kind");

struct fac_cache {
    atomic_uint refs; /* of the caller's; calls in flight are counted apart, by thread */
    atomic_bool is_closed;
    struct faci_config *config;
    struct faci_backend *backend;
    struct faci_counters counters;
    fac_cache *next_retired;  /* retire.c */
    unsigned fork_generation; /* of the process that opened it */
};

/* Open over a resolved config. Takes `config`, on failure too. `connects`: reach a server now. */
fac_status faci_cache_open(struct faci_config *config, struct faci_log log, bool connects,
                           fac_cache **out, fac_error *err);

/* Stop it now; references stay as they are. */
void faci_cache_stop(fac_cache *cache);

/* No reference is left: frees the handle when no call is in flight, or has the last one do it. */
void faci_cache_retire(fac_cache *cache);

/* Handles that were retired and not yet freed. */
extern atomic_uint faci_n_retired;

/* Frees what was retired and has no call in flight any more. Every call that left asks for it when
 * there is something retired. */
void faci_cache_reap(void);

/* Of a handle that nobody can reach any more. cache.c */
void faci_cache_free(fac_cache *cache);

/* --- A call: enter, work, leave ------------------------------------------------------------- */

struct faci_entry {
    struct faci_call call;
    int cancel_state; /* a thread is not cancelled inside the library */
    unsigned stripe;  /* of the counters */
};

/* FAC_OK, and leave() must follow; FAC_E_INVALID, FAC_E_UNSUPPORTED, FAC_E_CLOSED, and it must
 * not. Clears `err`. */
fac_status faci_enter(fac_cache *cache, const fac_call *call, struct faci_entry *entry,
                      fac_error *err);

/* As enter(), but works on a closed cache. */
fac_status faci_enter_closed(fac_cache *cache, const fac_call *call, struct faci_entry *entry,
                             fac_error *err);

/* Counts `st`, clears `err` unless it is an error, and returns it. */
fac_status faci_leave(fac_cache *cache, const struct faci_entry *entry, fac_status st,
                      fac_error *err);

/* The same for a call that looked for one key. */
fac_status faci_leave_lookup(fac_cache *cache, const struct faci_entry *entry, fac_status st,
                             fac_error *err);

/* FAC_E_INVALID: `name` is NULL. */
fac_status faci_null(fac_error *err, const char *name);

static inline void faci_count(fac_cache *cache, const struct faci_entry *entry,
                              enum faci_count kind, uint64_t n)
{
    faci_counter_add(&cache->counters, entry->stripe, (unsigned)kind, n);
}

/*
 * A struct that may be older or newer than ours. `theirs` begins with its size. Copies what both
 * know into `ours`, which stays as it is beyond. FAC_OK; FAC_E_INVALID when it has not even
 * `min_bytes`; FAC_E_UNSUPPORTED when it sets something that we do not know.
 */
fac_status faci_struct_read(void *ours, size_t our_bytes, const void *theirs, size_t min_bytes,
                            const char *name, fac_error *err);

/* The other way: fill as much as they know, and set their `size` to what was filled. */
void faci_struct_write(void *theirs, size_t their_bytes, void *ours, size_t our_bytes);

#endif
