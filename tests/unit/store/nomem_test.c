/* SPDX-License-Identifier: MIT */
/* Each allocation of the store fails once, and from there on: nothing changes, nothing leaks. */
#include "fixture.h"

/* What is tried with memory running out; its status. */
typedef fac_status act_fn(struct fixture *fx);

static fac_status open_another(struct fixture *fx)
{
    struct faci_store_config config = fixture_config(fx, 64 * MIB);
    struct faci_store *another = NULL;
    fac_error err;
    fac_status st = faci_store_open(&config, &another, &err);
    assert_true((st == FAC_OK) == (another != NULL));
    assert_true(st == FAC_OK || err.status == FAC_E_NOMEM);
    faci_store_free(another);
    return st;
}

static fac_status set_new(struct fixture *fx)
{
    struct faci_key key = key_of("new");
    fac_error err;
    return faci_store_set(fx->store, &key, fac_str("value"), 500, FACI_STORE_SET, &err);
}

static fac_status add_new(struct fixture *fx)
{
    struct faci_key key = key_of("new");
    fac_error err;
    return faci_store_set(fx->store, &key, fac_str("value"), 500, FACI_STORE_ADD, &err);
}

static fac_status set_again(struct fixture *fx)
{
    struct faci_key key = key_of("there");
    fac_error err;
    fac_status st = faci_store_set(fx->store, &key, fac_str("another value"), 500,
                                   FACI_STORE_SET, &err);
    assert_has(fx, "there", st == FAC_OK ? "another value" : "41");
    return st;
}

static fac_status count_new(struct fixture *fx)
{
    struct faci_key key = key_of("new");
    int64_t number = 7;
    fac_error err;
    fac_status st = faci_store_increment(fx->store, &key, 3, 500, &number, &err);
    assert_int_equal(number, st == FAC_OK ? 3 : 7);
    return st;
}

static fac_status count_again(struct fixture *fx)
{
    struct faci_key key = key_of("there");
    int64_t number = 7;
    fac_error err;
    fac_status st = faci_store_increment(fx->store, &key, 1, 500, &number, &err);
    assert_int_equal(number, st == FAC_OK ? 42 : 7);
    assert_has(fx, "there", st == FAC_OK ? "42" : "41");
    return st;
}

/* One run in a fresh store of `n_before` entries besides "there". True: nothing failed. */
static bool run_once(act_fn *act, size_t n_before, size_t n, bool and_on)
{
    struct fixture fx;
    fixture_init(&fx, MIB);
    if (n_before > 0) {
        put(&fx, "there", "41", FACI_STORE_NO_EXPIRY);
    }
    char text[32];
    for (size_t i = 1; i < n_before; i++) {
        struct faci_key key = numbered_key(text, sizeof(text), "k:", i);
        assert_status(faci_store_set(fx.store, &key, key.name, 60000, FACI_STORE_SET, NULL),
                      FAC_OK, NULL);
    }
    kit_memory_fail(&fx.memory, n, and_on);
    fac_status st = act(&fx);
    size_t n_failed = kit_memory_n_failed(&fx.memory);
    kit_memory_fail(&fx.memory, 0, false);
    assert_true(st == FAC_OK || (st == FAC_E_NOMEM && n_failed > 0));
    assert_account(&fx, MIB);
    if (st != FAC_OK) {
        if (n_before > 0) {
            assert_has(&fx, "there", "41");
        }
        assert_false(is_there(&fx, "new"));
        assert_int_equal(stats_of(&fx).n_entries, n_before);
        assert_status(act(&fx), FAC_OK, NULL);
    }
    for (size_t i = 1; i < n_before; i++) {
        struct faci_key key = numbered_key(text, sizeof(text), "k:", i);
        assert_holds(&fx, &key, key.name);
    }
    assert_account(&fx, MIB);
    fixture_fini(&fx);
    return n_failed == 0;
}

/* Until the first n that no allocation reaches. Gives how many there are. */
static size_t sweep(act_fn *act, size_t n_before)
{
    size_t n_allocations[2] = {0, 0};
    for (int and_on = 0; and_on < 2; and_on++) {
        size_t n = 1;
        while (!run_once(act, n_before, n, and_on != 0)) {
            n++;
        }
        n_allocations[and_on] = n - 1;
    }
    assert_true(n_allocations[0] >= n_allocations[1]);
    return n_allocations[0];
}

static void test_nomem__open(void **state)
{
    (void)state;
    assert_int_equal(sweep(open_another, 1), 1); /* the store with its shards */
}

static void test_nomem__set_and_add(void **state)
{
    (void)state;
    /* An entry is one block; the first one of all needs its index, its queue and a page. */
    assert_int_equal(sweep(set_new, 1), 1);
    assert_int_equal(sweep(add_new, 1), 1);
    assert_int_equal(sweep(set_again, 1), 1);
    assert_int_equal(sweep(set_new, 0), 5);
    assert_int_equal(sweep(count_new, 0), 5);
}

/* The insert that needs a further page, or longer arrays of pages as well, fails without. The one
 * that needs a further segment of the index does without. */
static void test_nomem__growing_index(void **state)
{
    (void)state;
    assert_int_equal(sweep(set_new, 64), 2);
    assert_int_equal(sweep(set_new, 256), 4);
    assert_int_equal(sweep(set_new, 80), 2);
    assert_int_equal(sweep(set_new, 320), 3);
    assert_int_equal(sweep(set_new, 960), 3);
    assert_int_equal(sweep(set_new, 1280), 3);
    assert_int_equal(sweep(count_new, 1280), 3);
}

static void test_nomem__increment(void **state)
{
    (void)state;
    assert_int_equal(sweep(count_new, 1), 1);
    assert_int_equal(sweep(count_again, 1), 1);
}

/* Out of memory, what is stored can still be read, renewed and removed. */
static void test_nomem__reads_work_without_memory(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, MIB);
    put(&fx, "there", "41", 100);
    struct faci_key key = key_of("there");
    kit_memory_fail(&fx.memory, 1, true);
    assert_has(&fx, "there", "41");
    assert_status(faci_store_touch(fx.store, &key, 200), FAC_OK, NULL);
    fac_error err;
    assert_status(faci_store_set(fx.store, &key, fac_str("42"), 100, FACI_STORE_SET, &err),
                  FAC_E_NOMEM, &err);
    assert_contains(err.message, "2 bytes");
    assert_status(faci_store_set(fx.store, &key, fac_str("42"), 100, FACI_STORE_ADD, &err),
                  FAC_EXISTS, &err);
    assert_has(&fx, "there", "41");
    uint64_t cursor = 0;
    uint64_t n_scanned = 0;
    uint64_t n_removed = 0;
    faci_store_clear(fx.store, fac_str("cache:"), 10000, &cursor, &n_scanned, &n_removed);
    assert_int_equal(n_removed, 1);
    fixture_fini(&fx);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_nomem__open),
    KIT_TEST(test_nomem__set_and_add),
    KIT_TEST(test_nomem__growing_index),
    KIT_TEST(test_nomem__increment),
    KIT_TEST(test_nomem__reads_work_without_memory),
};

KIT_MAIN(k_tests)
