/* SPDX-License-Identifier: MIT */
/* Row D with real servers: each is put into a state, shows it to a call, and is put back. NOPROTO,
 * which no server of today says to HELLO 3, is in state_test.c, where all of them are. */
#include "fault/states.h"
#include "kit/kit.h"
#include "kit/wait.h"
#include "kit/workdir.h"
#include "live/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SHOWN_WITHIN_MS = 20000,
    SHORT_MS = 60,
    BIG_BYTES = 1 << 20
};

static fac_status try_set(fac_cache *cache, fac_error *err)
{
    return fac_cache_set(cache, fac_str("k"), fac_str("v"), FAC_TTL_NONE, NULL, err);
}

static fac_status try_get(fac_cache *cache, fac_error *err)
{
    return live_try_get(cache, "k", 0, err);
}

static void expect_state(const char *name, fac_status got, const fac_error *err)
{
    const struct state *want = state_named(name);
    live_expect_error(got, want->status, err);
    assert_string_equal(err->server_code, want->code);
    assert_false(err->maybe_applied);
}

/* The state is over: on the same connection when the server only answered. */
static void expect_over(struct live *live, const char *name)
{
    fac_error err;
    assert_status(try_set(live->cache, &err), FAC_OK, &err);
    live_expect(live->cache, fac_str("k"), "v");
    if (state_named(name)->reaction == STATE_ANSWERED) {
        assert_int_equal(live_stats(live->cache).disconnects, 0);
        assert_int_equal(live_stats(live->cache).connects, 1);
    }
}

static void tell(struct live *live, const char *name, const char *a, const char *b,
                 const char *c)
{
    const char *reply = kit_raw_ask(live_raw(live), name, a, b, c, NULL);
    assert_string_equal(reply, "OK");
}

/* A command whose answer nobody waits for. */
static struct kit_raw *start_command(struct live *live, const char *frame)
{
    struct kit_raw *raw = kit_raw_unix(kit_server_socket(live->server));
    assert_non_null(raw);
    assert_true(kit_raw_send(raw, frame, strlen(frame)));
    return raw;
}

/* --- Settings that a server can be given while it runs --------------------------------------- */

static void refuse_writes(const char *state, const char *setting, const char *on,
                          const char *off)
{
    struct live live;
    live_begin(&live);
    fac_error err;
    tell(&live, "CONFIG", "SET", setting, on);
    expect_state(state, try_set(live.cache, &err), &err);
    assert_int_equal(try_get(live.cache, &err), FAC_MISS);
    tell(&live, "CONFIG", "SET", setting, off);
    expect_over(&live, state);
    live_end(&live);
}

static void test_state_live__oom(void **state)
{
    (void)state;
    refuse_writes("OOM", "maxmemory", "1", "0");
}

static void test_state_live__noreplicas(void **state)
{
    (void)state;
    refuse_writes("NOREPLICAS", "min-replicas-to-write", "1", "0");
}

static void test_state_live__readonly_and_masterdown(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    uint16_t port = 0;
    int holder = kit_port_without_listener(&port);
    char text[8];
    (void)snprintf(text, sizeof(text), "%u", (unsigned)port);
    tell(&live, "REPLICAOF", "127.0.0.1", text, NULL);
    expect_state("READONLY", try_set(live.cache, &err), &err);
    assert_int_equal(try_get(live.cache, &err), FAC_MISS);
    tell(&live, "CONFIG", "SET", "replica-serve-stale-data", "no");
    expect_state("MASTERDOWN", try_get(live.cache, &err), &err);
    tell(&live, "REPLICAOF", "NO", "ONE", NULL);
    expect_over(&live, "MASTERDOWN");
    live_end(&live);
    kit_port_give_back(holder);
}

static void test_state_live__noperm(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    tell(&live, "ACL", "SETUSER", "default", "-set");
    expect_state("NOPERM", try_set(live.cache, &err), &err);
    assert_int_equal(try_get(live.cache, &err), FAC_MISS);
    tell(&live, "ACL", "SETUSER", "default", "+set");
    expect_over(&live, "NOPERM");
    live_end(&live);
}

/* EXEC says EXECABORT; the caller is told what was wrong before it. */
static void test_state_live__execabort_tells_the_reason(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    tell(&live, "CONFIG", "SET", "maxmemory", "1");
    fac_status st = fac_cache_increment(live.cache, fac_str("n"), 1, 60000, NULL, NULL, &err);
    expect_state("OOM", st, &err);
    tell(&live, "CONFIG", "SET", "maxmemory", "0");
    expect_over(&live, "EXECABORT");
    live_end(&live);
}

