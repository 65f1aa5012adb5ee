/* SPDX-License-Identifier: MIT */
/* Every arrow of the gate's diagram, on a clock that the test sets. */
#include "base/clock.h"
#include "base/error.h"
#include "engine/gate.h"

#include "kit/kit.h"

#include <errno.h>

#define T0 (INT64_C(1000) * 1000 * FACI_NS_PER_MS)

enum {
    CAP_MS = FACI_GATE_RESTART_CAP_MS
};

static int64_t at(int64_t ms)
{
    return T0 + ms * FACI_NS_PER_MS;
}

static fac_error why(fac_status st, const char *text)
{
    fac_error err;
    (void)faci_fail(&err, st, ECONNREFUSED, "%s", text);
    return err;
}

static void fail_at(struct faci_gate *gate, int64_t began_ms, int64_t now_ms, const char *text)
{
    fac_error err = why(FAC_E_UNAVAILABLE, text);
    faci_gate_fail(gate, at(began_ms), at(now_ms), &err);
}

/* One whole attempt that fails, at the first moment at which it may be made. Its end in ms. */
static int64_t fail_again(struct faci_gate *gate)
{
    int64_t now_ns = gate->next_at_ns;
    assert_true(faci_gate_enter(gate, now_ns, NULL));
    fac_error err = why(FAC_E_UNAVAILABLE, "again");
    faci_gate_fail(gate, now_ns, now_ns, &err);
    return (now_ns - T0) / FACI_NS_PER_MS;
}

static struct faci_gate up_since(int64_t now_ms)
{
    struct faci_gate gate;
    faci_gate_init(&gate, CAP_MS, kit_seed());
    assert_true(faci_gate_enter(&gate, at(now_ms), NULL));
    faci_gate_succeed(&gate, at(now_ms));
    return gate;
}

static void test_gate__is_open_before_the_first_attempt(void **state)
{
    (void)state;
    struct faci_gate gate;
    faci_gate_init(&gate, CAP_MS, kit_seed());
    assert_true(faci_gate_is_down(&gate));
    assert_false(faci_gate_is_doubtful(&gate));
    assert_true(faci_gate_is_open(&gate, T0));
    /* Nobody knows yet: several may try at once. */
    assert_true(faci_gate_enter(&gate, T0, NULL));
    assert_true(faci_gate_enter(&gate, T0, NULL));
}

