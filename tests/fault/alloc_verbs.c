/* SPDX-License-Identifier: MIT */
/* fault/alloc_verbs.c — the verbs of a handle, as scenarios. */
#include "fault/alloc_scenarios.h"

#include "kit/kit.h"

#include <stdlib.h>
#include <string.h>

enum {
    HUGE_BYTES = 3 * 1024 * 1024,
    MANY_KEYS = 20000,
    MANY_KEYS_BUDGET = 6 * 1024 * 1024 /* few shards, so that each gets many */
};

static void put(struct alloc_scene *scene, size_t len)
{
    live_set_bytes(scene->live.cache, fac_str("k"), fac_mem(scene->bytes, len));
}

static void prepare_medium(struct alloc_scene *scene)
{
    put(scene, ALLOC_MEDIUM_BYTES);
}

static void prepare_large(struct alloc_scene *scene)
{
    put(scene, ALLOC_LARGE_BYTES);
}

static void prepare_absent(struct alloc_scene *scene)
{
    fac_error err;
    assert_true(fac_cache_delete(scene->live.cache, fac_str("k"), NULL, &err) >= 0);
}

static void prepare_number(struct alloc_scene *scene)
{
    live_set(scene->live.cache, fac_str("k"), "41");
}

static void prepare_many(struct alloc_scene *scene)
{
    fac_error err;
    assert_status(fac_cache_set_many(scene->live.cache, scene->items, ALLOC_BATCH, NULL,
                                     scene->statuses, &err),
                  FAC_OK, &err);
}

static void prepare_other_type(struct alloc_scene *scene)
{
    prepare_many(scene);
    (void)kit_raw_ask(live_raw(&scene->live), "DEL", "cache:key7", NULL);
    (void)kit_raw_ask(live_raw(&scene->live), "LPUSH", "cache:key7", "x", NULL);
}

static fac_status run_get(struct alloc_scene *scene, fac_error *err)
{
    fac_value *value = NULL;
    fac_status st = fac_cache_get(scene->live.cache, fac_str("k"), NULL, &value, err);
    fac_bytes got = fac_value_bytes(value);
    assert_int_equal(value != NULL, st == FAC_OK);
    if (st == FAC_OK) {
        assert_true(got.len == ALLOC_MEDIUM_BYTES || got.len == ALLOC_LARGE_BYTES);
        assert_memory_equal(got.data, scene->bytes, got.len);
    }
    fac_value_unref(value);
    return st;
}

/* So large that room for it is made as it comes. */
static void prepare_huge(struct alloc_scene *scene)
{
    char *huge = calloc(1, HUGE_BYTES);
    assert_non_null(huge);
    live_set_bytes(scene->live.cache, fac_str("huge"), fac_mem(huge, HUGE_BYTES));
    free(huge);
}

static fac_status run_get_huge(struct alloc_scene *scene, fac_error *err)
{
    fac_value *value = NULL;
    fac_status st = fac_cache_get(scene->live.cache, fac_str("huge"), NULL, &value, err);
    assert_int_equal(fac_value_bytes(value).len, st == FAC_OK ? HUGE_BYTES : 0);
    fac_value_unref(value);
    return st;
}

/* Buffers become large, and small again: to give memory back, none may be needed. */
static fac_status run_large_then_small(struct alloc_scene *scene, fac_error *err)
{
    fac_status st = run_get(scene, err);
    for (int i = 0; i < 40 && st == FAC_OK; i++) {
        st = fac_cache_set(scene->live.cache, fac_str("small"), fac_str("small"), 60000, NULL,
                           err);
    }
    return st;
}

/* An index that has to grow, several times. */
static fac_status run_many_keys(struct alloc_scene *scene, fac_error *err)
{
    fac_cache *cache = NULL;
    fac_options options = scene->live.options;
    options.memory_bytes = MANY_KEYS_BUDGET;
    fac_status st = fac_cache_open(&options, &cache, err);
    for (size_t i = 0; i < MANY_KEYS && st == FAC_OK; i++) {
        st = fac_cache_set(cache, fac_mem(&i, sizeof(i)), fac_mem(&i, sizeof(i)), 60000, NULL,
                           err);
    }
    fac_cache_close(cache);
    return st;
}

static fac_status run_get_into(struct alloc_scene *scene, fac_error *err)
{
    char buf[ALLOC_MEDIUM_BYTES];
    size_t len = 0;
    fac_status st = fac_cache_get_into(scene->live.cache, fac_str("k"), NULL, buf, sizeof(buf),
                                       &len, err);
    if (st == FAC_OK) {
        assert_int_equal(len, sizeof(buf));
        assert_memory_equal(buf, scene->bytes, len);
    }
    return st;
}

