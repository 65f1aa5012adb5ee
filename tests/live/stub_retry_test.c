/* SPDX-License-Identifier: MIT */
/* What is sent again and what never is, seen from the other end: a scripted server counts. */
#include "kit/kit.h"
#include "kit/stub.h"
#include "live/live.h"

#include <string.h>

#define EXPECT(name)             \
    {                            \
        KIT_EXPECT, (name), NULL \
    }
#define SAY(text)             \
    {                         \
        KIT_SAY, (text), NULL \
    }
#define SHUT                 \
    {                        \
        KIT_SHUT, NULL, NULL \
    }
#define RESET                 \
    {                         \
        KIT_RESET, NULL, NULL \
    }
#define STALL                 \
    {                         \
        KIT_STALL, NULL, NULL \
    }
#define SERVE                 \
    {                         \
        KIT_SERVE, NULL, NULL \
    }

static const struct kit_step k_serve[] = {SERVE};

/* A cache on a stub that does `first` on its first connection and serves on all others. */
struct scene {
    struct kit_stub *stub;
    fac_cache *cache;
};

static void begin(struct scene *scene, const struct kit_step *first, uint32_t timeout_ms,
                  fac_choice retry_on_timeout)
{
    const struct kit_step *const scripts[] = {first, k_serve};
    struct kit_stub_options stub_options = {.scripts = scripts, .n_scripts = 2};
    scene->stub = kit_stub_start(&stub_options);
    fac_options options;
    live_point_at(&options, kit_stub_port(scene->stub));
    options.timeout_ms = timeout_ms;
    options.retry_on_timeout = retry_on_timeout;
    fac_error err;
    scene->cache = NULL;
    assert_status(fac_cache_open(&options, &scene->cache, &err), FAC_OK, &err);
    /* The scripts speak of connections in the order of their use. */
    assert_int_equal(kit_stub_connections(scene->stub), 1);
}

static void end(struct scene *scene)
{
    fac_cache_close(scene->cache);
    kit_stub_stop(scene->stub);
}

static void test_stub_retry__read_after_a_timeout(void **state)
{
    (void)state;
    static const struct kit_step k_ignore[] = {EXPECT("GET"), STALL};
    struct scene scene;
    begin(&scene, k_ignore, 4000, FAC_YES);
    int64_t before_ms = kit_now_ms();
    live_expect(scene.cache, fac_str("k"), "served");
    assert_in_range(kit_now_ms() - before_ms, 1900, 4000);
    fac_stats stats = live_stats(scene.cache);
    assert_int_equal(stats.retries, 1);
    assert_int_equal(stats.errors, 0);
    assert_int_equal(stats.timeouts, 0);
    assert_int_equal(kit_stub_commands(scene.stub, "GET"), 2);
    end(&scene);
}

static void test_stub_retry__no_read_after_a_timeout_when_off(void **state)
{
    (void)state;
    static const struct kit_step k_ignore[] = {EXPECT("GET"), STALL};
    struct scene scene;
    begin(&scene, k_ignore, LIVE_TIMEOUT_MS, FAC_NO);
    fac_call call = fac_call_within(500);
    fac_error err;
    fac_value *value = NULL;
    int64_t before_ms = kit_now_ms();
    live_expect_error(fac_cache_get(scene.cache, fac_str("k"), &call, &value, &err),
                      FAC_E_TIMEOUT, &err);
    assert_in_range(kit_now_ms() - before_ms, 490, 500 + kit_margin_ms());
    assert_false(err.maybe_applied);
    assert_null(value);
    fac_stats stats = live_stats(scene.cache);
    assert_int_equal(stats.retries, 0);
    assert_int_equal(stats.errors, 1);
    assert_int_equal(stats.timeouts, 1);
    KIT_WAIT_FOR(LIVE_HEAL_MS, kit_stub_commands(scene.stub, "GET") >= 1);
    assert_int_equal(kit_stub_commands(scene.stub, "GET"), 1);
    /* The next call is none the worse. */
    live_expect(scene.cache, fac_str("k"), "served");
    end(&scene);
}

static void test_stub_retry__read_after_a_lost_connection(void **state)
{
    (void)state;
    static const struct kit_step k_lost[][4] = {
        {EXPECT("GET"), SHUT},
        {EXPECT("GET"), RESET},
        {EXPECT("GET"), SAY("$6\r\nser"), SHUT},
        {EXPECT("GET"), SAY("$"), RESET},
    };
    for (size_t i = 0; i < KIT_COUNT(k_lost); i++) {
        struct scene scene;
        begin(&scene, k_lost[i], LIVE_TIMEOUT_MS, FAC_NO);
        live_expect(scene.cache, fac_str("k"), "served");
        assert_int_equal(live_stats(scene.cache).retries, 1);
        assert_int_equal(kit_stub_commands(scene.stub, "GET"), 2);
        end(&scene);
    }
}

