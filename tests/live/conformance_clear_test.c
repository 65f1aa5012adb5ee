/* SPDX-License-Identifier: MIT */
/* Conformance, clear: removes what is under the prefix, all of it, and nothing else. */
#include "kit/kit.h"
#include "live/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_KEYS = 5000
};

static void fill(fac_cache *cache, size_t n)
{
    for (size_t done = 0; done < n;) {
        char names[500][16];
        fac_item items[500];
        fac_status statuses[500];
        fac_error err;
        size_t here = n - done < 500 ? n - done : 500;
        for (size_t i = 0; i < here; i++) {
            (void)snprintf(names[i], sizeof(names[i]), "key:%zu", done + i);
            items[i] = (fac_item){fac_str(names[i]), fac_str("v"), FAC_TTL_NONE};
        }
        assert_status(fac_cache_set_many(cache, items, here, NULL, statuses, &err), FAC_OK,
                      &err);
        done += here;
    }
}

static void test_conformance__clear_removes_all(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fill(live.cache, N_KEYS);
    fac_clear_progress progress = {sizeof(progress), 0, 0, 0};
    fac_error err;
    assert_status(fac_cache_clear(live.cache, NULL, &progress, &err), FAC_OK, &err);
    assert_int_equal(progress.n_removed, N_KEYS);
    assert_true(progress.n_scanned >= progress.n_removed);
    assert_int_equal(progress.cursor, 0);
    live_expect_miss(live.cache, fac_str("key:0"));
    live_expect_miss(live.cache, fac_str("key:4999"));
    if (live.has_server) {
        assert_string_equal(kit_raw_ask(live_raw(&live), "DBSIZE", NULL), "0");
    }
    /* Nothing left, and no progress wanted: fine, too. */
    assert_status(fac_cache_clear(live.cache, NULL, NULL, &err), FAC_OK, &err);
    progress = (fac_clear_progress){sizeof(progress), 0, 0, 0};
    assert_status(fac_cache_clear(live.cache, NULL, &progress, &err), FAC_OK, &err);
    assert_int_equal(progress.n_removed, 0);
    live_end(&live);
}

static void test_conformance__clear_goes_on_where_it_stopped(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fill(live.cache, N_KEYS);
    fac_clear_progress progress = {sizeof(progress), 0, 0, 0};
    fac_error err;
    fac_status st = FAC_E_TIMEOUT;
    /* After a step that was cut short there may be a handshake of TLS, which https has, too. */
    uint32_t first_ms = live.options.tls == FAC_YES || live.options.url != NULL ? 50 : 1;
    for (uint32_t round = 0; st == FAC_E_TIMEOUT && round < 10000; round++) {
        /* One millisecond may be too little for one step on a busy machine. */
        fac_call call = fac_call_within(first_ms + round / 100);
        fac_clear_progress before = progress;
        st = fac_cache_clear(live.cache, &call, &progress, &err);
        assert_true(progress.n_removed >= before.n_removed);
        assert_true(progress.n_scanned >= before.n_scanned);
    }
    assert_status(st, FAC_OK, &err);
    assert_int_equal(progress.cursor, 0);
    assert_true(progress.n_removed <= N_KEYS);
    live_expect_miss(live.cache, fac_str("key:1"));
    if (live.has_server) {
        assert_string_equal(kit_raw_ask(live_raw(&live), "DBSIZE", NULL), "0");
    }
    live_end(&live);
}

static void test_conformance__clear_refuses_an_empty_prefix(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.prefix = "";
    live_open(&live);
    fac_error err;
    fac_clear_progress progress = {sizeof(progress), 0, 0, 0};
    live_set(live.cache, fac_str("k"), "v");
    live_expect_error(fac_cache_clear(live.cache, NULL, &progress, &err), FAC_E_INVALID, &err);
    live_expect_error(fac_cache_clear(live.cache, NULL, NULL, &err), FAC_E_INVALID, &err);
    assert_int_equal(progress.n_removed, 0);
    live_expect(live.cache, fac_str("k"), "v");
    live_end(&live);
}

