/* SPDX-License-Identifier: MIT */
/* Row A9: a peer that inserts, drops or doubles one whole reply, so that all that follow are one
 * off and of the right shape. Only the integrity probe can find that; without it this prints how
 * often nothing does. */
#include "fault/states.h"
#include "kit/kit.h"
#include "kit/replypeer.h"
#include "kit/wait.h"
#include "live/live.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    INTERVAL = 64, /* commands between two probes */
    THREADS = 16,  /* so many that the connection is never without a request */
    KEY_BYTES = 40,
    TIMEOUT_MS = 250,
    GIVE_UP = 4 * INTERVAL, /* replies after which an injection counts as not detected */
};

enum injection {
    INSERT,
    DROP,
    DOUBLE,
    N_INJECTIONS
};
static const char *const k_names[N_INJECTIONS] = {"inserted", "dropped", "doubled"};

struct injector {
    enum injection kind;
    atomic_int arm;        /* replies until the injection; 0: not armed */
    atomic_size_t conn;    /* that it was on, plus one; 0: not yet */
    atomic_size_t n_after; /* replies on that connection since */
    atomic_size_t n_connections;
};

static void inject(struct kit_reply *reply, void *argument)
{
    struct injector *injector = argument;
    atomic_store(&injector->n_connections, reply->conn + 1);
    if (reply->is_setup) {
        return;
    }
    if (atomic_load(&injector->conn) == reply->conn + 1) {
        (void)atomic_fetch_add(&injector->n_after, 1U);
    }
    if (atomic_load(&injector->arm) == 0 || atomic_fetch_sub(&injector->arm, 1) != 1) {
        return;
    }
    if (injector->kind == INSERT) {
        reply->before = fac_str("$9\r\nsomeone's\r\n");
    }
    reply->times = injector->kind == DROP ? 0 : 1;
    reply->times = injector->kind == DOUBLE ? 2 : reply->times;
    atomic_store(&injector->conn, reply->conn + 1);
}

struct rig {
    struct injector injector;
    struct kit_replypeer *peer;
    fac_cache *cache;
    atomic_bool is_over;
    atomic_size_t n_wrong;    /* of this round */
    atomic_size_t n_protocol; /* calls that ended with FAC_E_PROTOCOL */
};

/* One GET; the right answer is the key itself. False when it was something else. */
static bool get_right(struct rig *rig, size_t thread, size_t number)
{
    char key[KEY_BYTES];
    char buf[KEY_BYTES];
    size_t len = 0;
    (void)snprintf(key, sizeof(key), "%zu:%zu", thread, number);
    fac_status st = fac_cache_get_into(rig->cache, fac_str(key), NULL, buf, sizeof(buf), &len,
                                       NULL);
    if (st == FAC_E_PROTOCOL) {
        (void)atomic_fetch_add(&rig->n_protocol, 1U);
    }
    bool is_other = st == FAC_OK && (len != strlen(key) || memcmp(buf, key, len) != 0);
    return !is_other && st != FAC_MISS && st != FAC_SMALL;
}

static void get_until_over(size_t index, void *argument)
{
    struct rig *rig = argument;
    for (size_t i = 0; !atomic_load(&rig->is_over); i++) {
        if (!get_right(rig, index, i)) {
            (void)atomic_fetch_add(&rig->n_wrong, 1U);
        }
    }
}

static void open_cache(struct rig *rig, bool has_probe)
{
    fac_options cache_options;
    live_point_at(&cache_options, kit_replypeer_port(rig->peer));
    cache_options.prefix = "";
    cache_options.max_connections = 1;
    cache_options.timeout_ms = TIMEOUT_MS;
    cache_options.retry_on_timeout = FAC_NO;
    fault_without_breaker(&cache_options);
    fac_error err;
    if (has_probe) {
        assert_status(fac_options_set(&cache_options, "integrity_check", "64", &err), FAC_OK,
                      &err);
    }
    /* The first connect may be late on a busy machine; only calls have the short timeout. */
    cache_options.open = FAC_OPEN_LAZY;
    assert_status(fac_cache_open(&cache_options, &rig->cache, &err), FAC_OK, &err);
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(rig->cache, "first", 0, &err) == FAC_OK);
}

static void begin(struct rig *rig, bool has_probe)
{
    memset(rig, 0, sizeof(*rig));
    struct kit_replypeer_options options = {
        .fn = inject, .context = &rig->injector, .is_mirror = true};
    rig->peer = kit_replypeer_start(&options);
    open_cache(rig, has_probe);
}