static fac_status write_one(fac_cache *cache, const char *verb, const fac_call *call,
                            fac_error *err)
{
    fac_bytes key = fac_str("k");
    int64_t number = 0;
    if (strcmp(verb, "set") == 0) {
        return fac_cache_set(cache, key, key, FAC_TTL_NONE, call, err);
    }
    if (strcmp(verb, "add") == 0) {
        return fac_cache_add(cache, key, key, FAC_TTL_NONE, call, err);
    }
    if (strcmp(verb, "delete") == 0) {
        return fac_cache_delete(cache, key, call, err);
    }
    if (strcmp(verb, "touch") == 0) {
        return fac_cache_touch(cache, key, 5000, call, err);
    }
    int64_t ttl_ms = strcmp(verb, "increment_ttl") == 0 ? 5000 : FAC_TTL_NONE;
    return fac_cache_increment(cache, key, 1, ttl_ms, call, &number, err);
}

static void test_stub_retry__no_write_after_a_timeout(void **state)
{
    (void)state;
    static const char *const k_verbs[] = {"set", "add", "delete", "increment"};
    static const struct kit_step k_ignore[] = {EXPECT(NULL), STALL};
    for (size_t i = 0; i < KIT_COUNT(k_verbs); i++) {
        struct scene scene;
        begin(&scene, k_ignore, LIVE_TIMEOUT_MS, FAC_YES);
        fac_call call = fac_call_within(300);
        fac_error err;
        int64_t before_ms = kit_now_ms();
        live_expect_error(write_one(scene.cache, k_verbs[i], &call, &err), FAC_E_TIMEOUT, &err);
        assert_in_range(kit_now_ms() - before_ms, 290, 300 + kit_margin_ms());
        assert_true(err.maybe_applied);
        assert_int_equal(live_stats(scene.cache).retries, 0);
        live_expect(scene.cache, fac_str("k"), "served");
        /* Only the first connection's one: the GET above went to the second. */
        KIT_WAIT_FOR(LIVE_HEAL_MS, kit_stub_commands(scene.stub, NULL) >= 2);
        assert_int_equal(kit_stub_commands(scene.stub, NULL), 2);
        end(&scene);
    }
}

static void test_stub_retry__set_after_a_lost_connection(void **state)
{
    (void)state;
    static const struct kit_step k_lost[] = {EXPECT("SET"), SHUT};
    struct scene scene;
    begin(&scene, k_lost, LIVE_TIMEOUT_MS, FAC_YES);
    fac_error err;
    assert_status(write_one(scene.cache, "set", NULL, &err), FAC_OK, &err);
    assert_false(err.maybe_applied);
    assert_int_equal(kit_stub_commands(scene.stub, "SET"), 2);
    assert_int_equal(live_stats(scene.cache).retries, 1);
    end(&scene);
}

static void test_stub_retry__add_and_increment_never(void **state)
{
    (void)state;
    static const char *const k_verbs[] = {"add", "increment"};
    static const struct kit_step k_lost[][2] = {{EXPECT(NULL), SHUT}, {EXPECT(NULL), RESET}};
    for (size_t i = 0; i < 4; i++) {
        struct scene scene;
        begin(&scene, k_lost[i / 2], LIVE_TIMEOUT_MS, FAC_YES);
        fac_error err;
        live_expect_error(write_one(scene.cache, k_verbs[i % 2], NULL, &err), FAC_E_UNAVAILABLE,
                          &err);
        assert_true(err.maybe_applied);
        assert_int_equal(live_stats(scene.cache).retries, 0);
        /* Nothing was sent a second time: what comes next is the next call. */
        assert_int_equal(kit_stub_commands(scene.stub, NULL), 1);
        live_expect(scene.cache, fac_str("k"), "served");
        assert_int_equal(kit_stub_commands(scene.stub, NULL), 2);
        end(&scene);
    }
}

static void test_stub_retry__a_cut_transaction_is_unknown(void **state)
{
    (void)state;
    /* MULTI was answered, what follows was not. */
    static const struct kit_step k_lost[][4] = {
        {EXPECT(NULL), SHUT},
        {EXPECT(NULL), SAY("+OK\r\n"), SHUT},
        {EXPECT(NULL), SAY("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK"), RESET},
    };
    for (size_t i = 0; i < KIT_COUNT(k_lost); i++) {
        struct scene scene;
        begin(&scene, k_lost[i], LIVE_TIMEOUT_MS, FAC_YES);
        fac_error err;
        live_expect_error(write_one(scene.cache, "increment_ttl", NULL, &err),
                          FAC_E_UNAVAILABLE, &err);
        assert_true(err.maybe_applied);
        live_expect(scene.cache, fac_str("k"), "served");
        assert_int_equal(kit_stub_connections(scene.stub), 2);
        assert_int_equal(live_stats(scene.cache).retries, 0);
        end(&scene);
    }
}

static const struct kit_step k_lost_one[] = {EXPECT(NULL), SHUT};
static const struct kit_step k_answer_zero[] = {EXPECT(NULL), SAY(":0\r\n"), SERVE};

