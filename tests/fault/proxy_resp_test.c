/* SPDX-License-Identifier: MIT */
/* The fault proxy's eyes: requests read strictly, replies cut, added, dropped and doubled whole. */
#include "fault/proxy_rig.h"

#include "kit/raw.h"
#include "kit/reply_cut.h"
#include "kit/server.h"
#include "kit/workdir.h"

#include <stdio.h>

enum {
    ALL_BYTES = 4096 /* of all replies, with room behind them for as much again */
};

/* clang-format off */
static const char *const k_replies[] = {
    "+OK\r\n", "-ERR no\r\n", ":-12\r\n", "$5\r\nhello\r\n", "$0\r\n\r\n", "$-1\r\n", "*-1\r\n",
    "*0\r\n", "*2\r\n$1\r\na\r\n$-1\r\n", "*2\r\n*1\r\n:1\r\n*0\r\n", "_\r\n", "#t\r\n",
    ",1.5\r\n", "(123456789012345678901234567890123\r\n", "%1\r\n$1\r\nk\r\n*2\r\n:1\r\n:2\r\n",
    "~2\r\n+a\r\n+b\r\n", "=7\r\ntxt:abc\r\n", "!5\r\nERR x\r\n", "$4\r\n\r\n$1\r\n",
    "|1\r\n+ttl\r\n:3\r\n$2\r\nab\r\n", "*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n",
    "+a text that is longer than any header with a number may ever be\r\n", "%0\r\n",
};
/* clang-format on */

static void test_reply_cut__finds_each_end_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < KIT_COUNT(k_replies); i++) {
        const unsigned char *wire = (const unsigned char *)k_replies[i];
        size_t len = strlen(k_replies[i]);
        for (size_t split = 0; split < len; split++) {
            struct kit_reply_cut cut = {0};
            bool is_end = false;
            assert_int_equal(kit_reply_cut_feed(&cut, wire, split, &is_end), split);
            assert_false(is_end);
            assert_int_equal(kit_reply_cut_between(&cut), split == 0);
            assert_int_equal(kit_reply_cut_feed(&cut, wire + split, len - split, &is_end),
                             len - split);
            assert_true(is_end);
            assert_true(kit_reply_cut_between(&cut));
            assert_false(cut.is_push);
            assert_null(cut.problem);
        }
    }
}

static void test_reply_cut__knows_what_is_no_reply(void **state)
{
    (void)state;
    static const char *const k_bad[] = {"OK\r\n", "$x\r\n",           "*1x\r\n",
                                        "\r\n",   "$99999999999\r\n", "$?\r\n"};
    for (size_t i = 0; i < KIT_COUNT(k_bad); i++) {
        struct kit_reply_cut cut = {0};
        bool is_end = true;
        (void)kit_reply_cut_feed(&cut, (const unsigned char *)k_bad[i], strlen(k_bad[i]),
                                 &is_end);
        assert_non_null(cut.problem);
        assert_false(is_end);
    }
}

/* --- Replies --------------------------------------------------------------------------------- */

static const char k_extra[] = "$3\r\n\r\n!\r\n";

/* All replies, and what the client gets of them when one suffers `fault`. */
static void write_replies(enum kit_reply_fault fault, size_t victim, char *all, char *want)
{
    for (size_t i = 0; i < KIT_COUNT(k_replies); i++) {
        enum kit_reply_fault here = i == victim ? fault : KIT_REPLY_PASS;
        const char *before = here == KIT_REPLY_INSERT ? k_extra : "";
        const char *twice = here == KIT_REPLY_TWICE ? k_replies[i] : "";
        const char *passed = here == KIT_REPLY_DROP ? "" : k_replies[i];
        all += snprintf(all, ALL_BYTES / 2, "%s", k_replies[i]);
        want += snprintf(want, ALL_BYTES / 2, "%s%s%s", before, passed, twice);
    }
}

static void wait_until_read(const struct rig *rig, uint64_t goal)
{
    KIT_WAIT_FOR(5000, kit_proxy_counts(rig->proxy).bytes_in[KIT_DOWN] == goal);
}

/* Send them in pieces of `step` bytes. */
static void fault_one(struct rig *rig, enum kit_reply_fault fault, size_t victim, size_t step)
{
    char all[ALL_BYTES] = "";
    char want[ALL_BYTES] = "";
    write_replies(fault, victim, all, want);
    struct kit_faults faults = {.reply = fault, .reply_after = victim, .inserted = k_extra};
    kit_proxy_set(rig->proxy, &faults);
    size_t len = strlen(all);
    uint64_t before = kit_proxy_counts(rig->proxy).bytes_in[KIT_DOWN];
    for (size_t at = 0; at < len; at += step) {
        size_t piece = len - at < step ? len - at : step;
        rig_say(rig->server, all + at, piece);
        if (step > 1) { /* larger ones are read each on its own */
            wait_until_read(rig, before + at + piece);
        }
    }
    wait_until_read(rig, before + len); /* none is on its way when the next one begins */
    rig_expect(rig->client, want, strlen(want));
}

