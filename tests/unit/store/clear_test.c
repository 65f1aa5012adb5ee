/* SPDX-License-Identifier: MIT */
/* Removing by prefix: nothing foreign, everything of ours, whatever happens in between. */
#include "store/inside.h"

#include "fixture.h"

static void put_many(struct fixture *fx, const char *prefix, size_t from, size_t to)
{
    char text[32];
    for (size_t i = from; i < to; i++) {
        struct faci_key key = numbered_key(text, sizeof(text), prefix, i);
        assert_status(faci_store_set(fx->store, &key, fac_str("value"), FACI_STORE_NO_EXPIRY,
                                     FACI_STORE_SET, NULL),
                      FAC_OK, NULL);
    }
}

static size_t count(struct fixture *fx, const char *prefix, size_t from, size_t to)
{
    char text[32];
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        struct faci_key key = numbered_key(text, sizeof(text), prefix, i);
        n += faci_store_exists(fx->store, &key) == FAC_OK;
    }
    return n;
}

static void test_clear__keeps_foreign_keys(void **state)
{
    (void)state;
    static const char *const k_foreign[] = {"app", "app;", "ap:p", "xapp:", "APP:", "", "*"};
    struct fixture fx;
    fixture_init(&fx, 64 * MIB);
    put_many(&fx, "app:", 0, 1000);
    put_many(&fx, "app:x?[]\\", 0, 100);
    for (size_t i = 0; i < KIT_COUNT(k_foreign); i++) {
        put_many(&fx, k_foreign[i], 0, 200);
    }
    uint64_t cursor = 0;
    uint64_t n_scanned = 7;
    uint64_t n_removed = 9;
    do {
        faci_store_clear(fx.store, fac_str("app:"), 100, &cursor, &n_scanned, &n_removed);
    } while (cursor != 0);
    assert_int_equal(n_removed, 9 + 1100); /* adds to what is there */
    assert_int_equal(n_scanned, 7 + 1100 + KIT_COUNT(k_foreign) * 200);
    assert_int_equal(count(&fx, "app:", 0, 1000), 0);
    for (size_t i = 0; i < KIT_COUNT(k_foreign); i++) {
        assert_int_equal(count(&fx, k_foreign[i], 0, 200), 200);
    }
    assert_account(&fx, 64 * MIB);

    /* A prefix is bytes, not a pattern; it may contain NUL, or be a whole key. */
    n_removed = 0;
    faci_store_clear(fx.store, fac_str("*"), SIZE_MAX, &cursor, &n_scanned, &n_removed);
    assert_int_equal(n_removed, 200);
    assert_int_equal(cursor, 0);
    n_removed = 0;
    faci_store_clear(fx.store, fac_mem("app\0", 4), SIZE_MAX, &cursor, &n_scanned, &n_removed);
    assert_int_equal(n_removed, 0);
    faci_store_clear(fx.store, fac_str("app;199"), SIZE_MAX, &cursor, &n_scanned, &n_removed);
    assert_int_equal(n_removed, 1);
    fixture_fini(&fx);
}

static void test_clear__sees_what_stays_while_the_index_grows(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 8 * MIB);
    put_many(&fx, "ours:", 0, 400);
    uint64_t cursor = 0;
    uint64_t n_scanned = 0;
    uint64_t n_removed = 0;
    size_t n_added = 0;
    do {
        faci_store_clear(fx.store, fac_str("ours:"), 10, &cursor, &n_scanned, &n_removed);
        if (n_added < 20000) {
            put_many(&fx, "new:", n_added, n_added + 50);
            n_added += 50;
        }
    } while (cursor != 0);
    assert_int_equal(n_removed, 400);
    assert_int_equal(count(&fx, "ours:", 0, 400), 0);
    assert_int_equal(count(&fx, "new:", 0, n_added), n_added);
    assert_true(n_added >= 2000); /* it did grow on the way */
    fixture_fini(&fx);
}

static void test_clear__looks_at_no_more_than_asked(void **state)
{
    (void)state;
    static const size_t k_max_scans[] = {0, 1, 16, 64, 500};
    struct fixture fx;
    fixture_init(&fx, 64 * MIB);
    put_many(&fx, "k:", 0, 3000);
    for (size_t i = 0; i < KIT_COUNT(k_max_scans); i++) {
        /* A bucket is not cut: with less than it holds the limit is that. Where five are usual,
         * and ten before a split, none comes near 48. */
        size_t limit = k_max_scans[i] > 48 ? k_max_scans[i] : 48;
        uint64_t cursor = 0;
        uint64_t n_scanned = 0;
        uint64_t n_removed = 0;
        size_t n_calls = 0;
        do {
            uint64_t before = n_scanned;
            faci_store_clear(fx.store, fac_str("other"), k_max_scans[i], &cursor, &n_scanned,
                             &n_removed);
            assert_true(n_scanned - before <= limit);
            n_calls++;
            assert_true(n_calls < 20000);
        } while (cursor != 0);
        assert_int_equal(n_scanned, 3000);
        assert_int_equal(n_removed, 0);
    }
    uint64_t foreign_cursor = UINT64_MAX; /* from nowhere: the end, not a crash */
    uint64_t n_scanned = 0;
    uint64_t n_removed = 0;
    faci_store_clear(fx.store, fac_str("k"), 10, &foreign_cursor, &n_scanned, &n_removed);
    assert_int_equal(foreign_cursor, 0);
    assert_int_equal(n_scanned, 0);
    fixture_fini(&fx);
}

