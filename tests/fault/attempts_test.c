/* SPDX-License-Identifier: MIT */
/* Rows C2 and C4: a server that is down, that hangs up on everybody, or that is full, is tried
 * seldom and at next to no cost, however often callers ask. */
#include "fault/callers.h"
#include "fault/late.h"
#include "kit/kit.h"
#include "kit/stub.h"
#include "live/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WINDOW_MS = 4000,
    WINDOW_MAX_MS = 60000, /* the row's own figure, from a scale of 1500 on */
    ATTEMPTS_FIRST = 12,   /* the quick ones at the beginning */
    ATTEMPTS_MAX = 40,     /* in a minute, those included */
    CPU_PERMILLE = 20,     /* in the calls */
    WHOLE_PERMILLE = 60,   /* of the process: threads of the library, and of this test */
    SANITIZED_FACTOR = 5,
    POLL_PAUSE_MS = 10,
    DEADLINE_MS = 1000,
    RECOVER_US = 5000000, /* the longest pause: the breaker's */
    RECOVER_SLACK_US = 200000,
    FILLERS = 2
};

static int64_t window_ms(void)
{
    size_t ms = kit_scaled(WINDOW_MS);
    return ms < WINDOW_MAX_MS ? (int64_t)ms : WINDOW_MAX_MS;
}

static size_t attempts_allowed(void)
{
    return (size_t)(ATTEMPTS_FIRST +
                    (ATTEMPTS_MAX - ATTEMPTS_FIRST) * window_ms() / WINDOW_MAX_MS);
}

static int64_t cpu_us(void)
{
    struct timespec used;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

/* One caller asks a hundred times a second; asserts what that costs, and that nothing succeeds. */
static void poll_for_a_window(struct callers *callers)
{
    callers_start(callers, 1);
    int64_t before_us = cpu_us();
    late_pass_ms(window_ms());
    int64_t used_us = cpu_us() - before_us;
    int64_t calls_us = atomic_load(&callers->cpu_us);
    (void)fprintf(stderr, "in %lld ms: %lld us of processor in calls, %lld us of the process\n",
                  (long long)window_ms(), (long long)calls_us, (long long)used_us);
    int64_t factor = kit_is_sanitized() ? SANITIZED_FACTOR : 1;
    assert_int_equal(atomic_load(&callers->n_ok), 0);
    assert_true(calls_us <= factor * CPU_PERMILLE * window_ms());
    assert_true(used_us <= factor * WHOLE_PERMILLE * window_ms());
}

static struct callers caller_of(fac_cache *cache)
{
    return (struct callers){
        .cache = cache, .deadline_ms = DEADLINE_MS, .pause_ms = POLL_PAUSE_MS};
}

static void expect_few(const char *what, size_t n)
{
    (void)fprintf(stderr, "%s: %zu attempts, at most %zu\n", what, n, attempts_allowed());
    assert_in_range(n, 1, attempts_allowed());
}

static fac_cache *open_lazily(uint16_t port)
{
    fac_options options;
    live_point_at(&options, port);
    options.open = FAC_OPEN_LAZY;
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    return cache;
}

/* Catches: an attempt for each call; pauses that do not grow; a caller that spins until the next
 * attempt. */
static void test_attempts__c2_never_up(void **state)
{
    (void)state;
    uint16_t port = 0;
    int holder = kit_port_without_listener(&port);
    fac_cache *cache = open_lazily(port);
    struct callers callers = caller_of(cache);
    poll_for_a_window(&callers);
    callers_stop(&callers);
    expect_few("never up", live_stats(cache).connect_failures);
    assert_int_equal(atomic_load(&callers.n_other) + atomic_load(&callers.n_auth), 0);
    callers_fini(&callers);
    fac_cache_close(cache);
    kit_port_give_back(holder);
}

static void test_attempts__c2_gone_down(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("k"), "v");
    kit_server_kill(live.server);
    struct callers callers = caller_of(live.cache);
    poll_for_a_window(&callers);
    callers_stop(&callers);
    expect_few("gone down", live_stats(live.cache).connect_failures);
    assert_int_equal(atomic_load(&callers.n_other) + atomic_load(&callers.n_auth), 0);
    callers_fini(&callers);
    live_end(&live);
}

