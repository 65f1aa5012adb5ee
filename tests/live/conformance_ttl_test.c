/* SPDX-License-Identifier: MIT */
/* Conformance, time and numbers: ttl, touch, expiry and increment answer the same on every
 * backend. */
#include "kit/kit.h"
#include "live/live.h"

#include <stdatomic.h>
#include <string.h>

#define TEN_YEARS_MS ((int64_t)315360000000)

/* Milliseconds a server's answer may lag on a busy machine, in tests that compare times. */
#define SLACK_MS 15000

static int64_t ttl_of(fac_cache *cache, fac_bytes key)
{
    fac_error err;
    int64_t ttl_ms = 0;
    assert_status(fac_cache_ttl(cache, key, NULL, &ttl_ms, &err), FAC_OK, &err);
    return ttl_ms;
}

static void set_for(fac_cache *cache, fac_bytes key, const char *value, int64_t ttl_ms)
{
    fac_error err;
    assert_status(fac_cache_set(cache, key, fac_str(value), ttl_ms, NULL, &err), FAC_OK, &err);
}

static void test_conformance__ttl_is_what_was_given(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    fac_bytes key = fac_str("k");
    int64_t ttl_ms = 777;
    assert_status(fac_cache_ttl(live.cache, key, NULL, &ttl_ms, &err), FAC_MISS, &err);
    assert_int_equal(ttl_ms, 777);
    set_for(live.cache, key, "v", 60000);
    assert_in_range(ttl_of(live.cache, key), 60000 - SLACK_MS, 60000);
    set_for(live.cache, key, "v", FAC_TTL_NONE);
    assert_int_equal(ttl_of(live.cache, key), FAC_TTL_NONE);
    set_for(live.cache, key, "v", TEN_YEARS_MS);
    assert_in_range(ttl_of(live.cache, key), TEN_YEARS_MS - SLACK_MS, TEN_YEARS_MS);
    live_end(&live);
}

static void test_conformance__ttl_default_is_the_settings(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.ttl_ms = 123456;
    live_open(&live);
    fac_error err;
    fac_bytes key = fac_str("k");
    set_for(live.cache, key, "v", FAC_TTL_DEFAULT);
    assert_in_range(ttl_of(live.cache, key), 123456 - SLACK_MS, 123456);
    assert_status(fac_cache_touch(live.cache, key, FAC_TTL_NONE, NULL, &err), FAC_OK, &err);
    assert_status(fac_cache_touch(live.cache, key, FAC_TTL_DEFAULT, NULL, &err), FAC_OK, &err);
    assert_in_range(ttl_of(live.cache, key), 123456 - SLACK_MS, 123456);
    assert_status(
        fac_cache_add(live.cache, fac_str("k2"), fac_str("v"), FAC_TTL_DEFAULT, NULL, &err),
        FAC_OK, &err);
    assert_in_range(ttl_of(live.cache, fac_str("k2")), 123456 - SLACK_MS, 123456);
    assert_status(
        fac_cache_increment(live.cache, fac_str("k3"), 1, FAC_TTL_DEFAULT, NULL, NULL, &err),
        FAC_OK, &err);
    assert_in_range(ttl_of(live.cache, fac_str("k3")), 123456 - SLACK_MS, 123456);
    live_end(&live);
}

static void test_conformance__ttl_default_is_an_hour(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    set_for(live.cache, fac_str("k"), "v", FAC_TTL_DEFAULT);
    assert_in_range(ttl_of(live.cache, fac_str("k")), 3600000 - SLACK_MS, 3600000);
    live_end(&live);
}

static void test_conformance__ttl_default_may_be_none(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.ttl_ms = FAC_TTL_NONE;
    live_open(&live);
    set_for(live.cache, fac_str("k"), "v", FAC_TTL_DEFAULT);
    assert_int_equal(ttl_of(live.cache, fac_str("k")), FAC_TTL_NONE);
    live_end(&live);
}

static void test_conformance__touch_gives_a_new_ttl(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    fac_bytes key = fac_str("k");
    assert_status(fac_cache_touch(live.cache, key, 1000, NULL, &err), FAC_MISS, &err);
    assert_status(fac_cache_touch(live.cache, key, FAC_TTL_NONE, NULL, &err), FAC_MISS, &err);
    assert_status(fac_cache_exists(live.cache, key, NULL, &err), FAC_MISS, &err);
    set_for(live.cache, key, "v", FAC_TTL_NONE);
    assert_status(fac_cache_touch(live.cache, key, 90000, NULL, &err), FAC_OK, &err);
    assert_in_range(ttl_of(live.cache, key), 90000 - SLACK_MS, 90000);
    assert_status(fac_cache_touch(live.cache, key, FAC_TTL_NONE, NULL, &err), FAC_OK, &err);
    assert_int_equal(ttl_of(live.cache, key), FAC_TTL_NONE);
    /* A key that has no expiry is touched all the same. */
    assert_status(fac_cache_touch(live.cache, key, FAC_TTL_NONE, NULL, &err), FAC_OK, &err);
    live_expect(live.cache, key, "v");
    live_end(&live);
}