static void test_gate__start_takes_the_long_steps(void **state)
{
    (void)state;
    static const uint32_t k_steps[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct faci_gate gate;
    faci_gate_init(&gate, CAP_MS, kit_seed());
    assert_true(faci_gate_enter(&gate, T0, NULL));
    fail_at(&gate, 0, 0, "first");
    int64_t now_ms = 0;
    for (size_t i = 0; i < KIT_COUNT(k_steps); i++) {
        assert_true(faci_gate_is_down(&gate));
        assert_int_equal(gate.n_failures, i + 1);
        assert_in_range(gate.next_at_ns - at(now_ms), 0, (int64_t)k_steps[i] * FACI_NS_PER_MS);
        /* It was never there: nobody waits for the attempt of another. */
        assert_true(faci_gate_enter(&gate, gate.next_at_ns, NULL));
        assert_false(faci_gate_is_doubtful(&gate));
        faci_gate_abandon(&gate, INT64_MAX);
        now_ms = fail_again(&gate);
    }
    assert_int_equal(gate.restart.step_ms, 0);
}

static void test_gate__up_lets_everybody_in(void **state)
{
    (void)state;
    struct faci_gate gate = up_since(0);
    assert_false(faci_gate_is_down(&gate));
    for (int i = 0; i < 10; i++) {
        assert_true(faci_gate_enter(&gate, at(i), NULL));
        assert_false(faci_gate_is_doubtful(&gate));
    }
    faci_gate_succeed(&gate, at(10));
    assert_false(faci_gate_is_down(&gate));
}

static void test_gate__doubtful_is_tried_at_once_by_one(void **state)
{
    (void)state;
    struct faci_gate gate = up_since(0);
    fail_at(&gate, 10, 20, "gone");
    assert_true(faci_gate_is_down(&gate));
    assert_false(faci_gate_is_doubtful(&gate)); /* nobody tries yet */
    assert_int_equal(gate.next_at_ns, at(20));
    assert_int_equal(gate.restart.step_ms, 0);
    assert_true(faci_gate_is_open(&gate, at(20)));
    assert_true(faci_gate_enter(&gate, at(20), NULL));
    assert_true(faci_gate_is_doubtful(&gate));
    assert_false(faci_gate_is_open(&gate, at(20)));
    assert_false(faci_gate_enter(&gate, at(90000), NULL));
}

static void test_gate__doubtful_to_up(void **state)
{
    (void)state;
    struct faci_gate gate = up_since(0);
    fail_at(&gate, 10, 20, "gone");
    assert_true(faci_gate_enter(&gate, at(20), NULL));
    faci_gate_succeed(&gate, at(30));
    assert_false(faci_gate_is_down(&gate));
    assert_false(faci_gate_is_doubtful(&gate));
    assert_true(faci_gate_enter(&gate, at(30), NULL));
    assert_true(faci_gate_enter(&gate, at(30), NULL));
    assert_int_equal(gate.up_since_ns, at(30));
}

static void test_gate__down_takes_the_short_steps(void **state)
{
    (void)state;
    static const uint32_t k_steps[] = {50, 100, 200, 400, 800, 1600, 2000, 2000};
    struct faci_gate gate = up_since(0);
    fail_at(&gate, 0, 0, "first");
    int64_t now_ms = fail_again(&gate);
    for (size_t i = 0; i < KIT_COUNT(k_steps); i++) {
        assert_true(faci_gate_is_down(&gate));
        assert_in_range(gate.next_at_ns - at(now_ms), 0, (int64_t)k_steps[i] * FACI_NS_PER_MS);
        /* Told at once, not made to wait. */
        assert_true(faci_gate_enter(&gate, gate.next_at_ns, NULL));
        assert_false(faci_gate_is_doubtful(&gate));
        faci_gate_abandon(&gate, INT64_MAX);
        now_ms = fail_again(&gate);
    }
    assert_int_equal(gate.start.step_ms, 0);
}

/* The cap is the caller's, and even the first step is not over it. */
static void test_gate__restart_stops_doubling_at_the_given_cap(void **state)
{
    (void)state;
    static const struct {
        uint32_t cap_ms;
        uint32_t steps_ms[4];
    } k_cases[] = {
        {50, {50, 50, 50, 50}},
        {130, {50, 100, 130, 130}},
        {60000, {50, 100, 200, 400}},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_gate gate;
        faci_gate_init(&gate, k_cases[i].cap_ms, kit_seed());
        assert_true(faci_gate_enter(&gate, T0, NULL));
        faci_gate_succeed(&gate, T0);
        fail_at(&gate, 0, 0, "first");
        for (size_t k = 0; k < KIT_COUNT(k_cases[i].steps_ms); k++) {
            assert_int_equal(gate.restart.step_ms == 0 ? 50 : gate.restart.step_ms,
                             k_cases[i].steps_ms[k]);
            (void)fail_again(&gate);
        }
        assert_int_equal(gate.restart.cap_ms, k_cases[i].cap_ms);
        assert_int_equal(gate.start.cap_ms, 30000);
    }
}

static void test_gate__down_to_up(void **state)
{
    (void)state;
    struct faci_gate gate = up_since(0);
    fail_at(&gate, 0, 0, "first");
    int64_t now_ms = fail_again(&gate);
    assert_true(faci_gate_enter(&gate, gate.next_at_ns, NULL));
    faci_gate_succeed(&gate, at(now_ms + 5));
    assert_false(faci_gate_is_down(&gate));
    assert_int_equal(gate.n_failures, 0);
    assert_true(faci_gate_enter(&gate, at(now_ms + 5), NULL));
    assert_true(faci_gate_enter(&gate, at(now_ms + 5), NULL));
}

static void test_gate__closed_until_the_moment_and_for_all_but_one(void **state)
{
    (void)state;
    struct faci_gate gate = up_since(0);
    fail_at(&gate, 0, 0, "first");
    /* The jitter may be 0: until there is a pause to look at. */
    while (gate.next_at_ns <= gate.failed_at_ns) {
        (void)fail_again(&gate);
    }
    fac_error err;
    assert_false(faci_gate_is_open(&gate, gate.next_at_ns - 1));
    assert_false(faci_gate_enter(&gate, gate.next_at_ns - 1, &err));
    assert_status(err.status, FAC_E_UNAVAILABLE, &err);
    assert_false(gate.is_trying);
    assert_true(faci_gate_is_open(&gate, gate.next_at_ns));
    assert_true(faci_gate_enter(&gate, gate.next_at_ns, &err));
    assert_false(faci_gate_enter(&gate, gate.next_at_ns, &err));
    assert_string_equal(err.message, "again");
}

static void test_gate__failures_at_the_same_time_count_once(void **state)
{
    (void)state;
    struct faci_gate gate = up_since(0);
    for (int i = 0; i < 3; i++) {
        assert_true(faci_gate_enter(&gate, at(100), NULL));
    }
    fail_at(&gate, 100, 150, "the first");
    struct faci_gate before = gate;
    fail_at(&gate, 100, 160, "the second");
    fail_at(&gate, 149, 170, "the third");
    assert_int_equal(gate.n_failures, 1);
    assert_int_equal(gate.next_at_ns, before.next_at_ns);
    assert_int_equal(gate.failed_at_ns, before.failed_at_ns);
    assert_int_equal(gate.restart.step_ms, before.restart.step_ms);
    assert_string_equal(gate.why.message, "the first");
    /* One that began afterwards is a failure of its own. */
    fail_at(&gate, 150, 180, "the fourth");
    assert_int_equal(gate.n_failures, 2);
    assert_string_equal(gate.why.message, "the fourth");
}

static void test_gate__a_late_failure_does_not_end_the_attempt(void **state)
{
    (void)state;
    struct faci_gate gate = up_since(0);
    assert_true(faci_gate_enter(&gate, at(100), NULL));
    assert_true(faci_gate_enter(&gate, at(100), NULL));
    fail_at(&gate, 100, 150, "one of the two");
    assert_true(faci_gate_enter(&gate, at(151), NULL));
    fail_at(&gate, 100, 160, "the other");
    assert_true(faci_gate_is_doubtful(&gate));
    assert_false(faci_gate_enter(&gate, at(161), NULL));
}

static void test_gate__abandon_says_nothing_of_the_server(void **state)
{
    (void)state;
    struct faci_gate gate = up_since(0);
    assert_true(faci_gate_enter(&gate, at(10), NULL));
    faci_gate_abandon(&gate, INT64_MAX);
    assert_false(faci_gate_is_down(&gate));

    fail_at(&gate, 20, 20, "gone");
    struct faci_gate before = gate;
    assert_true(faci_gate_enter(&gate, at(20), NULL));
    faci_gate_abandon(&gate, INT64_MAX);
    assert_int_equal(gate.n_failures, before.n_failures);
    assert_int_equal(gate.next_at_ns, before.next_at_ns);
    assert_true(faci_gate_enter(&gate, at(20), NULL)); /* the next may try */
}

/* Who left had begun while all was well: it is not the one that everybody waits for. */
static void test_gate__an_old_abandon_does_not_end_the_attempt(void **state)
{
    (void)state;
    struct faci_gate gate = up_since(0);
    assert_true(faci_gate_enter(&gate, at(100), NULL));
    assert_true(faci_gate_enter(&gate, at(100), NULL));
    fail_at(&gate, 100, 150, "one of the two");
    assert_true(faci_gate_enter(&gate, at(151), NULL));
    faci_gate_abandon(&gate, at(100));
    assert_true(faci_gate_is_doubtful(&gate));
    assert_false(faci_gate_enter(&gate, at(161), NULL));
    faci_gate_abandon(&gate, at(151));
    assert_true(faci_gate_enter(&gate, at(161), NULL));
}

static void test_gate__five_healthy_seconds_reset_the_steps(void **state)
{
    (void)state;
    static const struct {
        int64_t up_for_ms;
        uint32_t step_ms; /* after the second failure */
    } k_cases[] = {{0, 1600}, {4999, 1600}, {5000, 100}, {60000, 100}};
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_gate gate = up_since(0);
        fail_at(&gate, 0, 0, "first");
        for (int round = 0; round < 4; round++) {
            (void)fail_again(&gate);
        }
        assert_int_equal(gate.restart.step_ms, 800);
        int64_t up_ms = 100000;
        faci_gate_succeed(&gate, at(up_ms));
        int64_t end_ms = up_ms + k_cases[i].up_for_ms;
        fail_at(&gate, end_ms, end_ms, "gone");
        (void)fail_again(&gate);
        assert_int_equal(gate.restart.step_ms, k_cases[i].step_ms);
    }
}

