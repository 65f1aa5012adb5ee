/* SPDX-License-Identifier: MIT */
/* Many threads on few keys: no value is ever torn, no step of a counter lost, no lock given to
 * two. What goes wrong in a thread is counted there and asserted after the join. */
#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum {
    N_THREADS = 8,
    N_KEYS = 6,
    N_VALUE_KEYS = 24,
    MAX_VALUE_BYTES = 9000, /* beyond what is copied under the lock */
};

struct crowd {
    struct fixture fx;
    pthread_barrier_t barrier;
    size_t n_rounds;
    atomic_size_t n_wrong;
    atomic_size_t n_added;
    atomic_size_t n_hits;
    atomic_size_t n_counted[N_KEYS];
};

struct worker {
    struct crowd *crowd;
    uint64_t random;
    pthread_t thread;
};

typedef void *work_fn(void *worker);

/* Lets others run at each allocation: wherever the store allocates between a look and an act,
 * another thread gets in. */
static void yield_twice(void *observer, size_t bytes)
{
    (void)observer;
    (void)bytes;
    (void)sched_yield();
    (void)sched_yield();
}

static void open_crowd(struct crowd *crowd, uint64_t budget_bytes, size_t n_rounds)
{
    memset(crowd, 0, sizeof(*crowd));
    crowd->n_rounds = n_rounds;
    fixture_init(&crowd->fx, budget_bytes);
    crowd->fx.memory.before_allocate = yield_twice;
}

static void run_crowd(struct crowd *crowd, work_fn *work)
{
    struct worker workers[N_THREADS];
    assert_int_equal(pthread_barrier_init(&crowd->barrier, NULL, N_THREADS), 0);
    for (size_t i = 0; i < N_THREADS; i++) {
        workers[i].crowd = crowd;
        workers[i].random = kit_seed() + i * 0x9e3779b97f4a7c15U;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    }
    (void)pthread_barrier_destroy(&crowd->barrier);
    assert_int_equal(crowd->n_wrong, 0);
}

static size_t pick(struct worker *worker, size_t n)
{
    return (size_t)(kit_random(&worker->random) >> 32) % n;
}

/* A value that tells whose it is: its key and a stamp, over and over. */
static size_t describe(struct worker *worker, size_t key, unsigned char *bytes)
{
    size_t n_words = pick(worker, pick(worker, 4) == 0 ? MAX_VALUE_BYTES / 8 : 16);
    uint64_t word = (uint64_t)key << 56 | kit_random(&worker->random) >> 8;
    for (size_t i = 0; i < n_words; i++) {
        memcpy(bytes + i * 8, &word, 8);
    }
    return n_words * 8;
}

static bool describes(fac_bytes bytes, size_t key)
{
    const unsigned char *at = bytes.data;
    for (size_t i = 0; i < bytes.len; i += 8) {
        uint64_t word = 0;
        memcpy(&word, at + i, 8);
        if (word >> 56 != key || memcmp(at, at + i, 8) != 0) {
            return false;
        }
    }
    return bytes.len % 8 == 0;
}

static bool read_is_sound(struct worker *worker, const struct faci_key *key, size_t i)
{
    struct crowd *crowd = worker->crowd;
    if (pick(worker, 2) == 0) {
        fac_value *value = NULL;
        if (faci_store_get(crowd->fx.store, key, &value) != FAC_OK) {
            return true;
        }
        (void)atomic_fetch_add(&crowd->n_hits, 1U);
        bool is_sound = describes(fac_value_bytes(value), i);
        fac_value_unref(value);
        return is_sound;
    }
    unsigned char buf[MAX_VALUE_BYTES];
    size_t len = 0;
    fac_status st = faci_store_get_into(crowd->fx.store, key, buf, sizeof(buf), &len);
    return st == FAC_MISS || (st == FAC_OK && describes(fac_mem(buf, len), i));
}

static bool write_is_sound(struct worker *worker, const struct faci_key *key, size_t i)
{
    struct faci_store *store = worker->crowd->fx.store;
    unsigned char buf[MAX_VALUE_BYTES];
    fac_bytes bytes = fac_mem(buf, describe(worker, i, buf));
    switch (pick(worker, 6)) {
    case 0:
        return faci_store_delete(store, key) >= 0;
    case 1:
        return faci_store_touch(store, key, 1000) >= 0;
    case 2:
        return faci_store_set(store, key, bytes, 1000, FACI_STORE_ADD, NULL) >= 0;
    default:
        return faci_store_set(store, key, bytes, FACI_STORE_NO_EXPIRY, FACI_STORE_SET, NULL) ==
               FAC_OK;
    }
}

