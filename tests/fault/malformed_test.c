/* SPDX-License-Identifier: MIT */
/* Row H8: every malformed reply gives its call a typed error and ends its connection; quickly,
 * without memory, and without anybody else noticing. */
#include "fault/malformed.h"
#include "fault/states.h"
#include "kit/kit.h"
#include "kit/memory.h"
#include "kit/replypeer.h"
#include "kit/wait.h"
#include "live/live.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    CASES_MIN = 2000,
    EXTRA_BYTES_MAX = 1 << 20, /* of memory, at its peak, for one malformed reply */
    TOOK_MAX_US = 10000,       /* more than what a good call takes then */
    TRIES = 8,                 /* on a busy machine any one may be slow */
};

struct rig {
    struct malformed_list list;
    _Atomic(const struct malformed *) now; /* what is said to "bad" */
    struct kit_replypeer *peer;
    struct kit_memory memory; /* of the attacked handle */
    fac_cache *healthy;
    fac_cache *attacked;
    int64_t took_us;    /* of the last bad call, */
    int64_t control_us; /* and of a good one just behind it */
    size_t peak_bytes;
    int64_t worst_us; /* of the best tries */
    size_t n_late;
};

static void say_malformed(struct kit_reply *reply, void *argument)
{
    struct rig *rig = argument;
    if (reply->is_setup || !kit_frame_says(reply->frame, 1, "bad")) {
        return;
    }
    const struct malformed *now = atomic_load(&rig->now);
    reply->keep = 0;
    reply->instead = fac_mem(now->bytes, now->len);
    reply->then = now->is_cut ? KIT_REPLY_FIN : KIT_REPLY_GO_ON;
}

static int64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static fac_cache *open_at(struct rig *rig, bool is_attacked)
{
    fac_options options;
    live_point_at(&options, kit_replypeer_port(rig->peer));
    options.prefix = "";
    options.allocator = is_attacked ? &rig->memory.hook : NULL;
    fac_cache *cache = NULL;
    fac_error err;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    return cache;
}

static bool expect_good(fac_cache *cache)
{
    char buf[8];
    size_t len = 0;
    return fac_cache_get_into(cache, fac_str("good"), NULL, buf, sizeof(buf), &len, NULL) ==
               FAC_OK &&
           len == 4 && memcmp(buf, "good", 4) == 0;
}

static fac_status ask_bad(fac_cache *cache, bool is_get, fac_error *err)
{
    const fac_bytes args[] = {fac_str("ECHO"), fac_str("bad")};
    fac_reply *reply = NULL;
    fac_value *value = NULL;
    fac_status st = is_get ? fac_cache_get(cache, args[1], NULL, &value, err)
                           : fac_cache_command(cache, args, 2, NULL, &reply, err);
    fac_value_unref(value);
    fac_reply_free(reply);
    return st;
}

static bool is_expected(const struct malformed *now, fac_status got)
{
    return now->is_cut ? got == FAC_E_UNAVAILABLE
                       : got == FAC_E_PROTOCOL || got == FAC_E_TOO_LARGE;
}

static void show(const struct malformed *now, bool is_get)
{
    (void)fprintf(stderr, "%s, to %s: ", now->why, is_get ? "GET" : "a command");
    for (size_t i = 0; i < now->len && i < 80; i++) {
        unsigned char byte = now->bytes[i];
        (void)fprintf(stderr, byte > ' ' && byte < 0x7f ? "%c" : "\\x%02x", byte);
    }
    (void)fprintf(stderr, "\n");
}

/* One malformed reply to a fresh handle; asserts all but how long it took. */
static void attack(struct rig *rig, const struct malformed *now, bool is_get)
{
    atomic_store(&rig->now, now);
    rig->attacked = open_at(rig, true);
    assert_true(expect_good(rig->attacked));
    size_t before_bytes = atomic_load(&rig->memory.n_bytes);
    atomic_store(&rig->memory.peak_bytes, before_bytes);

    fac_error err;
    int64_t start_us = now_us();
    fac_status got = ask_bad(rig->attacked, is_get, &err);
    rig->took_us = now_us() - start_us;
    size_t extra_bytes = atomic_load(&rig->memory.peak_bytes) - before_bytes;
    start_us = now_us();
    bool is_healthy = expect_good(rig->healthy);
    rig->control_us = now_us() - start_us;

    uint64_t n_ended = live_stats(rig->attacked).disconnects;
    if (!is_expected(now, got) || extra_bytes > EXTRA_BYTES_MAX || n_ended == 0) {
        show(now, is_get);
        fail_msg("got %s (%s), %zu bytes of memory, %d connections ended", fac_status_name(got),
                 err.message, extra_bytes, (int)n_ended);
    }
    assert_int_equal(err.status, got);
    assert_true(err.message[0] != '\0');
    assert_true(is_healthy);
    rig->peak_bytes = extra_bytes > rig->peak_bytes ? extra_bytes : rig->peak_bytes;
    KIT_WAIT_FOR(LIVE_HEAL_MS, expect_good(rig->attacked));
    fac_cache_close(rig->attacked);
}

static void attack_in_time(struct rig *rig, const struct malformed *now, bool is_get)
{
    bool is_plain = !kit_is_sanitized(); /* they are slow in their own way */
    int64_t best_us = INT64_MAX;
    for (size_t i = 0; i < TRIES; i++) {
        attack(rig, now, is_get);
        int64_t extra_us = rig->took_us - rig->control_us;
        best_us = extra_us < best_us ? extra_us : best_us;
        if (best_us <= TOOK_MAX_US || !is_plain) {
            break;
        }
        rig->n_late++;
    }
    if (is_plain && best_us > TOOK_MAX_US) {
        show(now, is_get);
        fail_msg("took %lld us more than a good call", (long long)best_us);
    }
    rig->worst_us = best_us > rig->worst_us ? best_us : rig->worst_us;
}

