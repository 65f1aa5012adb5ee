/* SPDX-License-Identifier: MIT */
/* Servers that die, come back, hang, hang up and refuse: reads heal, deadlines hold. */
#include "kit/kit.h"
#include "live/live.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static void kill_clients(struct live *live)
{
    const char *killed = kit_raw_ask(live_raw(live), "CLIENT", "KILL", "TYPE", "normal",
                                     "SKIPME", "yes", NULL);
    assert_true(killed[0] != '-');
}

static void test_server_fault__killed_and_restarted(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    for (int cycle = 0; cycle < 3; cycle++) {
        live_set(live.cache, fac_str("k"), "v");
        kit_server_kill(live.server);
        fac_status st = live_try_get(live.cache, "k", 0, &err);
        assert_int_equal(st, FAC_E_UNAVAILABLE);
        kit_server_restart(live.server);
        KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(live.cache, "k", 0, &err) == FAC_MISS);
        /* It has healed: nothing fails any more. */
        for (int i = 0; i < 100; i++) {
            live_set(live.cache, fac_str("k"), "v");
            live_expect(live.cache, fac_str("k"), "v");
        }
    }
    fac_stats stats = live_stats(live.cache);
    assert_int_equal(stats.connections_open, 1);
    assert_int_equal(stats.calls_in_flight, 0);
    live_end(&live);
}

static void test_server_fault__starts_after_its_clients(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    kit_server_kill(live.server);
    fac_error err;
    fac_cache *cache = NULL;
    live_expect_error(fac_cache_open(&live.options, &cache, &err), FAC_E_UNAVAILABLE, &err);
    assert_null(cache);
    live.options.open = FAC_OPEN_LAZY;
    live_open(&live);
    live_expect_error(live_try_get(live.cache, "k", 0, &err), FAC_E_UNAVAILABLE, &err);
    fac_health health;
    memset(&health, 0x5a, sizeof(health));
    live_expect_error(fac_cache_health(live.cache, NULL, &health, sizeof(health), &err),
                      FAC_E_UNAVAILABLE, &err);
    assert_false(health.is_healthy);
    assert_int_equal(health.connections_open, 0);
    kit_server_restart(live.server);
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(live.cache, "k", 0, &err) == FAC_MISS);
    assert_status(fac_cache_health(live.cache, NULL, &health, sizeof(health), &err), FAC_OK,
                  &err);
    assert_true(health.is_healthy);
    live_end(&live);
}

static void test_server_fault__down_is_told_at_once(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("k"), "v");
    kit_server_kill(live.server);
    fac_error err;
    int64_t before_ms = kit_now_ms();
    for (int i = 0; i < 1000; i++) {
        live_expect_error(live_try_get(live.cache, "k", 0, &err), FAC_E_UNAVAILABLE, &err);
    }
    /* Not a connect attempt each: the back-off answers for most of them. */
    assert_true(kit_now_ms() - before_ms < 10000);
    assert_in_range(live_stats(live.cache).connect_failures, 1, 200);
    live_end(&live);
}

static void test_server_fault__killed_connections_cost_reads_nothing(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("k"), "v");
    size_t rounds = kit_scaled(200);
    for (size_t round = 0; round < rounds; round++) {
        kill_clients(&live);
        live_expect(live.cache, fac_str("k"), "v");
    }
    fac_stats stats = live_stats(live.cache);
    assert_int_equal(stats.errors, 0);
    assert_int_equal(stats.connects, rounds + 1);
    assert_int_equal(stats.disconnects, rounds);
    assert_int_equal(stats.connections_open, 1);
    live_end(&live);
}

static void test_server_fault__killed_connections_cost_safe_writes_nothing(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    for (size_t round = 0; round < kit_scaled(40); round++) {
        int64_t ttl_ms = 0;
        kill_clients(&live);
        live_set(live.cache, fac_str("k"), "v");
        kill_clients(&live);
        assert_status(fac_cache_exists(live.cache, fac_str("k"), NULL, &err), FAC_OK, &err);
        kill_clients(&live);
        assert_status(fac_cache_touch(live.cache, fac_str("k"), 50000, NULL, &err), FAC_OK,
                      &err);
        kill_clients(&live);
        assert_status(fac_cache_ttl(live.cache, fac_str("k"), NULL, &ttl_ms, &err), FAC_OK,
                      &err);
        kill_clients(&live);
        assert_status(fac_cache_delete(live.cache, fac_str("k"), NULL, &err), FAC_OK, &err);
        kill_clients(&live);
        live_expect_miss(live.cache, fac_str("k"));
    }
    live_end(&live);
}

