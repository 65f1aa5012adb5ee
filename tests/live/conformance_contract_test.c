/* SPDX-License-Identifier: MIT */
/* Conformance, the rules that hold for every verb: NULLs, calls, errors, closing; and what a
 * cache tells about itself. */
#include "kit/kit.h"
#include "live/live.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
    LAST_VERB = 15 /* see call_verb() */
};

/* Where verbs put what they found. All sentinels: a failing verb leaves them. */
struct outs {
    fac_value *value;
    size_t len;
    char buf[8];
    int64_t ttl_ms;
    int64_t number;
    fac_value *values[1];
    fac_status statuses[1];
    fac_clear_progress progress;
    fac_health health;
    fac_stats stats;
    fac_reply *reply;
};

static void reset_outs(struct outs *outs)
{
    memset(outs, 0, sizeof(*outs));
    outs->len = 777;
    outs->ttl_ms = 777;
    outs->number = 777;
    outs->progress.size = sizeof(outs->progress);
}

/* Call one verb by its number with everything in order but what is given. */
static fac_status call_verb(size_t verb, fac_cache *cache, const fac_call *call,
                            struct outs *outs, fac_error *err)
{
    fac_bytes key = fac_str("key");
    fac_bytes value = fac_str("7");
    fac_item item = {key, value, 1000};
    fac_bytes ping = fac_str("PING");
    switch (verb) {
    case 0:
        return fac_cache_get(cache, key, call, &outs->value, err);
    case 1:
        return fac_cache_get_into(cache, key, call, outs->buf, sizeof(outs->buf), &outs->len,
                                  err);
    case 2:
        return fac_cache_set(cache, key, value, 1000, call, err);
    case 3:
        return fac_cache_add(cache, key, value, 1000, call, err);
    case 4:
        return fac_cache_delete(cache, key, call, err);
    case 5:
        return fac_cache_exists(cache, key, call, err);
    case 6:
        return fac_cache_ttl(cache, key, call, &outs->ttl_ms, err);
    case 7:
        return fac_cache_touch(cache, key, 1000, call, err);
    case 8:
        return fac_cache_increment(cache, key, 1, 1000, call, &outs->number, err);
    case 9:
        return fac_cache_get_many(cache, &key, 1, call, outs->values, outs->statuses, err);
    case 10:
        return fac_cache_set_many(cache, &item, 1, call, outs->statuses, err);
    case 11:
        return fac_cache_delete_many(cache, &key, 1, call, outs->statuses, err);
    case 12:
        return fac_cache_clear(cache, call, &outs->progress, err);
    case 13:
        return fac_cache_health(cache, call, &outs->health, sizeof(outs->health), err);
    case 14:
        return fac_cache_stats(cache, call, &outs->stats, sizeof(outs->stats), err);
    default:
        return fac_cache_command(cache, &ping, 1, call, &outs->reply, err);
    }
}

static void assert_untouched(const struct outs *outs)
{
    assert_null(outs->value);
    assert_int_equal(outs->len, 777);
    assert_int_equal(outs->ttl_ms, 777);
    assert_int_equal(outs->number, 777);
    assert_null(outs->values[0]);
    assert_null(outs->reply);
}

static void free_outs(struct outs *outs)
{
    fac_value_unref(outs->value);
    fac_value_unref(outs->values[0]);
    fac_reply_free(outs->reply);
}

static void test_conformance__every_verb_takes_no_error(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    struct outs outs;
    for (size_t verb = 0; verb <= LAST_VERB; verb++) {
        reset_outs(&outs);
        fac_status st = call_verb(verb, live.cache, NULL, &outs, NULL);
        assert_true(st >= 0 ||
                    (verb == LAST_VERB && !live.has_server && st == FAC_E_UNSUPPORTED));
        free_outs(&outs);
        reset_outs(&outs);
        assert_int_equal(call_verb(verb, NULL, NULL, &outs, NULL), FAC_E_INVALID);
        assert_untouched(&outs);
    }
    live_end(&live);
}

static void test_conformance__every_verb_needs_a_cache(void **state)
{
    (void)state;
    struct outs outs;
    fac_error err;
    for (size_t verb = 0; verb <= LAST_VERB; verb++) {
        reset_outs(&outs);
        live_expect_error(call_verb(verb, NULL, NULL, &outs, &err), FAC_E_INVALID, &err);
        assert_untouched(&outs);
    }
    fac_cache *cache = NULL;
    fac_cache_unref(NULL);
    fac_cache_close(NULL);
    assert_null(fac_cache_ref(NULL));
    fac_options options;
    fac_options_init(&options);
    options.provider = FAC_MEMORY;
    options.ignore_environment = true;
    live_expect_error(fac_cache_open(&options, NULL, &err), FAC_E_INVALID, &err);
    assert_int_equal(fac_cache_open(&options, NULL, NULL), FAC_E_INVALID);
    assert_int_equal(fac_cache_open(&options, &cache, NULL), FAC_OK);
    fac_cache_unref(cache);
}