static void test_gate__further_successes_do_not_move_the_start_of_health(void **state)
{
    (void)state;
    struct faci_gate gate = up_since(0);
    faci_gate_succeed(&gate, at(4000));
    assert_int_equal(gate.up_since_ns, at(0));
}

static void test_gate__tells_later_callers_what_failed(void **state)
{
    (void)state;
    struct faci_gate gate;
    faci_gate_init(&gate, CAP_MS, kit_seed());
    fac_error cause = why(FAC_E_AUTH, "a wrong password");
    assert_true(faci_gate_enter(&gate, at(0), NULL));
    faci_gate_fail(&gate, at(0), at(0), &cause);
    assert_true(faci_gate_enter(&gate, gate.next_at_ns, NULL));
    fac_error err;
    assert_false(faci_gate_enter(&gate, gate.next_at_ns, &err));
    assert_status(err.status, FAC_E_AUTH, &err);
    assert_string_equal(err.message, "a wrong password");
    assert_int_equal(err.os_errno, ECONNREFUSED);
    assert_false(faci_gate_enter(&gate, gate.next_at_ns, NULL));
}

static void test_gate__a_timeout_is_told_later_as_unavailable(void **state)
{
    (void)state;
    struct faci_gate gate;
    faci_gate_init(&gate, CAP_MS, kit_seed());
    fac_error cause = why(FAC_E_TIMEOUT, "cannot connect: timed out");
    assert_true(faci_gate_enter(&gate, at(0), NULL));
    faci_gate_fail(&gate, at(0), at(0), &cause);
    assert_int_equal(cause.status, FAC_E_TIMEOUT); /* the caller's own is not touched */
    assert_true(faci_gate_enter(&gate, gate.next_at_ns, NULL));
    fac_error err;
    assert_false(faci_gate_enter(&gate, gate.next_at_ns, &err));
    assert_status(err.status, FAC_E_UNAVAILABLE, &err);
    assert_string_equal(err.message, cause.message);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_gate__is_open_before_the_first_attempt),
    KIT_TEST(test_gate__start_takes_the_long_steps),
    KIT_TEST(test_gate__up_lets_everybody_in),
    KIT_TEST(test_gate__doubtful_is_tried_at_once_by_one),
    KIT_TEST(test_gate__doubtful_to_up),
    KIT_TEST(test_gate__down_takes_the_short_steps),
    KIT_TEST(test_gate__restart_stops_doubling_at_the_given_cap),
    KIT_TEST(test_gate__down_to_up),
    KIT_TEST(test_gate__closed_until_the_moment_and_for_all_but_one),
    KIT_TEST(test_gate__failures_at_the_same_time_count_once),
    KIT_TEST(test_gate__a_late_failure_does_not_end_the_attempt),
    KIT_TEST(test_gate__abandon_says_nothing_of_the_server),
    KIT_TEST(test_gate__an_old_abandon_does_not_end_the_attempt),
    KIT_TEST(test_gate__five_healthy_seconds_reset_the_steps),
    KIT_TEST(test_gate__further_successes_do_not_move_the_start_of_health),
    KIT_TEST(test_gate__tells_later_callers_what_failed),
    KIT_TEST(test_gate__a_timeout_is_told_later_as_unavailable),
};

KIT_MAIN(k_tests)