static void test_conformance__expires(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_bytes key = fac_str("short");
    fac_error err;
    fac_status many = FAC_OK;
    fac_item item = {fac_str("short3"), fac_str("v"), 60};
    set_for(live.cache, fac_str("long"), "v", 600000);
    set_for(live.cache, key, "v", 60);
    assert_status(fac_cache_add(live.cache, fac_str("short2"), key, 60, NULL, &err), FAC_OK,
                  &err);
    assert_status(fac_cache_set_many(live.cache, &item, 1, NULL, &many, &err), FAC_OK, &err);
    assert_status(fac_cache_increment(live.cache, fac_str("short4"), 1, 60, NULL, NULL, &err),
                  FAC_OK, &err);
    set_for(live.cache, fac_str("short5"), "v", FAC_TTL_NONE);
    assert_status(fac_cache_touch(live.cache, fac_str("short5"), 1, NULL, &err), FAC_OK, &err);
    static const char *const k_short[] = {"short", "short2", "short3", "short4", "short5"};
    for (size_t i = 0; i < KIT_COUNT(k_short); i++) {
        KIT_WAIT_FOR(5000, live_try_get(live.cache, k_short[i], 0, &err) == FAC_MISS);
        assert_int_equal(fac_cache_exists(live.cache, fac_str(k_short[i]), NULL, &err),
                         FAC_MISS);
        assert_int_equal(fac_cache_delete(live.cache, fac_str(k_short[i]), NULL, &err),
                         FAC_MISS);
    }
    live_expect(live.cache, fac_str("long"), "v");
    /* What was written anew has the new time only. */
    set_for(live.cache, key, "again", FAC_TTL_NONE);
    live_expect(live.cache, key, "again");
    live_end(&live);
}

static void test_conformance__refuses_a_ttl_out_of_range(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    static const int64_t k_bad[] = {
        0, -1, -2, -1000, INT64_MIN, INT64_MAX, INT32_MIN + 2, TEN_YEARS_MS + 1};
    fac_error err;
    fac_bytes key = fac_str("k");
    set_for(live.cache, key, "1", 500000);
    for (size_t i = 0; i < KIT_COUNT(k_bad); i++) {
        int64_t number = 777;
        live_expect_error(fac_cache_set(live.cache, key, fac_str("2"), k_bad[i], NULL, &err),
                          FAC_E_INVALID, &err);
        assert_false(err.maybe_applied);
        live_expect_error(
            fac_cache_add(live.cache, fac_str("new"), fac_str("2"), k_bad[i], NULL, &err),
            FAC_E_INVALID, &err);
        live_expect_error(fac_cache_touch(live.cache, key, k_bad[i], NULL, &err), FAC_E_INVALID,
                          &err);
        live_expect_error(
            fac_cache_increment(live.cache, key, 1, k_bad[i], NULL, &number, &err),
            FAC_E_INVALID, &err);
        assert_int_equal(number, 777);
        const fac_item items[] = {{key, fac_str("2"), k_bad[i]},
                                  {fac_str("good"), fac_str("2"), 5000}};
        fac_status statuses[2] = {FAC_MISS, FAC_MISS};
        assert_status(fac_cache_set_many(live.cache, items, 2, NULL, statuses, &err), FAC_OK,
                      &err);
        assert_int_equal(statuses[0], FAC_E_INVALID);
        assert_int_equal(statuses[1], FAC_OK);
    }
    live_expect(live.cache, key, "1");
    assert_in_range(ttl_of(live.cache, key), 1, 500000);
    live_expect_miss(live.cache, fac_str("new"));
    live_end(&live);
}

static void add_to(fac_cache *cache, fac_bytes key, int64_t delta, int64_t want)
{
    fac_error err;
    int64_t got = 777;
    assert_status(fac_cache_increment(cache, key, delta, FAC_TTL_NONE, NULL, &got, &err),
                  FAC_OK, &err);
    assert_true(got == want);
}

static void test_conformance__increments(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_bytes key = fac_str("n");
    add_to(live.cache, key, 5, 5);
    add_to(live.cache, key, 1, 6);
    add_to(live.cache, key, -10, -4);
    add_to(live.cache, key, 0, -4);
    live_expect(live.cache, key, "-4");
    add_to(live.cache, fac_str("zero"), 0, 0);
    live_expect(live.cache, fac_str("zero"), "0");
    add_to(live.cache, fac_str("max"), INT64_MAX, INT64_MAX);
    live_expect(live.cache, fac_str("max"), "9223372036854775807");
    add_to(live.cache, fac_str("min"), INT64_MIN, INT64_MIN);
    add_to(live.cache, fac_str("min"), 1, INT64_MIN + 1);
    live_set(live.cache, key, "41");
    add_to(live.cache, key, 1, 42);
    fac_error err;
    assert_status(fac_cache_increment(live.cache, key, 1, FAC_TTL_NONE, NULL, NULL, &err),
                  FAC_OK, &err);
    live_expect(live.cache, key, "43");
    live_end(&live);
}

