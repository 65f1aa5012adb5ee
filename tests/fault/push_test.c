/* SPDX-License-Identifier: MIT */
/* Row A6 with a scripted peer: pushes at every place where one may stand, and none of them is
 * anybody's answer. */
#include "fault/states.h"
#include "kit/kit.h"
#include "kit/replypeer.h"
#include "kit/wait.h"
#include "live/live.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    THREADS = 16,
    KEY_BYTES = 40,
    LONG_BYTES = 20000,
    BURST = 50, /* invalidations in one go */
};

/* What servers push, and what the grammar lets them push. */
static const char *const k_pushes[] = {
    ">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\n1:1\r\n",
    ">2\r\n$10\r\ninvalidate\r\n_\r\n",
    ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n",
    ">4\r\n+pmessage\r\n+p*\r\n+c\r\n$0\r\n\r\n",
    ">1\r\n+pubsub\r\n",
    ">2\r\n+server-cpu-usage\r\n:42\r\n",
    ">3\r\n+a\r\n%1\r\n+k\r\n~2\r\n:1\r\n,1.5\r\n#t\r\n",
    ">2\r\n-ERR pushed\r\n(123456789012345678901234567890\r\n",
};

static char long_push[LONG_BYTES + 64];

static void make_long_push(void)
{
    int head = snprintf(long_push, sizeof(long_push), ">2\r\n+message\r\n$%d\r\n", LONG_BYTES);
    memset(long_push + head, 'p', LONG_BYTES);
    memcpy(long_push + head + LONG_BYTES, "\r\n", 3);
}

struct pusher {
    uint64_t random;
    char before[4 * LONG_BYTES];
    char after[4 * LONG_BYTES];
    atomic_size_t n_pushes;
};

static const char *some_push(struct pusher *pusher)
{
    uint64_t which = kit_random(&pusher->random) % 64;
    return which == 0 ? long_push : k_pushes[which % KIT_COUNT(k_pushes)];
}

static fac_bytes some_pushes(struct pusher *pusher, char *room)
{
    size_t n = kit_random(&pusher->random) % 4;
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        const char *push = some_push(pusher);
        memcpy(room + len, push, strlen(push));
        len += strlen(push);
    }
    (void)atomic_fetch_add(&pusher->n_pushes, n);
    return fac_mem(room, len);
}

/* Before and behind every reply but HELLO's, which is RESP2 until it has been answered. */
static void push_around(struct kit_reply *reply, void *argument)
{
    struct pusher *pusher = argument;
    if (reply->number > 0) {
        reply->before = some_pushes(pusher, pusher->before);
    }
    reply->after = some_pushes(pusher, pusher->after);
    size_t bytes = reply->before.len + reply->bytes.len + reply->after.len;
    if (kit_random(&pusher->random) % 512 == 0) {
        reply->pause_at = kit_random(&pusher->random) % bytes;
        reply->pause_ms = 1;
    }
}

struct callers {
    fac_cache *cache;
    size_t n_calls;
    atomic_bool is_over;
    atomic_size_t n_wrong;
    atomic_size_t n_done;
};

/* The peer mirrors names, so each call knows its answer. */
static bool call_right(fac_cache *cache, size_t thread, size_t number)
{
    char name[KEY_BYTES];
    char buf[KEY_BYTES];
    size_t len = 0;
    bool is_none = number % 5 == 0;
    (void)snprintf(name, sizeof(name), "%s%zu:%zu", is_none ? "none" : "", thread, number);
    fac_bytes key = fac_str(name);
    fac_status want = is_none ? FAC_MISS : FAC_OK;
    switch (number % 4) {
    case 0:
        return fac_cache_exists(cache, key, NULL, NULL) == want;
    case 1:
        return fac_cache_delete(cache, key, NULL, NULL) == want;
    default:
        return fac_cache_get_into(cache, key, NULL, buf, sizeof(buf), &len, NULL) == want &&
               (is_none || (len == key.len && memcmp(buf, name, len) == 0));
    }
}

static void call_all(size_t index, void *argument)
{
    struct callers *callers = argument;
    for (size_t i = 0; i < callers->n_calls && !atomic_load(&callers->is_over); i++) {
        if (!call_right(callers->cache, index, i)) {
            (void)atomic_fetch_add(&callers->n_wrong, 1U);
        }
        (void)atomic_fetch_add(&callers->n_done, 1U);
    }
}

