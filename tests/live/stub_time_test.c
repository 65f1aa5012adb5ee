/* SPDX-License-Identifier: MIT */
/* Deadlines against peers that are slow in every way, and answers that come too late. */
#include "kit/kit.h"
#include "kit/stub.h"
#include "live/live.h"

#include <stdlib.h>
#include <string.h>

static const struct kit_step k_serve[] = {{KIT_SERVE, NULL, NULL}};

struct scene {
    struct kit_stub *stub;
    fac_cache *cache;
};

static void begin(struct scene *scene, const struct kit_step *first)
{
    const struct kit_step *const scripts[] = {first, k_serve};
    struct kit_stub_options stub_options = {.scripts = scripts, .n_scripts = 2};
    scene->stub = kit_stub_start(&stub_options);
    fac_options options;
    live_point_at(&options, kit_stub_port(scene->stub));
    options.retry_on_timeout = FAC_NO;
    fac_error err;
    scene->cache = NULL;
    assert_status(fac_cache_open(&options, &scene->cache, &err), FAC_OK, &err);
}

static void end(struct scene *scene)
{
    fac_cache_close(scene->cache);
    kit_stub_stop(scene->stub);
}

static void expect_timeout(fac_cache *cache, uint32_t deadline_ms)
{
    fac_error err;
    int64_t before_ms = kit_now_ms();
    live_expect_error(live_try_get(cache, "k", deadline_ms, &err), FAC_E_TIMEOUT, &err);
    assert_in_range(kit_now_ms() - before_ms, deadline_ms - 10, deadline_ms + kit_margin_ms());
}

static void test_stub_time__a_trickle_does_not_prolong(void **state)
{
    (void)state;
    static char trickle[8000];
    memset(trickle, 'x', sizeof(trickle) - 1);
    memcpy(trickle, "$9999\r\n", 7);
    const struct kit_step slow[] = {
        {KIT_EXPECT, "GET", NULL}, {KIT_TRICKLE, trickle, NULL}, {KIT_END, NULL, NULL}};
    struct scene scene;
    begin(&scene, slow);
    expect_timeout(scene.cache, 200);
    live_expect(scene.cache, fac_str("k"), "served");
    end(&scene);
}

static void test_stub_time__pushes_do_not_prolong(void **state)
{
    (void)state;
    static char pushes[8000];
    for (size_t i = 0; i + 8 < sizeof(pushes); i += 8) {
        memcpy(pushes + i, ">1\r\n+a\r\n", 8);
    }
    const struct kit_step slow[] = {
        {KIT_EXPECT, "GET", NULL}, {KIT_TRICKLE, pushes, NULL}, {KIT_END, NULL, NULL}};
    struct scene scene;
    begin(&scene, slow);
    expect_timeout(scene.cache, 200);
    live_expect(scene.cache, fac_str("k"), "served");
    end(&scene);
}

static void test_stub_time__a_late_answer_reaches_nobody(void **state)
{
    (void)state;
    struct kit_gate gate;
    kit_gate_init(&gate);
    const struct kit_step late[] = {{KIT_EXPECT, "GET", NULL},
                                    {KIT_AWAIT, NULL, &gate},
                                    {KIT_SAY, "$5\r\nlate!\r\n", NULL},
                                    {KIT_SERVE, NULL, NULL}};
    struct scene scene;
    begin(&scene, late);
    expect_timeout(scene.cache, 100);
    kit_gate_open(&gate);
    for (int i = 0; i < 20; i++) {
        char buf[16];
        size_t len = 0;
        fac_error err;
        assert_status(
            fac_cache_get_into(scene.cache, fac_str("k"), NULL, buf, sizeof(buf), &len, &err),
            FAC_OK, &err);
        assert_int_equal(len, 6);
        assert_memory_equal(buf, "served", 6);
    }
    end(&scene);
    kit_gate_fini(&gate);
}

static void test_stub_time__a_peer_that_does_not_read(void **state)
{
    (void)state;
    static const struct kit_step k_deaf[] = {
        {KIT_EXPECT, "GET", NULL}, {KIT_SAY, "$1\r\na\r\n", NULL}, {KIT_STALL, NULL, NULL}};
    size_t len = (size_t)32 << 20; /* more than both sides' buffers hold */
    void *large = calloc(1, len);
    assert_non_null(large);
    struct scene scene;
    begin(&scene, k_deaf);
    live_expect(scene.cache, fac_str("k"), "a");
    fac_call call = fac_call_within(300);
    fac_error err;
    int64_t before_ms = kit_now_ms();
    live_expect_error(fac_cache_set(scene.cache, fac_str("k"), fac_mem(large, len),
                                    FAC_TTL_NONE, &call, &err),
                      FAC_E_TIMEOUT, &err);
    assert_in_range(kit_now_ms() - before_ms, 290, 300 + kit_margin_ms());
    assert_true(err.maybe_applied);
    free(large);
    live_expect(scene.cache, fac_str("k"), "served");
    end(&scene);
}

