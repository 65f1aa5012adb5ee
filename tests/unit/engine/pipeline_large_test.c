/* SPDX-License-Identifier: MIT */
/* Large arguments, and memory that runs out while a frame is made. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LARGE_BYTES = 16 << 20, /* more than the buffers of both sides hold */
    SMALL_PEAK_BYTES = 1 << 20
};

static unsigned char *large_value(void)
{
    unsigned char *value = malloc(LARGE_BYTES);
    assert_non_null(value);
    for (size_t i = 0; i < LARGE_BYTES; i++) {
        value[i] = (unsigned char)(i * 31 + i / 251);
    }
    return value;
}

/* What the peer of a large value has to find. */
struct large {
    const unsigned char *value;
    bool talks_first; /* answers a GET with a large value before it reads on */
};

static void check_large(struct kit_stub_conn *conn, void *context)
{
    const struct large *large = context;
    const struct kit_frame *frame = kit_stub_next(conn);
    if (frame != NULL && large->talks_first) {
        char header[32];
        (void)snprintf(header, sizeof(header), "$%d\r\n", LARGE_BYTES);
        (void)kit_stub_say(conn, header);
        (void)kit_stub_send(conn, large->value, LARGE_BYTES);
        (void)kit_stub_say(conn, "\r\n");
        frame = kit_stub_next(conn);
    }
    if (frame == NULL) {
        kit_stub_blame(conn, "the client left", "");
    } else if (frame->n_args != 4 || frame->args[2].len != LARGE_BYTES ||
               memcmp(frame->args[2].data, large->value, LARGE_BYTES) != 0 ||
               !kit_frame_says(frame, 1, "prefix:key") || !kit_frame_says(frame, 3, "NX")) {
        kit_stub_blame(conn, "another value came", "");
    }
    (void)kit_stub_say(conn, "+OK\r\n");
    rig_echo(conn, NULL);
}

static fac_status submit_large(struct faci_conn *conn, const unsigned char *value,
                               struct faci_slot **out, fac_error *err)
{
    const struct faci_arg args[] = {rig_arg("SET"),
                                    {fac_str("prefix:"), fac_str("key")},
                                    {{NULL, 0}, fac_mem(value, LARGE_BYTES)},
                                    rig_arg("NX")};
    struct faci_request request = {.command = &k_faci_set, .args = args, .n_args = 4};
    return faci_pipeline_submit(conn, &request, rig_soon(), out, err);
}

static void send_large(bool talks_first)
{
    unsigned char *value = large_value();
    struct large large = {value, talks_first};
    struct rig rig;
    rig_begin_fn(&rig, check_large, &large);
    struct faci_conn *conn = rig_connect(&rig);
    fac_error err;
    struct faci_slot *get = talks_first ? rig_submit(conn, &k_faci_get, "k", NULL) : NULL;
    struct faci_slot *set = NULL;
    assert_status(submit_large(conn, value, &set, &err), FAC_OK, &err);
    if (get != NULL) {
        assert_status(faci_pipeline_wait(conn, get, rig_soon(), &err), FAC_OK, &err);
        assert_int_equal(get->answer.number, LARGE_BYTES);
        faci_pipeline_release(conn, get);
    }
    assert_status(faci_pipeline_wait(conn, set, rig_soon(), &err), FAC_OK, &err);
    faci_pipeline_release(conn, set);
    rig_expect_get(conn, "after", "after");
    assert_in_range(atomic_load(&rig.memory.peak_bytes), 1, SMALL_PEAK_BYTES);
    /* It stays large while it is of use, and then for some turns more. */
    for (size_t turn = 0; turn < FACI_CONN_SHRINK_AFTER + 2; turn++) {
        faci_conn_shrink(conn);
    }
    assert_int_equal(conn->rx_cap, FACI_CONN_RX_BYTES);
    faci_conn_free(conn);
    rig_end(&rig);
    free(value);
}

static void test_pipeline__a_large_argument_is_sent_from_where_it_stands(void **state)
{
    (void)state;
    send_large(false);
}

/* Neither side reads until it has sent: only who reads while sending gets on. */
static void test_pipeline__replies_are_read_while_sending(void **state)
{
    (void)state;
    send_large(true);
}

/* Says no to what it has not read yet, and hangs up: properly, or with an RST. */
struct refusal {
    struct kit_gate gate;
    bool is_reset;
};

