/* SPDX-License-Identifier: MIT */
/* Requests onto a connection and replies to their slots, against a peer that does as told. */
#include "rig.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>

static void test_pipeline__pipelines_in_order(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin_fn(&rig, rig_echo, NULL);
    struct faci_conn *conn = rig_connect(&rig);
    struct faci_slot *slots[FACI_CONN_PIPELINE_SLOTS];
    static struct rig_text texts[FACI_CONN_PIPELINE_SLOTS];
    char key[32];
    fac_error err;
    for (int round = 0; round < 3; round++) { /* the ring goes round */
        uint64_t n_sent = conn->n_sent;
        for (size_t i = 0; i < FACI_CONN_PIPELINE_SLOTS; i++) {
            assert_true(faci_pipeline_has_room(conn));
            texts[i] = rig_text();
            (void)snprintf(key, sizeof(key), "key-%d-%zu", round, i);
            slots[i] = rig_submit(conn, &k_faci_get, key, &texts[i].sink);
        }
        assert_false(faci_pipeline_has_room(conn));
        assert_int_equal(conn->n_sent, n_sent); /* only gathered so far */
        assert_false(faci_conn_is_reusable(conn));
        /* Who waits for the last one has all of them. */
        assert_status(
            faci_pipeline_wait(conn, slots[FACI_CONN_PIPELINE_SLOTS - 1], rig_soon(), &err),
            FAC_OK, &err);
        for (size_t i = 0; i < FACI_CONN_PIPELINE_SLOTS; i++) {
            (void)snprintf(key, sizeof(key), "key-%d-%zu", round, i);
            assert_int_equal(slots[i]->state, FACI_SLOT_DONE);
            assert_string_equal(texts[i].text, key);
            assert_int_equal(texts[i].n_begun, 1);
            assert_int_equal(slots[i]->answer.type, FAC_REPLY_STRING);
            assert_int_equal(slots[i]->answer.number, strlen(key));
            faci_pipeline_release(conn, slots[i]);
            assert_true(faci_pipeline_has_room(conn));
        }
        assert_true(faci_conn_is_reusable(conn));
    }
    faci_conn_free(conn);
    rig_end(&rig);
}

/* Nobody sleeps on a connection that is one caller's own: waking is a system call in vain. */
static void test_pipeline__replies_wake_nobody(void **state)
{
    (void)state;
    static const struct kit_step k_script[] = {
        {KIT_EXPECT, "GET", NULL}, {KIT_SAY, "$1\r\na\r\n", NULL}, {KIT_END, NULL, NULL}};
    static const char k_rest[] = "$1\r\nb\r\n";
    struct rig rig;
    rig_begin_script(&rig, k_script);
    struct faci_conn *conn = rig_connect(&rig);
    conn->is_exclusive = true;
    struct rig_text texts[] = {rig_text(), rig_text()};
    struct faci_slot *first = rig_submit(conn, &k_faci_get, "1", &texts[0].sink);
    struct faci_slot *second = rig_submit(conn, &k_faci_get, "2", &texts[1].sink);
    fac_error err;
    assert_status(faci_pipeline_wait(conn, first, rig_soon(), &err), FAC_OK, &err);
    memcpy(conn->rx, k_rest, strlen(k_rest)); /* as if it came now */
    faci_intake(conn, (ssize_t)strlen(k_rest));
    assert_int_equal(second->state, FACI_SLOT_DONE);
    assert_int_equal(conn->wakes.n, 0);
    faci_pipeline_release(conn, first);
    faci_pipeline_release(conn, second);
    faci_conn_free(conn);
    rig_end(&rig);
}

static void test_pipeline__errors_take_their_place_in_the_order(void **state)
{
    (void)state;
    static const struct kit_step k_script[] = {
        {KIT_EXPECT, "GET", NULL},
        {KIT_EXPECT, "GET", NULL},
        {KIT_EXPECT, "GET", NULL},
        {KIT_SAY, "$1\r\na\r\n-WRONGTYPE not this\r\n$1\r\nc\r\n", NULL},
        {KIT_SERVE, NULL, NULL}};
    struct rig rig;
    rig_begin_script(&rig, k_script);
    struct faci_conn *conn = rig_connect(&rig);
    struct rig_text texts[] = {rig_text(), rig_text(), rig_text()};
    struct faci_slot *slots[3];
    static const fac_status k_want[] = {FAC_OK, FAC_E_SERVER, FAC_OK};
    fac_error err;
    for (size_t i = 0; i < 3; i++) {
        slots[i] = rig_submit(conn, &k_faci_get, "k", &texts[i].sink);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_status(faci_pipeline_wait(conn, slots[i], rig_soon(), &err), FAC_OK, &err);
        assert_status(faci_pipeline_result(slots[i], &err), k_want[i], &err);
        faci_pipeline_release(conn, slots[i]);
    }
    assert_string_equal(texts[0].text, "a");
    assert_int_equal(texts[1].n_begun, 0); /* an error is not the sink's business */
    assert_string_equal(texts[2].text, "c");
    assert_true(faci_conn_is_reusable(conn));
    faci_conn_free(conn);
    rig_end(&rig);
}

