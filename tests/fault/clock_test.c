/* SPDX-License-Identifier: MIT */
/* Row K: clocks that jump, and times to live that hold. */
#include "fault/talk.h"
#include "kit/kit.h"
#include "kit/stub.h"
#include "kit/sysfault.h"
#include "live/live.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define YEAR_NS (INT64_C(365) * 86400 * 1000000000)

enum {
    HOUR_MS = 3600 * 1000,
    TTL_TOLERANCE_MS = 50,
    KEY_BYTES = 32
};

/* --- The wall clock -------------------------------------------------------------------------- */

struct stepping {
    atomic_bool is_over;
    atomic_size_t n_steps;
};

/* A year back, a year on, ten times a second. */
static void step_wall_clock(size_t index, void *context)
{
    struct stepping *stepping = context;
    (void)index;
    while (!atomic_load(&stepping->is_over)) {
        size_t step = atomic_fetch_add(&stepping->n_steps, 1U);
        kit_sysfault_shift_clock(CLOCK_REALTIME, step % 2 == 0 ? YEAR_NS : -YEAR_NS);
        int64_t next_ms = kit_now_ms() + 100;
        while (kit_now_ms() < next_ms && !atomic_load(&stepping->is_over)) {
            kit_nap();
        }
    }
    kit_sysfault_shift_clock(CLOCK_REALTIME, 0);
}

/* A deadline passes when it should: neither early nor late. */
static void expect_deadline(struct live *live, uint32_t deadline_ms)
{
    fac_error err;
    int64_t before_ms = kit_now_ms();
    fac_status st = live_try_get(live->cache, "k", deadline_ms, &err);
    int64_t took_ms = kit_now_ms() - before_ms;
    assert_true(st == FAC_E_TIMEOUT || st == FAC_E_UNAVAILABLE);
    if (st == FAC_E_TIMEOUT) {
        assert_in_range(took_ms, deadline_ms - 1, deadline_ms + kit_margin_ms());
    }
}

/* What was given an hour at `begun_ms` has what is left of it. */
static void expect_left(fac_cache *cache, int64_t begun_ms)
{
    fac_error err;
    int64_t left_ms = 0;
    assert_status(fac_cache_ttl(cache, fac_str("hour"), NULL, &left_ms, &err), FAC_OK, &err);
    assert_in_range(left_ms, HOUR_MS - (kit_now_ms() - begun_ms) - TTL_TOLERANCE_MS, HOUR_MS);
}

static void test_clock__wall_clock_steps_change_nothing(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    fac_cache *store = NULL;
    fac_error err;
    fac_options options;
    fac_options_init(&options);
    options.ignore_environment = true;
    options.provider = FAC_MEMORY;
    assert_status(fac_cache_open(&options, &store, &err), FAC_OK, &err);
    int64_t begun_ms = kit_now_ms();
    assert_status(fac_cache_set(store, fac_str("hour"), fac_str("v"), HOUR_MS, NULL, &err),
                  FAC_OK, &err);
    assert_status(fac_cache_set(live.cache, fac_str("hour"), fac_str("v"), HOUR_MS, NULL, &err),
                  FAC_OK, &err);
    struct stepping stepping = {false, 0};
    struct kit_threads *stepper = kit_threads_start(1, step_wall_clock, &stepping);
    struct talk talk = {.cache = live.cache, .name = "w"};
    struct talk local = {.cache = store, .name = "w"};
    size_t n_steps = kit_scaled(10); /* the row's ten minutes at a scale of 60,000 */
    while (atomic_load(&stepping.n_steps) < n_steps) {
        talk_round(&talk);
        talk_round(&local);
        expect_left(store, begun_ms);
        expect_left(live.cache, begun_ms);
    }
    talk_assert_true_values(&talk);
    talk_assert_true_values(&local);
    assert_int_equal(talk_count_errors(&talk), 0);
    assert_int_equal(talk_count_other(&local, (fac_status[]){FAC_E_UNSUPPORTED, FAC_OK}), 0);
    kit_server_pause(live.server);
    for (size_t i = 0; i < kit_scaled(4); i++) {
        expect_deadline(&live, 150);
    }
    kit_server_resume(live.server);
    atomic_store(&stepping.is_over, true);
    kit_threads_join(stepper);
    fac_cache_close(store);
    live_end(&live);
}

