/* SPDX-License-Identifier: MIT */
/* Every arrow of the breaker's diagram, and what must not move it, on a clock that the test sets. */
#include "base/clock.h"
#include "base/error.h"
#include "engine/breaker.h"

#include "kit/kit.h"

#include <errno.h>
#include <string.h>

#define T0 (INT64_C(1000) * 1000 * FACI_NS_PER_MS)

enum {
    OPEN_MS = 1000,
    CAP_MS = 5000
};

static int64_t at(int64_t ms)
{
    return T0 + ms * FACI_NS_PER_MS;
}

static struct faci_breaker fresh(void)
{
    static const struct faci_breaker_config k_config = {
        .is_on = true, .open_ms = OPEN_MS, .open_cap_ms = CAP_MS};
    struct faci_breaker breaker;
    faci_breaker_init(&breaker, &k_config, kit_seed());
    return breaker;
}

static void event_at(struct faci_breaker *breaker, int64_t now_ns, const char *text)
{
    fac_error why;
    (void)faci_fail(&why, FAC_E_TIMEOUT, ECONNRESET, "%s", text);
    faci_breaker_event(breaker, now_ns, &why);
}

static bool enters(struct faci_breaker *breaker, int64_t now_ns)
{
    bool is_probe = true;
    bool may = faci_breaker_enter(breaker, now_ns, &is_probe, NULL);
    assert_true(!may || !is_probe);
    return may;
}

static bool probes(struct faci_breaker *breaker, int64_t now_ns)
{
    bool is_probe = false;
    return faci_breaker_enter(breaker, now_ns, &is_probe, NULL) && is_probe;
}

static struct faci_breaker opened_at(int64_t now_ns)
{
    struct faci_breaker breaker = fresh();
    event_at(&breaker, now_ns, "first");
    event_at(&breaker, now_ns, "second");
    event_at(&breaker, now_ns, "third");
    assert_int_equal(breaker.state, FACI_BREAKER_OPEN);
    return breaker;
}

/* A pause from `from_ns` that belongs to a step. */
static void assert_pause(const struct faci_breaker *breaker, int64_t from_ns, int64_t step_ms)
{
    int64_t pause_ms = (breaker->probe_at_ns - from_ns) / FACI_NS_PER_MS;
    assert_in_range(pause_ms, step_ms - step_ms / 4, step_ms);
}

/* One probe, at the first moment at which it may be made, that fails. */
static int64_t probe_fails(struct faci_breaker *breaker)
{
    int64_t now_ns = breaker->probe_at_ns;
    assert_true(probes(breaker, now_ns));
    event_at(breaker, now_ns, "the probe");
    assert_int_equal(breaker->state, FACI_BREAKER_OPEN);
    return now_ns;
}

static void test_breaker__is_closed_at_first(void **state)
{
    (void)state;
    struct faci_breaker breaker = fresh();
    assert_int_equal(breaker.state, FACI_BREAKER_CLOSED);
    assert_true(faci_breaker_is_quiet(&breaker));
    assert_false(faci_breaker_is_refusing(&breaker, T0));
    assert_true(enters(&breaker, T0));
    assert_true(enters(&breaker, T0));
    assert_int_equal(breaker.n_refused, 0);
}

static void test_breaker__three_events_in_a_row_open_it(void **state)
{
    (void)state;
    struct faci_breaker breaker = fresh();
    event_at(&breaker, at(0), "first");
    assert_false(faci_breaker_is_quiet(&breaker));
    event_at(&breaker, at(60000), "second");
    assert_int_equal(breaker.state, FACI_BREAKER_CLOSED);
    assert_true(enters(&breaker, at(60000)));
    assert_int_equal(breaker.n_opens, 0);
    event_at(&breaker, at(120000), "third");
    assert_int_equal(breaker.state, FACI_BREAKER_OPEN);
    assert_int_equal(breaker.n_opens, 1);
    assert_true(faci_breaker_is_refusing(&breaker, at(120000)));
    assert_false(enters(&breaker, at(120000)));
    assert_false(faci_breaker_is_quiet(&breaker));
}