/* What follows a reply of the wrong type is not believed either, though it came with it. */
static void test_pipeline__a_reply_of_the_wrong_type_poisons(void **state)
{
    (void)state;
    static const struct {
        const struct faci_command *command;
        const char *replies;
    } k_cases[] = {
        {&k_faci_get, ":5\r\n$1\r\nb\r\n"},    {&k_faci_get, "+a\r\n$1\r\nb\r\n"},
        {&k_faci_get, "*1\r\n+a\r\n+b\r\n"},   {&k_faci_set, "$2\r\nOK\r\n+OK\r\n"},
        {&k_faci_set, "_\r\n+OK\r\n"},         {&k_faci_del, "+OK\r\n:1\r\n"},
        {&k_faci_incrby, "$1\r\n5\r\n:6\r\n"}, {&k_faci_mget, "_\r\n*0\r\n"},
        {&k_faci_scan, "%0\r\n*0\r\n"},        {&k_faci_ping, "$4\r\nPONG\r\n+PONG\r\n"},
        {&k_faci_exists, "#t\r\n:1\r\n"},      {&k_faci_info, "+a\r\n$1\r\na\r\n"},
        {&k_faci_add, ":1\r\n+OK\r\n"},        {&k_faci_exec, ":1\r\n*0\r\n"},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        const struct kit_step script[] = {{KIT_EXPECT, NULL, NULL},
                                          {KIT_EXPECT, NULL, NULL},
                                          {KIT_SAY, k_cases[i].replies, NULL},
                                          {KIT_END, NULL, NULL}};
        struct rig rig;
        rig_begin_script(&rig, script);
        struct faci_conn *conn = rig_connect(&rig);
        struct faci_slot *first = rig_submit(conn, &k_faci_any, "first", NULL);
        first->command = k_cases[i].command;
        struct faci_slot *second = rig_submit(conn, &k_faci_any, "second", NULL);
        second->command = k_cases[i].command;
        fac_error err;
        assert_status(faci_pipeline_wait(conn, first, rig_soon(), &err), FAC_E_PROTOCOL, &err);
        assert_int_equal(first->state, FACI_SLOT_WAITING);
        assert_int_equal(second->state, FACI_SLOT_WAITING);
        assert_status(faci_pipeline_wait(conn, second, rig_soon(), &err), FAC_E_PROTOCOL, &err);
        assert_true(conn->is_dead);
        assert_false(faci_conn_is_reusable(conn));
        struct faci_slot *refused = NULL;
        assert_status(rig_try_submit(conn, &k_faci_get, "k", NULL, &refused, &err),
                      FAC_E_PROTOCOL, &err);
        assert_null(refused);
        faci_conn_free(conn);
        rig_end(&rig);
    }
}

static void test_pipeline__the_first_cause_of_death_stays(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin_fn(&rig, rig_echo, NULL);
    struct faci_conn *conn = rig_connect(&rig);
    faci_conn_poison(conn, FAC_E_UNAVAILABLE, ECONNRESET, "first");
    faci_conn_poison(conn, FAC_E_PROTOCOL, 0, "second");
    fac_error err;
    assert_status(faci_conn_fail(conn, &err), FAC_E_UNAVAILABLE, &err);
    assert_int_equal(err.os_errno, ECONNRESET);
    assert_contains(err.message, "first: ");
    faci_conn_free(conn);
    rig_end(&rig);
}

static void test_pipeline__a_deadline_with_a_reply_outstanding_kills(void **state)
{
    (void)state;
    static const struct kit_step k_script[] = {{KIT_EXPECT, "GET", NULL},
                                               {KIT_STALL, NULL, NULL}};
    struct rig rig;
    rig_begin_script(&rig, k_script);
    struct faci_conn *conn = rig_connect(&rig);
    struct faci_slot *slot = rig_submit(conn, &k_faci_get, "k", NULL);
    fac_error err;
    int64_t before_ms = kit_now_ms();
    assert_status(
        faci_pipeline_wait(conn, slot, faci_clock_after_ms(faci_clock_now_ns(), 50), &err),
        FAC_E_TIMEOUT, &err);
    assert_in_range(kit_now_ms() - before_ms, 49, 50 + kit_margin_ms());
    assert_true(conn->is_dead);
    assert_false(faci_intake_is_alive(conn));
    faci_conn_free(conn);
    rig_end(&rig);
}

