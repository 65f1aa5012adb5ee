/* SPDX-License-Identifier: MIT */
/* Which shared connection a call goes on: the rules alone, on connections that are none. */
#include "engine/lanes.h"

#include "base/clock.h"
#include "engine/mux.h"

#include "kit/kit.h"
#include "kit/memory.h"

enum {
    TIMEOUT_MS = 2000
};

static const int64_t k_now_ns = INT64_C(1000000) * FACI_NS_PER_MS;

struct scene {
    struct kit_memory memory;
    struct faci_engine_config config;
    struct faci_lanes lanes;
};

static int64_t ago_ms(int64_t ms)
{
    return k_now_ns - ms * FACI_NS_PER_MS;
}

/* As many connections as there are counts; nothing is under way on any. */
static void begin(struct scene *scene, const uint32_t *users, unsigned n)
{
    kit_memory_init(&scene->memory);
    scene->lanes.n = 0;
    scene->config = (struct faci_engine_config){
        .alloc = &scene->memory.hook, .timeout_ms = TIMEOUT_MS, .max_value_bytes = 1024};
    for (unsigned i = 0; i < n; i++) {
        struct faci_conn *conn = faci_conn_new(&scene->config, NULL);
        assert_non_null(conn);
        conn->ready_at_ns = ago_ms(60000);
        atomic_store(&conn->users, users[i]);
        atomic_store(&conn->progress_ns, k_now_ns);
        atomic_store(&conn->heard_ns, ago_ms(1000));
        faci_lanes_add(&scene->lanes, conn);
    }
}

static void end(struct scene *scene)
{
    while (scene->lanes.n > 0) {
        struct faci_conn *conn = scene->lanes.list[0];
        faci_lanes_remove(&scene->lanes, conn);
        faci_conn_free(conn);
    }
    kit_memory_assert_empty(&scene->memory);
}

/* Which one is picked; -1: none. */
static int pick(const struct scene *scene, int64_t since_ns, bool may_look)
{
    struct faci_conn *conn = faci_lanes_pick(&scene->lanes, k_now_ns, since_ns, may_look);
    for (unsigned i = 0; i < scene->lanes.n; i++) {
        if (scene->lanes.list[i] == conn) {
            return (int)i;
        }
    }
    assert_null(conn);
    return -1;
}

/* A request that was sent then, and has no answer. */
static void put_under_way(struct faci_conn *conn, int64_t sent_ns)
{
    struct faci_slot *slot = faci_line_append(&conn->line);
    assert_non_null(slot);
    (void)faci_line_take_unsent(&conn->line);
    slot->sent_ns = sent_ns;
    conn->n_appended++;
    atomic_fetch_add(&conn->n_flushed, 1);
}

static void test_lanes__few_callers_have_one_each_and_twenty_share_one(void **state)
{
    (void)state;
    static const struct {
        uint32_t n_callers;
        unsigned want;
    } k_rows[] = {{0, 1},  {1, 2},  {2, 3},  {3, 4},  {4, 1},   {5, 1},
                  {39, 1}, {40, 2}, {60, 3}, {80, 4}, {1000, 4}};
    for (size_t i = 0; i < KIT_COUNT(k_rows); i++) {
        assert_int_equal(faci_lanes_wanted(k_rows[i].n_callers), k_rows[i].want);
        assert_true(k_rows[i].want <= FACI_LANES_MAX);
    }
}

static void test_lanes__the_least_used_is_picked(void **state)
{
    (void)state;
    static const struct {
        uint32_t users[4];
        unsigned n;
        int want;
    } k_rows[] = {
        {{0}, 0, -1},         {{0}, 1, 0},          {{1, 0}, 2, 1},
        {{1, 1, 0}, 3, 2},    {{1, 1, 1, 0}, 4, 3}, {{1, 1, 1, 1}, 4, 0}, /* folded */
        {{9, 0, 0, 0}, 4, 0}, /* the others are surplus, though nobody is on them */
        {{1, 0, 0, 0}, 4, 1}, /* two are wanted */
        {{2, 1}, 2, 1},
    };
    for (size_t i = 0; i < KIT_COUNT(k_rows); i++) {
        struct scene scene;
        begin(&scene, k_rows[i].users, k_rows[i].n);
        assert_int_equal(pick(&scene, 0, false), k_rows[i].want);
        end(&scene);
    }
}

static void test_lanes__flags_are_no_callers(void **state)
{
    (void)state;
    const uint32_t users[] = {2 | FACI_CONN_WANTED, 1 | FACI_CONN_ENDED};
    struct scene scene;
    begin(&scene, users, 2);
    assert_int_equal(faci_lanes_callers(&scene.lanes), 3);
    assert_ptr_equal(faci_lanes_least(&scene.lanes), scene.lanes.list[1]);
    atomic_store(&scene.lanes.list[0]->users, FACI_CONN_WANTED);
    assert_ptr_equal(faci_lanes_unused(&scene.lanes), scene.lanes.list[0]);
    end(&scene);
}

static void test_lanes__a_dead_one_is_not_picked(void **state)
{
    (void)state;
    const uint32_t users[] = {0, 1};
    struct scene scene;
    begin(&scene, users, 2);
    faci_conn_poison(scene.lanes.list[0], FAC_E_UNAVAILABLE, 0, "gone");
    assert_int_equal(pick(&scene, 0, true), 1);
    faci_conn_poison(scene.lanes.list[1], FAC_E_UNAVAILABLE, 0, "gone");
    assert_int_equal(pick(&scene, 0, true), -1);
    end(&scene);
}

