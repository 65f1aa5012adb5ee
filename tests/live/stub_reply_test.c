/* SPDX-License-Identifier: MIT */
/* Replies as no healthy server gives them: each ends in the right status, and the next call in a
 * value. */
#include "kit/kit.h"
#include "kit/memory.h"
#include "kit/stub.h"
#include "live/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(name)             \
    {                            \
        KIT_EXPECT, (name), NULL \
    }
#define SAY(text)             \
    {                         \
        KIT_SAY, (text), NULL \
    }
#define TRICKLE(text)             \
    {                             \
        KIT_TRICKLE, (text), NULL \
    }
#define SHUT                 \
    {                        \
        KIT_SHUT, NULL, NULL \
    }
#define SERVE                 \
    {                         \
        KIT_SERVE, NULL, NULL \
    }

static const struct kit_step k_serve[] = {SERVE};

static struct kit_stub *start(const struct kit_step *first, bool is_resp2)
{
    const struct kit_step *const scripts[] = {first, k_serve};
    struct kit_stub_options options = {
        .scripts = scripts, .n_scripts = 2, .is_resp2 = is_resp2};
    return kit_stub_start(&options);
}

static fac_cache *open_at(struct kit_stub *stub)
{
    fac_options options;
    live_point_at(&options, kit_stub_port(stub));
    fac_cache *cache = NULL;
    fac_error err;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    return cache;
}

static fac_status do_verb(fac_cache *cache, const char *verb, fac_error *err)
{
    fac_bytes key = fac_str("k");
    fac_value *value = NULL;
    char buf[16];
    size_t len = 0;
    int64_t number = 0;
    fac_status st = FAC_E_INVALID;
    if (strcmp(verb, "GET") == 0) {
        st = fac_cache_get(cache, key, NULL, &value, err);
        fac_value_unref(value);
    } else if (strcmp(verb, "GET_INTO") == 0) {
        st = fac_cache_get_into(cache, key, NULL, buf, sizeof(buf), &len, err);
    } else if (strcmp(verb, "SET") == 0) {
        st = fac_cache_set(cache, key, key, FAC_TTL_NONE, NULL, err);
    } else if (strcmp(verb, "DEL") == 0) {
        st = fac_cache_delete(cache, key, NULL, err);
    } else if (strcmp(verb, "EXISTS") == 0) {
        st = fac_cache_exists(cache, key, NULL, err);
    } else if (strcmp(verb, "PTTL") == 0) {
        st = fac_cache_ttl(cache, key, NULL, &number, err);
    } else if (strcmp(verb, "PEXPIRE") == 0) {
        st = fac_cache_touch(cache, key, 5000, NULL, err);
    } else if (strcmp(verb, "INCRBY") == 0) {
        st = fac_cache_increment(cache, key, 1, FAC_TTL_NONE, NULL, &number, err);
    } else if (strcmp(verb, "MGET") == 0) {
        fac_status status = FAC_OK;
        st = fac_cache_get_many(cache, &key, 1, NULL, &value, &status, err);
        fac_value_unref(value);
    }
    return st;
}

static void test_stub_reply__of_the_wrong_shape(void **state)
{
    (void)state;
    static const struct {
        const char *verb;
        const char *reply;
    } k_cases[] = {
        {"GET", ":5\r\n"},
        {"GET", "*1\r\n$1\r\na\r\n"},
        {"GET", "%1\r\n+a\r\n+b\r\n"},
        {"GET", "#t\r\n"},
        {"GET", "$-2\r\n"},
        {"GET", "$5\r\nhelloXX"},
        {"GET", "$05\r\nhello\r\n"},
        {"GET", "HTTP/1.1 400 Bad Request\r\n\r\n"},
        {"GET", "\r\n"},
        {"GET", "$99999999999999999999\r\n"},
        {"GET_INTO", ":5\r\n"},
        {"GET_INTO", "~1\r\n:1\r\n"},
        {"SET", ":1\r\n"},
        {"SET", "*0\r\n"},
        {"DEL", "+OK\r\n"},
        {"DEL", "$1\r\n1\r\n"},
        {"DEL", "_\r\n"},
        {"EXISTS", "+OK\r\n"},
        {"EXISTS", "*1\r\n:1\r\n"},
        {"PTTL", "$1\r\n1\r\n"},
        {"PTTL", "_\r\n"},
        {"PEXPIRE", "+OK\r\n"},
        {"INCRBY", "%0\r\n"},
        {"MGET", ":1\r\n"},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        const struct kit_step first[] = {
            EXPECT(NULL), SAY(k_cases[i].reply), {KIT_END, NULL, NULL}};
        struct kit_stub *stub = start(first, false);
        fac_cache *cache = open_at(stub);
        fac_error err;
        fac_status got = do_verb(cache, k_cases[i].verb, &err);
        if (got != FAC_E_PROTOCOL) {
            (void)fprintf(stderr, "%s answered by %s\n", k_cases[i].verb, k_cases[i].reply);
        }
        live_expect_error(got, FAC_E_PROTOCOL, &err);
        /* Where one thing was wrong nothing more is believed. */
        live_expect(cache, fac_str("k"), "served");
        assert_int_equal(kit_stub_connections(stub), 2);
        assert_int_equal(live_stats(cache).disconnects, 1);
        fac_cache_close(cache);
        kit_stub_stop(stub);
    }
}

