/* SPDX-License-Identifier: MIT */
/* Conformance, single values: get, get_into, set, add, delete and exists answer the same on every
 * backend, for every byte and size. */
#include "kit/kit.h"
#include "live/live.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    KEY_MAX_BYTES = 64 * 1024,
    VALUE_MAX_BYTES = 64 * 1024 * 1024
};

static void test_conformance__gets_what_was_set(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_bytes key = fac_str("user:123");
    live_expect_miss(live.cache, key);
    live_set(live.cache, key, "Alice");
    live_expect(live.cache, key, "Alice");
    live_set(live.cache, key, "a longer value than before");
    live_expect(live.cache, key, "a longer value than before");
    live_set(live.cache, key, "b");
    live_expect(live.cache, key, "b");
    live_expect_miss(live.cache, fac_str("user:124"));
    live_expect_miss(live.cache, fac_str("user:12"));
    live_expect_miss(live.cache, fac_str("user:1234"));
    live_end(&live);
}

static void test_conformance__clears_the_error_on_ok_and_miss(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    fac_bytes key = fac_str("k");
    fac_value *value = NULL;
    memset(&err, 0x5a, sizeof(err));
    assert_int_equal(fac_cache_get(live.cache, key, NULL, &value, &err), FAC_MISS);
    assert_int_equal(err.status, FAC_OK);
    assert_string_equal(err.message, "");
    assert_string_equal(err.server_code, "");
    assert_false(err.maybe_applied);
    assert_int_equal(err.os_errno, 0);
    memset(&err, 0x5a, sizeof(err));
    assert_int_equal(fac_cache_set(live.cache, key, key, FAC_TTL_NONE, NULL, &err), FAC_OK);
    assert_int_equal(err.status, FAC_OK);
    assert_string_equal(err.message, "");
    memset(&err, 0x5a, sizeof(err));
    assert_int_equal(fac_cache_add(live.cache, key, key, FAC_TTL_NONE, NULL, &err), FAC_EXISTS);
    assert_int_equal(err.status, FAC_OK);
    assert_false(err.maybe_applied);
    live_end(&live);
}

static void test_conformance__get_into_fills_what_fits(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    static const size_t k_sizes[] = {0, 1, 10, 1000, 5000, 70000, 300000};
    unsigned char *value = malloc(300000);
    unsigned char *buf = malloc(300000 + 64);
    assert_non_null(value);
    assert_non_null(buf);
    memset(value, 'v', 300000);
    fac_error err;
    fac_bytes key = fac_str("k");
    for (size_t i = 0; i < KIT_COUNT(k_sizes); i++) {
        size_t size = k_sizes[i];
        live_set_bytes(live.cache, key, fac_mem(value, size));
        for (size_t extra = 0; extra <= 32; extra += 16) {
            size_t len = 777;
            memset(buf, '#', size + 64);
            assert_status(
                fac_cache_get_into(live.cache, key, NULL, buf, size + extra, &len, &err),
                FAC_OK, &err);
            assert_int_equal(len, size);
            assert_memory_equal(buf, value, size);
            for (size_t at = size + extra; at < size + 64; at++) {
                assert_int_equal(buf[at], '#');
            }
        }
    }
    free(value);
    free(buf);
    live_end(&live);
}

static void test_conformance__get_into_small_tells_the_length(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    static const size_t k_sizes[] = {1, 2, 100, 4096, 65536, 1000000};
    unsigned char *value = calloc(1, 1000000);
    unsigned char buf[256];
    assert_non_null(value);
    fac_error err;
    fac_bytes key = fac_str("k");
    for (size_t i = 0; i < KIT_COUNT(k_sizes); i++) {
        live_set_bytes(live.cache, key, fac_mem(value, k_sizes[i]));
        size_t cap = k_sizes[i] - 1 < 128 ? k_sizes[i] - 1 : 128;
        size_t len = 777;
        memset(buf, '#', sizeof(buf));
        assert_status(fac_cache_get_into(live.cache, key, NULL, buf, cap, &len, &err),
                      FAC_SMALL, &err);
        assert_int_equal(len, k_sizes[i]);
        assert_int_equal(err.status, FAC_OK);
        for (size_t at = cap; at < sizeof(buf); at++) {
            assert_int_equal(buf[at], '#');
        }
        len = 777;
        assert_status(fac_cache_get_into(live.cache, key, NULL, NULL, 0, &len, &err), FAC_SMALL,
                      &err);
        assert_int_equal(len, k_sizes[i]);
        live_expect_bytes(live.cache, key, fac_mem(value, k_sizes[i]));
    }
    /* Nothing of this cost a connection. */
    assert_int_equal(live_stats(live.cache).disconnects, 0);
    free(value);
    live_end(&live);
}

