/* SPDX-License-Identifier: MIT */
/* Batches that are cut short: what was answered counts, what was not says why. */
#include "kit/kit.h"
#include "kit/stub.h"
#include "live/live.h"

#include <stdio.h>
#include <string.h>

enum {
    N = 5,
    N_ANSWERED = 2
};

enum ending {
    LOSE,  /* the first connection ends after some answers */
    STALL, /* it says nothing more */
    REFUSE /* the item after them gets an error, and the rest an answer */
};

struct scene {
    enum ending ending;
    struct kit_stub *stub;
    fac_cache *cache;
    fac_bytes keys[N];
    fac_item items[N];
    fac_status statuses[N];
    fac_value *values[N];
};

/* "cache:k<i>" has the value "v<i>". */
static void say_value(struct kit_stub_conn *conn, fac_bytes key)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "$2\r\nv%c\r\n",
                   key.len > 0 ? ((const char *)key.data)[key.len - 1] : '?');
    (void)kit_stub_say(conn, text);
}

static void answer_read(struct kit_stub_conn *conn, const struct kit_frame *frame,
                        size_t *n_left)
{
    char head[32];
    if (kit_frame_says(frame, 0, "GET")) {
        say_value(conn, frame->args[1]);
        *n_left -= *n_left > 0 ? 1 : 0;
        return;
    }
    (void)snprintf(head, sizeof(head), "*%zu\r\n", frame->n_args - 1);
    (void)kit_stub_say(conn, head);
    for (size_t i = 1; i<frame->n_args && * n_left> 0; i++, (*n_left)--) {
        say_value(conn, frame->args[i]);
    }
}

static void converse(struct kit_stub_conn *conn, void *context)
{
    const struct scene *scene = context;
    bool is_first = kit_stub_index(conn) == 0;
    size_t n_left = is_first ? N_ANSWERED : SIZE_MAX;
    const struct kit_frame *frame = NULL;
    while (n_left > 0 && (frame = kit_stub_next(conn)) != NULL) {
        if (kit_frame_says(frame, 0, "GET") || kit_frame_says(frame, 0, "MGET")) {
            answer_read(conn, frame, &n_left);
        } else {
            (void)kit_stub_say(conn, kit_frame_says(frame, 0, "SET") ? "+OK\r\n"
                                     : is_first                      ? ":1\r\n"
                                                                     : ":0\r\n");
            n_left--;
        }
    }
    if (n_left > 0) {
        return;
    }
    switch (scene->ending) {
    case LOSE:
        kit_stub_shut(conn);
        break;
    case STALL:
        kit_stub_drain(conn);
        break;
    case REFUSE:
        if (kit_stub_next(conn) != NULL) {
            (void)kit_stub_say(conn, "-OOM not now\r\n");
        }
        while ((frame = kit_stub_next(conn)) != NULL) {
            (void)kit_stub_answer(conn, frame);
        }
        break;
    }
}

static void begin(struct scene *scene, enum ending ending)
{
    static const char *const k_names[N] = {"k0", "k1", "k2", "k3", "k4"};
    memset(scene, 0, sizeof(*scene));
    scene->ending = ending;
    struct kit_stub_options stub_options = {.fn = converse, .context = scene};
    scene->stub = kit_stub_start(&stub_options);
    fac_options options;
    live_point_at(&options, kit_stub_port(scene->stub));
    options.retry_on_timeout = FAC_NO;
    fac_error err;
    assert_status(fac_cache_open(&options, &scene->cache, &err), FAC_OK, &err);
    for (size_t i = 0; i < N; i++) {
        scene->keys[i] = fac_str(k_names[i]);
        scene->items[i] = (fac_item){scene->keys[i], fac_str("v"), FAC_TTL_NONE};
        scene->statuses[i] = FAC_E_BUSY;
    }
}

static void end(struct scene *scene)
{
    for (size_t i = 0; i < N; i++) {
        fac_value_unref(scene->values[i]);
    }
    fac_cache_close(scene->cache);
    kit_stub_stop(scene->stub);
}