static void test_server_fault__idle_connections_that_the_server_closes(void **state)
{
    (void)state;
    static const char *const k_config[] = {"timeout 1", NULL};
    struct live live;
    live_start(&live, k_config);
    live_open(&live);
    live_set(live.cache, fac_str("k"), "v");
    /* Our own connection asks all the time, so only the cache's goes idle. */
    KIT_WAIT_FOR(15000, kit_raw_count_clients(live_raw(&live)) == 1);
    live_expect(live.cache, fac_str("k"), "v");
    /* Not even what is never sent twice fails: the end is seen before anything is sent. */
    fac_error err;
    KIT_WAIT_FOR(15000, kit_raw_count_clients(live_raw(&live)) == 1);
    assert_status(
        fac_cache_increment(live.cache, fac_str("n"), 1, FAC_TTL_NONE, NULL, NULL, &err),
        FAC_OK, &err);
    assert_int_equal(live_stats(live.cache).errors, 0);
    assert_int_equal(live_stats(live.cache).retries, 0);
    live_end(&live);
}

/* --- A stopped server ------------------------------------------------------------------------ */

enum {
    CALLERS = 8
};

struct calling {
    fac_cache *cache;
    int64_t late_by_ms[CALLERS]; /* the worst of each caller */
    atomic_size_t n_unexpected;
};

static fac_status call_number(fac_cache *cache, size_t number, const fac_call *call)
{
    fac_value *value = NULL;
    fac_bytes key = fac_str("k");
    fac_status status = FAC_OK;
    char buf[8];
    size_t len = 0;
    int64_t ttl_ms = 0;
    fac_health health;
    switch (number % 10) {
    case 0:
        return fac_cache_get(cache, key, call, &value, NULL);
    case 1:
        return fac_cache_get_into(cache, key, call, buf, sizeof(buf), &len, NULL);
    case 2:
        return fac_cache_set(cache, key, key, FAC_TTL_NONE, call, NULL);
    case 3:
        return fac_cache_delete(cache, key, call, NULL);
    case 4:
        return fac_cache_ttl(cache, key, call, &ttl_ms, NULL);
    case 5:
        return fac_cache_increment(cache, key, 1, FAC_TTL_NONE, call, NULL, NULL);
    case 6:
        return fac_cache_get_many(cache, &key, 1, call, &value, &status, NULL);
    case 7:
        return fac_cache_delete_many(cache, &key, 1, call, &status, NULL);
    case 8:
        return fac_cache_clear(cache, call, NULL, NULL);
    default:
        return fac_cache_health(cache, call, &health, sizeof(health), NULL);
    }
}

static void call_all_verbs(size_t index, void *context)
{
    struct calling *calling = context;
    for (size_t i = 0; i < 10; i++) {
        uint32_t deadline_ms = (uint32_t)(20 + 20 * index);
        fac_call call = fac_call_within(deadline_ms);
        int64_t before_ms = kit_now_ms();
        fac_status st = call_number(calling->cache, index + i, &call);
        int64_t late_ms = kit_now_ms() - before_ms - deadline_ms;
        if (late_ms > calling->late_by_ms[index]) {
            calling->late_by_ms[index] = late_ms;
        }
        if (st != FAC_E_TIMEOUT && st != FAC_E_UNAVAILABLE) {
            (void)atomic_fetch_add(&calling->n_unexpected, 1U);
        }
    }
}

static void test_server_fault__stopped_server_holds_nobody(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.timeout_ms = 2000;
    live_open(&live);
    live_set(live.cache, fac_str("before"), "v");
    kit_server_pause(live.server);
    static struct calling calling;
    calling.cache = live.cache;
    kit_threads_join(kit_threads_start(CALLERS, call_all_verbs, &calling));
    for (size_t i = 0; i < CALLERS; i++) {
        assert_true(calling.late_by_ms[i] <= kit_margin_ms());
    }
    assert_int_equal(atomic_load(&calling.n_unexpected), 0);
    kit_server_resume(live.server);
    fac_error err;
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(live.cache, "before", 0, &err) == FAC_OK);
    for (int i = 0; i < 50; i++) {
        live_expect(live.cache, fac_str("before"), "v");
    }
    fac_stats stats = live_stats(live.cache);
    assert_int_equal(stats.calls_in_flight, 0);
    assert_int_equal(stats.calls_waiting, 0);
    live_end(&live);
}

