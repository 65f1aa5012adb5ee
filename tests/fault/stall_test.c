/* SPDX-License-Identifier: MIT */
/* Rows B2, B5 and B6: peers that answer a byte at a time, that never read, and that never answer.
 * Deadlines hold, memory is bounded, and the connection is given up on time. */
#include "fault/callers.h"
#include "fault/crowd.h"
#include "fault/late.h"
#include "kit/kit.h"
#include "kit/stub.h"
#include "live/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRICKLERS = 8,
    TRICKLE_DEADLINE_MS = 100,
    TRICKLE_MS = 1200,
    TRICKLE_PAUSE_MS = 10,
    TRICKLE_TIMEOUT_MS = 4000,

    LARGE_BYTES = 64 << 20,
    LARGE_DEADLINE_MS = 300,
    CAP_BYTES = 64 << 20, /* requests under way, of one connection */
    SMALL_CALLERS = 24,
    SMALL_DEADLINE_MS = 4,
    BATCH = 1000, /* small SETs at a time: the bound of what is under way is soon reached */
    BATCH_DEADLINE_MS = 20,
    SMALL_CONTROLS = 16,
    SMALL_CALLS = 20000, /* the row's 10^6 at a scale of 5000 */
    SMALL_MAX_MS = 4000, /* of each 100 of scale, at most */
    BUSY_P99_US = 1000,

    FILLERS = 16,
    FILL_BYTES = 15000, /* with its frame less than what travels alone */
    FILL_DEADLINE_MS = 5,
    FILL_CALLS = 5000,       /* 75 MB: more than any kernel takes for a peer that never reads */
    FILL_TIMEOUT_MS = 60000, /* the connection is not given up meanwhile */
    REFUSALS = 2000,
    GATHERED_BYTES =
        4 << 20, /* 1 MiB that is sent and 1 MiB that gathers, in buffers that double */

    SUBMITTERS = 16,
    SUBMIT_DEADLINE_MS = 40,
    STALL_TIMEOUT_MS = 600,
    STALL_SLACK_US = 50000,
    STALL_ROUNDS = 3
};

static fac_cache *open_on(struct kit_stub *stub, uint32_t timeout_ms, uint32_t max_connections,
                          const fac_allocator *allocator)
{
    fac_options options;
    live_point_at(&options, kit_stub_port(stub));
    options.timeout_ms = timeout_ms;
    options.max_connections = max_connections;
    options.allocator = allocator;
    callers_without_breaker(&options);
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    return cache;
}

/* --- B2 -------------------------------------------------------------------------------------- */

static void trickle(struct kit_stub_conn *conn, void *context)
{
    (void)context;
    const struct kit_frame *frame = kit_stub_next(conn);
    if (frame == NULL || !kit_stub_say(conn, "$1048576\r\n")) {
        return;
    }
    while (kit_stub_send(conn, "x", 1)) {
        late_pass_ms(TRICKLE_PAUSE_MS);
    }
}

static bool trickle_once(fac_cache *cache)
{
    struct callers callers = {
        .cache = cache, .deadline_ms = TRICKLE_DEADLINE_MS, .is_reading_only = true};
    struct lateness control_late;
    lateness_init(&control_late, TRICKLERS * (TRICKLE_MS / TRICKLE_DEADLINE_MS + 2));
    callers_start(&callers, TRICKLERS);
    struct late_control *control = late_control_start(TRICKLERS, TRICKLE_DEADLINE_MS);
    callers_record(&callers, true);
    late_pass_ms(TRICKLE_MS);
    callers_stop(&callers);
    late_control_stop(control, &control_late);
    assert_int_equal(atomic_load(&callers.n_ok), 0);
    assert_int_equal(atomic_load(&callers.n_other) + atomic_load(&callers.n_auth), 0);
    assert_true(atomic_load(&callers.late.full.n) >= TRICKLERS);
    bool is_good = late_is_within_bars("trickle", &callers.late, &control_late);
    lateness_fini(&control_late);
    callers_fini(&callers);
    return is_good;
}