static void check_values(const struct scene *scene, size_t n_ok, fac_status rest)
{
    for (size_t i = 0; i < N; i++) {
        char want[8];
        (void)snprintf(want, sizeof(want), "v%zu", i);
        if (i < n_ok) {
            assert_int_equal(scene->statuses[i], FAC_OK);
            assert_string_equal(fac_value_bytes(scene->values[i]).data, want);
        } else {
            assert_int_equal(scene->statuses[i], rest);
            assert_null(scene->values[i]);
        }
    }
}

static void test_stub_batch__get_many_goes_on_elsewhere(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, LOSE);
    fac_error err;
    assert_status(fac_cache_get_many(scene.cache, scene.keys, N, NULL, scene.values,
                                     scene.statuses, &err),
                  FAC_OK, &err);
    check_values(&scene, N, FAC_OK);
    fac_stats stats = live_stats(scene.cache);
    assert_int_equal(stats.hits, N);
    assert_int_equal(stats.misses, 0);
    assert_int_equal(stats.retries, 1);
    end(&scene);
}

static void test_stub_batch__get_many_keeps_what_came_in_time(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, STALL);
    fac_call call = fac_call_within(300);
    fac_error err;
    int64_t before_ms = kit_now_ms();
    live_expect_error(fac_cache_get_many(scene.cache, scene.keys, N, &call, scene.values,
                                         scene.statuses, &err),
                      FAC_E_TIMEOUT, &err);
    assert_in_range(kit_now_ms() - before_ms, 290, 300 + kit_margin_ms());
    assert_false(err.maybe_applied);
    check_values(&scene, N_ANSWERED, FAC_E_TIMEOUT);
    end(&scene);
}

static void test_stub_batch__set_many_goes_on_elsewhere(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, LOSE);
    fac_error err;
    assert_status(fac_cache_set_many(scene.cache, scene.items, N, NULL, scene.statuses, &err),
                  FAC_OK, &err);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(scene.statuses[i], FAC_OK);
    }
    /* What was answered is not sent again. */
    assert_int_equal(kit_stub_commands(scene.stub, "SET"), N);
    assert_int_equal(live_stats(scene.cache).sets, N);
    end(&scene);
}

static void test_stub_batch__set_many_tells_what_is_unknown(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, STALL);
    fac_call call = fac_call_within(300);
    fac_error err;
    live_expect_error(
        fac_cache_set_many(scene.cache, scene.items, N, &call, scene.statuses, &err),
        FAC_E_TIMEOUT, &err);
    assert_true(err.maybe_applied);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(scene.statuses[i], i < N_ANSWERED ? FAC_OK : FAC_E_TIMEOUT);
    }
    assert_int_equal(kit_stub_connections(scene.stub), 1);
    end(&scene);
}

static void test_stub_batch__set_many_with_one_refusal(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, REFUSE);
    fac_error err;
    assert_status(fac_cache_set_many(scene.cache, scene.items, N, NULL, scene.statuses, &err),
                  FAC_OK, &err);
    assert_int_equal(err.status, FAC_E_SERVER);
    assert_string_equal(err.server_code, "OOM");
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(scene.statuses[i], i == N_ANSWERED ? FAC_E_SERVER : FAC_OK);
    }
    assert_int_equal(kit_stub_connections(scene.stub), 1);
    end(&scene);
}

static void test_stub_batch__resent_deletes_are_no_misses(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, LOSE);
    fac_error err;
    assert_status(fac_cache_delete_many(scene.cache, scene.keys, N, NULL, scene.statuses, &err),
                  FAC_OK, &err);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(scene.statuses[i], FAC_OK);
    }
    end(&scene);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_stub_batch__get_many_goes_on_elsewhere),
    KIT_TEST(test_stub_batch__get_many_keeps_what_came_in_time),
    KIT_TEST(test_stub_batch__set_many_goes_on_elsewhere),
    KIT_TEST(test_stub_batch__set_many_tells_what_is_unknown),
    KIT_TEST(test_stub_batch__set_many_with_one_refusal),
    KIT_TEST(test_stub_batch__resent_deletes_are_no_misses),
};

KIT_MAIN(k_tests)