static void test_proxy__does_faults_to_whole_replies(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, &(struct kit_proxy_options){.is_opaque = false});
    size_t n = 0;
    for (size_t i = 0; i < KIT_COUNT(k_replies); i++) {
        for (int fault = KIT_REPLY_INSERT; fault <= KIT_REPLY_TWICE; fault++) {
            fault_one(&rig, (enum kit_reply_fault)fault, i, 1);
            fault_one(&rig, (enum kit_reply_fault)fault, i, 100);
            n += 2;
        }
    }
    struct kit_proxy_counts counts = kit_proxy_counts(rig.proxy);
    assert_int_equal(counts.n_reply_faults, n);
    assert_int_equal(counts.n_replies, n * KIT_COUNT(k_replies));
    rig_end(&rig);
}

static void test_proxy__counts_pushes_apart_and_injects(void **state)
{
    (void)state;
    static const char k_push[] = ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n";
    struct rig rig;
    rig_start(&rig, &(struct kit_proxy_options){.is_opaque = false});
    rig_say(rig.server, k_push, sizeof(k_push) - 1);
    rig_expect(rig.client, k_push, sizeof(k_push) - 1);
    rig_say(rig.server, ":1\r\n", 4);
    rig_expect(rig.client, ":1\r\n", 4);
    kit_proxy_inject(rig.proxy, KIT_REPLY_DROP);
    rig_say(rig.server, ":2\r\n:3\r\n", 8);
    rig_expect(rig.client, ":3\r\n", 4);
    kit_proxy_inject(rig.proxy, KIT_REPLY_INSERT);
    rig_say(rig.server, ":4\r\n:5\r\n", 8);
    rig_expect(rig.client, "$8\r\ninserted\r\n:4\r\n:5\r\n", 22);
    struct kit_proxy_counts counts = kit_proxy_counts(rig.proxy);
    assert_int_equal(counts.n_pushes, 1);
    assert_int_equal(counts.n_replies, 5);
    assert_int_equal(counts.n_reply_faults, 2);
    rig_end(&rig);
}

static void test_proxy__cuts_after_a_mean_of_replies(void **state)
{
    (void)state;
    enum {
        MEAN = 20,
        CONNECTIONS = 30
    };
    struct rig rig;
    struct kit_proxy_options options = {
        .faults = {.reply_cut = KIT_CUT_ANY, .reply_cut_mean = MEAN}};
    rig_start(&rig, &options);
    size_t n_echoed = 0;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        int client = -1;
        int server = -1;
        rig_pair(&rig, &client, &server);
        for (bool is_alive = true; is_alive;) {
            char got[64];
            is_alive = send(client, "*1\r\n$4\r\nPING\r\n", 14, MSG_NOSIGNAL) == 14 &&
                       recv(server, got, 14, MSG_WAITALL) == 14 &&
                       send(server, "+PONG\r\n", 7, MSG_NOSIGNAL) == 7 &&
                       recv(client, got, 7, MSG_WAITALL) == 7;
            n_echoed += is_alive ? 1 : 0;
        }
        (void)close(client);
        (void)close(server);
    }
    /* On the mean after 20 replies, and some bytes on: up to 2 KiB of 14 or of 7. */
    assert_in_range(n_echoed, CONNECTIONS, CONNECTIONS * (2 * MEAN + 2048 / 7));
    assert_true(kit_proxy_counts(rig.proxy).n_cut >= CONNECTIONS);
    rig_end(&rig);
}

/* --- Requests -------------------------------------------------------------------------------- */

struct seen {
    size_t n;
    size_t arg_bytes;
    size_t connection;
};

static void note_request(void *context, size_t connection, const struct kit_frame *frame)
{
    struct seen *seen = context;
    seen->n++;
    seen->connection = connection;
    for (size_t i = 0; i < frame->n_args; i++) {
        seen->arg_bytes += frame->args[i].len;
    }
}