static void test_conformance__get_into_misses(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    char buf[8];
    size_t len = 777;
    assert_status(
        fac_cache_get_into(live.cache, fac_str("k"), NULL, buf, sizeof(buf), &len, &err),
        FAC_MISS, &err);
    assert_int_equal(len, 777);
    live_set(live.cache, fac_str("k"), "");
    assert_status(fac_cache_get_into(live.cache, fac_str("k"), NULL, NULL, 0, &len, &err),
                  FAC_OK, &err);
    assert_int_equal(len, 0);
    live_end(&live);
}

static void test_conformance__add_stores_only_once(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    fac_bytes key = fac_str("lock");
    assert_status(fac_cache_add(live.cache, key, fac_str("a"), FAC_TTL_NONE, NULL, &err),
                  FAC_OK, &err);
    assert_status(fac_cache_add(live.cache, key, fac_str("b"), 1, NULL, &err), FAC_EXISTS,
                  &err);
    live_expect(live.cache, key, "a");
    int64_t ttl_ms = 0;
    assert_status(fac_cache_ttl(live.cache, key, NULL, &ttl_ms, &err), FAC_OK, &err);
    assert_int_equal(ttl_ms, FAC_TTL_NONE);
    assert_status(fac_cache_delete(live.cache, key, NULL, &err), FAC_OK, &err);
    assert_status(fac_cache_add(live.cache, key, fac_str("c"), 60000, NULL, &err), FAC_OK,
                  &err);
    live_expect(live.cache, key, "c");
    assert_status(fac_cache_ttl(live.cache, key, NULL, &ttl_ms, &err), FAC_OK, &err);
    assert_in_range(ttl_ms, 1, 60000);
    live_end(&live);
}

enum {
    ADDERS = 8,
    ADD_ROUNDS = 60
};

struct adding {
    fac_cache *cache;
    atomic_size_t n_stored[ADD_ROUNDS];
    atomic_size_t n_wrong;
};

static void add_all(size_t index, void *context)
{
    struct adding *adding = context;
    for (size_t round = 0; round < ADD_ROUNDS; round++) {
        char key[32];
        char value[32];
        (void)snprintf(key, sizeof(key), "once:%zu", round);
        (void)snprintf(value, sizeof(value), "by:%zu", index);
        fac_status st = fac_cache_add(adding->cache, fac_str(key), fac_str(value), FAC_TTL_NONE,
                                      NULL, NULL);
        if (st == FAC_OK) {
            (void)atomic_fetch_add(&adding->n_stored[round], 1U);
        } else if (st != FAC_EXISTS) {
            (void)atomic_fetch_add(&adding->n_wrong, 1U);
        }
    }
}

static void test_conformance__add_is_atomic(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    static struct adding adding;
    adding.cache = live.cache;
    kit_threads_join(kit_threads_start(ADDERS, add_all, &adding));
    assert_int_equal(atomic_load(&adding.n_wrong), 0);
    for (size_t round = 0; round < ADD_ROUNDS; round++) {
        assert_int_equal(atomic_load(&adding.n_stored[round]), 1);
    }
    live_end(&live);
}

