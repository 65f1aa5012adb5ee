/* SPDX-License-Identifier: MIT */
/* Many callers on one connection: who reads, who sends, and what stays of a caller that leaves. */
#include "crew.h"

#include "kit/guard.h"

#include <stdlib.h>
#include <sys/mman.h>

/* --- Sending --------------------------------------------------------------------------------- */

/* Six calls, one behind the other, on a near connection of `n_callers`, whose first answer is held
 * back until the last call has been made. */
static void gather_six(uint32_t n_callers, uint64_t sent_meanwhile, uint64_t n_sends)
{
    struct crew crew;
    crew_begin(&crew, crew_peer_gated, CREW_LONG_MS);
    crew_set_near(&crew, true);
    atomic_store(&crew.conn->users, n_callers);
    uint64_t batches = atomic_load(&crew.tally.batches);
    uint64_t batched = atomic_load(&crew.tally.batched);
    static const char *const k_keys[] = {"lead", "a", "b", "c", "d", "e"};
    struct crew_call calls[KIT_COUNT(k_keys)];
    for (size_t i = 0; i < KIT_COUNT(calls); i++) {
        uint64_t seq = crew_appended(&crew) + 1;
        calls[i] = crew_call(&crew, k_keys[i], CREW_LONG_MS);
        crew_start(&calls[i]);
        KIT_WAIT_FOR(CREW_LONG_MS, crew_appended(&crew) == seq);
        KIT_WAIT_FOR(CREW_LONG_MS, kit_stub_commands(crew.stub, "GET") >= 1);
        /* While somebody sends, others gather, and go along with his next send. */
        KIT_WAIT_FOR(CREW_LONG_MS, !crew_is_sending(&crew));
    }
    assert_int_equal(atomic_load(&crew.tally.batched) - batched, sent_meanwhile);
    kit_gate_open(&crew.gates[0]);
    for (size_t i = 0; i < KIT_COUNT(calls); i++) {
        crew_join(&calls[i]);
        crew_expect_own(&calls[i]);
    }
    assert_int_equal(atomic_load(&crew.tally.batches) - batches, n_sends);
    assert_int_equal(atomic_load(&crew.tally.batched) - batched, KIT_COUNT(calls));
    crew_end(&crew);
}

static void test_mux__frames_that_gather_leave_as_one(void **state)
{
    (void)state;
    gather_six(20, 1, 2);
}

/* "lead" went alone since nobody else was there; "a", "b" and "c" are half of six. */
static void test_mux__half_of_the_frames_do_not_wait_for_the_other_half(void **state)
{
    (void)state;
    gather_six(6, 4, 3);
}

/* Answers nothing before all three are there. */
static void peer_all_first(struct kit_stub_conn *conn, void *context)
{
    struct crew *crew = context;
    if (crew_peer_read(crew, conn, 1) && crew_peer_answer(crew, conn, 1) &&
        kit_stub_await(conn, &crew->gates[0]) && crew_peer_read(crew, conn, 3)) {
        crew_peer_serve(crew, conn);
    }
}

