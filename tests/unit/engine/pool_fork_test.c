/* SPDX-License-Identifier: MIT */
/* fork(): the child makes connections of its own, and leaves the parent's alone. */
#include "rig.h"

#include "engine/pool.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CONNS_MAX = 8
};

/* What came on each connection, and who it was. */
struct seen {
    atomic_uint n_commands[CONNS_MAX];
    atomic_bool has_ended[CONNS_MAX];
};

/* Answers each GET with the connection's number. */
static void say_number(struct kit_stub_conn *conn, void *context)
{
    struct seen *seen = context;
    size_t index = kit_stub_index(conn);
    char reply[16];
    (void)snprintf(reply, sizeof(reply), "$1\r\n%zu\r\n", index);
    while (kit_stub_next(conn) != NULL) {
        (void)atomic_fetch_add(&seen->n_commands[index], 1U);
        (void)kit_stub_say(conn, reply);
    }
    atomic_store(&seen->has_ended[index], true);
}

/* GET on a connection, without assertions: the child has no test to fail. '?' when it failed. */
static char ask(struct faci_conn *conn)
{
    const struct faci_arg args[] = {rig_arg("GET"), rig_arg("k")};
    struct rig_text text = rig_text();
    struct faci_request request = {
        .command = &k_faci_get, .args = args, .n_args = 2, .sink = &text.sink};
    struct faci_answer slot;
    fac_error err;
    fac_status st = faci_pipeline_call(conn, &request, rig_soon(), &slot, &err);
    return st == FAC_OK ? text.text[0] : '?';
}

static char ask_pool(struct faci_pool *pool)
{
    struct faci_conn *conn = NULL;
    fac_error err;
    if (rig_checkout(pool, RIG_ANY, faci_clock_now_ns(), rig_soon(), &conn, &err) != FAC_OK) {
        return '?';
    }
    char answer = ask(conn);
    faci_pool_give_back(pool, conn);
    return answer;
}

typedef bool child_fn(struct faci_pool *pool);

/* True: in the child all was as it should be. */
static bool in_child(struct faci_pool *pool, child_fn *fn)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(fn(pool) ? 0 : 1);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

struct scene {
    struct rig rig;
    struct seen seen;
    struct faci_pool pool;
};

static void begin(struct scene *scene)
{
    scene->seen = (struct seen){0};
    rig_begin_fn(&scene->rig, say_number, &scene->seen);
    scene->rig.config.max_connections = 2;
    fac_error err;
    assert_status(faci_pool_init(&scene->pool, &scene->rig.config, &err), FAC_OK, &err);
}

static void end(struct scene *scene)
{
    faci_pool_fini(&scene->pool);
    rig_end(&scene->rig);
}

static bool asks_twice(struct faci_pool *pool)
{
    /* NOLINTNEXTLINE(misc-redundant-expression): each asks the server */
    return ask_pool(pool) == '1' && ask_pool(pool) == '1';
}

static bool asks_and_closes(struct faci_pool *pool)
{
    bool is_right = ask_pool(pool) == '1';
    faci_pool_close(pool);
    faci_pool_fini(pool);
    return is_right;
}

static bool only_closes(struct faci_pool *pool)
{
    faci_pool_close(pool);
    struct faci_pool_counts counts;
    faci_pool_count(pool, &counts);
    faci_pool_fini(pool);
    return counts.open == 0 && counts.idle == 0 && counts.waiting == 0;
}

static bool only_frees(struct faci_pool *pool)
{
    faci_pool_fini(pool);
    return true;
}

/* Whatever the child does: on the parent's connection nothing has come but the parent's own. */
static void leaves_the_parents_alone(child_fn *fn, size_t n_connections)
{
    struct scene scene;
    begin(&scene);
    assert_int_equal(ask_pool(&scene.pool), '0');
    assert_true(in_child(&scene.pool, fn));
    assert_int_equal(atomic_load(&scene.seen.n_commands[0]), 1);
    assert_false(atomic_load(&scene.seen.has_ended[0]));
    assert_int_equal(ask_pool(&scene.pool), '0');
    assert_int_equal(atomic_load(&scene.seen.n_commands[0]), 2);
    assert_int_equal(kit_stub_connections(scene.rig.stub), n_connections);
    struct faci_pool_counts counts;
    faci_pool_count(&scene.pool, &counts);
    assert_int_equal(counts.open, 1);
    assert_int_equal(counts.disconnects, 0);
    end(&scene);
}

