/* SPDX-License-Identifier: MIT */
/* What only a server can show: what is really stored, values of other types, refusals of the
 * server, and the way to any command. */
#include "kit/kit.h"
#include "live/live.h"

#include <stdio.h>
#include <string.h>

static void test_server_value__is_stored_plainly(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    struct kit_raw *raw = live_raw(&live);
    live_set(live.cache, fac_str("user:123"), "{\"name\": \"Alice\"}");
    assert_string_equal(kit_raw_ask(raw, "GET", "cache:user:123", NULL),
                        "{\"name\": \"Alice\"}");
    assert_string_equal(kit_raw_ask(raw, "TYPE", "cache:user:123", NULL), "string");
    assert_string_equal(kit_raw_ask(raw, "SET", "cache:theirs", "written by another", NULL),
                        "OK");
    live_expect(live.cache, fac_str("theirs"), "written by another");
    fac_error err;
    int64_t number = 0;
    assert_status(fac_cache_increment(live.cache, fac_str("n"), 5, 50000, NULL, &number, &err),
                  FAC_OK, &err);
    assert_string_equal(kit_raw_ask(raw, "GET", "cache:n", NULL), "5");
    /* Every byte of it, and nothing more. */
    const fac_bytes odd = fac_mem("a\0\r\n\xff", 5);
    live_set_bytes(live.cache, odd, odd);
    const fac_bytes ask[] = {fac_str("GET"), fac_mem("cache:a\0\r\n\xff", 11)};
    size_t len = 0;
    const char *got = kit_raw_ask_bytes(raw, ask, 2, &len);
    assert_int_equal(len, 5);
    assert_memory_equal(got, odd.data, 5);
    assert_string_equal(kit_raw_ask(raw, "DBSIZE", NULL), "4");
    live_end(&live);
}

static void test_server_value__prefix_is_the_settings(void **state)
{
    (void)state;
    static const char *const k_prefixes[] = {"", "app:v2:", "\xc3\xa4 *"};
    struct live live;
    live_start(&live, NULL);
    for (size_t i = 0; i < KIT_COUNT(k_prefixes); i++) {
        char full[64];
        live.options.prefix = k_prefixes[i];
        live_open(&live);
        live_set(live.cache, fac_str("key"), "v");
        (void)snprintf(full, sizeof(full), "%skey", k_prefixes[i]);
        assert_string_equal(kit_raw_ask(live_raw(&live), "GET", full, NULL), "v");
        fac_cache_close(live.cache);
        live.cache = NULL;
    }
    live_end(&live);
}

static void test_server_value__ttl_comes_with_the_value(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    struct kit_raw *raw = live_raw(&live);
    fac_error err;
    fac_bytes v = fac_str("v");
    assert_int_equal(fac_cache_set(live.cache, fac_str("set"), v, 30000, NULL, &err), FAC_OK);
    assert_int_equal(fac_cache_add(live.cache, fac_str("add"), v, 30000, NULL, &err), FAC_OK);
    fac_item item = {fac_str("many"), v, 30000};
    fac_status status = FAC_MISS;
    assert_int_equal(fac_cache_set_many(live.cache, &item, 1, NULL, &status, &err), FAC_OK);
    /* In one command, not by a second one that may get lost. */
    const char *calls = kit_raw_ask(raw, "INFO", "commandstats", NULL);
    assert_contains(calls, "cmdstat_set:calls=3,");
    assert_null(strstr(calls, "expire"));
    assert_int_equal(
        fac_cache_increment(live.cache, fac_str("inc"), 1, 30000, NULL, NULL, &err), FAC_OK);
    static const char *const k_keys[] = {"cache:set", "cache:add", "cache:inc", "cache:many"};
    for (size_t i = 0; i < KIT_COUNT(k_keys); i++) {
        assert_in_range(kit_raw_ask_number(raw, "PTTL", k_keys[i]), 15000, 30000);
    }
    live_set(live.cache, fac_str("set"), "v");
    assert_int_equal(kit_raw_ask_number(raw, "PTTL", "cache:set"), -1);
    live_end(&live);
}