static fac_cache *open_at(struct kit_replypeer *peer)
{
    fac_options options;
    live_point_at(&options, kit_replypeer_port(peer));
    options.prefix = "";
    options.max_connections = 4;
    fac_cache *cache = NULL;
    fac_error err;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    return cache;
}

static void test_push__at_every_boundary_of_replies(void **state)
{
    (void)state;
    make_long_push();
    static struct pusher pusher;
    pusher.random = kit_seed();
    struct kit_replypeer_options options = {
        .fn = push_around, .context = &pusher, .is_mirror = true};
    struct kit_replypeer *peer = kit_replypeer_start(&options);
    struct callers callers = {.cache = open_at(peer), .n_calls = kit_scaled(4000)};
    kit_threads_join(kit_threads_start(THREADS, call_all, &callers));
    assert_int_equal(atomic_load(&callers.n_wrong), 0);
    (void)printf("%zu pushes around %zu replies, %llu connections ended\n",
                 atomic_load(&pusher.n_pushes), kit_replypeer_commands(peer),
                 (unsigned long long)live_stats(callers.cache).disconnects);
    fac_cache_close(callers.cache);
    kit_replypeer_stop(peer);
}

/* A batch reads while it writes: pushes come between the replies of one pipeline. */
static void test_push__at_every_boundary_of_a_batch(void **state)
{
    (void)state;
    enum {
        BATCH = 1000
    };
    make_long_push();
    static struct pusher pusher;
    pusher.random = kit_seed();
    struct kit_replypeer_options options = {
        .fn = push_around, .context = &pusher, .is_mirror = true};
    struct kit_replypeer *peer = kit_replypeer_start(&options);
    fac_cache *cache = open_at(peer);
    static char names[BATCH][KEY_BYTES];
    static fac_bytes keys[BATCH];
    static fac_item items[BATCH];
    static fac_value *values[BATCH];
    static fac_status statuses[BATCH];
    for (size_t round = 0; round < kit_scaled(10); round++) {
        fac_error err;
        for (size_t i = 0; i < BATCH; i++) {
            (void)snprintf(names[i], KEY_BYTES, "%zu:%zu", round, i);
            keys[i] = fac_str(names[i]);
            items[i] = (fac_item){keys[i], keys[i], FAC_TTL_NONE};
        }
        assert_status(fac_cache_set_many(cache, items, BATCH, NULL, statuses, &err), FAC_OK,
                      &err);
        assert_status(fac_cache_get_many(cache, keys, BATCH, NULL, values, statuses, &err),
                      FAC_OK, &err);
        for (size_t i = 0; i < BATCH; i++) {
            assert_int_equal(statuses[i], FAC_OK);
            assert_string_equal(fac_value_bytes(values[i]).data, names[i]);
            fac_value_unref(values[i]);
        }
    }
    fac_cache_close(cache);
    kit_replypeer_stop(peer);
}

static void test_push__while_idle(void **state)
{
    (void)state;
    struct kit_replypeer_options options = {.is_mirror = true};
    struct kit_replypeer *peer = kit_replypeer_start(&options);
    fac_cache *cache = open_at(peer);
    for (size_t i = 0; i < 4 * KIT_COUNT(k_pushes); i++) {
        const char *push = k_pushes[i % KIT_COUNT(k_pushes)];
        for (size_t n = i / KIT_COUNT(k_pushes) + 1; n > 0; n--) {
            kit_replypeer_push(peer, push, strlen(push));
        }
        assert_true(call_right(cache, 0, 3));
        /* What is never sent twice has its connection looked at first. */
        fac_error err;
        kit_replypeer_push(peer, push, strlen(push));
        assert_status(
            fac_cache_increment(cache, fac_str("n"), 1, FAC_TTL_NONE, NULL, NULL, &err), FAC_OK,
            &err);
    }
    /* One that was idle for long is looked at before it is used. */
    int64_t idle_since_ms = kit_now_ms();
    kit_replypeer_push(peer, k_pushes[0], strlen(k_pushes[0]));
    KIT_WAIT_FOR(20000, kit_now_ms() > idle_since_ms + 1200);
    kit_replypeer_push(peer, k_pushes[1], strlen(k_pushes[1]));
    assert_true(call_right(cache, 0, 7));
    assert_int_equal(live_stats(cache).disconnects, 0);
    assert_int_equal(kit_replypeer_connections(peer), 1);
    fac_cache_close(cache);
    kit_replypeer_stop(peer);
}

