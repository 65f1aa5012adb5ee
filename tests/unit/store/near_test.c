/* SPDX-License-Identifier: MIT */
/* What a cache in front of a server needs of the store: tokens, dropping everything, a budget that
 * changes, sparse pages, values that outlive it all. */
#include "store/index.h"
#include "store/inside.h"

#include "fixture.h"
#include "kit/wait.h"

#include <stdlib.h>

static fac_status fill(struct fixture *fx, const char *name, struct faci_fill_token token)
{
    struct faci_key key = key_of(name);
    return faci_store_fill(fx->store, &key, fac_str("filled"), 5000, token, NULL);
}

static struct faci_fill_token begin(struct fixture *fx, const char *name)
{
    struct faci_key key = key_of(name);
    return faci_store_fill_begin(fx->store, &key);
}

enum event {
    NOTHING,
    GET,
    TOUCH,
    EXPIRE,
    SET,
    ADD,
    INCREMENT,
    DELETE,
    CLEAR,
    DROP_ALL,
    N_EVENTS,
};

static void happen(struct fixture *fx, enum event event, const char *name)
{
    struct faci_key key = key_of(name);
    fac_value *value = NULL;
    int64_t number = 0;
    uint64_t cursor = 0;
    uint64_t n[2] = {0};
    switch (event) {
    case GET:
        (void)faci_store_get(fx->store, &key, &value);
        fac_value_unref(value);
        break;
    case TOUCH:
        (void)faci_store_touch(fx->store, &key, 100);
        break;
    case EXPIRE:
        fx->now_ms += 100000;
        (void)faci_store_exists(fx->store, &key);
        break;
    case SET:
        put(fx, name, "7", 100);
        break;
    case ADD:
        (void)faci_store_set(fx->store, &key, fac_str("7"), 100, FACI_STORE_ADD, NULL);
        break;
    case INCREMENT:
        (void)faci_store_increment(fx->store, &key, 1, 100, &number, NULL);
        break;
    case DELETE:
        (void)faci_store_delete(fx->store, &key);
        break;
    case CLEAR:
        faci_store_clear(fx->store, fac_str("cache:"), SIZE_MAX, &cursor, &n[0], &n[1]);
        break;
    case DROP_ALL:
        faci_store_drop_all(fx->store);
        break;
    case NOTHING:
    case N_EVENTS:
        break;
    }
}

/* Every sequence of three events between the question and the answer. A fill is refused when, and
 * only when, one of them says that what the server answered may be old. */
static void test_near__a_fill_is_refused_after_any_word(void **state)
{
    (void)state;
    for (int n = 0; n < N_EVENTS * N_EVENTS * N_EVENTS; n++) {
        struct fixture fx;
        fixture_init(&fx, MIB);
        const int events[3] = {n % N_EVENTS, n / N_EVENTS % N_EVENTS, n / N_EVENTS / N_EVENTS};
        struct faci_fill_token token = begin(&fx, "k");
        bool is_revoked = false;
        bool is_present = false;
        for (int i = 0; i < 3; i++) {
            happen(&fx, (enum event)events[i], "k");
            is_revoked = is_revoked || (events[i] >= SET && !(events[i] == ADD && is_present));
            is_present = events[i] == SET || events[i] == ADD || events[i] == INCREMENT ||
                         (is_present && events[i] < EXPIRE);
        }
        assert_status(fill(&fx, "k", token), is_revoked ? FAC_MISS : FAC_OK, NULL);
        assert_int_equal(is_present || !is_revoked, is_there(&fx, "k"));
        assert_status(fill(&fx, "k", begin(&fx, "k")), FAC_OK, NULL);
        assert_has(&fx, "k", "filled");
        fixture_fini(&fx);
    }
}

/* A fill is no word of its own, and what happens to another key is none but by chance. */
static void test_near__others_rarely_revoke(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, MIB);
    struct faci_fill_token token = begin(&fx, "k");
    assert_status(fill(&fx, "k", token), FAC_OK, NULL);
    assert_status(fill(&fx, "k", token), FAC_OK, NULL);
    size_t n_refused = 0;
    for (size_t i = 0; i < 1000; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "other%zu", i);
        token = begin(&fx, "k");
        put(&fx, name, "1", FACI_STORE_NO_EXPIRY);
        n_refused += fill(&fx, "k", token) == FAC_MISS;
    }
    assert_in_range(n_refused, 0, 40); /* one in 128 is expected */
    struct faci_key key = key_of("k");
    static char big[MIB];
    assert_status(
        faci_store_fill(fx.store, &key, fac_mem(big, sizeof(big)), 1, begin(&fx, "k"), NULL),
        FAC_E_TOO_LARGE, NULL);
    assert_has(&fx, "k", "filled");
    fixture_fini(&fx);
}

