/* SPDX-License-Identifier: MIT */
/* Who may come in: passwords, ACL users, password files, and the database number. */
#include "kit/kit.h"
#include "live/live.h"

#include <stdio.h>
#include <string.h>

static const char *const k_with_password[] = {"requirepass s3cret-word", NULL};
static const char *const k_with_users[] = {
    "user app on >app-pass ~cache:* +@all",      "user nogetter on >app-pass ~* +@all -get",
    "user nomulti on >app-pass ~* +@all -multi", "user noincr on >app-pass ~* +@all -incrby",
    "user narrow on >app-pass ~other:* +@all",   NULL};

static void expect_refusal(struct live *live, fac_status want)
{
    fac_error err;
    fac_cache *cache = NULL;
    live_expect_error(fac_cache_open(&live->options, &cache, &err), want, &err);
    assert_null(cache);
    assert_null(strstr(err.message, "s3cret-word"));
    assert_null(strstr(err.message, "wr0ng-word"));
    assert_null(strstr(err.message, "app-pass"));
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_server_auth__password(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, k_with_password);
    expect_refusal(&live, FAC_E_AUTH);
    live.options.password = "wr0ng-word";
    expect_refusal(&live, FAC_E_AUTH);
    live.options.username = "default";
    expect_refusal(&live, FAC_E_AUTH);
    live.options.password = "s3cret-word";
    live_open(&live);
    live_set(live.cache, fac_str("k"), "v");
    live_expect(live.cache, fac_str("k"), "v");
    fac_cache_close(live.cache);
    live.cache = NULL;
    live.options.username = NULL;
    live_open(&live);
    live_expect(live.cache, fac_str("k"), "v");
    live_end(&live);
}

static void test_server_auth__password_that_nobody_asked_for(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.username = "nobody";
    live.options.password = "wr0ng-word";
    expect_refusal(&live, FAC_E_AUTH);
    live_end(&live);
}

static void test_server_auth__acl_user(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, k_with_users);
    live.options.username = "unknown";
    live.options.password = "app-pass";
    expect_refusal(&live, FAC_E_AUTH);
    live.options.username = "app";
    live.options.password = "wr0ng-word";
    expect_refusal(&live, FAC_E_AUTH);
    live.options.password = "app-pass";
    live_open(&live);
    live_set(live.cache, fac_str("k"), "v");
    live_expect(live.cache, fac_str("k"), "v");
    fac_reply *reply = NULL;
    fac_error err;
    const fac_bytes whoami[] = {fac_str("ACL"), fac_str("WHOAMI")};
    assert_status(fac_cache_command(live.cache, whoami, 2, NULL, &reply, &err), FAC_OK, &err);
    assert_string_equal(fac_reply_bytes(reply).data, "app");
    fac_reply_free(reply);
    live_end(&live);
}

static void test_server_auth__missing_permission(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, k_with_users);
    live.options.username = "nogetter";
    live.options.password = "app-pass";
    live_open(&live);
    fac_error err;
    fac_value *value = NULL;
    for (int round = 0; round < 5; round++) {
        live_set(live.cache, fac_str("k"), "v");
        live_expect_error(fac_cache_get(live.cache, fac_str("k"), NULL, &value, &err),
                          FAC_E_AUTH, &err);
        assert_string_equal(err.server_code, "NOPERM");
        assert_false(err.maybe_applied);
    }
    assert_null(value);
    assert_int_equal(live_stats(live.cache).connects, 1);
    fac_cache_close(live.cache);
    live.cache = NULL;
    live.options.username = "narrow";
    live_open(&live);
    live_expect_error(
        fac_cache_set(live.cache, fac_str("k"), fac_str("w"), FAC_TTL_NONE, NULL, &err),
        FAC_E_AUTH, &err);
    assert_string_equal(kit_raw_ask(live_raw(&live), "GET", "cache:k", NULL), "v");
    live_end(&live);
}

/* A counter is several commands: a user who may not send one of them must not change it. */
static void test_server_auth__missing_permission_to_count(void **state)
{
    (void)state;
    static const char *const k_users[] = {"nomulti", "noincr"};
    struct live live;
    live_start(&live, k_with_users);
    live.options.password = "app-pass";
    for (size_t i = 0; i < KIT_COUNT(k_users); i++) {
        live.options.username = k_users[i];
        live_open(&live);
        fac_error err;
        int64_t got = 777;
        assert_string_equal(kit_raw_ask(live_raw(&live), "SET", "cache:n", "5", NULL), "OK");
        live_expect_error(
            fac_cache_increment(live.cache, fac_str("n"), 1, 5000, NULL, &got, &err),
            FAC_E_AUTH, &err);
        assert_string_equal(err.server_code, "NOPERM");
        assert_int_equal(got, 777);
        const char *now = kit_raw_ask(live_raw(&live), "GET", "cache:n", NULL);
        assert_true(strcmp(now, "5") == 0 || err.maybe_applied);
        live_expect(live.cache, fac_str("n"), now);
        live_expect_miss(live.cache, fac_str("other"));
        fac_cache_close(live.cache);
        live.cache = NULL;
    }
    live_end(&live);
}

