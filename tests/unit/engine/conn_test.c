/* SPDX-License-Identifier: MIT */
/* A connection's beginning, its idle time and its end. */
#include "rig.h"

#include "base/random.h"

#include "kit/server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

/* What comes while the connection is idle, and whether it may be used afterwards. */
static void idle_case(const char *said, bool is_end, bool want_alive)
{
    struct kit_gate gate;
    kit_gate_init(&gate);
    const struct kit_step script[] = {{KIT_EXPECT, "GET", NULL},
                                      {KIT_SAY, "$1\r\na\r\n", NULL},
                                      {KIT_AWAIT, NULL, &gate},
                                      {KIT_SAY, said, NULL},
                                      {is_end ? KIT_SHUT : KIT_SERVE, NULL, NULL}};
    struct rig rig;
    rig_begin_script(&rig, script);
    struct faci_conn *conn = rig_connect(&rig);
    rig_expect_get(conn, "k", "a");
    assert_true(faci_intake_is_alive(conn));
    kit_gate_open(&gate);
    rig_wait_until(conn, is_end ? POLLRDHUP : POLLIN);
    assert_int_equal(faci_intake_is_alive(conn), want_alive);
    if (want_alive) {
        rig_expect_get(conn, "k", "served");
    }
    faci_conn_free(conn);
    rig_end(&rig);
    kit_gate_fini(&gate);
}

static void test_conn__an_unsolicited_reply_kills_it(void **state)
{
    (void)state;
    static const char *const k_replies[] = {
        "+OK\r\n", "$1\r\nb\r\n", ":1\r\n", "-ERR who are you\r\n",
        "*0\r\n",  "_\r\n",       "+",      "junk",
    };
    for (size_t i = 0; i < KIT_COUNT(k_replies); i++) {
        idle_case(k_replies[i], false, false);
    }
}

static void test_conn__a_push_does_not(void **state)
{
    (void)state;
    static const char *const k_pushes[] = {
        ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n",
        ">1\r\n+a\r\n>1\r\n+b\r\n>3\r\n$1\r\nc\r\n:5\r\n_\r\n",
    };
    for (size_t i = 0; i < KIT_COUNT(k_pushes); i++) {
        idle_case(k_pushes[i], false, true);
    }
}

static void test_conn__a_push_and_a_reply_kill_it(void **state)
{
    (void)state;
    idle_case(">1\r\n+a\r\n+OK\r\n", false, false);
}

/* The rest of it may come at any time, and then before a reply. */
static void test_conn__half_a_push_is_not_between_two_replies(void **state)
{
    (void)state;
    idle_case(">2\r\n+a\r\n", false, false);
}

static void test_conn__the_end_kills_it(void **state)
{
    (void)state;
    idle_case("", true, false);
    idle_case(">1\r\n+a\r\n", true, false);
}

static void test_conn__that_cannot_be_made_names_the_endpoint(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin_fn(&rig, rig_echo, NULL);
    uint16_t port = 0;
    int holder = kit_port_without_listener(&port);
    struct faci_resolver *resolver = NULL;
    fac_error err;
    assert_status(faci_resolver_new(&rig.memory.hook, rig.config.host, port, &resolver, &err),
                  FAC_OK, &err);
    rig.config.port = port;
    struct faci_conn *conn = faci_conn_new(&rig.config, NULL);
    assert_non_null(conn);
    assert_status(faci_connect(conn, resolver, rig_soon(), &err), FAC_E_UNAVAILABLE, &err);
    char endpoint[64];
    (void)snprintf(endpoint, sizeof(endpoint), "127.0.0.1:%u: ", (unsigned)port);
    assert_contains(err.message, endpoint);
    assert_int_equal(err.os_errno, ECONNREFUSED);
    assert_true(conn->is_dead);
    assert_false(conn->is_ready);
    faci_conn_free(conn);
    faci_resolver_free(resolver);
    kit_port_give_back(holder);
    rig_end(&rig);
}