static void put_many(struct fixture *fx, size_t from, size_t to, int64_t ttl_ms)
{
    char text[32];
    for (size_t i = from; i < to; i++) {
        struct faci_key key = numbered_key(text, sizeof(text), "k:", i);
        assert_status(faci_store_set(fx->store, &key, key.name, ttl_ms, FACI_STORE_SET, NULL),
                      FAC_OK, NULL);
    }
}

static void test_near__drop_all_leaves_nothing(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 64 * MIB);
    size_t empty_bytes = fx.memory.n_bytes;
    put(&fx, "held", "by a reader", FACI_STORE_NO_EXPIRY);
    fac_value *held = NULL;
    struct faci_key key = key_of("held");
    assert_status(faci_store_get(fx.store, &key, &held), FAC_OK, NULL);
    put_many(&fx, 0, 5000, 1000);
    kit_memory_fail(&fx.memory, 1, true);
    faci_store_drop_all(fx.store);
    kit_memory_fail(&fx.memory, 0, false);
    assert_int_equal(stats_of(&fx).n_entries, 0);
    assert_int_equal(stats_of(&fx).bytes, empty_bytes);
    assert_false(is_there(&fx, "held"));
    assert_string_equal(fac_value_bytes(held).data, "by a reader");
    fac_value_unref(held);
    assert_account(&fx, 64 * MIB);
    put_many(&fx, 0, 100, 1000);
    assert_int_equal(stats_of(&fx).n_entries, 100);
    fixture_fini(&fx);
}

/* "big", a value as large as the budget of one part may hold. */
static void put_largest(struct fixture *fx, uint64_t budget_bytes)
{
    static char big[16 << 20];
    struct faci_key key = key_of("big");
    size_t len = (size_t)budget_bytes * 13 / 16 - 4096;
    fac_error err;
    assert_status(
        faci_store_set(fx->store, &key, fac_mem(big, len), 1000, FACI_STORE_SET, &err), FAC_OK,
        &err);
    assert_account(fx, budget_bytes);
}

/* Down, and what does not fit is gone and its memory is given back; up, and there is room. */
static void test_near__a_budget_changes(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 16 * MIB);
    static const uint64_t k_budgets[] = {8 * MIB,   3 * MIB,  12 * MIB,
                                         256 * KIB, 64 * KIB, 16 * MIB};
    put_many(&fx, 0, 200000, FACI_STORE_NO_EXPIRY);
    for (size_t i = 0; i < KIT_COUNT(k_budgets); i++) {
        fac_error err;
        assert_status(faci_store_set_budget(fx.store, k_budgets[i], &err), FAC_OK, &err);
        assert_in_range(stats_of(&fx).budget_bytes, k_budgets[i] - 1, k_budgets[i]);
        assert_account(&fx, k_budgets[i]);
        size_t n = 0;
        for (size_t k = 0; k < 240000; k++) {
            char text[32];
            struct faci_key key = numbered_key(text, sizeof(text), "k:", k);
            n += faci_store_exists(fx.store, &key) == FAC_OK;
        }
        assert_int_equal(n, stats_of(&fx).n_entries);
        put_many(&fx, 200000, 240000, FACI_STORE_NO_EXPIRY);
        assert_account(&fx, k_budgets[i]);
        /* The largest there may be fits, whatever the index was before. */
        put_largest(&fx, k_budgets[i]);
        struct faci_key key = key_of("big");
        assert_status(faci_store_delete(fx.store, &key), FAC_OK, NULL);
        put_many(&fx, 0, 200000, FACI_STORE_NO_EXPIRY);
    }
    fac_error err;
    assert_status(faci_store_set_budget(fx.store, 64 * KIB - 1, &err), FAC_E_INVALID, &err);
    assert_account(&fx, 16 * MIB);
    fixture_fini(&fx);
}