/* Times to live run while the machine sleeps. */
static void test_clock__sleep_of_the_machine_expires_entries(void **state)
{
    (void)state;
    struct live live;
    fac_error err;
    live_start(&live, NULL);
    live.options = (fac_options){0};
    fac_options_init(&live.options);
    live.options.ignore_environment = true;
    live.options.provider = FAC_MEMORY;
    live.options.allocator = &live.memory.hook;
    live_open(&live);
    assert_status(
        fac_cache_set(live.cache, fac_str("short"), fac_str("v"), 3600 * 1000, NULL, &err),
        FAC_OK, &err);
    assert_status(fac_cache_set(live.cache, fac_str("long"), fac_str("v"),
                                INT64_C(48) * 3600 * 1000, NULL, &err),
                  FAC_OK, &err);
    live_set(live.cache, fac_str("for ever"), "v");
    kit_sysfault_shift_clock(CLOCK_BOOTTIME, INT64_C(24) * 3600 * 1000000000);
    live_expect_miss(live.cache, fac_str("short"));
    int64_t left_ms = 0;
    assert_status(fac_cache_ttl(live.cache, fac_str("long"), NULL, &left_ms, &err), FAC_OK,
                  &err);
    assert_in_range(left_ms, INT64_C(24) * 3600 * 1000 - kit_margin_ms(),
                    INT64_C(24) * 3600 * 1000);
    live_expect(live.cache, fac_str("long"), "v");
    kit_sysfault_shift_clock(CLOCK_BOOTTIME, YEAR_NS);
    live_expect_miss(live.cache, fac_str("long"));
    live_expect(live.cache, fac_str("for ever"), "v");
    kit_sysfault_shift_clock(CLOCK_BOOTTIME, 0);
    live_end(&live);
}

/* --- Times to live --------------------------------------------------------------------------- */

static fac_bytes name_key(char *key, size_t i)
{
    (void)snprintf(key, KEY_BYTES, "k%zu", i);
    return fac_str(key);
}

/* What the server has of a key, behind the library's back. */
static int64_t ask_pttl(struct live *live, const char *key)
{
    char name[KEY_BYTES + 8];
    (void)snprintf(name, sizeof(name), "cache:%s", key);
    return kit_raw_ask_number(live_raw(live), "PTTL", name);
}

/* One write with a time to live, by one of the verbs that give one. */
static fac_status write_ttl(fac_cache *cache, size_t how, fac_bytes key, int64_t ttl_ms,
                            fac_error *err)
{
    fac_item item = {key, fac_str("v"), ttl_ms};
    fac_status st = FAC_OK;
    switch (how % 5) {
    case 0:
        return fac_cache_set(cache, key, fac_str("v"), ttl_ms, NULL, err);
    case 1:
        return fac_cache_add(cache, key, fac_str("v"), ttl_ms, NULL, err);
    case 2:
        return fac_cache_increment(cache, key, 1, ttl_ms, NULL, NULL, err);
    case 3:
        st = fac_cache_set_many(cache, &item, 1, NULL, &st, err);
        return st;
    default:
        st = fac_cache_set(cache, key, fac_str("v"), FAC_TTL_NONE, NULL, err);
        return st == FAC_OK ? fac_cache_touch(cache, key, ttl_ms, NULL, err) : st;
    }
}

static void test_clock__ttl_arrives_as_given(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    uint64_t random = kit_seed();
    int64_t worst_ms = 0;
    size_t n_keys = kit_scaled(3000); /* the row's 10^5 at a scale of 3400 */
    for (size_t i = 0; i < n_keys; i++) {
        char key[KEY_BYTES];
        fac_error err;
        int64_t ttl_ms = 20000 + (int64_t)(kit_random(&random) %
                                           (UINT64_C(1) << (15 + kit_random(&random) % 24)));
        int64_t before_ms = kit_now_ms();
        assert_status(write_ttl(live.cache, i, name_key(key, i), ttl_ms, &err), FAC_OK, &err);
        int64_t left_ms = ask_pttl(&live, key);
        /* It was given between then and now: what the control clock saw pass is no error. */
        int64_t lateness_ms = kit_now_ms() - before_ms;
        int64_t lost_ms = ttl_ms - left_ms;
        if (lost_ms < -1 || lost_ms > TTL_TOLERANCE_MS + lateness_ms) {
            fail_msg("key %zu: %" PRId64 " ms were given, %" PRId64 " are left", i, ttl_ms,
                     left_ms);
        }
        worst_ms = lost_ms - lateness_ms > worst_ms ? lost_ms - lateness_ms : worst_ms;
    }
    (void)printf("%zu keys, at worst %" PRId64 " ms beyond the control\n", n_keys, worst_ms);
    live_end(&live);
}