static void refuse(struct kit_stub_conn *conn, void *context)
{
    struct refusal *refusal = context;
    /* The handshake's own commands are answered on the way to this one. */
    if (kit_stub_next(conn) == NULL || !kit_stub_say(conn, "$1\r\na\r\n")) {
        return;
    }
    (void)kit_stub_await(conn, &refusal->gate);
    (void)kit_stub_say(conn, "-ERR Protocol error: invalid bulk length\r\n");
    if (refusal->is_reset) {
        kit_stub_reset(conn);
    } else {
        kit_stub_shut(conn);
    }
}

static void test_pipeline__a_refusal_before_all_is_sent_is_the_answer(void **state)
{
    (void)state;
    unsigned char *value = large_value();
    for (int is_reset = 0; is_reset <= 1; is_reset++) {
        struct refusal refusal = {.is_reset = is_reset == 1};
        kit_gate_init(&refusal.gate);
        struct rig rig;
        rig_begin_fn(&rig, refuse, &refusal);
        struct faci_conn *conn = rig_connect(&rig);
        rig_expect_get(conn, "k", "a");
        kit_gate_open(&refusal.gate);
        rig_wait_until(conn, POLLIN);
        struct faci_slot *slot = NULL;
        fac_error err;
        assert_status(submit_large(conn, value, &slot, &err), FAC_OK, &err);
        assert_status(faci_pipeline_wait(conn, slot, rig_soon(), &err), FAC_OK, &err);
        assert_status(faci_pipeline_result(slot, &err), FAC_E_SERVER, &err);
        assert_contains(err.message, "invalid bulk length");
        faci_pipeline_release(conn, slot);
        /* A peer that hangs up properly may have taken the rest, and its end come later. */
        assert_true(conn->is_dead || is_reset == 0);
        faci_conn_free(conn);
        rig_end(&rig);
        kit_gate_fini(&refusal.gate);
    }
    free(value);
}

static void test_pipeline__an_argument_of_the_bound_is_copied(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin_fn(&rig, rig_echo, NULL);
    struct faci_conn *conn = rig_connect(&rig);
    static char value[FACI_CONN_COPY_BYTES + 1];
    memset(value, 'v', sizeof(value));
    for (size_t len = FACI_CONN_COPY_BYTES; len <= sizeof(value); len++) {
        const struct faci_arg args[] = {
            rig_arg("SET"), rig_arg("k"), {{NULL, 0}, fac_mem(value, len)}};
        struct faci_request request = {.command = &k_faci_set, .args = args, .n_args = 3};
        struct faci_slot *slot = NULL;
        fac_error err;
        uint64_t n_sent = conn->n_sent;
        assert_status(faci_pipeline_submit(conn, &request, rig_soon(), &slot, &err), FAC_OK,
                      &err);
        assert_int_equal(conn->n_sent > n_sent, len > FACI_CONN_COPY_BYTES);
        memset(value, 'v', len); /* the caller's again */
        assert_status(faci_pipeline_wait(conn, slot, rig_soon(), &err), FAC_OK, &err);
        faci_pipeline_release(conn, slot);
    }
    faci_conn_free(conn);
    rig_end(&rig);
}

/* --- Memory --------------------------------------------------------------------------------- */

/* How a submit without memory ended. */
enum outcome {
    NOTHING_FAILED,
    STILL_GOOD,
    DEAD
};

static void assert_goes_on(struct faci_conn *conn, struct faci_slot *get,
                           const struct rig_text *first)
{
    fac_error err;
    assert_status(faci_pipeline_wait(conn, get, rig_soon(), &err), FAC_OK, &err);
    assert_int_equal(first->text[0], 'f');
    faci_pipeline_release(conn, get);
    assert_true(faci_conn_is_reusable(conn));
    rig_expect_get(conn, "after", "after");
}