static void test_pipeline__a_reply_over_its_limit_kills(void **state)
{
    (void)state;
    static const struct kit_step k_script[] = {
        {KIT_EXPECT, "GET", NULL}, {KIT_SAY, "$20\r\n", NULL}, {KIT_STALL, NULL, NULL}};
    struct rig rig;
    rig_begin_script(&rig, k_script);
    struct faci_conn *conn = rig_connect(&rig);
    const struct faci_arg args[] = {rig_arg("GET"), rig_arg("k")};
    struct faci_request request = {
        .command = &k_faci_get, .args = args, .n_args = 2, .max_reply_bytes = 10};
    struct faci_answer slot;
    fac_error err;
    assert_status(faci_pipeline_call(conn, &request, rig_soon(), &slot, &err), FAC_E_TOO_LARGE,
                  &err);
    assert_true(conn->is_dead);
    faci_conn_free(conn);
    rig_end(&rig);
}

/* The server refuses the connection, says why and is gone before a request is sent: the send
 * fails, and what it said answers the request. */
static void said_and_gone(struct kit_stub_conn *conn, void *context)
{
    (void)context;
    if (kit_stub_next(conn) != NULL) {
        (void)kit_stub_say(conn, "$1\r\na\r\n-ERR max number of clients reached\r\n");
    }
}

static void test_pipeline__an_error_before_the_end_is_told_when_the_send_fails(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin_fn(&rig, said_and_gone, NULL);
    struct faci_conn *conn = rig_connect(&rig);
    struct faci_slot *first = rig_submit(conn, &k_faci_get, "k", NULL);
    /* Sent from outside, so that nothing is read before both have come: reply and end. */
    struct iovec part = {conn->tx.data + conn->tx.begin, faci_buf_len(&conn->tx)};
    assert_int_equal(faci_stream_send_some(&conn->stream, &part, 1), (ssize_t)part.iov_len);
    faci_buf_consume(&conn->tx, part.iov_len);
    rig_wait_until(conn, POLLRDHUP);
    /* A byte for a peer that is gone brings the RST, after which no send succeeds. */
    struct iovec byte = {(void *)(uintptr_t) "*", 1};
    (void)faci_stream_send_some(&conn->stream, &byte, 1);
    rig_wait_until(conn, 0);

    struct faci_slot *second = rig_submit(conn, &k_faci_get, "l", NULL);
    fac_error err;
    assert_status(faci_pipeline_wait(conn, second, rig_soon(), &err), FAC_OK, &err);
    assert_status(faci_pipeline_result(second, &err), FAC_E_UNAVAILABLE, &err);
    assert_contains(err.message, "max number of clients");
    assert_int_equal(first->state, FACI_SLOT_DONE);
    assert_true(conn->is_dead);
    faci_conn_free(conn);
    rig_end(&rig);
}

static void test_pipeline__statuses_and_errors_are_cut_to_fit(void **state)
{
    (void)state;
    static char reply[1000];
    memset(reply, 's', sizeof(reply));
    reply[0] = '+';
    memcpy(reply + sizeof(reply) - 3, "\r\n", 3);
    const struct kit_step script[] = {
        {KIT_EXPECT, "SET", NULL}, {KIT_SAY, reply, NULL}, {KIT_SERVE, NULL, NULL}};
    struct rig rig;
    rig_begin_script(&rig, script);
    struct faci_conn *conn = rig_connect(&rig);
    struct faci_slot *slot = rig_submit(conn, &k_faci_set, "k", NULL);
    fac_error err;
    assert_status(faci_pipeline_wait(conn, slot, rig_soon(), &err), FAC_OK, &err);
    assert_int_equal(slot->answer.text_len, FACI_SLOT_TEXT_BYTES);
    faci_pipeline_release(conn, slot);
    assert_true(faci_conn_is_reusable(conn));
    faci_conn_free(conn);
    rig_end(&rig);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_pipeline__pipelines_in_order),
    KIT_TEST(test_pipeline__replies_wake_nobody),
    KIT_TEST(test_pipeline__errors_take_their_place_in_the_order),
    KIT_TEST(test_pipeline__a_reply_of_the_wrong_type_poisons),
    KIT_TEST(test_pipeline__the_first_cause_of_death_stays),
    KIT_TEST(test_pipeline__a_deadline_with_a_reply_outstanding_kills),
    KIT_TEST(test_pipeline__a_reply_over_its_limit_kills),
    KIT_TEST(test_pipeline__an_error_before_the_end_is_told_when_the_send_fails),
    KIT_TEST(test_pipeline__statuses_and_errors_are_cut_to_fit),
};

KIT_MAIN(k_tests)