static void test_conformance__deletes_and_tells(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    fac_bytes key = fac_str("k");
    assert_status(fac_cache_delete(live.cache, key, NULL, &err), FAC_MISS, &err);
    assert_status(fac_cache_exists(live.cache, key, NULL, &err), FAC_MISS, &err);
    live_set(live.cache, key, "");
    assert_status(fac_cache_exists(live.cache, key, NULL, &err), FAC_OK, &err);
    assert_status(fac_cache_delete(live.cache, key, NULL, &err), FAC_OK, &err);
    assert_status(fac_cache_delete(live.cache, key, NULL, &err), FAC_MISS, &err);
    assert_status(fac_cache_exists(live.cache, key, NULL, &err), FAC_MISS, &err);
    live_expect_miss(live.cache, key);
    live_end(&live);
}

static void test_conformance__keeps_every_byte(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    unsigned char all[256];
    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (unsigned char)i;
    }
    /* clang-format off */
    const fac_bytes bytes[] = {
        fac_mem("\0", 1), fac_mem("a\0b", 3), fac_mem("a", 1), fac_mem("a\0", 2), fac_mem("\r\n", 2),
        fac_str("\r\n*1\r\n$8\r\nFLUSHALL\r\n"), fac_str("$-1\r\n"), fac_str("+OK\r\n"), fac_str("_\r\n"),
        fac_str("-ERR no\r\n"), fac_mem("\xff\xff\xff", 3), fac_mem("\xff\x00\xfe", 3), fac_str(" "),
        fac_str("%s%n"), fac_str("\xc3\xa4\xf0\x9f\x98\x80"), fac_mem(all, sizeof(all)),
    };
    /* clang-format on */
    /* Each as a key of all others' bytes: afterwards all are there and none was mixed up. */
    for (size_t i = 0; i < KIT_COUNT(bytes); i++) {
        live_set_bytes(live.cache, bytes[i], bytes[KIT_COUNT(bytes) - 1 - i]);
    }
    for (size_t i = 0; i < KIT_COUNT(bytes); i++) {
        live_expect_bytes(live.cache, bytes[i], bytes[KIT_COUNT(bytes) - 1 - i]);
    }
    for (size_t i = 0; i < KIT_COUNT(bytes); i++) {
        fac_error err;
        assert_status(fac_cache_delete(live.cache, bytes[i], NULL, &err), FAC_OK, &err);
    }
    if (live.has_server) {
        assert_string_equal(kit_raw_ask(live_raw(&live), "DBSIZE", NULL), "0");
    }
    live_end(&live);
}

static void test_conformance__keeps_every_size(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    /* clang-format off */
    static const size_t k_sizes[] = {
        0, 1, 2, 63, 64, 65, 1023, 1024, 1025, 4095, 4096, 4097, 16383, 16384, 16385,
        65535, 65536, 65537, 1 << 20, 8 << 20,
    };
    /* clang-format on */
    size_t max = k_sizes[KIT_COUNT(k_sizes) - 1];
    unsigned char *value = malloc(max);
    unsigned char *buf = malloc(max);
    assert_non_null(value);
    assert_non_null(buf);
    uint64_t random = kit_seed();
    for (size_t i = 0; i < max; i++) {
        value[i] = (unsigned char)(kit_random(&random) >> 56);
    }
    for (size_t i = 0; i < KIT_COUNT(k_sizes); i++) {
        fac_error err;
        fac_bytes want = fac_mem(value, k_sizes[i]);
        live_set_bytes(live.cache, fac_str("sized"), want);
        live_expect_bytes(live.cache, fac_str("sized"), want);
        size_t len = 0;
        assert_status(
            fac_cache_get_into(live.cache, fac_str("sized"), NULL, buf, k_sizes[i], &len, &err),
            FAC_OK, &err);
        assert_int_equal(len, k_sizes[i]);
        assert_int_equal(memcmp(buf, value, len), 0);
    }
    free(value);
    free(buf);
    live_end(&live);
}

