/* SPDX-License-Identifier: MIT */
/* api/abi_call_test.c — what every verb takes from programs of older and newer headers: the call,
 * and the progress of a clear. All on the memory backend. */
#include "common.h"
#include "kit/guard.h"
#include "kit/kit.h"

#include <faciliter/cache.h>
#include <string.h>

/* --- fac_call -------------------------------------------------------------------------------- */

/* A header before max_reply_bytes, and one before flags. */
static void test_abi_call__takes_a_shorter_call(void **state)
{
    (void)state;
    struct {
        size_t size;
        uint32_t deadline_ms;
        uint32_t flags;
    } older = {sizeof(older), 1000, 0};
    struct kit_guard guard;
    kit_guard_init(&guard, sizeof(fac_call));
    const void *call = kit_guard_place(&guard, &older, sizeof(older));

    fac_cache *cache = api_open_memory(NULL);
    fac_error err;
    assert_status(fac_cache_set(cache, fac_str("k"), fac_str("v"), 60000, call, &err), FAC_OK,
                  &err);
    fac_bytes key = fac_str("k");
    fac_value *value = NULL;
    fac_status status = FAC_MISS;
    assert_status(fac_cache_get_many(cache, &key, 1, call, &value, &status, &err), FAC_OK,
                  &err);
    assert_int_equal(status, FAC_OK);
    fac_value_unref(value);
    fac_cache_close(cache);
    kit_guard_fini(&guard);
}

struct newer_call {
    fac_call call;
    uint64_t tail[4];
};

/* Every verb looks at the call: one table row each. */
typedef fac_status verb_fn(fac_cache *cache, const fac_call *call, fac_error *err);

static fac_status do_get(fac_cache *cache, const fac_call *call, fac_error *err)
{
    fac_value *value = NULL;
    fac_status st = fac_cache_get(cache, fac_str("k"), call, &value, err);
    fac_value_unref(value);
    return st;
}

static fac_status do_get_into(fac_cache *cache, const fac_call *call, fac_error *err)
{
    char buf[8];
    size_t len = 0;
    return fac_cache_get_into(cache, fac_str("k"), call, buf, sizeof(buf), &len, err);
}

static fac_status do_set(fac_cache *cache, const fac_call *call, fac_error *err)
{
    return fac_cache_set(cache, fac_str("k"), fac_str("1"), 60000, call, err);
}

static fac_status do_add(fac_cache *cache, const fac_call *call, fac_error *err)
{
    return fac_cache_add(cache, fac_str("k"), fac_str("1"), 60000, call, err);
}

static fac_status do_delete(fac_cache *cache, const fac_call *call, fac_error *err)
{
    return fac_cache_delete(cache, fac_str("other"), call, err);
}

static fac_status do_exists(fac_cache *cache, const fac_call *call, fac_error *err)
{
    return fac_cache_exists(cache, fac_str("k"), call, err);
}

static fac_status do_ttl(fac_cache *cache, const fac_call *call, fac_error *err)
{
    int64_t ttl_ms = 0;
    return fac_cache_ttl(cache, fac_str("k"), call, &ttl_ms, err);
}

static fac_status do_touch(fac_cache *cache, const fac_call *call, fac_error *err)
{
    return fac_cache_touch(cache, fac_str("k"), 60000, call, err);
}

static fac_status do_increment(fac_cache *cache, const fac_call *call, fac_error *err)
{
    return fac_cache_increment(cache, fac_str("k"), 0, 60000, call, NULL, err);
}

static fac_status do_get_many(fac_cache *cache, const fac_call *call, fac_error *err)
{
    fac_bytes key = fac_str("k");
    fac_value *value = NULL;
    fac_status item = FAC_MISS;
    fac_status st = fac_cache_get_many(cache, &key, 1, call, &value, &item, err);
    fac_value_unref(value);
    return st;
}

static fac_status do_set_many(fac_cache *cache, const fac_call *call, fac_error *err)
{
    fac_item item = {fac_str("k"), fac_str("1"), 60000};
    fac_status status = FAC_MISS;
    return fac_cache_set_many(cache, &item, 1, call, &status, err);
}

static fac_status do_delete_many(fac_cache *cache, const fac_call *call, fac_error *err)
{
    fac_bytes key = fac_str("other");
    fac_status status = FAC_OK;
    return fac_cache_delete_many(cache, &key, 1, call, &status, err);
}

static fac_status do_clear(fac_cache *cache, const fac_call *call, fac_error *err)
{
    return fac_cache_clear(cache, call, NULL, err);
}

static fac_status do_health(fac_cache *cache, const fac_call *call, fac_error *err)
{
    fac_health health;
    return fac_cache_health(cache, call, &health, sizeof(health), err);
}

static fac_status do_stats(fac_cache *cache, const fac_call *call, fac_error *err)
{
    fac_stats stats;
    return fac_cache_stats(cache, call, &stats, sizeof(stats), err);
}

static const struct {
    const char *name;
    verb_fn *run;
} k_verbs[] = {
    {"get", do_get},           {"get_into", do_get_into}, {"set", do_set},
    {"add", do_add},           {"delete", do_delete},     {"exists", do_exists},
    {"ttl", do_ttl},           {"touch", do_touch},       {"increment", do_increment},
    {"get_many", do_get_many}, {"set_many", do_set_many}, {"delete_many", do_delete_many},
    {"health", do_health},     {"stats", do_stats},       {"clear", do_clear},
};

