/* SPDX-License-Identifier: MIT */
/* Each sentence of the store's contract, on one thread. */
#include "base/mem.h"

#include "fixture.h"

#include <malloc.h>

static void test_store__sets_and_gets(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, MIB);
    struct faci_key key = key_of("a");
    fac_value *value = NULL;
    size_t len = 99;
    char buf[8];
    assert_status(faci_store_get(fx.store, &key, &value), FAC_MISS, NULL);
    assert_status(faci_store_get_into(fx.store, &key, buf, sizeof(buf), &len), FAC_MISS, NULL);
    assert_null(value);
    assert_int_equal(len, 99);
    assert_status(faci_store_exists(fx.store, &key), FAC_MISS, NULL);
    put(&fx, "a", "one", FACI_STORE_NO_EXPIRY);
    assert_has(&fx, "a", "one");
    put(&fx, "a", "two and more", FACI_STORE_NO_EXPIRY);
    assert_has(&fx, "a", "two and more");
    assert_int_equal(stats_of(&fx).n_entries, 1);
    assert_status(faci_store_delete(fx.store, &key), FAC_OK, NULL);
    assert_status(faci_store_delete(fx.store, &key), FAC_MISS, NULL);
    assert_false(is_there(&fx, "a"));
    assert_int_equal(stats_of(&fx).n_entries, 0);
    faci_store_free(NULL);
    fixture_fini(&fx);
}

static void test_store__get_into_tells_the_size(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, MIB);
    put(&fx, "a", "12345", FACI_STORE_NO_EXPIRY);
    struct faci_key key = key_of("a");
    char buf[6] = "zzzzz";
    size_t len = 0;
    assert_status(faci_store_get_into(fx.store, &key, buf, 4, &len), FAC_SMALL, NULL);
    assert_int_equal(len, 5);
    assert_string_equal(buf, "zzzzz");
    len = 0;
    assert_status(faci_store_get_into(fx.store, &key, NULL, 0, &len), FAC_SMALL, NULL);
    assert_int_equal(len, 5);
    assert_status(faci_store_get_into(fx.store, &key, buf, 5, &len), FAC_OK, NULL);
    assert_string_equal(buf, "12345");

    /* A value over the size that is copied under the lock. */
    static unsigned char big[100000];
    static unsigned char back[sizeof(big)];
    memset(big, 'b', sizeof(big));
    assert_status(faci_store_set(fx.store, &key, fac_mem(big, sizeof(big)),
                                 FACI_STORE_NO_EXPIRY, FACI_STORE_SET, NULL),
                  FAC_OK, NULL);
    assert_status(faci_store_get_into(fx.store, &key, back, sizeof(back) - 1, &len), FAC_SMALL,
                  NULL);
    assert_status(faci_store_get_into(fx.store, &key, back, sizeof(back), &len), FAC_OK, NULL);
    assert_int_equal(len, sizeof(big));
    assert_memory_equal(back, big, sizeof(big));
    assert_account(&fx, MIB);
    fixture_fini(&fx);
}

static void test_store__get_into_allocates_nothing(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, MIB);
    put(&fx, "a", "12345", 60000);
    struct faci_key key = key_of("a");
    struct faci_key absent = key_of("b");
    size_t before = fx.memory.n_calls;
    char buf[16];
    size_t len = 0;
    for (int i = 0; i < 100; i++) {
        assert_status(faci_store_get_into(fx.store, &key, buf, sizeof(buf), &len), FAC_OK,
                      NULL);
        assert_status(faci_store_get_into(fx.store, &absent, buf, sizeof(buf), &len), FAC_MISS,
                      NULL);
        fac_value *value = NULL;
        assert_status(faci_store_get(fx.store, &key, &value), FAC_OK, NULL);
        fac_value_unref(value);
    }
    assert_int_equal(fx.memory.n_calls, before);
    fixture_fini(&fx);
}