static void hang_up(struct kit_stub_conn *conn, void *context)
{
    (void)conn;
    (void)context;
}

/* Catches, too: pauses that a mere TCP connect sets back. */
static void test_attempts__c2_accepts_and_hangs_up(void **state)
{
    (void)state;
    struct kit_stub_options stub_options = {.fn = hang_up, .is_bare = true};
    struct kit_stub *stub = kit_stub_start(&stub_options);
    fac_cache *cache = open_lazily(kit_stub_port(stub));
    struct callers callers = caller_of(cache);
    poll_for_a_window(&callers);
    callers_stop(&callers);
    expect_few("hangs up", kit_stub_connections(stub));
    assert_int_equal(atomic_load(&callers.n_other) + atomic_load(&callers.n_auth), 0);
    callers_fini(&callers);
    fac_cache_close(cache);
    kit_stub_stop(stub);
}

/* Catches, too: pauses that a good handshake sets back, though no connection lives. */
static void test_attempts__c2_hangs_up_after_the_handshake(void **state)
{
    (void)state;
    static const struct kit_step k_leave[] = {{KIT_EXPECT, NULL, NULL},
                                              {KIT_RESET, NULL, NULL}};
    static const struct kit_step *const k_scripts[] = {k_leave};
    struct kit_stub_options stub_options = {.scripts = k_scripts, .n_scripts = 1};
    struct kit_stub *stub = kit_stub_start(&stub_options);
    fac_cache *cache = open_lazily(kit_stub_port(stub));
    struct callers callers = caller_of(cache);
    poll_for_a_window(&callers);
    callers_stop(&callers);
    expect_few("hangs up after the handshake", kit_stub_connections(stub));
    assert_int_equal(atomic_load(&callers.n_other) + atomic_load(&callers.n_auth), 0);
    callers_fini(&callers);
    fac_cache_close(cache);
    kit_stub_stop(stub);
}

static size_t connections_received(struct live *live)
{
    const char *info = kit_raw_ask(live_raw(live), "INFO", "stats", NULL);
    const char *at = strstr(info, "total_connections_received:");
    assert_non_null(at);
    return strtoul(strchr(at, ':') + 1, NULL, 10);
}

/* Catches: a refusal that is taken for a success of the connect, and tried again at once; a breaker
 * that does not find back. */
static void test_attempts__c4_full_then_free(void **state)
{
    (void)state;
    static const char *const k_config[] = {"maxclients 3", NULL};
    struct live live;
    live_start(&live, k_config);
    struct kit_raw *fillers[FILLERS];
    for (size_t i = 0; i < FILLERS; i++) {
        fillers[i] = kit_raw_unix(kit_server_socket(live.server));
        assert_non_null(fillers[i]);
        assert_string_equal(kit_raw_ask(fillers[i], "PING", NULL), "PONG");
    }
    size_t before = connections_received(&live);
    live.options.open = FAC_OPEN_LAZY;
    live_open(&live);
    struct callers callers = caller_of(live.cache);
    poll_for_a_window(&callers);
    /* The server counts those that it refuses among the others since 7.0, or apart. */
    size_t n_refused = live_stats(live.cache).connect_failures;
    size_t n_received = connections_received(&live) - before;
    expect_few("full", n_received > n_refused ? n_received : n_refused);
    callers_watch(&callers);
    int64_t since_us = late_now_us();
    kit_raw_close(fillers[0]);
    int64_t took_us = callers_first_ok_after_us(&callers, since_us, LIVE_HEAL_MS);
    callers_stop(&callers);
    (void)fprintf(stderr, "served %lld us after a place was free\n", (long long)took_us);
    assert_true(took_us <= RECOVER_US + RECOVER_SLACK_US + kit_margin_ms() * 1000);
    assert_int_equal(atomic_load(&callers.n_other) + atomic_load(&callers.n_auth), 0);
    callers_fini(&callers);
    kit_raw_close(fillers[1]);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_attempts__c2_never_up),
    KIT_TEST(test_attempts__c2_gone_down),
    KIT_TEST(test_attempts__c2_accepts_and_hangs_up),
    KIT_TEST(test_attempts__c2_hangs_up_after_the_handshake),
    KIT_TEST(test_attempts__c4_full_then_free),
};

KIT_MAIN(k_tests)
