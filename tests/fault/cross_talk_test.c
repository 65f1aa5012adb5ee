/* SPDX-License-Identifier: MIT */
/* A1, A2, A3 and A10: 64 threads share four connections, and no answer reaches another question,
 * whatever happens to the connections and however short the callers' patience is. */
#include "fault/rows.h"

#include "kit/kit.h"

#include <string.h>

enum {
    OPS = 24000 /* some seconds of a debug build on a busy machine; the soak counts on */
};

static void run(enum row row, size_t n_ops)
{
    const char *variant = kit_arg(0) != NULL ? kit_arg(0) : "redis3";
    static const char *const k_resp2[] = {"rename-command HELLO \"\"", NULL};
    struct kit_server_options options = {
        .kind = strncmp(variant, "valkey", 6) == 0 ? KIT_VALKEY : KIT_REDIS,
        .config = variant[strlen(variant) - 1] == '2' ? k_resp2 : NULL,
        .is_tls = strstr(variant, "_tls") != NULL,
    };
    struct kit_server *server = kit_server_start(&options);
    struct row_round round = {.row = row,
                              .server = server,
                              .n_ops = kit_scaled(options.is_tls ? n_ops / 3 : n_ops),
                              .seed = kit_seed(),
                              .is_tls = options.is_tls};
    struct row_report report;
    row_run(&round, &report);
    kit_server_stop(server);
}

static void test_cross_talk__a1_mixed_traffic(void **state)
{
    (void)state;
    run(ROW_A1, OPS);
}

static void test_cross_talk__a1_without_the_proxy(void **state)
{
    (void)state;
    run(ROW_A1_DIRECT, OPS);
}

static void test_cross_talk__a2_connections_die(void **state)
{
    (void)state;
    run(ROW_A2, OPS);
}

static void test_cross_talk__a3_deadlines_pass(void **state)
{
    (void)state;
    run(ROW_A3, OPS);
}

static void test_cross_talk__a123_all_at_once(void **state)
{
    (void)state;
    run(ROW_A123, OPS);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_cross_talk__a1_mixed_traffic),
    KIT_TEST(test_cross_talk__a1_without_the_proxy),
    KIT_TEST(test_cross_talk__a2_connections_die),
    KIT_TEST(test_cross_talk__a3_deadlines_pass),
    KIT_TEST(test_cross_talk__a123_all_at_once),
};

KIT_MAIN(k_tests)