static void test_store__add_keeps_what_is_there(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, MIB);
    struct faci_key key = key_of("lock");
    assert_status(faci_store_set(fx.store, &key, fac_str("first"), 500, FACI_STORE_ADD, NULL),
                  FAC_OK, NULL);
    assert_status(faci_store_set(fx.store, &key, fac_str("second"), 9000, FACI_STORE_ADD, NULL),
                  FAC_EXISTS, NULL);
    assert_has(&fx, "lock", "first");
    int64_t left_ms = 0;
    assert_status(faci_store_ttl(fx.store, &key, &left_ms), FAC_OK, NULL);
    assert_int_equal(left_ms, 500);
    fx.now_ms += 500;
    assert_status(faci_store_set(fx.store, &key, fac_str("third"), 9000, FACI_STORE_ADD, NULL),
                  FAC_OK, NULL);
    assert_has(&fx, "lock", "third");
    fixture_fini(&fx);
}

/* Any byte in keys and values, a value may be empty, and the cut in a key is no part of it. */
static void test_store__takes_any_bytes(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, MIB);
    static const char k_bytes[] = "\0a\0\r\nb\0\xff";
    const size_t n = sizeof(k_bytes) - 1;
    for (size_t len = 1; len <= n; len++) {
        struct faci_key key = {fac_mem(k_bytes, len / 2),
                               fac_mem(k_bytes + len / 2, len - len / 2)};
        assert_status(faci_store_set(fx.store, &key, fac_mem(k_bytes, n - len),
                                     FACI_STORE_NO_EXPIRY, FACI_STORE_ADD, NULL),
                      FAC_OK, NULL);
    }
    assert_int_equal(stats_of(&fx).n_entries, n);
    for (size_t len = 1; len <= n; len++) {
        for (size_t cut = 0; cut <= len; cut++) {
            struct faci_key key = {fac_mem(cut > 0 ? k_bytes : NULL, cut),
                                   fac_mem(k_bytes + cut, len - cut)};
            assert_holds(&fx, &key, fac_mem(k_bytes, n - len));
        }
    }
    put(&fx, "empty", "", FACI_STORE_NO_EXPIRY);
    struct faci_key key = key_of("empty");
    size_t out_len = 7;
    assert_status(faci_store_get_into(fx.store, &key, NULL, 0, &out_len), FAC_OK, NULL);
    assert_int_equal(out_len, 0);
    assert_account(&fx, MIB);
    fixture_fini(&fx);
}

static void test_store__a_ttl_ends_to_the_millisecond(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, MIB);
    struct faci_key key = key_of("a");
    char buf[8];
    size_t len = 0;
    int64_t left_ms = 0;
    for (int what = 0; what < 6; what++) {
        uint64_t n_expired = stats_of(&fx).n_expired;
        put(&fx, "a", "value", 100);
        fx.now_ms += 99;
        assert_has(&fx, "a", "value");
        assert_status(faci_store_ttl(fx.store, &key, &left_ms), FAC_OK, NULL);
        assert_int_equal(left_ms, 1);
        fx.now_ms += 1;
        fac_value *value = NULL;
        fac_status got = what == 0   ? faci_store_get(fx.store, &key, &value)
                         : what == 1 ? faci_store_get_into(fx.store, &key, buf, 8, &len)
                         : what == 2 ? faci_store_exists(fx.store, &key)
                         : what == 3 ? faci_store_ttl(fx.store, &key, &left_ms)
                         : what == 4 ? faci_store_touch(fx.store, &key, 100)
                                     : faci_store_delete(fx.store, &key);
        assert_status(got, FAC_MISS, NULL);
        assert_int_equal(stats_of(&fx).n_expired, n_expired + 1);
        assert_int_equal(stats_of(&fx).n_entries, 0);
    }
    assert_account(&fx, MIB);
    fixture_fini(&fx);
}

