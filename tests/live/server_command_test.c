/* SPDX-License-Identifier: MIT */
/* The way to any command: what it returns, what it refuses, and that it leaves the others alone. */
#include "kit/kit.h"
#include "live/live.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum {
    WORDS_MAX = 8
};

/* Split at blanks, and send. */
static fac_status command(fac_cache *cache, const char *line, fac_reply **out, fac_error *err)
{
    char text[128];
    fac_bytes args[WORDS_MAX];
    size_t n = 0;
    char *rest = NULL;
    (void)snprintf(text, sizeof(text), "%s", line);
    for (char *word = strtok_r(text, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        assert_true(n < WORDS_MAX);
        args[n++] = fac_str(word);
    }
    return fac_cache_command(cache, args, n, NULL, out, err);
}

static fac_reply *ask(fac_cache *cache, const char *line)
{
    fac_reply *reply = NULL;
    fac_error err;
    assert_status(command(cache, line, &reply, &err), FAC_OK, &err);
    assert_non_null(reply);
    return reply;
}

static void test_server_command__returns_each_type(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_reply *reply = ask(live.cache, "PING");
    assert_int_equal(fac_reply_kind(reply), FAC_REPLY_STATUS);
    assert_string_equal(fac_reply_bytes(reply).data, "PONG");
    fac_reply_free(reply);

    const fac_bytes echo[] = {fac_str("ECHO"), fac_mem("a\0\r\n$1\r\n", 8)};
    fac_error err;
    assert_status(fac_cache_command(live.cache, echo, 2, NULL, &reply, &err), FAC_OK, &err);
    assert_int_equal(fac_reply_kind(reply), FAC_REPLY_STRING);
    assert_int_equal(fac_reply_bytes(reply).len, 8);
    assert_memory_equal(fac_reply_bytes(reply).data, echo[1].data, 8);
    fac_reply_free(reply);

    reply = ask(live.cache, "RPUSH plain a b c");
    assert_int_equal(fac_reply_kind(reply), FAC_REPLY_INTEGER);
    assert_int_equal(fac_reply_integer(reply), 3);
    fac_reply_free(reply);
    reply = ask(live.cache, "LRANGE plain 0 -1");
    assert_int_equal(fac_reply_kind(reply), FAC_REPLY_ARRAY);
    assert_int_equal(fac_reply_count(reply), 3);
    assert_string_equal(fac_reply_bytes(fac_reply_child(reply, 2)).data, "c");
    assert_null(fac_reply_child(reply, 3));
    fac_reply_free(reply);

    reply = ask(live.cache, "GET absent");
    assert_int_equal(fac_reply_kind(reply), FAC_REPLY_NULL);
    fac_reply_free(reply);
    /* No prefix is put before anything. */
    assert_string_equal(kit_raw_ask(live_raw(&live), "LLEN", "plain", NULL), "3");
    live_end(&live);
}

static void test_server_command__returns_nested_replies(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_reply *reply = ask(live.cache, "COMMAND INFO get no-such-command set");
    assert_int_equal(fac_reply_kind(reply), FAC_REPLY_ARRAY);
    assert_int_equal(fac_reply_count(reply), 3);
    const fac_reply *get = fac_reply_child(reply, 0);
    assert_string_equal(fac_reply_bytes(fac_reply_child(get, 0)).data, "get");
    assert_int_equal(fac_reply_integer(fac_reply_child(get, 1)), 2);
    assert_int_equal(fac_reply_kind(fac_reply_child(reply, 1)), FAC_REPLY_NULL);
    assert_string_equal(fac_reply_bytes(fac_reply_child(fac_reply_child(reply, 2), 0)).data,
                        "set");
    fac_reply_free(reply);

    fac_reply_free(ask(live.cache, "HSET h field value"));
    reply = ask(live.cache, "HGETALL h");
    assert_int_equal(fac_reply_kind(reply),
                     live.protocol == 3 ? FAC_REPLY_MAP : FAC_REPLY_ARRAY);
    assert_int_equal(fac_reply_count(reply), 2);
    assert_string_equal(fac_reply_bytes(fac_reply_child(reply, 1)).data, "value");
    fac_reply_free(reply);
    live_end(&live);
}

static void test_server_command__returns_resp3_types(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        fac_reply_type in3;
        fac_reply_type in2;
    } k_cases[] = {
        {"DEBUG PROTOCOL string", FAC_REPLY_STRING, FAC_REPLY_STRING},
        {"DEBUG PROTOCOL integer", FAC_REPLY_INTEGER, FAC_REPLY_INTEGER},
        {"DEBUG PROTOCOL double", FAC_REPLY_DOUBLE, FAC_REPLY_STRING},
        {"DEBUG PROTOCOL null", FAC_REPLY_NULL, FAC_REPLY_NULL},
        {"DEBUG PROTOCOL array", FAC_REPLY_ARRAY, FAC_REPLY_ARRAY},
        {"DEBUG PROTOCOL set", FAC_REPLY_SET, FAC_REPLY_ARRAY},
        {"DEBUG PROTOCOL map", FAC_REPLY_MAP, FAC_REPLY_ARRAY},
        {"DEBUG PROTOCOL bignum", FAC_REPLY_BIG_NUMBER, FAC_REPLY_STRING},
        {"DEBUG PROTOCOL true", FAC_REPLY_BOOLEAN, FAC_REPLY_INTEGER},
        {"DEBUG PROTOCOL false", FAC_REPLY_BOOLEAN, FAC_REPLY_INTEGER},
        {"DEBUG PROTOCOL verbatim", FAC_REPLY_VERBATIM, FAC_REPLY_STRING},
    };
    static const char *const k_config[] = {"enable-debug-command yes", NULL};
    struct live live;
    live_start(&live, k_config);
    live_open(&live);
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        fac_reply *reply = ask(live.cache, k_cases[i].line);
        assert_int_equal(fac_reply_kind(reply),
                         live.protocol == 3 ? k_cases[i].in3 : k_cases[i].in2);
        fac_reply_free(reply);
    }
    if (live.protocol == 3) {
        /* An attribute before a reply, and a push before it (Redis) or behind it (Valkey). */
        fac_reply *reply = ask(live.cache, "DEBUG PROTOCOL attrib");
        assert_int_equal(fac_reply_kind(reply), FAC_REPLY_STRING);
        fac_reply_free(reply);
        for (int i = 0; i < 20; i++) {
            fac_reply *pushed = NULL;
            fac_error err;
            assert_status(command(live.cache, "DEBUG PROTOCOL push", &pushed, &err), FAC_OK,
                          &err);
            fac_reply_free(pushed);
            char text[16];
            (void)snprintf(text, sizeof(text), "%d", i);
            live_set(live.cache, fac_str("k"), text);
            live_expect(live.cache, fac_str("k"), text);
        }
    }
    assert_int_equal(live_stats(live.cache).disconnects, 0);
    live_end(&live);
}