static void test_conformance__every_verb_needs_its_pointers(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_cache *cache = live.cache;
    fac_bytes key = fac_str("k");
    fac_item item = {key, key, FAC_TTL_NONE};
    fac_status status = FAC_OK;
    fac_value *value = NULL;
    fac_reply *reply = NULL;
    size_t len = 0;
    char buf[4];
    fac_error err;
    const fac_status got[] = {
        fac_cache_get(cache, key, NULL, NULL, &err),
        fac_cache_get_into(cache, key, NULL, NULL, 4, &len, &err),
        fac_cache_get_into(cache, key, NULL, buf, 4, NULL, &err),
        fac_cache_ttl(cache, key, NULL, NULL, &err),
        fac_cache_get_many(cache, NULL, 1, NULL, &value, &status, &err),
        fac_cache_get_many(cache, &key, 1, NULL, NULL, &status, &err),
        fac_cache_get_many(cache, &key, 1, NULL, &value, NULL, &err),
        fac_cache_set_many(cache, NULL, 1, NULL, &status, &err),
        fac_cache_set_many(cache, &item, 1, NULL, NULL, &err),
        fac_cache_delete_many(cache, NULL, 1, NULL, &status, &err),
        fac_cache_delete_many(cache, &key, 1, NULL, NULL, &err),
        fac_cache_health(cache, NULL, NULL, sizeof(fac_health), &err),
        fac_cache_stats(cache, NULL, NULL, sizeof(fac_stats), &err),
        fac_cache_set(cache, fac_mem(NULL, 1), key, FAC_TTL_NONE, NULL, &err),
        fac_cache_set(cache, key, fac_mem(NULL, 1), FAC_TTL_NONE, NULL, &err),
    };
    for (size_t i = 0; i < KIT_COUNT(got); i++) {
        if (got[i] != FAC_E_INVALID) {
            (void)fprintf(stderr, "row %zu\n", i);
        }
        assert_status(got[i], FAC_E_INVALID, NULL);
    }
    if (live.has_server) {
        assert_int_equal(fac_cache_command(cache, NULL, 1, NULL, &reply, &err), FAC_E_INVALID);
        assert_int_equal(fac_cache_command(cache, &key, 1, NULL, NULL, &err), FAC_E_INVALID);
        assert_int_equal(fac_cache_command(cache, &key, 0, NULL, &reply, &err), FAC_E_INVALID);
    }
    live_expect_miss(cache, key);
    /* FAC_E_INVALID is the caller's error, not the cache's. */
    assert_int_equal(live_stats(cache).errors, 0);
    live_end(&live);
}

static void test_conformance__every_verb_checks_its_call(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    /* A call of a newer header: one more field behind. */
    struct {
        fac_call call;
        uint64_t newer;
    } longer = {fac_call_within(0), 0};
    longer.call.size = sizeof(longer);
    struct outs outs;
    fac_error err;
    for (size_t verb = 0; verb <= LAST_VERB; verb++) {
        static const size_t k_small[] = {0, 1, sizeof(size_t) - 1};
        for (size_t i = 0; i < KIT_COUNT(k_small); i++) {
            fac_call call = fac_call_within(0);
            call.size = k_small[i];
            reset_outs(&outs);
            live_expect_error(call_verb(verb, live.cache, &call, &outs, &err), FAC_E_INVALID,
                              &err);
            assert_untouched(&outs);
        }
        for (uint32_t bit = 0; bit < 32; bit++) {
            fac_call call = fac_call_within(0);
            call.flags = (uint32_t)1 << bit;
            live_expect_error(call_verb(verb, live.cache, &call, &outs, &err), FAC_E_INVALID,
                              &err);
            assert_untouched(&outs);
        }
        longer.newer = 1;
        live_expect_error(call_verb(verb, live.cache, &longer.call, &outs, &err),
                          FAC_E_UNSUPPORTED, &err);
        assert_untouched(&outs);
        longer.newer = 0;
        fac_status st = call_verb(verb, live.cache, &longer.call, &outs, &err);
        assert_true(st >= 0 ||
                    (verb == LAST_VERB && !live.has_server && st == FAC_E_UNSUPPORTED));
        free_outs(&outs);
    }
    live_end(&live);
}