struct writing {
    fac_cache *cache;
    atomic_bool is_over;
    atomic_size_t n_written;
};

static void write_on(size_t index, void *context)
{
    struct writing *writing = context;
    for (size_t i = 0; !atomic_load(&writing->is_over); i++) {
        char key[KEY_BYTES];
        fac_error err;
        /* Every verb but the one that has to store without a time to live first. */
        fac_bytes name = name_key(key, index * 1000 + i % 1000);
        if (write_ttl(writing->cache, i % 4, name, 600000, &err) == FAC_OK) {
            (void)atomic_fetch_add(&writing->n_written, 1U);
        }
    }
}

static void test_clock__cuts_leave_no_key_without_ttl(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    (void)live_raw(&live);
    struct writing writing = {.cache = live.cache};
    struct kit_threads *writers = kit_threads_start(4, write_on, &writing);
    size_t n_cuts = kit_scaled(1500); /* the row's 10^5 at a scale of 6700 */
    size_t n_cut = 0;
    while (n_cut < n_cuts) {
        const char *killed = kit_raw_ask(live_raw(&live), "CLIENT", "KILL", "TYPE", "normal",
                                         "SKIPME", "yes", NULL);
        assert_true(killed[0] != '-');
        n_cut += strtoul(killed, NULL, 10);
        /* One after another within a handshake would be an outage, and outages back off. */
        size_t n_before = atomic_load(&writing.n_written);
        KIT_WAIT_FOR(LIVE_HEAL_MS, atomic_load(&writing.n_written) > n_before);
    }
    atomic_store(&writing.is_over, true);
    kit_threads_join(writers);
    size_t n_keys = 0;
    for (size_t i = 0; i < 4000; i++) {
        char key[KEY_BYTES];
        (void)name_key(key, i);
        int64_t left_ms = ask_pttl(&live, key);
        if (left_ms == -1) {
            fail_msg("%s has no time to live", key);
        }
        n_keys += left_ms > 0 ? 1U : 0U;
    }
    assert_true(n_keys > 0);
    (void)printf("%zu cuts, %zu writes, %zu keys\n", n_cut, atomic_load(&writing.n_written),
                 n_keys);
    live_end(&live);
}

static void test_clock__impossible_ttls_are_refused_here(void **state)
{
    (void)state;
    static const int64_t k_refused[] = {
        0,
        -2,
        -3,
        -1000,
        INT64_MIN,
        INT64_MIN + 1,
        INT64_C(315360000001),
        INT64_MAX,
        INT64_MAX - 1,
        INT64_C(1) << 53,
        -(INT64_C(1) << 32),
        INT64_C(0xffffffffffff),
    };
    struct kit_stub_options stub_options = {0};
    static const struct kit_step k_serve[] = {{.kind = KIT_SERVE}};
    const struct kit_step *const scripts[] = {k_serve};
    stub_options.scripts = scripts;
    stub_options.n_scripts = 1;
    struct kit_stub *stub = kit_stub_start(&stub_options);
    fac_options options;
    fac_cache *cache = NULL;
    fac_error err;
    live_point_at(&options, kit_stub_port(stub));
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    size_t n_sent = kit_stub_commands(stub, NULL);
    for (size_t i = 0; i < KIT_COUNT(k_refused); i++) {
        int64_t ttl_ms = k_refused[i];
        if (ttl_ms == FAC_TTL_NONE || ttl_ms == FAC_TTL_DEFAULT) {
            continue;
        }
        for (size_t how = 0; how < 4; how++) {
            fac_status item = FAC_OK;
            fac_item one = {fac_str("k"), fac_str("v"), ttl_ms};
            fac_status st = how == 3 ? fac_cache_set_many(cache, &one, 1, NULL, &item, &err)
                                     : write_ttl(cache, how, fac_str("k"), ttl_ms, &err);
            assert_status(how == 3 ? item : st, FAC_E_INVALID, &err);
        }
        assert_status(fac_cache_touch(cache, fac_str("k"), ttl_ms, NULL, &err), FAC_E_INVALID,
                      &err);
    }
    assert_int_equal(kit_stub_commands(stub, NULL), n_sent);
    fac_cache_close(cache);
    kit_stub_stop(stub);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_clock__wall_clock_steps_change_nothing),
    KIT_TEST(test_clock__sleep_of_the_machine_expires_entries),
    KIT_TEST(test_clock__ttl_arrives_as_given),
    KIT_TEST(test_clock__cuts_leave_no_key_without_ttl),
    KIT_TEST(test_clock__impossible_ttls_are_refused_here),
};

KIT_MAIN(k_tests)
