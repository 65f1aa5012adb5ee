/* SPDX-License-Identifier: MIT */
/* What a shared connection survives and what ends it: silence, nonsense, bounds and no memory. */
#include "crew.h"

#include <stdlib.h>

/* --- What it survives ------------------------------------------------------------------------ */

static void peer_pushes_and_errors(struct kit_stub_conn *conn, void *context)
{
    struct crew *crew = context;
    if (crew_peer_read(crew, conn, 3) && kit_stub_await(conn, &crew->gates[0])) {
        (void)kit_stub_say(conn, ">2\r\n+a\r\n$1\r\nx\r\n$3\r\none\r\n>1\r\n:1\r\n"
                                 "-ERR no\r\n>1\r\n_\r\n$5\r\nthree\r\n");
        crew->n_answered = 3;
        crew_peer_serve(crew, conn);
    }
}

static void test_mux_end__pushes_and_errors_do_not_end_it(void **state)
{
    (void)state;
    struct crew crew;
    crew_begin(&crew, peer_pushes_and_errors, CREW_LONG_MS);
    crew_set_near(&crew, false);
    struct crew_call calls[] = {crew_call(&crew, "one", CREW_LONG_MS),
                                crew_call(&crew, "two", CREW_LONG_MS),
                                crew_call(&crew, "three", CREW_LONG_MS)};
    for (size_t i = 0; i < KIT_COUNT(calls); i++) {
        crew_start(&calls[i]);
    }
    kit_gate_open(&crew.gates[0]);
    for (size_t i = 0; i < KIT_COUNT(calls); i++) {
        crew_join(&calls[i]);
    }
    crew_expect_own(&calls[0]);
    assert_status(calls[1].st, FAC_E_SERVER, &calls[1].err);
    assert_int_equal(calls[1].own.n_begun, 0);
    crew_expect_own(&calls[2]);
    crew_expect_get(&crew, "next");
    crew_end(&crew);
}

enum {
    LARGE_BYTES = 1 << 20
};

/* The second one's reply is large, and comes before the leader, the third's, has its own. */
static void peer_large(struct kit_stub_conn *conn, void *context)
{
    struct crew *crew = context;
    char *large = malloc(LARGE_BYTES);
    if (large == NULL || !crew_peer_read(crew, conn, 2) ||
        !kit_stub_await(conn, &crew->gates[0])) {
        free(large);
        return;
    }
    for (size_t i = 0; i < LARGE_BYTES; i++) {
        large[i] = (char)('a' + i % 23);
    }
    (void)kit_stub_say(conn, "$1048576\r\n");
    (void)kit_stub_send(conn, large, LARGE_BYTES);
    (void)kit_stub_say(conn, "\r\n");
    free(large);
    crew->n_answered = 1;
    crew_peer_serve(crew, conn);
}

/* The test holds the reader's token until the second caller is there, and makes it the reader: so
 * the first one's reply is taken in by another. */
static void large_case(bool has_memory)
{
    struct crew crew;
    crew_begin(&crew, peer_large, CREW_LONG_MS);
    crew_set_near(&crew, false);
    faci_mutex_lock(&crew.conn->lock);
    crew.conn->has_reader = true;
    faci_mutex_unlock(&crew.conn->lock);
    struct crew_call first = crew_call(&crew, "first", CREW_LONG_MS);
    struct crew_call second = crew_call(&crew, "second", CREW_LONG_MS);
    crew_start(&first);
    crew_start(&second);
    faci_mutex_lock(&crew.conn->lock);
    struct faci_slot *slot = crew.conn->newest;
    assert_true(faci_slot_turn(slot, FACI_SLOT_WAITING, FACI_SLOT_READING));
    faci_mutex_unlock(&crew.conn->lock);
    faci_wait_wake(&slot->group->word, FACI_WAIT_ALL);
    if (!has_memory) {
        kit_memory_fail(&crew.memory, 1, true);
    }
    kit_gate_open(&crew.gates[0]);
    crew_join(&first);
    crew_join(&second);
    kit_memory_fail(&crew.memory, 0, false);
    if (has_memory) {
        assert_status(first.st, FAC_OK, &first.err);
        assert_int_equal(first.own.len, LARGE_BYTES);
        uint64_t sum = 0;
        for (size_t i = 0; i < LARGE_BYTES; i++) {
            sum = sum * 31 + (unsigned char)('a' + i % 23);
        }
        assert_true(first.own.sum == sum);
    } else {
        assert_status(first.st, FAC_E_NOMEM, &first.err);
    }
    crew_expect_own(&second);
    crew_expect_get(&crew, "next");
    crew_end(&crew);
}

static void test_mux_end__a_large_reply_of_a_follower_is_kept(void **state)
{
    (void)state;
    large_case(true);
}

static void test_mux_end__no_memory_for_a_followers_reply(void **state)
{
    (void)state;
    large_case(false);
}

