/* SPDX-License-Identifier: MIT */
/* Lending connections: how many, to whom, in which order, and what those who wait are told. */
#include "rig.h"

#include "base/error.h"
#include "engine/pool.h"

#include <stdatomic.h>
#include <stdlib.h>

struct scene {
    struct rig rig;
    struct faci_pool pool;
};

static void begin(struct scene *scene, kit_stub_fn *fn, void *context, uint32_t max_connections)
{
    rig_begin_fn(&scene->rig, fn, context);
    scene->rig.config.max_connections = max_connections;
    fac_error err;
    assert_status(faci_pool_init(&scene->pool, &scene->rig.config, &err), FAC_OK, &err);
}

static void end(struct scene *scene)
{
    faci_pool_fini(&scene->pool);
    rig_end(&scene->rig);
}

static fac_status try_checkout(struct faci_pool *pool, enum rig_checkout how, int64_t within_ms,
                               struct faci_conn **out, fac_error *err)
{
    int64_t now_ns = faci_clock_now_ns();
    return rig_checkout(pool, how, now_ns, faci_clock_after_ms(now_ns, (uint64_t)within_ms),
                        out, err);
}

static struct faci_conn *checkout(struct faci_pool *pool, enum rig_checkout how)
{
    struct faci_conn *conn = NULL;
    fac_error err;
    assert_status(try_checkout(pool, how, RIG_TIMEOUT_MS, &conn, &err), FAC_OK, &err);
    assert_true(faci_conn_is_reusable(conn));
    return conn;
}

static struct faci_pool_counts counts_of(struct faci_pool *pool)
{
    struct faci_pool_counts counts;
    faci_pool_count(pool, &counts);
    return counts;
}

/* --- How many ------------------------------------------------------------------------------- */

struct crowd {
    struct faci_pool *pool;
    atomic_uint n_lent;
    atomic_uint n_most;
    atomic_uint n_wrong;
};

static void use_often(size_t index, void *context)
{
    struct crowd *crowd = context;
    (void)index;
    size_t n_rounds = kit_scaled(50);
    for (size_t i = 0; i < n_rounds; i++) {
        struct faci_conn *conn = NULL;
        fac_error err;
        if (try_checkout(crowd->pool, RIG_ANY, RIG_TIMEOUT_MS, &conn, &err) != FAC_OK) {
            (void)atomic_fetch_add(&crowd->n_wrong, 1U);
            return;
        }
        unsigned n = atomic_fetch_add(&crowd->n_lent, 1U) + 1;
        unsigned most = atomic_load(&crowd->n_most);
        while (n > most && !atomic_compare_exchange_weak(&crowd->n_most, &most, n)) {
        }
        (void)atomic_fetch_sub(&crowd->n_lent, 1U);
        faci_pool_give_back(crowd->pool, conn);
    }
}

static void test_pool__never_has_more_than_the_maximum(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, rig_echo, NULL, 3);
    struct crowd crowd = {.pool = &scene.pool};
    kit_threads_join(kit_threads_start(16, use_often, &crowd));
    assert_int_equal(atomic_load(&crowd.n_wrong), 0);
    assert_in_range(atomic_load(&crowd.n_most), 1, 3);
    assert_in_range(kit_stub_connections(scene.rig.stub), 1, 3);
    struct faci_pool_counts counts = counts_of(&scene.pool);
    assert_int_equal(counts.open, counts.idle);
    assert_int_equal(counts.waiting, 0);
    end(&scene);
}