static void test_lanes__an_overdue_one_is_passed_over(void **state)
{
    (void)state;
    const uint32_t users[] = {1, 2};
    struct scene scene;
    begin(&scene, users, 2);
    atomic_store(&scene.lanes.list[0]->progress_ns, ago_ms(TIMEOUT_MS / 4 - 1));
    assert_int_equal(pick(&scene, 0, false), 0);
    atomic_store(&scene.lanes.list[0]->progress_ns, ago_ms(TIMEOUT_MS / 4 + 1));
    assert_int_equal(pick(&scene, 0, false), 1);
    atomic_store(&scene.lanes.list[1]->progress_ns, ago_ms(TIMEOUT_MS));
    assert_int_equal(pick(&scene, 0, true), -1);

    /* A quarter of a short wait is never less than 20 ms. */
    scene.config.timeout_ms = 8;
    atomic_store(&scene.lanes.list[0]->progress_ns, ago_ms(19));
    assert_int_equal(pick(&scene, 0, false), 0);
    atomic_store(&scene.lanes.list[0]->progress_ns, ago_ms(21));
    assert_int_equal(pick(&scene, 0, false), -1);
    end(&scene);
}

static void test_lanes__a_deserted_one_is_passed_over(void **state)
{
    (void)state;
    const uint32_t users[] = {0, 1};
    struct scene scene;
    begin(&scene, users, 2);
    /* Nothing under way: however long ago anything came, it is as good as new. */
    atomic_store(&scene.lanes.list[0]->progress_ns, ago_ms(100000));
    assert_int_equal(pick(&scene, 0, false), 0);
    put_under_way(scene.lanes.list[0], ago_ms(19));
    assert_int_equal(pick(&scene, 0, false), 0);
    faci_line_due(&scene.lanes.list[0]->line)->sent_ns = ago_ms(21);
    assert_int_equal(pick(&scene, 0, false), 1);
    assert_null(faci_lanes_stalled(&scene.lanes, k_now_ns));
    faci_line_due(&scene.lanes.list[0]->line)->sent_ns = ago_ms(TIMEOUT_MS);
    assert_ptr_equal(faci_lanes_stalled(&scene.lanes, k_now_ns), scene.lanes.list[0]);
    assert_null(faci_lanes_stalled(&scene.lanes, k_now_ns - 1));
    /* With a caller on it, that one ends it. */
    atomic_store(&scene.lanes.list[0]->users, 1);
    assert_null(faci_lanes_stalled(&scene.lanes, k_now_ns));
    end(&scene);
}

static void test_lanes__only_what_has_shown_that_it_works(void **state)
{
    (void)state;
    const uint32_t users[] = {1, 2};
    struct scene scene;
    begin(&scene, users, 2);
    int64_t since_ns = ago_ms(500);
    assert_int_equal(pick(&scene, since_ns, false), -1);
    atomic_store(&scene.lanes.list[1]->heard_ns, since_ns);
    assert_int_equal(pick(&scene, since_ns, false), 1);
    scene.lanes.list[0]->ready_at_ns = since_ns;
    assert_int_equal(pick(&scene, since_ns, false), 0);
    end(&scene);
}

static void test_lanes__a_look_is_for_one_that_nobody_is_on(void **state)
{
    (void)state;
    const uint32_t users[] = {1, 0};
    struct scene scene;
    begin(&scene, users, 2);
    assert_int_equal(pick(&scene, ago_ms(500), false), -1);
    assert_int_equal(pick(&scene, ago_ms(500), true), 1);
    atomic_store(&scene.lanes.list[1]->users, 1);
    assert_int_equal(pick(&scene, ago_ms(500), true), -1);
    end(&scene);
}

static void test_lanes__removal_keeps_the_others(void **state)
{
    (void)state;
    const uint32_t users[] = {3, 2, 1, 0};
    for (unsigned gone = 0; gone < 4; gone++) {
        struct scene scene;
        begin(&scene, users, 4);
        struct faci_conn *conn = scene.lanes.list[gone];
        faci_lanes_remove(&scene.lanes, conn);
        faci_lanes_remove(&scene.lanes, conn);
        assert_int_equal(scene.lanes.n, 3);
        assert_int_equal(faci_lanes_callers(&scene.lanes), 6 - users[gone]);
        for (unsigned i = 0; i < 3; i++) {
            assert_ptr_not_equal(scene.lanes.list[i], conn);
        }
        faci_conn_free(conn);
        end(&scene);
    }
    struct scene none;
    begin(&none, users, 0);
    assert_null(faci_lanes_least(&none.lanes));
    assert_null(faci_lanes_unused(&none.lanes));
    end(&none);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_lanes__few_callers_have_one_each_and_twenty_share_one),
    KIT_TEST(test_lanes__the_least_used_is_picked),
    KIT_TEST(test_lanes__flags_are_no_callers),
    KIT_TEST(test_lanes__a_dead_one_is_not_picked),
    KIT_TEST(test_lanes__an_overdue_one_is_passed_over),
    KIT_TEST(test_lanes__a_deserted_one_is_passed_over),
    KIT_TEST(test_lanes__only_what_has_shown_that_it_works),
    KIT_TEST(test_lanes__a_look_is_for_one_that_nobody_is_on),
    KIT_TEST(test_lanes__removal_keeps_the_others),
};

KIT_MAIN(k_tests)