static void begin(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    malformed_make(&rig->list);
    kit_memory_init(&rig->memory);
    struct kit_replypeer_options options = {
        .fn = say_malformed, .context = rig, .is_mirror = true};
    rig->peer = kit_replypeer_start(&options);
    rig->healthy = open_at(rig, false);
}

static void end(struct rig *rig)
{
    fac_stats stats = live_stats(rig->healthy);
    assert_int_equal(stats.errors, 0);
    assert_int_equal(stats.disconnects, 0);
    assert_int_equal(stats.connects, 1);
    /* Each connection that was attacked has been closed. */
    KIT_WAIT_FOR(LIVE_HEAL_MS, kit_replypeer_open(rig->peer) == 1);
    fac_cache_close(rig->healthy);
    kit_replypeer_stop(rig->peer);
    kit_memory_assert_empty(&rig->memory);
    malformed_free(&rig->list);
}

/* A GET would try again when its connection ends; what begins as another type is told before. */
static bool is_for_get(const struct malformed *one)
{
    return !one->is_cut || one->len == 0 || one->bytes[0] == '$';
}

/* Every `stride`-th of the list, from a place that the seed chooses. */
static void run(bool is_get, size_t stride)
{
    static struct rig rig;
    begin(&rig);
    assert_true(rig.list.n >= CASES_MIN);
    size_t n = 0;
    uint64_t random = kit_seed();
    for (size_t i = kit_random(&random) % stride; i < rig.list.n; i += stride) {
        if (!is_get || is_for_get(&rig.list.each[i])) {
            attack_in_time(&rig, &rig.list.each[i], is_get);
            n++;
        }
    }
    (void)printf(
        "%zu malformed replies, at most %zu bytes of memory and %lld us more than a good "
        "call; %zu were tried again\n",
        n, rig.peak_bytes, (long long)rig.worst_us, rig.n_late);
    end(&rig);
}

static void test_malformed__replies_to_a_command(void **state)
{
    (void)state;
    run(false, 1);
}

static void test_malformed__replies_to_a_get(void **state)
{
    (void)state;
    run(true, 4);
}

/* Callers of the same handle keep getting answers while one connection after another is lost. */
struct bystanders {
    fac_cache *cache;
    atomic_bool is_over;
    atomic_size_t n_right;
    atomic_size_t n_wrong;
    atomic_size_t n_failed;
};

static void get_good(size_t index, void *argument)
{
    struct bystanders *all = argument;
    char key[32];
    char buf[32];
    size_t len = 0;
    for (size_t i = 0; !atomic_load(&all->is_over); i++) {
        (void)snprintf(key, sizeof(key), "%zu:%zu", index, i);
        fac_status st = fac_cache_get_into(all->cache, fac_str(key), NULL, buf, sizeof(buf),
                                           &len, NULL);
        bool is_right = st == FAC_OK && len == strlen(key) && memcmp(buf, key, len) == 0;
        atomic_size_t *counter = st < 0 ? &all->n_failed : &all->n_wrong;
        (void)atomic_fetch_add(is_right ? &all->n_right : counter, 1U);
    }
}

static void test_malformed__replies_among_other_calls(void **state)
{
    (void)state;
    enum {
        THREADS = 8
    };
    static struct rig rig;
    begin(&rig);
    fac_options options;
    live_point_at(&options, kit_replypeer_port(rig.peer));
    options.prefix = "";
    fault_without_breaker(&options);
    struct bystanders all = {.cache = NULL};
    fac_error err;
    assert_status(fac_cache_open(&options, &all.cache, &err), FAC_OK, &err);
    struct kit_threads *threads = kit_threads_start(THREADS, get_good, &all);
    uint64_t random = kit_seed();
    size_t n = kit_scaled(300);
    for (size_t i = 0; i < n; i++) {
        const struct malformed *now = &rig.list.each[kit_random(&random) % rig.list.n];
        atomic_store(&rig.now, now);
        fac_status got = ask_bad(all.cache, false, &err);
        /* With others on the connection, what killed it may be what came before or behind, and
         * the next one may not stand yet; never is it an answer. */
        if (got != FAC_E_PROTOCOL && got != FAC_E_TOO_LARGE && got != FAC_E_UNAVAILABLE) {
            show(now, true);
            fail_msg("got %s (%s)", fac_status_name(got), err.message);
        }
        size_t n_right = atomic_load(&all.n_right);
        KIT_WAIT_FOR(LIVE_HEAL_MS, atomic_load(&all.n_right) > n_right);
    }
    atomic_store(&all.is_over, true);
    kit_threads_join(threads);
    assert_int_equal(atomic_load(&all.n_wrong), 0);
    (void)printf(
        "%zu malformed replies among %zu right ones; %zu calls lost their connection\n", n,
        atomic_load(&all.n_right), atomic_load(&all.n_failed));
    fac_cache_close(all.cache);
    end(&rig);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_malformed__replies_to_a_command),
    KIT_TEST(test_malformed__replies_to_a_get),
    KIT_TEST(test_malformed__replies_among_other_calls),
};

KIT_MAIN(k_tests)
