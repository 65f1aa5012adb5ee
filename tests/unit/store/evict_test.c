/* SPDX-License-Identifier: MIT */
/* Who has to go: the store against a naive SIEVE, and against LRU where scans pass through. */
#include "fixture.h"

enum {
    N_KEYS = 160,
    VALUE_BYTES = 1000,
};

static char value_bytes[VALUE_BYTES];

static void put_number(struct fixture *fx, size_t i)
{
    char text[32];
    struct faci_key key = numbered_key(text, sizeof(text), "k:", 100000 + i);
    assert_status(faci_store_set(fx->store, &key, fac_mem(value_bytes, VALUE_BYTES),
                                 FACI_STORE_NO_EXPIRY, FACI_STORE_SET, NULL),
                  FAC_OK, NULL);
}

static bool has_number(struct fixture *fx, size_t i)
{
    char text[32];
    struct faci_key key = numbered_key(text, sizeof(text), "k:", 100000 + i);
    return faci_store_exists(fx->store, &key) == FAC_OK;
}

static bool get_number(struct fixture *fx, size_t i)
{
    char text[32];
    struct faci_key key = numbered_key(text, sizeof(text), "k:", 100000 + i);
    fac_value *value = NULL;
    bool is_hit = faci_store_get(fx->store, &key, &value) == FAC_OK;
    fac_value_unref(value);
    return is_hit;
}

/* How many of the equal entries fit. */
static size_t capacity_of(uint64_t budget_bytes)
{
    struct fixture fx;
    fixture_init(&fx, budget_bytes);
    uint64_t empty_bytes = stats_of(&fx).bytes;
    put_number(&fx, 0);
    uint64_t each_bytes = stats_of(&fx).bytes - empty_bytes;
    fixture_fini(&fx);
    return (size_t)((budget_bytes - empty_bytes) / each_bytes);
}

/* SIEVE as the paper's pseudo-code has it, on an array: [0] is the oldest. */
struct sieve {
    size_t cap;
    size_t n;
    size_t keys[N_KEYS];
    bool is_visited[N_KEYS];
    size_t hand;
};

static size_t sieve_find(const struct sieve *sieve, size_t key)
{
    size_t at = 0;
    while (at < sieve->n && sieve->keys[at] != key) {
        at++;
    }
    return at;
}

static void sieve_remove(struct sieve *sieve, size_t at)
{
    for (size_t i = at; i + 1 < sieve->n; i++) {
        sieve->keys[i] = sieve->keys[i + 1];
        sieve->is_visited[i] = sieve->is_visited[i + 1];
    }
    sieve->n--;
    if (sieve->hand > at) {
        sieve->hand--;
    }
    if (sieve->hand >= sieve->n) {
        sieve->hand = 0;
    }
}

static void sieve_put(struct sieve *sieve, size_t key)
{
    size_t at = sieve_find(sieve, key);
    if (at < sieve->n) {
        sieve->is_visited[at] = true;
        return;
    }
    if (sieve->n == sieve->cap) {
        while (sieve->is_visited[sieve->hand]) {
            sieve->is_visited[sieve->hand] = false;
            sieve->hand = (sieve->hand + 1) % sieve->n;
        }
        /* Removing the newest sends the hand back to the oldest. */
        sieve_remove(sieve, sieve->hand);
    }
    sieve->keys[sieve->n] = key;
    sieve->is_visited[sieve->n] = false;
    sieve->n++;
}

static void test_evict__follows_sieve(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 64 * KIB);
    struct sieve sieve = {.cap = capacity_of(64 * KIB)};
    assert_in_range(sieve.cap, 40, N_KEYS / 2);
    uint64_t random = kit_seed();
    for (size_t n = 0; n < kit_scaled(20000); n++) {
        size_t what = (size_t)(kit_random(&random) >> 32) % 100;
        size_t key = (size_t)(kit_random(&random) >> 32) % N_KEYS;
        size_t at = sieve_find(&sieve, key);
        if (what < 45) {
            put_number(&fx, key);
            sieve_put(&sieve, key);
        } else if (what < 95) {
            assert_int_equal(get_number(&fx, key), at < sieve.n);
            if (at < sieve.n) {
                sieve.is_visited[at] = true;
            }
        } else {
            char text[32];
            struct faci_key gone = numbered_key(text, sizeof(text), "k:", 100000 + key);
            assert_status(faci_store_delete(fx.store, &gone), at < sieve.n ? FAC_OK : FAC_MISS,
                          NULL);
            if (at < sieve.n) {
                sieve_remove(&sieve, at);
            }
        }
        for (size_t i = 0; i < N_KEYS; i++) {
            assert_int_equal(has_number(&fx, i), sieve_find(&sieve, i) < sieve.n);
        }
    }
    fixture_fini(&fx);
}