static void test_mux__what_the_kernel_took_in_part_is_finished_later(void **state)
{
    (void)state;
    struct crew crew;
    crew_begin(&crew, peer_all_first, CREW_LONG_MS);
    crew_expect_get(&crew, "warm");
    crew_set_near(&crew, false);
    int bytes = 4096;
    assert_int_equal(
        setsockopt(crew.conn->stream.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
    char *big = malloc(FACI_CONN_GATHER_BYTES);
    assert_non_null(big);
    memset(big, 'x', FACI_CONN_GATHER_BYTES);
    struct crew_call first = crew_call(&crew, big, CREW_LONG_MS);
    first.key_len = FACI_CONN_GATHER_BYTES - 100;
    struct crew_call second = crew_call(&crew, "second", CREW_LONG_MS);
    struct crew_call third = crew_call(&crew, "third", CREW_LONG_MS);
    crew_start(&first);
    KIT_WAIT_FOR(CREW_LONG_MS, atomic_load(&crew.conn->has_rest));
    crew_start(&second);
    crew_start(&third);
    kit_gate_open(&crew.gates[0]);
    crew_join(&first);
    crew_join(&second);
    crew_join(&third);
    free(big);
    assert_status(first.st, FAC_OK, &first.err);
    assert_string_equal(first.own.text, "xxxxxxxxxxxxxxxxxxxxxxx");
    crew_expect_own(&second);
    crew_expect_own(&third);
    crew_end(&crew);
}

static void test_mux__a_frame_that_was_not_sent_is_taken_back(void **state)
{
    (void)state;
    struct crew crew;
    crew_begin(&crew, crew_peer_gated, CREW_LONG_MS);
    crew_set_near(&crew, true);
    struct crew_call lead = crew_call(&crew, "lead", CREW_LONG_MS);
    struct crew_call before = crew_call(&crew, "before", CREW_LONG_MS);
    struct crew_call gone = crew_call(&crew, "gone", CREW_SHORT_MS);
    struct crew_call behind = crew_call(&crew, "behind", CREW_LONG_MS);
    crew_start(&lead);
    KIT_WAIT_FOR(CREW_LONG_MS, kit_stub_commands(crew.stub, "GET") == 1);
    crew_start(&before);
    crew_start(&gone);
    crew_start(&behind);
    crew_join(&gone);
    assert_status(gone.st, FAC_E_TIMEOUT, &gone.err);
    assert_false(gone.was_sent);
    kit_gate_open(&crew.gates[0]);
    crew_join(&lead);
    crew_join(&before);
    crew_join(&behind);
    crew_expect_own(&lead);
    crew_expect_own(&before);
    crew_expect_own(&behind);
    crew_expect_get(&crew, "next");
    assert_int_equal(kit_stub_commands(crew.stub, "GET"), 4);
    assert_int_equal(atomic_load(&crew.tally.late_replies), 0);
    crew_end(&crew);
}

/* --- Reading and leaving --------------------------------------------------------------------- */

static void test_mux__a_leader_that_is_done_hands_over(void **state)
{
    (void)state;
    struct crew crew;
    crew_begin(&crew, crew_peer_gated, CREW_LONG_MS);
    crew_set_near(&crew, false);
    struct crew_call calls[] = {crew_call(&crew, "one", CREW_LONG_MS),
                                crew_call(&crew, "two", CREW_LONG_MS),
                                crew_call(&crew, "three", CREW_LONG_MS)};
    /* The peer reads one and waits: the replies to the others come in a later receive. */
    for (size_t i = 0; i < KIT_COUNT(calls); i++) {
        crew_start(&calls[i]);
    }
    kit_gate_open(&crew.gates[0]);
    for (size_t i = 0; i < KIT_COUNT(calls); i++) {
        crew_join(&calls[i]);
        crew_expect_own(&calls[i]);
    }
    crew_expect_get(&crew, "next");
    crew_end(&crew);
}

/* Two gates, so that the leader's own reply comes alone, and the others' long after it. */
static void peer_one_by_one(struct kit_stub_conn *conn, void *context)
{
    struct crew *crew = context;
    for (size_t i = 0; i < KIT_COUNT(crew->gates); i++) {
        if (!crew_peer_read(crew, conn, 1) || !kit_stub_await(conn, &crew->gates[i]) ||
            !crew_peer_answer(crew, conn, 1)) {
            return;
        }
    }
    crew_peer_serve(crew, conn);
}

static void test_mux__replies_far_apart_each_find_a_reader(void **state)
{
    (void)state;
    struct crew crew;
    crew_begin(&crew, peer_one_by_one, CREW_LONG_MS);
    crew_set_near(&crew, false);
    struct crew_call calls[] = {crew_call(&crew, "one", CREW_LONG_MS),
                                crew_call(&crew, "two", CREW_LONG_MS),
                                crew_call(&crew, "three", CREW_LONG_MS)};
    for (size_t i = 0; i < KIT_COUNT(calls); i++) {
        crew_start(&calls[i]);
    }
    for (size_t i = 0; i < KIT_COUNT(calls); i++) {
        kit_gate_open(&crew.gates[i]);
        crew_join(&calls[i]);
        crew_expect_own(&calls[i]);
    }
    crew_end(&crew);
}

/* One of two callers has little time: `is_leader` says which. Its reply reaches nobody. */
static void late_case(bool is_leader, bool is_near)
{
    struct crew crew;
    crew_begin(&crew, crew_peer_gated, CREW_LONG_MS);
    crew_set_near(&crew, is_near);
    atomic_store(&crew.conn->users, 2);
    struct crew_call first = crew_call(&crew, "first", CREW_LONG_MS);
    struct crew_call second = crew_call(&crew, "second", CREW_LONG_MS);
    struct crew_call *hasty = is_leader ? &first : &second;
    struct crew_call *other = is_leader ? &second : &first;
    hasty->within_ms = CREW_SHORT_MS;
    crew_start(&first);
    KIT_WAIT_FOR(CREW_LONG_MS, !crew_is_sending(&crew)); /* so that the second sends its own */
    crew_start(&second);
    crew_join(hasty);
    assert_status(hasty->st, FAC_E_TIMEOUT, &hasty->err);
    assert_true(hasty->was_sent);
    assert_int_equal(hasty->own.n_begun, 0);
    assert_int_equal(atomic_load(&crew.tally.late_replies), 0);
    kit_gate_open(&crew.gates[0]);
    crew_join(other);
    crew_expect_own(other);
    crew_expect_get(&crew, "third");
    crew_expect_get(&crew, "fourth");
    assert_int_equal(atomic_load(&crew.tally.late_replies), 1);
    assert_false(faci_conn_is_poisoned(crew.conn));
    crew_end(&crew);
}

static void test_mux__a_leader_whose_time_is_over_hands_over(void **state)
{
    (void)state;
    late_case(true, false);
    late_case(true, true);
}

static void test_mux__the_late_reply_of_a_follower_reaches_nobody(void **state)
{
    (void)state;
    late_case(false, false);
    late_case(false, true);
}

/* Start a caller and make it the reader just when its time is over, while the lock keeps it from
 * leaving. False: it had left before the test could look. */
static bool promote_late(struct crew *crew, struct crew_call *hasty)
{
    uint64_t before = crew_appended(crew);
    hasty->threads = kit_threads_start(1, crew_thread, hasty);
    faci_mutex_lock(&crew->conn->lock);
    while (crew->conn->n_appended == before) {
        faci_mutex_unlock(&crew->conn->lock);
        kit_nap();
        faci_mutex_lock(&crew->conn->lock);
    }
    struct faci_slot *slot = crew->conn->newest;
    int64_t over_ns = faci_clock_after_ms(faci_clock_now_ns(), hasty->within_ms);
    while (faci_clock_now_ns() <= over_ns) {
        kit_nap();
    }
    bool is_promoted = faci_slot_turn(slot, FACI_SLOT_WAITING, FACI_SLOT_READING);
    faci_mutex_unlock(&crew->conn->lock);
    faci_wait_wake(&slot->group->word, FACI_WAIT_ALL);
    crew_join(hasty);
    return is_promoted;
}

static void test_mux__who_is_promoted_while_leaving_promotes_the_next(void **state)
{
    (void)state;
    struct crew crew;
    crew_begin(&crew, crew_peer_gated, CREW_LONG_MS);
    crew_set_near(&crew, false);
    faci_mutex_lock(&crew.conn->lock);
    crew.conn->has_reader = true; /* the test, which will promote */
    faci_mutex_unlock(&crew.conn->lock);
    struct crew_call patient = crew_call(&crew, "patient", CREW_LONG_MS);
    struct crew_call hasty = crew_call(&crew, "hasty", CREW_SHORT_MS);
    crew_start(&patient);
    while (!promote_late(&crew, &hasty)) {
        hasty.within_ms *= 2;
        assert_true(hasty.within_ms < CREW_LONG_MS / 4);
    }
    assert_status(hasty.st, FAC_E_TIMEOUT, &hasty.err);
    kit_gate_open(&crew.gates[0]);
    crew_join(&patient);
    crew_expect_own(&patient);
    crew_expect_get(&crew, "next");
    crew_end(&crew);
}

static void test_mux__a_callers_memory_is_not_touched_after_it_left(void **state)
{
    (void)state;
    for (unsigned is_leader = 0; is_leader < 2; is_leader++) {
        struct crew crew;
        struct kit_guard guard;
        kit_guard_init(&guard, sizeof(struct crew_sink));
        struct crew_sink empty = {.n_begun = 0};
        const void *place = kit_guard_place(&guard, &empty, sizeof(empty));
        crew_begin(&crew, crew_peer_gated, CREW_LONG_MS);
        crew_set_near(&crew, false);
        struct crew_call first = crew_call(&crew, "first", CREW_LONG_MS);
        struct crew_call second = crew_call(&crew, "second", CREW_LONG_MS);
        struct crew_call *hasty = is_leader == 1 ? &first : &second;
        struct crew_call *other = is_leader == 1 ? &second : &first;
        hasty->within_ms = CREW_SHORT_MS;
        hasty->sink = (void *)(guard.map + ((const unsigned char *)place - guard.map));
        crew_start(&first);
        crew_start(&second);
        crew_join(hasty);
        assert_int_equal(mprotect(guard.map, guard.map_bytes, PROT_NONE), 0);
        kit_gate_open(&crew.gates[0]);
        crew_join(other);
        crew_expect_own(other);
        crew_expect_get(&crew, "next");
        crew_end(&crew);
        kit_guard_fini(&guard);
    }
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_mux__frames_that_gather_leave_as_one),
    KIT_TEST(test_mux__half_of_the_frames_do_not_wait_for_the_other_half),
    KIT_TEST(test_mux__what_the_kernel_took_in_part_is_finished_later),
    KIT_TEST(test_mux__a_frame_that_was_not_sent_is_taken_back),
    KIT_TEST(test_mux__a_leader_that_is_done_hands_over),
    KIT_TEST(test_mux__replies_far_apart_each_find_a_reader),
    KIT_TEST(test_mux__a_leader_whose_time_is_over_hands_over),
    KIT_TEST(test_mux__the_late_reply_of_a_follower_reaches_nobody),
    KIT_TEST(test_mux__who_is_promoted_while_leaving_promotes_the_next),
    KIT_TEST(test_mux__a_callers_memory_is_not_touched_after_it_left),
};

KIT_MAIN(k_tests)
