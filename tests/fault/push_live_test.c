/* SPDX-License-Identifier: MIT */
/* Row A6 with real servers: the push that they send on demand, among the calls of many threads. */
#include "kit/kit.h"
#include "kit/wait.h"
#include "live/live.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    THREADS = 8,
    KEY_BYTES = 32,
    CONFIG_LINES = 2
};

static const char *const k_config[CONFIG_LINES] = {"enable-debug-command yes", NULL};

struct callers {
    fac_cache *cache;
    size_t n_calls;
    bool is_resp3;
    atomic_size_t n_pushes;
    atomic_size_t n_wrong;
};

static fac_status debug_push(fac_cache *cache, fac_reply **out, fac_error *err)
{
    const fac_bytes args[] = {fac_str("DEBUG"), fac_str("PROTOCOL"), fac_str("push")};
    return fac_cache_command(cache, args, KIT_COUNT(args), NULL, out, err);
}

/* The server pushes, then answers. RESP2 has no pushes: there it refuses. */
static bool push_right(struct callers *callers)
{
    static const char k_answer[] = "Some real reply following the push reply";
    fac_reply *reply = NULL;
    fac_status st = debug_push(callers->cache, &reply, NULL);
    fac_bytes text = fac_reply_bytes(reply);
    bool is_answer = st == FAC_OK && text.len == strlen(k_answer) &&
                     memcmp(text.data, k_answer, text.len) == 0;
    (void)atomic_fetch_add(&callers->n_pushes, is_answer ? 1U : 0U);
    fac_reply_free(reply);
    return callers->is_resp3 ? is_answer : st == FAC_E_SERVER;
}

static bool get_right(fac_cache *cache, const char *key, size_t number)
{
    char want[2 * KEY_BYTES];
    char buf[2 * KEY_BYTES];
    size_t len = 0;
    (void)snprintf(want, sizeof(want), "%s=%zu", key, number);
    fac_bytes name = fac_str(key);
    return fac_cache_set(cache, name, fac_str(want), FAC_TTL_NONE, NULL, NULL) == FAC_OK &&
           fac_cache_get_into(cache, name, NULL, buf, sizeof(buf), &len, NULL) == FAC_OK &&
           len == strlen(want) && memcmp(buf, want, len) == 0;
}

static void call_all(size_t index, void *argument)
{
    struct callers *callers = argument;
    char key[KEY_BYTES / 2];
    (void)snprintf(key, sizeof(key), "key%zu", index);
    for (size_t i = 0; i < callers->n_calls; i++) {
        if (!push_right(callers) || !get_right(callers->cache, key, i)) {
            (void)atomic_fetch_add(&callers->n_wrong, 1U);
        }
    }
}

static void test_push_live__answers_nobody(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, k_config);
    live.options.max_connections = 4;
    live_open(&live);
    struct callers callers = {.cache = live.cache,
                              .n_calls = kit_scaled(20000) / THREADS + 1,
                              .is_resp3 = live.protocol == 3};
    kit_threads_join(kit_threads_start(THREADS, call_all, &callers));
    assert_int_equal(atomic_load(&callers.n_wrong), 0);
    if (callers.is_resp3) {
        assert_int_equal(atomic_load(&callers.n_pushes), callers.n_calls * THREADS);
    }
    assert_int_equal(live_stats(live.cache).disconnects, 0);
    (void)printf("%zu pushes\n", atomic_load(&callers.n_pushes));
    live_end(&live);
}

/* Nobody gets a connection into a state in which it is pushed to by everybody. */
static void test_push_live__subscribing_is_refused(void **state)
{
    (void)state;
    static const char *const k_refused[] = {"SUBSCRIBE",   "PSUBSCRIBE", "SSUBSCRIBE",
                                            "subscribe",   "MONITOR",    "UNSUBSCRIBE",
                                            "PUNSUBSCRIBE"};
    struct live live;
    live_begin(&live);
    for (size_t i = 0; i < KIT_COUNT(k_refused); i++) {
        const fac_bytes args[] = {fac_str(k_refused[i]), fac_str("channel")};
        fac_reply *reply = NULL;
        fac_error err;
        live_expect_error(fac_cache_command(live.cache, args, 2, NULL, &reply, &err),
                          FAC_E_UNSUPPORTED, &err);
        assert_null(reply);
    }
    const char *heard = kit_raw_ask(live_raw(&live), "PUBLISH", "channel", "x", NULL);
    assert_string_equal(heard, "0");
    live_set(live.cache, fac_str("k"), "v");
    live_expect(live.cache, fac_str("k"), "v");
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_push_live__answers_nobody),
    KIT_TEST(test_push_live__subscribing_is_refused),
};

KIT_MAIN(k_tests)