static void test_store__a_set_or_touch_changes_the_ttl(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, MIB);
    struct faci_key key = key_of("a");
    int64_t left_ms = 0;
    put(&fx, "a", "value", 100);
    assert_status(faci_store_touch(fx.store, &key, 300), FAC_OK, NULL);
    fx.now_ms += 299;
    assert_status(faci_store_ttl(fx.store, &key, &left_ms), FAC_OK, NULL);
    assert_int_equal(left_ms, 1);
    assert_status(faci_store_touch(fx.store, &key, FACI_STORE_NO_EXPIRY), FAC_OK, NULL);
    assert_status(faci_store_ttl(fx.store, &key, &left_ms), FAC_OK, NULL);
    assert_true(left_ms == FACI_STORE_NO_EXPIRY);
    put(&fx, "a", "value", 50);
    assert_status(faci_store_ttl(fx.store, &key, &left_ms), FAC_OK, NULL);
    assert_int_equal(left_ms, 50);
    put(&fx, "a", "value", FACI_STORE_NO_EXPIRY);
    fx.now_ms += (int64_t)1 << 50;
    assert_has(&fx, "a", "value");
    put(&fx, "a", "value", FACI_STORE_NO_EXPIRY - 1); /* beyond the end of time */
    assert_status(faci_store_ttl(fx.store, &key, &left_ms), FAC_OK, NULL);
    assert_true(left_ms == FACI_STORE_NO_EXPIRY);
    fixture_fini(&fx);
}

static void test_store__writes_sweep_what_expired(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 8 * MIB);
    char text[32];
    const size_t n = 5000;
    for (size_t i = 0; i < n; i++) {
        struct faci_key key = numbered_key(text, sizeof(text), "old:", i);
        assert_status(
            faci_store_set(fx.store, &key, fac_str("value"), 1000, FACI_STORE_SET, NULL),
            FAC_OK, NULL);
    }
    fx.now_ms += 1000;
    assert_int_equal(stats_of(&fx).n_expired, 0);
    /* A write of any kind looks at a page that is due, and 64 entries stand in one. */
    for (size_t i = 0; i < n / 64 + 10; i++) {
        struct faci_key key = numbered_key(text, sizeof(text), "new:", i % 3);
        int64_t number = 0;
        if (i % 3 == 0) {
            (void)faci_store_delete(fx.store, &key);
        } else if (i % 3 == 1) {
            assert_status(faci_store_increment(fx.store, &key, 1, 1 << 20, &number, NULL),
                          FAC_OK, NULL);
        } else {
            (void)faci_store_touch(fx.store, &key, 1 << 20);
        }
    }
    assert_int_equal(stats_of(&fx).n_expired, n);
    assert_int_equal(stats_of(&fx).n_entries, 1);
    assert_account(&fx, 8 * MIB);
    fixture_fini(&fx);
}

static void test_store__counts_as_servers_do(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, MIB);
    struct faci_key key = key_of("n");
    int64_t number = 0;
    int64_t left_ms = 0;
    fac_error err;
    assert_status(faci_store_increment(fx.store, &key, 5, 100, &number, &err), FAC_OK, &err);
    assert_int_equal(number, 5);
    fx.now_ms += 40;
    assert_status(faci_store_increment(fx.store, &key, -7, 9999, &number, &err), FAC_OK, &err);
    assert_int_equal(number, -2);
    assert_has(&fx, "n", "-2");
    assert_status(faci_store_ttl(fx.store, &key, &left_ms), FAC_OK, NULL);
    assert_int_equal(left_ms, 60); /* kept, not renewed */
    fx.now_ms += 60;
    assert_status(faci_store_increment(fx.store, &key, 1, FACI_STORE_NO_EXPIRY, &number, &err),
                  FAC_OK, &err);
    assert_int_equal(number, 1); /* created anew */
    assert_status(faci_store_ttl(fx.store, &key, &left_ms), FAC_OK, NULL);
    assert_true(left_ms == FACI_STORE_NO_EXPIRY);
    put(&fx, "n", "41", FACI_STORE_NO_EXPIRY);
    assert_status(faci_store_increment(fx.store, &key, 1, 5, &number, &err), FAC_OK, &err);
    assert_int_equal(number, 42);
    fixture_fini(&fx);
}

