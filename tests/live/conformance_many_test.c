/* SPDX-License-Identifier: MIT */
/* Conformance, batches: get_many, set_many and delete_many answer the same on every backend. */
#include "kit/kit.h"
#include "live/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_MAX = 5000,
    NAME_BYTES = 24
};

/* Names, keys and items "k0" … with values "v0" …, and room for answers. */
struct batch {
    char names[BATCH_MAX][NAME_BYTES];
    char texts[BATCH_MAX][NAME_BYTES];
    fac_bytes keys[BATCH_MAX];
    fac_item items[BATCH_MAX];
    fac_value *values[BATCH_MAX];
    fac_status statuses[BATCH_MAX];
};

static struct batch *new_batch(void)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    assert_non_null(batch);
    for (size_t i = 0; i < BATCH_MAX; i++) {
        (void)snprintf(batch->names[i], NAME_BYTES, "k%zu", i);
        (void)snprintf(batch->texts[i], NAME_BYTES, "v%zu", i);
        batch->keys[i] = fac_str(batch->names[i]);
        batch->items[i] = (fac_item){batch->keys[i], fac_str(batch->texts[i]), FAC_TTL_DEFAULT};
        batch->statuses[i] = FAC_E_BUSY;
    }
    return batch;
}

static void forget_values(struct batch *batch, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fac_value_unref(batch->values[i]);
        batch->values[i] = NULL;
        batch->statuses[i] = FAC_E_BUSY;
    }
}

static void check_value(const struct batch *batch, size_t index, const char *want)
{
    if (want == NULL) {
        assert_int_equal(batch->statuses[index], FAC_MISS);
        assert_null(batch->values[index]);
        return;
    }
    assert_int_equal(batch->statuses[index], FAC_OK);
    assert_int_equal(fac_value_bytes(batch->values[index]).len, strlen(want));
    assert_string_equal(fac_value_bytes(batch->values[index]).data, want);
}

static void test_conformance__many_of_every_count(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    struct batch *batch = new_batch();
    fac_error err;
    static const size_t k_counts[] = {0, 1, 3, 1000, BATCH_MAX};
    for (size_t c = 0; c < KIT_COUNT(k_counts); c++) {
        size_t n = k_counts[c];
        assert_status(fac_cache_get_many(live.cache, batch->keys, n, NULL, batch->values,
                                         batch->statuses, &err),
                      FAC_OK, &err);
        for (size_t i = 0; i < n; i++) {
            check_value(batch, i, NULL);
        }
        assert_status(
            fac_cache_set_many(live.cache, batch->items, n, NULL, batch->statuses, &err),
            FAC_OK, &err);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(batch->statuses[i], FAC_OK);
        }
        assert_status(fac_cache_get_many(live.cache, batch->keys, n, NULL, batch->values,
                                         batch->statuses, &err),
                      FAC_OK, &err);
        for (size_t i = 0; i < n; i++) {
            check_value(batch, i, batch->texts[i]);
        }
        forget_values(batch, n);
        for (int again = 0; again < 2; again++) {
            assert_status(
                fac_cache_delete_many(live.cache, batch->keys, n, NULL, batch->statuses, &err),
                FAC_OK, &err);
            for (size_t i = 0; i < n; i++) {
                assert_int_equal(batch->statuses[i], again == 0 ? FAC_OK : FAC_MISS);
            }
        }
        assert_int_equal(batch->statuses[n < BATCH_MAX ? n : 0],
                         n < BATCH_MAX ? FAC_E_BUSY : FAC_MISS);
    }
    free(batch);
    live_end(&live);
}

static void test_conformance__many_of_none_needs_no_arrays(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    assert_status(fac_cache_get_many(live.cache, NULL, 0, NULL, NULL, NULL, &err), FAC_OK,
                  &err);
    assert_status(fac_cache_set_many(live.cache, NULL, 0, NULL, NULL, &err), FAC_OK, &err);
    assert_status(fac_cache_delete_many(live.cache, NULL, 0, NULL, NULL, &err), FAC_OK, &err);
    live_end(&live);
}

