/* SPDX-License-Identifier: MIT */
/* api/selection_test.c — which server the environment and the options choose, on real ones;
 * when a second choice is taken, and when never. */
#include "common.h"
#include "kit/kit.h"
#include "kit/server.h"
#include "kit/stub.h"
#include "kit/wait.h"

#include <faciliter/facade.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Both families at the numeric loopback; ports are set by the test. */
static void start_environment(void)
{
    api_clear_environment();
    api_set_environment("REDIS_HOST", "127.0.0.1");
    api_set_environment("REDIS_TIMEOUT", "3");
}

static struct kit_server *start(enum kit_server_kind kind)
{
    return kit_server_start(&(struct kit_server_options){.kind = kind});
}

static fac_cache *open_environment(void)
{
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(NULL, &cache, &err), FAC_OK, &err);
    return cache;
}

static void assert_answers(fac_cache *cache, fac_provider provider, const char *server,
                           uint16_t port)
{
    fac_error err;
    fac_health health;
    assert_status(fac_cache_health(cache, NULL, &health, sizeof(health), &err), FAC_OK, &err);
    assert_true(health.is_healthy);
    assert_int_equal(health.provider, provider);
    assert_string_equal(health.server, server);
    assert_true(strlen(health.version) > 0);
    assert_string_equal(health.role, "master");
    char endpoint[64];
    (void)snprintf(endpoint, sizeof(endpoint), "127.0.0.1:%u", (unsigned)port);
    assert_string_equal(health.endpoint, endpoint);
    api_put(cache, "k", server);
    api_assert_value(cache, "k", server);
}

static bool is_second_choice(fac_cache *cache)
{
    fac_error err;
    fac_health health;
    assert_status(fac_cache_health(cache, NULL, &health, sizeof(health), &err), FAC_OK, &err);
    return health.is_second_choice;
}

static void test_selection__auto_takes_valkeys_settings_when_they_are_there(void **state)
{
    (void)state;
    struct kit_server *valkey = start(KIT_VALKEY);
    start_environment();
    api_set_port("VALKEY_PORT", kit_server_port(valkey));
    fac_cache *cache = open_environment();
    assert_answers(cache, FAC_VALKEY, "valkey", kit_server_port(valkey));
    assert_false(is_second_choice(cache));
    fac_cache_close(cache);
    kit_server_stop(valkey);
}

static void test_selection__auto_takes_redis_settings_when_only_they_are_there(void **state)
{
    (void)state;
    struct kit_server *redis = start(KIT_REDIS);
    start_environment();
    api_set_port("REDIS_PORT", kit_server_port(redis));
    fac_cache *cache = open_environment();
    assert_answers(cache, FAC_REDIS, "redis", kit_server_port(redis));
    assert_false(is_second_choice(cache));
    fac_cache_close(cache);
    kit_server_stop(redis);
}

static void test_selection__auto_prefers_valkey_when_both_answer(void **state)
{
    (void)state;
    struct kit_server *redis = start(KIT_REDIS);
    struct kit_server *valkey = start(KIT_VALKEY);
    start_environment();
    api_set_port("REDIS_PORT", kit_server_port(redis));
    api_set_port("VALKEY_PORT", kit_server_port(valkey));
    fac_cache *cache = open_environment();
    assert_answers(cache, FAC_VALKEY, "valkey", kit_server_port(valkey));
    assert_false(is_second_choice(cache));
    fac_cache_close(cache);
    kit_server_stop(valkey);
    kit_server_stop(redis);
}