static void test_breaker__a_success_between_begins_a_new_row(void **state)
{
    (void)state;
    struct faci_breaker breaker = fresh();
    for (int i = 0; i < 20; i++) {
        event_at(&breaker, at(i * 10), "first");
        event_at(&breaker, at(i * 10 + 1), "second");
        assert_false(faci_breaker_is_quiet(&breaker));
        faci_breaker_success(&breaker, at(i * 10 + 2));
        assert_true(faci_breaker_is_quiet(&breaker));
    }
    assert_int_equal(breaker.state, FACI_BREAKER_CLOSED);
    assert_int_equal(breaker.n_opens, 0);
}

static void test_breaker__refuses_with_what_failed_last(void **state)
{
    (void)state;
    struct faci_breaker breaker = opened_at(at(0));
    bool is_probe = true;
    fac_error err;
    assert_false(faci_breaker_enter(&breaker, at(1), &is_probe, &err));
    /* The last failure was somebody else's timeout: this caller's deadline is not over. */
    assert_status(err.status, FAC_E_UNAVAILABLE, &err);
    assert_string_equal(err.message, "the breaker is open: third");
    assert_int_equal(err.os_errno, ECONNRESET);
    assert_false(err.maybe_applied);
    assert_false(enters(&breaker, at(2)));
    assert_int_equal(breaker.n_refused, 2);
}

static void test_breaker__a_long_reason_is_cut(void **state)
{
    (void)state;
    struct faci_breaker breaker = fresh();
    char text[sizeof(((fac_error *)0)->message)];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < 3; i++) {
        event_at(&breaker, at(0), text);
    }
    bool is_probe = false;
    fac_error err;
    assert_false(faci_breaker_enter(&breaker, at(0), &is_probe, &err));
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
}

static void test_breaker__open_until_the_moment_and_then_for_one(void **state)
{
    (void)state;
    struct faci_breaker breaker = opened_at(at(0));
    assert_pause(&breaker, at(0), OPEN_MS);
    int64_t end_ns = breaker.probe_at_ns;
    assert_true(faci_breaker_is_refusing(&breaker, end_ns - 1));
    assert_false(enters(&breaker, end_ns - 1));
    assert_int_equal(breaker.state, FACI_BREAKER_OPEN);
    assert_false(faci_breaker_is_refusing(&breaker, end_ns));
    assert_true(probes(&breaker, end_ns));
    assert_int_equal(breaker.state, FACI_BREAKER_PROBING);
    assert_true(faci_breaker_is_refusing(&breaker, end_ns));
    for (int i = 0; i < 5; i++) {
        assert_false(enters(&breaker, end_ns + i * 100 * (int64_t)FACI_NS_PER_MS));
    }
    assert_int_equal(breaker.n_refused, 6);
}

static void test_breaker__a_probe_that_succeeds_closes_it(void **state)
{
    (void)state;
    struct faci_breaker breaker = opened_at(at(0));
    assert_true(probes(&breaker, breaker.probe_at_ns));
    faci_breaker_success(&breaker, at(2000));
    assert_int_equal(breaker.state, FACI_BREAKER_CLOSED);
    assert_true(faci_breaker_is_quiet(&breaker));
    assert_true(enters(&breaker, at(2000)));
    assert_true(enters(&breaker, at(2000)));
    /* And the row begins anew: two events are not enough. */
    event_at(&breaker, at(2001), "first");
    event_at(&breaker, at(2002), "second");
    assert_int_equal(breaker.state, FACI_BREAKER_CLOSED);
    event_at(&breaker, at(2003), "third");
    assert_int_equal(breaker.state, FACI_BREAKER_OPEN);
    assert_int_equal(breaker.n_opens, 2);
}