static void test_stub_retry__resent_delete_and_touch_are_ok(void **state)
{
    (void)state;
    static const char *const k_verbs[] = {"delete", "touch"};
    for (size_t i = 0; i < KIT_COUNT(k_verbs); i++) {
        /* The first may have done it, so the second's 0 is no miss. */
        const struct kit_step *const scripts[] = {k_lost_one, k_answer_zero};
        struct kit_stub_options stub_options = {.scripts = scripts, .n_scripts = 2};
        struct kit_stub *stub = kit_stub_start(&stub_options);
        fac_options options;
        live_point_at(&options, kit_stub_port(stub));
        fac_cache *cache = NULL;
        fac_error err;
        assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
        assert_status(write_one(cache, k_verbs[i], NULL, &err), FAC_OK, &err);
        assert_int_equal(live_stats(cache).retries, 1);
        assert_int_equal(kit_stub_commands(stub, NULL), 2);
        fac_cache_close(cache);
        kit_stub_stop(stub);
    }
    /* Not resent, 0 is a miss. */
    struct scene scene;
    begin(&scene, k_answer_zero, LIVE_TIMEOUT_MS, FAC_YES);
    fac_error err;
    assert_status(write_one(scene.cache, "delete", NULL, &err), FAC_MISS, &err);
    end(&scene);
}

static void test_stub_retry__a_connection_lost_while_idle_costs_nobody(void **state)
{
    (void)state;
    /* Closed before the next call: nothing of it was sent, so even these go out anew. */
    static const char *const k_verbs[] = {"set", "delete", "touch"};
    static const struct kit_step k_hang_up[] = {EXPECT("GET"), SAY("$1\r\na\r\n"), SHUT};
    for (size_t i = 0; i < KIT_COUNT(k_verbs); i++) {
        struct scene scene;
        begin(&scene, k_hang_up, LIVE_TIMEOUT_MS, FAC_YES);
        live_expect(scene.cache, fac_str("k"), "a");
        fac_error err;
        assert_status(write_one(scene.cache, k_verbs[i], NULL, &err), FAC_OK, &err);
        assert_int_equal(live_stats(scene.cache).errors, 0);
        end(&scene);
    }
}

struct late {
    fac_cache *cache;
    fac_status got;
};

/* On a connection of its own. */
static void get_slowly(size_t index, void *context)
{
    struct late *late = context;
    (void)index;
    const fac_bytes args[] = {fac_str("GET"), fac_str("slow")};
    fac_reply *reply = NULL;
    late->got = fac_cache_command(late->cache, args, KIT_COUNT(args), NULL, &reply, NULL);
    fac_reply_free(reply);
}

static void test_stub_retry__waiting_for_a_connection_counts(void **state)
{
    (void)state;
    struct kit_gate gate;
    kit_gate_init(&gate);
    const struct kit_step slow[] = {
        EXPECT("GET"), {KIT_AWAIT, NULL, &gate}, SAY("$4\r\nslow\r\n"), SERVE};
    const struct kit_step *const scripts[] = {slow};
    struct kit_stub_options stub_options = {.scripts = scripts, .n_scripts = 1};
    struct kit_stub *stub = kit_stub_start(&stub_options);
    fac_options options;
    live_point_at(&options, kit_stub_port(stub));
    options.max_connections = 1;
    options.retry_on_timeout = FAC_NO;
    fac_error err;
    struct late late = {NULL, FAC_E_BUSY};
    assert_status(fac_cache_open(&options, &late.cache, &err), FAC_OK, &err);
    struct kit_threads *threads = kit_threads_start(1, get_slowly, &late);
    KIT_WAIT_FOR(10000, kit_stub_commands(stub, "GET") == 1);
    int64_t before_ms = kit_now_ms();
    live_expect_error(live_try_get(late.cache, "k", 150, &err), FAC_E_TIMEOUT, &err);
    assert_in_range(kit_now_ms() - before_ms, 140, 150 + kit_margin_ms());
    assert_false(err.maybe_applied);
    fac_call call = fac_call_within(50);
    live_expect_error(write_one(late.cache, "increment", &call, &err), FAC_E_TIMEOUT, &err);
    assert_false(err.maybe_applied); /* never sent, and it says so */
    kit_gate_open(&gate);
    kit_threads_join(threads);
    assert_int_equal(late.got, FAC_OK);
    live_expect(late.cache, fac_str("k"), "served");
    assert_int_equal(kit_stub_connections(stub), 1);
    assert_int_equal(kit_stub_commands(stub, "INCRBY"), 0);
    fac_cache_close(late.cache);
    kit_stub_stop(stub);
    kit_gate_fini(&gate);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_stub_retry__read_after_a_timeout),
    KIT_TEST(test_stub_retry__no_read_after_a_timeout_when_off),
    KIT_TEST(test_stub_retry__read_after_a_lost_connection),
    KIT_TEST(test_stub_retry__no_write_after_a_timeout),
    KIT_TEST(test_stub_retry__set_after_a_lost_connection),
    KIT_TEST(test_stub_retry__add_and_increment_never),
    KIT_TEST(test_stub_retry__a_cut_transaction_is_unknown),
    KIT_TEST(test_stub_retry__resent_delete_and_touch_are_ok),
    KIT_TEST(test_stub_retry__a_connection_lost_while_idle_costs_nobody),
    KIT_TEST(test_stub_retry__waiting_for_a_connection_counts),
};

KIT_MAIN(k_tests)