/* Taken at open, kept afterwards, and told. */
static void test_selection__auto_takes_the_other_when_the_first_is_down(void **state)
{
    (void)state;
    struct kit_server *redis = start(KIT_REDIS);
    struct kit_server *valkey = start(KIT_VALKEY);
    start_environment();
    api_set_port("REDIS_PORT", kit_server_port(redis));
    api_set_port("VALKEY_PORT", kit_server_port(valkey));
    kit_server_kill(valkey);
    fac_cache *cache = open_environment();
    assert_answers(cache, FAC_REDIS, "redis", kit_server_port(redis));
    assert_true(is_second_choice(cache));

    kit_server_restart(valkey);
    assert_answers(cache, FAC_REDIS, "redis", kit_server_port(redis));
    assert_true(is_second_choice(cache));
    fac_cache_close(cache);

    assert_true(set_cache(NULL)); /* a new choice: the first answers again */
    assert_answers(get_cache(), FAC_VALKEY, "valkey", kit_server_port(valkey));
    assert_false(is_second_choice(get_cache()));
    close_cache();
    kit_server_stop(valkey);
    kit_server_stop(redis);
}

/* Warnings with a certain word. */
struct log_lines {
    atomic_size_t n_lines;
    const char *word;
};

static void count_lines(void *context, fac_log_level level, const char *message)
{
    struct log_lines *lines = context;
    if (level == FAC_LOG_WARN && strstr(message, lines->word) != NULL) {
        (void)atomic_fetch_add(&lines->n_lines, 1U);
    }
}

static void test_selection__the_second_choice_is_logged(void **state)
{
    (void)state;
    struct kit_server *redis = start(KIT_REDIS);
    start_environment();
    api_set_port("REDIS_PORT", kit_server_port(redis));
    uint16_t closed_port = 0;
    int holder = kit_port_without_listener(&closed_port);
    api_set_port("VALKEY_PORT", closed_port);
    struct log_lines lines = {0, "second choice is taken"};
    fac_options options;
    fac_options_init(&options);
    options.log = count_lines;
    options.log_context = &lines;
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    assert_true(is_second_choice(cache));
    assert_int_equal(atomic_load(&lines.n_lines), 1);
    fac_cache_close(cache);
    kit_port_give_back(holder);
    kit_server_stop(redis);
}

static void test_selection__auto_never_falls_to_memory(void **state)
{
    (void)state;
    uint16_t ports[2] = {0, 0};
    int holders[2] = {kit_port_without_listener(&ports[0]),
                      kit_port_without_listener(&ports[1])};
    start_environment();
    api_set_port("REDIS_PORT", ports[0]);
    api_set_port("VALKEY_PORT", ports[1]);
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(NULL, &cache, &err), FAC_E_UNAVAILABLE, &err);
    assert_null(cache);
    assert_false(set_cache(NULL));
    assert_false(cache_set("k", "v", 60));
    close_cache();
    kit_port_give_back(holders[0]);
    kit_port_give_back(holders[1]);
}

/* A wrong password is a wrong setting: another server must not hide it. */
static void test_selection__auto_stays_after_an_authentication_failure(void **state)
{
    (void)state;
    static const char *const k_config[] = {"requirepass right", NULL};
    struct kit_server *valkey = kit_server_start(
        &(struct kit_server_options){.kind = KIT_VALKEY, .config = k_config});
    static const struct kit_step k_script[] = {{KIT_SERVE, NULL, NULL}, {KIT_END, NULL, NULL}};
    static const struct kit_step *const k_scripts[] = {k_script};
    struct kit_stub *redis = kit_stub_start(
        &(struct kit_stub_options){.scripts = k_scripts, .n_scripts = 1});
    start_environment();
    api_set_port("REDIS_PORT", kit_stub_port(redis));
    api_set_port("VALKEY_PORT", kit_server_port(valkey));
    static const char *const k_passwords[] = {NULL, "wrong"}; /* none, too, is refused */
    for (size_t i = 0; i < KIT_COUNT(k_passwords); i++) {
        if (k_passwords[i] != NULL) {
            api_set_environment("VALKEY_PASSWORD", k_passwords[i]);
        }
        fac_error err;
        fac_cache *cache = NULL;
        assert_status(fac_cache_open(NULL, &cache, &err), FAC_E_AUTH, &err);
        assert_null(cache);
        assert_false(set_cache(NULL));
        assert_int_equal(kit_stub_connections(redis), 0);
    }
    close_cache();
    kit_stub_stop(redis);
    kit_server_stop(valkey);
}