static void test_mux_end__no_memory_for_a_call_leaves_the_stream_in_step(void **state)
{
    (void)state;
    struct crew crew;
    crew_begin(&crew, crew_peer_gated, CREW_LONG_MS);
    crew_set_near(&crew, false);
    crew.config.integrity_every = 1;
    struct crew_call first = crew_call(&crew, "first", CREW_LONG_MS);
    crew_start(&first);
    KIT_WAIT_FOR(CREW_LONG_MS, kit_stub_commands(crew.stub, "GET") == 1);
    size_t n_refused = 0;
    for (size_t i = 0; i < 160; i++) {
        char key[24];
        (void)snprintf(key, sizeof(key), "k%zu", i);
        struct crew_call call = crew_call(&crew, key, 0);
        kit_memory_fail(&crew.memory, 1 + i % 3, true);
        crew_do(&call);
        kit_memory_fail(&crew.memory, 0, false);
        n_refused += call.st == FAC_E_NOMEM ? 1U : 0U;
        assert_true(call.st == FAC_E_NOMEM || call.st == FAC_E_TIMEOUT);
        assert_int_equal(call.was_sent, call.st == FAC_E_TIMEOUT);
    }
    assert_true(n_refused > 0);
    kit_gate_open(&crew.gates[0]);
    crew_join(&first);
    crew_expect_own(&first);
    crew_expect_get(&crew, "next");
    assert_int_equal(atomic_load(&crew.tally.late_replies), 160 - n_refused);
    crew_end(&crew);
}

static void test_mux_end__too_many_under_way_are_refused(void **state)
{
    (void)state;
    struct crew crew;
    crew_begin(&crew, crew_peer_gated, CREW_LONG_MS);
    crew_set_near(&crew, false);
    struct crew_call first = crew_call(&crew, "first", CREW_LONG_MS);
    crew_start(&first);
    /* As if so many had gone before it. */
    faci_mutex_lock(&crew.conn->lock);
    uint64_t n_answered = crew.conn->n_answered;
    crew.conn->n_answered = crew.conn->n_appended - FACI_CONN_SHARED_MAX;
    faci_mutex_unlock(&crew.conn->lock);
    struct crew_call call = crew_call(&crew, "k", 0);
    crew_do(&call);
    assert_status(call.st, FAC_E_BUSY, &call.err);
    assert_false(call.was_sent);
    faci_mutex_lock(&crew.conn->lock);
    crew.conn->n_answered = n_answered;
    faci_mutex_unlock(&crew.conn->lock);
    kit_gate_open(&crew.gates[0]);
    crew_join(&first);
    crew_expect_own(&first);
    crew_expect_get(&crew, "next");
    assert_int_equal(kit_stub_commands(crew.stub, "GET"), 2);
    crew_end(&crew);
}

/* --- What ends it ---------------------------------------------------------------------------- */

static void test_mux_end__newer_requests_do_not_put_off_the_stall(void **state)
{
    (void)state;
    enum {
        STALL_MS = 400
    };
    struct crew crew;
    crew_begin(&crew, crew_peer_silent, STALL_MS);
    crew_set_near(&crew, false);
    struct crew_call first = crew_call(&crew, "first", CREW_LONG_MS);
    int64_t began_ns = faci_clock_now_ns();
    crew_start(&first);
    int64_t give_up_ns = faci_clock_after_ms(began_ns, CREW_LONG_MS / 2);
    while (!faci_conn_is_poisoned(crew.conn) && faci_clock_now_ns() < give_up_ns) {
        struct crew_call newer = crew_call(&crew, "newer", STALL_MS / 8);
        crew_do(&newer);
        assert_true(newer.st < 0);
    }
    crew_join(&first);
    assert_status(first.st, FAC_E_TIMEOUT, &first.err);
    assert_true(faci_conn_is_poisoned(crew.conn));
    assert_true(first.took_ns >= INT64_C(1000000) * STALL_MS);
    assert_true(first.took_ns < INT64_C(1000000) * (STALL_MS + kit_margin_ms()));
    crew_end(&crew);
}

static void peer_wrong_type(struct kit_stub_conn *conn, void *context)
{
    struct crew *crew = context;
    if (crew_peer_read(crew, conn, 2) && kit_stub_await(conn, &crew->gates[0])) {
        (void)kit_stub_say(conn, ":7\r\n$6\r\nsecond\r\n");
        kit_stub_drain(conn);
    }
}

static void test_mux_end__a_reply_of_a_wrong_type_ends_it_for_all(void **state)
{
    (void)state;
    struct crew crew;
    crew_begin(&crew, peer_wrong_type, CREW_LONG_MS);
    crew_set_near(&crew, false);
    struct crew_call first = crew_call(&crew, "first", CREW_LONG_MS);
    struct crew_call second = crew_call(&crew, "second", CREW_LONG_MS);
    crew_start(&first);
    crew_start(&second);
    kit_gate_open(&crew.gates[0]);
    crew_join(&first);
    crew_join(&second);
    assert_status(first.st, FAC_E_PROTOCOL, &first.err);
    assert_status(second.st, FAC_E_PROTOCOL, &second.err);
    assert_int_equal(second.own.n_begun, 0);
    crew_end(&crew);
}

