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

/* What a comparison gave. Rates are operations (keys) per second. */
struct bench_pairs {
    double ours_rate;  /* Median of the slices. */
    double base_rate;  /* Median of the slices. */
    double ratio;      /* Median of the pairs' ratios. */
    double ratio_low;  /* A quarter of the pairs lies below, */
    double ratio_high; /* and a quarter above. */
    double
        ours_cpu_us; /* Of this process, for one operation; median of the slices. Waiting, and */
    double base_cpu_us; /* what other programs take, is not in it. */
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
    double per_s;  /* Of all threads together. */
    double cpu_us; /* For one operation. */
};

/* Run all threads of a side for `seconds`. */
bool bench_slice(struct bench_side *side, double seconds, struct bench_rate *out);

/* Alternate ours, base, base, ours … for n_pairs pairs. */
bool bench_compare(struct bench_side *ours, struct bench_side *base,
                   const struct bench_method *method, struct bench_pairs *out);

/* From now on a SIGINT or SIGTERM ends the run between two slices, which then fail. */
bool bench_watch_signals(void);

#endif