static void test_conformance__increment_refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    int64_t got = 777;
    static const struct {
        const char *before;
        int64_t delta;
    } k_cases[] = {
        {"9223372036854775807", 1},
        {"-9223372036854775808", -1},
        {"1", INT64_MAX},
        {"-1", INT64_MIN},
        {"text", 1},
        {"", 1},
        {"1.5", 1},
        {" 1", 1},
        {"1 ", 1},
        {"01", 1},
        {"+1", 1},
        {"9223372036854775808", -1},
    };
    for (size_t i = 0; i < 2 * KIT_COUNT(k_cases); i++) {
        const char *before = k_cases[i / 2].before;
        live_set(live.cache, fac_str("n"), before);
        live_expect_error(fac_cache_increment(live.cache, fac_str("n"), k_cases[i / 2].delta,
                                              i % 2 == 0 ? FAC_TTL_NONE : 5000, NULL, &got,
                                              &err),
                          FAC_E_SERVER, &err);
        assert_string_equal(err.server_code, "ERR");
        assert_false(err.maybe_applied);
        assert_int_equal(got, 777);
        live_expect(live.cache, fac_str("n"), before);
        assert_int_equal(ttl_of(live.cache, fac_str("n")), FAC_TTL_NONE);
    }
    assert_int_equal(live_stats(live.cache).disconnects, 0);
    live_end(&live);
}

static void test_conformance__increment_gives_a_ttl_when_it_creates(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    int64_t got = 0;
    fac_bytes key = fac_str("n");
    assert_status(fac_cache_increment(live.cache, key, 1, 70000, NULL, &got, &err), FAC_OK,
                  &err);
    assert_in_range(ttl_of(live.cache, key), 70000 - SLACK_MS, 70000);
    assert_status(fac_cache_increment(live.cache, key, 1, 900000, NULL, &got, &err), FAC_OK,
                  &err);
    assert_int_equal(got, 2);
    assert_in_range(ttl_of(live.cache, key), 1, 70000);
    assert_status(fac_cache_increment(live.cache, key, 1, FAC_TTL_NONE, NULL, &got, &err),
                  FAC_OK, &err);
    assert_in_range(ttl_of(live.cache, key), 1, 70000);
    assert_status(fac_cache_touch(live.cache, key, FAC_TTL_NONE, NULL, &err), FAC_OK, &err);
    assert_status(fac_cache_increment(live.cache, key, 1, 70000, NULL, &got, &err), FAC_OK,
                  &err);
    assert_int_equal(got, 4);
    assert_int_equal(ttl_of(live.cache, key), FAC_TTL_NONE);
    assert_status(
        fac_cache_increment(live.cache, fac_str("m"), 1, FAC_TTL_NONE, NULL, &got, &err),
        FAC_OK, &err);
    assert_int_equal(ttl_of(live.cache, fac_str("m")), FAC_TTL_NONE);
    live_end(&live);
}

enum {
    COUNTERS = 8,
    COUNT_ROUNDS = 100
};

struct counting {
    fac_cache *cache;
    atomic_size_t n_wrong;
};

static void count_up(size_t index, void *context)
{
    struct counting *counting = context;
    (void)index;
    for (size_t round = 0; round < COUNT_ROUNDS; round++) {
        int64_t got = 0;
        if (fac_cache_increment(counting->cache, fac_str("hits"), 3, 60000, NULL, &got, NULL) !=
                FAC_OK ||
            got % 3 != 0 || got < 3) {
            (void)atomic_fetch_add(&counting->n_wrong, 1U);
        }
    }
}

static void test_conformance__increment_is_atomic(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    static struct counting counting;
    counting.cache = live.cache;
    kit_threads_join(kit_threads_start(COUNTERS, count_up, &counting));
    assert_int_equal(atomic_load(&counting.n_wrong), 0);
    add_to(live.cache, fac_str("hits"), 0, 3 * COUNTERS * COUNT_ROUNDS);
    assert_in_range(ttl_of(live.cache, fac_str("hits")), 1, 60000);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_conformance__ttl_is_what_was_given),
    KIT_TEST(test_conformance__ttl_default_is_the_settings),
    KIT_TEST(test_conformance__ttl_default_is_an_hour),
    KIT_TEST(test_conformance__ttl_default_may_be_none),
    KIT_TEST(test_conformance__touch_gives_a_new_ttl),
    KIT_TEST(test_conformance__expires),
    KIT_TEST(test_conformance__refuses_a_ttl_out_of_range),
    KIT_TEST(test_conformance__increments),
    KIT_TEST(test_conformance__increment_refuses_what_does_not_fit),
    KIT_TEST(test_conformance__increment_gives_a_ttl_when_it_creates),
    KIT_TEST(test_conformance__increment_is_atomic),
};

KIT_MAIN(k_tests)
