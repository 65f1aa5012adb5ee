/* SPDX-License-Identifier: MIT */
/* Row A8: error replies at random places among right ones; every call gets the answer to its own
 * key. A key's name says what its answer is, so the test needs to remember nothing:
 *
 *   v:<n>            the value v:<n>
 *   none:<n>         no such key
 *   none-e<k>:<n>    error k to a command on this key; null in an MGET
 *   none-c<k>:<n>    the same, and to an MGET with it */
#include "fault/states.h"
#include "kit/kit.h"
#include "kit/replypeer.h"
#include "kit/wait.h"
#include "live/live.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KINDS = 20,
    ERROR_BYTES = 160,
    KEY_BYTES = 32,
    BATCH_MAX = 1000,
    THREADS = 32,
    CONNECTIONS = 4,
};

static struct {
    char line[ERROR_BYTES]; /* -CODE text */
    char blob[ERROR_BYTES]; /* the same as a bulk error of RESP3 */
    char code[24];
    fac_status status;
} kinds[KINDS];

static void add_kind(size_t k, const char *text, const char *code, fac_status status)
{
    (void)snprintf(kinds[k].line, ERROR_BYTES, "-%s\r\n", text);
    (void)snprintf(kinds[k].blob, ERROR_BYTES, "!%zu\r\n%s\r\n", strlen(text), text);
    (void)snprintf(kinds[k].code, sizeof(kinds[k].code), "%s", code);
    kinds[k].status = status;
}

static void make_kinds(void)
{
    size_t n = 0;
    for (size_t i = 0; i < STATE_COUNT; i++) {
        /* NOPROTO means something to a handshake only: to a command it is any other error. */
        if (k_states[i].reply != NULL && k_states[i].status != FAC_OK) {
            add_kind(n++, k_states[i].reply, k_states[i].code, k_states[i].status);
        }
    }
    add_kind(n++, "WRONGTYPE Operation against a key holding the wrong kind of value",
             "WRONGTYPE", FAC_E_SERVER);
    add_kind(n++, "ERR something else", "ERR", FAC_E_SERVER);
    assert_int_equal(n, KINDS);
}

/* The kind of error a key asks for; -1: none. */
static int kind_of(fac_bytes key, bool is_mget)
{
    const char *at = key.data;
    bool is_error = key.len > 6 && memcmp(at, "none-", 5) == 0 &&
                    (at[5] == 'c' || (at[5] == 'e' && !is_mget));
    int kind = 0;
    for (size_t i = 6; is_error && i < key.len && at[i] != ':'; i++) {
        kind = kind * 10 + (at[i] - '0');
    }
    return is_error ? kind : -1;
}

struct peer_context {
    bool is_resp2;
    bool has_batches;
    bool is_blob; /* every other error of a RESP3 peer is a bulk one */
    char count[24];
};

static void put_errors(struct kit_reply *reply, void *argument)
{
    struct peer_context *context = argument;
    const struct kit_frame *frame = reply->frame;
    if (reply->is_setup) {
        return;
    }
    if (context->has_batches && kit_frame_says(frame, 0, "EXISTS")) {
        /* What came back null is to be asked for key by key. */
        (void)snprintf(context->count, sizeof(context->count), ":%zu\r\n", frame->n_args - 1);
        reply->keep = 0;
        reply->instead = fac_str(context->count);
        return;
    }
    bool is_mget = kit_frame_says(frame, 0, "MGET");
    int kind = -1;
    for (size_t i = 1; i < (is_mget ? frame->n_args : 2) && kind < 0; i++) {
        kind = kind_of(frame->args[i], is_mget);
    }
    if (kind >= 0) {
        context->is_blob = !context->is_blob && !context->is_resp2;
        reply->keep = 0;
        reply->instead = fac_str(context->is_blob ? kinds[kind].blob : kinds[kind].line);
    }
}

struct rig {
    struct peer_context context;
    struct kit_replypeer *peer;
    fac_cache *cache;
};

static void begin(struct rig *rig, bool is_resp2, bool has_batches)
{
    make_kinds();
    *rig = (struct rig){.context = {.is_resp2 = is_resp2, .has_batches = has_batches}};
    struct kit_replypeer_options options = {
        .fn = put_errors, .context = &rig->context, .is_resp2 = is_resp2, .is_mirror = true};
    rig->peer = kit_replypeer_start(&options);
    fac_options cache_options;
    live_point_at(&cache_options, kit_replypeer_port(rig->peer));
    cache_options.prefix = "";
    cache_options.max_connections = CONNECTIONS;
    fac_error err;
    assert_status(fac_cache_open(&cache_options, &rig->cache, &err), FAC_OK, &err);
}

static void end(struct rig *rig)
{
    /* The refusal of a command is not the end of a connection. */
    assert_int_equal(live_stats(rig->cache).disconnects, 0);
    assert_in_range(kit_replypeer_connections(rig->peer), 1, CONNECTIONS);
    fac_cache_close(rig->cache);
    kit_replypeer_stop(rig->peer);
}