/* Asked for Redis and found Valkey: it works, health tells the truth, and the log says it once. */
static void test_selection__redis_asked_and_valkey_found(void **state)
{
    (void)state;
    struct kit_server *valkey = start(KIT_VALKEY);
    start_environment();
    api_set_environment("CACHE_BACKEND", "redis");
    api_set_port("REDIS_PORT", kit_server_port(valkey));
    struct log_lines lines = {0, "alkey"};
    fac_options options;
    fac_options_init(&options);
    options.log = count_lines;
    options.log_context = &lines;
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    assert_answers(cache, FAC_REDIS, "valkey", kit_server_port(valkey));
    assert_answers(cache, FAC_REDIS, "valkey", kit_server_port(valkey));
    kit_server_restart(valkey); /* new connections say nothing new */
    KIT_WAIT_FOR(5000, fac_cache_exists(cache, fac_str("k"), NULL, &err) >= 0);
    assert_int_equal(atomic_load(&lines.n_lines), 1);
    fac_cache_close(cache);
    kit_server_stop(valkey);
}

static void test_selection__an_explicit_option_beats_the_environment(void **state)
{
    (void)state;
    struct kit_server *redis = start(KIT_REDIS);
    uint16_t closed_port = 0;
    int holder = kit_port_without_listener(&closed_port);
    start_environment();
    api_set_environment("CACHE_BACKEND", "valkey");
    api_set_port("REDIS_PORT", closed_port);
    api_set_port("VALKEY_PORT", closed_port);
    fac_options options;
    fac_options_init(&options);
    options.provider = FAC_REDIS;
    options.port = kit_server_port(redis);
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    assert_answers(cache, FAC_REDIS, "redis", kit_server_port(redis));
    fac_cache_close(cache);
    kit_port_give_back(holder);
    kit_server_stop(redis);
}

static void test_selection__health_names_the_socket(void **state)
{
    (void)state;
    struct kit_server *valkey = start(KIT_VALKEY);
    api_clear_environment();
    api_set_environment("VALKEY_UNIX_SOCKET", kit_server_socket(valkey));
    fac_cache *cache = open_environment();
    fac_error err;
    fac_health health;
    assert_status(fac_cache_health(cache, NULL, &health, sizeof(health), &err), FAC_OK, &err);
    char endpoint[160];
    (void)snprintf(endpoint, sizeof(endpoint), "unix:%s", kit_server_socket(valkey));
    assert_string_equal(health.endpoint, endpoint);
    assert_int_equal(health.provider, FAC_VALKEY);
    fac_cache_close(cache);
    kit_server_stop(valkey);
}

static void test_selection__a_url_chooses_too(void **state)
{
    (void)state;
    struct kit_server *redis = start(KIT_REDIS);
    api_clear_environment();
    char url[64];
    (void)snprintf(url, sizeof(url), "redis://127.0.0.1:%u/3",
                   (unsigned)kit_server_port(redis));
    api_set_environment("REDIS_URL", url);
    fac_cache *cache = open_environment();
    assert_answers(cache, FAC_REDIS, "redis", kit_server_port(redis));
    fac_cache_close(cache);
    kit_server_stop(redis);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_selection__auto_takes_valkeys_settings_when_they_are_there),
    KIT_TEST(test_selection__auto_takes_redis_settings_when_only_they_are_there),
    KIT_TEST(test_selection__auto_prefers_valkey_when_both_answer),
    KIT_TEST(test_selection__auto_takes_the_other_when_the_first_is_down),
    KIT_TEST(test_selection__the_second_choice_is_logged),
    KIT_TEST(test_selection__auto_never_falls_to_memory),
    KIT_TEST(test_selection__auto_stays_after_an_authentication_failure),
    KIT_TEST(test_selection__redis_asked_and_valkey_found),
    KIT_TEST(test_selection__an_explicit_option_beats_the_environment),
    KIT_TEST(test_selection__health_names_the_socket),
    KIT_TEST(test_selection__a_url_chooses_too),
};
/* clang-format on */

KIT_MAIN(k_tests)
