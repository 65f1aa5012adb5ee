/* SPDX-License-Identifier: MIT */
/* Who has to go: the store against a naive S3-FIFO, and against LRU where scans pass through. */
#include "store/inside.h"

#include "fixture.h"

enum {
    N_KEYS = 160,
    VALUE_BYTES = 4000, /* far more than a page of the queues */
    MAX_SPARED = 32,
};

static char value_bytes[VALUE_BYTES];

static void put_number(struct fixture *fx, size_t i)
{
    char text[32];
    struct faci_key key = numbered_key(text, sizeof(text), "k:", 1000000 + i);
    assert_status(faci_store_set(fx->store, &key, fac_mem(value_bytes, VALUE_BYTES),
                                 FACI_STORE_NO_EXPIRY, FACI_STORE_SET, NULL),
                  FAC_OK, NULL);
}

static bool has_number(struct fixture *fx, size_t i)
{
    char text[32];
    struct faci_key key = numbered_key(text, sizeof(text), "k:", 1000000 + i);
    return faci_store_exists(fx->store, &key) == FAC_OK;
}

static bool get_number(struct fixture *fx, size_t i)
{
    char text[32];
    struct faci_key key = numbered_key(text, sizeof(text), "k:", 1000000 + i);
    fac_value *value = NULL;
    bool is_hit = faci_store_get(fx->store, &key, &value) == FAC_OK;
    fac_value_unref(value);
    return is_hit;
}

/* Whether it stands in main. A newcomer does if some ghost looks like it, which the naive model
 * cannot know. */
static bool is_in_main(struct fixture *fx, size_t i) FACI_NO_LOCK_ANALYSIS
{
    char text[32];
    struct faci_key key = numbered_key(text, sizeof(text), "k:", 1000000 + i);
    struct faci_shard *shard = &fx->store->shards[0];
    struct faci_shard_op op;
    struct faci_spot spot;
    faci_shard_op_begin(&op, shard->env);
    uint64_t hash = faci_hash_key(&shard->env->seed, &key);
    assert_true(faci_shard_find_locked(shard, &op, hash, &key, &spot));
    return faci_page_of(&shard->table.pages, spot.number)->queue == FACI_QUEUE_MAIN;
}

/* S3-FIFO as the paper's pseudo-code has it, on arrays: [0] is the oldest. No key of the test comes
 * back, so there are no ghosts here. */
struct line {
    size_t n;
    size_t keys[N_KEYS];
    unsigned uses[N_KEYS];
};

struct s3 {
    struct line small;
    struct line main;
    uint64_t budget_bytes;
    uint64_t each_bytes;
};

static size_t line_find(const struct line *line, size_t key)
{
    size_t at = 0;
    while (at < line->n && line->keys[at] != key) {
        at++;
    }
    return at;
}

static void line_remove(struct line *line, size_t at)
{
    for (size_t i = at; i + 1 < line->n; i++) {
        line->keys[i] = line->keys[i + 1];
        line->uses[i] = line->uses[i + 1];
    }
    line->n--;
}

static void line_push(struct line *line, size_t key, unsigned uses)
{
    assert_true(line->n < N_KEYS);
    line->keys[line->n] = key;
    line->uses[line->n++] = uses;
}

static void s3_evict(struct s3 *s3)
{
    for (unsigned n_spared = 0;; n_spared++) {
        bool is_small = s3->small.n * s3->each_bytes >= s3->budget_bytes / 10 ||
                        s3->main.n == 0;
        struct line *line = is_small ? &s3->small : &s3->main;
        size_t key = line->keys[0];
        unsigned uses = line->uses[0];
        line_remove(line, 0);
        if (uses == 0 || n_spared == MAX_SPARED) {
            return;
        }
        line_push(&s3->main, key, is_small ? 0 : uses - 1);
    }
}

static struct line *line_of(struct s3 *s3, size_t key, size_t *at)
{
    *at = line_find(&s3->small, key);
    if (*at < s3->small.n) {
        return &s3->small;
    }
    *at = line_find(&s3->main, key);
    return *at < s3->main.n ? &s3->main : NULL;
}