static void test_pool__lends_the_last_one_used_first(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, rig_echo, NULL, 4);
    struct faci_conn *a = checkout(&scene.pool, RIG_ANY);
    struct faci_conn *b = checkout(&scene.pool, RIG_ANY);
    assert_ptr_not_equal(a, b);
    faci_pool_give_back(&scene.pool, a);
    faci_pool_give_back(&scene.pool, b);
    assert_int_equal(counts_of(&scene.pool).idle, 2);
    assert_ptr_equal(checkout(&scene.pool, RIG_ANY), b);
    assert_ptr_equal(checkout(&scene.pool, RIG_CHECKED), a);
    /* One that is to be new is new while there is a place, and any of them when there is none. */
    faci_pool_give_back(&scene.pool, a);
    struct faci_conn *c = checkout(&scene.pool, RIG_NEW);
    struct faci_conn *d = checkout(&scene.pool, RIG_NEW);
    assert_true(c != a && d != a);
    assert_ptr_equal(checkout(&scene.pool, RIG_NEW), a);
    assert_int_equal(kit_stub_connections(scene.rig.stub), 4);
    assert_int_equal(counts_of(&scene.pool).connects, 4);
    faci_pool_give_back(&scene.pool, a);
    faci_pool_give_back(&scene.pool, b);
    faci_pool_give_back(&scene.pool, c);
    faci_pool_give_back(&scene.pool, d);
    end(&scene);
}

static void test_pool__takes_back_only_what_can_be_used(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, rig_echo, NULL, 1);
    struct faci_conn *conn = checkout(&scene.pool, RIG_ANY);
    faci_conn_poison(conn, FAC_E_PROTOCOL, 0, "a test");
    faci_pool_give_back(&scene.pool, conn);
    assert_int_equal(counts_of(&scene.pool).open, 0);
    conn = checkout(&scene.pool, RIG_ANY);
    struct faci_slot *slot = rig_submit(conn, &k_faci_get, "k", NULL);
    assert_int_equal(slot->state, FACI_SLOT_WAITING);
    faci_pool_give_back(&scene.pool, conn); /* a reply may still come on it */
    assert_int_equal(counts_of(&scene.pool).open, 0);
    assert_int_equal(counts_of(&scene.pool).disconnects, 2);
    end(&scene);
}

/* --- Who waits ------------------------------------------------------------------------------ */

enum {
    QUEUE_MAX = 8
};

struct queue {
    struct faci_pool *pool;
    int64_t within_ms;
    atomic_uint n_served;
    unsigned order[QUEUE_MAX];    /* when each was served, from 1 */
    fac_status status[QUEUE_MAX]; /* what each was told */
    char message[QUEUE_MAX][256];
};

struct one_of_queue {
    struct queue *queue;
    unsigned place;
};

static void stand_in_line(size_t index, void *context)
{
    (void)index;
    const struct one_of_queue *self = context;
    struct queue *queue = self->queue;
    struct faci_conn *conn = NULL;
    fac_error err;
    faci_error_clear(&err);
    queue->status[self->place] = try_checkout(queue->pool, RIG_ANY, queue->within_ms, &conn,
                                              &err);
    memcpy(queue->message[self->place], err.message, sizeof(err.message));
    queue->order[self->place] = atomic_fetch_add(&queue->n_served, 1U) + 1;
    if (conn != NULL) {
        faci_pool_give_back(queue->pool, conn);
    }
}

struct line {
    struct queue queue;
    struct one_of_queue each[QUEUE_MAX];
    struct kit_threads *threads[QUEUE_MAX];
    unsigned n;
};

/* `n` callers, each behind the one before: `pool` has nothing to give to any. */
static void line_up(struct line *line, struct faci_pool *pool, unsigned n)
{
    *line = (struct line){.queue = {.pool = pool, .within_ms = RIG_TIMEOUT_MS}, .n = n};
    for (unsigned i = 0; i < n; i++) {
        line->each[i] = (struct one_of_queue){&line->queue, i};
        line->threads[i] = kit_threads_start(1, stand_in_line, &line->each[i]);
        KIT_WAIT_FOR(RIG_TIMEOUT_MS, counts_of(pool).waiting == i + 1);
    }
}

static void disperse(struct line *line)
{
    for (unsigned i = 0; i < line->n; i++) {
        kit_threads_join(line->threads[i]);
    }
}

