/* SPDX-License-Identifier: MIT */
/* base/histogram.h — durations that many threads count, in buckets that grow with them: fixed
 * memory, any number of samples, percentiles that are at most 1/16 too long. Any thread may add
 * and read; nothing is locked or allocated. */
#ifndef FACI_BASE_HISTOGRAM_H
#define FACI_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    FACI_HISTOGRAM_UNIT_BITS = 6,     /* 64 ns: no bucket is narrower */
    FACI_HISTOGRAM_STEP_BITS = 4,     /* 16 buckets to a doubling */
    FACI_HISTOGRAM_LONGEST_BITS = 36, /* 2^36 ns, 68.7 s: all that is longer shares a bucket */
    FACI_HISTOGRAM_BUCKETS =          /* with that one */
        ((FACI_HISTOGRAM_LONGEST_BITS - FACI_HISTOGRAM_UNIT_BITS - FACI_HISTOGRAM_STEP_BITS + 1)
         << FACI_HISTOGRAM_STEP_BITS) +
        1,
};

struct faci_histogram {
    atomic_ullong counts[FACI_HISTOGRAM_BUCKETS];
    atomic_ullong max_ns; /* exact */
};

/* What half, nine tenths … of the samples did not exceed; 0 without any. */
struct faci_quantiles {
    uint64_t n; /* samples */
    uint64_t p50_ns;
    uint64_t p90_ns;
    uint64_t p99_ns;
    uint64_t p999_ns;
    uint64_t max_ns;
};

void faci_histogram_init(struct faci_histogram *histogram);

/* One more sample; one that is negative counts as 0. */
void faci_histogram_add(struct faci_histogram *histogram, int64_t ns);

/* While others add, what they add now may be missing in part: `max_ns` is then no less than every
 * percentile all the same. */
void faci_histogram_read(const struct faci_histogram *histogram, struct faci_quantiles *out);

#endif