/* Catches: a time limit of each read, that every byte renews. */
static void test_stall__b2_trickled_reply(void **state)
{
    (void)state;
    struct kit_stub_options stub_options = {.fn = trickle};
    struct kit_stub *stub = kit_stub_start(&stub_options);
    bool is_good = false;
    for (int round = 0; round < LATE_ROUNDS && !is_good; round++) {
        fac_cache *cache = open_on(stub, TRICKLE_TIMEOUT_MS, 50, NULL);
        is_good = trickle_once(cache);
        fac_cache_close(cache);
    }
    assert_true(is_good);
    kit_stub_stop(stub);
}

/* --- B5 -------------------------------------------------------------------------------------- */

/* Answers what sets up a connection, to its last command, and reads nothing after that. */
static void never_read(struct kit_stub_conn *conn, void *context)
{
    (void)context;
    const struct kit_frame *frame = kit_stub_next(conn);
    bool is_last = false;
    while (frame != NULL && !is_last) {
        bool is_hello = kit_frame_says(frame, 0, "HELLO");
        is_last = kit_frame_says(frame, 2, "LIB-VER");
        (void)kit_stub_say(conn, is_hello ? "%4\r\n$6\r\nserver\r\n$5\r\nredis\r\n"
                                            "$7\r\nversion\r\n$5\r\n7.0.0\r\n"
                                            "$5\r\nproto\r\n:3\r\n"
                                            "$4\r\nrole\r\n$6\r\nmaster\r\n"
                                          : "+OK\r\n");
        frame = is_last ? NULL : kit_stub_next(conn);
    }
    kit_stub_stall(conn);
}

struct large {
    fac_cache *cache;
    fac_bytes value;
    struct lateness late;
    atomic_bool must_stop;
    atomic_size_t n_unexpected;
};

static void store_large(size_t index, void *context)
{
    (void)index;
    struct large *large = context;
    fac_call call = fac_call_within(LARGE_DEADLINE_MS);
    while (!atomic_load(&large->must_stop)) {
        int64_t queued_us = late_queued_us();
        int64_t began_us = late_now_us();
        fac_status st = fac_cache_set(large->cache, fac_str("large"), large->value,
                                      FAC_TTL_NONE, &call, NULL);
        int64_t late_us = late_now_us() - began_us - (int64_t)LARGE_DEADLINE_MS * 1000;
        if (late_us >= 0) {
            lateness_add(&large->late, late_us, late_queued_us() - queued_us);
        }
        if (st != FAC_E_TIMEOUT && st != FAC_E_UNAVAILABLE && st != FAC_E_BUSY) {
            (void)atomic_fetch_add(&large->n_unexpected, 1U);
        }
        if (late_us < 0) {
            kit_nap();
        }
    }
}

/* Leaves a thousand requests at a time. */
static void store_batches(size_t index, void *context)
{
    (void)index;
    struct large *large = context;
    fac_call call = fac_call_within(BATCH_DEADLINE_MS);
    fac_item items[BATCH];
    fac_status statuses[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        items[i] = (fac_item){fac_str("small"), fac_str("v"), FAC_TTL_NONE};
    }
    while (!atomic_load(&large->must_stop)) {
        fac_status st = fac_cache_set_many(large->cache, items, BATCH, &call, statuses, NULL);
        if (st != FAC_E_TIMEOUT && st != FAC_E_UNAVAILABLE && st != FAC_E_BUSY) {
            (void)atomic_fetch_add(&large->n_unexpected, 1U);
        }
        if (st != FAC_E_TIMEOUT) {
            kit_nap();
        }
    }
}

static bool never_read_once(struct large *large, struct callers *callers)
{
    struct lateness control_late;
    lateness_init(&control_late, 1 << 18);
    lateness_init(&large->late, 1024);
    atomic_store(&large->must_stop, false);
    struct kit_threads *storing = kit_threads_start(1, store_large, large);
    struct kit_threads *batching = kit_threads_start(1, store_batches, large);
    callers_start(callers, SMALL_CALLERS);
    struct late_control *control = late_control_start(SMALL_CONTROLS, SMALL_DEADLINE_MS);
    callers_record(callers, true);
    int64_t until_ms = kit_now_ms() + (int64_t)kit_scaled(SMALL_MAX_MS);
    while (atomic_load(&callers->n_calls) < kit_scaled(SMALL_CALLS) &&
           kit_now_ms() < until_ms) {
        kit_nap();
    }
    callers_stop(callers);
    late_control_stop(control, &control_late);
    atomic_store(&large->must_stop, true);
    kit_threads_join(storing);
    kit_threads_join(batching);
    assert_int_equal(atomic_load(&callers->n_ok), 0);
    assert_int_equal(atomic_load(&callers->n_other) + atomic_load(&callers->n_auth), 0);
    assert_int_equal(atomic_load(&large->n_unexpected), 0);

    bool is_good = late_is_within_bars("large SET, not read", &large->late, &control_late);
    is_good = late_is_within_bars("GET, not read", &callers->late, &control_late) && is_good;
    int64_t busy_us = late_permille(&callers->busy, 990);
    (void)fprintf(stderr, "busy: %zu calls, p99 %lld us\n", atomic_load(&callers->busy.n),
                  (long long)busy_us);
    lateness_fini(&large->late);
    lateness_fini(&control_late);
    return is_good && (kit_is_sanitized() || busy_us <= BUSY_P99_US);
}

