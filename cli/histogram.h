/* SPDX-License-Identifier: MIT */
/* cli/histogram.h — durations, counted in buckets that grow with them: fixed memory, any number of
 * samples, percentiles within 1.6 %. Not thread-safe: one for each thread, merged at the end. */
#ifndef FAC_CLI_HISTOGRAM_H
#define FAC_CLI_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    CLI_HISTOGRAM_STEP_BITS = 6, /* 64 buckets to a doubling: each at most 1/64 wide */
    CLI_HISTOGRAM_STEPS = 1 << CLI_HISTOGRAM_STEP_BITS,
    CLI_HISTOGRAM_DOUBLINGS = 36, /* up to 2^41 ns, over half an hour; longer counts as that */
    CLI_HISTOGRAM_BUCKETS = CLI_HISTOGRAM_STEPS * CLI_HISTOGRAM_DOUBLINGS,
};

/* All zero is empty. */
struct cli_histogram {
    uint64_t n_samples;
    uint64_t max_ns; /* exact */
    uint64_t counts[CLI_HISTOGRAM_BUCKETS];
};

void cli_histogram_add(struct cli_histogram *histogram, uint64_t duration_ns);
void cli_histogram_merge(struct cli_histogram *into, const struct cli_histogram *from);

/* The duration that `ten_thousandths` / 10000 of the samples do not exceed, never more than the
 * longest one: 5000 is the median, 9990 is p99.9. 0 when there is no sample. */
uint64_t cli_histogram_quantile(const struct cli_histogram *histogram,
                                unsigned ten_thousandths);

#endif