/* However much was pushed while nobody read, the next call is answered rightly. */
static void test_push__a_megabyte_while_idle(void **state)
{
    (void)state;
    make_long_push();
    struct kit_replypeer_options options = {.is_mirror = true};
    struct kit_replypeer *peer = kit_replypeer_start(&options);
    fac_cache *cache = open_at(peer);
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < 50; i++) {
            kit_replypeer_push(peer, long_push, strlen(long_push));
        }
        for (size_t i = 0; i < 20; i++) {
            assert_true(call_right(cache, round, i));
        }
    }
    fac_cache_close(cache);
    kit_replypeer_stop(peer);
}

static void test_push__invalidations_at_a_high_rate(void **state)
{
    (void)state;
    struct kit_replypeer_options options = {.is_mirror = true};
    struct kit_replypeer *peer = kit_replypeer_start(&options);
    struct callers callers = {.cache = open_at(peer), .n_calls = SIZE_MAX};
    char burst[BURST * KEY_BYTES];
    size_t len = 0;
    for (size_t i = 0; i < BURST; i++) {
        memcpy(burst + len, k_pushes[0], strlen(k_pushes[0]));
        len += strlen(k_pushes[0]);
    }
    struct kit_threads *threads = kit_threads_start(THREADS, call_all, &callers);
    size_t n_pushes = 0;
    size_t want = kit_scaled(100000);
    int64_t before_ms = kit_now_ms();
    while (n_pushes < want) {
        /* No faster than they are read: at least one reply for each burst. */
        size_t n_done = atomic_load(&callers.n_done);
        kit_replypeer_push(peer, burst, len);
        n_pushes += BURST;
        KIT_WAIT_FOR(LIVE_HEAL_MS, atomic_load(&callers.n_done) > n_done);
    }
    int64_t took_ms = kit_now_ms() - before_ms;
    atomic_store(&callers.is_over, true);
    kit_threads_join(threads);
    assert_int_equal(atomic_load(&callers.n_wrong), 0);
    (void)printf("%zu invalidations on each connection in %lld ms, among %zu replies; %llu "
                 "connections ended\n",
                 n_pushes, (long long)took_ms, atomic_load(&callers.n_done),
                 (unsigned long long)live_stats(callers.cache).disconnects);
    fac_cache_close(callers.cache);
    kit_replypeer_stop(peer);
}

/* --- RESP2 has none -------------------------------------------------------------------------- */

struct once {
    bool is_behind;
    atomic_bool is_armed;
};

static void push_once(struct kit_reply *reply, void *argument)
{
    struct once *once = argument;
    if (!reply->is_setup && atomic_exchange(&once->is_armed, false)) {
        fac_bytes *place = once->is_behind ? &reply->after : &reply->before;
        *place = fac_str(k_pushes[0]);
    }
}

static void test_push__is_no_resp2(void **state)
{
    (void)state;
    struct once once = {.is_behind = false};
    struct kit_replypeer_options options = {
        .fn = push_once, .context = &once, .is_resp2 = true, .is_mirror = true};
    struct kit_replypeer *peer = kit_replypeer_start(&options);
    fac_cache *cache = open_at(peer);
    assert_true(call_right(cache, 0, 3));
    fac_error err;
    atomic_store(&once.is_armed, true);
    live_expect_error(live_try_get(cache, "k", 0, &err), FAC_E_PROTOCOL, &err);
    assert_int_equal(live_stats(cache).disconnects, 1);
    assert_true(call_right(cache, 0, 7));
    assert_int_equal(kit_replypeer_connections(peer), 2);
    /* Behind a reply it is found before, or by, the next call; and answers nobody. */
    once.is_behind = true;
    atomic_store(&once.is_armed, true);
    fac_status st = live_try_get(cache, "k", 0, &err);
    assert_true(st == FAC_OK || st == FAC_E_PROTOCOL);
    st = live_try_get(cache, "k", 0, &err);
    assert_true(st == FAC_OK || st == FAC_E_PROTOCOL);
    for (size_t i = 0; i < 10; i++) {
        assert_true(call_right(cache, 0, i));
    }
    assert_int_equal(live_stats(cache).disconnects, 2);
    fac_cache_close(cache);
    kit_replypeer_stop(peer);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_push__at_every_boundary_of_replies),
    KIT_TEST(test_push__at_every_boundary_of_a_batch),
    KIT_TEST(test_push__while_idle),
    KIT_TEST(test_push__a_megabyte_while_idle),
    KIT_TEST(test_push__invalidations_at_a_high_rate),
    KIT_TEST(test_push__is_no_resp2),
};

KIT_MAIN(k_tests)
