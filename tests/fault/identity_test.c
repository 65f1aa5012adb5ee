/* SPDX-License-Identifier: MIT */
/* Rows C8 and C10: every connection is the right user's, in the right database and under its name
 * before the first command of a caller goes out on it; and a server that comes back as another one
 * is told apart. */
#include "fault/callers.h"
#include "fault/late.h"
#include "kit/kit.h"
#include "kit/stub.h"
#include "live/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECONNECTS = 300, /* 10^4 in the soak */
    CALLERS = 6,
    PEERS_MAX = 256,
    PEER_BYTES = 64,
    DB = 3,
    RECOVER_MS = 5200, /* the longest pause, and 200 ms */
    WINDOW_MS = 2000,
    ATTEMPTS_MAX = 16,
    POLL_PAUSE_MS = 10
};

/* --- C8 -------------------------------------------------------------------------------------- */

/* What MONITOR has shown of the connections since the last cut. */
struct watch {
    struct kit_raw *monitor;
    char peers[PEERS_MAX][PEER_BYTES]; /* those that have sent a caller's command */
    size_t n_peers;
    size_t n_user_commands;
    size_t n_reconnects; /* seen by their first command of a caller */
};

static bool is_known(const struct watch *watch, const char *peer)
{
    for (size_t i = 0; i < watch->n_peers; i++) {
        if (strcmp(watch->peers[i], peer) == 0) {
            return true;
        }
    }
    return false;
}

/* A line such as: 1700000000.123456 [3 127.0.0.1:5000] "GET" "cache:key 1". */
static void look_at(struct watch *watch, const char *line)
{
    char number[8] = "";
    char peer[PEER_BYTES] = "";
    char name[PEER_BYTES] = "";
    if (sscanf(line, "%*s [%7[0-9] %63[^]]] \"%63[^\"]\"", number, peer, name) != 3) {
        fail_msg("not a line of MONITOR: %s", line);
    }
    long db = strtol(number, NULL, 10);
    if (strncmp(peer, "unix:", 5) == 0) { /* this test's own connection */
        return;
    }
    bool is_user_command = strcasecmp(name, "get") == 0 || strcasecmp(name, "set") == 0;
    if (!is_user_command) {
        if (is_known(watch, peer)) {
            fail_msg("%s comes after a caller's command: %s", name, line);
        }
        return;
    }
    if (db != DB) {
        fail_msg("a command in another database: %s", line);
    }
    watch->n_user_commands++;
    if (!is_known(watch, peer)) {
        assert_true(watch->n_peers < PEERS_MAX);
        memcpy(watch->peers[watch->n_peers++], peer, PEER_BYTES);
        watch->n_reconnects++;
    }
}

/* Read what MONITOR has to show, up to a command that only this test sends. */
static void read_monitor(struct watch *watch, struct kit_raw *raw, size_t round)
{
    char marker[32];
    char wanted[64];
    (void)snprintf(marker, sizeof(marker), "marker %zu", round);
    (void)snprintf(wanted, sizeof(wanted), "\"PING\" \"marker %zu\"", round);
    (void)kit_raw_ask(raw, "PING", marker, NULL);
    for (;;) {
        const char *line = kit_raw_reply(watch->monitor, NULL);
        assert_non_null(line);
        if (strstr(line, wanted) != NULL) {
            return;
        }
        look_at(watch, line);
    }
}

/* What the server knows of the cache's connections once they are in use. */
static size_t check_client_list(struct kit_raw *raw, bool has_name)
{
    size_t n = 0;
    const char *list = kit_raw_ask(raw, "CLIENT", "LIST", NULL);
    for (const char *line = list; line != NULL && *line != '\0';) {
        char text[1024];
        size_t len = strcspn(line, "\n");
        (void)snprintf(text, sizeof(text), "%.*s", (int)len, line);
        line += len + (line[len] == '\n');
        bool has_asked = strstr(text, " cmd=get ") != NULL || strstr(text, " cmd=set ") != NULL;
        if (!has_asked) {
            continue;
        }
        n++;
        assert_contains(text, " user=app ");
        assert_contains(text, " db=3 ");
        if (has_name) {
            assert_contains(text, " name=faciliter ");
        }
    }
    return n;
}

static void start_for_app(struct live *live)
{
    /* A command of a caller that goes out before the handshake's end is another user's: refused. */
    static const char *const k_config[] = {"user app on >secret ~* &* +@all",
                                           "user default on nopass ~* &* +@all -get -set",
                                           NULL};
    live_start(live, k_config);
    live->options.username = "app";
    live->options.password = "secret";
    live->options.db = DB;
    live_open(live);
    callers_store(live->cache);
}

/* Catches: a request that is sent along with, or before, the handshake; a connection that is lent
 * before every reply of it was read; a SELECT, AUTH or name that only the first connection gets. */