static void test_server_command__passes_errors_on(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_reply *reply = NULL;
    fac_error err;
    live_expect_error(command(live.cache, "NONSENSE a b", &reply, &err), FAC_E_SERVER, &err);
    assert_string_equal(err.server_code, "ERR");
    assert_contains(err.message, "unknown command");
    live_expect_error(command(live.cache, "GET", &reply, &err), FAC_E_SERVER, &err);
    assert_contains(err.message, "wrong number of arguments");
    fac_reply_free(ask(live.cache, "RPUSH list a"));
    live_expect_error(command(live.cache, "GET list", &reply, &err), FAC_E_SERVER, &err);
    assert_string_equal(err.server_code, "WRONGTYPE");
    assert_null(reply);
    assert_int_equal(live_stats(live.cache).disconnects, 0);
    live_end(&live);
}

static void test_server_command__refuses_what_changes_the_connection(void **state)
{
    (void)state;
    static const char *const k_lines[] = {
        "SELECT 1",
        "AUTH x",
        "HELLO 3",
        "RESET",
        "QUIT",
        "MULTI",
        "EXEC",
        "DISCARD",
        "WATCH k",
        "UNWATCH",
        "SUBSCRIBE c",
        "PSUBSCRIBE c*",
        "SSUBSCRIBE c",
        "UNSUBSCRIBE",
        "PUNSUBSCRIBE",
        "SUNSUBSCRIBE",
        "MONITOR",
        "SYNC",
        "PSYNC ? -1",
        "REPLCONF a b",
        "ASKING",
        "READONLY",
        "READWRITE",
        "CLIENT REPLY OFF",
        "CLIENT TRACKING on",
        "CLIENT CACHING yes",
        "CLIENT SETNAME x",
        "CLIENT SETINFO a b",
        "CLIENT NO-EVICT on",
        "CLIENT NO-TOUCH on",
        "client reply skip",
        "sElEcT 1",
        "monitor",
        "Client Tracking ON",
        "multi",
        "hello",
    };
    struct live live;
    live_begin(&live);
    fac_error err;
    fac_reply *reply = NULL;
    for (size_t i = 0; i < KIT_COUNT(k_lines); i++) {
        fac_status st = command(live.cache, k_lines[i], &reply, &err);
        if (st != FAC_E_UNSUPPORTED) {
            (void)fprintf(stderr, "%s\n", k_lines[i]);
        }
        live_expect_error(st, FAC_E_UNSUPPORTED, &err);
        assert_null(reply);
    }
    /* Names that only look like them go through. */
    live_expect_error(command(live.cache, "SELECTX 1", &reply, &err), FAC_E_SERVER, &err);
    fac_reply_free(ask(live.cache, "CLIENT ID"));
    fac_reply_free(ask(live.cache, "CLIENT GETNAME"));
    live_set(live.cache, fac_str("k"), "v");
    assert_string_equal(kit_raw_ask(live_raw(&live), "GET", "cache:k", NULL), "v");
    live_end(&live);
}