static void test_pool__hands_over_in_the_order_of_coming(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, rig_echo, NULL, 1);
    struct faci_conn *conn = checkout(&scene.pool, RIG_ANY);
    struct line line;
    line_up(&line, &scene.pool, QUEUE_MAX);
    faci_pool_give_back(&scene.pool, conn);
    disperse(&line);
    for (unsigned i = 0; i < QUEUE_MAX; i++) {
        assert_int_equal(line.queue.status[i], FAC_OK);
        assert_int_equal(line.queue.order[i], i + 1);
    }
    assert_int_equal(kit_stub_connections(scene.rig.stub), 1);
    end(&scene);
}

/* A connection that dies instead leaves a place, which is the first one's. */
static void test_pool__a_death_is_a_place_for_the_first_in_line(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, rig_echo, NULL, 1);
    struct faci_conn *conn = checkout(&scene.pool, RIG_ANY);
    struct line line;
    line_up(&line, &scene.pool, 4);
    faci_conn_poison(conn, FAC_E_UNAVAILABLE, 0, "a test");
    faci_pool_give_back(&scene.pool, conn);
    disperse(&line);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(line.queue.status[i], FAC_OK);
        assert_int_equal(line.queue.order[i], i + 1);
    }
    assert_int_equal(kit_stub_connections(scene.rig.stub), 2);
    end(&scene);
}

/* Who cannot use the place leaves it to the next one. */
static void test_pool__a_place_is_not_lost_without_memory(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, rig_echo, NULL, 1);
    struct faci_conn *conn = checkout(&scene.pool, RIG_ANY);
    struct line line;
    line_up(&line, &scene.pool, 3);
    int64_t before_ms = kit_now_ms();
    kit_memory_fail(&scene.rig.memory, 1, false);
    faci_conn_poison(conn, FAC_E_UNAVAILABLE, 0, "a test");
    faci_pool_give_back(&scene.pool, conn);
    disperse(&line);
    assert_in_range(kit_now_ms() - before_ms, 0, RIG_TIMEOUT_MS / 2);
    assert_int_equal(line.queue.status[0], FAC_E_NOMEM);
    assert_int_equal(line.queue.status[1], FAC_OK);
    assert_int_equal(line.queue.status[2], FAC_OK);
    end(&scene);
}

static void test_pool__too_many_in_line_are_told_at_once(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, rig_echo, NULL, 1);
    assert_int_equal(scene.pool.max_waiters, FACI_POOL_WAITERS_MAX);
    scene.pool.max_waiters = 2;
    struct faci_conn *conn = checkout(&scene.pool, RIG_ANY);
    struct line line;
    line_up(&line, &scene.pool, 2);
    struct faci_conn *none = NULL;
    fac_error err;
    for (int i = 0; i < 3; i++) {
        assert_status(try_checkout(&scene.pool, RIG_ANY, RIG_TIMEOUT_MS, &none, &err),
                      FAC_E_BUSY, &err);
        assert_null(none);
    }
    faci_pool_give_back(&scene.pool, conn);
    disperse(&line);
    assert_int_equal(line.queue.status[0], FAC_OK);
    assert_int_equal(line.queue.status[1], FAC_OK);
    faci_pool_give_back(&scene.pool, checkout(&scene.pool, RIG_ANY));
    end(&scene);
}

static void test_pool__waits_no_longer_than_its_deadline(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, rig_echo, NULL, 1);
    struct faci_conn *conn = checkout(&scene.pool, RIG_ANY);
    struct faci_conn *none = NULL;
    fac_error err;
    int64_t before_ms = kit_now_ms();
    assert_status(try_checkout(&scene.pool, RIG_ANY, 80, &none, &err), FAC_E_TIMEOUT, &err);
    assert_in_range(kit_now_ms() - before_ms, 79, 80 + kit_margin_ms());
    assert_contains(err.message, "1 of at most 1 stand");
    assert_int_equal(counts_of(&scene.pool).waiting, 0);
    /* Who left the line is not given anything any more. */
    faci_pool_give_back(&scene.pool, conn);
    assert_int_equal(counts_of(&scene.pool).idle, 1);
    end(&scene);
}