/* A name, and the kind of error it asks for. One in `one_in` is an error. */
static int make_key(char key[KEY_BYTES], uint64_t *random, uint64_t one_in, bool has_chunks)
{
    uint64_t number = kit_random(random) >> 20;
    if (number % one_in == 0) {
        int kind = (int)(kit_random(random) % KINDS);
        bool is_chunk = has_chunks && kit_random(random) % 64 == 0;
        (void)snprintf(key, KEY_BYTES, "none-%c%d:%" PRIu64, is_chunk ? 'c' : 'e', kind,
                       number);
        return kind;
    }
    const char *stem = kit_random(random) % 4 == 0 ? "none" : "v";
    (void)snprintf(key, KEY_BYTES, "%s:%" PRIu64, stem, number);
    return -1;
}

/* --- Batches --------------------------------------------------------------------------------- */

struct batch {
    char names[BATCH_MAX][KEY_BYTES];
    fac_bytes keys[BATCH_MAX];
    fac_item items[BATCH_MAX];
    fac_value *values[BATCH_MAX];
    fac_status statuses[BATCH_MAX];
    int kinds[BATCH_MAX];
    bool has_chunk_kind[KINDS]; /* an MGET may be refused with it */
    size_t n;
};

/* Sizes 1 to 1000, the small ones as often as the large ones. */
static void fill(struct batch *batch, uint64_t *random, bool is_get)
{
    size_t max = (size_t)1 << (kit_random(random) % 11);
    batch->n = 1 + kit_random(random) % (max < BATCH_MAX ? max : BATCH_MAX);
    uint64_t one_in = kit_random(random) % 2 == 0 ? 3 : 50;
    memset(batch->has_chunk_kind, 0, sizeof(batch->has_chunk_kind));
    for (size_t i = 0; i < batch->n; i++) {
        batch->kinds[i] = make_key(batch->names[i], random, one_in, is_get);
        batch->keys[i] = fac_str(batch->names[i]);
        batch->items[i] = (fac_item){batch->keys[i], batch->keys[i], FAC_TTL_NONE};
        if (is_get && kind_of(batch->keys[i], true) >= 0) {
            batch->has_chunk_kind[batch->kinds[i]] = true;
        }
    }
}

static bool is_value(fac_value *value, const char *want)
{
    fac_bytes bytes = fac_value_bytes(value);
    return bytes.len == strlen(want) && memcmp(bytes.data, want, bytes.len) == 0;
}

/* An MGET that was refused refuses the items around the one that asked for it, too. */
static bool is_refused_with_its_chunk(const struct batch *batch, fac_status got)
{
    for (size_t k = 0; k < KINDS; k++) {
        if (batch->has_chunk_kind[k] && kinds[k].status == got) {
            return true;
        }
    }
    return false;
}

static void check_item(const struct batch *batch, size_t i, fac_status found)
{
    bool is_none = strncmp(batch->names[i], "none", 4) == 0;
    fac_status want = is_none ? FAC_MISS : found;
    if (batch->kinds[i] >= 0) {
        want = kinds[batch->kinds[i]].status;
    }
    if (batch->statuses[i] != want && !is_refused_with_its_chunk(batch, batch->statuses[i])) {
        fail_msg("item %zu of %zu, %s: got %s, want %s", i, batch->n, batch->names[i],
                 fac_status_name(batch->statuses[i]), fac_status_name(want));
    }
}

static void get_batch(fac_cache *cache, struct batch *batch)
{
    fac_error err;
    assert_status(fac_cache_get_many(cache, batch->keys, batch->n, NULL, batch->values,
                                     batch->statuses, &err),
                  FAC_OK, &err);
    for (size_t i = 0; i < batch->n; i++) {
        check_item(batch, i, FAC_OK);
        if (batch->statuses[i] == FAC_OK && !is_value(batch->values[i], batch->names[i])) {
            fail_msg("item %zu of %zu: %s has another key's value", i, batch->n,
                     batch->names[i]);
        }
        fac_value_unref(batch->values[i]);
    }
}

/* A key that is set stops being absent, so these have names of their own. */
static void set_batch(struct rig *rig, struct batch *batch)
{
    fac_error err;
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->kinds[i] < 0) {
            batch->names[i][0] = 's';
        }
    }
    assert_status(
        fac_cache_set_many(rig->cache, batch->items, batch->n, NULL, batch->statuses, &err),
        FAC_OK, &err);
    for (size_t i = 0; i < batch->n; i++) {
        check_item(batch, i, FAC_OK);
        if (batch->statuses[i] == FAC_OK) {
            assert_true(kit_replypeer_holds(rig->peer, batch->names[i], batch->names[i]));
        }
    }
    assert_status(
        fac_cache_delete_many(rig->cache, batch->keys, batch->n, NULL, batch->statuses, &err),
        FAC_OK, &err);
    for (size_t i = 0; i < batch->n; i++) {
        check_item(batch, i, FAC_OK);
    }
}

static void delete_batch(fac_cache *cache, struct batch *batch)
{
    fac_error err;
    assert_status(
        fac_cache_delete_many(cache, batch->keys, batch->n, NULL, batch->statuses, &err),
        FAC_OK, &err);
    for (size_t i = 0; i < batch->n; i++) {
        check_item(batch, i, FAC_OK);
    }
}