static void test_stub_reply__that_nobody_asked_for(void **state)
{
    (void)state;
    static const struct kit_step k_two[] = {
        EXPECT("GET"), SAY("$1\r\na\r\n$5\r\nwrong\r\n"), {KIT_END, NULL, NULL}};
    struct kit_stub *stub = start(k_two, false);
    fac_cache *cache = open_at(stub);
    /* The first answer is good; the second must reach nobody. */
    fac_error err;
    fac_value *value = NULL;
    fac_status st = fac_cache_get(cache, fac_str("k"), NULL, &value, &err);
    assert_true(st == FAC_OK || st == FAC_E_PROTOCOL);
    if (st == FAC_OK) {
        assert_string_equal(fac_value_bytes(value).data, "a");
        fac_value_unref(value);
    }
    for (int i = 0; i < 5; i++) {
        live_expect(cache, fac_str("k"), "served");
    }
    fac_cache_close(cache);
    kit_stub_stop(stub);
}

static void test_stub_reply__byte_by_byte(void **state)
{
    (void)state;
    static const struct kit_step k_slow[] = {EXPECT("GET"), TRICKLE("$11\r\nhello\r\nyou!\r\n"),
                                             EXPECT("GET"), TRICKLE("_\r\n"),
                                             EXPECT("GET"), TRICKLE("$-1\r\n"),
                                             EXPECT("SET"), TRICKLE("+OK\r\n"),
                                             SERVE};
    for (int is_resp2 = 0; is_resp2 < 2; is_resp2++) {
        struct kit_stub *stub = start(k_slow, is_resp2 == 1);
        fac_cache *cache = open_at(stub);
        live_expect(cache, fac_str("k"), "hello\r\nyou!");
        live_expect_miss(cache, fac_str("k"));
        live_expect_miss(cache, fac_str("k"));
        live_set(cache, fac_str("k"), "v");
        live_expect(cache, fac_str("k"), "served");
        assert_int_equal(kit_stub_connections(stub), 1);
        fac_cache_close(cache);
        kit_stub_stop(stub);
    }
}

static void test_stub_reply__pushes_are_no_replies(void **state)
{
    (void)state;
#define PUSH ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n"
    static const struct kit_step k_pushy[] = {EXPECT("GET"),
                                              SAY(PUSH "$1\r\na\r\n"),
                                              EXPECT("GET"),
                                              SAY("$1\r\nb\r\n" PUSH PUSH),
                                              EXPECT("GET"),
                                              SAY(">1\r\n$1\r\nx\r\n"),
                                              SAY("$1\r\nc\r\n"),
                                              EXPECT("GET"),
                                              TRICKLE(PUSH "$1\r\nd\r\n"),
                                              SAY(">0\r\n"),
                                              EXPECT("DEL"),
                                              SAY(PUSH ":1\r\n"),
                                              SERVE};
    struct kit_stub *stub = start(k_pushy, false);
    fac_cache *cache = open_at(stub);
    fac_error err;
    live_expect(cache, fac_str("k"), "a");
    live_expect(cache, fac_str("k"), "b");
    live_expect(cache, fac_str("k"), "c");
    live_expect(cache, fac_str("k"), "d");
    assert_status(fac_cache_delete(cache, fac_str("k"), NULL, &err), FAC_OK, &err);
    live_expect(cache, fac_str("k"), "served");
    assert_int_equal(kit_stub_connections(stub), 1);
    fac_cache_close(cache);
    kit_stub_stop(stub);
}