/* The smallest entries there are: the index stands at its limit, which comes down with the budget. */
static void test_near__an_index_comes_down_with_the_budget(void **state)
{
    (void)state;
    static const uint64_t k_budgets[] = {8 * MIB, 5 * MIB, 4 * MIB, 1 * MIB, 6 * MIB};
    struct fixture fx;
    fixture_init(&fx, 16 * MIB);
    for (size_t i = 0; i < KIT_COUNT(k_budgets); i++) {
        for (uint32_t k = 0; k < 400000; k++) {
            struct faci_key key = {fac_mem(&k, sizeof(k)), fac_str("")};
            assert_status(faci_store_set(fx.store, &key, fac_str(""), FACI_STORE_NO_EXPIRY,
                                         FACI_STORE_SET, NULL),
                          FAC_OK, NULL);
        }
        fac_error err;
        assert_status(faci_store_set_budget(fx.store, k_budgets[i], &err), FAC_OK, &err);
        assert_account(&fx, k_budgets[i]);
        put_largest(&fx, k_budgets[i]);
    }
    fixture_fini(&fx);
}

/* Two changes of the budget: the first one is held up when it gives back what left the first part. */
struct two_changes {
    struct fixture fx;
    atomic_bool is_armed;
    atomic_bool is_held;
    atomic_bool is_second_done;
};

static void wait_after_release(void *context)
{
    struct two_changes *two = context;
    if (atomic_load(&two->is_armed)) {
        struct faci_mutex *lock = &two->fx.store->shards[0].lock;
        if (pthread_mutex_trylock(&lock->raw) != 0) {
            return; /* amid the part's work: the other one could not pass */
        }
        (void)pthread_mutex_unlock(&lock->raw);
        atomic_store(&two->is_armed, false);
        atomic_store(&two->is_held, true);
        int64_t give_up_at_ms = kit_now_ms() + 300; /* as it should be, it does not come */
        while (!atomic_load(&two->is_second_done) && kit_now_ms() < give_up_at_ms) {
            kit_nap();
        }
    }
}

static void change_budget(size_t index, void *context)
{
    struct two_changes *two = context;
    while (index == 1 && !atomic_load(&two->is_held)) {
        kit_nap();
    }
    fac_status st = faci_store_set_budget(two->fx.store, index == 0 ? 8 * MIB : 48 * MIB, NULL);
    if (st != FAC_OK) {
        abort();
    }
    if (index == 1) {
        atomic_store(&two->is_second_done, true);
    }
}

static void test_near__a_budget_is_one_in_all_parts(void **state)
{
    (void)state;
    static struct two_changes two;
    static char bytes[1000];
    memset(&two, 0, sizeof(two));
    struct fixture *fx = &two.fx;
    fixture_init(fx, 64 * MIB);
    fx->memory.after_release = wait_after_release;
    fx->memory.observer = &two;
    for (size_t i = 0; i < 20000; i++) {
        char text[32];
        struct faci_key key = numbered_key(text, sizeof(text), "k:", i);
        assert_status(faci_store_set(fx->store, &key, fac_mem(bytes, sizeof(bytes)),
                                     FACI_STORE_NO_EXPIRY, FACI_STORE_SET, NULL),
                      FAC_OK, NULL);
    }
    atomic_store(&two.is_armed, true);
    kit_threads_join(kit_threads_start(2, change_budget, &two));
    assert_true(atomic_load(&two.is_held));
    for (size_t k = 1; k < fx->store->n_shards; k++) {
        assert_int_equal(fx->store->shards[k].budget_bytes, fx->store->shards[0].budget_bytes);
    }
    fixture_fini(fx);
}

/* No number is left for another record, and there is room: the oldest leave, as for want of room. */
static void test_near__the_oldest_give_their_numbers(void **state)
{
    (void)state;
    enum {
        PAGES = 20
    };
    struct fixture fx;
    fixture_init(&fx, 64 * MIB);
    struct faci_shard *shard = &fx.store->shards[0];
    assert_int_equal(fx.store->n_shards, 4);
    for (size_t i = 0; i < fx.store->n_shards; i++) {
        fx.store->shards[i].table.pages.limit = PAGES;
    }
    put_many(&fx, 0, 5000, FACI_STORE_NO_EXPIRY);
    for (size_t i = 0; i < 3; i++) { /* what is asked for moves to the other queue */
        for (size_t k = 4000; k < 5000; k++) {
            char text[32];
            struct faci_key key = numbered_key(text, sizeof(text), "k:", k);
            fac_value *value = NULL;
            (void)faci_store_get(fx.store, &key, &value);
            fac_value_unref(value);
        }
        put_many(&fx, 5000 * (i + 1), 5000 * (i + 2), FACI_STORE_NO_EXPIRY);
    }
    assert_in_range(shard->table.n_entries, PAGES * FACI_PAGE_PLACES / 2,
                    PAGES * FACI_PAGE_PLACES);
    assert_true(shard->table.pages.n_pages <= PAGES);
    assert_true(stats_of(&fx).n_evicted > 0);
    assert_account(&fx, 64 * MIB);
    fixture_fini(&fx);
}