static void test_server_auth__password_that_changes(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, k_with_password);
    live.options.password = "s3cret-word";
    live_open(&live);
    struct kit_raw *raw = live_raw(&live);
    assert_string_equal(kit_raw_ask(raw, "AUTH", "s3cret-word", NULL), "OK");
    assert_string_equal(kit_raw_ask(raw, "CONFIG", "SET", "requirepass", "another", NULL),
                        "OK");
    (void)kit_raw_ask(raw, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL);
    fac_error err;
    assert_int_equal(live_try_get(live.cache, "k", 0, &err), FAC_E_AUTH);
    assert_null(strstr(err.message, "s3cret-word"));
    assert_string_equal(kit_raw_ask(raw, "CONFIG", "SET", "requirepass", "s3cret-word", NULL),
                        "OK");
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(live.cache, "k", 0, &err) == FAC_MISS);
    live_end(&live);
}

static void test_server_auth__password_file_is_read_at_each_connect(void **state)
{
    (void)state;
    static const char *const k_words[] = {"second", "third\n", "fourth word"};
    struct live live;
    live_start(&live, k_with_password);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/password", kit_server_dir(live.server));
    write_file(path, "s3cret-word\n");
    live.options.password_file = path;
    live_open(&live);
    live_set(live.cache, fac_str("k"), "v");
    struct kit_raw *raw = live_raw(&live);
    assert_string_equal(kit_raw_ask(raw, "AUTH", "s3cret-word", NULL), "OK");
    for (size_t i = 0; i < KIT_COUNT(k_words); i++) {
        char word[16];
        (void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(k_words[i], "\n"), k_words[i]);
        write_file(path, k_words[i]);
        assert_string_equal(kit_raw_ask(raw, "CONFIG", "SET", "requirepass", word, NULL), "OK");
        (void)kit_raw_ask(raw, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL);
        live_expect(live.cache, fac_str("k"), "v");
    }
    assert_int_equal(live_stats(live.cache).connects, 1 + KIT_COUNT(k_words));
    live_end(&live);
}

static void test_server_auth__password_file_that_is_absent(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, k_with_password);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/no-such-file", kit_server_dir(live.server));
    live.options.password_file = path;
    fac_error err;
    fac_cache *cache = NULL;
    live_expect_error(fac_cache_open(&live.options, &cache, &err), FAC_E_CONFIG, &err);
    assert_contains(err.message, "no-such-file");
    live_end(&live);
}

static void test_server_auth__database_is_selected(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.db = 3;
    live_open(&live);
    live_set(live.cache, fac_str("k"), "in three");
    struct kit_raw *raw = live_raw(&live);
    assert_string_equal(kit_raw_ask(raw, "GET", "cache:k", NULL), "(nil)");
    assert_string_equal(kit_raw_ask(raw, "SELECT", "3", NULL), "OK");
    assert_string_equal(kit_raw_ask(raw, "GET", "cache:k", NULL), "in three");
    /* On every new connection, not just the first. */
    (void)kit_raw_ask(raw, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL);
    live_expect(live.cache, fac_str("k"), "in three");
    live_end(&live);
}

static void test_server_auth__database_that_is_not_there(void **state)
{
    (void)state;
    static const char *const k_config[] = {"databases 4", NULL};
    struct live live;
    live_start(&live, k_config);
    live.options.db = 4;
    expect_refusal(&live, FAC_E_CONFIG);
    live.options.db = 1000000;
    expect_refusal(&live, FAC_E_CONFIG);
    live.options.db = 3;
    live_open(&live);
    live_expect_miss(live.cache, fac_str("k"));
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_server_auth__password),
    KIT_TEST(test_server_auth__password_that_nobody_asked_for),
    KIT_TEST(test_server_auth__acl_user),
    KIT_TEST(test_server_auth__missing_permission),
    KIT_TEST(test_server_auth__missing_permission_to_count),
    KIT_TEST(test_server_auth__password_that_changes),
    KIT_TEST(test_server_auth__password_file_is_read_at_each_connect),
    KIT_TEST(test_server_auth__password_file_that_is_absent),
    KIT_TEST(test_server_auth__database_is_selected),
    KIT_TEST(test_server_auth__database_that_is_not_there),
};

KIT_MAIN(k_tests)