static void run_batches(bool is_resp2)
{
    struct rig rig;
    begin(&rig, is_resp2, true);
    uint64_t random = kit_seed();
    struct batch *batch = calloc(1, sizeof(*batch));
    assert_non_null(batch);
    size_t n_items = kit_scaled(1000000);
    size_t n_done = 0;
    while (n_done < n_items) {
        uint64_t verb = kit_random(&random) % 3;
        fill(batch, &random, verb == 0);
        n_done += batch->n;
        if (verb == 0) {
            get_batch(rig.cache, batch);
        } else if (verb == 1) {
            set_batch(&rig, batch);
        } else {
            delete_batch(rig.cache, batch);
        }
    }
    (void)printf("%zu items in batches, %zu commands\n", n_done,
                 kit_replypeer_commands(rig.peer));
    free(batch);
    end(&rig);
}

static void test_error__at_random_places_in_batches(void **state)
{
    (void)state;
    run_batches(false);
}

static void test_error__at_random_places_in_batches_of_resp2(void **state)
{
    (void)state;
    run_batches(true);
}

/* --- Single calls ---------------------------------------------------------------------------- */

struct singles {
    fac_cache *cache;
    uint64_t seed;
    size_t n_calls;
    atomic_size_t n_wrong;
    char wrong[THREADS][400];
};

static fac_status call_one(fac_cache *cache, uint64_t verb, const char *name, bool *out_right,
                           fac_error *err)
{
    fac_bytes key = fac_str(name);
    fac_value *value = NULL;
    char buf[KEY_BYTES];
    size_t len = 0;
    int64_t ttl_ms = 0;
    fac_status st = FAC_E_INVALID;
    *out_right = true;
    switch (verb) {
    case 0:
        st = fac_cache_get_into(cache, key, NULL, buf, sizeof(buf), &len, err);
        *out_right = st != FAC_OK || (len == key.len && memcmp(buf, name, len) == 0);
        break;
    case 1:
        st = fac_cache_delete(cache, key, NULL, err);
        break;
    case 2:
        st = fac_cache_exists(cache, key, NULL, err);
        break;
    case 3:
        st = fac_cache_touch(cache, key, 1000, NULL, err);
        break;
    case 4:
        /* The peer says -1 for every key, absent ones too: so FAC_OK is right for all. */
        st = fac_cache_ttl(cache, key, NULL, &ttl_ms, err);
        st = st == FAC_OK && strncmp(name, "none", 4) == 0 ? FAC_MISS : st;
        break;
    default:
        st = fac_cache_get(cache, key, NULL, &value, err);
        *out_right = st != FAC_OK || is_value(value, name);
        fac_value_unref(value);
        break;
    }
    return st;
}

static void call_many_times(size_t index, void *argument)
{
    struct singles *singles = argument;
    uint64_t random = singles->seed + (index + 1) * 7919;
    for (size_t i = 0; i < singles->n_calls; i++) {
        char key[KEY_BYTES];
        int kind = make_key(key, &random, 3, false);
        fac_status want = strncmp(key, "none", 4) == 0 ? FAC_MISS : FAC_OK;
        fac_error err;
        bool is_right = false;
        fac_status st = call_one(singles->cache, kit_random(&random) % 8, key, &is_right, &err);
        if (kind >= 0) {
            want = kinds[kind].status;
            is_right = is_right && strcmp(err.server_code, kinds[kind].code) == 0 &&
                       !err.maybe_applied;
        }
        if (st != want || !is_right) {
            (void)snprintf(singles->wrong[index], sizeof(singles->wrong[index]),
                           "%s: got %s (%s), want %s", key, fac_status_name(st),
                           st < 0 ? err.message : "", fac_status_name(want));
            (void)atomic_fetch_add(&singles->n_wrong, 1U);
        }
    }
}

static void run_singles(bool is_resp2)
{
    struct rig rig;
    begin(&rig, is_resp2, false);
    static struct singles singles;
    singles.cache = rig.cache;
    singles.seed = kit_seed();
    singles.n_calls = kit_scaled(2000);
    kit_threads_join(kit_threads_start(THREADS, call_many_times, &singles));
    for (size_t i = 0; i < THREADS; i++) {
        if (singles.wrong[i][0] != '\0') {
            (void)fprintf(stderr, "thread %zu: %s\n", i, singles.wrong[i]);
        }
    }
    assert_int_equal(atomic_load(&singles.n_wrong), 0);
    end(&rig);
}

static void test_error__among_single_calls_of_many_threads(void **state)
{
    (void)state;
    run_singles(false);
}

static void test_error__among_single_calls_of_many_threads_of_resp2(void **state)
{
    (void)state;
    run_singles(true);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_error__at_random_places_in_batches),
    KIT_TEST(test_error__at_random_places_in_batches_of_resp2),
    KIT_TEST(test_error__among_single_calls_of_many_threads),
    KIT_TEST(test_error__among_single_calls_of_many_threads_of_resp2),
};

KIT_MAIN(k_tests)