static fac_status run_get_into_small(struct alloc_scene *scene, fac_error *err)
{
    char buf[16];
    size_t len = 0;
    fac_status st = fac_cache_get_into(scene->live.cache, fac_str("k"), NULL, buf, sizeof(buf),
                                       &len, err);
    assert_int_equal(len, st == FAC_SMALL ? ALLOC_LARGE_BYTES : 0);
    return st;
}

static fac_status run_set(struct alloc_scene *scene, fac_error *err)
{
    return fac_cache_set(scene->live.cache, fac_str("k"),
                         fac_mem(scene->bytes, ALLOC_MEDIUM_BYTES), 60000, NULL, err);
}

static fac_status run_set_large(struct alloc_scene *scene, fac_error *err)
{
    return fac_cache_set(scene->live.cache, fac_str("k"),
                         fac_mem(scene->bytes, ALLOC_LARGE_BYTES), 60000, NULL, err);
}

static fac_status run_add(struct alloc_scene *scene, fac_error *err)
{
    return fac_cache_add(scene->live.cache, fac_str("k"),
                         fac_mem(scene->bytes, ALLOC_MEDIUM_BYTES), 60000, NULL, err);
}

static fac_status run_delete(struct alloc_scene *scene, fac_error *err)
{
    return fac_cache_delete(scene->live.cache, fac_str("k"), NULL, err);
}

static fac_status run_exists(struct alloc_scene *scene, fac_error *err)
{
    return fac_cache_exists(scene->live.cache, fac_str("k"), NULL, err);
}

static fac_status run_ttl(struct alloc_scene *scene, fac_error *err)
{
    int64_t left_ms = 0;
    return fac_cache_ttl(scene->live.cache, fac_str("k"), NULL, &left_ms, err);
}

static fac_status run_touch(struct alloc_scene *scene, fac_error *err)
{
    return fac_cache_touch(scene->live.cache, fac_str("k"), 50000, NULL, err);
}

static fac_status run_increment(struct alloc_scene *scene, fac_error *err)
{
    int64_t number = 0;
    fac_status st = fac_cache_increment(scene->live.cache, fac_str("k"), 1, 60000, NULL,
                                        &number, err);
    assert_int_equal(number, st == FAC_OK ? 42 : 0);
    return st;
}

static fac_status run_increment_new(struct alloc_scene *scene, fac_error *err)
{
    int64_t number = 0;
    fac_status st = fac_cache_increment(scene->live.cache, fac_str("k"), 42, 60000, NULL,
                                        &number, err);
    assert_int_equal(number, st == FAC_OK ? 42 : 0);
    return st;
}

static fac_status run_get_many(struct alloc_scene *scene, fac_error *err)
{
    fac_status st = fac_cache_get_many(scene->live.cache, scene->names, ALLOC_BATCH, NULL,
                                       scene->values, scene->statuses, err);
    for (size_t i = 0; i < ALLOC_BATCH; i++) {
        fac_bytes got = fac_value_bytes(scene->values[i]);
        assert_int_equal(scene->values[i] != NULL, scene->statuses[i] == FAC_OK);
        if (scene->values[i] != NULL) {
            assert_int_equal(got.len, scene->items[i].value.len);
            assert_memory_equal(got.data, scene->items[i].value.data, got.len);
        } else if (scene->statuses[i] != FAC_E_NOMEM) {
            assert_int_equal(scene->statuses[i], i == 7 ? FAC_E_SERVER : FAC_E_NOMEM);
        }
        fac_value_unref(scene->values[i]);
    }
    return st;
}

static fac_status run_set_many(struct alloc_scene *scene, fac_error *err)
{
    return fac_cache_set_many(scene->live.cache, scene->items, ALLOC_BATCH, NULL,
                              scene->statuses, err);
}

static fac_status run_delete_many(struct alloc_scene *scene, fac_error *err)
{
    return fac_cache_delete_many(scene->live.cache, scene->names, ALLOC_BATCH, NULL,
                                 scene->statuses, err);
}

static fac_status run_clear(struct alloc_scene *scene, fac_error *err)
{
    return fac_cache_clear(scene->live.cache, NULL, NULL, err);
}

static fac_status run_health(struct alloc_scene *scene, fac_error *err)
{
    fac_health health;
    fac_status st = fac_cache_health(scene->live.cache, NULL, &health, sizeof(health), err);
    assert_int_equal(health.is_healthy, st == FAC_OK);
    return st;
}

static fac_status run_stats(struct alloc_scene *scene, fac_error *err)
{
    fac_stats stats;
    return fac_cache_stats(scene->live.cache, NULL, &stats, sizeof(stats), err);
}

static fac_status run_echo(struct alloc_scene *scene, fac_error *err)
{
    fac_reply *reply = NULL;
    fac_bytes args[] = {fac_str("ECHO"), fac_mem(scene->bytes, ALLOC_MEDIUM_BYTES)};
    fac_status st = fac_cache_command(scene->live.cache, args, 2, NULL, &reply, err);
    if (st == FAC_OK) {
        assert_int_equal(fac_reply_bytes(reply).len, ALLOC_MEDIUM_BYTES);
        assert_memory_equal(fac_reply_bytes(reply).data, scene->bytes, ALLOC_MEDIUM_BYTES);
    }
    fac_reply_free(reply);
    return st;
}