/* SET of `len` bytes behind a GET that leaves little room, with the n-th allocation failing. */
static enum outcome submit_without_memory(struct rig *rig, size_t key_len, size_t len, size_t n)
{
    static char bytes[3 * FACI_CONN_COPY_BYTES];
    char key[1024];
    memset(bytes, 'v', sizeof(bytes));
    memset(key, 'f', key_len);
    key[key_len] = '\0';
    struct faci_conn *conn = rig_connect(rig);
    struct rig_text first = rig_text();
    struct faci_slot *get = rig_submit(conn, &k_faci_get, key, &first.sink);
    const struct faci_arg args[] = {rig_arg("SET"),
                                    {fac_str("a long prefix of a key"), fac_str("k")},
                                    {{NULL, 0}, fac_mem(bytes, len)},
                                    rig_arg("PX"),
                                    rig_arg("100")};
    struct faci_request request = {.command = &k_faci_set, .args = args, .n_args = 5};
    struct faci_slot *set = NULL;
    fac_error err;
    kit_memory_fail(&rig->memory, n, false);
    fac_status st = faci_pipeline_submit(conn, &request, rig_soon(), &set, &err);
    bool has_failed = kit_memory_n_failed(&rig->memory) > 0;
    kit_memory_fail(&rig->memory, 0, false);
    enum outcome outcome = conn->is_dead ? DEAD : STILL_GOOD;
    if (!has_failed) {
        assert_status(st, FAC_OK, &err);
        assert_status(faci_pipeline_wait(conn, set, rig_soon(), &err), FAC_OK, &err);
        assert_int_equal(set->answer.type, FAC_REPLY_STATUS);
        outcome = NOTHING_FAILED;
    } else {
        assert_status(st, FAC_E_NOMEM, &err);
        if (outcome == STILL_GOOD) {
            assert_goes_on(conn, get, &first);
        } else {
            assert_status(rig_try_submit(conn, &k_faci_get, "k", NULL, &set, &err), FAC_E_NOMEM,
                          &err);
        }
    }
    faci_conn_free(conn);
    return outcome;
}

static void test_pipeline__no_memory_never_shifts_a_reply(void **state)
{
    (void)state;
    static const size_t k_lens[] = {10, 5000, FACI_CONN_COPY_BYTES, FACI_CONN_COPY_BYTES + 1,
                                    3 * FACI_CONN_COPY_BYTES};
    unsigned n_seen[DEAD + 1] = {0};
    struct rig rig;
    rig_begin_fn(&rig, rig_echo, NULL);
    for (size_t i = 0; i < KIT_COUNT(k_lens); i++) {
        for (size_t key_len = 850; key_len < 1000; key_len += 12) {
            enum outcome outcome = STILL_GOOD;
            for (size_t n = 1; outcome != NOTHING_FAILED; n++) {
                outcome = submit_without_memory(&rig, key_len, k_lens[i], n);
                n_seen[outcome]++;
            }
        }
    }
    assert_true(n_seen[STILL_GOOD] > 0);
    assert_true(n_seen[DEAD] > 0);
    rig_end(&rig);
}

static void test_pipeline__a_reply_needs_no_memory(void **state)
{
    (void)state;
    unsigned char *value = large_value();
    struct large large = {value, true};
    struct rig rig;
    rig_begin_fn(&rig, check_large, &large);
    struct faci_conn *conn = rig_connect(&rig);
    struct faci_slot *get = rig_submit(conn, &k_faci_get, "k", NULL);
    fac_error err;
    kit_memory_fail(&rig.memory, 1, true);
    assert_status(faci_pipeline_wait(conn, get, rig_soon(), &err), FAC_OK, &err);
    assert_true(kit_memory_n_failed(&rig.memory) > 0);
    kit_memory_fail(&rig.memory, 0, false);
    assert_int_equal(conn->rx_cap, FACI_CONN_RX_BYTES); /* it could not grow, and went on */
    faci_pipeline_release(conn, get);
    struct faci_slot *set = NULL;
    assert_status(submit_large(conn, value, &set, &err), FAC_OK, &err);
    assert_status(faci_pipeline_wait(conn, set, rig_soon(), &err), FAC_OK, &err);
    faci_pipeline_release(conn, set);
    faci_conn_free(conn);
    rig_end(&rig);
    free(value);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_pipeline__a_large_argument_is_sent_from_where_it_stands),
    KIT_TEST(test_pipeline__replies_are_read_while_sending),
    KIT_TEST(test_pipeline__a_refusal_before_all_is_sent_is_the_answer),
    KIT_TEST(test_pipeline__an_argument_of_the_bound_is_copied),
    KIT_TEST(test_pipeline__no_memory_never_shifts_a_reply),
    KIT_TEST(test_pipeline__a_reply_needs_no_memory),
};

KIT_MAIN(k_tests)