/* Whatever the handshake is refused with, the connection is never lent. */
static void test_conn__handshake_replies_are_checked(void **state)
{
    (void)state;
    static const char k_hello[] = "%1\r\n+server\r\n+redis\r\n";
    static const struct {
        uint32_t db;
        const char *replies[4]; /* to HELLO, SELECT, CLIENT and CLIENT */
        fac_status want;
        const char *words;
    } k_cases[] = {
        {3, {k_hello, "+OK\r\n", "+OK\r\n", "+OK\r\n"}, FAC_OK, ""},
        {3, {k_hello, "+OK\r\n", "-ERR unknown\r\n", "-ERR unknown\r\n"}, FAC_OK, ""},
        {3,
         {k_hello, "-ERR DB index is out of range\r\n", "+OK\r\n", "+OK\r\n"},
         FAC_E_CONFIG,
         "DB index"},
        {3, {k_hello, ":1\r\n", "+OK\r\n", "+OK\r\n"}, FAC_E_PROTOCOL, "RESP"},
        {3,
         {"-WRONGPASS no\r\n", "-NOAUTH no\r\n", "-NOAUTH no\r\n", "-NOAUTH no\r\n"},
         FAC_E_AUTH,
         "WRONGPASS"},
        {3,
         {"-LOADING wait\r\n", "+OK\r\n", "+OK\r\n", "+OK\r\n"},
         FAC_E_UNAVAILABLE,
         "LOADING"},
        {3, {"+OK\r\n", "+OK\r\n", "+OK\r\n", "+OK\r\n"}, FAC_E_PROTOCOL, "RESP"},
        {3, {"$2\r\nhi\r\n", "", "", ""}, FAC_E_PROTOCOL, "RESP"},
        {3, {"HTTP/1.1 400 Bad\r\n", "", "", ""}, FAC_E_PROTOCOL, "RESP"},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct kit_step script[9];
        size_t n = 0;
        static const char *const k_names[] = {"HELLO", "SELECT", "CLIENT", "CLIENT"};
        for (size_t k = 0; k < 4; k++) {
            script[n++] = (struct kit_step){KIT_EXPECT, k_names[k], NULL};
            script[n++] = (struct kit_step){KIT_SAY, k_cases[i].replies[k], NULL};
        }
        script[n] = (struct kit_step){KIT_END, NULL, NULL};
        const struct kit_step *const scripts[] = {script};
        struct kit_stub_options options = {.scripts = scripts, .n_scripts = 1, .is_bare = true};
        struct rig rig;
        rig_begin(&rig, &options);
        rig.config.db = k_cases[i].db;
        struct faci_conn *conn = faci_conn_new(&rig.config, NULL);
        assert_non_null(conn);
        fac_error err = {0};
        fac_status st = faci_connect(conn, rig.resolver, rig_soon(), &err);
        assert_status(st, k_cases[i].want, &err);
        assert_contains(err.message, k_cases[i].words);
        assert_int_equal(faci_conn_is_reusable(conn), st == FAC_OK);
        assert_int_equal(conn->is_dead, st != FAC_OK);
        faci_conn_free(conn);
        rig_end(&rig);
    }
}

static void test_conn__password_does_not_stay_in_its_memory(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin_fn(&rig, rig_echo, NULL);
    struct faci_secret *password = faci_secret_new("a-rare-pass-word", 16);
    rig.config.password = password;
    struct faci_conn *conn = rig_connect(&rig);
    assert_non_null(conn->tx.data);
    assert_null(memmem(conn->tx.data, conn->tx.cap, "rare", 4));
    faci_conn_free(conn);
    faci_secret_free(password);
    rig_end(&rig);
}

/* A server that says much may say the password, too; here in a push as long as the buffer. */
static void test_conn__password_does_not_stay_where_the_buffer_was(void **state)
{
    (void)state;
    static const char k_push[] = ">1\r\n$99999\r\na-rare-pass-word";
    struct rig rig;
    rig_begin_fn(&rig, rig_echo, NULL);
    rig.memory.watched = "a-rare-pass-word";
    struct faci_conn *conn = rig_connect(&rig);
    size_t cap = conn->rx_cap;
    memset(conn->rx, '.', cap);
    memcpy(conn->rx, k_push, strlen(k_push));
    faci_intake(conn, (ssize_t)cap);
    assert_true(conn->rx_cap > cap);
    assert_false(faci_conn_is_poisoned(conn));
    assert_int_equal(atomic_load(&rig.memory.n_watched_freed), 0);
    faci_conn_free(conn);
    rig_end(&rig);
}

/* Who knows one connection's check commands could otherwise answer another's. */
static void test_conn__nonces_of_two_have_nothing_in_common(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin_fn(&rig, rig_echo, NULL);
    struct faci_conn *a = faci_conn_new(&rig.config, NULL);
    struct faci_conn *b = faci_conn_new(&rig.config, NULL);
    assert_true(a != NULL && b != NULL);
    assert_true(faci_random_next(&a->nonce) != faci_random_next(&b->nonce));
    faci_conn_free(a);
    faci_conn_free(b);
    rig_end(&rig);
}

static void test_conn__without_memory(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin_fn(&rig, rig_echo, NULL);
    size_t n = 0;
    fac_status st = FAC_E_NOMEM;
    while (st != FAC_OK) {
        n++;
        kit_memory_fail(&rig.memory, n, false);
        struct faci_conn *conn = faci_conn_new(&rig.config, NULL);
        if (conn != NULL) {
            fac_error err;
            st = faci_connect(conn, rig.resolver, rig_soon(), &err);
            assert_true(st == FAC_OK || st == FAC_E_NOMEM);
        }
        kit_memory_fail(&rig.memory, 0, false);
        faci_conn_free(conn);
    }
    assert_true(n > 3);
    rig_end(&rig);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_conn__an_unsolicited_reply_kills_it),
    KIT_TEST(test_conn__a_push_does_not),
    KIT_TEST(test_conn__a_push_and_a_reply_kill_it),
    KIT_TEST(test_conn__half_a_push_is_not_between_two_replies),
    KIT_TEST(test_conn__the_end_kills_it),
    KIT_TEST(test_conn__that_cannot_be_made_names_the_endpoint),
    KIT_TEST(test_conn__handshake_replies_are_checked),
    KIT_TEST(test_conn__password_does_not_stay_in_its_memory),
    KIT_TEST(test_conn__password_does_not_stay_where_the_buffer_was),
    KIT_TEST(test_conn__nonces_of_two_have_nothing_in_common),
    KIT_TEST(test_conn__without_memory),
};

KIT_MAIN(k_tests)