static void test_stub_time__the_callers_buffer_is_left_alone_afterwards(void **state)
{
    (void)state;
    struct kit_gate gate;
    kit_gate_init(&gate);
    const struct kit_step late[] = {{KIT_EXPECT, "GET", NULL},
                                    {KIT_SAY, "$8\r\nhalf", NULL},
                                    {KIT_AWAIT, NULL, &gate},
                                    {KIT_SAY, "more\r\n", NULL},
                                    {KIT_SERVE, NULL, NULL}};
    struct scene scene;
    begin(&scene, late);
    char buf[8];
    size_t len = 777;
    fac_error err;
    fac_call call = fac_call_within(100);
    live_expect_error(
        fac_cache_get_into(scene.cache, fac_str("k"), &call, buf, sizeof(buf), &len, &err),
        FAC_E_TIMEOUT, &err);
    assert_int_equal(len, 777);
    memset(buf, '#', sizeof(buf));
    kit_gate_open(&gate);
    for (int i = 0; i < 5; i++) {
        live_expect(scene.cache, fac_str("k"), "served");
    }
    assert_memory_equal(buf, "########", 8);
    end(&scene);
    kit_gate_fini(&gate);
}

static void test_stub_time__get_into_starts_over_after_half_a_value(void **state)
{
    (void)state;
    static const struct kit_step k_half[] = {
        {KIT_EXPECT, "GET", NULL}, {KIT_SAY, "$300\r\nwrong", NULL}, {KIT_SHUT, NULL, NULL}};
    struct scene scene;
    begin(&scene, k_half);
    char buf[16];
    size_t len = 0;
    fac_error err;
    assert_status(
        fac_cache_get_into(scene.cache, fac_str("k"), NULL, buf, sizeof(buf), &len, &err),
        FAC_OK, &err);
    assert_int_equal(len, 6);
    assert_memory_equal(buf, "served", 6);
    end(&scene);
}

/* --- More than the kernel takes ------------------------------------------------------------- */

enum {
    HELD_VALUE_BYTES = 15000, /* shared with others, just so */
    HELD_MAX = 4000           /* sets: far more than both kernels' buffers hold */
};

/* Does not read until the gate opens, and then finds every value whole. */
static void holds_up(struct kit_stub_conn *conn, void *context)
{
    const struct kit_frame *frame = kit_stub_next(conn);
    if (frame == NULL || !kit_stub_await(conn, context)) {
        return;
    }
    while (frame != NULL) {
        bool is_set = kit_frame_says(frame, 0, "SET");
        if (is_set && (frame->n_args < 3 || frame->args[2].len != HELD_VALUE_BYTES)) {
            kit_stub_blame(conn, "another value came", "");
        }
        frame = kit_stub_answer(conn, frame) ? kit_stub_next(conn) : NULL;
    }
}

struct patient {
    fac_cache *cache;
    fac_status got;
};

static void waits_patiently(size_t index, void *context)
{
    struct patient *patient = context;
    (void)index;
    fac_error err;
    patient->got = live_try_get(patient->cache, "k", 0, &err);
}

/* Catches: the rest of a batch that is lost, or sent twice; one that nobody goes on with. */
static void test_stub_time__what_was_held_up_goes_on_where_it_stopped(void **state)
{
    (void)state;
    struct kit_gate gate;
    kit_gate_init(&gate);
    struct kit_stub_options stub_options = {.fn = holds_up, .context = &gate};
    struct kit_stub *stub = kit_stub_start(&stub_options);
    fac_options options;
    live_point_at(&options, kit_stub_port(stub));
    options.timeout_ms = 3 * LIVE_TIMEOUT_MS; /* long enough to be sure of the connection */
    options.retry_on_timeout = FAC_NO;
    options.max_connections = 1;
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    struct patient patient = {cache, FAC_E_INVALID};
    struct kit_threads *waiter = kit_threads_start(1, waits_patiently, &patient);
    KIT_WAIT_FOR(LIVE_TIMEOUT_MS, kit_stub_commands(stub, "GET") == 1);
    static char value[HELD_VALUE_BYTES];
    memset(value, 'v', sizeof(value));
    fac_call call = fac_call_within(1);
    fac_status st = FAC_E_TIMEOUT;
    size_t n = 0;
    for (; st == FAC_E_TIMEOUT && n < HELD_MAX; n++) {
        st = fac_cache_set(cache, fac_str("s"), fac_mem(value, sizeof(value)), FAC_TTL_NONE,
                           &call, &err);
    }
    assert_status(st, FAC_E_BUSY, &err); /* neither the kernel nor the connection takes more */
    kit_gate_open(&gate);
    kit_threads_join(waiter);
    assert_int_equal(patient.got, FAC_OK);
    live_expect(cache, fac_str("k"), "served");
    assert_int_equal(kit_stub_connections(stub), 1);
    fac_cache_close(cache);
    kit_stub_stop(stub);
    kit_gate_fini(&gate);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_stub_time__a_trickle_does_not_prolong),
    KIT_TEST(test_stub_time__pushes_do_not_prolong),
    KIT_TEST(test_stub_time__a_late_answer_reaches_nobody),
    KIT_TEST(test_stub_time__a_peer_that_does_not_read),
    KIT_TEST(test_stub_time__what_was_held_up_goes_on_where_it_stopped),
    KIT_TEST(test_stub_time__the_callers_buffer_is_left_alone_afterwards),
    KIT_TEST(test_stub_time__get_into_starts_over_after_half_a_value),
};

KIT_MAIN(k_tests)