static void test_server_command__keeps_its_limits(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    fac_reply *reply = NULL;
    static char text[5000];
    memset(text, 't', sizeof(text));
    fac_bytes args[] = {fac_str("ECHO"), fac_mem(text, sizeof(text))};
    fac_call call = fac_call_within(0);
    call.max_reply_bytes = 1000;
    live_expect_error(fac_cache_command(live.cache, args, 2, &call, &reply, &err),
                      FAC_E_TOO_LARGE, &err);
    assert_null(reply);
    live_set(live.cache, fac_str("k"), "v");
    live_expect(live.cache, fac_str("k"), "v");
    /* Not readable: what is refused is refused by its length. */
    size_t len = (size_t)64 * 1024 * 1024 + 1;
    void *unreadable = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(unreadable != MAP_FAILED);
    args[1] = fac_mem(unreadable, len);
    live_expect_error(fac_cache_command(live.cache, args, 2, NULL, &reply, &err),
                      FAC_E_TOO_LARGE, &err);
    (void)munmap(unreadable, len);
    args[1] = fac_mem(NULL, 3);
    live_expect_error(fac_cache_command(live.cache, args, 2, NULL, &reply, &err), FAC_E_INVALID,
                      &err);
    args[0] = fac_mem(text, 0);
    live_expect_error(fac_cache_command(live.cache, args, 1, NULL, &reply, &err), FAC_E_INVALID,
                      &err);
    live_end(&live);
}

static void test_server_command__is_unsupported_in_memory(void **state)
{
    (void)state;
    fac_options options;
    fac_options_init(&options);
    options.ignore_environment = true;
    options.provider = FAC_MEMORY;
    fac_cache *cache = NULL;
    fac_error err;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    fac_reply *reply = NULL;
    live_expect_error(command(cache, "PING", &reply, &err), FAC_E_UNSUPPORTED, &err);
    assert_null(reply);
    fac_cache_close(cache);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_server_command__returns_each_type),
    KIT_TEST(test_server_command__returns_nested_replies),
    KIT_TEST(test_server_command__returns_resp3_types),
    KIT_TEST(test_server_command__passes_errors_on),
    KIT_TEST(test_server_command__refuses_what_changes_the_connection),
    KIT_TEST(test_server_command__keeps_its_limits),
    KIT_TEST(test_server_command__is_unsupported_in_memory),
};

KIT_MAIN(k_tests)
