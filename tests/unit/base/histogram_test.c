/* SPDX-License-Identifier: MIT */
/* The latency histogram against the exact answer: every bucket's edges, the percentiles of random
 * samples, and many threads at once. */
#include "base/histogram.h"

#include "kit/kit.h"

#include <pthread.h>
#include <stdlib.h>

/* What 36 bits of nanoseconds can say; all that is longer has one bucket. */
#define LONGEST_NS (INT64_C(1) << FACI_HISTOGRAM_LONGEST_BITS)

/* A percentile is never too short, and too long by less than 1/16 or by one unit. */
static void assert_close(uint64_t got_ns, uint64_t want_ns)
{
    uint64_t width_ns = want_ns / 16 > 63 ? want_ns / 16 : 63;
    assert_in_range(got_ns, want_ns, want_ns + width_ns);
}

static struct faci_quantiles read_of(const struct faci_histogram *histogram)
{
    struct faci_quantiles quantiles;
    faci_histogram_read(histogram, &quantiles);
    return quantiles;
}

/* The median of one sample beside a longer one: the upper end of its bucket, which the exact
 * maximum does not cut. */
static uint64_t shown_for(int64_t ns)
{
    struct faci_histogram histogram;
    faci_histogram_init(&histogram);
    faci_histogram_add(&histogram, ns);
    faci_histogram_add(&histogram, INT64_MAX);
    return read_of(&histogram).p50_ns;
}

static void test_histogram__empty_is_all_zero(void **state)
{
    (void)state;
    struct faci_histogram histogram;
    faci_histogram_init(&histogram);
    struct faci_quantiles quantiles = read_of(&histogram);
    assert_int_equal(quantiles.n, 0);
    assert_int_equal(quantiles.p50_ns, 0);
    assert_int_equal(quantiles.p90_ns, 0);
    assert_int_equal(quantiles.p99_ns, 0);
    assert_int_equal(quantiles.p999_ns, 0);
    assert_int_equal(quantiles.max_ns, 0);
}

static void test_histogram__is_at_most_four_kib(void **state)
{
    (void)state;
    assert_in_range(sizeof(struct faci_histogram), 1, 4096);
}

static void test_histogram__one_sample_is_every_percentile(void **state)
{
    (void)state;
    static const int64_t k_samples[] = {
        0,          1,        63, 64, 999, 1000, 1024, 123456, 4000000000, LONGEST_NS - 1,
        LONGEST_NS, INT64_MAX};
    for (size_t i = 0; i < KIT_COUNT(k_samples); i++) {
        struct faci_histogram histogram;
        faci_histogram_init(&histogram);
        faci_histogram_add(&histogram, k_samples[i]);
        struct faci_quantiles quantiles = read_of(&histogram);
        /* The maximum is exact, and no percentile is over it. */
        assert_int_equal(quantiles.n, 1);
        assert_int_equal(quantiles.max_ns, k_samples[i]);
        assert_int_equal(quantiles.p50_ns, k_samples[i]);
        assert_int_equal(quantiles.p999_ns, k_samples[i]);
    }
}

static void test_histogram__a_negative_duration_is_zero(void **state)
{
    (void)state;
    struct faci_histogram histogram;
    faci_histogram_init(&histogram);
    faci_histogram_add(&histogram, -1);
    faci_histogram_add(&histogram, INT64_MIN);
    struct faci_quantiles quantiles = read_of(&histogram);
    assert_int_equal(quantiles.n, 2);
    assert_int_equal(quantiles.max_ns, 0);
    assert_int_equal(quantiles.p999_ns, 0);
}

/* Both sides of every edge: the buckets join without a gap, and each is narrow enough. */
static void test_histogram__every_bucket_begins_where_the_last_one_ends(void **state)
{
    (void)state;
    int64_t first_ns = 0;
    unsigned n_buckets = 0;
    while (first_ns < LONGEST_NS) {
        uint64_t last_ns = shown_for(first_ns);
        assert_close(last_ns, (uint64_t)first_ns);
        assert_int_equal(shown_for((int64_t)last_ns), last_ns);
        first_ns = (int64_t)last_ns + 1;
        n_buckets++;
    }
    assert_int_equal(first_ns, LONGEST_NS);
    assert_int_equal(n_buckets + 1, FACI_HISTOGRAM_BUCKETS);
}

static void test_histogram__longer_than_a_minute_shows_the_longest(void **state)
{
    (void)state;
    assert_close(shown_for(INT64_C(60000000000)), UINT64_C(60000000000));
    assert_int_equal(shown_for(LONGEST_NS), INT64_MAX);
}

