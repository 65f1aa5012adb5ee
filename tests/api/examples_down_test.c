/* SPDX-License-Identifier: MIT */
/* api/examples_down_test.c — the example programs while no server answers: three say so, one goes
 * on and heals. */
#include "common.h"
#include "kit/kit.h"
#include "kit/server.h"
#include "program.h"

#include <string.h>

static void test_examples_down__tell_that_there_is_no_server(void **state)
{
    (void)state;
    static const char *const k_names[] = {"quick_start", "pooling_and_health", "many_threads"};
    uint16_t port = 0;
    int holder = kit_port_without_listener(&port);
    api_name_server("REDIS", port);
    for (size_t i = 0; i < KIT_COUNT(k_names); i++) {
        struct program program;
        program_run(&program, k_names[i], "", 1);
        assert_contains(program.text, "no cache: ");
    }
    kit_port_give_back(holder);
}

static void test_examples_down__degrade_gracefully(void **state)
{
    (void)state;
    uint16_t port = 0;
    int holder = kit_port_without_listener(&port);
    api_name_server("VALKEY", port);
    struct program program;
    program_run(&program, "degrade_gracefully", "", 0);
    assert_contains(program.text, "started without a cache: ");
    assert_contains(program.text, "request 5: 42.00, from its source");
    assert_null(strstr(program.text, "from the cache"));
    kit_port_give_back(holder);
}

static void test_examples_down__degrade_gracefully_heals(void **state)
{
    (void)state;
    struct api_backend backend = api_backend_of_test();
    struct kit_server *server = api_start(&backend);
    api_name_backend(&backend, server);
    kit_server_kill(server);
    struct program program;
    program_start(&program, "degrade_gracefully", "200"); /* it ends when the cache served */
    while (strstr(program.text, "request 2: 42.00, from its source") == NULL) {
        assert_true(program_read_line(&program));
    }
    assert_contains(program.text, "started without a cache: ");
    kit_server_restart(server);
    assert_int_equal(program_finish(&program), 0);
    assert_contains(program.text, "42.00, from the cache");
    kit_server_stop(server);
}

/* clang-format off */
static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_examples_down__tell_that_there_is_no_server),
    KIT_TEST(test_examples_down__degrade_gracefully),
    KIT_TEST(test_examples_down__degrade_gracefully_heals),
};
/* clang-format on */

KIT_MAIN(k_tests)