static void test_conformance__many_with_partial_misses_and_duplicates(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    live_set(live.cache, fac_str("a"), "1");
    live_set(live.cache, fac_mem("b\0\r\n", 4), "");
    const fac_bytes keys[] = {fac_str("a"),          fac_str("no"), fac_str("a"),
                              fac_mem("b\0\r\n", 4), fac_str("b"),  fac_str("a")};
    fac_value *values[6];
    fac_status statuses[6];
    assert_status(fac_cache_get_many(live.cache, keys, 6, NULL, values, statuses, &err), FAC_OK,
                  &err);
    static const fac_status k_want[] = {FAC_OK, FAC_MISS, FAC_OK, FAC_OK, FAC_MISS, FAC_OK};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(statuses[i], k_want[i]);
        assert_int_equal(values[i] != NULL, k_want[i] == FAC_OK);
        assert_int_equal(fac_value_bytes(values[i]).len, keys[i].len == 1 && values[i] ? 1 : 0);
        fac_value_unref(values[i]);
    }
    assert_status(fac_cache_delete_many(live.cache, keys, 6, NULL, statuses, &err), FAC_OK,
                  &err);
    static const fac_status k_deleted[] = {FAC_OK, FAC_MISS, FAC_MISS,
                                           FAC_OK, FAC_MISS, FAC_MISS};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(statuses[i], k_deleted[i]);
    }
    live_end(&live);
}

static void test_conformance__set_many_keeps_the_order(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    const fac_item items[] = {{fac_str("k"), fac_str("first"), FAC_TTL_NONE},
                              {fac_str("other"), fac_str("x"), 50000},
                              {fac_str("k"), fac_str("second"), FAC_TTL_NONE},
                              {fac_str("k"), fac_str("last"), 40000}};
    fac_status statuses[4];
    assert_status(fac_cache_set_many(live.cache, items, 4, NULL, statuses, &err), FAC_OK, &err);
    live_expect(live.cache, fac_str("k"), "last");
    int64_t ttl_ms = 0;
    assert_status(fac_cache_ttl(live.cache, fac_str("k"), NULL, &ttl_ms, &err), FAC_OK, &err);
    assert_in_range(ttl_ms, 1, 40000);
    assert_status(fac_cache_ttl(live.cache, fac_str("other"), NULL, &ttl_ms, &err), FAC_OK,
                  &err);
    assert_in_range(ttl_ms, 1, 50000);
    live_end(&live);
}

static void test_conformance__many_with_a_bad_key_among_good_ones(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    static char long_key[70000];
    memset(long_key, 'x', sizeof(long_key));
    const fac_bytes keys[] = {fac_str("a"), fac_mem(long_key, sizeof(long_key)), fac_str("b"),
                              fac_str(""), fac_mem(NULL, 3)};
    fac_item items[5];
    fac_status statuses[5];
    fac_value *values[5];
    for (size_t i = 0; i < 5; i++) {
        items[i] = (fac_item){keys[i], fac_str("v"), FAC_TTL_NONE};
    }
    assert_status(fac_cache_set_many(live.cache, items, 5, NULL, statuses, &err), FAC_OK, &err);
    assert_int_equal(err.status, FAC_E_INVALID);
    static const fac_status k_want[] = {FAC_OK, FAC_E_INVALID, FAC_OK, FAC_E_INVALID,
                                        FAC_E_INVALID};
    assert_memory_equal(statuses, k_want, sizeof(k_want));
    assert_status(fac_cache_get_many(live.cache, keys, 5, NULL, values, statuses, &err), FAC_OK,
                  &err);
    assert_int_equal(err.status, FAC_E_INVALID);
    assert_memory_equal(statuses, k_want, sizeof(k_want));
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(values[i] != NULL, statuses[i] == FAC_OK);
        fac_value_unref(values[i]);
    }
    assert_status(fac_cache_delete_many(live.cache, keys, 5, NULL, statuses, &err), FAC_OK,
                  &err);
    assert_int_equal(err.status, FAC_E_INVALID);
    assert_memory_equal(statuses, k_want, sizeof(k_want));
    live_end(&live);
}

