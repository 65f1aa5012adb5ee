/* SPDX-License-Identifier: MIT */
/* tests/fuzz/echo_test.c — random arguments, encoded by the library, come back from a real server
 * byte for byte, read by the kit's own client. A key that was there before is there at the end:
 * no argument has become a command. FAC_TEST_SCALE=5000 makes it a million of each. */
#include "kit/kit.h"
#include "kit/raw.h"
#include "kit/server.h"

#include "resp/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COMMANDS = 20000,
    BATCH = 64,
    ARGS_MAX = 8,
    ARG_MAX_BYTES = 2048,
    FRAME_ROOM_BYTES = 8 * 1024 * 1024
};

static const char *const k_hostile[] = {
    "",
    "\r\n",
    "\r\n*1\r\n$8\r\nFLUSHALL\r\n",
    "a\r\n$1\r\nb",
    "$-1\r\n",
    "*0\r\n",
    "\r\nFLUSHALL\r\n",
    "FLUSHALL",
    "%s%n",
    "+OK\r\n",
};

/* A command on its way: what has to come back. */
struct expected {
    unsigned char *bytes;
    size_t len;
};

struct batch {
    unsigned char *frames;
    size_t frames_len;
    struct expected expected[BATCH];
    uint64_t random;
};

static size_t below(struct batch *batch, size_t n)
{
    return (size_t)(kit_random(&batch->random) % n);
}

/* Fill `to` with an argument; its length. */
static size_t make_arg(struct batch *batch, unsigned char *to)
{
    if (below(batch, 4) == 0) {
        const char *text = k_hostile[below(batch, KIT_COUNT(k_hostile))];
        memcpy(to, text, strlen(text));
        return strlen(text);
    }
    static const size_t k_limits[] = {2, 12, 100, ARG_MAX_BYTES};
    size_t len = below(batch, k_limits[below(batch, KIT_COUNT(k_limits))]);
    for (size_t i = 0; i < len; i++) {
        to[i] = (unsigned char)kit_random(&batch->random);
    }
    return len;
}

/* One command of 1 to ARGS_MAX random arguments behind `fixed`, and what it answers. */
static void add_command(struct batch *batch, struct expected *expected)
{
    static unsigned char room[ARGS_MAX][ARG_MAX_BYTES];
    struct faci_arg args[ARGS_MAX + 3] = {{.head = fac_str("ECHO")}};
    bool is_echo = below(batch, 2) == 0;
    size_t n_random = is_echo ? 1 : 1 + below(batch, ARGS_MAX);
    size_t n_args = 1;
    if (!is_echo) {
        args[0].head = fac_str("EVAL");
        args[1] = (struct faci_arg){.head = fac_str("return "), .tail = fac_str("ARGV")};
        args[2] = (struct faci_arg){.tail = fac_str("0")};
        n_args = 3;
    }
    expected->len = 0;
    for (size_t i = 0; i < n_random; i++) {
        size_t len = make_arg(batch, room[i]);
        size_t head_len = below(batch, len + 1);
        args[n_args++] = (struct faci_arg){.head = fac_mem(room[i], head_len),
                                           .tail = fac_mem(room[i] + head_len, len - head_len)};
        memcpy(expected->bytes + expected->len, room[i], len);
        expected->len += len;
        if (!is_echo) { /* as the kit's client writes an array */
            expected->bytes[expected->len++] = '\n';
        }
    }
    size_t frame_len = 0;
    assert_true(faci_resp_frame_bytes(args, n_args, &frame_len));
    assert_true(batch->frames_len + frame_len <= FRAME_ROOM_BYTES);
    unsigned char *to = batch->frames + batch->frames_len;
    assert_ptr_equal(faci_resp_put_frame(to, args, n_args), to + frame_len);
    batch->frames_len += frame_len;
}

static void run_batch(struct batch *batch, struct kit_raw *raw, size_t n)
{
    batch->frames_len = 0;
    for (size_t i = 0; i < n; i++) {
        add_command(batch, &batch->expected[i]);
    }
    assert_true(kit_raw_send(raw, batch->frames, batch->frames_len));
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *text = kit_raw_reply(raw, &len);
        assert_non_null(text);
        assert_int_equal(len, batch->expected[i].len);
        assert_memory_equal(text, batch->expected[i].bytes, len);
    }
}

static void test_encode__arguments_come_back_from_a_server(void **state)
{
    (void)state;
    const char *kind = kit_arg(0);
    struct kit_server_options options = {
        .kind = kind != NULL && strcmp(kind, "valkey") == 0 ? KIT_VALKEY : KIT_REDIS};
    struct kit_server *server = kit_server_start(&options);
    struct kit_raw *raw = kit_raw_tcp("127.0.0.1", kit_server_port(server));
    assert_non_null(raw);
    assert_string_equal(kit_raw_ask(raw, "SET", "sentinel", "here", NULL), "OK");

    static struct batch batch;
    batch.random = kit_seed();
    batch.frames = malloc(FRAME_ROOM_BYTES);
    assert_non_null(batch.frames);
    for (size_t i = 0; i < BATCH; i++) {
        batch.expected[i].bytes = malloc(ARGS_MAX * (ARG_MAX_BYTES + 1));
        assert_non_null(batch.expected[i].bytes);
    }
    size_t left = kit_scaled(COMMANDS);
    (void)printf("%zu commands\n", left);
    while (left > 0) {
        size_t n = left < BATCH ? left : BATCH;
        run_batch(&batch, raw, n);
        left -= n;
    }
    assert_string_equal(kit_raw_ask(raw, "GET", "sentinel", NULL), "here");
    assert_int_equal(kit_raw_ask_number(raw, "EXISTS", "sentinel"), 1);
    for (size_t i = 0; i < BATCH; i++) {
        free(batch.expected[i].bytes);
    }
    free(batch.frames);
    kit_raw_close(raw);
    kit_server_stop(server);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_encode__arguments_come_back_from_a_server),
};

KIT_MAIN(k_tests)
