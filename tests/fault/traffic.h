/* SPDX-License-Identifier: MIT */
/* fault/traffic.h — many threads use one cache, and each looks at every answer: may it have been
 * that? Only the public API, so it judges any engine the same.
 *
 * Keys are of three kinds. A thread's own ones it alone writes: what it reads must be its last
 * acknowledged write, or one whose outcome it does not know. Its own counters it alone increments:
 * each answer must lie between what was acknowledged and what may have been applied. Shared ones
 * all write: what is read must be a whole value of that key, from a write that somebody began.
 *
 * A write that the library sent again after a lost connection may overwrite a newer one; cache.h
 * says so. A thread that meets such a one counts it as stale, and goes on from there. */
#ifndef FAC_FAULT_TRAFFIC_H
#define FAC_FAULT_TRAFFIC_H

#include "kit/ledger.h"

#include <faciliter/cache.h>

#include <stddef.h>
#include <stdint.h>

enum {
    TRAFFIC_PATIENCE_MS = 20000
};

struct traffic_options {
    fac_cache *cache;
    size_t n_threads;
    /* Of all threads, each item of a batch one; 0: for duration_ms. They go on past it, for at most
     * TRAFFIC_PATIENCE_MS, until calls have hit, missed and, where deadlines are short, been given
     * up: how many calls that takes is the machine's affair. */
    uint64_t n_ops;
    uint32_t duration_ms;
    size_t n_own_keys;      /* of each thread; 0: 8 */
    size_t n_shared_keys;   /* 0: 64 */
    size_t value_max_bytes; /* of the payload; 0: 2048 */
    /* A call has 1 to this, by chance, but for one in eight, which has the cache's timeout: what
     * abandoned calls leave behind must not reach it. 0: all have that. */
    uint32_t deadline_max_ms;
    uint64_t seed;
};

struct traffic_result {
    struct kit_ledger_sum ledger;
    uint64_t n_wrong;
    uint64_t n_stale;
    uint64_t n_timeouts; /* calls that returned FAC_E_TIMEOUT: abandoned */
    uint64_t n_read_bytes;
    double seconds;
    char first_wrong[256];
};

struct traffic;

/* Rows with deaths are about replies, not about how soon a breaker lets calls pass. A library that
 * has none refuses the name. */
void traffic_turn_breaker_off(fac_options *options);

/* Start the threads. */
struct traffic *traffic_start(const struct traffic_options *options);

/* Operations that have ended so far. */
uint64_t traffic_ended(const struct traffic *traffic);

/* Wait for the threads, free; assert that the ledger adds up. */
void traffic_join(struct traffic *traffic, struct traffic_result *out);

#endif
