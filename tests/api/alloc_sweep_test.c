/* SPDX-License-Identifier: MIT */
/* api/alloc_sweep_test.c — memory runs out in open, close, and the verbs on one key. */
#include "kit/kit.h"
#include "kit/memory.h"
#include "sweep.h"

#include <stdio.h>
#include <string.h>

/* After a write: the new state when it succeeded; the old one when it certainly did not. */
static void assert_written(fac_status st, bool maybe_applied, bool is_old, bool is_new)
{
    if (st >= 0) {
        assert_true(is_new);
    } else if (maybe_applied) {
        assert_true(is_old || is_new);
    } else {
        assert_true(is_old);
    }
}

/* get */

static void prepare_get(struct sweep *sweep)
{
    sweep_put(sweep, "k", sweep->large, SWEEP_MEDIUM_BYTES);
}

static fac_status get_bytes(struct sweep *sweep, size_t len, fac_error *err)
{
    fac_value *value = NULL;
    fac_status st = fac_cache_get(sweep->cache, fac_str("k"), NULL, &value, err);
    if (st == FAC_OK) {
        fac_bytes bytes = fac_value_bytes(value);
        assert_int_equal(bytes.len, len);
        assert_memory_equal(bytes.data, sweep->large, len);
        fac_value_unref(value);
    } else {
        assert_null(value);
    }
    return st;
}

static fac_status run_get(struct sweep *sweep, fac_error *err)
{
    return get_bytes(sweep, SWEEP_MEDIUM_BYTES, err);
}

static void prepare_get_large(struct sweep *sweep)
{
    sweep_put(sweep, "k", sweep->large, SWEEP_LARGE_BYTES);
}

static fac_status run_get_large(struct sweep *sweep, fac_error *err)
{
    return get_bytes(sweep, SWEEP_LARGE_BYTES, err);
}

static fac_status run_get_into(struct sweep *sweep, fac_error *err)
{
    char buf[SWEEP_MEDIUM_BYTES];
    size_t len = 0;
    fac_status st = fac_cache_get_into(sweep->cache, fac_str("k"), NULL, buf, sizeof(buf), &len,
                                       err);
    if (st == FAC_OK) {
        assert_int_equal(len, sizeof(buf));
        assert_memory_equal(buf, sweep->large, len);
    }
    return st;
}

/* set, add, increment */

static void prepare_set(struct sweep *sweep)
{
    sweep_put(sweep, "k", "old", 3);
}

static fac_status run_set(struct sweep *sweep, fac_error *err)
{
    return fac_cache_set(sweep->cache, fac_str("k"), fac_mem(sweep->large, SWEEP_MEDIUM_BYTES),
                         60000, NULL, err);
}

static void check_set(struct sweep *sweep, fac_status st, bool maybe_applied)
{
    assert_written(st, maybe_applied, sweep_holds(sweep, "k", "old", 3),
                   sweep_holds(sweep, "k", sweep->large, SWEEP_MEDIUM_BYTES));
}

static fac_status run_set_large(struct sweep *sweep, fac_error *err)
{
    return fac_cache_set(sweep->cache, fac_str("k"), fac_mem(sweep->large, SWEEP_LARGE_BYTES),
                         60000, NULL, err);
}

static void check_set_large(struct sweep *sweep, fac_status st, bool maybe_applied)
{
    assert_written(st, maybe_applied, sweep_holds(sweep, "k", "old", 3),
                   sweep_holds(sweep, "k", sweep->large, SWEEP_LARGE_BYTES));
}

static void prepare_absent(struct sweep *sweep)
{
    fac_error err;
    assert_true(fac_cache_delete(sweep->cache, fac_str("k"), NULL, &err) >= 0);
}

static fac_status run_add(struct sweep *sweep, fac_error *err)
{
    return fac_cache_add(sweep->cache, fac_str("k"), fac_mem(sweep->large, SWEEP_MEDIUM_BYTES),
                         60000, NULL, err);
}

static void check_add(struct sweep *sweep, fac_status st, bool maybe_applied)
{
    assert_int_not_equal(st, FAC_EXISTS);
    assert_written(st, maybe_applied, sweep_is_absent(sweep, "k"),
                   sweep_holds(sweep, "k", sweep->large, SWEEP_MEDIUM_BYTES));
}

static void prepare_increment(struct sweep *sweep)
{
    sweep_put(sweep, "k", "41", 2);
}

static fac_status run_increment(struct sweep *sweep, fac_error *err)
{
    int64_t number = 0;
    fac_status st = fac_cache_increment(sweep->cache, fac_str("k"), 1, 60000, NULL, &number,
                                        err);
    assert_int_equal(number, st == FAC_OK ? 42 : 0);
    return st;
}