static void test_conformance__get_many_has_a_reply_limit(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    struct batch *batch = new_batch();
    enum {
        N = 20
    };
    static char text[1000];
    memset(text, 't', sizeof(text));
    fac_error err;
    for (size_t i = 0; i < N; i++) {
        live_set_bytes(live.cache, batch->keys[i], fac_mem(text, sizeof(text)));
    }
    fac_call call = fac_call_within(0);
    call.max_reply_bytes = 5000;
    live_expect_error(fac_cache_get_many(live.cache, batch->keys, N, &call, batch->values,
                                         batch->statuses, &err),
                      FAC_E_TOO_LARGE, &err);
    size_t n_failed = 0;
    for (size_t i = 0; i < N; i++) {
        bool is_ok = batch->statuses[i] == FAC_OK;
        assert_true(is_ok || batch->statuses[i] == FAC_E_TOO_LARGE);
        assert_int_equal(batch->values[i] != NULL, is_ok);
        assert_int_equal(fac_value_bytes(batch->values[i]).len, is_ok ? sizeof(text) : 0);
        n_failed += is_ok ? 0 : 1;
    }
    assert_in_range(n_failed, N - 5, N);
    forget_values(batch, N);
    /* The cache is usable after it, and a limit that is not reached changes nothing. */
    live_expect_bytes(live.cache, batch->keys[0], fac_mem(text, sizeof(text)));
    call.max_reply_bytes = (uint64_t)2 * N * sizeof(text);
    assert_status(fac_cache_get_many(live.cache, batch->keys, N, &call, batch->values,
                                     batch->statuses, &err),
                  FAC_OK, &err);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(batch->statuses[i], FAC_OK);
    }
    forget_values(batch, N);
    /* It is one limit for the whole call, however many commands that takes. */
    for (size_t i = 0; i < BATCH_MAX; i++) {
        batch->keys[i] = batch->keys[0];
    }
    call.max_reply_bytes = (uint64_t)BATCH_MAX * sizeof(text) - 1;
    live_expect_error(fac_cache_get_many(live.cache, batch->keys, BATCH_MAX, &call,
                                         batch->values, batch->statuses, &err),
                      FAC_E_TOO_LARGE, &err);
    forget_values(batch, BATCH_MAX);
    free(batch);
    live_end(&live);
}

static void test_conformance__many_has_a_count_limit(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    enum {
        N = 1000001
    };
    fac_bytes *keys = calloc(N, sizeof(*keys));
    fac_item *items = calloc(N, sizeof(*items));
    fac_value **values = calloc(N, sizeof(*values));
    fac_status *statuses = calloc(N, sizeof(*statuses));
    assert_true(keys != NULL && items != NULL && values != NULL && statuses != NULL);
    keys[0] = fac_str("k");
    items[0] = (fac_item){keys[0], keys[0], FAC_TTL_NONE};
    fac_error err;
    live_expect_error(fac_cache_get_many(live.cache, keys, N, NULL, values, statuses, &err),
                      FAC_E_INVALID, &err);
    live_expect_error(fac_cache_set_many(live.cache, items, N, NULL, statuses, &err),
                      FAC_E_INVALID, &err);
    live_expect_error(fac_cache_delete_many(live.cache, keys, N, NULL, statuses, &err),
                      FAC_E_INVALID, &err);
    assert_false(err.maybe_applied);
    live_expect_miss(live.cache, keys[0]);
    free(keys);
    free(items);
    free(values);
    free(statuses);
    live_end(&live);
}

static void test_conformance__many_large_values(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    enum {
        N = 12,
        BYTES = 200000
    };
    struct batch *batch = new_batch();
    unsigned char *values = malloc((size_t)N * BYTES);
    assert_non_null(values);
    for (size_t i = 0; i < N; i++) {
        memset(values + i * BYTES, (int)('a' + i), BYTES);
        batch->items[i].value = fac_mem(values + i * BYTES, BYTES - i);
    }
    fac_error err;
    assert_status(fac_cache_set_many(live.cache, batch->items, N, NULL, batch->statuses, &err),
                  FAC_OK, &err);
    assert_status(fac_cache_get_many(live.cache, batch->keys, N, NULL, batch->values,
                                     batch->statuses, &err),
                  FAC_OK, &err);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(batch->statuses[i], FAC_OK);
        fac_bytes got = fac_value_bytes(batch->values[i]);
        assert_int_equal(got.len, BYTES - i);
        assert_int_equal(memcmp(got.data, values + i * BYTES, got.len), 0);
    }
    forget_values(batch, N);
    free(values);
    free(batch);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_conformance__many_of_every_count),
    KIT_TEST(test_conformance__many_of_none_needs_no_arrays),
    KIT_TEST(test_conformance__many_with_partial_misses_and_duplicates),
    KIT_TEST(test_conformance__set_many_keeps_the_order),
    KIT_TEST(test_conformance__many_with_a_bad_key_among_good_ones),
    KIT_TEST(test_conformance__get_many_has_a_reply_limit),
    KIT_TEST(test_conformance__many_has_a_count_limit),
    KIT_TEST(test_conformance__many_large_values),
};

KIT_MAIN(k_tests)