static void test_server_value__of_another_type_is_an_error(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    struct kit_raw *raw = live_raw(&live);
    assert_string_equal(kit_raw_ask(raw, "RPUSH", "cache:list", "a", "b", NULL), "2");
    live_set(live.cache, fac_str("good"), "v");
    fac_error err;
    fac_value *value = NULL;
    char buf[8];
    size_t len = 777;
    for (int round = 0; round < 20; round++) {
        live_expect_error(fac_cache_get(live.cache, fac_str("list"), NULL, &value, &err),
                          FAC_E_SERVER, &err);
        assert_string_equal(err.server_code, "WRONGTYPE");
        assert_null(value);
        live_expect_error(
            fac_cache_get_into(live.cache, fac_str("list"), NULL, buf, sizeof(buf), &len, &err),
            FAC_E_SERVER, &err);
        assert_int_equal(len, 777);
        live_expect(live.cache, fac_str("good"), "v");
    }
    const fac_bytes keys[] = {fac_str("good"), fac_str("list"), fac_str("no"), fac_str("good")};
    fac_value *values[4];
    fac_status statuses[4];
    assert_status(fac_cache_get_many(live.cache, keys, 4, NULL, values, statuses, &err), FAC_OK,
                  &err);
    assert_int_equal(err.status, FAC_E_SERVER);
    assert_string_equal(err.server_code, "WRONGTYPE");
    static const fac_status k_want[] = {FAC_OK, FAC_E_SERVER, FAC_MISS, FAC_OK};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(statuses[i], k_want[i]);
        assert_int_equal(values[i] != NULL, k_want[i] == FAC_OK);
        fac_value_unref(values[i]);
    }
    /* Whatever is there can be counted, asked after, replaced and removed. */
    assert_int_equal(fac_cache_exists(live.cache, fac_str("list"), NULL, &err), FAC_OK);
    assert_int_equal(fac_cache_touch(live.cache, fac_str("list"), 5000, NULL, &err), FAC_OK);
    live_set(live.cache, fac_str("list"), "a string now");
    live_expect(live.cache, fac_str("list"), "a string now");
    fac_stats stats = live_stats(live.cache);
    assert_int_equal(stats.connects, 1);
    assert_int_equal(stats.disconnects, 0);
    assert_int_equal(stats.errors, 40);
    live_end(&live);
}

static void test_server_value__out_of_memory_is_the_servers_refusal(void **state)
{
    (void)state;
    static const char *const k_config[] = {"maxmemory 1", "maxmemory-policy noeviction", NULL};
    struct live live;
    live_start(&live, k_config);
    live_open(&live);
    fac_error err;
    for (int round = 0; round < 5; round++) {
        live_expect_error(
            fac_cache_set(live.cache, fac_str("k"), fac_str("v"), FAC_TTL_NONE, NULL, &err),
            FAC_E_SERVER, &err);
        assert_string_equal(err.server_code, "OOM");
        assert_false(err.maybe_applied);
        live_expect_error(
            fac_cache_increment(live.cache, fac_str("n"), 1, FAC_TTL_NONE, NULL, NULL, &err),
            FAC_E_SERVER, &err);
        live_expect_miss(live.cache, fac_str("k"));
    }
    const fac_item items[] = {{fac_str("a"), fac_str("v"), 1000},
                              {fac_str("b"), fac_str("v"), 1000}};
    fac_status statuses[2];
    assert_status(fac_cache_set_many(live.cache, items, 2, NULL, statuses, &err), FAC_OK, &err);
    assert_int_equal(err.status, FAC_E_SERVER);
    assert_int_equal(statuses[0], FAC_E_SERVER);
    assert_int_equal(statuses[1], FAC_E_SERVER);
    assert_string_equal(kit_raw_ask(live_raw(&live), "CONFIG", "SET", "maxmemory", "0", NULL),
                        "OK");
    live_set(live.cache, fac_str("k"), "v");
    live_expect(live.cache, fac_str("k"), "v");
    assert_int_equal(live_stats(live.cache).connects, 1);
    live_end(&live);
}

