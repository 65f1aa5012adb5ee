/* SPDX-License-Identifier: MIT */
/* Rows B1 and B1b: no call outlives its deadline while a server is stopped, and the first one after
 * that succeeds as soon as it can. */
#include "fault/callers.h"
#include "fault/late.h"
#include "kit/kit.h"
#include "live/live.h"

#include <stdio.h>

enum {
    CALLERS = 64,
    DEADLINE_MS = 50,
    PAUSE_MS = 5, /* so that the machine is not full before the server stops */
    STOPPED_MS = 1500,
    STOPPED_MAX_MS = 5000, /* the row's own figure, from a scale of 334 on */
    DEFAULT_TIMEOUT_MS = 4000,
    SHORT_TIMEOUT_MS = 300, /* so that connections die within the shorter stop */
    AWAKE_US = 100000,      /* the first success after SIGCONT */
    OPEN_STEP_MAX_US = 5000000,
    OPEN_CALL_US = 1000, /* a call that an open breaker refuses, the median of them */
};

static int64_t stopped_ms(void)
{
    size_t ms = kit_scaled(STOPPED_MS);
    return ms < STOPPED_MAX_MS ? (int64_t)ms : STOPPED_MAX_MS;
}

struct stop {
    int64_t first_ok_us;     /* after the server went on */
    int64_t first_ok_bar_us; /* without what the machine adds */
    int64_t machine_us;      /* what it adds */
    bool is_within_bars;
    int64_t refused_p50_us;
    size_t n_refused;
};

/* Callers at work, a server that stops for a while and goes on. */
static struct stop stop_once(struct live *live, int64_t bar_us)
{
    struct callers callers = {
        .cache = live->cache, .deadline_ms = DEADLINE_MS, .pause_ms = PAUSE_MS};
    struct lateness control_late;
    struct stop stop = {.first_ok_bar_us = bar_us};
    lateness_init(&control_late, CALLERS * (STOPPED_MAX_MS / DEADLINE_MS + 2));
    callers_start(&callers, CALLERS);
    callers_wait_for_ok(&callers, CALLERS);

    /* Recorded from before the stop: each of them is in a call then, or about to be. A machine that
     * is busy just then may leave no time for a second one. */
    callers_record(&callers, true);
    kit_server_pause(live->server);
    struct late_control *control = late_control_start(CALLERS, DEADLINE_MS);
    late_pass_ms(stopped_ms());
    callers_record(&callers, false);
    late_control_stop(control, &control_late);

    control = late_control_start(1, 1);
    callers_watch(&callers);
    int64_t queued_us = late_queued_of_us(kit_server_pid(live->server));
    int64_t since_us = late_now_us();
    kit_server_resume(live->server);
    stop.first_ok_us = callers_first_ok_after_us(&callers, since_us, LIVE_HEAL_MS);
    stop.machine_us = late_control_max_us(control) +
                      late_queued_of_us(kit_server_pid(live->server)) - queued_us;
    late_control_stop(control, &control_late);
    callers_wait_for_ok(&callers, CALLERS);
    callers_stop(&callers);

    assert_int_equal(atomic_load(&callers.n_other) + atomic_load(&callers.n_auth), 0);
    assert_int_equal(atomic_load(&callers.n_miss), 0);
    /* Where even so not all of them waited in vain, the round has shown too little. */
    stop.is_within_bars = late_is_within_bars("stopped server", &callers.late, &control_late) &&
                          atomic_load(&callers.late.full.n) >= CALLERS;
    stop.refused_p50_us = late_permille(&callers.refused, 500);
    stop.n_refused = atomic_load(&callers.refused.n);
    (void)fprintf(
        stderr,
        "first success %lld us after the server went on, %lld us of it the machine's; "
        "%zu calls refused, "
        "p50 %lld us\n",
        (long long)stop.first_ok_us, (long long)stop.machine_us, stop.n_refused,
        (long long)stop.refused_p50_us);
    lateness_fini(&control_late);
    callers_fini(&callers);
    return stop;
}

static bool is_awake_in_time(const struct stop *stop)
{
    int64_t slow_us = kit_is_sanitized() ? kit_margin_ms() * 1000 : 0;
    return stop->first_ok_us <= stop->first_ok_bar_us + stop->machine_us + slow_us;
}

/* Catches: a deadline that is not counted from the call's beginning, that a wait for the reader's
 * place or for the send token forgets, or that a retry prolongs; a late reply given to the next
 * caller; a connection that is thrown away, or a node held to be dead, for callers' own short
 * deadlines. */
static void test_deadline__b1_stopped_server(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.timeout_ms = DEFAULT_TIMEOUT_MS;
    callers_without_breaker(&live.options);
    live_open(&live);
    callers_store(live.cache);
    bool is_good = false;
    for (int round = 0; round < LATE_ROUNDS && !is_good; round++) {
        struct stop stop = stop_once(&live, AWAKE_US);
        is_good = stop.is_within_bars && is_awake_in_time(&stop);
    }
    assert_true(is_good);
    live_end(&live);
}

/* Catches: a breaker whose pauses grow past their cap, that lets no probe through, whose probe
 * waits longer than it may, or that does not close when a probe succeeds; one that makes callers
 * wait instead of refusing them. */
static void test_deadline__b1b_stopped_server_with_a_breaker(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    /* The default needs a stop of more than its four seconds before a connection dies of it. */
    live.options.timeout_ms = stopped_ms() > DEFAULT_TIMEOUT_MS ? DEFAULT_TIMEOUT_MS
                                                                : SHORT_TIMEOUT_MS;
    live_open(&live);
    callers_store(live.cache);
    bool is_good = false;
    for (int round = 0; round < LATE_ROUNDS && !is_good; round++) {
        struct stop stop = stop_once(&live, OPEN_STEP_MAX_US + AWAKE_US);
        is_good = stop.is_within_bars && is_awake_in_time(&stop) &&
                  (kit_is_sanitized() || stop.refused_p50_us <= OPEN_CALL_US);
    }
    assert_true(is_good);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_deadline__b1_stopped_server),
    KIT_TEST(test_deadline__b1b_stopped_server_with_a_breaker),
};

KIT_MAIN(k_tests)
