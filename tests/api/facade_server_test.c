/* SPDX-License-Identifier: MIT */
/* api/facade_server_test.c — the process-wide cache while its server is absent, comes back, hangs,
 * or is exchanged with a call in flight. */
#include "common.h"
#include "kit/kit.h"
#include "kit/server.h"
#include "kit/stub.h"
#include "kit/wait.h"

#include <faciliter/facade.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    TRY_MS = 250,         /* what one attempt to come back may cost a call */
    FIRST_STEP_MS = 1000, /* of the back-off */
    STEPS_MS = 7000,      /* three of them: waits are anything from 0 to the step, so the first
                           * ones may be over before the server is back */
    HEAL_MARGIN_MS = 2000
};

static struct kit_server *start_server(const struct api_backend *backend)
{
    struct kit_server *server = api_start(backend);
    api_name_backend(backend, server);
    return server;
}

/* One call of each kind without a server: each a miss, none late. Returns the longest. */
static int64_t miss_once(void)
{
    int64_t longest_ms = 0;
    for (int i = 0; i < 4; i++) {
        int64_t start_ms = kit_now_ms();
        char *value = NULL;
        bool is_done = false;
        switch (i) {
        case 0:
            value = cache_get("k", "fallback");
            assert_non_null(value);
            assert_string_equal(value, "fallback");
            cache_free(value);
            break;
        case 1:
            is_done = cache_set("k", "v", 60);
            break;
        case 2:
            is_done = cache_delete("k");
            break;
        default:
            is_done = cache_exists("k");
            break;
        }
        int64_t took_ms = kit_now_ms() - start_ms;
        assert_false(is_done);
        assert_true(strlen(cache_error()) > 0);
        longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
    }
    return longest_ms;
}

static void assert_heals(void)
{
    KIT_WAIT_FOR(STEPS_MS + HEAL_MARGIN_MS, cache_set("k", "healed", 60));
    assert_string_equal(cache_error(), "");
    char *value = cache_get("k", NULL);
    assert_non_null(value);
    assert_string_equal(value, "healed");
    cache_free(value);
    assert_non_null(get_cache());
    api_assert_value(get_cache(), "k", "healed");
}

static void test_facade_server__heals_after_a_start_without_a_server(void **state)
{
    (void)state;
    struct api_backend backend = api_backend_of_test();
    struct kit_server *server = start_server(&backend);
    kit_server_kill(server); /* the port stays its own */

    int64_t start_ms = kit_now_ms();
    assert_false(set_cache(NULL));
    assert_true(kit_now_ms() - start_ms < 4000 + kit_margin_ms());
    assert_true(strlen(cache_error()) > 0);
    assert_null(get_cache()); /* disabled for now */
    for (int i = 0; i < 10; i++) {
        assert_true(miss_once() < TRY_MS + kit_margin_ms());
    }
    kit_server_restart(server);
    assert_heals();
    close_cache();
    kit_server_stop(server);
}

static void test_facade_server__heals_for_a_second_set_cache_too(void **state)
{
    (void)state;
    struct api_backend backend = api_backend_of_test();
    struct kit_server *server = start_server(&backend);
    kit_server_kill(server);
    assert_false(set_cache(NULL));
    assert_false(set_cache(NULL));
    kit_server_restart(server);
    KIT_WAIT_FOR(STEPS_MS + HEAL_MARGIN_MS, set_cache(NULL));
    assert_true(cache_set("k", "v", 60));
    close_cache();
    kit_server_stop(server);
}

/* A server that accepts and says nothing costs one call in each step a quarter of a second, and
 * the others nothing. */
static void test_facade_server__misses_fast_while_a_server_hangs(void **state)
{
    (void)state;
    struct api_backend backend = api_backend_of_test();
    struct kit_server *server = start_server(&backend);
    api_set_environment(backend.kind == KIT_REDIS ? "REDIS_TIMEOUT" : "VALKEY_TIMEOUT", "6");
    kit_server_pause(server);
    int64_t start_ms = kit_now_ms();
    assert_false(set_cache(NULL));
    assert_true(kit_now_ms() - start_ms < 6000 + kit_margin_ms());

    int n_slow = 0;
    start_ms = kit_now_ms();
    while (kit_now_ms() - start_ms < 3 * FIRST_STEP_MS / 2) {
        int64_t longest_ms = miss_once();
        assert_true(longest_ms < TRY_MS + kit_margin_ms());
        n_slow += longest_ms >= TRY_MS / 2;
        kit_nap();
    }
    int64_t took_ms = kit_now_ms() - start_ms;
    assert_true(n_slow <= 1 + (int)(took_ms / (FIRST_STEP_MS / 2)));

    kit_server_resume(server);
    /* Waits are anything from 0 to the step, so a few steps may be over already. */
    KIT_WAIT_FOR(16 * FIRST_STEP_MS + HEAL_MARGIN_MS, cache_set("k", "healed", 60));
    close_cache();
    kit_server_stop(server);
}

