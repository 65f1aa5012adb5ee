/* SPDX-License-Identifier: MIT */
/* fault/fuzzing_server_test.c — the whole client against a server that is right, nearly right or
 * silent. A session is a cache of its own, a few connections, four threads of calls. Whatever
 * comes: every call returns in time with a status of its contract, nothing leaks, no value from an
 * honest connection reaches a caller who did not ask for it, and a second cache on a healthy
 * server notices nothing.
 *
 * A failure names its session: FAC_TEST_SEED=… fault_fuzzing_server_test TEST SESSION starts with
 * that one. FAC_TEST_SCALE=500000 makes it a million sessions. */
#include "fault/fuzzing_server.h"
#include "fault/late.h"
#include "kit/kit.h"
#include "kit/memory.h"
#include "kit/procwatch.h"
#include "kit/wait.h"

#include <faciliter/cache.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SESSIONS = 200,
    THREADS = 4,
    CALLS = 6, /* of one thread in one session */
    DEADLINE_MAX_MS = 24,
    DEADLINE_OFTEN_MS = 6, /* most are short: the waiting is what a session costs */
    HEALTHY_MS = 20000,    /* a busy machine is no failure */
    PATIENCE_MS = 60000,
    LATE_MAX_MS = 1000, /* beyond the deadline: what is later hangs */
    CONTROLS = 2,
    CONTROL_WAIT_MS = 5,
    KEY_BYTES = 24,
    MANY_MAX = 8,
    UNWRITTEN = 0xA5, /* what a new block of memory holds */
};

#define PREFIX "p:"

struct world {
    fac_cache *fuzzed;
    fac_cache *healthy;
    uint64_t seed;
    bool closes;  /* this session is closed while its calls run */
    bool is_over; /* there is no further session */
    struct late_control *control;
    pthread_barrier_t begin;
    pthread_barrier_t end;
    pthread_mutex_t lock; /* guards the problem */
    char problem[256];
    atomic_size_t n_ok;
    atomic_size_t n_misses;
    atomic_size_t n_timeouts;
    atomic_size_t n_protocol;
    atomic_size_t n_other;
};

/* One thread's part of a session. */
struct caller {
    struct world *world;
    uint64_t random;
    fac_call call;
    fac_error err;
};

static void blame(struct world *world, const char *what, const char *detail)
{
    (void)pthread_mutex_lock(&world->lock);
    if (world->problem[0] == '\0') {
        (void)snprintf(world->problem, sizeof(world->problem), "%.60s: %.180s", what, detail);
    }
    (void)pthread_mutex_unlock(&world->lock);
}

static size_t below(struct caller *caller, size_t n)
{
    return (size_t)(kit_random(&caller->random) % n);
}

static fac_bytes make_key(struct caller *caller, char *key)
{
    int len = snprintf(key, KEY_BYTES, "k%zu", below(caller, 1000));
    return fac_mem(key, (size_t)len);
}

/* A value of an honest connection says for which key it is. Of any, each byte was received: no lie
 * has three such bytes side by side. */
static void check_value(struct caller *caller, fac_bytes key, fac_bytes value)
{
    static const unsigned char k_unwritten[] = {UNWRITTEN, UNWRITTEN, UNWRITTEN};
    if (memmem(value.data, value.len, k_unwritten, sizeof(k_unwritten)) != NULL) {
        blame(caller->world, "bytes that nobody wrote", "in a value");
    }
    char want[KEY_BYTES + 8];
    int len = snprintf(want, sizeof(want), "H:" PREFIX "%.*s", (int)key.len,
                       (const char *)key.data);
    bool is_honest = value.len >= 2 && memcmp(value.data, "H:", 2) == 0;
    if (is_honest && (value.len != (size_t)len || memcmp(value.data, want, value.len) != 0)) {
        char detail[128];
        (void)snprintf(detail, sizeof(detail), "%.*s for %s (%zu bytes)",
                       (int)(value.len < 40 ? value.len : 40), (const char *)value.data, want,
                       value.len);
        blame(caller->world, "a value of another call", detail);
    }
}

/* --- Calls ----------------------------------------------------------------------------------- */