static void test_store__refuses_to_count_what_is_no_number(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *value; int64_t delta; const char *words; } k_cases[] = {
        {"", 1, "value is not an integer or out of range"},
        {"abc", 1, "value is not an integer or out of range"},
        {"1.5", 1, "value is not an integer or out of range"},
        {" 1", 1, "value is not an integer or out of range"},
        {"01", 1, "value is not an integer or out of range"},
        {"9223372036854775808", 1, "value is not an integer or out of range"},
        {"9223372036854775807", 1, "increment or decrement would overflow"},
        {"-9223372036854775808", -1, "increment or decrement would overflow"},
        {"-1", INT64_MIN, "increment or decrement would overflow"},
        {"1", INT64_MAX, "increment or decrement would overflow"},
    };
    /* clang-format on */
    struct fixture fx;
    fixture_init(&fx, MIB);
    struct faci_key key = key_of("n");
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        put(&fx, "n", k_cases[i].value, FACI_STORE_NO_EXPIRY);
        int64_t number = 77;
        fac_error err;
        assert_status(faci_store_increment(fx.store, &key, k_cases[i].delta, 5, &number, &err),
                      FAC_E_SERVER, &err);
        assert_string_equal(err.server_code, "ERR");
        assert_string_equal(err.message, k_cases[i].words);
        assert_status(faci_store_increment(fx.store, &key, k_cases[i].delta, 5, &number, NULL),
                      FAC_E_SERVER, NULL);
        assert_int_equal(number, 77);
        assert_has(&fx, "n", k_cases[i].value);
    }
    /* A key without a value to count is a matter of size, too. */
    static char long_name[100000];
    memset(long_name, 'k', sizeof(long_name) - 1);
    struct fixture small;
    fixture_init(&small, 64 * KIB);
    struct faci_key long_key = key_of(long_name);
    int64_t number = 77;
    fac_error err;
    assert_status(faci_store_increment(small.store, &long_key, 1, 5, &number, &err),
                  FAC_E_TOO_LARGE, &err);
    assert_int_equal(number, 77);
    fixture_fini(&small);
    fixture_fini(&fx);
}

static void test_store__refuses_what_cannot_fit(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 64 * KIB);
    static char bytes[64 * 1024];
    memset(bytes, 'v', sizeof(bytes));
    struct faci_key key = key_of("a");
    fac_error err;
    put(&fx, "a", "older", FACI_STORE_NO_EXPIRY);
    assert_status(faci_store_set(fx.store, &key, fac_mem(bytes, sizeof(bytes)),
                                 FACI_STORE_NO_EXPIRY, FACI_STORE_SET, &err),
                  FAC_E_TOO_LARGE, &err);
    assert_contains(err.message, " 65536 bytes");
    assert_has(&fx, "a", "older");
    assert_status(
        faci_store_set(fx.store, &key, fac_mem(bytes, SIZE_MAX), 1, FACI_STORE_SET, NULL),
        FAC_E_TOO_LARGE, NULL);
    assert_has(&fx, "a", "older");

    size_t len = sizeof(bytes);
    while (faci_store_set(fx.store, &key, fac_mem(bytes, len), FACI_STORE_NO_EXPIRY,
                          FACI_STORE_SET, &err) == FAC_E_TOO_LARGE) {
        len--;
    }
    assert_in_range(len, sizeof(bytes) * 13 / 16 - 3072, sizeof(bytes) * 13 / 16);
    /* The limit follows from the budget alone: the largest replaces itself, and fits again
     * after any number of small ones. */
    for (size_t i = 0; i < 3000; i++) {
        char text[32];
        struct faci_key other = numbered_key(text, sizeof(text), "", i);
        assert_status(faci_store_set(fx.store, &other, fac_str(""), FACI_STORE_NO_EXPIRY,
                                     FACI_STORE_SET, &err),
                      FAC_OK, &err);
    }
    for (int i = 0; i < 2; i++) {
        assert_status(faci_store_set(fx.store, &key, fac_mem(bytes, len), FACI_STORE_NO_EXPIRY,
                                     FACI_STORE_SET, &err),
                      FAC_OK, &err);
        assert_holds(&fx, &key, fac_mem(bytes, len));
        assert_account(&fx, 64 * KIB);
    }
    char limit[32];
    (void)snprintf(limit, sizeof(limit), "%zu", len + 1);
    assert_status(faci_store_set(fx.store, &key, fac_mem(bytes, len + 1), FACI_STORE_NO_EXPIRY,
                                 FACI_STORE_SET, &err),
                  FAC_E_TOO_LARGE, &err);
    assert_contains(err.message, limit);
    assert_holds(&fx, &key, fac_mem(bytes, len));
    fixture_fini(&fx);
}