/* Serves the first connection until the gate opens, and slams the door before all others. */
static void one_only(struct kit_stub_conn *conn, void *context)
{
    if (kit_stub_index(conn) == 0) {
        (void)kit_stub_next(conn);
        (void)kit_stub_await(conn, context);
    } else {
        kit_stub_reset(conn);
    }
}

static void test_pool__waiters_are_told_when_the_server_goes_down(void **state)
{
    (void)state;
    struct kit_gate gate;
    kit_gate_init(&gate);
    struct scene scene;
    begin(&scene, one_only, &gate, 1);
    /* The stub answers the handshake on its own; the command afterwards is of no interest. */
    struct faci_conn *conn = checkout(&scene.pool, RIG_ANY);
    struct line line;
    line_up(&line, &scene.pool, 6);
    int64_t before_ms = kit_now_ms();
    faci_conn_poison(conn, FAC_E_UNAVAILABLE, 0, "a test");
    faci_pool_give_back(&scene.pool, conn);
    disperse(&line);
    assert_in_range(kit_now_ms() - before_ms, 0, RIG_TIMEOUT_MS / 2);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(line.queue.status[i], FAC_E_UNAVAILABLE);
        assert_contains(line.queue.message[i], "127.0.0.1:");
    }
    assert_int_equal(counts_of(&scene.pool).waiting, 0);
    assert_int_equal(counts_of(&scene.pool).open, 0);
    assert_true(faci_pool_is_down(&scene.pool));
    kit_gate_open(&gate);
    end(&scene);
    kit_gate_fini(&gate);
}

/* --- Close ---------------------------------------------------------------------------------- */

/* Greets the first connection; the others never get an answer to their handshake. */
static void greets_one(struct kit_stub_conn *conn, void *context)
{
    (void)context;
    static const char *const k_replies[] = {"%1\r\n+server\r\n+redis\r\n", "+OK\r\n",
                                            "+OK\r\n"};
    for (size_t i = 0; i < KIT_COUNT(k_replies) && kit_stub_next(conn) != NULL; i++) {
        if (kit_stub_index(conn) == 0) {
            (void)kit_stub_say(conn, k_replies[i]);
        }
    }
    kit_stub_drain(conn);
}

static void test_pool__close_wakes_everybody(void **state)
{
    (void)state;
    struct kit_stub_options options = {.fn = greets_one, .is_bare = true};
    struct scene scene;
    rig_begin(&scene.rig, &options);
    scene.rig.config.max_connections = 2;
    fac_error err;
    assert_status(faci_pool_init(&scene.pool, &scene.rig.config, &err), FAC_OK, &err);
    struct faci_conn *conn = checkout(&scene.pool, RIG_ANY);
    /* One hangs in its handshake, the others in the queue. */
    struct line connecting = {.queue = {.pool = &scene.pool, .within_ms = RIG_TIMEOUT_MS}};
    connecting.each[0] = (struct one_of_queue){&connecting.queue, 0};
    connecting.threads[0] = kit_threads_start(1, stand_in_line, &connecting.each[0]);
    connecting.n = 1;
    KIT_WAIT_FOR(RIG_TIMEOUT_MS, kit_stub_commands(scene.rig.stub, "HELLO") == 2);
    struct line line;
    line_up(&line, &scene.pool, 4);
    int64_t before_ms = kit_now_ms();
    faci_pool_close(&scene.pool);
    disperse(&connecting);
    disperse(&line);
    assert_in_range(kit_now_ms() - before_ms, 0, RIG_TIMEOUT_MS / 2);
    assert_int_equal(connecting.queue.status[0], FAC_E_CLOSED);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(line.queue.status[i], FAC_E_CLOSED);
    }
    /* What is lent has ended for its borrower, too. */
    struct faci_slot *slot = rig_submit(conn, &k_faci_get, "k", NULL);
    assert_status(faci_pipeline_wait(conn, slot, rig_soon(), &err), FAC_E_UNAVAILABLE, &err);
    faci_pool_give_back(&scene.pool, conn);
    assert_status(try_checkout(&scene.pool, RIG_ANY, 1000, &conn, &err), FAC_E_CLOSED, &err);
    faci_pool_close(&scene.pool);
    assert_int_equal(counts_of(&scene.pool).open, 0);
    end(&scene);
}