static void test_stub_reply__errors_become_statuses(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        const char *code;
        fac_status want;
    } k_cases[] = {
        {"-LOADING Redis is loading the dataset in memory\r\n", "LOADING", FAC_E_UNAVAILABLE},
        {"-MASTERDOWN Link with MASTER is down\r\n", "MASTERDOWN", FAC_E_UNAVAILABLE},
        {"-CLUSTERDOWN The cluster is down\r\n", "CLUSTERDOWN", FAC_E_UNAVAILABLE},
        {"-TRYAGAIN Multiple keys request\r\n", "TRYAGAIN", FAC_E_UNAVAILABLE},
        {"-BUSY Redis is busy running a script.\r\n", "BUSY", FAC_E_UNAVAILABLE},
        {"-READONLY You can't write against a read only replica.\r\n", "READONLY",
         FAC_E_SERVER},
        {"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "OOM", FAC_E_SERVER},
        {"-MISCONF Errors writing to the AOF file\r\n", "MISCONF", FAC_E_SERVER},
        {"-NOREPLICAS Not enough good replicas to write.\r\n", "NOREPLICAS", FAC_E_SERVER},
        {"-NOPERM this user has no permissions\r\n", "NOPERM", FAC_E_AUTH},
        {"-NOAUTH Authentication required.\r\n", "NOAUTH", FAC_E_AUTH},
        {"-ERR unknown command 'GET'\r\n", "ERR", FAC_E_SERVER},
        {"!21\r\nSYNTAX invalid syntax\r\n", "SYNTAX", FAC_E_SERVER},
        {"-\r\n", "", FAC_E_SERVER},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        const struct kit_step first[] = {EXPECT("SET"), SAY(k_cases[i].reply), SERVE};
        struct kit_stub *stub = start(first, false);
        fac_cache *cache = open_at(stub);
        fac_error err;
        live_expect_error(do_verb(cache, "SET", &err), k_cases[i].want, &err);
        assert_string_equal(err.server_code, k_cases[i].code);
        assert_false(err.maybe_applied);
        live_expect(cache, fac_str("k"), "served");
        /* The refusal of a command is not the end of a connection. */
        assert_int_equal(kit_stub_connections(stub), 1);
        fac_cache_close(cache);
        kit_stub_stop(stub);
    }
}

/* Refuses every command. */
static void refuse_all(struct kit_stub_conn *conn, void *context)
{
    (void)context;
    bool is_said = true;
    while (is_said && kit_stub_next(conn) != NULL) {
        is_said = kit_stub_say(conn, "-ERR not today\r\n");
    }
}

static void be_refused(fac_cache *cache, size_t n_times)
{
    for (size_t i = 0; i < n_times; i++) {
        fac_error err;
        live_expect_error(do_verb(cache, "SET", &err), FAC_E_SERVER, &err);
    }
}

/* Catches: what a refused request took on its connection and is given back only at the end. */
static void test_stub_reply__errors_leave_nothing_behind(void **state)
{
    (void)state;
    enum {
        TIMES = 300,
        SLACK_BYTES = 16 * 1024 /* less than each of them took */
    };
    struct kit_memory memory;
    kit_memory_init(&memory);
    struct kit_stub_options stub_options = {.fn = refuse_all};
    struct kit_stub *stub = kit_stub_start(&stub_options);
    fac_options options;
    live_point_at(&options, kit_stub_port(stub));
    options.allocator = &memory.hook;
    fac_cache *cache = NULL;
    fac_error err;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    be_refused(cache, TIMES);
    size_t before_bytes = atomic_load(&memory.n_bytes);
    be_refused(cache, TIMES);
    assert_in_range(atomic_load(&memory.n_bytes), 1, before_bytes + SLACK_BYTES);
    assert_int_equal(kit_stub_connections(stub), 1);
    fac_cache_close(cache);
    kit_stub_stop(stub);
    kit_memory_assert_empty(&memory);
}