/* Catches: a send that blocks past the deadline; requests of callers that have left, kept without
 * a bound; a copy of a large value for each try; a caller that waits where it has to be refused. */
static void test_stall__b5_peer_that_never_reads(void **state)
{
    (void)state;
    struct kit_stub_options stub_options = {.fn = never_read, .is_bare = true};
    char *bytes = malloc(LARGE_BYTES);
    assert_non_null(bytes);
    memset(bytes, 'v', LARGE_BYTES);
    bool is_good = false;
    for (int round = 0; round < LATE_ROUNDS && !is_good; round++) {
        struct kit_stub *stub = kit_stub_start(&stub_options);
        struct kit_memory memory;
        kit_memory_init(&memory);
        fac_cache *cache = open_on(stub, LIVE_TIMEOUT_MS, 4, &memory.hook);
        struct large large = {.cache = cache, .value = fac_mem(bytes, LARGE_BYTES)};
        struct callers callers = {
            .cache = cache, .deadline_ms = SMALL_DEADLINE_MS, .is_reading_only = true};
        size_t before_bytes = crowd_resident_bytes();
        is_good = never_read_once(&large, &callers);
        size_t after_bytes = crowd_resident_bytes();
        size_t peak_bytes = atomic_load(&memory.peak_bytes);
        (void)fprintf(stderr, "the library's memory at its peak: %zu bytes; resident %+lld\n",
                      peak_bytes, (long long)after_bytes - (long long)before_bytes);
        assert_true(peak_bytes <= CAP_BYTES + CAP_BYTES / 10);
        assert_true(kit_is_sanitized() ||
                    after_bytes <= before_bytes + CAP_BYTES + CAP_BYTES / 10);
        callers_fini(&callers);
        fac_cache_close(cache);
        kit_memory_assert_empty(&memory);
        kit_stub_stop(stub);
    }
    assert_true(is_good);
    free(bytes);
}

struct fillers {
    fac_cache *cache;
    struct late busy;
    atomic_size_t n_calls;
    atomic_size_t n_unexpected;
};

/* Leaves requests behind until the connection has no room for more, and goes on. */
static void fill(size_t index, void *context)
{
    (void)index;
    struct fillers *fillers = context;
    static const char k_value[FILL_BYTES];
    fac_call call = fac_call_within(FILL_DEADLINE_MS);
    while (atomic_load(&fillers->busy.n) < kit_scaled(REFUSALS) &&
           atomic_fetch_add(&fillers->n_calls, 1U) < FILL_CALLS + 2 * kit_scaled(REFUSALS)) {
        int64_t began_us = late_now_us();
        int64_t queued_us = late_queued_us();
        fac_status st = fac_cache_set(fillers->cache, fac_str("k"),
                                      fac_mem(k_value, FILL_BYTES), FAC_TTL_NONE, &call, NULL);
        if (st == FAC_E_BUSY) {
            late_add(&fillers->busy, late_now_us() - began_us - (late_queued_us() - queued_us));
            kit_nap();
        } else if (st != FAC_E_TIMEOUT) {
            (void)atomic_fetch_add(&fillers->n_unexpected, 1U);
        }
    }
}

/* Catches: bytes of callers that have left, gathered without a bound; a caller that waits for room
 * instead of being told. */