static void test_store__values_outlive_all(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 64 * KIB);
    struct faci_key key = key_of("a");
    fac_value *replaced = NULL;
    fac_value *evicted = NULL;
    fac_value *freed = NULL;
    put(&fx, "a", "replaced", FACI_STORE_NO_EXPIRY);
    assert_status(faci_store_get(fx.store, &key, &replaced), FAC_OK, NULL);
    put(&fx, "a", "evicted", FACI_STORE_NO_EXPIRY);
    assert_status(faci_store_get(fx.store, &key, &evicted), FAC_OK, NULL);
    static char other_bytes[1000]; /* used keys, so that they push it out of main */
    for (size_t i = 0; i < 400; i++) {
        char text[32];
        struct faci_key other = numbered_key(text, sizeof(text), "other:", i);
        assert_status(faci_store_set(fx.store, &other,
                                     fac_mem(other_bytes, sizeof(other_bytes)),
                                     FACI_STORE_NO_EXPIRY, FACI_STORE_SET, NULL),
                      FAC_OK, NULL);
        assert_status(faci_store_touch(fx.store, &other, FACI_STORE_NO_EXPIRY), FAC_OK, NULL);
    }
    assert_false(is_there(&fx, "a"));
    put(&fx, "a", "freed", FACI_STORE_NO_EXPIRY);
    assert_status(faci_store_get(fx.store, &key, &freed), FAC_OK, NULL);
    faci_store_free(fx.store);
    assert_string_equal(fac_value_bytes(replaced).data, "replaced");
    assert_string_equal(fac_value_bytes(evicted).data, "evicted");
    assert_string_equal(fac_value_bytes(freed).data, "freed");
    fac_value_unref(replaced);
    fac_value_unref(evicted);
    fac_value_unref(freed);
    kit_memory_assert_empty(&fx.memory);
}

/* One shard, four, and the most there can be: keys spread, nothing is lost, bytes add up. */
static void test_store__spreads_over_shards(void **state)
{
    (void)state;
    enum {
        N_SPREAD = 4000, /* so many that no part stays empty: once in 10^11 runs */
    };
    static const uint64_t k_budgets[] = {MIB, 31 * MIB, 64 * MIB, 4096 * MIB, 32768 * MIB};
    static const size_t k_n_locks[] = {1, 1, 4, 64, 128};
    for (size_t b = 0; b < KIT_COUNT(k_budgets); b++) {
        struct fixture fx;
        fixture_init(&fx, k_budgets[b]);
        assert_int_equal(fx.memory.n_blocks, 1); /* an idle store holds itself only */
        assert_account(&fx, k_budgets[b]);
        char text[32];
        for (size_t i = 0; i < N_SPREAD; i++) {
            struct faci_key key = numbered_key(text, sizeof(text), "s:", i);
            assert_status(faci_store_set(fx.store, &key, key.name, 5000, FACI_STORE_SET, NULL),
                          FAC_OK, NULL);
        }
        for (size_t i = 0; i < N_SPREAD; i++) {
            struct faci_key key = numbered_key(text, sizeof(text), "s:", i);
            assert_holds(&fx, &key, key.name);
        }
        assert_int_equal(stats_of(&fx).n_entries, N_SPREAD);
        /* Each part has an index of a piece or more, two arrays, and a page for each 64 entries. */
        size_t n_blocks = fx.memory.n_blocks - 1 - N_SPREAD;
        assert_in_range(n_blocks, 4 * k_n_locks[b], 4 * k_n_locks[b] + N_SPREAD / 32);
        assert_account(&fx, k_budgets[b]);
        fixture_fini(&fx);
    }
}