static void test_breaker__probes_that_fail_double_the_step(void **state)
{
    (void)state;
    static const int64_t k_steps_ms[] = {2000, 4000, 5000, 5000, 5000};
    struct faci_breaker breaker = opened_at(at(0));
    assert_pause(&breaker, at(0), OPEN_MS);
    for (size_t i = 0; i < KIT_COUNT(k_steps_ms); i++) {
        int64_t failed_ns = probe_fails(&breaker);
        assert_pause(&breaker, failed_ns, k_steps_ms[i]);
        assert_false(enters(&breaker, breaker.probe_at_ns - 1));
    }
    assert_string_equal(breaker.why.message, "the probe");
    /* It has not been closed in between. */
    assert_int_equal(breaker.n_opens, 1);
}

static void test_breaker__pauses_spread_over_the_last_quarter(void **state)
{
    (void)state;
    static const struct faci_breaker_config k_config = {
        .is_on = true, .open_ms = OPEN_MS, .open_cap_ms = CAP_MS};
    enum {
        PROCESSES = 2000
    };
    unsigned n_quarters[4] = {0};
    uint64_t seed = kit_seed();
    for (int i = 0; i < PROCESSES; i++) {
        struct faci_breaker breaker;
        faci_breaker_init(&breaker, &k_config, kit_random(&seed));
        for (int k = 0; k < 3; k++) {
            event_at(&breaker, at(0), "gone");
        }
        assert_pause(&breaker, at(0), OPEN_MS);
        int64_t pause_ms = (breaker.probe_at_ns - at(0)) / FACI_NS_PER_MS;
        n_quarters[pause_ms == OPEN_MS ? 3 : (pause_ms - OPEN_MS / 4 * 3) * 16 / OPEN_MS]++;
    }
    for (size_t i = 0; i < KIT_COUNT(n_quarters); i++) {
        assert_in_range(n_quarters[i], PROCESSES / 4 * 7 / 10, PROCESSES / 4 * 13 / 10);
    }
}

/* Connections that were there before it opened go on dying; that is the same trouble. */
static void test_breaker__events_while_open_change_nothing(void **state)
{
    (void)state;
    struct faci_breaker breaker = opened_at(at(0));
    int64_t probe_at_ns = breaker.probe_at_ns;
    for (int i = 0; i < 10; i++) {
        event_at(&breaker, at(500), "another");
    }
    assert_int_equal(breaker.probe_at_ns, probe_at_ns);
    assert_int_equal(breaker.n_opens, 1);
    assert_string_equal(breaker.why.message, "third");
    int64_t failed_ns = probe_fails(&breaker);
    assert_pause(&breaker, failed_ns, (int64_t)OPEN_MS * 2);
}

/* A late answer to a call that was sent before it opened. */
static void test_breaker__a_success_while_open_changes_nothing(void **state)
{
    (void)state;
    struct faci_breaker breaker = opened_at(at(0));
    faci_breaker_success(&breaker, at(10));
    assert_int_equal(breaker.state, FACI_BREAKER_OPEN);
    assert_false(enters(&breaker, at(10)));
    assert_false(faci_breaker_is_quiet(&breaker));
}

static void test_breaker__abandon_lets_the_next_caller_probe(void **state)
{
    (void)state;
    struct faci_breaker breaker = opened_at(at(0));
    int64_t probe_at_ns = breaker.probe_at_ns;
    assert_true(probes(&breaker, probe_at_ns));
    faci_breaker_abandon(&breaker);
    assert_int_equal(breaker.state, FACI_BREAKER_OPEN);
    assert_true(probes(&breaker, probe_at_ns));
    assert_false(enters(&breaker, probe_at_ns));
    /* It was no failure: the step is as it was. */
    event_at(&breaker, at(2000), "the probe");
    assert_pause(&breaker, at(2000), (int64_t)OPEN_MS * 2);
}

static void test_breaker__abandon_without_a_probe_changes_nothing(void **state)
{
    (void)state;
    struct faci_breaker breaker = fresh();
    faci_breaker_abandon(&breaker);
    assert_true(faci_breaker_is_quiet(&breaker));
    breaker = opened_at(at(0));
    faci_breaker_abandon(&breaker);
    assert_false(enters(&breaker, at(1)));
}

