/* SPDX-License-Identifier: MIT */
/* The fault proxy: each fault does exactly what it says to the bytes, seen from both ends. */
#include "fault/proxy_rig.h"

#include <stdlib.h>

enum {
    SOME = 70000 /* more than one read of the proxy */
};

static void fill(unsigned char *bytes, size_t len)
{
    uint64_t random = kit_seed();
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (unsigned char)kit_random(&random);
    }
}

static void start_opaque(struct rig *rig)
{
    struct kit_proxy_options options = {.is_opaque = true};
    rig_start(rig, &options);
}

static void test_proxy__passes_bytes_both_ways(void **state)
{
    (void)state;
    enum {
        BYTES = 1024 * 1024
    };
    struct rig rig;
    start_opaque(&rig);
    unsigned char *bytes = test_malloc(BYTES);
    fill(bytes, BYTES);
    for (size_t i = 0; i < 2; i++) {
        enum kit_direction direction = i == 0 ? KIT_UP : KIT_DOWN;
        rig_say(rig_from(&rig, direction), bytes, BYTES);
        rig_expect(rig_to(&rig, direction), bytes, BYTES);
    }
    struct kit_proxy_counts counts = kit_proxy_counts(rig.proxy);
    assert_int_equal(counts.n_accepted, 1);
    assert_int_equal(counts.n_live, 1);
    assert_int_equal(counts.n_cut, 0);
    assert_int_equal(counts.bytes_in[KIT_UP], BYTES);
    assert_int_equal(counts.bytes_out[KIT_DOWN], BYTES);
    assert_true(counts.cpu_ns > 0);
    /* The client's end goes on to the server, and the server's back. */
    assert_return_code(shutdown(rig.client, SHUT_WR), errno);
    rig_expect_end(rig.server, false);
    rig_say(rig.server, "late", 4);
    rig_expect(rig.client, "late", 4);
    assert_return_code(shutdown(rig.server, SHUT_WR), errno);
    rig_expect_end(rig.client, false);
    KIT_WAIT_FOR(5000, kit_proxy_counts(rig.proxy).n_live == 0);
    test_free(bytes);
    rig_end(&rig);
}

static void test_proxy__delays_each_byte_and_holds_none_up(void **state)
{
    (void)state;
    enum {
        SEGMENTS = 40,
        DELAY_MS = 50
    };
    struct rig rig;
    start_opaque(&rig);
    struct kit_faults faults = {.flow[KIT_DOWN].delay_ns = DELAY_MS * 1000000};
    kit_proxy_set(rig.proxy, &faults);
    int64_t sent_at_ms[SEGMENTS];
    for (size_t i = 0; i < SEGMENTS; i++) {
        sent_at_ms[i] = kit_now_ms();
        rig_say(rig.server, &(char){(char)i}, 1);
        kit_nap();
    }
    int64_t all_sent_ms = kit_now_ms();
    for (size_t i = 0; i < SEGMENTS; i++) {
        char got = 0;
        int err = 0;
        assert_int_equal(rig_hear(rig.client, &got, 1, &err), 1);
        assert_int_equal(got, (char)i);
        assert_true(kit_now_ms() + 1 >= sent_at_ms[i] + DELAY_MS); /* 1: of rounding */
    }
    /* One after the other they would have taken two seconds. */
    assert_true(kit_now_ms() - all_sent_ms < DELAY_MS + kit_margin_ms());
    /* The other direction is as fast as ever; the end is as late as the bytes. */
    rig_say(rig.client, "up", 2);
    rig_expect(rig.server, "up", 2);
    int64_t end_ms = kit_now_ms();
    assert_return_code(shutdown(rig.server, SHUT_WR), errno);
    rig_expect_end(rig.client, false);
    assert_true(kit_now_ms() + 1 >= end_ms + DELAY_MS);
    rig_end(&rig);
}

static void test_proxy__chops(void **state)
{
    (void)state;
    struct rig rig;
    start_opaque(&rig);
    unsigned char bytes[1000];
    fill(bytes, sizeof(bytes));
    struct kit_faults faults = {.flow[KIT_UP].chop_bytes = 1};
    kit_proxy_set(rig.proxy, &faults);
    rig_say(rig.client, bytes, sizeof(bytes));
    rig_expect(rig.server, bytes, sizeof(bytes));
    assert_int_equal(kit_proxy_counts(rig.proxy).n_sends[KIT_UP], sizeof(bytes));
    faults = (struct kit_faults){.flow[KIT_DOWN] = {.chop_bytes = 64, .is_chop_random = true}};
    kit_proxy_set(rig.proxy, &faults);
    rig_say(rig.server, bytes, sizeof(bytes));
    rig_expect(rig.client, bytes, sizeof(bytes));
    assert_in_range(kit_proxy_counts(rig.proxy).n_sends[KIT_DOWN], sizeof(bytes) / 64 + 2,
                    sizeof(bytes) / 8);
    rig_end(&rig);
}