static void test_identity__c8_before_the_first_command(void **state)
{
    (void)state;
    struct live live;
    start_for_app(&live);
    static struct watch watch;
    watch = (struct watch){.monitor = kit_raw_unix(kit_server_socket(live.server))};
    assert_non_null(watch.monitor);
    assert_string_equal(kit_raw_ask(watch.monitor, "MONITOR", NULL), "OK");
    struct callers callers = {
        .cache = live.cache, .deadline_ms = LIVE_TIMEOUT_MS, .pause_ms = 1};
    callers_start(&callers, CALLERS);
    size_t n_seen = 0;
    for (size_t i = 0; i < kit_scaled(RECONNECTS); i++) {
        /* One more than there are: those under way may have asked before the last marker. */
        callers_wait_for_ok(&callers, CALLERS + 1);
        n_seen += check_client_list(live_raw(&live), live.protocol == 3);
        read_monitor(&watch, live_raw(&live), 2 * i);
        (void)kit_raw_ask(live_raw(&live), "CLIENT", "KILL", "USER", "app", NULL);
        /* Their last commands come before the marker; a port may be another's from here on. */
        read_monitor(&watch, live_raw(&live), 2 * i + 1);
        watch.n_peers = 0;
    }
    callers_stop(&callers);
    (void)fprintf(stderr, "%zu connections, %zu commands of callers, %zu looks at a client\n",
                  watch.n_reconnects, watch.n_user_commands, n_seen);
    assert_true(watch.n_reconnects >= kit_scaled(RECONNECTS));
    assert_true(n_seen > 0);
    assert_int_equal(atomic_load(&callers.n_other), 0);
    assert_int_equal(atomic_load(&callers.n_auth), 0); /* NOPERM would be one */
    callers_fini(&callers);
    kit_raw_close(watch.monitor);
    live_end(&live);
}

/* --- C10 ------------------------------------------------------------------------------------- */

static void kill_clients(struct live *live)
{
    (void)kit_raw_ask(live_raw(live), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes",
                      NULL);
}

static size_t connections_received(struct live *live)
{
    const char *at = strstr(kit_raw_ask(live_raw(live), "INFO", "stats", NULL),
                            "total_connections_received:");
    assert_non_null(at);
    return strtoul(strchr(at, ':') + 1, NULL, 10);
}

/* Catches: a refused password that is tried again at once; one that callers get to know as a server
 * that is away; a connection that is used although AUTH was refused; a cache that never asks
 * again; refusals without a round trip counted among the latencies, which they make look good. */
static void test_identity__c10_another_password(void **state)
{
    (void)state;
    static const char *const k_config[] = {"requirepass first", NULL};
    struct live live;
    live_start(&live, k_config);
    (void)kit_raw_ask(live_raw(&live), "AUTH", "first", NULL);
    live.options.password = "first";
    live_open(&live);
    callers_store(live.cache);
    uint64_t n_timed = live_stats(live.cache).latency_count;
    assert_true(n_timed > 0);
    (void)kit_raw_ask(live_raw(&live), "CONFIG", "SET", "requirepass", "second", NULL);
    kill_clients(&live);
    size_t before = connections_received(&live);
    struct callers callers = {
        .cache = live.cache, .deadline_ms = LIVE_TIMEOUT_MS, .pause_ms = POLL_PAUSE_MS};
    callers_start(&callers, 1);
    late_pass_ms(WINDOW_MS);
    size_t n = connections_received(&live) - before;
    (void)fprintf(stderr, "%zu attempts with the wrong password\n", n);
    assert_in_range(n, 1, ATTEMPTS_MAX);
    assert_int_equal(atomic_load(&callers.n_ok), 0);
    assert_int_equal(atomic_load(&callers.n_unavailable), 0);
    assert_int_equal(atomic_load(&callers.n_timeout), 0);
    assert_int_equal(atomic_load(&callers.n_other), 0);
    assert_true(atomic_load(&callers.n_auth) > 0);
    assert_int_equal(live_stats(live.cache).latency_count, n_timed);
    callers_watch(&callers);
    int64_t since_us = late_now_us();
    (void)kit_raw_ask(live_raw(&live), "CONFIG", "SET", "requirepass", "first", NULL);
    int64_t took_us = callers_first_ok_after_us(&callers, since_us, LIVE_HEAL_MS);
    callers_stop(&callers);
    assert_true(took_us <= (RECOVER_MS + kit_margin_ms()) * 1000);
    callers_fini(&callers);
    live_end(&live);
}