/* Nine of ten are deleted, all over: their pages are joined, and what stays is found. */
static void test_near__holes_are_closed(void **state)
{
    (void)state;
    struct fixture fx;
    fixture_init(&fx, 16 * MIB);
    put_many(&fx, 0, 20000, 1000000);
    uint64_t random = kit_seed();
    char text[32];
    size_t n = 20000;
    for (size_t i = 0; i < 20000; i++) {
        struct faci_key key = numbered_key(text, sizeof(text), "k:", i);
        if (kit_random(&random) % 10 != 0) {
            assert_status(faci_store_delete(fx.store, &key), FAC_OK, NULL);
            n--;
        }
    }
    size_t n_there = 0;
    for (size_t i = 0; i < 20000; i++) {
        struct faci_key key = numbered_key(text, sizeof(text), "k:", i);
        n_there += faci_store_exists(fx.store, &key) == FAC_OK;
    }
    assert_int_equal(n_there, n);
    /* Blocks besides the entries: the index (80 of its own), two arrays, and pages, of which any two
     * neighbours hold more than 48 records, or one of them more than 16. */
    size_t n_blocks = fx.memory.n_blocks - n;
    assert_in_range(n_blocks, 0, 80 + n / 16);
    fx.now_ms += 1000000;
    for (size_t i = 0; i < n; i++) {
        (void)faci_store_delete(fx.store, &(struct faci_key){fac_str("x"), fac_str("")});
    }
    assert_int_equal(stats_of(&fx).n_entries, 0);
    assert_account(&fx, 16 * MIB);
    fixture_fini(&fx);
}

static void test_near__an_index_keeps_its_limit(void **state)
{
    (void)state;
    struct kit_memory memory;
    kit_memory_init(&memory);
    struct faci_index index = {0};
    size_t n = 0;
    uint32_t before = UINT32_MAX;
    while (faci_index_add_segment(&index, &memory.hook, 1000000)) {
        /* Buckets lie one behind the other, and segments too. */
        struct faci_bucket_place place = faci_bucket_place(index.n_buckets);
        assert_true(place.segment == (before == UINT32_MAX ? 0 : before + (place.offset == 0)));
        struct faci_bucket *bucket = faci_bucket_at(&index, index.n_buckets++);
        assert_int_equal((uintptr_t)bucket % FACI_LINE_BYTES, 0);
        assert_int_equal(bucket->link, FACI_NO_LINK);
        bucket->link = 7;
        before = place.segment;
        n++;
    }
    assert_in_range(n, 14000, 15625); /* at 64 bytes each */
    assert_true(index.bytes <= 1000000);
    assert_int_equal(index.bytes, memory.n_bytes);
    while (index.n_buckets > FACI_FIRST_BUCKETS) {
        index.n_buckets--;
        faci_index_drop_segment(&index, &memory.hook);
    }
    assert_int_equal(memory.n_blocks, 1); /* the first segment */
    for (uint64_t hash = 0; hash < 2; hash++) {
        faci_ghost_add(&index, hash << 33);
    }
    assert_true(faci_ghost_take(&index, 0));
    assert_false(faci_ghost_take(&index, 0));
    assert_true(faci_ghost_take(&index, (uint64_t)1 << 33));
    for (uint64_t hash = 1; hash < 4; hash++) {
        faci_ghost_add(&index, hash << 33);
    }
    assert_false(faci_ghost_take(&index, (uint64_t)1 << 33)); /* the oldest of three */
    assert_true(faci_ghost_take(&index, (uint64_t)3 << 33));
    assert_false(faci_ghost_take(&index, (uint64_t)3 << 33));
    assert_true(faci_ghost_take(&index, (uint64_t)2 << 33));
    faci_index_fini(&index, &memory.hook);
    kit_memory_assert_empty(&memory);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_near__a_fill_is_refused_after_any_word),
    KIT_TEST(test_near__others_rarely_revoke),
    KIT_TEST(test_near__drop_all_leaves_nothing),
    KIT_TEST(test_near__a_budget_changes),
    KIT_TEST(test_near__an_index_comes_down_with_the_budget),
    KIT_TEST(test_near__a_budget_is_one_in_all_parts),
    KIT_TEST(test_near__the_oldest_give_their_numbers),
    KIT_TEST(test_near__holes_are_closed),
    KIT_TEST(test_near__an_index_keeps_its_limit),
};

KIT_MAIN(k_tests)