static fac_status call_get(struct caller *caller, fac_cache *cache)
{
    char room[KEY_BYTES];
    fac_bytes key = make_key(caller, room);
    if (below(caller, 3) == 0) {
        char buf[64];
        memset(buf, UNWRITTEN, sizeof(buf));
        size_t len = 0;
        fac_status st = fac_cache_get_into(cache, key, &caller->call, buf, sizeof(buf), &len,
                                           &caller->err);
        if (st == FAC_OK) {
            check_value(caller, key, fac_mem(buf, len));
        }
        return st;
    }
    fac_value *value = NULL;
    fac_status st = fac_cache_get(cache, key, &caller->call, &value, &caller->err);
    if (st == FAC_OK) {
        check_value(caller, key, fac_value_bytes(value));
        fac_value_unref(value);
    } else if (value != NULL) {
        blame(caller->world, "a value without FAC_OK", fac_status_name(st));
    }
    return st;
}

static fac_status call_get_many(struct caller *caller)
{
    char room[MANY_MAX][KEY_BYTES];
    fac_bytes keys[MANY_MAX];
    fac_value *values[MANY_MAX];
    fac_status statuses[MANY_MAX];
    size_t n = 1 + below(caller, MANY_MAX);
    for (size_t i = 0; i < n; i++) {
        keys[i] = make_key(caller, room[i]);
    }
    fac_status st = fac_cache_get_many(caller->world->fuzzed, keys, n, &caller->call, values,
                                       statuses, &caller->err);
    for (size_t i = 0; i < n; i++) {
        if ((statuses[i] == FAC_OK) != (values[i] != NULL)) {
            blame(caller->world, "a value without FAC_OK", fac_status_name(statuses[i]));
        }
        if (values[i] != NULL) {
            check_value(caller, keys[i], fac_value_bytes(values[i]));
            fac_value_unref(values[i]);
        }
    }
    return st;
}

static fac_status call_set_many(struct caller *caller)
{
    char room[MANY_MAX][KEY_BYTES];
    fac_item items[MANY_MAX];
    fac_bytes keys[MANY_MAX];
    fac_status statuses[MANY_MAX];
    size_t n = 1 + below(caller, MANY_MAX);
    for (size_t i = 0; i < n; i++) {
        keys[i] = make_key(caller, room[i]);
        items[i] = (fac_item){keys[i], fac_str("v"), 5000};
    }
    if (below(caller, 2) == 0) {
        return fac_cache_delete_many(caller->world->fuzzed, keys, n, &caller->call, statuses,
                                     &caller->err);
    }
    return fac_cache_set_many(caller->world->fuzzed, items, n, &caller->call, statuses,
                              &caller->err);
}

static fac_status call_command(struct caller *caller)
{
    char key[KEY_BYTES];
    char whole[KEY_BYTES + 4];
    fac_bytes name = make_key(caller, key);
    int len = snprintf(whole, sizeof(whole), PREFIX "%.*s", (int)name.len, key);
    fac_bytes args[] = {fac_str("ECHO"), fac_mem(whole, (size_t)len)};
    fac_reply *reply = NULL;
    fac_status st = fac_cache_command(caller->world->fuzzed, args, 2, &caller->call, &reply,
                                      &caller->err);
    if (st == FAC_OK) {
        check_value(caller, name, fac_reply_bytes(reply));
        fac_reply_free(reply);
    }
    return st;
}

static fac_status call_rest(struct caller *caller)
{
    fac_cache *cache = caller->world->fuzzed;
    char room[KEY_BYTES];
    fac_bytes key = make_key(caller, room);
    int64_t number = 0;
    fac_health health;
    switch (below(caller, 10)) {
    case 0:
        return fac_cache_set(cache, key, fac_str("v"), FAC_TTL_NONE, &caller->call,
                             &caller->err);
    case 1:
        return fac_cache_set(cache, key, fac_str("v"), 5000, &caller->call, &caller->err);
    case 2:
        return fac_cache_add(cache, key, fac_str("v"), 5000, &caller->call, &caller->err);
    case 3:
        return fac_cache_delete(cache, key, &caller->call, &caller->err);
    case 4:
        return fac_cache_exists(cache, key, &caller->call, &caller->err);
    case 5:
        return fac_cache_ttl(cache, key, &caller->call, &number, &caller->err);
    case 6:
        return fac_cache_touch(cache, key, below(caller, 2) == 0 ? 5000 : FAC_TTL_NONE,
                               &caller->call, &caller->err);
    case 7:
        return fac_cache_increment(cache, key, 1, 5000, &caller->call, &number, &caller->err);
    case 8:
        return fac_cache_clear(cache, &caller->call, NULL, &caller->err);
    default:
        return fac_cache_health(cache, &caller->call, &health, sizeof(health), &caller->err);
    }
}