static void test_pool_fork__the_childs_call_uses_a_new_connection(void **state)
{
    (void)state;
    leaves_the_parents_alone(asks_twice, 2);
}

static void test_pool_fork__the_child_closes(void **state)
{
    (void)state;
    leaves_the_parents_alone(asks_and_closes, 2);
    leaves_the_parents_alone(only_closes, 1);
}

static void test_pool_fork__the_child_frees(void **state)
{
    (void)state;
    leaves_the_parents_alone(only_frees, 1);
}

/* In the parent every place is taken and somebody waits; the child sees none of that. */
static void wait_for_one(size_t index, void *context)
{
    (void)index;
    (void)ask_pool(context);
}

static bool asks_as_if_alone(struct faci_pool *pool)
{
    char answer = ask_pool(pool);
    struct faci_pool_counts counts;
    faci_pool_count(pool, &counts);
    return answer == '2' && counts.open == 1 && counts.idle == 1 && counts.waiting == 0;
}

static void test_pool_fork__what_is_lent_does_not_count_in_the_child(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    struct faci_conn *lent[2] = {NULL};
    fac_error err;
    for (size_t i = 0; i < 2; i++) {
        assert_status(
            rig_checkout(&scene.pool, RIG_ANY, faci_clock_now_ns(), rig_soon(), &lent[i], &err),
            FAC_OK, &err);
    }
    struct kit_threads *waiter = kit_threads_start(1, wait_for_one, &scene.pool);
    struct faci_pool_counts counts = {0};
    while (counts.waiting == 0) {
        faci_pool_count(&scene.pool, &counts);
        kit_nap();
    }
    assert_true(in_child(&scene.pool, asks_as_if_alone));
    assert_int_equal(ask(lent[0]), '0');
    assert_int_equal(ask(lent[1]), '1');
    faci_pool_give_back(&scene.pool, lent[0]);
    faci_pool_give_back(&scene.pool, lent[1]);
    kit_threads_join(waiter);
    assert_int_equal(kit_stub_connections(scene.rig.stub), 3);
    end(&scene);
}

/* --- Locks ---------------------------------------------------------------------------------- */

struct holder {
    struct faci_pool *pool;
    struct faci_stream *stream;
    atomic_bool is_over;
};

/* Holds one lock nearly all the time, as no caller ever would. */
static void hold_lock(struct faci_mutex *lock, struct holder *holder)
{
    while (!atomic_load(&holder->is_over)) {
        faci_mutex_lock(lock);
        kit_nap();
        faci_mutex_unlock(lock);
        (void)sched_yield();
    }
}

static void hold_pool_or_stream(size_t index, void *context)
{
    struct holder *holder = context;
    hold_lock(index == 0 ? &holder->pool->lock : &holder->stream->lock, holder);
}

static bool asks_in_time(struct faci_pool *pool)
{
    (void)alarm(20); /* the child would wait for a thread that it does not have */
    return ask_pool(pool) != '?';
}

static void test_pool_fork__no_lock_is_taken_along(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    struct faci_conn *lent = NULL;
    fac_error err;
    assert_status(
        rig_checkout(&scene.pool, RIG_ANY, faci_clock_now_ns(), rig_soon(), &lent, &err),
        FAC_OK, &err);
    struct holder holder = {.pool = &scene.pool, .stream = &lent->stream};
    struct kit_threads *threads = kit_threads_start(2, hold_pool_or_stream, &holder);
    bool is_right = true;
    for (size_t i = 0; i < 5 && is_right; i++) {
        is_right = in_child(&scene.pool, asks_in_time);
    }
    atomic_store(&holder.is_over, true);
    kit_threads_join(threads);
    assert_true(is_right);
    faci_pool_give_back(&scene.pool, lent);
    end(&scene);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_pool_fork__the_childs_call_uses_a_new_connection),
    KIT_TEST(test_pool_fork__the_child_closes),
    KIT_TEST(test_pool_fork__the_child_frees),
    KIT_TEST(test_pool_fork__what_is_lent_does_not_count_in_the_child),
    KIT_TEST(test_pool_fork__no_lock_is_taken_along),
};

KIT_MAIN(k_tests)