static void test_proxy__holds_and_resumes(void **state)
{
    (void)state;
    struct rig rig;
    struct kit_proxy_options options = {.is_opaque = true, .buffer_bytes = 100};
    rig_start(&rig, &options);
    unsigned char bytes[1000];
    fill(bytes, sizeof(bytes));
    struct kit_faults faults = {.flow[KIT_DOWN].is_held = true};
    kit_proxy_set(rig.proxy, &faults);
    rig_say(rig.server, bytes, sizeof(bytes));
    KIT_WAIT_FOR(5000, kit_proxy_counts(rig.proxy).bytes_in[KIT_DOWN] == 100);
    rig_say(rig.client, "up", 2);
    rig_expect(rig.server, "up", 2);
    struct pollfd quiet = {.fd = rig.client, .events = POLLIN};
    assert_int_equal(poll(&quiet, 1, 20), 0);
    assert_int_equal(kit_proxy_counts(rig.proxy).bytes_in[KIT_DOWN], 100);
    kit_proxy_set(rig.proxy, &(struct kit_faults){.accept = KIT_ACCEPT});
    rig_expect(rig.client, bytes, sizeof(bytes));
    rig_end(&rig);
}

static void test_proxy__paces(void **state)
{
    (void)state;
    struct rig rig;
    start_opaque(&rig);
    struct kit_faults faults = {.flow[KIT_DOWN] = {.pace_bytes = 10, .pace_ns = 20000000}};
    kit_proxy_set(rig.proxy, &faults);
    unsigned char bytes[50];
    fill(bytes, sizeof(bytes));
    int64_t before_ms = kit_now_ms();
    rig_say(rig.server, bytes, sizeof(bytes));
    rig_expect(rig.client, bytes, sizeof(bytes));
    assert_true(kit_now_ms() + 1 >= before_ms + 80); /* four pauses */
    assert_int_equal(kit_proxy_counts(rig.proxy).n_sends[KIT_DOWN], 5);
    rig_end(&rig);
}

/* --- Cuts ------------------------------------------------------------------------------------ */

static void cut_once(enum kit_cut how, enum kit_direction direction, size_t after)
{
    struct rig rig;
    start_opaque(&rig);
    static unsigned char bytes[SOME];
    static unsigned char got[SOME];
    fill(bytes, sizeof(bytes));
    /* Faults count from when they are set, not from the first byte of the connection. */
    rig_say(rig_from(&rig, direction), bytes, 10);
    rig_expect(rig_to(&rig, direction), bytes, 10);
    struct kit_faults faults = {.accept = KIT_ACCEPT};
    faults.flow[direction].cut = how;
    faults.flow[direction].cut_after = after;
    kit_proxy_set(rig.proxy, &faults);
    ssize_t sent = send(rig_from(&rig, direction), bytes, sizeof(bytes), MSG_NOSIGNAL);
    /* A reset that send() met may not be told again. */
    bool is_told = sent != (ssize_t)sizeof(bytes);
    assert_true(!is_told || how == KIT_CUT_RST);
    int err = 0;
    size_t n = rig_hear(rig_to(&rig, direction), got, sizeof(got), &err);
    if (how == KIT_CUT_RST) {
        /* What had not left the proxy's socket is lost with it. */
        assert_true(n <= after);
        assert_int_equal(err, ECONNRESET);
    } else {
        assert_int_equal(n, after);
        assert_int_equal(err, 0);
    }
    assert_memory_equal(got, bytes, n);
    enum kit_direction back = direction == KIT_UP ? KIT_DOWN : KIT_UP;
    if (how == KIT_CUT_HALF) {
        rig_say(rig_from(&rig, back), "still here", 10);
        rig_expect(rig_to(&rig, back), "still here", 10);
    } else {
        char byte = 0;
        assert_int_equal(rig_hear(rig_to(&rig, back), &byte, 1, &err), 0);
        assert_true(is_told || err == (how == KIT_CUT_RST ? ECONNRESET : 0));
    }
    assert_int_equal(kit_proxy_counts(rig.proxy).n_cut, 1);
    rig_end(&rig);
}