/* Whether a call on a fuzzed server may return this. */
static bool is_in_contract(const struct world *world, fac_status st)
{
    switch (st) {
    case FAC_OK:
    case FAC_MISS:
    case FAC_EXISTS:
    case FAC_SMALL:
    case FAC_E_UNAVAILABLE:
    case FAC_E_TIMEOUT:
    case FAC_E_BUSY:
    case FAC_E_AUTH:
    case FAC_E_SERVER:
    case FAC_E_PROTOCOL:
    case FAC_E_TOO_LARGE:
        return true;
    case FAC_E_CLOSED:
        return world->closes;
    case FAC_E_INVALID:
    case FAC_E_CONFIG:
    case FAC_E_NOMEM:
    case FAC_E_UNSUPPORTED:
        break;
    }
    return false;
}

static void count(struct world *world, fac_status st)
{
    atomic_size_t *counter = &world->n_other;
    if (st == FAC_OK) {
        counter = &world->n_ok;
    } else if (st == FAC_MISS) {
        counter = &world->n_misses;
    } else if (st == FAC_E_TIMEOUT) {
        counter = &world->n_timeouts;
    } else if (st == FAC_E_PROTOCOL) {
        counter = &world->n_protocol;
    }
    atomic_fetch_add(counter, 1);
}

/* A call is over a second after its deadline, but for what the machine took: the time that this
 * thread stood in line for a processor, and the worst that befell a thread which only waits. */
static void check_time(struct caller *caller, uint32_t deadline_ms, int64_t took_us,
                       int64_t queued_us)
{
    int64_t machine_us = queued_us + late_control_max_us(caller->world->control);
    int64_t late_us = took_us - (int64_t)deadline_ms * 1000;
    if (late_us - machine_us > (int64_t)LATE_MAX_MS * 1000) {
        char detail[160];
        (void)snprintf(detail, sizeof(detail),
                       "%" PRId64 " us with a deadline of %u ms; %" PRId64 " us of the machine",
                       took_us, deadline_ms, machine_us);
        blame(caller->world, "a call hung", detail);
    }
}

static void call_fuzzed(struct caller *caller)
{
    struct world *world = caller->world;
    size_t max_ms = below(caller, 4) == 0 ? DEADLINE_MAX_MS : DEADLINE_OFTEN_MS;
    uint32_t deadline_ms = 2 + (uint32_t)below(caller, max_ms - 1);
    caller->call = fac_call_within(deadline_ms);
    int64_t begun_us = late_now_us();
    int64_t queued_us = late_queued_us();
    fac_status st = FAC_OK;
    size_t kind = below(caller, 8);
    if (kind < 3) {
        st = call_get(caller, world->fuzzed);
    } else if (kind == 3) {
        st = call_get_many(caller);
    } else if (kind == 4) {
        st = call_set_many(caller);
    } else if (kind == 5) {
        st = call_command(caller);
    } else {
        st = call_rest(caller);
    }
    check_time(caller, deadline_ms, late_now_us() - begun_us, late_queued_us() - queued_us);
    if (!is_in_contract(world, st)) {
        blame(world, fac_status_name(st), caller->err.message);
    }
    count(world, st);
}

static void call_healthy(struct caller *caller)
{
    caller->call = fac_call_within(HEALTHY_MS);
    fac_status st = call_get(caller, caller->world->healthy);
    if (st != FAC_OK && st != FAC_MISS) {
        blame(caller->world, "the healthy cache", caller->err.message);
    }
}

static void run_thread(size_t index, void *context)
{
    struct world *world = context;
    for (;;) {
        (void)pthread_barrier_wait(&world->begin);
        if (world->is_over) {
            return;
        }
        struct caller caller = {.world = world, .random = world->seed + 1 + index};
        (void)kit_random(&caller.random);
        for (size_t i = 0; i < CALLS; i++) {
            call_fuzzed(&caller);
            if (i == CALLS / 2) {
                call_healthy(&caller);
            }
        }
        (void)pthread_barrier_wait(&world->end);
    }
}

/* --- Sessions -------------------------------------------------------------------------------- */

