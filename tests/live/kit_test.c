/* SPDX-License-Identifier: MIT */
/* The kit itself: real servers, the raw client, the strict frame reader and the stub. */
#include "kit/frame.h"
#include "kit/kit.h"
#include "kit/raw.h"
#include "kit/server.h"
#include "kit/stub.h"
#include "kit/wait.h"
#include "kit/workdir.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum kit_server_kind kind_of_test(void)
{
    return kit_arg(0) != NULL && strcmp(kit_arg(0), "valkey") == 0 ? KIT_VALKEY : KIT_REDIS;
}

static void test_kit_server__starts_answers_and_leaves_nothing(void **state)
{
    (void)state;
    static const char *const k_config[] = {"requirepass pw", "maxclients 50", NULL};
    struct kit_server_options options = {.kind = kind_of_test(), .config = k_config};
    struct kit_server *server = kit_server_start(&options);
    struct kit_raw *raw = kit_raw_tcp("127.0.0.1", kit_server_port(server));
    assert_non_null(raw);
    assert_contains(kit_raw_ask(raw, "GET", "k", NULL), "-NOAUTH");
    assert_string_equal(kit_raw_ask(raw, "AUTH", "pw", NULL), "OK");
    assert_string_equal(kit_raw_ask(raw, "SET", "k", "v\r\n$1", NULL), "OK");
    assert_string_equal(kit_raw_ask(raw, "GET", "k", NULL), "v\r\n$1");
    assert_string_equal(kit_raw_ask(raw, "GET", "absent", NULL), "(nil)");
    assert_string_equal(kit_raw_ask(raw, "MGET", "k", "absent", NULL), "v\r\n$1\n(nil)\n");
    assert_int_equal(kit_raw_ask_number(raw, "STRLEN", "k"), 5);
    assert_int_equal(kit_raw_count_clients(raw), 1);
    kit_raw_close(raw);

    char dir[128];
    (void)snprintf(dir, sizeof(dir), "%s", kit_server_dir(server));
    int pid = kit_server_pid(server);
    kit_server_stop(server);
    struct stat info;
    assert_int_not_equal(stat(dir, &info), 0);
    assert_int_not_equal(kill(pid, 0), 0);
}

static void test_kit_server__restarts_on_its_port(void **state)
{
    (void)state;
    struct kit_server_options options = {.kind = kind_of_test()};
    struct kit_server *server = kit_server_start(&options);
    uint16_t port = kit_server_port(server);
    kit_server_kill(server);
    assert_null(kit_raw_tcp("127.0.0.1", port));
    kit_server_restart(server);
    assert_int_equal(kit_server_port(server), port);
    struct kit_raw *raw = kit_raw_tcp("127.0.0.1", port);
    assert_non_null(raw);
    kit_server_pause(server);
    assert_true(kit_raw_send(raw, "*1\r\n$4\r\nPING\r\n", 14));
    kit_server_resume(server);
    assert_string_equal(kit_raw_reply(raw, NULL), "PONG");
    kit_raw_close(raw);
    kit_server_stop(server);
}

static void test_kit_workdir__left_by_a_crash_is_swept(void **state)
{
    (void)state;
    struct kit_workdir lost;
    struct kit_workdir mine;
    char file[KIT_WORKDIR_PATH_BYTES + 8];
    struct stat info;
    kit_workdir_make(&lost);
    (void)snprintf(file, sizeof(file), "%s/file", lost.path);
    FILE *stream = fopen(file, "we");
    assert_non_null(stream);
    assert_int_equal(fclose(stream), 0);
    kit_workdir_make(&mine);
    assert_int_equal(stat(lost.path, &info), 0); /* its owner lives */
    kit_workdir_remove(&mine);
    assert_int_not_equal(stat(mine.path, &info), 0);
    assert_int_equal(close(lost.lock_fd), 0); /* as a crash does */
    kit_workdir_make(&mine);
    /* Another test's sweep may have come first, and be at it still. */
    KIT_WAIT_FOR(10000, stat(lost.path, &info) != 0);
    kit_workdir_remove(&mine);
}

static void test_kit_port__refuses(void **state)
{
    (void)state;
    uint16_t port = 0;
    int holder = kit_port_without_listener(&port);
    assert_null(kit_raw_tcp("127.0.0.1", port));
    kit_port_give_back(holder);
}