static void test_conformance__key_has_a_limit(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.prefix = "pre:";
    live_open(&live);
    static char key[KEY_MAX_BYTES + 1];
    memset(key, 'k', sizeof(key));
    fac_bytes longest = fac_mem(key, KEY_MAX_BYTES - 4);
    live_set(live.cache, longest, "v");
    live_expect(live.cache, longest, "v");
    live_expect_miss(live.cache, fac_mem(key, KEY_MAX_BYTES - 5));
    fac_value *value = NULL;
    fac_error err;
    const fac_bytes bad[] = {fac_mem(key, KEY_MAX_BYTES - 3), fac_mem(key, KEY_MAX_BYTES + 1),
                             fac_mem(key, 0), fac_mem(NULL, 0), fac_mem(NULL, 5)};
    for (size_t i = 0; i < KIT_COUNT(bad); i++) {
        live_expect_error(fac_cache_get(live.cache, bad[i], NULL, &value, &err), FAC_E_INVALID,
                          &err);
        live_expect_error(
            fac_cache_set(live.cache, bad[i], fac_str("v"), FAC_TTL_NONE, NULL, &err),
            FAC_E_INVALID, &err);
        live_expect_error(fac_cache_delete(live.cache, bad[i], NULL, &err), FAC_E_INVALID,
                          &err);
        assert_false(err.maybe_applied);
    }
    assert_null(value);
    live_expect(live.cache, longest, "v");
    live_end(&live);
}

static void test_conformance__value_has_a_limit(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    /* Not readable: what is refused is refused by its length. */
    size_t len = (size_t)VALUE_MAX_BYTES + 1;
    void *unreadable = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(unreadable != MAP_FAILED);
    fac_error err;
    fac_bytes key = fac_str("k");
    live_set(live.cache, key, "kept");
    live_expect_error(
        fac_cache_set(live.cache, key, fac_mem(unreadable, len), FAC_TTL_NONE, NULL, &err),
        FAC_E_TOO_LARGE, &err);
    assert_false(err.maybe_applied);
    live_expect_error(fac_cache_add(live.cache, fac_str("k2"), fac_mem(unreadable, len),
                                    FAC_TTL_NONE, NULL, &err),
                      FAC_E_TOO_LARGE, &err);
    fac_item item = {key, fac_mem(unreadable, len), FAC_TTL_NONE};
    fac_status status = FAC_OK;
    assert_status(fac_cache_set_many(live.cache, &item, 1, NULL, &status, &err), FAC_OK, &err);
    assert_status(status, FAC_E_TOO_LARGE, &err);
    live_expect_error(
        fac_cache_set(live.cache, key, fac_mem(NULL, 1), FAC_TTL_NONE, NULL, &err),
        FAC_E_INVALID, &err);
    live_expect(live.cache, key, "kept");
    live_expect_miss(live.cache, fac_str("k2"));
    (void)munmap(unreadable, len);
    live_end(&live);
}

static void test_conformance__values_outlive_their_cache(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    fac_value *value = NULL;
    live_set(live.cache, fac_str("k"), "still here");
    assert_status(fac_cache_get(live.cache, fac_str("k"), NULL, &value, &err), FAC_OK, &err);
    assert_ptr_equal(fac_value_ref(value), value);
    live_set(live.cache, fac_str("k"), "replaced");
    assert_int_equal(fac_cache_delete(live.cache, fac_str("k"), NULL, NULL), FAC_OK);
    fac_cache_close(live.cache);
    live.cache = NULL;
    fac_value_unref(value);
    assert_int_equal(fac_value_bytes(value).len, 10);
    assert_string_equal(fac_value_bytes(value).data, "still here");
    fac_value_unref(value);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_conformance__gets_what_was_set),
    KIT_TEST(test_conformance__clears_the_error_on_ok_and_miss),
    KIT_TEST(test_conformance__get_into_fills_what_fits),
    KIT_TEST(test_conformance__get_into_small_tells_the_length),
    KIT_TEST(test_conformance__get_into_misses),
    KIT_TEST(test_conformance__add_stores_only_once),
    KIT_TEST(test_conformance__add_is_atomic),
    KIT_TEST(test_conformance__deletes_and_tells),
    KIT_TEST(test_conformance__keeps_every_byte),
    KIT_TEST(test_conformance__keeps_every_size),
    KIT_TEST(test_conformance__key_has_a_limit),
    KIT_TEST(test_conformance__value_has_a_limit),
    KIT_TEST(test_conformance__values_outlive_their_cache),
};

KIT_MAIN(k_tests)