static void test_proxy__cuts_behind_the_nth_byte(void **state)
{
    (void)state;
    static const enum kit_cut k_hows[] = {KIT_CUT_FIN, KIT_CUT_RST, KIT_CUT_HALF};
    static const size_t k_after[] = {0, 1, 37, 65537};
    for (size_t i = 0; i < KIT_COUNT(k_hows); i++) {
        for (size_t j = 0; j < KIT_COUNT(k_after); j++) {
            cut_once(k_hows[i], KIT_UP, k_after[j]);
            cut_once(k_hows[i], KIT_DOWN, k_after[j]);
        }
    }
}

static void test_proxy__cuts_by_chance_with_a_mean(void **state)
{
    (void)state;
    enum {
        CONNECTIONS = 60,
        MEAN = 100
    };
    struct rig rig;
    start_opaque(&rig);
    struct kit_faults faults = {.flow[KIT_DOWN] = {.cut = KIT_CUT_FIN, .cut_mean = MEAN}};
    kit_proxy_set(rig.proxy, &faults);
    unsigned char bytes[2 * MEAN];
    fill(bytes, sizeof(bytes));
    size_t sum = 0;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        int client = -1;
        int server = -1;
        int err = 0;
        rig_pair(&rig, &client, &server);
        rig_say(server, bytes, sizeof(bytes));
        size_t n = rig_hear(client, bytes, sizeof(bytes), &err);
        assert_in_range(n, 1, 2 * MEAN - 1);
        sum += n;
        (void)close(client);
        (void)close(server);
    }
    /* Six times the mean's own deviation to each side. */
    assert_in_range(sum / CONNECTIONS, MEAN - 45, MEAN + 45);
    assert_int_equal(kit_proxy_counts(rig.proxy).n_cut, CONNECTIONS);
    rig_end(&rig);
}

static void test_proxy__kills_all_or_one(void **state)
{
    (void)state;
    struct rig rig;
    start_opaque(&rig);
    int client = -1;
    int server = -1;
    rig_pair(&rig, &client, &server);
    assert_true(kit_proxy_kill_one(rig.proxy, 0, KIT_CUT_RST));
    rig_expect_end(rig.client, true);
    rig_expect_end(rig.server, true);
    assert_false(kit_proxy_kill_one(rig.proxy, 0, KIT_CUT_RST));
    rig_say(client, "alive", 5);
    rig_expect(server, "alive", 5);
    assert_int_equal(kit_proxy_kill(rig.proxy, KIT_CUT_HALF), 1);
    rig_expect_end(client, false);
    rig_say(client, "half", 4);
    rig_expect(server, "half", 4);
    assert_int_equal(kit_proxy_kill(rig.proxy, KIT_CUT_FIN), 1);
    rig_expect_end(server, false);
    assert_int_equal(kit_proxy_counts(rig.proxy).n_live, 0);
    assert_int_equal(kit_proxy_counts(rig.proxy).n_cut, 3);
    (void)close(client);
    (void)close(server);
    rig_end(&rig);
}

static void test_proxy__corrupts_one_byte(void **state)
{
    (void)state;
    struct rig rig;
    start_opaque(&rig);
    static unsigned char bytes[SOME];
    fill(bytes, sizeof(bytes));
    struct kit_faults faults = {
        .flow[KIT_DOWN] = {.corrupt_xor = 0x20, .corrupt_after = 66000}};
    kit_proxy_set(rig.proxy, &faults);
    rig_say(rig.server, bytes, sizeof(bytes));
    bytes[66000] ^= 0x20;
    rig_expect(rig.client, bytes, sizeof(bytes));
    assert_int_equal(kit_proxy_counts(rig.proxy).n_corrupted, 1);
    faults.flow[KIT_DOWN].corrupt_mean = 1000;
    kit_proxy_set(rig.proxy, &faults);
    static unsigned char got[SOME];
    int err = 0;
    rig_say(rig.server, bytes, sizeof(bytes));
    assert_int_equal(rig_hear(rig.client, got, sizeof(got), &err), sizeof(got));
    size_t n_differ = 0;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        n_differ += (bytes[i] ^ got[i]) == 0x20 ? 1 : 0;
        assert_true(bytes[i] == got[i] || (bytes[i] ^ got[i]) == 0x20);
    }
    assert_in_range(n_differ, SOME / 2000, SOME / 500);
    assert_int_equal(kit_proxy_counts(rig.proxy).n_corrupted, n_differ + 1);
    rig_end(&rig);
}