static void test_kit_frame__is_strict_at_every_length(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *wire; enum kit_frame_result want; } k_cases[] = {
        {"*1\r\n$4\r\nPING\r\n", KIT_FRAME_WHOLE}, {"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", KIT_FRAME_WHOLE},
        {"*1\r\n$4\r\nPING", KIT_FRAME_MORE}, {"*1", KIT_FRAME_MORE}, {"", KIT_FRAME_MORE},
        {"*1\r\n$4\r\nPINGX\r\n", KIT_FRAME_MALFORMED}, {"PING\r\n", KIT_FRAME_MALFORMED},
        {"*0\r\n", KIT_FRAME_MALFORMED}, {"*-1\r\n", KIT_FRAME_MALFORMED},
        {"*01\r\n$4\r\nPING\r\n", KIT_FRAME_MALFORMED}, {"*1\n$4\r\n", KIT_FRAME_MALFORMED},
        {"*1\r\n+OK\r\n", KIT_FRAME_MALFORMED}, {"*1\r\n$\r\n", KIT_FRAME_MALFORMED},
        {"*99999999999\r\n", KIT_FRAME_MALFORMED}, {"*1\r\r$4", KIT_FRAME_MALFORMED},
    };
    /* clang-format on */
    struct kit_frame frame = {0};
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        const unsigned char *wire = (const unsigned char *)k_cases[i].wire;
        size_t len = strlen(k_cases[i].wire);
        assert_int_equal(kit_frame_parse(&frame, wire, len), k_cases[i].want);
        for (size_t part = 0; k_cases[i].want == KIT_FRAME_WHOLE && part < len; part++) {
            assert_int_equal(kit_frame_parse(&frame, wire, part), KIT_FRAME_MORE);
        }
    }
    kit_frame_fini(&frame);
}

static void test_kit_stub__follows_its_scripts(void **state)
{
    (void)state;
    struct kit_gate gate;
    kit_gate_init(&gate);
    /* clang-format off */
    const struct kit_step first[] = {
        {KIT_EXPECT, "GET", NULL}, {KIT_AWAIT, NULL, &gate}, {KIT_TRICKLE, "$1\r\na\r\n", NULL},
        {KIT_EXPECT, NULL, NULL}, {KIT_SAY, "$5\r\nha", NULL}, {KIT_SHUT, NULL, NULL},
    };
    const struct kit_step second[] = {{KIT_RESET, NULL, NULL}};
    const struct kit_step rest[] = {{KIT_SERVE, NULL, NULL}};
    /* clang-format on */
    const struct kit_step *const scripts[] = {first, second, rest};
    struct kit_stub_options options = {.scripts = scripts, .n_scripts = 3};
    struct kit_stub *stub = kit_stub_start(&options);

    struct kit_raw *raw = kit_raw_tcp("127.0.0.1", kit_stub_port(stub));
    assert_non_null(raw);
    assert_string_equal(kit_raw_ask(raw, "PING", NULL), "PONG");
    assert_contains(kit_raw_ask(raw, "INFO", "server", NULL), "redis_version:7.0.0");
    assert_true(kit_raw_send(raw, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", 20));
    KIT_WAIT_FOR(5000, kit_stub_commands(stub, "GET") == 1);
    kit_gate_open(&gate);
    assert_string_equal(kit_raw_reply(raw, NULL), "a");
    assert_true(kit_raw_send(raw, "*1\r\n$3\r\nDEL\r\n", 13));
    assert_null(kit_raw_reply(raw, NULL));
    kit_raw_close(raw);

    raw = kit_raw_tcp("127.0.0.1", kit_stub_port(stub));
    assert_non_null(raw);
    assert_null(kit_raw_reply(raw, NULL));
    kit_raw_close(raw);

    raw = kit_raw_tcp("127.0.0.1", kit_stub_port(stub));
    assert_non_null(raw);
    assert_string_equal(kit_raw_ask(raw, "GET", "k", NULL), "served");
    assert_contains(kit_raw_ask(raw, "NONSENSE", NULL), "-ERR");
    kit_raw_close(raw);
    assert_int_equal(kit_stub_connections(stub), 3);
    assert_int_equal(kit_stub_commands(stub, NULL), 4);
    kit_stub_stop(stub);
    kit_gate_fini(&gate);
}

static void test_kit_stub__stops_with_clients_that_stay(void **state)
{
    (void)state;
    const struct kit_step stall[] = {{KIT_STALL, NULL, NULL}};
    const struct kit_step end[] = {{KIT_END, NULL, NULL}};
    const struct kit_step *const scripts[] = {stall, end};
    struct kit_stub_options options = {.scripts = scripts, .n_scripts = 2, .is_bare = true};
    struct kit_stub *stub = kit_stub_start(&options);
    struct kit_raw *stays[2];
    for (size_t i = 0; i < 2; i++) {
        stays[i] = kit_raw_tcp("127.0.0.1", kit_stub_port(stub));
        assert_non_null(stays[i]);
        assert_true(kit_raw_send(stays[i], "x", 1));
    }
    KIT_WAIT_FOR(5000, kit_stub_connections(stub) == 2);
    int64_t before_ms = kit_now_ms();
    kit_stub_stop(stub);
    assert_true(kit_now_ms() - before_ms < 5000);
    kit_raw_close(stays[0]);
    kit_raw_close(stays[1]);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_kit_server__starts_answers_and_leaves_nothing),
    KIT_TEST(test_kit_server__restarts_on_its_port),
    KIT_TEST(test_kit_workdir__left_by_a_crash_is_swept),
    KIT_TEST(test_kit_port__refuses),
    KIT_TEST(test_kit_frame__is_strict_at_every_length),
    KIT_TEST(test_kit_stub__follows_its_scripts),
    KIT_TEST(test_kit_stub__stops_with_clients_that_stay),
};

KIT_MAIN(k_tests)