static void test_conformance__closed_says_so(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_cache *other = fac_cache_ref(live.cache);
    assert_ptr_equal(other, live.cache);
    live_set(live.cache, fac_str("key"), "7");
    fac_cache_close(live.cache);
    struct outs outs;
    fac_error err;
    for (size_t verb = 0; verb <= LAST_VERB; verb++) {
        reset_outs(&outs);
        fac_status want = verb == 14 ? FAC_OK : FAC_E_CLOSED;
        fac_status got = call_verb(verb, other, NULL, &outs, &err);
        if (got != want) {
            (void)fprintf(stderr, "verb %zu\n", verb);
        }
        live_expect_error(got, want, &err);
        assert_untouched(&outs);
    }
    assert_int_equal(live_stats(other).sets, 1);
    live.cache = other;
    live_end(&live);
}

static void test_conformance__references_keep_a_cache(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    for (int i = 0; i < 100; i++) {
        (void)fac_cache_ref(live.cache);
    }
    for (int i = 0; i < 100; i++) {
        fac_cache_unref(live.cache);
    }
    live_set(live.cache, fac_str("k"), "v");
    live_expect(live.cache, fac_str("k"), "v");
    live_end(&live);
}

static void test_conformance__health_tells_what_answers(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.max_connections = 7;
    live_open(&live);
    fac_health health;
    fac_error err;
    memset(&health, 0x5a, sizeof(health));
    assert_status(fac_cache_health(live.cache, NULL, &health, sizeof(health), &err), FAC_OK,
                  &err);
    assert_int_equal(health.size, sizeof(health));
    assert_true(health.is_healthy);
    assert_false(health.is_second_choice);
    assert_int_equal(health.provider, live.options.provider);
    assert_string_equal(health.server, live.server_name);
    assert_int_equal(health.protocol, live.protocol);
    if (!live.has_server) {
        assert_string_equal(health.endpoint, "memory");
        assert_int_equal(health.max_connections, 0);
        assert_int_equal(health.connections_open, 0);
        live_end(&live);
        return;
    }
    char endpoint[160];
    if (live.options.unix_socket != NULL) {
        (void)snprintf(endpoint, sizeof(endpoint), "unix:%s", live.options.unix_socket);
    } else if (live.options.url != NULL) {
        (void)snprintf(endpoint, sizeof(endpoint), "%s", live.options.url);
    } else {
        (void)snprintf(endpoint, sizeof(endpoint), "127.0.0.1:%d", (int)live.options.port);
    }
    assert_string_equal(health.endpoint, endpoint);
    assert_int_equal(health.max_connections, 7);
    assert_int_equal(health.connections_open, 1);
    assert_int_equal(health.connections_idle, 1);
    char line[64];
    (void)snprintf(line, sizeof(line), "%s_version:%s\r\n", health.server, health.version);
    assert_contains(kit_raw_ask(live_raw(&live), "INFO", "server", NULL), line);
    assert_true(strcmp(health.role, "master") == 0 ||
                (live.protocol == 2 && strcmp(health.role, "") == 0));
    live_end(&live);
}

static void test_conformance__health_and_stats_fit_their_caller(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    fac_health health;
    memset(&health, 0x5a, sizeof(health));
    size_t part = offsetof(fac_health, role);
    assert_status(fac_cache_health(live.cache, NULL, &health, part, &err), FAC_OK, &err);
    assert_int_equal(health.size, part);
    assert_string_equal(health.server, live.server_name);
    assert_int_equal(health.role[0], 0x5a);
    fac_stats stats;
    memset(&stats, 0x5a, sizeof(stats));
    part = offsetof(fac_stats, sets);
    assert_status(fac_cache_stats(live.cache, NULL, &stats, part, &err), FAC_OK, &err);
    assert_int_equal(stats.size, part);
    assert_int_equal(stats.hits, 0);
    assert_int_equal(stats.sets, 0x5a5a5a5a5a5a5a5a);
    /* A caller of a newer header: what this library does not know stays as it was. */
    struct {
        fac_stats known;
        uint64_t newer;
    } wide;
    memset(&wide, 0x5a, sizeof(wide));
    assert_status(fac_cache_stats(live.cache, NULL, &wide.known, sizeof(wide), &err), FAC_OK,
                  &err);
    assert_int_equal(wide.known.size, sizeof(fac_stats));
    assert_int_equal(wide.newer, 0x5a5a5a5a5a5a5a5a);
    live_expect_error(fac_cache_stats(live.cache, NULL, &stats, 0, &err), FAC_E_INVALID, &err);
    live_expect_error(fac_cache_health(live.cache, NULL, &health, 0, &err), FAC_E_INVALID,
                      &err);
    live_end(&live);
}

