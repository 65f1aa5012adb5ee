/* SPDX-License-Identifier: MIT */
/* cli/unit_test.c — the command's numbers and its histogram, without a cache. */
#include "kit/kit.h"

#include "histogram.h"
#include "number.h"

#include <stdlib.h>
#include <string.h>

/* --- Numbers ---------------------------------------------------------------------------------- */

static void test_number__whole_numbers_are_strict(void **state)
{
    (void)state;
    static const char *const k_bad[] = {"",    " 1", "1 ",  "+1",  "-1",
                                        "0x1", "1.", "1e3", "abc", "18446744073709551616"};
    for (size_t i = 0; i < KIT_COUNT(k_bad); i++) {
        uint64_t number = 77;
        if (cli_number_u64(k_bad[i], 0, UINT64_MAX, &number)) {
            fail_msg("\"%s\" was taken", k_bad[i]);
        }
        assert_int_equal(number, 77);
    }
    uint64_t number = 0;
    assert_true(cli_number_u64("18446744073709551615", 0, UINT64_MAX, &number));
    assert_true(number == UINT64_MAX);
    assert_true(cli_number_u64("007", 7, 7, &number));
    assert_int_equal(number, 7);
    assert_false(cli_number_u64("6", 7, 9, &number));
    assert_false(cli_number_u64("10", 7, 9, &number));
}

static void test_number__signed_numbers_reach_both_ends(void **state)
{
    (void)state;
    int64_t number = 0;
    assert_true(cli_number_i64("-9223372036854775808", &number));
    assert_true(number == INT64_MIN);
    assert_true(cli_number_i64("9223372036854775807", &number));
    assert_true(number == INT64_MAX);
    assert_true(cli_number_i64("-0", &number));
    assert_int_equal(number, 0);
    number = 77;
    assert_false(cli_number_i64("9223372036854775808", &number));
    assert_false(cli_number_i64("-9223372036854775809", &number));
    assert_false(cli_number_i64("-", &number));
    assert_false(cli_number_i64("--1", &number));
    assert_false(cli_number_i64("", &number));
    assert_int_equal(number, 77);
}

static void test_number__seconds_are_exact_milliseconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms; /* 0: refused */
    } k_cases[] = {
        {"1", 1000},
        {"0.5", 500},
        {"0.05", 50},
        {"0.001", 1},
        {"1.234", 1234},
        {"10", 10000},
        {"10.001", 0},
        {"10.000", 10000},
        {"0", 0},
        {"0.0", 0},
        {"0.0001", 0},
        {"1.0000", 0},
        {"1.", 0},
        {".5", 0},
        {"1.5.5", 0},
        {"-1", 0},
        {"1e1", 0},
        {"1,5", 0},
        {"", 0},
        {".", 0},
        {"1 ", 0},
        {"1.-5", 0},
        {"99999999999999999999", 0},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        uint64_t ms = 0;
        bool is_taken = cli_number_seconds(k_cases[i].text, 10000, &ms);
        if (is_taken != (k_cases[i].ms > 0) || ms != k_cases[i].ms) {
            fail_msg("\"%s\" is %llu ms", k_cases[i].text, (unsigned long long)ms);
        }
    }
}

/* --- Histogram -------------------------------------------------------------------------------- */

static struct cli_histogram histogram;

static void test_histogram__is_empty_at_first(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof(histogram));
    assert_int_equal(cli_histogram_quantile(&histogram, 5000), 0);
    assert_int_equal(cli_histogram_quantile(&histogram, 10000), 0);
}

static void test_histogram__small_durations_are_exact(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof(histogram));
    for (uint64_t ns = 1; ns <= 100; ns++) {
        cli_histogram_add(&histogram, ns);
    }
    assert_int_equal(cli_histogram_quantile(&histogram, 100), 1);
    assert_int_equal(cli_histogram_quantile(&histogram, 5000), 50);
    assert_int_equal(cli_histogram_quantile(&histogram, 9000), 90);
    assert_int_equal(cli_histogram_quantile(&histogram, 9900), 99);
    assert_int_equal(cli_histogram_quantile(&histogram, 9990), 100);
    assert_int_equal(cli_histogram_quantile(&histogram, 10000), 100);
}

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right ? 1 : 0;
}

/* Against the sorted samples themselves: never below, and at most 1/64 above. */
static void test_histogram__quantiles_are_within_a_64th(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof(histogram));
    enum {
        SAMPLES = 20000
    };
    static const unsigned k_quantiles[] = {1, 500, 5000, 9000, 9900, 9990, 10000};
    uint64_t *samples = calloc(SAMPLES, sizeof(*samples));
    assert_non_null(samples);
    uint64_t random = kit_seed();
    for (size_t i = 0; i < SAMPLES; i++) {
        samples[i] = (kit_random(&random) >> 23) >> (kit_random(&random) % 41);
        cli_histogram_add(&histogram, samples[i]);
    }
    qsort(samples, SAMPLES, sizeof(*samples), by_number);
    for (size_t i = 0; i < KIT_COUNT(k_quantiles); i++) {
        uint64_t exact = samples[((uint64_t)SAMPLES * k_quantiles[i] + 9999) / 10000 - 1];
        uint64_t got = cli_histogram_quantile(&histogram, k_quantiles[i]);
        if (got < exact || got > exact + exact / 64) {
            fail_msg("%u/10000 of the samples: %llu ns, exactly %llu", k_quantiles[i],
                     (unsigned long long)got, (unsigned long long)exact);
        }
    }
    free(samples);
}

static void test_histogram__merges_and_keeps_the_longest(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof(histogram));
    static struct cli_histogram other;
    cli_histogram_add(&histogram, 10);
    cli_histogram_add(&other, UINT64_MAX); /* far past the last bucket */
    cli_histogram_add(&other, 20);
    cli_histogram_merge(&histogram, &other);
    assert_int_equal(histogram.n_samples, 3);
    assert_int_equal(cli_histogram_quantile(&histogram, 5000), 20);
    assert_true(histogram.max_ns == UINT64_MAX);
    assert_true(cli_histogram_quantile(&histogram, 10000) >= (UINT64_C(1) << 41) - 1);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_number__whole_numbers_are_strict),
    KIT_TEST(test_number__signed_numbers_reach_both_ends),
    KIT_TEST(test_number__seconds_are_exact_milliseconds),
    KIT_TEST(test_histogram__is_empty_at_first),
    KIT_TEST(test_histogram__small_durations_are_exact),
    KIT_TEST(test_histogram__quantiles_are_within_a_64th),
    KIT_TEST(test_histogram__merges_and_keeps_the_longest),
};

KIT_MAIN(k_tests)