/* Prefixes that mean something to a glob, and keys outside them that a glob would match. */
static const struct {
    const char *prefix;
    const char *outside[4];
} k_globs[] = {
    {"*", {"a", "aa:1", "cache:k"}},
    {"a*b:", {"aXb:1", "ab:1", "a:b:1", "aXXb:k"}},
    {"q?x:", {"qax:1", "q*x:1", "qxx:k"}},
    {"[ab]:", {"a:1", "b:k", "[ab]", "[ac]:1"}},
    {"[^a]:", {"b:1", "^:k"}},
    {"back\\slash:", {"backslash:1", "back\\\\slash:1", "back/slash:k"}},
    {"\\*:", {"*:1", "x:1", "\\x:k"}},
    {"end\\", {"end", "end*", "endk"}},
    {"br]ack[et:", {"bracket:1", "br]acket:k"}},
    {"a{b}:", {"ab:1", "a{c}:k"}},
    {"cache:", {"cache", "cache;k", "Cache:k", "xcache:k"}},
    {"\xff\xfe:", {"\xff:k", "\xfe\xff:k"}},
};

static void clear_one_glob(struct live *live, size_t index)
{
    fac_error err;
    live->options.prefix = k_globs[index].prefix;
    live_open(live);
    static const char *const k_inside[] = {"k", "1", "*", "?[x]\\", "a:b"};
    for (size_t i = 0; i < KIT_COUNT(k_inside); i++) {
        live_set(live->cache, fac_str(k_inside[i]), "in");
    }
    size_t n_outside = 0;
    while (live->has_server && n_outside < 4 && k_globs[index].outside[n_outside] != NULL) {
        const char *name = k_globs[index].outside[n_outside++];
        assert_string_equal(kit_raw_ask(live_raw(live), "SET", name, "out", NULL), "OK");
    }
    fac_clear_progress progress = {sizeof(progress), 0, 0, 0};
    assert_status(fac_cache_clear(live->cache, NULL, &progress, &err), FAC_OK, &err);
    assert_int_equal(progress.n_removed, KIT_COUNT(k_inside));
    for (size_t i = 0; i < KIT_COUNT(k_inside); i++) {
        live_expect_miss(live->cache, fac_str(k_inside[i]));
    }
    for (size_t i = 0; i < n_outside; i++) {
        assert_string_equal(kit_raw_ask(live_raw(live), "GET", k_globs[index].outside[i], NULL),
                            "out");
    }
    if (live->has_server) {
        assert_int_equal(strtol(kit_raw_ask(live_raw(live), "DBSIZE", NULL), NULL, 10),
                         n_outside);
        assert_string_equal(kit_raw_ask(live_raw(live), "FLUSHALL", NULL), "OK");
    }
    fac_cache_close(live->cache);
    live->cache = NULL;
}

static void test_conformance__clear_takes_a_prefix_literally(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    for (size_t i = 0; i < KIT_COUNT(k_globs); i++) {
        clear_one_glob(&live, i);
    }
    live_end(&live);
}

static void test_conformance__clear_checks_its_progress(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    live_set(live.cache, fac_str("k"), "v");
    fac_clear_progress progress = {0, 0, 0, 0};
    live_expect_error(fac_cache_clear(live.cache, NULL, &progress, &err), FAC_E_INVALID, &err);
    live_expect(live.cache, fac_str("k"), "v");
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_conformance__clear_removes_all),
    KIT_TEST(test_conformance__clear_goes_on_where_it_stopped),
    KIT_TEST(test_conformance__clear_refuses_an_empty_prefix),
    KIT_TEST(test_conformance__clear_takes_a_prefix_literally),
    KIT_TEST(test_conformance__clear_checks_its_progress),
};

KIT_MAIN(k_tests)