static void test_conformance__stats_count(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    fac_cache *cache = live.cache;
    fac_bytes key = fac_str("k");
    const fac_bytes keys[] = {key, fac_str("no"), key};
    const fac_item items[] = {{key, fac_str("text"), 5000}, {fac_str("k2"), key, 5000}};
    fac_value *values[3];
    fac_status statuses[3];
    char buf[16];
    size_t len = 0;
    live_set(cache, key, "v");              /* 1 set */
    live_expect(cache, key, "v");           /* 1 hit */
    live_expect_miss(cache, fac_str("no")); /* 1 miss */
    assert_int_equal(fac_cache_get_into(cache, key, NULL, buf, 16, &len, &err), FAC_OK);
    assert_int_equal(fac_cache_add(cache, key, key, 5000, NULL, &err), FAC_EXISTS);
    assert_int_equal(fac_cache_add(cache, fac_str("new"), key, 5000, NULL, &err), FAC_OK);
    assert_int_equal(fac_cache_set_many(cache, items, 2, NULL, statuses, &err), FAC_OK);
    assert_int_equal(fac_cache_get_many(cache, keys, 3, NULL, values, statuses, &err), FAC_OK);
    fac_value_unref(values[0]);
    fac_value_unref(values[2]);
    assert_int_equal(fac_cache_delete(cache, fac_str("new"), NULL, &err), FAC_OK);
    assert_int_equal(fac_cache_delete(cache, fac_str("new"), NULL, &err), FAC_MISS);
    assert_int_equal(fac_cache_delete_many(cache, keys, 2, NULL, statuses, &err), FAC_OK);
    live_set(cache, key, "text"); /* 1 set */
    assert_int_equal(fac_cache_increment(cache, key, 1, 5000, NULL, NULL, &err), FAC_E_SERVER);
    fac_stats stats = live_stats(cache);
    assert_int_equal(stats.size, sizeof(stats));
    assert_int_equal(stats.hits, 4);
    assert_int_equal(stats.misses, 2);
    assert_int_equal(stats.sets, 5);
    assert_int_equal(stats.deletes, 2);
    assert_int_equal(stats.errors, 1);
    assert_int_equal(stats.timeouts, 0);
    assert_int_equal(stats.retries, 0);
    assert_int_equal(stats.connects, live.has_server ? 1 : 0);
    assert_int_equal(stats.connect_failures, 0);
    assert_int_equal(stats.disconnects, 0);
    assert_int_equal(stats.connections_open, live.has_server ? 1 : 0);
    assert_int_equal(stats.connections_idle, live.has_server ? 1 : 0);
    assert_int_equal(stats.calls_in_flight, 0);
    assert_int_equal(stats.calls_waiting, 0);
    assert_int_equal(stats.memory_entries, live.has_server ? 0 : 2);
    assert_int_equal(stats.memory_bytes > 0, !live.has_server);
    live_end(&live);
}

/* Memory takes another budget while it is open; a server has its own. */
static void test_conformance__memory_can_be_resized(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    fac_status st = fac_cache_set_memory(live.cache, 1 << 20, NULL, &err);
    assert_status(st, live.has_server ? FAC_E_UNSUPPORTED : FAC_OK, &err);
    if (!live.has_server) {
        fac_stats stats;
        assert_status(fac_cache_stats(live.cache, NULL, &stats, sizeof(stats), &err), FAC_OK,
                      &err);
        assert_in_range(stats.memory_budget, (1 << 20) - 64, 1 << 20);
        assert_status(fac_cache_set_memory(live.cache, 1000, NULL, &err), FAC_E_INVALID, &err);
        assert_contains(err.message, "65536");
        assert_status(fac_cache_set_memory(live.cache, UINT64_MAX, NULL, &err), FAC_E_INVALID,
                      &err);
    }
    assert_status(fac_cache_set_memory(NULL, 1 << 20, NULL, &err), FAC_E_INVALID, &err);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_conformance__every_verb_takes_no_error),
    KIT_TEST(test_conformance__every_verb_needs_a_cache),
    KIT_TEST(test_conformance__every_verb_needs_its_pointers),
    KIT_TEST(test_conformance__every_verb_checks_its_call),
    KIT_TEST(test_conformance__closed_says_so),
    KIT_TEST(test_conformance__references_keep_a_cache),
    KIT_TEST(test_conformance__health_tells_what_answers),
    KIT_TEST(test_conformance__health_and_stats_fit_their_caller),
    KIT_TEST(test_conformance__stats_count),
    KIT_TEST(test_conformance__memory_can_be_resized),
};

KIT_MAIN(k_tests)
