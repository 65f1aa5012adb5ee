/* SPDX-License-Identifier: MIT */
/* Rows G1 and A4: memory runs out at every place that asks for it, once and from there on, in
 * every use of the library. The answer is FAC_E_NOMEM or what it would have been; nothing leaks,
 * hangs or is mixed up, and the handle works afterwards. */
#include "fault/alloc_scenarios.h"
#include "fault/talk.h"
#include "kit/allocfault.h"
#include "kit/kit.h"
#include "kit/procwatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_RUNS = 1000, /* in each variant: four make the row's 50,000 at a scale of 1300 */
    SCENARIOS_MAX = 200,
    NUMBERS_MAX = 500,
};

/* A row of a table in one state of the handle. */
struct use {
    const struct alloc_scenario *scenario;
    enum alloc_state state;
    size_t n_allocations; /* of one undisturbed run */
};

struct torture {
    struct alloc_scene scene;
    struct use uses[SCENARIOS_MAX];
    size_t n_uses;
    size_t n_fds;
    size_t n_runs; /* in which something failed */
    uint64_t random;
};

static void fill(struct alloc_scene *scene)
{
    scene->bytes = malloc(ALLOC_LARGE_BYTES);
    assert_non_null(scene->bytes);
    for (size_t i = 0; i < ALLOC_LARGE_BYTES; i++) {
        scene->bytes[i] = (char)(i * 31 % 251);
    }
    for (size_t i = 0; i < ALLOC_BATCH; i++) {
        (void)snprintf(scene->keys[i], sizeof(scene->keys[i]), "key%zu", i);
        scene->names[i] = fac_str(scene->keys[i]);
        scene->items[i] = (fac_item){scene->names[i],
                                     fac_mem(scene->bytes + i, 20 + i % 7 * 2000), 60000};
    }
    kit_workdir_make(&scene->dir);
    (void)snprintf(scene->password_path, sizeof(scene->password_path), "%s/password",
                   scene->dir.path);
    FILE *file = fopen(scene->password_path, "we");
    assert_non_null(file);
    assert_true(fputs("pass-word\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
#ifdef FAC_HAS_TLS
    if (scene->live.has_server) {
        scene->tls_server = kit_server_start(
            &(struct kit_server_options){.kind = KIT_REDIS, .is_tls = true});
        scene->ca = kit_cert("ca.pem");
    }
#endif
#ifdef FAC_HAS_HTTP
    if (scene->live.has_server) {
        scene->bridge = kit_bridge_start(kit_server_socket(scene->live.server), false, NULL,
                                         NULL);
    }
#endif
    scene->dead_port_holder = kit_port_without_listener(&scene->dead_port);
}

static void add_uses(struct torture *torture, const struct alloc_scenario *scenarios, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (unsigned state = ALLOC_WARM; state <= ALLOC_STORE; state *= 2) {
            bool needs_server = scenarios[i].needs_server || state == ALLOC_COLD ||
                                state == ALLOC_KILLED;
            if ((scenarios[i].states & state) != 0 &&
                (torture->scene.live.has_server ? state != ALLOC_STORE : !needs_server)) {
                assert_true(torture->n_uses < SCENARIOS_MAX);
                torture->uses[torture->n_uses++] = (struct use){&scenarios[i],
                                                                (enum alloc_state)state, 0};
            }
        }
    }
}

static void begin(struct torture *torture)
{
    static const char *const k_config[] = {"user tester on >pass-word ~* &* +@all", NULL};
    memset(torture, 0, sizeof(*torture));
    live_start(&torture->scene.live, k_config);
    fill(&torture->scene);
    add_uses(torture, k_alloc_verbs, k_alloc_n_verbs);
    add_uses(torture, k_alloc_lives, k_alloc_n_lives);
    torture->random = kit_seed();
    if (torture->scene.live.has_server) {
        (void)live_raw(&torture->scene.live);
    }
    torture->n_fds = kit_count_fds();
}

static void end(struct torture *torture)
{
    kit_bridge_stop(torture->scene.bridge);
    kit_server_stop(torture->scene.tls_server);
    kit_port_give_back(torture->scene.dead_port_holder);
    kit_workdir_remove(&torture->scene.dir);
    free(torture->scene.bytes);
    live_end(&torture->scene.live);
}

/* --- One run ---------------------------------------------------------------------------------- */

static void open_handle(struct live *live)
{
    live->options.open = FAC_OPEN_CONNECT;
    live_open(live);
    live_set(live->cache, fac_str("warm"), "up");
    live_expect(live->cache, fac_str("warm"), "up");
}

static void close_handle(struct torture *torture)
{
    struct live *live = &torture->scene.live;
    fac_cache_close(live->cache);
    live->cache = NULL;
    kit_memory_assert_empty(&live->memory);
    KIT_WAIT_FOR(LIVE_HEAL_MS, kit_count_fds() == torture->n_fds); /* a lookup may be ending */
}

/* What a use starts from. */
static void prepare(struct torture *torture, const struct use *use)
{
    struct live *live = &torture->scene.live;
    if (use->state >= ALLOC_NONE) {
        return;
    }
    if (live->cache == NULL) {
        open_handle(live);
    }
    if (use->scenario->prepare != NULL) {
        use->scenario->prepare(&torture->scene);
    }
    if (use->state == ALLOC_COLD) {
        close_handle(torture);
        live->options.open = FAC_OPEN_LAZY;
        live_open(live);
        live->options.open = FAC_OPEN_CONNECT;
    } else if (use->state == ALLOC_KILLED) {
        const char *killed = kit_raw_ask(live_raw(live), "CLIENT", "KILL", "TYPE", "normal",
                                         "SKIPME", "yes", NULL);
        assert_true(killed[0] != '-');
    }
}

static void recover(struct torture *torture, const struct use *use)
{
    struct live *live = &torture->scene.live;
    if (use->state >= ALLOC_NONE) {
        close_handle(torture);
        return;
    }
    fac_error err;
    KIT_WAIT_FOR(LIVE_HEAL_MS, fac_cache_set(live->cache, fac_str("probe"), fac_str("alive"),
                                             60000, NULL, &err) == FAC_OK);
    live_expect(live->cache, fac_str("probe"), "alive");
    if (use->state == ALLOC_COLD) {
        close_handle(torture);
    }
}

/* Which allocation of a run fails. */
struct failure {
    size_t n;        /* the n-th; 0: see place */
    uintptr_t place; /* the first one there */
    bool and_on;
};

static void run(struct torture *torture, const struct use *use, struct failure failure)
{
    fac_error err;
    memset(&err, 0, sizeof(err));
    prepare(torture, use);
    if (failure.n > 0) {
        kit_allocfault_arm(failure.n, failure.and_on);
    } else {
        kit_allocfault_arm_place(failure.place, failure.and_on);
    }
    fac_status st = use->scenario->run(&torture->scene, &err);
    size_t n_failed = kit_allocfault_n_now();
    kit_allocfault_lift();
    if (st != use->scenario->want &&
        (st != FAC_E_NOMEM || err.status != FAC_E_NOMEM || n_failed == 0)) {
        fail_msg("%s, state %d, allocation %zu at %zx%s (%zu failed): %s, %s",
                 use->scenario->name, (int)use->state, failure.n, (size_t)failure.place,
                 failure.and_on ? " and on" : "", n_failed, fac_status_name(st), err.message);
    }
    recover(torture, use);
    torture->n_runs += n_failed > 0 ? 1U : 0U;
}

/* --- All of them ------------------------------------------------------------------------------ */

/* The first allocation of each place, once and from there on: no place is left out. */
static void run_each_place(struct torture *torture, struct use *use)
{
    prepare(torture, use);
    fac_error err;
    kit_allocfault_record();
    fac_status st = use->scenario->run(&torture->scene, &err);
    kit_allocfault_lift();
    assert_status(st, use->scenario->want, &err);
    recover(torture, use);
    const uintptr_t *recorded = NULL;
    static uintptr_t places[KIT_ALLOCFAULT_LOG_MAX];
    use->n_allocations = kit_allocfault_recorded(&recorded);
    memcpy(places, recorded, use->n_allocations * sizeof(places[0]));
    for (size_t n = 0; n < use->n_allocations; n++) {
        size_t first = 0;
        while (places[first] != places[n]) {
            first++;
        }
        if (first == n) {
            run(torture, use, (struct failure){.place = places[n]});
            run(torture, use, (struct failure){.place = places[n], .and_on = true});
        }
    }
    for (size_t n = 1;
         (use->scenario->states & ALLOC_EVERY_NUMBER) != 0 && n <= use->n_allocations; n++) {
        run(torture, use, (struct failure){.n = n});
    }
}

static void test_alloc__fails_at_every_place(void **state)
{
    (void)state;
    static struct torture torture;
    begin(&torture);
    for (size_t i = 0; i < torture.n_uses; i++) {
        run_each_place(&torture, &torture.uses[i]);
    }
    /* Then every number of every use in turn, from a random one on, until the count is met; of a
     * use with very many, some. */
    size_t wanted = kit_scaled(N_RUNS);
    for (size_t i = kit_random(&torture.random) % torture.n_uses; torture.n_runs < wanted;
         i++) {
        const struct use *use = &torture.uses[i % torture.n_uses];
        size_t step = use->n_allocations / NUMBERS_MAX + 1;
        for (size_t n = 1 + kit_random(&torture.random) % step;
             n <= use->n_allocations && torture.n_runs < wanted; n += step) {
            run(&torture, use, (struct failure){.n = n});
            run(&torture, use, (struct failure){.n = n, .and_on = true});
        }
    }
    if (torture.scene.live.cache != NULL) {
        close_handle(&torture);
    }
    (void)printf("%zu uses, %zu runs met a failure, %zu failures at %zu places\n",
                 torture.n_uses, torture.n_runs, kit_allocfault_n_failed(),
                 kit_allocfault_n_sites());
    kit_allocfault_report();
    end(&torture);
}

/* --- A4 --------------------------------------------------------------------------------------- */

enum {
    TALKERS = 64,
    ROUNDS = 6
};

struct traffic {
    struct talk talks[TALKERS];
    char names[TALKERS][8];
};

static void talk_on(size_t index, void *context)
{
    struct traffic *traffic = context;
    for (int i = 0; i < ROUNDS; i++) {
        talk_round(&traffic->talks[index]);
    }
}

static void make_traffic(struct traffic *traffic, fac_cache *cache)
{
    kit_threads_join(kit_threads_start(TALKERS, talk_on, traffic));
    kit_allocfault_lift();
    for (size_t i = 0; i < TALKERS; i++) {
        struct talk *talk = &traffic->talks[i];
        /* The others: a connection that ran out of memory inside a frame is lost for all on it,
         * and what may be sent once only is not sent again. */
        static const fac_status k_allowed[] = {FAC_E_NOMEM, FAC_E_UNAVAILABLE,
                                               FAC_E_UNSUPPORTED, FAC_OK};
        talk_assert_true_values(talk);
        assert_int_equal(talk_count_other(talk, k_allowed), 0);
        assert_ptr_equal(talk->cache, cache);
    }
}

static void test_alloc__fails_during_traffic(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.max_connections = 4;
    live.options.timeout_ms = LIVE_HEAL_MS;
    live_open(&live);
    static struct traffic traffic;
    uint64_t random = kit_seed();
    for (size_t i = 0; i < TALKERS; i++) {
        (void)snprintf(traffic.names[i], sizeof(traffic.names[i]), "%zu", i);
        traffic.talks[i] = (struct talk){.cache = live.cache,
                                         .name = traffic.names[i],
                                         .large_bytes = i % 8 == 0 ? 20000 : 0};
    }
    size_t before = kit_allocfault_n_failed();
    size_t n_wanted = kit_scaled(1000); /* the row's 10^6 at a scale of 100,000 */
    for (size_t turn = 0; kit_allocfault_n_failed() - before < n_wanted; turn++) {
        if (turn % 2 == 0) {
            kit_allocfault_arm_chance(10, kit_random(&random));
        } else {
            kit_allocfault_arm(1 + kit_random(&random) % 400, turn % 8 == 1);
        }
        make_traffic(&traffic, live.cache);
    }
    size_t n_calls = 0;
    for (size_t i = 0; i < TALKERS; i++) {
        n_calls += traffic.talks[i].n_calls;
    }
    (void)printf("%zu calls, %zu failures, 0 mismatches\n", n_calls,
                 kit_allocfault_n_failed() - before);
    fac_error err;
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(live.cache, "k", 0, &err) == FAC_MISS);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_alloc__fails_at_every_place),
    KIT_TEST(test_alloc__fails_during_traffic),
};

KIT_MAIN(k_tests)