static void test_server_value__replica_refuses_writes(void **state)
{
    (void)state;
    static const char *const k_config[] = {"replicaof 127.0.0.1 1", NULL};
    struct live live;
    live_start(&live, k_config);
    live_open(&live);
    fac_error err;
    live_expect_miss(live.cache, fac_str("k"));
    live_expect_error(
        fac_cache_set(live.cache, fac_str("k"), fac_str("v"), FAC_TTL_NONE, NULL, &err),
        FAC_E_SERVER, &err);
    assert_string_equal(err.server_code, "READONLY");
    assert_false(err.maybe_applied);
    live_expect_error(
        fac_cache_increment(live.cache, fac_str("k"), 1, FAC_TTL_NONE, NULL, NULL, &err),
        FAC_E_SERVER, &err);
    fac_health health;
    assert_status(fac_cache_health(live.cache, NULL, &health, sizeof(health), &err), FAC_OK,
                  &err);
    assert_true(strcmp(health.role, "replica") == 0 ||
                (live.protocol == 2 && strcmp(health.role, "") == 0));
    live_end(&live);
}

static void test_server_value__replica_without_master_is_not_ready(void **state)
{
    (void)state;
    static const char *const k_config[] = {"replicaof 127.0.0.1 1",
                                           "replica-serve-stale-data no", NULL};
    struct live live;
    live_start(&live, k_config);
    live.options.open = FAC_OPEN_LAZY;
    live_open(&live);
    fac_error err;
    fac_value *value = NULL;
    live_expect_error(fac_cache_get(live.cache, fac_str("k"), NULL, &value, &err),
                      FAC_E_UNAVAILABLE, &err);
    assert_string_equal(err.server_code, "MASTERDOWN");
    assert_true(fac_status_is_retryable(FAC_E_UNAVAILABLE));
    /* Once it is a master it serves, and the same cache finds out. */
    assert_string_equal(kit_raw_ask(live_raw(&live), "REPLICAOF", "NO", "ONE", NULL), "OK");
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(live.cache, "k", 0, &err) == FAC_MISS);
    live_end(&live);
}

static void test_server_value__larger_than_the_server_takes(void **state)
{
    (void)state;
    static const char *const k_config[] = {"proto-max-bulk-len 1mb", NULL};
    struct live live;
    live_start(&live, k_config);
    live_open(&live);
    static char value[3 << 20];
    fac_error err;
    live_set(live.cache, fac_str("k"), "v");
    /* The server says no and hangs up while the value is still being sent. */
    for (int round = 0; round < 3; round++) {
        fac_status st = fac_cache_set(live.cache, fac_str("k"), fac_mem(value, sizeof(value)),
                                      FAC_TTL_NONE, NULL, &err);
        assert_true(st == FAC_E_SERVER || st == FAC_E_UNAVAILABLE);
        live_expect(live.cache, fac_str("k"), "v");
    }
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_server_value__is_stored_plainly),
    KIT_TEST(test_server_value__prefix_is_the_settings),
    KIT_TEST(test_server_value__ttl_comes_with_the_value),
    KIT_TEST(test_server_value__of_another_type_is_an_error),
    KIT_TEST(test_server_value__out_of_memory_is_the_servers_refusal),
    KIT_TEST(test_server_value__larger_than_the_server_takes),
    KIT_TEST(test_server_value__replica_refuses_writes),
    KIT_TEST(test_server_value__replica_without_master_is_not_ready),
};

KIT_MAIN(k_tests)