/* --- Scripts and reloads --------------------------------------------------------------------- */

static void test_state_live__loading(void **state)
{
    (void)state;
    static const char *const k_config[] = {"enable-debug-command yes",
                                           "loading-process-events-interval-bytes 1024", NULL};
    struct live live;
    live_start(&live, k_config);
    live_open(&live);
    fac_error err;
    tell(&live, "DEBUG", "POPULATE", "1000", "filler");
    tell(&live, "CONFIG", "SET", "key-load-delay", "5000");
    struct kit_raw *reload = start_command(&live, "*2\r\n$5\r\nDEBUG\r\n$6\r\nRELOAD\r\n");
    fac_status st = FAC_OK;
    KIT_WAIT_FOR(SHOWN_WITHIN_MS, (st = try_get(live.cache, &err)) < 0);
    expect_state("LOADING", st, &err);
    tell(&live, "CONFIG", "SET", "key-load-delay", "0");
    KIT_WAIT_FOR(SHOWN_WITHIN_MS, try_set(live.cache, &err) == FAC_OK);
    kit_raw_close(reload);
    expect_over(&live, "LOADING");
    live_end(&live);
}

static void test_state_live__busy(void **state)
{
    (void)state;
    static const char *const k_config[] = {"busy-reply-threshold 5", NULL};
    struct live live;
    live_start(&live, k_config);
    live_open(&live);
    fac_error err;
    struct kit_raw *script = start_command(
        &live, "*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n");
    fac_status st = FAC_OK;
    KIT_WAIT_FOR(SHOWN_WITHIN_MS, (st = try_get(live.cache, &err)) < 0);
    expect_state("BUSY", st, &err);
    tell(&live, "SCRIPT", "KILL", NULL, NULL);
    KIT_WAIT_FOR(SHOWN_WITHIN_MS, try_set(live.cache, &err) == FAC_OK);
    kit_raw_close(script);
    expect_over(&live, "BUSY");
    live_end(&live);
}

static void test_state_live__unkillable(void **state)
{
    (void)state;
    static const char *const k_config[] = {"busy-reply-threshold 5", NULL};
    struct live live;
    live_start(&live, k_config);
    live_open(&live);
    fac_error err;
    struct kit_raw *script = start_command(
        &live, "*4\r\n$4\r\nEVAL\r\n$47\r\nredis.call('set', KEYS[1], 1) while true do end\r\n"
               "$1\r\n1\r\n$1\r\nx\r\n");
    KIT_WAIT_FOR(SHOWN_WITHIN_MS, try_get(live.cache, &err) == FAC_E_UNAVAILABLE);
    const fac_bytes args[] = {fac_str("SCRIPT"), fac_str("KILL")};
    fac_reply *reply = NULL;
    fac_status st = fac_cache_command(live.cache, args, 2, NULL, &reply, &err);
    expect_state("UNKILLABLE", st, &err);
    kit_raw_close(script);
    /* Nothing else ends it. */
    kit_server_kill(live.server);
    kit_server_restart(live.server);
    KIT_WAIT_FOR(LIVE_HEAL_MS, try_set(live.cache, &err) == FAC_OK);
    live_end(&live);
}

static bool has_failed_to_save(struct live *live)
{
    return strstr(kit_raw_ask(live_raw(live), "INFO", "persistence", NULL),
                  "rdb_last_bgsave_status:err") != NULL;
}

static void test_state_live__misconf(void **state)
{
    (void)state;
    static const char *const k_config[] = {"save 3600 1", NULL};
    struct live live;
    live_start(&live, k_config);
    live_open(&live);
    fac_error err;
    /* Where the snapshot should be there is a directory. */
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/dump.rdb", kit_server_dir(live.server));
    assert_int_equal(mkdir(path, 0700), 0);
    assert_status(try_set(live.cache, &err), FAC_OK, &err);
    (void)kit_raw_ask(live_raw(&live), "BGSAVE", NULL);
    KIT_WAIT_FOR(SHOWN_WITHIN_MS, has_failed_to_save(&live));
    expect_state("MISCONF", try_set(live.cache, &err), &err);
    live_expect(live.cache, fac_str("k"), "v");
    assert_int_equal(rmdir(path), 0);
    tell(&live, "CONFIG", "SET", "save", "");
    expect_over(&live, "MISCONF");
    live_end(&live);
}

