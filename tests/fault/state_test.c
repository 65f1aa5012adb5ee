/* SPDX-License-Identifier: MIT */
/* Row D with a peer that shows every state of the table: one status, one reaction, and the guide
 * says the same. Real servers in these states: state_live_test.c. */
#include "fault/states.h"
#include "kit/kit.h"
#include "kit/replypeer.h"
#include "kit/wait.h"
#include "live/live.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    SHORT_MS = 60,
    LINE_BYTES = 400,
    REPLY_BYTES = 200
};

struct shown {
    const struct state *state;
    char reply[REPLY_BYTES];
    atomic_bool is_on;
};

static void say(struct kit_reply *reply, const struct shown *shown)
{
    reply->keep = 0;
    reply->instead = fac_str(shown->reply);
}

/* How a server in this state treats a connection. */
static void show(struct kit_reply *reply, void *argument)
{
    struct shown *shown = argument;
    bool is_hello = kit_frame_says(reply->frame, 0, "HELLO");
    if (!atomic_load(&shown->is_on)) {
        return;
    }
    switch (shown->state->reaction) {
    case STATE_ANSWERED:
        if (!reply->is_setup) {
            say(reply, shown);
        }
        break;
    case STATE_RECONNECT:
        if (!reply->is_setup) {
            reply->keep = 0;
            reply->then = KIT_REPLY_FIN;
        }
        break;
    case STATE_NO_OPEN:
        if (is_hello) {
            say(reply, shown);
            reply->then = strcmp(shown->state->name, "maxclients") == 0 ? KIT_REPLY_FIN
                                                                        : KIT_REPLY_GO_ON;
        }
        break;
    case STATE_FALL_BACK:
        if (is_hello) {
            say(reply, shown);
        }
        break;
    case STATE_WAITED:
        if (!reply->is_setup) {
            reply->pause_ms = 400;
        }
        break;
    }
}

struct rig {
    struct shown shown;
    struct kit_replypeer *peer;
    fac_cache *cache;
};

static void begin(struct rig *rig, const struct state *state, bool is_on_at_open)
{
    rig->shown.state = state;
    (void)snprintf(rig->shown.reply, REPLY_BYTES, "-%s\r\n",
                   state->reply != NULL ? state->reply : "");
    atomic_store(&rig->shown.is_on, is_on_at_open);
    struct kit_replypeer_options options = {.fn = show,
                                            .context = &rig->shown,
                                            .is_resp2 = state->reaction == STATE_FALL_BACK,
                                            .is_mirror = true};
    rig->peer = kit_replypeer_start(&options);
}

static fac_status open_rig(struct rig *rig, fac_error *err)
{
    fac_options options;
    live_point_at(&options, kit_replypeer_port(rig->peer));
    options.prefix = "";
    fault_without_breaker(&options); /* it would answer for the server after a while */
    return fac_cache_open(&options, &rig->cache, err);
}

static void end(struct rig *rig)
{
    /* The state has passed. */
    atomic_store(&rig->shown.is_on, false);
    fac_error err;
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(rig->cache, "k", 0, &err) == FAC_OK);
    live_expect(rig->cache, fac_str("k"), "k");
    fac_cache_close(rig->cache);
    kit_replypeer_stop(rig->peer);
}

static void expect_told(const struct state *state, fac_status got, const fac_error *err)
{
    if (got != state->status) {
        (void)fprintf(stderr, "%s\n", state->name);
    }
    live_expect_error(got, state->status, err);
    assert_string_equal(err->server_code, state->code);
    assert_int_equal(fac_status_is_retryable(got),
                     got == FAC_E_UNAVAILABLE || got == FAC_E_TIMEOUT);
}

/* Told to reads and writes alike, at once, and asked again on the same connection. */
static void check_answered(const struct state *state)
{
    struct rig rig;
    fac_error err;
    begin(&rig, state, false);
    assert_status(open_rig(&rig, &err), FAC_OK, &err);
    atomic_store(&rig.shown.is_on, true);
    size_t n_before = kit_replypeer_commands(rig.peer);
    for (size_t i = 0; i < 20; i++) {
        expect_told(state, live_try_get(rig.cache, "k", 0, &err), &err);
        fac_status st = fac_cache_set(rig.cache, fac_str("k"), fac_str("k"), FAC_TTL_NONE, NULL,
                                      &err);
        expect_told(state, st, &err);
        assert_false(err.maybe_applied);
    }
    assert_int_equal(kit_replypeer_commands(rig.peer), n_before + 40);
    assert_int_equal(live_stats(rig.cache).retries, 0);
    atomic_store(&rig.shown.is_on, false);
    live_expect(rig.cache, fac_str("k"), "k");
    assert_int_equal(kit_replypeer_connections(rig.peer), 1);
    end(&rig);
}

/* Nothing is sent again to a server that refuses the handshake, but a lazy handle heals. */
static void check_no_open(const struct state *state)
{
    struct rig rig;
    fac_error err;
    begin(&rig, state, true);
    expect_told(state, open_rig(&rig, &err), &err);
    assert_int_equal(kit_replypeer_commands(rig.peer), 0);
    assert_in_range(kit_replypeer_connections(rig.peer), 1, 3);
    atomic_store(&rig.shown.is_on, false);
    assert_status(open_rig(&rig, &err), FAC_OK, &err);
    end(&rig);
}