/* Exact ranks, where no bucket blurs them: 1000 samples, each a unit of its own size class. */
static void test_histogram__percentiles_are_of_the_right_rank(void **state)
{
    (void)state;
    static const struct {
        unsigned n_short;
        uint64_t p50_ns, p90_ns, p99_ns, p999_ns;
    } k_cases[] = {
        /* of 1000: so many take 63 ns, the others 1 s */
        {499, 1000000000, 1000000000, 1000000000, 1000000000},
        {500, 63, 1000000000, 1000000000, 1000000000},
        {899, 63, 1000000000, 1000000000, 1000000000},
        {900, 63, 63, 1000000000, 1000000000},
        {989, 63, 63, 1000000000, 1000000000},
        {990, 63, 63, 63, 1000000000},
        {998, 63, 63, 63, 1000000000},
        {999, 63, 63, 63, 63},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_histogram histogram;
        faci_histogram_init(&histogram);
        for (unsigned k = 0; k < 1000; k++) {
            faci_histogram_add(&histogram, k < k_cases[i].n_short ? 63 : 1000000000);
        }
        struct faci_quantiles quantiles = read_of(&histogram);
        assert_int_equal(quantiles.n, 1000);
        assert_int_equal(quantiles.p50_ns, k_cases[i].p50_ns);
        assert_int_equal(quantiles.p90_ns, k_cases[i].p90_ns);
        assert_int_equal(quantiles.p99_ns, k_cases[i].p99_ns);
        assert_int_equal(quantiles.p999_ns, k_cases[i].p999_ns);
        assert_int_equal(quantiles.max_ns, 1000000000);
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void test_histogram__random_samples_against_a_sorted_list(void **state)
{
    (void)state;
    enum {
        SAMPLES = 5000
    };
    static uint64_t samples[SAMPLES];
    uint64_t dice = kit_seed();
    for (int round = 0; round < 20; round++) {
        struct faci_histogram histogram;
        faci_histogram_init(&histogram);
        for (size_t i = 0; i < SAMPLES; i++) {
            /* Every order of magnitude as often as any other. */
            samples[i] = (kit_random(&dice) >> 28) >> (kit_random(&dice) % 30);
            faci_histogram_add(&histogram, (int64_t)samples[i]);
        }
        qsort(samples, SAMPLES, sizeof(samples[0]), compare);
        struct faci_quantiles quantiles = read_of(&histogram);
        assert_int_equal(quantiles.n, SAMPLES);
        assert_close(quantiles.p50_ns, samples[SAMPLES / 2 - 1]);
        assert_close(quantiles.p90_ns, samples[SAMPLES / 10 * 9 - 1]);
        assert_close(quantiles.p99_ns, samples[SAMPLES / 100 * 99 - 1]);
        assert_close(quantiles.p999_ns, samples[SAMPLES / 1000 * 999 - 1]);
        assert_int_equal(quantiles.max_ns, samples[SAMPLES - 1]);
    }
}

/* --- threads -------------------------------------------------------------------------------- */

struct crowd {
    struct faci_histogram histogram;
    size_t n_each;
    atomic_uint n_started;
    atomic_uint n_ended;
};

struct member {
    struct crowd *crowd;
    int64_t longest_ns;
};

enum {
    MEMBERS = 4
};

static void *add_rising(void *arg)
{
    const struct member *member = arg;
    struct crowd *crowd = member->crowd;
    (void)atomic_fetch_add(&crowd->n_started, 1);
    while (atomic_load(&crowd->n_started) < MEMBERS) {
    }
    /* Each sample is a new maximum, so that the threads race for it. */
    for (size_t i = crowd->n_each; i-- > 0;) {
        faci_histogram_add(&crowd->histogram, member->longest_ns - (int64_t)i);
    }
    (void)atomic_fetch_add(&crowd->n_ended, 1);
    return NULL;
}

static void test_histogram__threads_lose_no_sample_and_no_maximum(void **state)
{
    (void)state;
    static struct crowd crowd;
    crowd = (struct crowd){.n_each = kit_scaled(1000000)};
    faci_histogram_init(&crowd.histogram);
    pthread_t threads[MEMBERS];
    struct member members[MEMBERS];
    for (size_t i = 0; i < MEMBERS; i++) {
        members[i] = (struct member){&crowd, INT64_C(10000000) + (int64_t)i};
        assert_int_equal(pthread_create(&threads[i], NULL, add_rising, &members[i]), 0);
    }
    uint64_t last_n = 0;
    while (atomic_load(&crowd.n_ended) < MEMBERS) {
        struct faci_quantiles quantiles = read_of(&crowd.histogram);
        assert_true(quantiles.n >= last_n);
        assert_true(quantiles.p50_ns <= quantiles.p90_ns);
        assert_true(quantiles.p90_ns <= quantiles.p99_ns);
        assert_true(quantiles.p99_ns <= quantiles.p999_ns);
        assert_true(quantiles.p999_ns <= quantiles.max_ns);
        last_n = quantiles.n;
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    struct faci_quantiles quantiles = read_of(&crowd.histogram);
    assert_int_equal(quantiles.n, MEMBERS * crowd.n_each);
    assert_int_equal(quantiles.max_ns, members[MEMBERS - 1].longest_ns);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_histogram__empty_is_all_zero),
    KIT_TEST(test_histogram__is_at_most_four_kib),
    KIT_TEST(test_histogram__one_sample_is_every_percentile),
    KIT_TEST(test_histogram__a_negative_duration_is_zero),
    KIT_TEST(test_histogram__every_bucket_begins_where_the_last_one_ends),
    KIT_TEST(test_histogram__longer_than_a_minute_shows_the_longest),
    KIT_TEST(test_histogram__percentiles_are_of_the_right_rank),
    KIT_TEST(test_histogram__random_samples_against_a_sorted_list),
    KIT_TEST(test_histogram__threads_lose_no_sample_and_no_maximum),
};

KIT_MAIN(k_tests)