/* --- Who is let in --------------------------------------------------------------------------- */

static void test_state_live__noauth_and_wrongpass(void **state)
{
    (void)state;
    static const char *const k_config[] = {"requirepass right", NULL};
    struct live live;
    live_start(&live, k_config);
    fac_error err;
    fac_cache *cache = NULL;
    expect_state("NOAUTH", fac_cache_open(&live.options, &cache, &err), &err);
    assert_null(cache);
    live.options.password = "wrong";
    expect_state("WRONGPASS", fac_cache_open(&live.options, &cache, &err), &err);
    assert_null(cache);
    live.options.password = "right";
    live_open(&live);
    expect_over(&live, "WRONGPASS");
    live_end(&live);
}

static void test_state_live__maxclients(void **state)
{
    (void)state;
    static const char *const k_config[] = {"maxclients 1", NULL};
    struct live live;
    live_start(&live, k_config);
    (void)kit_raw_ask(live_raw(&live), "PING", NULL);
    fac_error err;
    fac_cache *cache = NULL;
    fac_status st = fac_cache_open(&live.options, &cache, &err);
    expect_state("maxclients", st, &err);
    assert_null(cache);
    live.options.open = FAC_OPEN_LAZY;
    live_open(&live);
    st = try_get(live.cache, &err);
    expect_state("maxclients", st, &err);
    kit_raw_close(live.raw);
    live.raw = NULL;
    KIT_WAIT_FOR(LIVE_HEAL_MS, try_get(live.cache, &err) == FAC_MISS);
    expect_over(&live, "maxclients");
    live_end(&live);
}

/* A client whose request takes more than 128 KiB of the server's memory is put out. */
static void test_state_live__client_eviction(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_error err;
    tell(&live, "CLIENT", "NO-EVICT", "on", NULL);
    tell(&live, "CONFIG", "SET", "maxmemory-clients", "1");
    char *big = calloc(1, BIG_BYTES);
    assert_non_null(big);
    fac_status st = FAC_OK;
    fac_bytes value = fac_mem(big, BIG_BYTES);
    KIT_WAIT_FOR(SHOWN_WITHIN_MS, (st = fac_cache_set(live.cache, fac_str("big"), value,
                                                      FAC_TTL_NONE, NULL, &err)) != FAC_OK);
    const struct state *want = state_named("client eviction");
    live_expect_error(st, want->status, &err);
    assert_string_equal(err.server_code, want->code);
    tell(&live, "CONFIG", "SET", "maxmemory-clients", "0");
    KIT_WAIT_FOR(LIVE_HEAL_MS, try_set(live.cache, &err) == FAC_OK);
    assert_true(live_stats(live.cache).disconnects > 0);
    expect_over(&live, "client eviction");
    free(big);
    live_end(&live);
}

/* --- A server that does not answer for a while ------------------------------------------------ */

/* A call with little time ends by its deadline, one with more waits the state out. */
static void expect_wait(struct live *live, const char *name, const char *frame)
{
    fac_error err;
    fac_status st = FAC_OK;
    struct kit_raw *raw = NULL;
    int64_t give_up_at_ms = kit_now_ms() + SHOWN_WITHIN_MS;
    /* Again when this machine was so busy that the state was over before the call. */
    while (st != FAC_E_TIMEOUT && kit_now_ms() < give_up_at_ms) {
        kit_raw_close(raw);
        raw = start_command(live, frame);
        kit_nap();
        st = live_try_get(live->cache, "k", SHORT_MS, &err);
    }
    expect_state(name, st, &err);
    assert_status(live_try_get(live->cache, "k", LIVE_TIMEOUT_MS, &err), FAC_OK, &err);
    kit_raw_close(raw);
    expect_over(live, name);
}

static void test_state_live__client_pause(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("k"), "v");
    expect_wait(&live, "CLIENT PAUSE",
                "*4\r\n$6\r\nCLIENT\r\n$5\r\nPAUSE\r\n$3\r\n600\r\n$3\r\nALL\r\n");
    live_end(&live);
}

static void test_state_live__debug_sleep(void **state)
{
    (void)state;
    static const char *const k_config[] = {"enable-debug-command yes", NULL};
    struct live live;
    live_start(&live, k_config);
    live_open(&live);
    live_set(live.cache, fac_str("k"), "v");
    expect_wait(&live, "DEBUG SLEEP", "*3\r\n$5\r\nDEBUG\r\n$5\r\nSLEEP\r\n$3\r\n0.6\r\n");
    live_end(&live);
}