static void check_fall_back(const struct state *state)
{
    struct rig rig;
    fac_error err;
    begin(&rig, state, true);
    assert_status(open_rig(&rig, &err), state->status, &err);
    live_expect(rig.cache, fac_str("k"), "k");
    fac_health health;
    assert_status(fac_cache_health(rig.cache, NULL, &health, sizeof(health), &err), FAC_OK,
                  &err);
    assert_int_equal(health.protocol, 2);
    assert_int_equal(kit_replypeer_connections(rig.peer), 1);
    end(&rig);
}

static void check_reconnect(const struct state *state)
{
    struct rig rig;
    fac_error err;
    begin(&rig, state, false);
    assert_status(open_rig(&rig, &err), FAC_OK, &err);
    atomic_store(&rig.shown.is_on, true);
    expect_told(state, live_try_get(rig.cache, "k", 0, &err), &err);
    assert_true(live_stats(rig.cache).disconnects > 0);
    atomic_store(&rig.shown.is_on, false);
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(rig.cache, "k", 0, &err) == FAC_OK);
    assert_true(kit_replypeer_connections(rig.peer) > 1);
    end(&rig);
}

static void check_waited(const struct state *state)
{
    struct rig rig;
    fac_error err;
    begin(&rig, state, false);
    assert_status(open_rig(&rig, &err), FAC_OK, &err);
    atomic_store(&rig.shown.is_on, true);
    /* Again when this machine was so busy that the answer came before the caller looked. */
    fac_status st = FAC_OK;
    KIT_WAIT_FOR(LIVE_HEAL_MS, (st = live_try_get(rig.cache, "k", SHORT_MS, &err)) != FAC_OK);
    expect_told(state, st, &err);
    assert_status(live_try_get(rig.cache, "k", LIVE_TIMEOUT_MS, &err), FAC_OK, &err);
    end(&rig);
}

static void test_state__each_has_one_status_and_one_reaction(void **state)
{
    (void)state;
    for (size_t i = 0; i < STATE_COUNT; i++) {
        switch (k_states[i].reaction) {
        case STATE_ANSWERED:
            check_answered(&k_states[i]);
            break;
        case STATE_RECONNECT:
            check_reconnect(&k_states[i]);
            break;
        case STATE_NO_OPEN:
            check_no_open(&k_states[i]);
            break;
        case STATE_FALL_BACK:
            check_fall_back(&k_states[i]);
            break;
        case STATE_WAITED:
            check_waited(&k_states[i]);
            break;
        }
    }
}

/* A server refuses what stands in a transaction, and the whole of it with EXECABORT. */
static void refuse_exec(struct kit_reply *reply, void *argument)
{
    const char *execabort = argument;
    bool is_exec = kit_frame_says(reply->frame, 0, "EXEC");
    if (!reply->is_setup) {
        reply->keep = 0;
        reply->instead = fac_str(is_exec ? execabort : "+QUEUED\r\n");
        if (kit_frame_says(reply->frame, 0, "MULTI")) {
            reply->instead = fac_str("+OK\r\n");
        }
    }
}

static void test_state__execabort_of_an_increment(void **state)
{
    (void)state;
    const struct state *want = state_named("EXECABORT");
    char reply[REPLY_BYTES];
    (void)snprintf(reply, sizeof(reply), "-%s\r\n", want->reply);
    struct kit_replypeer_options options = {.fn = refuse_exec, .context = reply};
    struct rig rig = {.peer = kit_replypeer_start(&options)};
    fac_error err;
    assert_status(open_rig(&rig, &err), FAC_OK, &err);
    for (size_t i = 0; i < 5; i++) {
        fac_status st = fac_cache_increment(rig.cache, fac_str("n"), 1, 1000, NULL, NULL, &err);
        expect_told(want, st, &err);
        assert_false(err.maybe_applied);
    }
    assert_int_equal(kit_replypeer_connections(rig.peer), 1);
    fac_cache_close(rig.cache);
    kit_replypeer_stop(rig.peer);
}

/* --- The guide ------------------------------------------------------------------------------- */

/* The row of the guide's table for a state; false when there is none. */
static bool find_row(const char *name, char line[LINE_BYTES])
{
    FILE *file = fopen(FAC_SOURCE_DIR "/docs/guide/server_states.md", "re");
    assert_non_null(file);
    char start[64];
    int len = snprintf(start, sizeof(start), "| %s |", name);
    bool is_found = false;
    while (!is_found && fgets(line, LINE_BYTES, file) != NULL) {
        is_found = strncmp(line, start, (size_t)len) == 0;
    }
    (void)fclose(file);
    return is_found;
}

static void test_state__each_is_in_the_guide(void **state)
{
    (void)state;
    for (size_t i = 0; i < STATE_COUNT; i++) {
        char line[LINE_BYTES];
        char want[128];
        if (!find_row(k_states[i].name, line)) {
            fail_msg("the guide has no row for %s", k_states[i].name);
        }
        (void)snprintf(want, sizeof(want), "| %s | `%s` | %s |", k_states[i].name,
                       fac_status_name(k_states[i].status),
                       state_reaction_name(k_states[i].reaction));
        assert_contains(line, want);
    }
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_state__each_has_one_status_and_one_reaction),
    KIT_TEST(test_state__execabort_of_an_increment),
    KIT_TEST(test_state__each_is_in_the_guide),
};

KIT_MAIN(k_tests)