static void test_clear__does_not_count_the_expired_as_removed(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, MIB);
    put(&fx, "a", "1", 10);
    put(&fx, "b", "1", 20);
    fx.now_ms += 10;
    uint64_t cursor = 0;
    uint64_t n_scanned = 0;
    uint64_t n_removed = 0;
    faci_store_clear(fx.store, fac_str("cache:"), 1000, &cursor, &n_scanned, &n_removed);
    assert_int_equal(cursor, 0);
    assert_int_equal(n_scanned, 2);
    assert_int_equal(n_removed, 1);
    assert_int_equal(stats_of(&fx).n_expired, 1);
    assert_int_equal(stats_of(&fx).n_entries, 0);
    fixture_fini(&fx);
}

/* What was cleared leaves an index far too large. It comes down step by step, and no step takes
 * longer than it was allowed. */
static void test_clear__joins_no_more_than_asked(void **state)
{
    (void)state;
    enum {
        MAX_SCAN = 100,
        JOINS_MAX = MAX_SCAN / 4, /* each costs what a bucket holds */
    };
    struct fixture fx;
    fixture_init(&fx, 16 * MIB);
    const struct faci_index *index = &fx.store->shards[0].table.index;
    assert_int_equal(fx.store->n_shards, 1);
    put_many(&fx, "ours:", 0, 30000);
    put_many(&fx, "k:", 0, 5000);
    assert_true(index->n_buckets > 5000);
    uint64_t cursor = 0;
    uint64_t n_scanned = 0;
    uint64_t n_removed = 0;
    do {
        uint32_t before = index->n_buckets;
        faci_store_clear(fx.store, fac_str("ours:"), MAX_SCAN, &cursor, &n_scanned, &n_removed);
        assert_true(before - index->n_buckets <= JOINS_MAX);
    } while (cursor != 0);
    assert_int_equal(n_removed, 30000);
    assert_int_equal(n_scanned, 35000); /* none twice */
    assert_true(index->n_buckets <= 1000);
    assert_int_equal(count(&fx, "k:", 0, 5000), 5000);
    assert_account(&fx, 16 * MIB);
    fixture_fini(&fx);
}

/* A cut joins thousands of buckets, and the cursor knows of it: 12 bits of a count of each would
 * come round. */
static void test_clear__sees_what_stays_while_the_budget_is_cut(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 16 * MIB);
    const struct faci_shard *shard = &fx.store->shards[0];
    put_many(&fx, "ours:", 0, 60000);
    uint64_t cursor = 0;
    uint64_t n_scanned = 0;
    uint64_t n_removed = 0;
    faci_store_clear(fx.store, fac_str("none"), 50000, &cursor, &n_scanned, &n_removed);
    assert_true(cursor != 0);
    uint32_t n_buckets = shard->table.index.n_buckets;
    uint32_t n_shrunk = shard->n_shrunk;
    fac_error err;
    assert_status(faci_store_set_budget(fx.store, 2 * MIB, &err), FAC_OK, &err);
    assert_true(n_buckets - shard->table.index.n_buckets > 4096);
    assert_int_equal(shard->n_shrunk, n_shrunk + 1);
    uint64_t n_there = stats_of(&fx).n_entries;
    assert_true(n_there > 1000);
    while (cursor != 0) {
        faci_store_clear(fx.store, fac_str("ours:"), 1000, &cursor, &n_scanned, &n_removed);
    }
    assert_int_equal(n_removed, n_there);
    assert_int_equal(stats_of(&fx).n_entries, 0);
    fixture_fini(&fx);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_clear__keeps_foreign_keys),
    KIT_TEST(test_clear__sees_what_stays_while_the_index_grows),
    KIT_TEST(test_clear__looks_at_no_more_than_asked),
    KIT_TEST(test_clear__does_not_count_the_expired_as_removed),
    KIT_TEST(test_clear__joins_no_more_than_asked),
    KIT_TEST(test_clear__sees_what_stays_while_the_budget_is_cut),
};

KIT_MAIN(k_tests)
