/* SPDX-License-Identifier: MIT */
/* base/counter.h — counters that many threads add to: each thread in one of a few stripes, so that
 * two threads seldom write the same cache line. Stripes lie a line apart, as an allocator hook
 * promises malloc's alignment only. */
#ifndef FACI_BASE_COUNTER_H
#define FACI_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    FACI_COUNTER_STRIPES = 8,
    FACI_COUNTER_SLOTS = 10, /* of 8 bytes: the first eight are a cache line */
    FACI_COUNTER_APART = 8,
};

struct faci_counters {
    struct {
        atomic_ullong slots[FACI_COUNTER_SLOTS + FACI_COUNTER_APART];
    } stripes[FACI_COUNTER_STRIPES];
};

/* The calling thread's stripe. Who counts more than once asks once. */
unsigned faci_counter_stripe(void);

/* In one order with all other sequentially consistent accesses. `slot` is 0 to
 * FACI_COUNTER_SLOTS - 1; the user gives them names. */
static inline void faci_counter_add(struct faci_counters *counters, unsigned stripe,
                                    unsigned slot, uint64_t n)
{
    atomic_fetch_add(&counters->stripes[stripe].slots[slot], n);
}

/* Exact for what was added before in that order. */
uint64_t faci_counter_sum(const struct faci_counters *counters, unsigned slot);

#endif
