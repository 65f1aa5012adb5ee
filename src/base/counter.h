/* SPDX-License-Identifier: MIT */
/* base/counter.h — counters that many threads add to: each thread in one of a few stripes, so that
 * two threads seldom write the same cache line. Stripes lie two lines apart, as an allocator hook
 * promises malloc's alignment only. */
#ifndef FACI_BASE_COUNTER_H
#define FACI_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    FACI_COUNTER_STRIPES = 8,
    FACI_COUNTER_SLOTS = 8, /* of 8 bytes: one cache line */
    FACI_COUNTER_APART = 8,
};

struct faci_counters {
    struct {
        atomic_ullong slots[FACI_COUNTER_SLOTS + FACI_COUNTER_APART];
    } stripes[FACI_COUNTER_STRIPES];
};

/* In one order with all other sequentially consistent accesses. `slot` is 0 to
 * FACI_COUNTER_SLOTS - 1; the user gives them names. */
void faci_counter_add(struct faci_counters *counters, unsigned slot, uint64_t n);

/* Exact for what was added before in that order. */
uint64_t faci_counter_sum(const struct faci_counters *counters, unsigned slot);

#endif
