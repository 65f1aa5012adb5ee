/* SPDX-License-Identifier: MIT */
/* bench/timing.h — how long things take: one slice of one driver, and alternating pairs of two. */
#ifndef FAC_BENCH_TIMING_H
#define FAC_BENCH_TIMING_H

#include "driver.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    BENCH_MAX_PAIRS = 48
};

/* How a comparison is taken. For the same time many short slices serve better than few long ones:
 * a burst of another program's work then spoils some pairs, which the median leaves out. */
struct bench_method {
    uint32_t n_pairs; /* At least 5, at most BENCH_MAX_PAIRS. */
    double slice_s;
};

/* What one operation costs the client, apart from time. */
struct bench_cost {
    double cpu_us;   /* Of its threads. Waiting, and what other programs take, is not in it. */
    double switches; /* Of context, of its own will and not. */
    double calls;    /* Of the system; negative: not counted. */
};

/* What a comparison gave. Rates are operations (keys) per second. */
struct bench_pairs {
    double ours_rate;            /* Median of the slices. */
    double base_rate;            /* Median of the slices. */
    double ratio;                /* Median of the pairs' ratios. */
    double ratio_low;            /* A quarter of the pairs lies below, */
    double ratio_high;           /* and a quarter above. */
    struct bench_cost ours_cost; /* Medians of the slices; the calls of one slice apart. */
    struct bench_cost base_cost;
};

/* One side of a comparison: a driver with its open peer. */
struct bench_side {
    const struct bench_driver *driver;
    struct bench_peer peer;
};

/* Nanoseconds of the monotonic clock. */
uint64_t bench_now_ns(void);

/* The middle one, or the mean of the middle two. Sorts `values`. `n` is at least 1. */
double bench_median(double *values, uint32_t n);

/* What one slice gave. */
struct bench_rate {
    double per_s; /* Of all threads together. */
    struct bench_cost cost;
};

/* Run all threads of a side for `seconds`. With is_counting system calls are counted too, which
 * slows them down: such a slice is for the count alone. */
bool bench_slice(struct bench_side *side, double seconds, bool is_counting,
                 struct bench_rate *out);

/* Alternate ours, base, base, ours … for n_pairs pairs; then a slice of each that counts. */
bool bench_compare(struct bench_side *ours, struct bench_side *base,
                   const struct bench_method *method, struct bench_pairs *out);

/* The middle of the pairs' ratios and the quarters around it. Sorts `ratios`. */
void bench_pairs_set_ratios(struct bench_pairs *pairs, double *ratios, uint32_t n);

/* Whether a signal of bench_watch_signals() came; says so. */
bool bench_is_interrupted(void);

/* Wait until this instant of the monotonic clock. */
void bench_wait_until(uint64_t at_ns);

/* From now on a SIGINT or SIGTERM ends the run between two slices, which then fail. */
bool bench_watch_signals(void);

#endif