static void test_breaker__five_healthy_seconds_bring_back_the_first_step(void **state)
{
    (void)state;
    static const struct {
        int64_t well_ms;
        bool is_by_calls;
        int64_t step_ms;
    } k_cases[] = {
        {0, false, 4000},     {4999, false, 4000}, {5000, false, 1000},
        {90000, false, 1000}, {4999, true, 4000},  {5000, true, 1000},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_breaker breaker = opened_at(at(0));
        (void)probe_fails(&breaker);
        assert_true(probes(&breaker, breaker.probe_at_ns));
        faci_breaker_success(&breaker, at(10000));
        int64_t end_ns = at(10000 + k_cases[i].well_ms);
        if (k_cases[i].is_by_calls) {
            faci_breaker_note_calls(&breaker, end_ns, 0, 20);
        } else {
            for (int k = 0; k < 3; k++) {
                event_at(&breaker, end_ns, "gone");
            }
        }
        assert_int_equal(breaker.state, FACI_BREAKER_OPEN);
        assert_pause(&breaker, end_ns, k_cases[i].step_ms);
    }
}

/* An event a second is no health, though a success follows each. */
static void test_breaker__an_event_ends_health(void **state)
{
    (void)state;
    struct faci_breaker breaker = opened_at(at(0));
    assert_true(probes(&breaker, breaker.probe_at_ns));
    faci_breaker_success(&breaker, at(2000));
    for (int64_t ms = 3000; ms < 20000; ms += 1000) {
        event_at(&breaker, at(ms), "a blip");
        faci_breaker_success(&breaker, at(ms + 10));
    }
    for (int k = 0; k < 3; k++) {
        event_at(&breaker, at(20000), "gone");
    }
    assert_pause(&breaker, at(20000), (int64_t)OPEN_MS * 2);
}

/* --- the window of calls -------------------------------------------------------------------- */

static void test_breaker__twenty_failed_calls_and_half_of_all_open_it(void **state)
{
    (void)state;
    static const struct {
        uint64_t n_ok;
        uint64_t n_failed;
        bool opens;
    } k_cases[] = {
        {0, 19, false},  {0, 20, true},      {19, 19, false},    {20, 20, true},
        {21, 20, false}, {1000, 999, false}, {1000, 1000, true}, {1000, 0, false},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_breaker breaker = fresh();
        faci_breaker_note_calls(&breaker, at(0), k_cases[i].n_ok, 0);
        faci_breaker_note_calls(&breaker, at(1500), 0, k_cases[i].n_failed);
        assert_int_equal(faci_breaker_is_refusing(&breaker, at(1500)), k_cases[i].opens);
        assert_int_equal(breaker.n_opens, k_cases[i].opens ? 1 : 0);
    }
}

static void test_breaker__one_by_one_counts_the_same(void **state)
{
    (void)state;
    struct faci_breaker breaker = fresh();
    for (int i = 0; i < 20; i++) {
        assert_true(enters(&breaker, at(i * 450)));
        faci_breaker_note_calls(&breaker, at(i * 450), 1, 0);
        faci_breaker_note_calls(&breaker, at(i * 450), 0, 1);
    }
    assert_false(enters(&breaker, at(19 * 450)));
    bool is_probe = false;
    fac_error err;
    assert_false(faci_breaker_enter(&breaker, at(19 * 450), &is_probe, &err));
    assert_string_equal(err.message, "the breaker is open: 20 of the last 40 calls failed");
}

