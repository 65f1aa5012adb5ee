/* SPDX-License-Identifier: MIT */
/* cli/histogram.c — buckets for durations.
 *
 * Durations below 2 * STEPS have a bucket of their own width, one nanosecond. From there on each
 * doubling is cut into STEPS buckets: with `shift` chosen so that duration >> shift lies in
 * [STEPS, 2 * STEPS), the index is shift * STEPS + (duration >> shift), and no index is skipped.
 */
#include "histogram.h"

static size_t bucket_of(uint64_t duration_ns)
{
    unsigned shift = 0;
    if (duration_ns >= UINT64_C(2) * CLI_HISTOGRAM_STEPS) {
        unsigned top_bit = 63U - (unsigned)__builtin_clzll(duration_ns);
        shift = top_bit - CLI_HISTOGRAM_STEP_BITS;
    }
    size_t index = (size_t)shift * CLI_HISTOGRAM_STEPS + (size_t)(duration_ns >> shift);
    return index < CLI_HISTOGRAM_BUCKETS ? index : CLI_HISTOGRAM_BUCKETS - 1;
}

/* The longest duration that belongs to a bucket. */
static uint64_t upper_ns(size_t index)
{
    if (index < 2 * (size_t)CLI_HISTOGRAM_STEPS) {
        return index;
    }
    size_t shift = index / CLI_HISTOGRAM_STEPS - 1;
    uint64_t step = index % CLI_HISTOGRAM_STEPS + CLI_HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1;
}

void cli_histogram_add(struct cli_histogram *histogram, uint64_t duration_ns)
{
    histogram->n_samples++;
    histogram->counts[bucket_of(duration_ns)]++;
    if (duration_ns > histogram->max_ns) {
        histogram->max_ns = duration_ns;
    }
}

void cli_histogram_merge(struct cli_histogram *into, const struct cli_histogram *from)
{
    into->n_samples += from->n_samples;
    if (from->max_ns > into->max_ns) {
        into->max_ns = from->max_ns;
    }
    for (size_t i = 0; i < CLI_HISTOGRAM_BUCKETS; i++) {
        into->counts[i] += from->counts[i];
    }
}

uint64_t cli_histogram_quantile(const struct cli_histogram *histogram, unsigned ten_thousandths)
{
    /* Rounded up: p99.9 of ten samples is the tenth. In this order nothing overflows. */
    uint64_t n = histogram->n_samples;
    uint64_t rank = n / 10000 * ten_thousandths + (n % 10000 * ten_thousandths + 9999) / 10000;
    uint64_t seen = 0;
    for (size_t i = 0; i < CLI_HISTOGRAM_BUCKETS && rank > 0; i++) {
        seen += histogram->counts[i];
        if (seen >= rank) {
            uint64_t upper = upper_ns(i);
            return upper < histogram->max_ns ? upper : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}