static void test_proxy__reads_requests_in_any_pieces(void **state)
{
    (void)state;
    static const char k_two[] = "*2\r\n$3\r\nGET\r\n$5\r\nk\r\n$1\r\n*1\r\n$4\r\nPING\r\n";
    enum {
        LEN = sizeof(k_two) - 1
    };
    struct seen seen = {0};
    struct rig rig;
    struct kit_proxy_options options = {.on_request = note_request, .context = &seen};
    rig_start(&rig, &options);
    for (size_t split = 0; split <= LEN; split++) {
        rig_say(rig.client, k_two, split);
        rig_expect(rig.server, k_two, split);
        rig_say(rig.client, k_two + split, LEN - split);
        rig_expect(rig.server, k_two + split, LEN - split);
    }
    struct kit_proxy_counts counts = kit_proxy_counts(rig.proxy);
    assert_int_equal(counts.n_requests, 2 * (LEN + 1));
    assert_int_equal(counts.n_malformed, 0);
    (void)close(rig.client);
    rig.client = rig_dial(&rig);
    kit_proxy_stop(rig.proxy);
    assert_int_equal(seen.n, 2 * (LEN + 1));
    assert_int_equal(seen.arg_bytes, 12 * (LEN + 1));
    assert_int_equal(seen.connection, 0);
    rig.proxy = NULL;
    rig_end(&rig);
}

static void test_proxy__counts_what_is_no_request(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, &(struct kit_proxy_options){.allows_malformed = true});
    static const char k_bad[] = "*1\r\n$4\r\nPING\r\n*1\r\n$3\r\nPING\r\n*1\r\n$4\r\nPING\r\n";
    rig_say(rig.client, k_bad, sizeof(k_bad) - 1);
    rig_expect(rig.server, k_bad, sizeof(k_bad) - 1); /* it reads; it does not judge */
    struct kit_proxy_counts counts = kit_proxy_counts(rig.proxy);
    assert_int_equal(counts.n_requests, 1);
    assert_int_equal(counts.n_malformed, 1);
    assert_contains(counts.malformed, "no CRLF behind an argument");
    rig_end(&rig);
}

/* --- A real server --------------------------------------------------------------------------- */

static void test_proxy__stands_before_a_real_server(void **state)
{
    (void)state;
    struct kit_server_options server_options = {.kind = KIT_REDIS};
    struct kit_server *server = kit_server_start(&server_options);
    struct kit_workdir dir;
    char path[KIT_WORKDIR_PATH_BYTES + 8];
    kit_workdir_make(&dir);
    (void)snprintf(path, sizeof(path), "%s/p", dir.path);
    struct kit_proxy_options options = {.to_unix = kit_server_socket(server),
                                        .unix_path = path};
    struct kit_proxy *proxy = kit_proxy_start(&options);
    struct kit_raw *raw[] = {kit_raw_tcp("127.0.0.1", kit_proxy_port(proxy)),
                             kit_raw_unix(path)};
    for (size_t i = 0; i < KIT_COUNT(raw); i++) {
        assert_non_null(raw[i]);
        assert_string_equal(kit_raw_ask(raw[i], "SET", "k", "v", NULL), "OK");
        assert_string_equal(kit_raw_ask(raw[i], "GET", "k", NULL), "v");
    }
    struct kit_faults refuse = {.accept = KIT_REFUSE};
    kit_proxy_set(proxy, &refuse);
    assert_null(kit_raw_unix(path));
    assert_null(kit_raw_tcp("127.0.0.1", kit_proxy_port(proxy)));
    kit_proxy_set(proxy, &(struct kit_faults){.accept = KIT_ACCEPT});
    struct kit_raw *again = kit_raw_unix(path);
    assert_non_null(again);
    assert_string_equal(kit_raw_ask(again, "GET", "k", NULL), "v");
    kit_raw_close(again);
    kit_raw_close(raw[0]);
    kit_raw_close(raw[1]);
    struct kit_proxy_counts counts = kit_proxy_counts(proxy);
    assert_int_equal(counts.n_requests, 5);
    assert_int_equal(counts.n_replies, 5);
    kit_proxy_stop(proxy);
    kit_workdir_remove(&dir);
    kit_server_stop(server);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_reply_cut__finds_each_end_at_every_split),
    KIT_TEST(test_reply_cut__knows_what_is_no_reply),
    KIT_TEST(test_proxy__does_faults_to_whole_replies),
    KIT_TEST(test_proxy__counts_pushes_apart_and_injects),
    KIT_TEST(test_proxy__cuts_after_a_mean_of_replies),
    KIT_TEST(test_proxy__reads_requests_in_any_pieces),
    KIT_TEST(test_proxy__counts_what_is_no_request),
    KIT_TEST(test_proxy__stands_before_a_real_server),
};

KIT_MAIN(k_tests)