static fac_status run_increment_new(struct sweep *sweep, fac_error *err)
{
    int64_t number = 0;
    fac_status st = fac_cache_increment(sweep->cache, fac_str("k"), 42, 60000, NULL, &number,
                                        err);
    assert_int_equal(number, st == FAC_OK ? 42 : 0);
    return st;
}

static void check_increment(struct sweep *sweep, fac_status st, bool maybe_applied)
{
    assert_written(st, maybe_applied, sweep_holds(sweep, "k", "41", 2),
                   sweep_holds(sweep, "k", "42", 2));
}

static void check_increment_new(struct sweep *sweep, fac_status st, bool maybe_applied)
{
    assert_written(st, maybe_applied, sweep_is_absent(sweep, "k"),
                   sweep_holds(sweep, "k", "42", 2));
}

static void test_sweep__get(void **state)
{
    (void)state;
    sweep_run(&(struct sweep_verb){"get", prepare_get, run_get, NULL});
}

static void test_sweep__get_large(void **state)
{
    (void)state;
    sweep_run(
        &(struct sweep_verb){"get of a large value", prepare_get_large, run_get_large, NULL});
}

static void test_sweep__get_into(void **state)
{
    (void)state;
    sweep_run(&(struct sweep_verb){"get_into", prepare_get, run_get_into, NULL});
}

static void test_sweep__set(void **state)
{
    (void)state;
    sweep_run(&(struct sweep_verb){"set", prepare_set, run_set, check_set});
}

static void test_sweep__set_large(void **state)
{
    (void)state;
    sweep_run(&(struct sweep_verb){"set of a large value", prepare_set, run_set_large,
                                   check_set_large});
}

static void test_sweep__add(void **state)
{
    (void)state;
    sweep_run(&(struct sweep_verb){"add", prepare_absent, run_add, check_add});
}

static void test_sweep__increment(void **state)
{
    (void)state;
    sweep_run(
        &(struct sweep_verb){"increment", prepare_increment, run_increment, check_increment});
}

static void test_sweep__increment_of_an_absent_key(void **state)
{
    (void)state;
    sweep_run(&(struct sweep_verb){"increment of an absent key", prepare_absent,
                                   run_increment_new, check_increment_new});
}

static void open_with_failures(struct sweep *sweep, bool and_on)
{
    bool is_through = false;
    for (size_t n = 1; !is_through; n++) {
        assert_true(n < SWEEP_MAX_ALLOCATIONS);
        fac_error err;
        fac_cache *cache = NULL;
        kit_memory_fail(&sweep->memory, n, and_on);
        fac_status st = fac_cache_open(&sweep->options, &cache, &err);
        is_through = kit_memory_n_failed(&sweep->memory) == 0;
        kit_memory_fail(&sweep->memory, 0, false);
        if (st == FAC_OK) {
            api_put(cache, "probe", "alive");
            api_assert_value(cache, "probe", "alive");
            fac_cache_close(cache);
        } else {
            assert_status(st, FAC_E_NOMEM, &err);
            assert_false(is_through);
            assert_null(cache);
        }
        kit_memory_assert_empty(&sweep->memory);
    }
}

static void test_sweep__open(void **state)
{
    (void)state;
    struct sweep sweep;
    sweep_init(&sweep);
    for (int mode = 0; mode < 4; mode++) {
        sweep.options.open = mode >= 2 ? FAC_OPEN_LAZY : FAC_OPEN_CONNECT;
        open_with_failures(&sweep, mode % 2 == 1);
    }
    sweep_fini(&sweep);
}

/* To stop and to free, nothing may be needed. */
static void test_sweep__close(void **state)
{
    (void)state;
    struct sweep sweep;
    sweep_init(&sweep);
    sweep_open(&sweep);
    sweep_put(&sweep, "k", sweep.large, SWEEP_LARGE_BYTES);
    kit_memory_fail(&sweep.memory, 1, true);
    sweep_close(&sweep);

    kit_memory_fail(&sweep.memory, 0, false);
    sweep_open(&sweep);
    sweep_put(&sweep, "k", sweep.large, SWEEP_LARGE_BYTES);
    kit_memory_fail(&sweep.memory, 1, true);
    fac_cache_unref(sweep.cache);
    kit_memory_assert_empty(&sweep.memory);
    sweep_fini(&sweep);
}

/* clang-format off */
static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_sweep__get),
    KIT_TEST(test_sweep__get_large),
    KIT_TEST(test_sweep__get_into),
    KIT_TEST(test_sweep__set),
    KIT_TEST(test_sweep__set_large),
    KIT_TEST(test_sweep__add),
    KIT_TEST(test_sweep__increment),
    KIT_TEST(test_sweep__increment_of_an_absent_key),
    KIT_TEST(test_sweep__open),
    KIT_TEST(test_sweep__close),
};
/* clang-format on */

KIT_MAIN(k_tests)