static void assert_every_verb(fac_cache *cache, const fac_call *call, fac_status want)
{
    for (size_t i = 0; i < KIT_COUNT(k_verbs); i++) {
        fac_error err = {.status = FAC_OK};
        fac_status st = k_verbs[i].run(cache, call, &err);
        bool is_right = want == FAC_OK ? st >= 0 : st == want;
        if (!is_right || err.status != (st < 0 ? st : FAC_OK)) {
            fail_msg("%s: %s, %s", k_verbs[i].name, fac_status_name(st), err.message);
        }
    }
}

static void test_abi_call__takes_a_longer_call_with_a_zero_tail(void **state)
{
    (void)state;
    fac_cache *cache = api_open_memory(NULL);
    struct newer_call newer;
    memset(&newer, 0, sizeof(newer));
    newer.call.size = sizeof(newer);
    newer.call.deadline_ms = 1000;
    assert_every_verb(cache, &newer.call, FAC_OK);
    fac_cache_close(cache);
}

static void test_abi_call__every_verb_refuses_an_unknown_part_of_a_call(void **state)
{
    (void)state;
    fac_cache *cache = api_open_memory(NULL);
    for (size_t at = 0; at < KIT_COUNT(((struct newer_call *)0)->tail); at++) {
        struct newer_call newer;
        memset(&newer, 0, sizeof(newer));
        newer.call.size = sizeof(newer);
        newer.tail[at] = 1;
        assert_every_verb(cache, &newer.call, FAC_E_UNSUPPORTED);
    }
    fac_cache_close(cache);
}

static void test_abi_call__every_verb_refuses_an_unknown_flag(void **state)
{
    (void)state;
    fac_cache *cache = api_open_memory(NULL);
    fac_call call = fac_call_within(1000);
    for (unsigned bit = 0; bit < 32; bit++) {
        call.flags = 1U << bit;
        assert_every_verb(cache, &call, FAC_E_INVALID);
    }
    fac_cache_close(cache);
}

static void test_abi_call__every_verb_refuses_a_call_without_a_size(void **state)
{
    (void)state;
    fac_cache *cache = api_open_memory(NULL);
    fac_call call = {0};
    assert_every_verb(cache, &call, FAC_E_INVALID);
    fac_cache_close(cache);
}

/* --- fac_clear_progress ---------------------------------------------------------------------- */

static void test_abi_call__fills_a_shorter_clear_progress(void **state)
{
    (void)state;
    fac_cache *cache = api_open_memory(NULL);
    api_put(cache, "k", "v");
    struct {
        size_t size;
        uint64_t cursor;
        uint64_t n_scanned;
    } older = {sizeof(older), 0, 0};
    struct kit_guard guard;
    kit_guard_init(&guard, sizeof(fac_clear_progress));
    (void)kit_guard_place(&guard, &older, sizeof(older));
    void *placed = guard.end - sizeof(older);
    fac_error err;
    assert_status(fac_cache_clear(cache, NULL, placed, &err), FAC_OK, &err);
    memcpy(&older, placed, sizeof(older));
    kit_guard_fini(&guard);
    assert_int_equal(older.size, sizeof(older));
    assert_int_equal(older.cursor, 0);
    assert_true(older.n_scanned >= 1);
    fac_cache_close(cache);
}

struct newer_progress {
    fac_clear_progress progress;
    uint64_t tail[2];
};

static void test_abi_call__takes_a_longer_clear_progress_with_a_zero_tail(void **state)
{
    (void)state;
    fac_cache *cache = api_open_memory(NULL);
    api_put(cache, "k", "v");
    struct newer_progress newer;
    memset(&newer, 0, sizeof(newer));
    newer.progress.size = sizeof(newer);
    fac_error err;
    assert_status(fac_cache_clear(cache, NULL, &newer.progress, &err), FAC_OK, &err);
    assert_int_equal(newer.progress.n_removed, 1);
    assert_int_equal(newer.tail[0], 0);
    assert_int_equal(newer.tail[1], 0);
    fac_cache_close(cache);
}

static void test_abi_call__refuses_an_unknown_part_of_a_clear_progress(void **state)
{
    (void)state;
    fac_cache *cache = api_open_memory(NULL);
    api_put(cache, "k", "v");
    struct newer_progress newer;
    memset(&newer, 0, sizeof(newer));
    newer.progress.size = sizeof(newer);
    newer.tail[1] = 1;
    fac_error err;
    assert_status(fac_cache_clear(cache, NULL, &newer.progress, &err), FAC_E_UNSUPPORTED, &err);
    assert_status(fac_cache_exists(cache, fac_str("k"), NULL, &err), FAC_OK, &err);
    fac_cache_close(cache);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_abi_call__takes_a_shorter_call),
    KIT_TEST(test_abi_call__takes_a_longer_call_with_a_zero_tail),
    KIT_TEST(test_abi_call__every_verb_refuses_an_unknown_part_of_a_call),
    KIT_TEST(test_abi_call__every_verb_refuses_an_unknown_flag),
    KIT_TEST(test_abi_call__every_verb_refuses_a_call_without_a_size),
    KIT_TEST(test_abi_call__fills_a_shorter_clear_progress),
    KIT_TEST(test_abi_call__takes_a_longer_clear_progress_with_a_zero_tail),
    KIT_TEST(test_abi_call__refuses_an_unknown_part_of_a_clear_progress),
};

KIT_MAIN(k_tests)
