/* SPDX-License-Identifier: MIT */
/* api/examples_test.c — the example programs do what they show, on each backend. Arguments of the
 * test: the backend, and the folder of the programs. */
#include "common.h"
#include "kit/kit.h"
#include "kit/server.h"
#include "program.h"

static void test_examples__quick_start(void **state)
{
    (void)state;
    struct api_backend backend = api_backend_of_test();
    struct kit_server *server = api_start(&backend);
    api_name_backend(&backend, server);
    struct program program;
    program_run(&program, "quick_start", "", 0);
    assert_contains(program.text, "user:123   {\"name\": \"Alice\"}");
    assert_contains(program.text, "user:none  nobody");
    assert_contains(program.text, "deleted    yes");
    assert_contains(program.text, "still      gone");
    kit_server_stop(server);
}

static void test_examples__pooling_and_health(void **state)
{
    (void)state;
    struct api_backend backend = api_backend_of_test();
    struct kit_server *server = api_start(&backend);
    api_name_backend(&backend, server);
    struct program program;
    program_run(&program, "pooling_and_health", "", 0);
    assert_contains(program.text, "8 threads, 0 failed");
    assert_contains(program.text, backend.is_memory           ? "healthy: memory"
                                  : backend.kind == KIT_REDIS ? "healthy: redis"
                                                              : "healthy: valkey");
    assert_contains(program.text, "800 hits, 0 misses, 800 sets, 0 errors");
    assert_contains(program.text, backend.is_memory ? "at most 0" : "at most 4");
    kit_server_stop(server);
}

static void test_examples__many_threads(void **state)
{
    (void)state;
    struct api_backend backend = api_backend_of_test();
    struct kit_server *server = api_start(&backend);
    api_name_backend(&backend, server);
    struct program program;
    program_run(&program, "many_threads", "16 200 20000", 0);
    assert_contains(program.text, "16 threads: 1600 hits, 1600 misses, 0 errors");
    program_run(&program, "many_threads", "0", 1);
    kit_server_stop(server);
}

static void test_examples__degrade_gracefully(void **state)
{
    (void)state;
    struct api_backend backend = api_backend_of_test();
    struct kit_server *server = api_start(&backend);
    api_name_backend(&backend, server);
    struct program program;
    program_run(&program, "degrade_gracefully", "", 0);
    assert_contains(program.text, "started with a cache");
    assert_contains(program.text, "request 1: 42.00, from its source");
    assert_contains(program.text, "request 2: 42.00, from the cache");
    kit_server_stop(server);
}

/* clang-format off */
static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_examples__quick_start),
    KIT_TEST(test_examples__pooling_and_health),
    KIT_TEST(test_examples__many_threads),
    KIT_TEST(test_examples__degrade_gracefully),
};
/* clang-format on */

KIT_MAIN(k_tests)