static void *read_and_write(void *arg)
{
    struct worker *worker = arg;
    struct crowd *crowd = worker->crowd;
    for (size_t n = 0; n < crowd->n_rounds; n++) {
        char text[32];
        size_t i = pick(worker, N_VALUE_KEYS);
        struct faci_key key = numbered_key(text, sizeof(text), "k:", i);
        bool is_sound = true;
        if (n % 512 == 0) {
            uint64_t cursor = 0;
            uint64_t n_scanned = 0;
            uint64_t n_removed = 0;
            faci_store_clear(crowd->fx.store, fac_str("k:1"), 50, &cursor, &n_scanned,
                             &n_removed);
        } else if (n % 64 == 0) {
            struct faci_store_stats stats;
            faci_store_stats(crowd->fx.store, &stats);
            is_sound = stats.bytes <= 64 * KIB;
        } else {
            is_sound = n % 2 == 0 ? read_is_sound(worker, &key, i)
                                  : write_is_sound(worker, &key, i);
        }
        if (!is_sound) {
            (void)atomic_fetch_add(&crowd->n_wrong, 1U);
        }
    }
    return NULL;
}

static void test_threads__never_see_a_torn_value(void **state)
{
    (void)state;
    static struct crowd crowd;
    open_crowd(&crowd, 64 * KIB,
               kit_scaled(40000)); /* too small for all: they evict each other */
    run_crowd(&crowd, read_and_write);
    assert_true(crowd.n_hits > 0);
    assert_account(&crowd.fx, 64 * KIB);
    fixture_fini(&crowd.fx);
}

static void *count_up(void *arg)
{
    struct worker *worker = arg;
    struct crowd *crowd = worker->crowd;
    int64_t last[N_KEYS] = {0};
    for (size_t n = 0; n < crowd->n_rounds; n++) {
        char text[32];
        size_t i = pick(worker, N_KEYS);
        struct faci_key key = numbered_key(text, sizeof(text), "n:", i);
        int64_t number = 0;
        fac_status st = faci_store_increment(crowd->fx.store, &key, 1, FACI_STORE_NO_EXPIRY,
                                             &number, NULL);
        if (st != FAC_OK || number <= last[i]) {
            (void)atomic_fetch_add(&crowd->n_wrong, 1U);
        } else {
            (void)atomic_fetch_add(&crowd->n_counted[i], 1U);
        }
        last[i] = number;
    }
    return NULL;
}

static void test_threads__lose_no_increment(void **state)
{
    (void)state;
    static struct crowd crowd;
    open_crowd(&crowd, 64 * MIB, kit_scaled(40000));
    run_crowd(&crowd, count_up);
    for (size_t i = 0; i < N_KEYS; i++) {
        char text[32];
        struct faci_key key = numbered_key(text, sizeof(text), "n:", i);
        int64_t number = -1;
        assert_status(faci_store_increment(crowd.fx.store, &key, 0, 1, &number, NULL), FAC_OK,
                      NULL);
        assert_int_equal(number, crowd.n_counted[i]);
    }
    assert_account(&crowd.fx, 64 * MIB);
    fixture_fini(&crowd.fx);
}

static void *race_to_add(void *arg)
{
    struct worker *worker = arg;
    struct crowd *crowd = worker->crowd;
    for (size_t n = 0; n < crowd->n_rounds; n++) {
        char text[32];
        struct faci_key key = numbered_key(text, sizeof(text), "lock:", n);
        (void)pthread_barrier_wait(&crowd->barrier);
        fac_status st = faci_store_set(crowd->fx.store, &key, fac_str("mine"),
                                       FACI_STORE_NO_EXPIRY, FACI_STORE_ADD, NULL);
        if (st == FAC_OK) {
            (void)atomic_fetch_add(&crowd->n_added, 1U);
        } else if (st != FAC_EXISTS) {
            (void)atomic_fetch_add(&crowd->n_wrong, 1U);
        }
        (void)pthread_barrier_wait(&crowd->barrier);
        if (atomic_load(&crowd->n_added) != n + 1) {
            (void)atomic_fetch_add(&crowd->n_wrong, 1U);
        }
    }
    return NULL;
}

static void test_threads__add_once(void **state)
{
    (void)state;
    static struct crowd crowd;
    open_crowd(&crowd, MIB, kit_scaled(2000));
    run_crowd(&crowd, race_to_add);
    assert_int_equal(crowd.n_added, crowd.n_rounds);
    fixture_fini(&crowd.fx);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_threads__never_see_a_torn_value),
    KIT_TEST(test_threads__lose_no_increment),
    KIT_TEST(test_threads__add_once),
};

KIT_MAIN(k_tests)