/* --- Doors ----------------------------------------------------------------------------------- */

static void test_proxy__refuses_and_accepts_again(void **state)
{
    (void)state;
    struct rig rig;
    start_opaque(&rig);
    struct kit_faults faults = {.accept = KIT_REFUSE};
    for (size_t i = 0; i < 3; i++) {
        faults.accept = KIT_REFUSE;
        kit_proxy_set(rig.proxy, &faults);
        assert_int_equal(rig_dial(&rig), -1);
        faults.accept = KIT_ACCEPT;
        kit_proxy_set(rig.proxy, &faults);
        int client = -1;
        int server = -1;
        rig_pair(&rig, &client, &server);
        rig_say(client, "again", 5);
        rig_expect(server, "again", 5);
        (void)close(client);
        (void)close(server);
    }
    rig_say(rig.client, "all along", 9);
    rig_expect(rig.server, "all along", 9);
    rig_end(&rig);
}

static void test_proxy__accepts_to_end_at_once(void **state)
{
    (void)state;
    struct rig rig;
    start_opaque(&rig);
    struct kit_faults faults = {.accept = KIT_ACCEPT_CLOSE};
    kit_proxy_set(rig.proxy, &faults);
    int client = rig_dial(&rig);
    rig_expect_end(client, false);
    (void)close(client);
    faults.accept = KIT_ACCEPT_RESET;
    kit_proxy_set(rig.proxy, &faults);
    client = rig_dial(&rig);
    if (client >= 0) { /* else the reset was faster than connect() */
        rig_expect_end(client, true);
        (void)close(client);
    }
    struct kit_proxy_counts counts = kit_proxy_counts(rig.proxy);
    assert_int_equal(counts.n_accepted, 3);
    assert_int_equal(counts.n_live, 1);
    rig_end(&rig);
}

static void test_proxy__tells_that_the_server_is_away(void **state)
{
    (void)state;
    struct rig rig;
    start_opaque(&rig);
    assert_return_code(shutdown(rig.listener, SHUT_RDWR), errno);
    int client = rig_dial(&rig);
    if (client >= 0) {
        rig_expect_end(client, true);
        (void)close(client);
    }
    assert_int_equal(kit_proxy_counts(rig.proxy).n_unreachable, 1);
    rig_say(rig.client, "old", 3);
    rig_expect(rig.server, "old", 3);
    rig_end(&rig);
}

static void test_proxy__faults_of_one_connection_are_its_own(void **state)
{
    (void)state;
    struct rig rig;
    start_opaque(&rig);
    int client = -1;
    int server = -1;
    rig_pair(&rig, &client, &server);
    struct kit_faults faults = {.flow[KIT_DOWN] = {.cut = KIT_CUT_FIN, .cut_after = 2}};
    assert_true(kit_proxy_set_one(rig.proxy, 1, &faults));
    assert_false(kit_proxy_set_one(rig.proxy, 2, &faults));
    rig_say(rig.server, "12345", 5);
    rig_expect(rig.client, "12345", 5);
    rig_say(server, "12345", 5);
    char got[5];
    int err = 0;
    assert_int_equal(rig_hear(client, got, sizeof(got), &err), 2);
    (void)close(client);
    (void)close(server);
    rig_end(&rig);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_proxy__passes_bytes_both_ways),
    KIT_TEST(test_proxy__delays_each_byte_and_holds_none_up),
    KIT_TEST(test_proxy__chops),
    KIT_TEST(test_proxy__holds_and_resumes),
    KIT_TEST(test_proxy__paces),
    KIT_TEST(test_proxy__cuts_behind_the_nth_byte),
    KIT_TEST(test_proxy__cuts_by_chance_with_a_mean),
    KIT_TEST(test_proxy__kills_all_or_one),
    KIT_TEST(test_proxy__corrupts_one_byte),
    KIT_TEST(test_proxy__refuses_and_accepts_again),
    KIT_TEST(test_proxy__accepts_to_end_at_once),
    KIT_TEST(test_proxy__tells_that_the_server_is_away),
    KIT_TEST(test_proxy__faults_of_one_connection_are_its_own),
};

KIT_MAIN(k_tests)