/* Catches: a refusal of a write that is taken for a broken connection, and tried on others. */
static void test_identity__c10_now_a_replica(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("k"), "v");
    (void)kit_raw_ask(live_raw(&live), "REPLICAOF", "127.0.0.1", "1", NULL);
    kill_clients(&live);
    live_expect(live.cache, fac_str("k"), "v");
    size_t before = connections_received(&live);
    for (int i = 0; i < 100; i++) {
        fac_error err;
        live_expect_error(
            fac_cache_set(live.cache, fac_str("k"), fac_str("w"), FAC_TTL_NONE, NULL, &err),
            FAC_E_SERVER, &err);
        assert_string_equal(err.server_code, "READONLY");
        assert_false(err.maybe_applied);
        live_expect(live.cache, fac_str("k"), "v");
    }
    assert_int_equal(connections_received(&live), before);
    (void)kit_raw_ask(live_raw(&live), "REPLICAOF", "NO", "ONE", NULL);
    live_set(live.cache, fac_str("k"), "w");
    live_end(&live);
}

/* The first connection meets a server of today, later ones an old one that knows no HELLO. */
struct aged {
    bool refuses_auth;
    atomic_size_t n_auth;
    atomic_size_t n_resp2_connections;
};

static const char *answer_aged(struct aged *aged, const struct kit_frame *frame, bool is_old,
                               bool *is_user)
{
    if (kit_frame_says(frame, 0, "HELLO")) {
        return is_old ? "-ERR unknown command 'HELLO'\r\n"
                      : "%4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n"
                        "$5\r\nproto\r\n:3\r\n$4\r\nrole\r\n$6\r\nmaster\r\n";
    }
    if (kit_frame_says(frame, 0, "AUTH")) {
        (void)atomic_fetch_add(&aged->n_auth, 1U);
        *is_user = !aged->refuses_auth;
        return aged->refuses_auth ? "-ERR Client sent AUTH, but no password is set\r\n"
                                  : "+OK\r\n";
    }
    if (kit_frame_says(frame, 0, "INFO")) {
        return "$23\r\nredis_version:5.0.0\r\n\r\n\r\n";
    }
    if (kit_frame_says(frame, 0, "PING")) {
        return "+PONG\r\n";
    }
    return kit_frame_says(frame, 0, "GET") ? "$6\r\nserved\r\n" : "+OK\r\n";
}

static void serve_aged(struct kit_stub_conn *conn, void *context)
{
    struct aged *aged = context;
    bool is_old = kit_stub_index(conn) > 0;
    bool is_user = !is_old; /* HELLO had the password in it */
    const struct kit_frame *frame = kit_stub_next(conn);
    (void)atomic_fetch_add(&aged->n_resp2_connections, is_old ? 1U : 0U);
    while (frame != NULL) {
        bool is_get = kit_frame_says(frame, 0, "GET");
        const char *reply = answer_aged(aged, frame, is_old, &is_user);
        if (is_get && !is_user) {
            kit_stub_blame(conn, "a caller's command before ", "AUTH was accepted");
        }
        if (!kit_stub_say(conn, reply)) {
            return;
        }
        if (is_get && !is_old) {
            kit_stub_reset(conn);
            return;
        }
        frame = kit_stub_next(conn);
    }
}

static void meet_an_old_server(bool refuses_auth)
{
    struct aged aged = {.refuses_auth = refuses_auth};
    struct kit_stub_options stub_options = {
        .fn = serve_aged, .context = &aged, .is_bare = true};
    struct kit_stub *stub = kit_stub_start(&stub_options);
    fac_options options;
    live_point_at(&options, kit_stub_port(stub));
    options.password = "secret";
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    live_expect(cache, fac_str("k"), "served");
    if (refuses_auth) {
        for (int i = 0; i < 100; i++) {
            live_expect_error(live_try_get(cache, "k", 0, &err), FAC_E_AUTH, &err);
        }
        assert_in_range(kit_stub_connections(stub), 2, ATTEMPTS_MAX);
    } else {
        live_expect(cache, fac_str("k"), "served");
        live_expect(cache, fac_str("k"), "served");
        assert_int_equal(kit_stub_connections(stub), 2);
    }
    assert_true(atomic_load(&aged.n_auth) >= 1);
    assert_int_equal(atomic_load(&aged.n_auth), atomic_load(&aged.n_resp2_connections));
    fac_cache_close(cache);
    kit_stub_stop(stub);
}

/* Catches: a fall-back to RESP2 that leaves the password out, or goes on without its answer. */
static void test_identity__c10_an_older_server(void **state)
{
    (void)state;
    meet_an_old_server(false);
}

/* Catches, too: a refusal of AUTH taken for the server's having no password. */
static void test_identity__c10_an_older_server_without_a_password(void **state)
{
    (void)state;
    meet_an_old_server(true);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_identity__c8_before_the_first_command),
    KIT_TEST(test_identity__c10_another_password),
    KIT_TEST(test_identity__c10_now_a_replica),
    KIT_TEST(test_identity__c10_an_older_server),
    KIT_TEST(test_identity__c10_an_older_server_without_a_password),
};

KIT_MAIN(k_tests)
