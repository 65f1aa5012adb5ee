/* SPDX-License-Identifier: MIT */
/* Many threads on few connections: every value reaches the caller that asked for it. */
#include "kit/kit.h"
#include "live/live.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    THREADS = 16,
    KEYS = 64,
    ROUNDS = 400,
    VALUE_MAX_BYTES = 20000
};

struct traffic {
    fac_cache *cache;
    uint64_t seed;
    size_t rounds; /* of each thread; 0: until is_over */
    atomic_size_t n_wrong;
    atomic_size_t n_failed;
    atomic_size_t n_hits;
    atomic_size_t n_done; /* threads that are through */
    atomic_bool is_over;
};

static uint64_t checksum(const unsigned char *bytes, size_t len)
{
    uint64_t hash = 1469598103934665603U; /* FNV-1a */
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * 1099511628211U;
    }
    return hash;
}

/* A value that says whose it is: "key=<n>;" then noise, then a checksum of all before it. */
static size_t make_value(unsigned char *value, size_t key, uint64_t *random)
{
    size_t noise = kit_random(random) % (VALUE_MAX_BYTES - 64);
    if (kit_random(random) % 4 != 0) {
        noise %= 200;
    }
    size_t len = (size_t)snprintf((char *)value, 64, "key=%zu;", key);
    uint64_t byte = kit_random(random);
    for (size_t i = 0; i < noise; i++) {
        value[len++] = (unsigned char)(byte + i * 31);
    }
    uint64_t sum = checksum(value, len);
    memcpy(value + len, &sum, sizeof(sum));
    return len + sizeof(sum);
}

static bool is_value_of(fac_bytes value, size_t key)
{
    char head[64];
    size_t head_len = (size_t)snprintf(head, sizeof(head), "key=%zu;", key);
    uint64_t sum = 0;
    if (value.len < head_len + sizeof(sum) || memcmp(value.data, head, head_len) != 0) {
        return false;
    }
    memcpy(&sum, (const unsigned char *)value.data + value.len - sizeof(sum), sizeof(sum));
    return sum == checksum(value.data, value.len - sizeof(sum));
}

/* Calls that are told at once that the server is away must not take the processor from it. */
static void note_failure(struct traffic *traffic)
{
    (void)atomic_fetch_add(&traffic->n_failed, 1U);
    kit_nap();
}

static void check(struct traffic *traffic, fac_status st, fac_bytes value, size_t key)
{
    if (st < 0) {
        note_failure(traffic);
    } else if (st == FAC_OK) {
        (void)atomic_fetch_add(&traffic->n_hits, 1U);
        if (!is_value_of(value, key)) {
            (void)atomic_fetch_add(&traffic->n_wrong, 1U);
        }
    }
}

static fac_bytes name_of(size_t key, char *text)
{
    (void)snprintf(text, 16, "t:%zu", key);
    return fac_str(text);
}

static void get_some(struct traffic *traffic, uint64_t *random)
{
    enum {
        N = 5
    };
    char names[N][16];
    size_t keys[N];
    fac_bytes asked[N];
    fac_value *values[N];
    fac_status statuses[N];
    for (size_t i = 0; i < N; i++) {
        keys[i] = kit_random(random) % KEYS;
        asked[i] = name_of(keys[i], names[i]);
    }
    fac_status st = fac_cache_get_many(traffic->cache, asked, N, NULL, values, statuses, NULL);
    if (st < 0) {
        note_failure(traffic);
    }
    for (size_t i = 0; i < N; i++) {
        check(traffic, st < 0 ? FAC_MISS : statuses[i], fac_value_bytes(values[i]), keys[i]);
        fac_value_unref(values[i]);
    }
}

