/* SPDX-License-Identifier: MIT */
/* The steps of the back-off, its cap and its jitter. */
#include "engine/backoff.h"

#include "kit/kit.h"

static void test_backoff__doubles_up_to_its_cap(void **state)
{
    (void)state;
    static const uint32_t k_steps[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
    struct faci_backoff backoff;
    faci_backoff_init(&backoff, 1000, 30000, kit_seed());
    assert_int_equal(backoff.step_ms, 0);
    for (size_t i = 0; i < KIT_COUNT(k_steps); i++) {
        assert_in_range(faci_backoff_next_ms(&backoff), 0, k_steps[i]);
        if (i + 1 < KIT_COUNT(k_steps)) {
            assert_int_equal(backoff.step_ms, k_steps[i + 1]);
        }
    }
}

static void test_backoff__reaches_the_cap_exactly(void **state)
{
    (void)state;
    static const struct {
        uint32_t first_ms;
        uint32_t cap_ms;
        uint32_t after_two_ms;
    } k_cases[] = {
        {50, 200, 200}, {50, 199, 199}, {50, 201, 200}, {50, 50, 50}, {1, UINT32_MAX, 4},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_backoff backoff;
        faci_backoff_init(&backoff, k_cases[i].first_ms, k_cases[i].cap_ms, kit_seed());
        (void)faci_backoff_next_ms(&backoff);
        (void)faci_backoff_next_ms(&backoff);
        assert_int_equal(backoff.step_ms, k_cases[i].after_two_ms);
    }
}

static void test_backoff__never_overflows(void **state)
{
    (void)state;
    struct faci_backoff backoff;
    faci_backoff_init(&backoff, UINT32_MAX - 1, UINT32_MAX, kit_seed());
    for (int i = 0; i < 5; i++) {
        (void)faci_backoff_next_ms(&backoff);
        assert_int_equal(backoff.step_ms, UINT32_MAX);
    }
}

/* Both ends of the range come up, and each tenth about as often as any other. */
static void test_backoff__jitter_is_even(void **state)
{
    (void)state;
    enum {
        ROUNDS = 20000,
        STEP_MS = 99
    };
    unsigned tenths[10] = {0};
    bool has_first = false;
    bool has_last = false;
    struct faci_backoff backoff;
    faci_backoff_init(&backoff, STEP_MS, STEP_MS, kit_seed());
    for (size_t i = 0; i < ROUNDS; i++) {
        uint32_t pause_ms = faci_backoff_next_ms(&backoff);
        assert_in_range(pause_ms, 0, STEP_MS);
        tenths[pause_ms / 10]++;
        has_first = has_first || pause_ms == 0;
        has_last = has_last || pause_ms == STEP_MS;
    }
    assert_true(has_first);
    assert_true(has_last);
    for (size_t i = 0; i < KIT_COUNT(tenths); i++) {
        assert_in_range(tenths[i], ROUNDS / 10 * 8 / 10, ROUNDS / 10 * 12 / 10);
    }
}

static void test_backoff__upper_quarter_is_even_too(void **state)
{
    (void)state;
    enum {
        ROUNDS = 10000,
        STEP_MS = 400,
        LEAST_MS = 300
    };
    unsigned n_late = 0;
    bool has_first = false;
    bool has_last = false;
    struct faci_backoff backoff;
    faci_backoff_init(&backoff, STEP_MS, STEP_MS, kit_seed());
    for (size_t i = 0; i < ROUNDS; i++) {
        uint32_t pause_ms = faci_backoff_next_upper_ms(&backoff);
        assert_in_range(pause_ms, LEAST_MS, STEP_MS);
        n_late += pause_ms > (LEAST_MS + STEP_MS) / 2 ? 1U : 0U;
        has_first = has_first || pause_ms == LEAST_MS;
        has_last = has_last || pause_ms == STEP_MS;
    }
    assert_true(has_first);
    assert_true(has_last);
    assert_in_range(n_late, ROUNDS / 2 * 9 / 10, ROUNDS / 2 * 11 / 10);
}

static void test_backoff__seeds_differ(void **state)
{
    (void)state;
    struct faci_backoff a;
    struct faci_backoff b;
    faci_backoff_init(&a, 1 << 30, 1 << 30, 1);
    faci_backoff_init(&b, 1 << 30, 1 << 30, 2);
    unsigned n_equal = 0;
    for (int i = 0; i < 8; i++) {
        n_equal += faci_backoff_next_ms(&a) == faci_backoff_next_ms(&b) ? 1U : 0U;
    }
    assert_in_range(n_equal, 0, 1);
}

static void test_backoff__reset_starts_over(void **state)
{
    (void)state;
    struct faci_backoff backoff;
    faci_backoff_init(&backoff, 50, 2000, kit_seed());
    for (int i = 0; i < 10; i++) {
        (void)faci_backoff_next_ms(&backoff);
    }
    assert_int_equal(backoff.step_ms, 2000);
    faci_backoff_reset(&backoff);
    assert_in_range(faci_backoff_next_ms(&backoff), 0, 50);
    assert_int_equal(backoff.step_ms, 100);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_backoff__doubles_up_to_its_cap),
    KIT_TEST(test_backoff__reaches_the_cap_exactly),
    KIT_TEST(test_backoff__never_overflows),
    KIT_TEST(test_backoff__jitter_is_even),
    KIT_TEST(test_backoff__upper_quarter_is_even_too),
    KIT_TEST(test_backoff__seeds_differ),
    KIT_TEST(test_backoff__reset_starts_over),
};

KIT_MAIN(k_tests)