static void peer_shifted(struct kit_stub_conn *conn, void *context)
{
    struct crew *crew = context;
    if (crew_peer_read(crew, conn, 2) && kit_stub_await(conn, &crew->gates[0])) {
        (void)kit_stub_say(conn, "$5\r\nfirst\r\n$5\r\n12345\r\n");
        kit_stub_drain(conn);
    }
}

static void test_mux_end__a_check_finds_a_shifted_stream(void **state)
{
    (void)state;
    struct crew crew;
    crew_begin(&crew, peer_shifted, CREW_LONG_MS);
    crew_set_near(&crew, false);
    crew.config.integrity_every = 1;
    struct crew_call first = crew_call(&crew, "first", CREW_LONG_MS);
    struct crew_call second = crew_call(&crew, "second", CREW_LONG_MS);
    crew_start(&first);
    crew_start(&second);
    kit_gate_open(&crew.gates[0]);
    crew_join(&first);
    crew_join(&second);
    assert_status(second.st, FAC_E_PROTOCOL, &second.err);
    assert_int_equal(second.own.n_begun, 0);
    assert_true(faci_conn_is_poisoned(crew.conn));
    crew_end(&crew);
}

static void test_mux_end__the_end_wakes_everybody_with_the_reason(void **state)
{
    (void)state;
    struct crew crew;
    crew_begin(&crew, crew_peer_silent, CREW_LONG_MS);
    crew_set_near(&crew, false);
    struct crew_call calls[6];
    for (size_t i = 0; i < KIT_COUNT(calls); i++) {
        calls[i] = crew_call(&crew, "k", CREW_LONG_MS);
        crew_start(&calls[i]);
    }
    faci_mux_end(crew.conn, FAC_E_CLOSED, 0, "that is why");
    for (size_t i = 0; i < KIT_COUNT(calls); i++) {
        crew_join(&calls[i]);
        assert_status(calls[i].st, FAC_E_CLOSED, &calls[i].err);
        assert_string_equal(calls[i].err.message, "that is why");
        assert_true(calls[i].took_ns < INT64_C(1000000) * CREW_LONG_MS / 2);
    }
    struct crew_call late = crew_call(&crew, "k", CREW_LONG_MS);
    crew_do(&late);
    assert_status(late.st, FAC_E_CLOSED, &late.err);
    assert_false(late.was_sent);
    crew_end(&crew);
}

/* --- Full ------------------------------------------------------------------------------------ */

/* All callers have left, and the line is full of what they asked: the next one is told so, until
 * late answers have come, and then it looks for itself. */
static void test_mux_end__who_finds_the_line_full_takes_late_replies_in(void **state)
{
    (void)state;
    struct crew crew;
    crew_begin(&crew, crew_peer_gated, CREW_LONG_MS);
    crew_set_near(&crew, false);
    atomic_store(&crew.conn->users, 1);
    struct crew_call call = crew_call(&crew, "late", 0);
    for (unsigned i = 0; i < FACI_CONN_SHARED_MAX; i++) {
        crew_do(&call);
        assert_status(call.st, FAC_E_TIMEOUT, &call.err);
    }
    crew_do(&call);
    assert_status(call.st, FAC_E_BUSY, &call.err);
    assert_false(call.was_sent);
    kit_gate_open(&crew.gates[0]);
    call = crew_call(&crew, "next", CREW_LONG_MS);
    int64_t until_ms = kit_now_ms() + CREW_LONG_MS;
    do {
        crew_do(&call);
    } while (call.st == FAC_E_BUSY && kit_now_ms() < until_ms);
    crew_expect_own(&call);
    assert_int_equal(atomic_load(&crew.tally.late_replies), FACI_CONN_SHARED_MAX);
    crew_end(&crew);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_mux_end__who_finds_the_line_full_takes_late_replies_in),
    KIT_TEST(test_mux_end__pushes_and_errors_do_not_end_it),
    KIT_TEST(test_mux_end__a_large_reply_of_a_follower_is_kept),
    KIT_TEST(test_mux_end__no_memory_for_a_followers_reply),
    KIT_TEST(test_mux_end__no_memory_for_a_call_leaves_the_stream_in_step),
    KIT_TEST(test_mux_end__too_many_under_way_are_refused),
    KIT_TEST(test_mux_end__newer_requests_do_not_put_off_the_stall),
    KIT_TEST(test_mux_end__a_reply_of_a_wrong_type_ends_it_for_all),
    KIT_TEST(test_mux_end__a_check_finds_a_shifted_stream),
    KIT_TEST(test_mux_end__the_end_wakes_everybody_with_the_reason),
};

KIT_MAIN(k_tests)