/* --- A node of a cluster --------------------------------------------------------------------- */

static void test_state_live__clusterdown(void **state)
{
    (void)state;
    static const char *const k_config[] = {"cluster-enabled yes", NULL};
    struct live live;
    live_start(&live, k_config);
    live_open(&live);
    fac_error err;
    expect_state("CLUSTERDOWN", try_get(live.cache, &err), &err);
    expect_state("CLUSTERDOWN", try_set(live.cache, &err), &err);
    assert_int_equal(live_stats(live.cache).disconnects, 0);
    live_end(&live);
}

#define OTHER_NODE "0000000000000000000000000000000000000002"

/* What a node remembers of its cluster: half of the slots belong to one that nobody hears. */
static void write_cluster(const char *path)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fprintf(file, "0000000000000000000000000000000000000001 127.0.0.1:1@10001 "
                        "myself,master - 0 0 1 connected 0-8191\n" OTHER_NODE
                        " 127.0.0.1:2@10002 master - 0 0 2 connected 8192-16383\n"
                        "vars currentEpoch 2 lastVoteEpoch 0\n");
    assert_int_equal(fclose(file), 0);
}

static fac_status mget(fac_cache *cache, const char *a, const char *b, fac_error *err)
{
    const fac_bytes args[] = {fac_str("MGET"), fac_str(a), fac_str(b)};
    fac_reply *reply = NULL;
    fac_status st = fac_cache_command(cache, args, 3, NULL, &reply, err);
    fac_reply_free(reply);
    return st;
}

/* {a} is in slot 15495, {b} in 3300, {c} in 7365. */
static void test_state_live__redirections(void **state)
{
    (void)state;
    struct kit_workdir dir;
    kit_workdir_make(&dir);
    char path[256];
    char line[300];
    (void)snprintf(path, sizeof(path), "%s/nodes.conf", dir.path);
    (void)snprintf(line, sizeof(line), "cluster-config-file %s", path);
    write_cluster(path);
    const char *const config[] = {"cluster-enabled yes", "cluster-node-timeout 600000", line,
                                  NULL};
    struct live live;
    live_start(&live, config);
    live.options.prefix = "";
    live_open(&live);
    fac_error err;
    /* A node that has just started waits for two seconds before it serves. */
    KIT_WAIT_FOR(SHOWN_WITHIN_MS, live_try_get(live.cache, "{b}1", 0, &err) == FAC_MISS);
    live_set(live.cache, fac_str("{b}1"), "v");

    fac_value *value = NULL;
    fac_status st = fac_cache_get(live.cache, fac_str("{a}1"), NULL, &value, &err);
    expect_state("MOVED", st, &err);
    expect_state("CROSSSLOT", mget(live.cache, "{b}1", "{c}1", &err), &err);
    const char *migrating = kit_raw_ask(live_raw(&live), "CLUSTER", "SETSLOT", "3300",
                                        "MIGRATING", OTHER_NODE, NULL);
    assert_string_equal(migrating, "OK");
    live_expect(live.cache, fac_str("{b}1"), "v");
    expect_state("ASK", live_try_get(live.cache, "{b}absent", 0, &err), &err);
    expect_state("TRYAGAIN", mget(live.cache, "{b}1", "{b}absent", &err), &err);
    live_expect(live.cache, fac_str("{b}1"), "v");
    assert_int_equal(live_stats(live.cache).disconnects, 0);
    live_end(&live);
    kit_workdir_remove(&dir);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_state_live__oom),
    KIT_TEST(test_state_live__noreplicas),
    KIT_TEST(test_state_live__readonly_and_masterdown),
    KIT_TEST(test_state_live__noperm),
    KIT_TEST(test_state_live__execabort_tells_the_reason),
    KIT_TEST(test_state_live__loading),
    KIT_TEST(test_state_live__busy),
    KIT_TEST(test_state_live__unkillable),
    KIT_TEST(test_state_live__misconf),
    KIT_TEST(test_state_live__noauth_and_wrongpass),
    KIT_TEST(test_state_live__maxclients),
    KIT_TEST(test_state_live__client_eviction),
    KIT_TEST(test_state_live__client_pause),
    KIT_TEST(test_state_live__debug_sleep),
    KIT_TEST(test_state_live__clusterdown),
    KIT_TEST(test_state_live__redirections),
};

KIT_MAIN(k_tests)