static void make_traffic(size_t index, void *context)
{
    struct traffic *traffic = context;
    uint64_t random = traffic->seed + index * 0x9e3779b97f4a7c15U;
    unsigned char *bytes = malloc(VALUE_MAX_BYTES);
    for (size_t round = 0; bytes != NULL; round++) {
        if (traffic->rounds == 0 ? atomic_load(&traffic->is_over) : round == traffic->rounds) {
            break;
        }
        char name[16];
        size_t key = kit_random(&random) % KEYS;
        fac_bytes full = name_of(key, name);
        fac_value *value = NULL;
        size_t len = 0;
        fac_status st = FAC_OK;
        switch (kit_random(&random) % 8) {
        case 0:
        case 1:
            len = make_value(bytes, key, &random);
            st = fac_cache_set(traffic->cache, full, fac_mem(bytes, len), 600000, NULL, NULL);
            check(traffic, st < 0 ? st : FAC_MISS, fac_str(NULL), key);
            break;
        case 2:
            st = fac_cache_delete(traffic->cache, full, NULL, NULL);
            check(traffic, st < 0 ? st : FAC_MISS, fac_str(NULL), key);
            break;
        case 3:
            get_some(traffic, &random);
            break;
        case 4:
        case 5:
            st = fac_cache_get_into(traffic->cache, full, NULL, bytes, VALUE_MAX_BYTES, &len,
                                    NULL);
            check(traffic, st, fac_mem(bytes, len), key);
            break;
        default:
            st = fac_cache_get(traffic->cache, full, NULL, &value, NULL);
            check(traffic, st, fac_value_bytes(value), key);
            fac_value_unref(value);
            break;
        }
    }
    free(bytes);
    (void)atomic_fetch_add(&traffic->n_done, 1U);
}

static void test_server_threads__share_few_connections(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.max_connections = 2;
    live.options.timeout_ms = 60000;
    live_open(&live);
    static struct traffic traffic;
    traffic.cache = live.cache;
    traffic.seed = kit_seed();
    traffic.rounds = kit_scaled(ROUNDS);
    struct kit_threads *threads = kit_threads_start(THREADS, make_traffic, &traffic);
    size_t most = 0;
    while (atomic_load(&traffic.n_done) < THREADS) {
        size_t n = kit_raw_count_clients(live_raw(&live));
        most = n > most ? n : most;
        kit_nap();
    }
    kit_threads_join(threads);
    assert_in_range(most, 0, 3);
    assert_int_equal(atomic_load(&traffic.n_wrong), 0);
    assert_int_equal(atomic_load(&traffic.n_failed), 0);
    assert_true(atomic_load(&traffic.n_hits) > 0);
    fac_stats stats = live_stats(live.cache);
    assert_in_range(stats.connections_open, 1, 2);
    assert_int_equal(stats.connections_idle, stats.connections_open);
    assert_int_equal(stats.calls_in_flight, 0);
    assert_int_equal(stats.calls_waiting, 0);
    assert_in_range(stats.connects, 1, 2);
    assert_int_equal(kit_raw_count_clients(live_raw(&live)), stats.connections_open + 1);
    live_end(&live);
}

static void test_server_threads__never_mix_values_when_connections_die(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.max_connections = 4;
    live_open(&live);
    static struct traffic traffic;
    traffic.cache = live.cache;
    traffic.seed = kit_seed();
    struct kit_threads *threads = kit_threads_start(THREADS, make_traffic, &traffic);
    size_t n_kills = kit_scaled(40);
    for (size_t i = 0; i < n_kills; i++) {
        /* Each time in the middle of traffic that works. */
        size_t before = atomic_load(&traffic.n_hits);
        KIT_WAIT_FOR(LIVE_HEAL_MS, atomic_load(&traffic.n_hits) >= before + 20);
        (void)kit_raw_ask(live_raw(&live), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes",
                          NULL);
    }
    atomic_store(&traffic.is_over, true);
    kit_threads_join(threads);
    /* Calls may fail here; none may be answered with what another asked for. */
    assert_int_equal(atomic_load(&traffic.n_wrong), 0);
    fac_stats stats = live_stats(live.cache);
    assert_int_equal(stats.calls_in_flight, 0);
    assert_int_equal(stats.calls_waiting, 0);
    assert_int_equal(stats.connects, stats.disconnects + stats.connections_open);
    fac_error err;
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(live.cache, "t:0", 0, &err) >= 0);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_server_threads__share_few_connections),
    KIT_TEST(test_server_threads__never_mix_values_when_connections_die),
};

KIT_MAIN(k_tests)
