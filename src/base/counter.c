/* SPDX-License-Identifier: MIT */
/* base/counter.c — striped counters. */
#include "base/counter.h"

/* Threads take stripes in turn, at their first count. */
unsigned faci_counter_stripe(void)
{
    static atomic_uint n_threads;
    static _Thread_local unsigned stripe; /* 0: none yet */
    if (stripe == 0) {
        unsigned turn = atomic_fetch_add_explicit(&n_threads, 1U, memory_order_relaxed);
        stripe = turn % FACI_COUNTER_STRIPES + 1;
    }
    return stripe - 1;
}

uint64_t faci_counter_sum(const struct faci_counters *counters, unsigned slot)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < FACI_COUNTER_STRIPES; i++) {
        sum += atomic_load(&counters->stripes[i].slots[slot]);
    }
    return sum;
}