/* Ten seconds: what is older counts neither for nor against. */
static void test_breaker__forgets_calls_after_ten_seconds(void **state)
{
    (void)state;
    static const struct {
        uint64_t n_ok_before;
        uint64_t n_failed_before;
        int64_t later_ms;
        bool opens;
    } k_cases[] = {
        {0, 19, 9000, true},   {0, 19, 10000, false},   {0, 19, 100000, false},
        {100, 0, 9000, false}, {100, 19, 10000, false},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_breaker breaker = fresh();
        faci_breaker_note_calls(&breaker, at(0), k_cases[i].n_ok_before,
                                k_cases[i].n_failed_before);
        faci_breaker_note_calls(&breaker, at(k_cases[i].later_ms), 0, 1);
        assert_int_equal(breaker.state == FACI_BREAKER_OPEN, k_cases[i].opens);
    }
    struct faci_breaker breaker = fresh();
    faci_breaker_note_calls(&breaker, at(0), 1000000, 0);
    faci_breaker_note_calls(&breaker, at(10000), 0, 20);
    assert_int_equal(breaker.state, FACI_BREAKER_OPEN);
}

/* The failures that opened it do not open it again. */
static void test_breaker__the_window_is_empty_after_it_closed(void **state)
{
    (void)state;
    struct faci_breaker breaker = fresh();
    faci_breaker_note_calls(&breaker, at(0), 0, 100);
    assert_int_equal(breaker.state, FACI_BREAKER_OPEN);
    faci_breaker_note_calls(&breaker, at(1), 0, 100); /* those that were under way */
    assert_true(probes(&breaker, breaker.probe_at_ns));
    faci_breaker_note_calls(&breaker, breaker.probe_at_ns, 0, 100);
    assert_int_equal(breaker.state, FACI_BREAKER_PROBING);
    faci_breaker_success(&breaker, at(1100));
    faci_breaker_note_calls(&breaker, at(1100), 1, 19);
    assert_int_equal(breaker.state, FACI_BREAKER_CLOSED);
    assert_int_equal(breaker.n_opens, 1);
}

/* --- off ------------------------------------------------------------------------------------ */

static void test_breaker__off_says_yes_and_counts_nothing(void **state)
{
    (void)state;
    static const struct faci_breaker_config k_config = {
        .is_on = false, .open_ms = OPEN_MS, .open_cap_ms = CAP_MS};
    struct faci_breaker breaker;
    faci_breaker_init(&breaker, &k_config, kit_seed());
    for (int i = 0; i < 100; i++) {
        event_at(&breaker, at(i), "gone");
        faci_breaker_note_calls(&breaker, at(i), 0, 100);
        assert_true(enters(&breaker, at(i)));
        assert_true(faci_breaker_is_quiet(&breaker));
        assert_false(faci_breaker_is_refusing(&breaker, at(i)));
    }
    assert_int_equal(breaker.n_opens, 0);
    assert_int_equal(breaker.n_refused, 0);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_breaker__is_closed_at_first),
    KIT_TEST(test_breaker__three_events_in_a_row_open_it),
    KIT_TEST(test_breaker__a_success_between_begins_a_new_row),
    KIT_TEST(test_breaker__refuses_with_what_failed_last),
    KIT_TEST(test_breaker__a_long_reason_is_cut),
    KIT_TEST(test_breaker__open_until_the_moment_and_then_for_one),
    KIT_TEST(test_breaker__a_probe_that_succeeds_closes_it),
    KIT_TEST(test_breaker__probes_that_fail_double_the_step),
    KIT_TEST(test_breaker__pauses_spread_over_the_last_quarter),
    KIT_TEST(test_breaker__events_while_open_change_nothing),
    KIT_TEST(test_breaker__a_success_while_open_changes_nothing),
    KIT_TEST(test_breaker__abandon_lets_the_next_caller_probe),
    KIT_TEST(test_breaker__abandon_without_a_probe_changes_nothing),
    KIT_TEST(test_breaker__five_healthy_seconds_bring_back_the_first_step),
    KIT_TEST(test_breaker__an_event_ends_health),
    KIT_TEST(test_breaker__twenty_failed_calls_and_half_of_all_open_it),
    KIT_TEST(test_breaker__one_by_one_counts_the_same),
    KIT_TEST(test_breaker__forgets_calls_after_ten_seconds),
    KIT_TEST(test_breaker__the_window_is_empty_after_it_closed),
    KIT_TEST(test_breaker__off_says_yes_and_counts_nothing),
};

KIT_MAIN(k_tests)