static void test_stub_reply__errors_cannot_forge_a_line(void **state)
{
    (void)state;
    static char long_error[3000];
    memset(long_error, 'e', sizeof(long_error) - 3);
    memcpy(long_error, "-LONG\x1b[31m\t", 11);
    memcpy(long_error + sizeof(long_error) - 3, "\r\n", 3);
    const struct kit_step first[] = {EXPECT("GET"), SAY(long_error), SERVE};
    struct kit_stub *stub = start(first, false);
    fac_cache *cache = open_at(stub);
    fac_error err;
    live_expect_error(do_verb(cache, "GET", &err), FAC_E_SERVER, &err);
    assert_null(strpbrk(err.message, "\x1b\t\r\n"));
    assert_null(strpbrk(err.server_code, "\x1b\t\r\n"));
    assert_non_null(memchr(err.message, '\0', sizeof(err.message)));
    assert_contains(err.message, "eeee");
    live_expect(cache, fac_str("k"), "served");
    fac_cache_close(cache);
    kit_stub_stop(stub);
}

static void test_stub_reply__too_many_clients_before_any_request(void **state)
{
    (void)state;
    static const struct kit_step k_full[] = {SAY("-ERR max number of clients reached\r\n"),
                                             SHUT};
    const struct kit_step *const scripts[] = {k_full};
    struct kit_stub_options stub_options = {
        .scripts = scripts, .n_scripts = 1, .is_bare = true};
    struct kit_stub *stub = kit_stub_start(&stub_options);
    fac_options options;
    live_point_at(&options, kit_stub_port(stub));
    fac_cache *cache = NULL;
    fac_error err;
    live_expect_error(fac_cache_open(&options, &cache, &err), FAC_E_UNAVAILABLE, &err);
    assert_contains(err.message, "max number of clients reached");
    assert_null(cache);
    kit_stub_stop(stub);
}

static void test_stub_reply__loading_at_start_is_not_ready(void **state)
{
    (void)state;
    static const struct kit_step k_loading[] = {
        EXPECT("GET"), SAY("-LOADING Redis is loading\r\n"), EXPECT("GET"),
        SAY("-LOADING Redis is loading\r\n"), SERVE};
    struct kit_stub *stub = start(k_loading, false);
    fac_cache *cache = open_at(stub);
    fac_error err;
    KIT_WAIT_FOR(LIVE_HEAL_MS, do_verb(cache, "GET", &err) == FAC_OK);
    assert_in_range(kit_stub_connections(stub), 1, 3);
    fac_cache_close(cache);
    kit_stub_stop(stub);
}

/* The server decides what matches; what is removed is decided here. */
static void scan_wrongly(struct kit_stub_conn *conn, void *context)
{
    (void)context;
    const struct kit_frame *frame = NULL;
    while ((frame = kit_stub_next(conn)) != NULL) {
        if (kit_frame_says(frame, 0, "SCAN")) {
            (void)kit_stub_say(conn, "*2\r\n$1\r\n0\r\n*4\r\n$7\r\ncache:a\r\n$5\r\nother\r\n"
                                     "$5\r\ncache\r\n$7\r\ncache:b\r\n");
        } else if (frame->n_args == 3 && kit_frame_says(frame, 1, "cache:a") &&
                   kit_frame_says(frame, 2, "cache:b")) {
            (void)kit_stub_say(conn, ":2\r\n");
        } else {
            kit_stub_blame(conn, "a key outside the prefix was to be removed", "");
        }
    }
}

static void test_stub_reply__a_scan_that_finds_too_much(void **state)
{
    (void)state;
    struct kit_stub_options options = {.fn = scan_wrongly};
    struct kit_stub *stub = kit_stub_start(&options);
    fac_cache *cache = open_at(stub);
    fac_clear_progress progress = {sizeof(progress), 0, 0, 0};
    fac_error err;
    assert_status(fac_cache_clear(cache, NULL, &progress, &err), FAC_OK, &err);
    assert_int_equal(progress.n_scanned, 4);
    assert_int_equal(progress.n_removed, 2);
    fac_cache_close(cache);
    kit_stub_stop(stub);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_stub_reply__of_the_wrong_shape),
    KIT_TEST(test_stub_reply__that_nobody_asked_for),
    KIT_TEST(test_stub_reply__byte_by_byte),
    KIT_TEST(test_stub_reply__pushes_are_no_replies),
    KIT_TEST(test_stub_reply__errors_become_statuses),
    KIT_TEST(test_stub_reply__errors_leave_nothing_behind),
    KIT_TEST(test_stub_reply__errors_cannot_forge_a_line),
    KIT_TEST(test_stub_reply__too_many_clients_before_any_request),
    KIT_TEST(test_stub_reply__a_scan_that_finds_too_much),
    KIT_TEST(test_stub_reply__loading_at_start_is_not_ready),
};

KIT_MAIN(k_tests)