/* --- What the breaker is told ---------------------------------------------------------------- */

/* Its breaker is open; returns since when. */
static int64_t open_breaker(struct faci_pool *pool)
{
    const struct faci_breaker_config config = {
        .is_on = true, .open_ms = 1000, .open_cap_ms = 5000};
    faci_breaker_init(&pool->breaker, &config, 1);
    fac_error err;
    (void)faci_fail(&err, FAC_E_UNAVAILABLE, 0, "it died");
    int64_t now_ns = faci_clock_now_ns();
    for (int i = 0; i < 3; i++) {
        faci_breaker_event(&pool->breaker, now_ns, &err);
    }
    return now_ns;
}

/* A call that ended for a reason of ours says nothing of the server; an answer does. */
static void test_pool__only_an_answer_ends_the_breakers_trouble(void **state)
{
    (void)state;
    static const fac_status k_ours[] = {FAC_E_BUSY, FAC_E_NOMEM, FAC_E_CONFIG, FAC_E_CLOSED};
    struct scene scene;
    begin(&scene, rig_echo, NULL, 2);
    struct faci_breaker *breaker = &scene.pool.breaker;
    fac_error err;
    int64_t now_ns = open_breaker(&scene.pool);
    struct faci_lease lease = {.now_ns = now_ns, .began_ns = now_ns};
    for (size_t i = 0; i <= KIT_COUNT(k_ours); i++) {
        int64_t later_ns = faci_clock_after_ms(now_ns, 60000);
        assert_true(faci_breaker_enter(breaker, later_ns, &lease.is_probe, &err));
        assert_true(lease.is_probe);
        bool is_answer = i == KIT_COUNT(k_ours);
        faci_pool_report(&scene.pool, &lease, is_answer ? FAC_OK : k_ours[i], false, &err);
        assert_int_equal(breaker->state, is_answer ? FACI_BREAKER_CLOSED : FACI_BREAKER_OPEN);
        assert_int_equal(atomic_load(&scene.pool.n_worked), is_answer ? 1 : 0);
    }
    end(&scene);
}

/* What answers while the breaker probes may have been asked before it opened: the probe tells. */
static void test_pool__a_late_answer_is_no_probe(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, rig_echo, NULL, 2);
    struct faci_breaker *breaker = &scene.pool.breaker;
    fac_error err;
    int64_t now_ns = open_breaker(&scene.pool);
    struct faci_lease probe = {.now_ns = now_ns, .began_ns = now_ns};
    assert_true(
        faci_breaker_enter(breaker, faci_clock_after_ms(now_ns, 60000), &probe.is_probe, &err));
    assert_true(probe.is_probe);
    atomic_store(&scene.pool.is_uneasy, true);
    struct faci_lease older = {.now_ns = now_ns, .began_ns = now_ns};
    faci_pool_report(&scene.pool, &older, FAC_OK, false, &err);
    assert_int_equal(breaker->state, FACI_BREAKER_PROBING);
    assert_true(atomic_load(&scene.pool.is_uneasy));
    faci_pool_report(&scene.pool, &probe, FAC_OK, false, &err);
    assert_int_equal(breaker->state, FACI_BREAKER_CLOSED);
    end(&scene);
}

/* --- Idle connections ----------------------------------------------------------------------- */

