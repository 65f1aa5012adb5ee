/* SPDX-License-Identifier: MIT */
/* api/retire.c — the end of a handle: freed when the last reference is gone and the last call has
 * left, without a word that all calls write.
 *
 * Design notes. A call counts itself in and out, each thread in a stripe of its own: a reference
 * that every call took would be one cache line for all threads. The sums are compared only when the
 * last reference is gone. From then on no call begins, so `entered` stands still, `left` rises up to
 * it, and "equal" is true for good.
 *
 * Who frees? A call that leaves does not touch the handle after it has counted itself out. It looks
 * at faci_n_retired, which is no handle's: not 0, and it goes through the list of the retired. The last
 * reference puts the handle into the list and raises that before it compares. In the one order of all
 * these accesses either the leaving call sees it raised, or its count is seen. Both look under the
 * lock, so one of them takes the handle out of the list, and that one frees it. */
#include "api/cache.h"

#include "base/fork.h"
#include "base/sync.h"

#include <pthread.h>
#include <stddef.h>

static struct faci_mutex retired_lock = {PTHREAD_MUTEX_INITIALIZER};
static fac_cache *retired;  /* guarded by retired_lock */
static unsigned generation; /* of the process that they are of; guarded by retired_lock */
atomic_uint faci_n_retired;

static void lock_for_fork(void *owner) FACI_NO_LOCK_ANALYSIS
{
    (void)owner;
    faci_mutex_lock(&retired_lock);
}

/* In a child the calls of the parent's other threads never leave: what waits for them is given up,
 * as is all that such threads had. Else every later call would look for it in vain. */
static void unlock_after_fork(void *owner) FACI_NO_LOCK_ANALYSIS
{
    (void)owner;
    if (generation != faci_fork_generation()) {
        generation = faci_fork_generation();
        retired = NULL;
        atomic_store(&faci_n_retired, 0U);
    }
    faci_mutex_unlock(&retired_lock);
}

static void watch_forks(void)
{
    generation = faci_fork_generation();
    static struct faci_fork_watch watch = {
        .owner = &retired_lock, .before = lock_for_fork, .after = unlock_after_fork};
    faci_fork_watch(&watch);
}

static bool is_idle(const fac_cache *cache)
{
    uint64_t n_left = faci_counter_sum(&cache->counters, FACI_COUNT_LEFT) +
                      faci_counter_sum(&cache->counters, FACI_COUNT_HITS) +
                      faci_counter_sum(&cache->counters, FACI_COUNT_MISSES);
    return n_left == faci_counter_sum(&cache->counters, FACI_COUNT_ENTERED);
}

/* Freeing closes sockets, which is a point of cancellation. */
static void free_all(fac_cache *idle)
{
    int cancel_state = 0;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    while (idle != NULL) {
        fac_cache *cache = idle;
        idle = cache->next_retired;
        faci_cache_free(cache);
    }
    (void)pthread_setcancelstate(cancel_state, NULL);
}

/* Moves what has no call in flight from the list of the retired to `*out`. */
static void take_idle_locked(fac_cache **out) FACI_REQUIRES(&retired_lock)
{
    fac_cache **link = &retired;
    while (*link != NULL) {
        fac_cache *cache = *link;
        if (is_idle(cache)) {
            *link = cache->next_retired;
            cache->next_retired = *out;
            *out = cache;
            (void)atomic_fetch_sub(&faci_n_retired, 1U);
        } else {
            link = &cache->next_retired;
        }
    }
}

void faci_cache_retire(fac_cache *cache)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, watch_forks);
    fac_cache *idle = NULL;
    if (cache->fork_generation != faci_fork_generation() && !is_idle(cache)) {
        return; /* a thread of the parent's was in a call, and is not here to leave it */
    }
    faci_mutex_lock(&retired_lock);
    cache->next_retired = retired;
    retired = cache;
    (void)atomic_fetch_add(&faci_n_retired, 1U);
    take_idle_locked(&idle);
    faci_mutex_unlock(&retired_lock);
    free_all(idle);
}

void faci_cache_reap(void)
{
    fac_cache *idle = NULL;
    faci_mutex_lock(&retired_lock);
    take_idle_locked(&idle);
    faci_mutex_unlock(&retired_lock);
    free_all(idle);
}
