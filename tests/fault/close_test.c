/* SPDX-License-Identifier: MIT */
/* Row B8: close ends ten thousand calls at once, and leaves nothing behind. */
#include "fault/crowd.h"
#include "fault/late.h"
#include "kit/kit.h"
#include "kit/procwatch.h"
#include "live/live.h"

#include <stdatomic.h>
#include <stdio.h>

enum {
    CALLS = 10000,
    SANITIZED_CALLS = 1000,
    CONNECTIONS = 50,
    WITHIN_US = 1000000,
    FAST_US = 250000, /* waking as many plain threads takes no longer on a machine with time */
    BEGIN_MS = 120000,
    PATIENCE_MS = 60000
};

static size_t n_calls(void)
{
    size_t n = kit_scaled(CALLS);
    n = n < CALLS ? n : CALLS;
    return kit_is_sanitized() && n > SANITIZED_CALLS ? SANITIZED_CALLS : n;
}

/* --- The machine's share --------------------------------------------------------------------- */

struct sleepers {
    struct kit_gate gate;
    atomic_size_t n_begun;
    atomic_size_t n_back;
};

static void sleep_until_called(size_t index, void *context)
{
    (void)index;
    struct sleepers *sleepers = context;
    (void)atomic_fetch_add(&sleepers->n_begun, 1U);
    (void)pthread_mutex_lock(&sleepers->gate.lock);
    while (!sleepers->gate.is_open) {
        (void)pthread_cond_wait(&sleepers->gate.changed, &sleepers->gate.lock);
    }
    (void)pthread_mutex_unlock(&sleepers->gate.lock);
    (void)atomic_fetch_add(&sleepers->n_back, 1U);
}

/* How long it takes to wake as many threads that wait for a plain condition. */
static int64_t wake_plain_threads_us(size_t n)
{
    struct sleepers sleepers = {.n_begun = 0};
    kit_gate_init(&sleepers.gate);
    struct crowd *crowd = crowd_start(n, sleep_until_called, &sleepers);
    KIT_WAIT_FOR(BEGIN_MS, atomic_load(&sleepers.n_begun) == n);
    int64_t began_us = late_now_us();
    kit_gate_open(&sleepers.gate);
    KIT_WAIT_FOR(PATIENCE_MS, atomic_load(&sleepers.n_back) == n);
    int64_t took_us = late_now_us() - began_us;
    crowd_join(crowd);
    kit_gate_fini(&sleepers.gate);
    return took_us;
}

/* --- Close ----------------------------------------------------------------------------------- */

struct blocked {
    fac_cache *cache;
    atomic_size_t n_begun;
    atomic_size_t n_back;
    atomic_size_t n_closed;
    atomic_int other; /* a status that was none of those */
};

static void call_and_wait(size_t index, void *context)
{
    struct blocked *blocked = context;
    fac_call call = fac_call_within(BEGIN_MS + PATIENCE_MS);
    fac_value *value = NULL;
    fac_error err;
    fac_status st = FAC_OK;
    (void)atomic_fetch_add(&blocked->n_begun, 1U);
    switch (index % 4) {
    case 0:
        st = fac_cache_set(blocked->cache, fac_str("k"), fac_str("v"), FAC_TTL_NONE, &call,
                           &err);
        break;
    case 1:
        st = fac_cache_increment(blocked->cache, fac_str("n"), 1, FAC_TTL_NONE, &call, NULL,
                                 &err);
        break;
    default:
        st = fac_cache_get(blocked->cache, fac_str("k"), &call, &value, &err);
        break;
    }
    fac_value_unref(value);
    if (st == FAC_E_CLOSED && err.status == FAC_E_CLOSED) {
        (void)atomic_fetch_add(&blocked->n_closed, 1U);
    } else {
        atomic_store(&blocked->other, (int)st);
    }
    (void)atomic_fetch_add(&blocked->n_back, 1U);
}

static bool all_are_inside(struct blocked *blocked, size_t n)
{
    fac_stats stats = live_stats(blocked->cache);
    return atomic_load(&blocked->n_begun) == n && stats.calls_in_flight >= n;
}

static bool close_once(struct live *live)
{
    size_t n = n_calls();
    live_open(live);
    live_set(live->cache, fac_str("k"), "v");
    kit_server_pause(live->server);
    struct blocked blocked = {.cache = fac_cache_ref(live->cache)};
    struct crowd *crowd = crowd_start(n, call_and_wait, &blocked);
    KIT_WAIT_FOR(BEGIN_MS, all_are_inside(&blocked, n));
    int64_t began_us = late_now_us();
    fac_cache_close(live->cache);
    int64_t close_us = late_now_us() - began_us;
    KIT_WAIT_FOR(PATIENCE_MS, atomic_load(&blocked.n_back) == n);
    int64_t all_us = late_now_us() - began_us;
    crowd_join(crowd);
    (void)fprintf(stderr, "close took %lld us, all %zu calls were back after %lld us\n",
                  (long long)close_us, n, (long long)all_us);
    if (atomic_load(&blocked.n_closed) != n) {
        fail_msg("a call ended with %s",
                 fac_status_name((fac_status)atomic_load(&blocked.other)));
    }
    fac_stats stats = live_stats(blocked.cache);
    assert_int_equal(stats.calls_in_flight, 0);
    assert_int_equal(stats.calls_waiting, 0);
    assert_int_equal(stats.connections_open, 0);
    fac_cache_unref(blocked.cache);
    live->cache = NULL;
    kit_server_resume(live->server);

    int64_t plain_us = wake_plain_threads_us(n);
    (void)fprintf(stderr, "as many plain threads: %lld us\n", (long long)plain_us);
    int64_t bar_us = WITHIN_US + (plain_us > FAST_US ? plain_us : 0);
    return close_us <= bar_us && all_us <= bar_us;
}

/* Catches: a close that wakes only those who wait for an answer, or for a connection, or who
 * connect; one that wakes them one after the other through a lock that each of them takes; a call
 * that tries again after it; a thread or a descriptor that stays. */
static void test_close__b8_ten_thousand_calls_in_flight(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.max_connections = CONNECTIONS;
    live.options.timeout_ms = BEGIN_MS + PATIENCE_MS;
    (void)wake_plain_threads_us(1); /* a sanitizer's own thread comes with the first one */
    size_t threads = kit_count_threads();
    size_t descriptors = kit_count_fds();
    bool is_good = false;
    for (int round = 0; round < LATE_ROUNDS && !is_good; round++) {
        is_good = close_once(&live);
        KIT_WAIT_FOR(PATIENCE_MS, kit_count_threads() == threads);
        assert_int_equal(kit_count_fds(), descriptors);
    }
    assert_true(is_good);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_close__b8_ten_thousand_calls_in_flight),
};

KIT_MAIN(k_tests)