/* The smallest entries in the smallest budget: as many as can be, by malloc's own account. */
static void test_store__counts_what_malloc_adds(void **state)
{
    (void)state;
    struct fixture fx;
    fx.now_ms = 1;
    struct faci_store_config config = fixture_config(&fx, 64 * KIB);
    config.alloc = &k_faci_libc;
    assert_status(faci_store_open(&config, &fx.store, NULL), FAC_OK, NULL);
    for (uint16_t i = 0; i < 5000; i++) {
        struct faci_key key = {fac_mem(NULL, 0), fac_mem(&i, sizeof(i))};
        assert_status(faci_store_set(fx.store, &key, fac_mem(NULL, 0), FACI_STORE_NO_EXPIRY,
                                     FACI_STORE_SET, NULL),
                      FAC_OK, NULL);
        assert_status(faci_store_exists(fx.store, &key), FAC_OK, NULL);
        assert_true(stats_of(&fx).bytes <= 64 * KIB);
    }
    uint64_t n_there = 0;
    for (uint16_t i = 0; i < 5000; i++) {
        struct faci_key key = {fac_mem(NULL, 0), fac_mem(&i, sizeof(i))};
        n_there += faci_store_exists(fx.store, &key) == FAC_OK;
    }
    assert_int_equal(n_there, stats_of(&fx).n_entries);
    /* 32 bytes of malloc's and 11 of index and page each; a sanitizer's allocator tells no more than was asked for. */
    assert_in_range(n_there, 600, 2000);
    faci_store_free(fx.store);
}

/* Values of any size: what is counted is what malloc has given out, to 3 %. */
static void test_store__counts_what_malloc_holds(void **state)
{
    (void)state;
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    struct fixture fx;
    fx.now_ms = 1;
    struct faci_store_config config = fixture_config(&fx, 48 * MIB);
    config.alloc = &k_faci_libc;
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    assert_status(faci_store_open(&config, &fx.store, NULL), FAC_OK, NULL);
    static char bytes[1 << 17];
    uint64_t random = kit_seed();
    for (size_t i = 0; i < 200000; i++) {
        char text[32];
        struct faci_key key = numbered_key(text, sizeof(text),
                                           "k:", kit_random(&random) % 50000);
        size_t len = (size_t)(kit_random(&random) & ((1U << (kit_random(&random) % 17)) - 1));
        assert_status(
            faci_store_set(fx.store, &key, fac_mem(bytes, len), 1000000, FACI_STORE_SET, NULL),
            FAC_OK, NULL);
        if (i % 1000 == 999) {
            double held = (double)(mallinfo2().uordblks + mallinfo2().hblkhd - before);
            double counted = (double)stats_of(&fx).bytes;
            assert_true(counted <= 48 * MIB);
            assert_true(i < 20000 || (counted > held * 0.97 && counted < held * 1.03));
        }
    }
    faci_store_free(fx.store);
#endif
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_store__sets_and_gets),
    KIT_TEST(test_store__get_into_tells_the_size),
    KIT_TEST(test_store__get_into_allocates_nothing),
    KIT_TEST(test_store__add_keeps_what_is_there),
    KIT_TEST(test_store__takes_any_bytes),
    KIT_TEST(test_store__a_ttl_ends_to_the_millisecond),
    KIT_TEST(test_store__a_set_or_touch_changes_the_ttl),
    KIT_TEST(test_store__writes_sweep_what_expired),
    KIT_TEST(test_store__counts_as_servers_do),
    KIT_TEST(test_store__refuses_to_count_what_is_no_number),
    KIT_TEST(test_store__refuses_what_cannot_fit),
    KIT_TEST(test_store__values_outlive_all),
    KIT_TEST(test_store__spreads_over_shards),
    KIT_TEST(test_store__counts_what_malloc_adds),
    KIT_TEST(test_store__counts_what_malloc_holds),
};

KIT_MAIN(k_tests)