/* Inject once under traffic; returns whether the connection was given up for it. */
static bool inject_once(struct rig *rig, uint64_t *random)
{
    struct injector *injector = &rig->injector;
    atomic_store(&rig->n_wrong, 0U);
    atomic_store(&rig->is_over, false);
    atomic_store(&injector->conn, 0U);
    atomic_store(&injector->n_after, 0U);
    atomic_store(&injector->arm, 1 + (int)(kit_random(random) % (2 * INTERVAL)));
    struct kit_threads *threads = kit_threads_start(THREADS, get_until_over, rig);
    bool is_detected = false;
    bool is_done = false;
    int64_t give_up_at_ms = kit_now_ms() + LIVE_HEAL_MS;
    while (!is_done && kit_now_ms() < give_up_at_ms) {
        size_t conn = atomic_load(&injector->conn);
        is_detected = conn != 0 && atomic_load(&injector->n_connections) > conn;
        is_done = is_detected || atomic_load(&injector->n_after) > GIVE_UP;
        kit_nap();
    }
    atomic_store(&rig->is_over, true);
    kit_threads_join(threads);
    assert_true(is_done);
    return is_detected;
}

static void expect_right_again(struct rig *rig)
{
    fac_error err;
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(rig->cache, "again", 0, &err) == FAC_OK);
    for (size_t i = 0; i < 10; i++) {
        assert_true(get_right(rig, THREADS, i));
    }
}

static void end(struct rig *rig)
{
    fac_cache_close(rig->cache);
    kit_replypeer_stop(rig->peer);
}

static void run_with_probe(enum injection kind)
{
    struct rig rig;
    begin(&rig, true);
    rig.injector.kind = kind;
    uint64_t random = kit_seed();
    size_t n = kit_scaled(60);
    size_t n_wrong = 0;
    size_t most_after = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(inject_once(&rig, &random));
        /* What was already under way when the probe came back reached nobody. */
        size_t n_after = atomic_load(&rig.injector.n_after);
        assert_in_range(n_after, 0, INTERVAL + 1 + 2 * THREADS);
        assert_in_range(atomic_load(&rig.n_wrong), 0, INTERVAL + 1);
        n_wrong += atomic_load(&rig.n_wrong);
        most_after = n_after > most_after ? n_after : most_after;
        expect_right_again(&rig);
    }
    (void)printf("%s: %zu of %zu detected, at most %zu replies later; %zu wrong values before "
                 "that, %zu protocol errors\n",
                 k_names[kind], n, n, most_after, n_wrong, atomic_load(&rig.n_protocol));
    end(&rig);
}

static void test_probe__finds_each_inserted_reply(void **state)
{
    (void)state;
    run_with_probe(INSERT);
}

static void test_probe__finds_each_dropped_reply(void **state)
{
    (void)state;
    run_with_probe(DROP);
}

static void test_probe__finds_each_doubled_reply(void **state)
{
    (void)state;
    run_with_probe(DOUBLE);
}

/* No bar, but a proof that the injections above are harmful. */
static void test_probe__without_it_wrong_values_go_unseen(void **state)
{
    (void)state;
    uint64_t random = kit_seed();
    size_t n_wrong = 0;
    for (enum injection kind = INSERT; kind < N_INJECTIONS; kind++) {
        struct rig rig;
        begin(&rig, false);
        rig.injector.kind = kind;
        size_t n = kit_scaled(40);
        size_t n_detected = 0;
        size_t n_wrong_here = 0;
        for (size_t i = 0; i < n; i++) {
            n_detected += inject_once(&rig, &random) ? 1U : 0U;
            n_wrong_here += atomic_load(&rig.n_wrong);
            /* What is one off stays so: only a new connection is right again. */
            fac_cache_close(rig.cache);
            open_cache(&rig, false);
            expect_right_again(&rig);
        }
        (void)printf("%s, without the probe: %zu of %zu not detected within %d replies, %zu "
                     "wrong values\n",
                     k_names[kind], n - n_detected, n, (int)GIVE_UP, n_wrong_here);
        n_wrong += n_wrong_here;
        end(&rig);
    }
    assert_true(n_wrong > 0);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_probe__finds_each_inserted_reply),
    KIT_TEST(test_probe__finds_each_dropped_reply),
    KIT_TEST(test_probe__finds_each_doubled_reply),
    KIT_TEST(test_probe__without_it_wrong_values_go_unseen),
};

KIT_MAIN(k_tests)