/* The server goes away later, and comes back: no new set_cache() is needed. */
static void test_facade_server__heals_after_a_restart_of_the_server(void **state)
{
    (void)state;
    struct api_backend backend = api_backend_of_test();
    struct kit_server *server = start_server(&backend);
    assert_true(set_cache(NULL));
    fac_cache *before = get_cache();
    assert_true(cache_set("k", "v", 60));
    kit_server_kill(server);
    assert_false(cache_set("k", "v", 60));
    assert_true(strlen(cache_error()) > 0);
    kit_server_restart(server);
    KIT_WAIT_FOR(5000 + HEAL_MARGIN_MS, cache_set("k", "again", 60));
    assert_ptr_equal(get_cache(), before);
    close_cache();
    kit_server_stop(server);
}

static void test_facade_server__wrong_password_is_told(void **state)
{
    (void)state;
    static const char *const k_config[] = {"requirepass right", NULL};
    struct api_backend backend = api_backend_of_test();
    struct kit_server_options options = {.kind = backend.kind, .config = k_config};
    struct kit_server *server = kit_server_start(&options);
    const char *family = backend.kind == KIT_REDIS ? "REDIS" : "VALKEY";
    const char *variable = backend.kind == KIT_REDIS ? "REDIS_PASSWORD" : "VALKEY_PASSWORD";
    api_name_server(family, kit_server_port(server));
    api_set_environment(variable, "wrong-secret");
    assert_false(set_cache(NULL));
    assert_true(strlen(cache_error()) > 0);
    assert_null(strstr(cache_error(), "wrong-secret"));
    assert_false(cache_set("k", "v", 60));

    api_set_environment(variable, "right");
    assert_true(set_cache(NULL));
    assert_true(cache_set("k", "v", 60));
    close_cache();
    kit_server_stop(server);
}

/* --- A call in flight, on a scripted server -------------------------------------------------- */

struct flight {
    char *value;
    int64_t took_ms;
    char error[256];
};

static void *get_in_flight(void *context)
{
    struct flight *flight = context;
    int64_t start_ms = kit_now_ms();
    flight->value = cache_get("k", NULL);
    flight->took_ms = kit_now_ms() - start_ms;
    (void)snprintf(flight->error, sizeof(flight->error), "%s", cache_error());
    return NULL;
}

static void set_memory_cache(void)
{
    fac_options options;
    fac_options_init(&options);
    options.provider = FAC_MEMORY;
    options.ignore_environment = true;
    assert_true(set_cache(&options));
}

static void test_facade_server__a_call_in_flight_finishes_on_the_old_cache(void **state)
{
    (void)state;
    struct kit_gate gate;
    kit_gate_init(&gate);
    const struct kit_step script[] = {
        {KIT_EXPECT, "GET", NULL}, {KIT_AWAIT, NULL, &gate}, {KIT_SAY, "$5\r\nvalue\r\n", NULL},
        {KIT_SERVE, NULL, NULL},   {KIT_END, NULL, NULL},
    };
    const struct kit_step *scripts[] = {script};
    struct kit_stub *stub = kit_stub_start(
        &(struct kit_stub_options){.scripts = scripts, .n_scripts = 1});
    api_name_server("REDIS", kit_stub_port(stub));
    assert_true(set_cache(NULL));

    struct flight flight = {0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, get_in_flight, &flight), 0);
    KIT_WAIT_FOR(5000, kit_stub_commands(stub, "GET") == 1);
    set_memory_cache();
    assert_false(cache_exists("k")); /* the new one answers already */
    kit_gate_open(&gate);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_non_null(flight.value);
    assert_string_equal(flight.value, "value");
    cache_free(flight.value);
    close_cache();
    kit_stub_stop(stub);
    kit_gate_fini(&gate);
}

static void test_facade_server__close_ends_a_call_in_flight(void **state)
{
    (void)state;
    const struct kit_step script[] = {
        {KIT_EXPECT, "GET", NULL},
        {KIT_STALL, NULL, NULL},
        {KIT_END, NULL, NULL},
    };
    const struct kit_step *scripts[] = {script};
    struct kit_stub *stub = kit_stub_start(
        &(struct kit_stub_options){.scripts = scripts, .n_scripts = 1});
    api_name_server("VALKEY", kit_stub_port(stub));
    api_set_environment("VALKEY_TIMEOUT", "30");
    assert_true(set_cache(NULL));

    struct flight flight = {0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, get_in_flight, &flight), 0);
    KIT_WAIT_FOR(5000, kit_stub_commands(stub, "GET") == 1);
    int64_t start_ms = kit_now_ms();
    close_cache();
    assert_true(kit_now_ms() - start_ms < kit_margin_ms());
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(kit_now_ms() - start_ms < 2 * kit_margin_ms());
    assert_null(flight.value);
    assert_true(strlen(flight.error) > 0);
    kit_stub_stop(stub);
}

/* clang-format off */
static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_facade_server__heals_after_a_start_without_a_server),
    KIT_TEST(test_facade_server__heals_for_a_second_set_cache_too),
    KIT_TEST(test_facade_server__misses_fast_while_a_server_hangs),
    KIT_TEST(test_facade_server__heals_after_a_restart_of_the_server),
    KIT_TEST(test_facade_server__wrong_password_is_told),
    KIT_TEST(test_facade_server__a_call_in_flight_finishes_on_the_old_cache),
    KIT_TEST(test_facade_server__close_ends_a_call_in_flight),
};
/* clang-format on */

KIT_MAIN(k_tests)