/* What a caller waited for a connection is not what the server took: the clock is read again. */
static void test_pool__the_time_is_that_of_the_connection(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, rig_echo, NULL, 2);
    int64_t now_ns = faci_clock_now_ns();
    int64_t long_ago_ns = now_ns - 5000 * (int64_t)FACI_NS_PER_MS;
    struct faci_lease lease = {
        .now_ns = long_ago_ns, .began_ns = long_ago_ns, .deadline_ns = rig_soon()};
    fac_error err;
    assert_status(faci_pool_join(&scene.pool, &lease, &err), FAC_OK, &err);
    assert_true(lease.now_ns >= now_ns);
    assert_true(lease.began_ns == long_ago_ns);
    assert_true(atomic_load(&lease.conn->progress_ns) >= now_ns);
    assert_true(atomic_load(&lease.conn->used_at_ns) >= now_ns);
    faci_pool_leave(&scene.pool, lease.conn);
    lease.now_ns = long_ago_ns;
    assert_status(faci_pool_checkout(&scene.pool, &lease, &err), FAC_OK, &err);
    assert_true(lease.now_ns >= now_ns);
    faci_pool_give_back(&scene.pool, lease.conn);
    end(&scene);
}

/* Says OK to nothing, on the first connection, when the gate opens. */
static void talks_out_of_turn(struct kit_stub_conn *conn, void *context)
{
    if (kit_stub_index(conn) == 0) {
        (void)kit_stub_next(conn);
        (void)kit_stub_say(conn, "$1\r\na\r\n");
        if (kit_stub_await(conn, context)) {
            (void)kit_stub_say(conn, "+OK\r\n");
        }
        kit_stub_drain(conn);
        return;
    }
    rig_echo(conn, NULL);
}

static void test_pool__looks_at_what_was_idle_for_long(void **state)
{
    (void)state;
    struct kit_gate gate;
    kit_gate_init(&gate);
    struct scene scene;
    begin(&scene, talks_out_of_turn, &gate, 2);
    struct faci_conn *conn = checkout(&scene.pool, RIG_ANY);
    rig_expect_get(conn, "k", "a");
    faci_pool_give_back(&scene.pool, conn);
    kit_gate_open(&gate);
    rig_wait_until(conn, POLLIN);
    /* More than a second later, as far as the pool is told. */
    int64_t now_ns = faci_clock_after_ms(faci_clock_now_ns(), 1500);
    fac_error err;
    assert_status(rig_checkout(&scene.pool, RIG_ANY, now_ns, rig_soon(), &conn, &err), FAC_OK,
                  &err);
    rig_expect_get(conn, "fresh", "fresh");
    faci_pool_give_back(&scene.pool, conn);
    assert_int_equal(kit_stub_connections(scene.rig.stub), 2);
    assert_int_equal(counts_of(&scene.pool).disconnects, 1);
    assert_int_equal(counts_of(&scene.pool).open, 1);
    end(&scene);
    kit_gate_fini(&gate);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_pool__never_has_more_than_the_maximum),
    KIT_TEST(test_pool__lends_the_last_one_used_first),
    KIT_TEST(test_pool__takes_back_only_what_can_be_used),
    KIT_TEST(test_pool__hands_over_in_the_order_of_coming),
    KIT_TEST(test_pool__a_death_is_a_place_for_the_first_in_line),
    KIT_TEST(test_pool__a_place_is_not_lost_without_memory),
    KIT_TEST(test_pool__too_many_in_line_are_told_at_once),
    KIT_TEST(test_pool__waits_no_longer_than_its_deadline),
    KIT_TEST(test_pool__waiters_are_told_when_the_server_goes_down),
    KIT_TEST(test_pool__close_wakes_everybody),
    KIT_TEST(test_pool__a_late_answer_is_no_probe),
    KIT_TEST(test_pool__only_an_answer_ends_the_breakers_trouble),
    KIT_TEST(test_pool__the_time_is_that_of_the_connection),
    KIT_TEST(test_pool__looks_at_what_was_idle_for_long),
};

KIT_MAIN(k_tests)