static fac_cache *open_cache(uint16_t port, uint32_t n_connections, uint32_t timeout_ms,
                             const fac_allocator *allocator)
{
    fac_options options;
    fac_options_init(&options);
    options.provider = FAC_REDIS;
    options.open = FAC_OPEN_LAZY;
    options.host = "127.0.0.1";
    options.port = port;
    options.prefix = PREFIX;
    options.max_connections = n_connections;
    options.timeout_ms = timeout_ms;
    options.ignore_environment = true;
    options.allocator = allocator;
    fac_cache *cache = NULL;
    fac_error err;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    return cache;
}

static void run_session(struct world *world, struct fuzzing_server *server)
{
    uint64_t random = world->seed;
    struct kit_memory memory;
    kit_memory_init(&memory);
    memory.filled_with = UNWRITTEN;
    fuzzing_server_reseed(server, kit_random(&random));
    world->closes = kit_random(&random) % 8 == 0;
    world->fuzzed = open_cache(fuzzing_server_port(server), 1 + kit_random(&random) % 4,
                               DEADLINE_MAX_MS, &memory.hook);
    (void)pthread_barrier_wait(&world->begin);
    if (world->closes) {
        fac_cache_close(fac_cache_ref(world->fuzzed));
    }
    (void)pthread_barrier_wait(&world->end);
    fac_cache_unref(world->fuzzed);
    kit_memory_assert_empty(&memory);
}

static void print_counts(struct world *world, size_t n_sessions, uint64_t n_commands)
{
    (void)printf("%zu sessions, %" PRIu64 " commands; calls: %zu ok, %zu misses, %zu timeouts, "
                 "%zu protocol errors, %zu others\n",
                 n_sessions, n_commands, atomic_load(&world->n_ok),
                 atomic_load(&world->n_misses), atomic_load(&world->n_timeouts),
                 atomic_load(&world->n_protocol), atomic_load(&world->n_other));
}

/* A world in which nothing works, or nothing fails, has tested nothing. With deadlines so short
 * that may take some more sessions where the machine is slow. */
static bool has_met_all(struct world *world)
{
    return atomic_load(&world->n_ok) > 0 && atomic_load(&world->n_protocol) > 0;
}

static void test_fuzzing_server__neither_hangs_nor_leaks_nor_crosses(void **state)
{
    (void)state;
    static struct world world;
    uint64_t seed = kit_seed();
    size_t n_descriptors = kit_count_fds();
    struct fuzzing_server *fuzzing = fuzzing_server_start(false);
    struct fuzzing_server *honest = fuzzing_server_start(true);
    (void)pthread_mutex_init(&world.lock, NULL);
    (void)pthread_barrier_init(&world.begin, NULL, THREADS + 1);
    (void)pthread_barrier_init(&world.end, NULL, THREADS + 1);
    world.healthy = open_cache(fuzzing_server_port(honest), 2, HEALTHY_MS, NULL);
    world.control = late_control_start(CONTROLS, CONTROL_WAIT_MS);
    struct kit_threads *threads = kit_threads_start(THREADS, run_thread, &world);

    size_t first = kit_arg(0) != NULL ? strtoul(kit_arg(0), NULL, 10) : 0;
    size_t n_sessions = 0;
    int64_t give_up_at_ms = kit_now_ms() + PATIENCE_MS;
    while (n_sessions < kit_scaled(SESSIONS) ||
           (!has_met_all(&world) && kit_now_ms() < give_up_at_ms)) {
        size_t session = first + n_sessions++;
        world.seed = seed ^ ((session + 1) * UINT64_C(0xd1342543de82ef95));
        run_session(&world, fuzzing);
        if (world.problem[0] != '\0') {
            fail_msg("session %zu: %s", session, world.problem);
        }
    }
    world.is_over = true;
    (void)pthread_barrier_wait(&world.begin);
    kit_threads_join(threads);
    struct lateness machine;
    lateness_init(&machine, 1);
    late_control_stop(world.control, &machine);
    lateness_fini(&machine);
    fac_cache_unref(world.healthy);
    print_counts(&world, n_sessions, fuzzing_server_commands(fuzzing));
    assert_null(fuzzing_server_stop(honest));
    const char *malformed = fuzzing_server_stop(fuzzing);
    if (malformed != NULL) {
        fail_msg("a malformed request: %s", malformed);
    }
    assert_int_equal(kit_count_fds(), n_descriptors);
    assert_true(has_met_all(&world));
    (void)pthread_barrier_destroy(&world.begin);
    (void)pthread_barrier_destroy(&world.end);
    (void)pthread_mutex_destroy(&world.lock);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_fuzzing_server__neither_hangs_nor_leaks_nor_crosses),
};

KIT_MAIN(k_tests)
