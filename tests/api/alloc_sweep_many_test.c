/* SPDX-License-Identifier: MIT */
/* api/alloc_sweep_many_test.c — memory runs out in the verbs on many keys, and in those about the
 * cache itself. */
#include "kit/kit.h"
#include "kit/memory.h"
#include "sweep.h"

#include <stdio.h>
#include <string.h>

enum {
    N_MANY = 50
};

/* Many keys: the even ones exist, and each value is its key. */

struct many {
    char names[N_MANY][16];
    fac_bytes keys[N_MANY];
    fac_status statuses[N_MANY];
    fac_value *values[N_MANY];
    fac_item items[N_MANY];
};

static void name_many(struct many *many)
{
    for (size_t i = 0; i < N_MANY; i++) {
        (void)snprintf(many->names[i], sizeof(many->names[i]), "many%zu", i);
        many->keys[i] = fac_str(many->names[i]);
        many->statuses[i] = FAC_E_INVALID;
        many->values[i] = NULL;
        many->items[i] = (fac_item){many->keys[i], many->keys[i], 60000};
    }
}

static void prepare_many(struct sweep *sweep)
{
    struct many many;
    name_many(&many);
    fac_error err;
    for (size_t i = 0; i < N_MANY; i++) {
        if (i % 2 == 0) {
            sweep_put(sweep, many.names[i], many.names[i], many.keys[i].len);
        } else {
            assert_true(fac_cache_delete(sweep->cache, many.keys[i], NULL, &err) >= 0);
        }
    }
}

/* An item has its right answer, or says that memory was missing; so has the whole. */
static void assert_item(fac_status whole, fac_status item, fac_status want)
{
    if (item != want) {
        assert_int_equal(item, FAC_E_NOMEM);
    }
    assert_true(whole == FAC_OK || whole == FAC_E_NOMEM);
}

static fac_status run_get_many(struct sweep *sweep, fac_error *err)
{
    struct many many;
    name_many(&many);
    fac_status st = fac_cache_get_many(sweep->cache, many.keys, N_MANY, NULL, many.values,
                                       many.statuses, err);
    for (size_t i = 0; i < N_MANY; i++) {
        assert_item(st, many.statuses[i], i % 2 == 0 ? FAC_OK : FAC_MISS);
        if (many.statuses[i] == FAC_OK) {
            fac_bytes bytes = fac_value_bytes(many.values[i]);
            assert_int_equal(bytes.len, many.keys[i].len);
            assert_memory_equal(bytes.data, many.names[i], bytes.len);
        } else {
            assert_null(many.values[i]);
        }
        fac_value_unref(many.values[i]);
    }
    return st;
}

static fac_status run_set_many(struct sweep *sweep, fac_error *err)
{
    struct many many;
    name_many(&many);
    fac_status st = fac_cache_set_many(sweep->cache, many.items, N_MANY, NULL, many.statuses,
                                       err);
    for (size_t i = 0; i < N_MANY; i++) {
        assert_item(st, many.statuses[i], FAC_OK);
        if (many.statuses[i] < 0 && st == FAC_OK) {
            st = many.statuses[i];
        }
    }
    return st;
}

/* Whatever is there under a name is that name: never another's value. */
static void check_set_many(struct sweep *sweep, fac_status st, bool maybe_applied)
{
    (void)maybe_applied;
    struct many many;
    name_many(&many);
    for (size_t i = 0; i < N_MANY; i++) {
        bool is_there = sweep_holds(sweep, many.names[i], many.names[i], many.keys[i].len);
        assert_true(is_there || (st < 0 && sweep_is_absent(sweep, many.names[i])));
    }
}

static fac_status run_delete_many(struct sweep *sweep, fac_error *err)
{
    struct many many;
    name_many(&many);
    fac_status st = fac_cache_delete_many(sweep->cache, many.keys, N_MANY, NULL, many.statuses,
                                          err);
    for (size_t i = 0; i < N_MANY; i++) {
        assert_item(st, many.statuses[i], i % 2 == 0 ? FAC_OK : FAC_MISS);
        if (many.statuses[i] < 0 && st == FAC_OK) {
            st = many.statuses[i];
        }
    }
    return st;
}

static void check_delete_many(struct sweep *sweep, fac_status st, bool maybe_applied)
{
    (void)maybe_applied;
    struct many many;
    name_many(&many);
    for (size_t i = 0; i < N_MANY; i++) {
        assert_true(sweep_is_absent(sweep, many.names[i]) || (st < 0 && i % 2 == 0));
    }
}

static fac_status run_clear(struct sweep *sweep, fac_error *err)
{
    return fac_cache_clear(sweep->cache, NULL, NULL, err);
}

/* health, command */

static fac_status run_health(struct sweep *sweep, fac_error *err)
{
    fac_health health;
    fac_status st = fac_cache_health(sweep->cache, NULL, &health, sizeof(health), err);
    assert_true(health.is_healthy == (st == FAC_OK));
    return st;
}

/* A reply with some depth: {1, "two", {"three", nil}}. */
static fac_status run_command(struct sweep *sweep, fac_error *err)
{
    fac_bytes args[] = {fac_str("EVAL"), fac_str("return {1, 'two', {'three', false}}"),
                        fac_str("0")};
    fac_reply *reply = NULL;
    fac_status st = fac_cache_command(sweep->cache, args, KIT_COUNT(args), NULL, &reply, err);
    if (sweep->backend.is_memory) {
        assert_int_equal(st, FAC_E_UNSUPPORTED);
        return FAC_OK;
    }
    if (st != FAC_OK) {
        assert_null(reply);
        return st;
    }
    assert_int_equal(fac_reply_count(reply), 3);
    assert_int_equal(fac_reply_integer(fac_reply_child(reply, 0)), 1);
    assert_string_equal((const char *)fac_reply_bytes(fac_reply_child(reply, 1)).data, "two");
    const fac_reply *inner = fac_reply_child(reply, 2);
    assert_int_equal(fac_reply_count(inner), 2);
    assert_string_equal((const char *)fac_reply_bytes(fac_reply_child(inner, 0)).data, "three");
    assert_int_equal(fac_reply_kind(fac_reply_child(inner, 1)), FAC_REPLY_NULL);
    fac_reply_free(reply);
    return st;
}

static void test_sweep__get_many(void **state)
{
    (void)state;
    sweep_run(&(struct sweep_verb){"get_many", prepare_many, run_get_many, NULL});
}

static void test_sweep__set_many(void **state)
{
    (void)state;
    sweep_run(&(struct sweep_verb){"set_many", prepare_many, run_set_many, check_set_many});
}

static void test_sweep__delete_many(void **state)
{
    (void)state;
    sweep_run(
        &(struct sweep_verb){"delete_many", prepare_many, run_delete_many, check_delete_many});
}

static void test_sweep__clear(void **state)
{
    (void)state;
    sweep_run(&(struct sweep_verb){"clear", prepare_many, run_clear, check_delete_many});
}

static void test_sweep__health(void **state)
{
    (void)state;
    sweep_run(&(struct sweep_verb){"health", prepare_many, run_health, NULL});
}

static void test_sweep__command(void **state)
{
    (void)state;
    sweep_run(&(struct sweep_verb){"command", prepare_many, run_command, NULL});
}

/* clang-format off */
static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_sweep__get_many),
    KIT_TEST(test_sweep__set_many),
    KIT_TEST(test_sweep__delete_many),
    KIT_TEST(test_sweep__clear),
    KIT_TEST(test_sweep__health),
    KIT_TEST(test_sweep__command),
};
/* clang-format on */

KIT_MAIN(k_tests)