static void test_server_fault__default_deadline_is_the_timeout(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.timeout_ms = 1000;
    live_open(&live);
    kit_server_pause(live.server);
    fac_error err;
    fac_value *value = NULL;
    int64_t before_ms = kit_now_ms();
    live_expect_error(fac_cache_get(live.cache, fac_str("k"), NULL, &value, &err),
                      FAC_E_TIMEOUT, &err);
    int64_t took_ms = kit_now_ms() - before_ms;
    assert_in_range(took_ms, 990, 1000 + kit_margin_ms());
    fac_cache *second = NULL;
    live.options.allocator = NULL;
    before_ms = kit_now_ms();
    fac_status st = fac_cache_open(&live.options, &second, &err);
    assert_true(st == FAC_E_TIMEOUT || st == FAC_E_UNAVAILABLE);
    assert_in_range(kit_now_ms() - before_ms, 0, 1000 + kit_margin_ms());
    kit_server_resume(live.server);
    live_end(&live);
}

struct blocked {
    fac_cache *cache;
    fac_status got[CALLERS];
    atomic_size_t n_begun;
    atomic_size_t n_back;
};

static void wait_for_a_value(size_t index, void *context)
{
    struct blocked *blocked = context;
    fac_call call = fac_call_within(30000);
    fac_value *value = NULL;
    (void)atomic_fetch_add(&blocked->n_begun, 1U);
    blocked->got[index] = fac_cache_get(blocked->cache, fac_str("k"), &call, &value, NULL);
    fac_value_unref(value);
    (void)atomic_fetch_add(&blocked->n_back, 1U);
}

static void close_under_blocked(uint32_t max_connections)
{
    struct live live;
    live_start(&live, NULL);
    live.options.max_connections = max_connections;
    live.options.timeout_ms = 30000;
    live.options.retry_on_timeout = FAC_NO;
    live_open(&live);
    kit_server_pause(live.server);
    struct blocked blocked = {.cache = fac_cache_ref(live.cache)};
    struct kit_threads *threads = kit_threads_start(CALLERS, wait_for_a_value, &blocked);
    /* All are inside, and one of them waits for its answer: the rest wait for theirs, for a
     * connection, or for the handshake of a new one. */
    KIT_WAIT_FOR(10000, atomic_load(&blocked.n_begun) == CALLERS &&
                            live_stats(live.cache).calls_in_flight >= 1);
    int64_t before_ms = kit_now_ms();
    fac_cache_close(live.cache);
    live.cache = blocked.cache;
    KIT_WAIT_FOR(20000, atomic_load(&blocked.n_back) == CALLERS);
    int64_t took_ms = kit_now_ms() - before_ms;
    kit_threads_join(threads);
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(blocked.got[i], FAC_E_CLOSED);
    }
    assert_true(took_ms <= 500 + kit_margin_ms());
    kit_server_resume(live.server);
    live_end(&live);
}

static void test_server_fault__close_ends_blocked_calls(void **state)
{
    (void)state;
    close_under_blocked(50);
}

static void test_server_fault__close_ends_calls_that_wait_for_a_connection(void **state)
{
    (void)state;
    close_under_blocked(1);
}

static void test_server_fault__too_many_clients(void **state)
{
    (void)state;
    static const char *const k_config[] = {"maxclients 1", NULL};
    struct live live;
    live_start(&live, k_config);
    (void)kit_raw_ask(live_raw(&live), "PING", NULL);
    fac_error err;
    fac_cache *cache = NULL;
    live_expect_error(fac_cache_open(&live.options, &cache, &err), FAC_E_UNAVAILABLE, &err);
    assert_contains(err.message, "max number of clients reached");
    assert_null(cache);
    live.options.open = FAC_OPEN_LAZY;
    live_open(&live);
    live_expect_error(live_try_get(live.cache, "k", 0, &err), FAC_E_UNAVAILABLE, &err);
    kit_raw_close(live.raw);
    live.raw = NULL;
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(live.cache, "k", 0, &err) == FAC_MISS);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_server_fault__killed_and_restarted),
    KIT_TEST(test_server_fault__starts_after_its_clients),
    KIT_TEST(test_server_fault__down_is_told_at_once),
    KIT_TEST(test_server_fault__killed_connections_cost_reads_nothing),
    KIT_TEST(test_server_fault__killed_connections_cost_safe_writes_nothing),
    KIT_TEST(test_server_fault__idle_connections_that_the_server_closes),
    KIT_TEST(test_server_fault__stopped_server_holds_nobody),
    KIT_TEST(test_server_fault__default_deadline_is_the_timeout),
    KIT_TEST(test_server_fault__close_ends_blocked_calls),
    KIT_TEST(test_server_fault__close_ends_calls_that_wait_for_a_connection),
    KIT_TEST(test_server_fault__too_many_clients),
};

KIT_MAIN(k_tests)
