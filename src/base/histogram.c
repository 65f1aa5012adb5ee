/* SPDX-License-Identifier: MIT */
/* base/histogram.c — buckets for durations, counted with relaxed atomics.
 *
 * A duration is measured in units of 64 ns. Below 2 * STEPS units each has a bucket of its own.
 * From there on each doubling is cut into STEPS buckets: with `shift` chosen so that
 * units >> shift lies in [STEPS, 2 * STEPS), the index is shift * STEPS + (units >> shift), and no
 * index is skipped. The last bucket has no upper end.
 */
#include "base/histogram.h"

#include <assert.h>
#include <stddef.h>

enum {
    STEPS = 1 << FACI_HISTOGRAM_STEP_BITS,
    LAST = FACI_HISTOGRAM_BUCKETS - 1,
};

static_assert(sizeof(struct faci_histogram) <= 4096, "an idle handle stays small");

static size_t bucket_of(uint64_t ns)
{
    uint64_t units = ns >> FACI_HISTOGRAM_UNIT_BITS;
    unsigned shift = 0;
    if (units >= UINT64_C(2) * STEPS) {
        unsigned top_bit = 63U - (unsigned)__builtin_clzll(units);
        shift = top_bit - FACI_HISTOGRAM_STEP_BITS;
    }
    size_t index = (size_t)shift * STEPS + (size_t)(units >> shift);
    return index < LAST ? index : LAST;
}

/* The longest duration that belongs to a bucket. */
static uint64_t upper_ns(size_t index)
{
    if (index == LAST) {
        return UINT64_MAX;
    }
    size_t shift = index < 2 * (size_t)STEPS ? 0 : index / STEPS - 1;
    uint64_t step = index - shift * STEPS;
    return ((step + 1) << (shift + FACI_HISTOGRAM_UNIT_BITS)) - 1;
}

void faci_histogram_init(struct faci_histogram *histogram)
{
    for (size_t i = 0; i < FACI_HISTOGRAM_BUCKETS; i++) {
        atomic_init(&histogram->counts[i], 0);
    }
    atomic_init(&histogram->max_ns, 0);
}

void faci_histogram_add(struct faci_histogram *histogram, int64_t ns)
{
    uint64_t duration_ns = ns > 0 ? (uint64_t)ns : 0;
    unsigned long long max_ns = atomic_load_explicit(&histogram->max_ns, memory_order_relaxed);
    while (duration_ns > max_ns &&
           !atomic_compare_exchange_weak_explicit(&histogram->max_ns, &max_ns, duration_ns,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    (void)atomic_fetch_add_explicit(&histogram->counts[bucket_of(duration_ns)], 1,
                                    memory_order_relaxed);
}

/* The bucket of the sample that stands at `thousandths` / 1000 of all, in order of length. */
static size_t find_bucket(const uint64_t *counts, uint64_t n, unsigned thousandths)
{
    /* Rounded up: p99.9 of ten samples is the tenth. In this order nothing overflows. */
    uint64_t rank = n / 1000 * thousandths + (n % 1000 * thousandths + 999) / 1000;
    uint64_t seen = 0;
    size_t i = 0;
    for (; i < LAST; i++) {
        seen += counts[i];
        if (seen >= rank) {
            break;
        }
    }
    return i;
}

void faci_histogram_read(const struct faci_histogram *histogram, struct faci_quantiles *out)
{
    /* The copy is what makes the percentiles fit each other and `n`. */
    uint64_t counts[FACI_HISTOGRAM_BUCKETS];
    uint64_t n = 0;
    for (size_t i = 0; i < FACI_HISTOGRAM_BUCKETS; i++) {
        counts[i] = atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        n += counts[i];
    }
    *out = (struct faci_quantiles){
        .n = n, .max_ns = atomic_load_explicit(&histogram->max_ns, memory_order_relaxed)};
    const struct {
        unsigned thousandths;
        uint64_t *ns;
    } wanted[] = {
        {500, &out->p50_ns}, {900, &out->p90_ns}, {990, &out->p99_ns}, {999, &out->p999_ns}};
    for (size_t i = 0; n > 0 && i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        uint64_t upper = upper_ns(find_bucket(counts, n, wanted[i].thousandths));
        *wanted[i].ns = upper < out->max_ns ? upper : out->max_ns;
    }
}