static void test_stall__b5_who_finds_no_room_is_told_at_once(void **state)
{
    (void)state;
    struct kit_stub_options stub_options = {.fn = never_read, .is_bare = true};
    bool is_good = false;
    for (int round = 0; round < LATE_ROUNDS && !is_good; round++) {
        struct kit_stub *stub = kit_stub_start(&stub_options);
        struct kit_memory memory;
        kit_memory_init(&memory);
        struct fillers fillers = {.cache = open_on(stub, FILL_TIMEOUT_MS, 1, &memory.hook)};
        late_init(&fillers.busy, 2 * kit_scaled(REFUSALS) + FILLERS);
        kit_threads_join(kit_threads_start(FILLERS, fill, &fillers));
        assert_int_equal(atomic_load(&fillers.n_unexpected), 0);
        int64_t p99_us = late_permille(&fillers.busy, 990);
        (void)fprintf(
            stderr, "refused: %zu calls, p99 after %lld us; memory %zu bytes at most\n",
            atomic_load(&fillers.busy.n), (long long)p99_us, atomic_load(&memory.peak_bytes));
        assert_true(atomic_load(&fillers.busy.n) >= kit_scaled(REFUSALS));
        assert_true(atomic_load(&memory.peak_bytes) <= GATHERED_BYTES);
        is_good = kit_is_sanitized() || p99_us <= BUSY_P99_US;
        late_fini(&fillers.busy);
        fac_cache_close(fillers.cache);
        kit_memory_assert_empty(&memory);
        kit_stub_stop(stub);
    }
    assert_true(is_good);
}

/* --- B6 -------------------------------------------------------------------------------------- */

/* Reads everything and answers nothing: the socket always takes what comes later. */
static void never_answer(struct kit_stub_conn *conn, void *context)
{
    (void)context;
    if (kit_stub_next(conn) != NULL) {
        kit_stub_drain(conn);
    }
}

/* How long after the first request the connection was given up. */
static bool give_up_once(struct kit_stub *stub)
{
    fac_cache *cache = open_on(stub, STALL_TIMEOUT_MS, 1, NULL);
    struct callers callers = {
        .cache = cache, .deadline_ms = SUBMIT_DEADLINE_MS, .is_reading_only = true};
    struct lateness control_late;
    lateness_init(&control_late, 1 << 16);
    struct late_control *control = late_control_start(SUBMITTERS, SUBMIT_DEADLINE_MS);
    int64_t began_us = late_now_us();
    callers_start(&callers, SUBMITTERS);
    callers_record(&callers, true);
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_stats(cache).disconnects >= 1);
    int64_t took_us = late_now_us() - began_us;
    callers_stop(&callers);
    int64_t machine_us = late_control_max_us(control);
    late_control_stop(control, &control_late);
    (void)fprintf(stderr, "given up after %lld us, the machine adds up to %lld us\n",
                  (long long)took_us, (long long)machine_us);
    assert_int_equal(atomic_load(&callers.n_ok), 0);
    /* The callers' own deadlines are no reason. */
    assert_true(took_us >= (int64_t)STALL_TIMEOUT_MS * 1000);
    bool is_good = late_is_within_bars("no answer", &callers.late, &control_late);
    int64_t slow_us = kit_is_sanitized() ? kit_margin_ms() * 1000 : 0;
    lateness_fini(&control_late);
    callers_fini(&callers);
    fac_cache_close(cache);
    return is_good &&
           took_us <= (int64_t)STALL_TIMEOUT_MS * 1000 + STALL_SLACK_US + machine_us + slow_us;
}

/* Catches: a stall clock that a later request, or a later write, sets back; one that only runs
 * while somebody waits to the end; a connection that dies of one caller's short deadline. */
static void test_stall__b6_submissions_do_not_postpone_the_end(void **state)
{
    (void)state;
    struct kit_stub_options stub_options = {.fn = never_answer};
    struct kit_stub *stub = kit_stub_start(&stub_options);
    for (size_t i = 0; i < STALL_ROUNDS; i++) {
        bool is_good = false;
        for (int round = 0; round < LATE_ROUNDS && !is_good; round++) {
            is_good = give_up_once(stub);
        }
        assert_true(is_good);
    }
    kit_stub_stop(stub);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_stall__b2_trickled_reply),
    KIT_TEST(test_stall__b5_peer_that_never_reads),
    KIT_TEST(test_stall__b5_who_finds_no_room_is_told_at_once),
    KIT_TEST(test_stall__b6_submissions_do_not_postpone_the_end),
};

KIT_MAIN(k_tests)