/* Least recently used, oldest first, for comparison. True: a hit. */
static bool lru_use(size_t *keys, size_t *n, size_t cap, size_t key)
{
    size_t at = 0;
    while (at < *n && keys[at] != key) {
        at++;
    }
    bool is_hit = at < *n;
    if (!is_hit && *n == cap) {
        at = 0;
    }
    if (at < *n) {
        memmove(&keys[at], &keys[at + 1], (*n - at - 1) * sizeof(*keys));
        (*n)--;
    }
    keys[(*n)++] = key;
    return is_hit;
}

/* Three of four requests are for keys that never come again; a hot set of half the capacity
 * shares the rest. LRU loses the hot keys before they come round, as FIFO does. */
static void test_evict__a_scan_does_not_flush_the_hot_set(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 64 * KIB);
    size_t cap = capacity_of(64 * KIB);
    size_t n_hot = cap / 2;
    size_t lru[N_KEYS];
    size_t n_lru = 0;
    size_t n_requests = 0;
    size_t n_hits = 0;
    size_t n_lru_hits = 0;
    uint64_t random = kit_seed();
    for (size_t n = 0; n < 40000; n++) {
        bool is_hot = n % 4 == 0;
        size_t key = is_hot ? (size_t)(kit_random(&random) >> 32) % n_hot : 1000 + n;
        bool is_hit = get_number(&fx, key);
        if (!is_hit) {
            put_number(&fx, key);
        }
        bool is_lru_hit = lru_use(lru, &n_lru, cap, key);
        if (is_hot && n > 2000) {
            n_requests++;
            n_hits += is_hit;
            n_lru_hits += is_lru_hit;
        }
    }
    if (n_hits < n_requests * 9 / 10 || n_hits < n_lru_hits * 3 / 2) {
        fail_msg("of %zu: %zu hits, LRU %zu", n_requests, n_hits, n_lru_hits);
    }
    fixture_fini(&fx);
}

/* What expired goes first when the hand meets it, and is not called evicted. */
static void test_evict__takes_the_expired_even_if_visited(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 64 * KIB);
    size_t cap = capacity_of(64 * KIB);
    char text[32];
    for (size_t i = 0; i < cap; i++) {
        struct faci_key key = numbered_key(text, sizeof(text), "k:", 100000 + i);
        assert_status(faci_store_set(fx.store, &key, fac_mem(value_bytes, VALUE_BYTES),
                                     i == 3 ? 10 : 1000000, FACI_STORE_SET, NULL),
                      FAC_OK, NULL);
        assert_true(get_number(&fx, i));
    }
    fx.now_ms += 10;
    put_number(&fx, cap);
    struct faci_store_stats stats = stats_of(&fx);
    assert_int_equal(stats.n_expired, 1);
    assert_int_equal(stats.n_evicted, 0);
    assert_int_equal(stats.n_entries, cap);
    fixture_fini(&fx);
}

/* A counter that grows by a digit in a full shard makes room, but not by leaving itself. */
static void test_evict__spares_the_entry_that_is_written(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 64 * KIB);
    struct faci_key key = key_of("n");
    put(&fx, "n", "9", FACI_STORE_NO_EXPIRY);
    size_t i = 0;
    while (stats_of(&fx).n_evicted == 0) {
        put_number(&fx, i++);
        if (!is_there(&fx, "n")) {
            put(&fx, "n", "9", FACI_STORE_NO_EXPIRY);
        }
    }
    int64_t number = 9;
    for (int digits = 1; digits < 18; digits++) {
        int64_t got = 0;
        assert_status(faci_store_increment(fx.store, &key, number * 9 + 9, 1, &got, NULL),
                      FAC_OK, NULL);
        number = number * 10 + 9;
        assert_true(got == number);
        /* Nothing may be left to spare: fill up to the last byte. */
        static char bytes[2000];
        struct faci_key filler = key_of("f");
        (void)faci_store_delete(fx.store, &filler);
        uint64_t spare = 64 * KIB - stats_of(&fx).bytes;
        if (spare > 200) {
            assert_status(faci_store_set(fx.store, &filler, fac_mem(bytes, (size_t)spare - 150),
                                         FACI_STORE_NO_EXPIRY, FACI_STORE_SET, NULL),
                          FAC_OK, NULL);
        }
        if (!is_there(&fx, "n")) {
            char text[32];
            (void)snprintf(text, sizeof(text), "%lld", (long long)number);
            put(&fx, "n", text, FACI_STORE_NO_EXPIRY);
        }
        assert_account(&fx, 64 * KIB);
    }
    /* Replacing a small value by the largest one drives out all others. */
    static char big[56000];
    assert_status(faci_store_set(fx.store, &key, fac_mem(big, sizeof(big)),
                                 FACI_STORE_NO_EXPIRY, FACI_STORE_SET, NULL),
                  FAC_OK, NULL);
    assert_holds(&fx, &key, fac_mem(big, sizeof(big)));
    assert_account(&fx, 64 * KIB);
    fixture_fini(&fx);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_evict__follows_sieve),
    KIT_TEST(test_evict__a_scan_does_not_flush_the_hot_set),
    KIT_TEST(test_evict__takes_the_expired_even_if_visited),
    KIT_TEST(test_evict__spares_the_entry_that_is_written),
};

KIT_MAIN(k_tests)
