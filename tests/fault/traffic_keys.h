/* SPDX-License-Identifier: MIT */
/* fault/traffic_keys.h — what a key may hold now, as its writer knows it. No thread shares one but
 * for the shared keys' counters. */
#ifndef FAC_FAULT_TRAFFIC_KEYS_H
#define FAC_FAULT_TRAFFIC_KEYS_H

#include "kit/ledger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OWN_UNKNOWN_MAX = 256, /* writes of unknown outcome a key remembers: more, and it is wild */
    OWN_REFUSED_MAX = 16   /* writes that were certainly not applied: the last ones */
};

/* A key that one thread writes. */
struct own_key {
    uint64_t n_begun; /* writes: their numbers are 1 to this */
    uint64_t held;    /* the last acknowledged write; 0: none, or deleted since */
    bool may_miss;    /* a delete of unknown outcome may come at any time */
    bool is_wild;     /* too many are unknown: any number that was begun may be read */
    size_t n_unknown;
    uint64_t unknown[OWN_UNKNOWN_MAX];
    size_t n_refused;
    uint64_t refused[OWN_REFUSED_MAX];
};

/* A counter that one thread increments by 1. */
struct own_counter {
    int64_t n_acked;
    int64_t n_unknown;
    int64_t last;
};

enum verdict {
    VERDICT_RIGHT,
    VERDICT_STALE, /* possible only when a write was sent again */
    VERDICT_WRONG,
};

/* A write has ended. */
void own_key_wrote(struct own_key *key, uint64_t seq, enum kit_outcome outcome);

/* A delete has ended; `outcome` is one of writes, so OK and MISS mean that it was done. */
enum verdict own_key_deleted(struct own_key *key, enum kit_outcome outcome);

/* A value of this key was read; a stale one is what it holds from now on. */
enum verdict own_key_read(struct own_key *key, uint64_t seq);

/* The key was found, or not, without its value. */
enum verdict own_key_seen(struct own_key *key, bool is_there);

/* An increment has ended; `value` counts when it is OK. */
enum verdict own_counter_added(struct own_counter *counter, enum kit_outcome outcome,
                               int64_t value);

#endif