static void test_evict__follows_s3_fifo(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 300 * KIB);
    uint64_t empty_bytes = stats_of(&fx).bytes;
    put_number(&fx, 0);
    struct s3 s3 = {.budget_bytes = 300 * KIB - empty_bytes,
                    .each_bytes = fx.memory.n_bytes - empty_bytes};
    fixture_fini(&fx);
    /* Of the first entry's bytes: what is not index and page. */
    s3.each_bytes = VALUE_BYTES + 1 + 19 + strlen("k:1000000") + sizeof(fac_allocator);
    fixture_init(&fx, 300 * KIB);
    uint64_t random = kit_seed();
    size_t next = 0;
    uint64_t n_evicted = 0;
    for (size_t n = 0; n < kit_scaled(20000); n++) {
        size_t what = (size_t)(kit_random(&random) >> 32) % 100;
        size_t back = 1 + (size_t)(kit_random(&random) >> 32) % 120;
        size_t key = next > back ? next - back : 0;
        size_t at = 0;
        struct line *line = line_of(&s3, key, &at);
        if (what < 30) {
            put_number(&fx, next);
            uint64_t now_evicted = stats_of(&fx).n_evicted;
            line_push(is_in_main(&fx, next) ? &s3.main : &s3.small, next, 0);
            next++;
            for (; n_evicted < now_evicted; n_evicted++) {
                s3_evict(&s3);
            }
        } else if (what < 95) {
            assert_int_equal(get_number(&fx, key), line != NULL);
            if (line != NULL && line->uses[at] < 3) {
                line->uses[at]++;
            }
        } else if (line != NULL) {
            char text[32];
            struct faci_key gone = numbered_key(text, sizeof(text), "k:", 1000000 + key);
            assert_status(faci_store_delete(fx.store, &gone), FAC_OK, NULL);
            line_remove(line, at);
        }
        for (size_t i = next > N_KEYS ? next - N_KEYS : 0; i < next; i++) {
            assert_int_equal(has_number(&fx, i), line_of(&s3, i, &at) != NULL);
        }
    }
    assert_true(n_evicted > 0 || kit_scaled(100) < 100);
    fixture_fini(&fx);
}

/* What comes back soon after it left small has shown that it is wanted: it goes to main, where a
 * scan does not reach it. Newcomers, asked for as often since, do not, but for one that looks like
 * some ghost. Key 0 comes back at once: a bucket has room for two ghosts only. */
static void test_evict__remembers_who_left(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 300 * KIB);
    size_t next = 0;
    while (stats_of(&fx).n_evicted == 0) {
        put_number(&fx, next++);
    }
    assert_false(has_number(&fx, 0));
    put_number(&fx, 0); /* its ghost is there */
    const size_t newcomers = next;
    for (size_t i = 0; i < 200; i++) {
        put_number(&fx, next++);
    }
    assert_true(has_number(&fx, 0));
    unsigned n_stayed = 0;
    for (size_t i = 0; i < 4; i++) {
        n_stayed += has_number(&fx, newcomers + i);
    }
    assert_true(n_stayed <= 1);
    fixture_fini(&fx);
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
        (*n)--;
        for (; at < *n; at++) {
            keys[at] = keys[at + 1];
        }
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
    fixture_init(&fx, 300 * KIB);
    size_t cap = capacity_of(300 * KIB);
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
    fixture_init(&fx, 300 * KIB);
    size_t cap = capacity_of(300 * KIB);
    char text[32];
    for (size_t i = 0; i < cap; i++) {
        struct faci_key key = numbered_key(text, sizeof(text), "k:", 1000000 + i);
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
    static char big[48000];
    assert_status(faci_store_set(fx.store, &key, fac_mem(big, sizeof(big)),
                                 FACI_STORE_NO_EXPIRY, FACI_STORE_SET, NULL),
                  FAC_OK, NULL);
    assert_holds(&fx, &key, fac_mem(big, sizeof(big)));
    assert_account(&fx, 64 * KIB);
    fixture_fini(&fx);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_evict__follows_s3_fifo),
    KIT_TEST(test_evict__remembers_who_left),
    KIT_TEST(test_evict__a_scan_does_not_flush_the_hot_set),
    KIT_TEST(test_evict__takes_the_expired_even_if_visited),
    KIT_TEST(test_evict__spares_the_entry_that_is_written),
};

KIT_MAIN(k_tests)