/* An array of arrays, maps or numbers, by the server's version: whatever it is, it is deep. */
static fac_status run_deep_command(struct alloc_scene *scene, fac_error *err)
{
    fac_reply *reply = NULL;
    fac_bytes args[] = {fac_str("COMMAND"), fac_str("INFO"), fac_str("GET"), fac_str("SET"),
                        fac_str("DEL"),     fac_str("MGET"), fac_str("XADD")};
    fac_status st = fac_cache_command(scene->live.cache, args, KIT_COUNT(args), NULL, &reply,
                                      err);
    if (st == FAC_OK) {
        assert_int_equal(fac_reply_count(reply), 5);
        fac_bytes name = fac_reply_bytes(fac_reply_child(fac_reply_child(reply, 4), 0));
        assert_int_equal(name.len, 4);
        assert_memory_equal(name.data, "xadd", 4);
    }
    fac_reply_free(reply);
    return st;
}

static fac_status run_refused_command(struct alloc_scene *scene, fac_error *err)
{
    fac_reply *reply = NULL;
    fac_bytes args[] = {fac_str("NOSUCHCOMMAND")};
    fac_status st = fac_cache_command(scene->live.cache, args, 1, NULL, &reply, err);
    assert_null(reply);
    return st;
}

enum {
    EVERY = ALLOC_WARM | ALLOC_COLD | ALLOC_KILLED,
    /* Never sent twice: when its connection is lost under it, it fails. */
    ONCE_ONLY = ALLOC_WARM | ALLOC_COLD,
};

/* clang-format off */
const struct alloc_scenario k_alloc_verbs[] = {
    {"get",                   EVERY,     false, FAC_OK,    prepare_medium, run_get},
    {"get, large",            EVERY,     false, FAC_OK,    prepare_large,  run_get},
    {"get, huge",             ALLOC_WARM, true, FAC_OK,    prepare_huge,   run_get_huge},
    {"get, absent",           EVERY,     false, FAC_MISS,  prepare_absent, run_get},
    {"get_into",              EVERY,     false, FAC_OK,    prepare_medium, run_get_into},
    {"get_into, too small",   EVERY,     false, FAC_SMALL, prepare_large,  run_get_into_small},
    {"set",                   EVERY,     false, FAC_OK,    prepare_absent, run_set},
    {"set, there",            EVERY,     false, FAC_OK,    prepare_large,  run_set},
    {"large, then small",     EVERY,     false, FAC_OK,    prepare_large,  run_large_then_small},
    {"set, many keys",        ALLOC_STORE, false, FAC_OK,  NULL,           run_many_keys},
    {"set, large",            EVERY,     false, FAC_OK,    prepare_medium, run_set_large},
    {"add",                   ONCE_ONLY, false, FAC_OK,    prepare_absent, run_add},
    {"add, there",            ONCE_ONLY, false, FAC_EXISTS, prepare_medium, run_add},
    {"delete",                EVERY,     false, FAC_OK,    prepare_medium, run_delete},
    {"exists",                EVERY,     false, FAC_OK,    prepare_medium, run_exists},
    {"ttl",                   EVERY,     false, FAC_OK,    prepare_medium, run_ttl},
    {"touch",                 EVERY,     false, FAC_OK,    prepare_medium, run_touch},
    {"increment",             ONCE_ONLY, false, FAC_OK,    prepare_number, run_increment},
    {"increment, absent",     ONCE_ONLY, false, FAC_OK,    prepare_absent, run_increment_new},
    {"get_many",              EVERY,     false, FAC_OK,    prepare_many,   run_get_many},
    {"get_many, other type",  EVERY,     true,  FAC_OK,    prepare_other_type, run_get_many},
    {"set_many",              EVERY,     false, FAC_OK,    NULL,           run_set_many},
    {"delete_many",           EVERY,     false, FAC_OK,    prepare_many,   run_delete_many},
    {"clear",                 EVERY,     false, FAC_OK,    prepare_many,   run_clear},
    {"health",                EVERY,     false, FAC_OK,    NULL,           run_health},
    {"stats",                 EVERY,     false, FAC_OK,    NULL,           run_stats},
    {"command",               ONCE_ONLY, true,  FAC_OK,    NULL,           run_echo},
    {"command, deep reply",   ONCE_ONLY, true,  FAC_OK,    NULL,           run_deep_command},
    {"command, refused",      ONCE_ONLY, true,  FAC_E_SERVER, NULL,        run_refused_command},
};
/* clang-format on */
const size_t k_alloc_n_verbs = KIT_COUNT(k_alloc_verbs);
