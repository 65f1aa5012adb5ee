/* SPDX-License-Identifier: MIT */
/* The life of a handle in memory: when the last reference goes while a call is under way, the call
 * ends on its own, and the handle is freed then, neither before nor never. And whoever uses nothing
 * but memory gets no descriptor and no thread. */
#include <faciliter/cache.h>

#include "kit/kit.h"
#include "kit/memory.h"
#include "kit/procwatch.h"

#include <pthread.h>
#include <string.h>

enum {
    BIG_BYTES = 20000,
    N_ITEMS = 4000,
    BIG_ITEM = 1500, /* the cache is closed while it is set */
};

/* An allocator whose large blocks take until they are let go. */
struct gate {
    struct kit_memory memory;
    pthread_barrier_t is_inside;
    pthread_barrier_t may_go_on;
    fac_cache *cache;
};

static void before_allocate(void *context, size_t bytes)
{
    struct gate *gate = context;
    if (bytes > BIG_BYTES) {
        (void)pthread_barrier_wait(&gate->is_inside);
        (void)pthread_barrier_wait(&gate->may_go_on);
    }
}

static void *set_big(void *arg)
{
    struct gate *gate = arg;
    static char bytes[BIG_BYTES];
    fac_error err;
    fac_status st = fac_cache_set(gate->cache, fac_str("k"), fac_mem(bytes, sizeof(bytes)),
                                  FAC_TTL_NONE, NULL, &err);
    return st == FAC_OK ? NULL : gate;
}

/* What came before the close is done; the rest, but for what is done between two looks, is not. */
static void *set_many_with_one_big(void *arg)
{
    struct gate *gate = arg;
    static char bytes[BIG_BYTES];
    static uint32_t names[N_ITEMS];
    static fac_item items[N_ITEMS];
    static fac_status statuses[N_ITEMS];
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        names[i] = i;
        items[i] = (fac_item){fac_mem(&names[i], sizeof(names[i])),
                              fac_mem(bytes, i == BIG_ITEM ? sizeof(bytes) : 1), FAC_TTL_NONE};
    }
    fac_error err;
    fac_status st = fac_cache_set_many(gate->cache, items, N_ITEMS, NULL, statuses, &err);
    bool is_right = st == FAC_E_CLOSED && err.status == FAC_E_CLOSED && statuses[0] == FAC_OK &&
                    statuses[BIG_ITEM] == FAC_OK && statuses[N_ITEMS - 1] == FAC_E_CLOSED;
    return is_right ? NULL : gate;
}

static void run(bool closes, void *(*call)(void *))
{
    static struct gate gate;
    memset(&gate, 0, sizeof(gate));
    kit_memory_init(&gate.memory);
    gate.memory.before_allocate = before_allocate;
    gate.memory.observer = &gate;
    assert_int_equal(pthread_barrier_init(&gate.is_inside, NULL, 2), 0);
    assert_int_equal(pthread_barrier_init(&gate.may_go_on, NULL, 2), 0);
    fac_options options;
    fac_options_init(&options);
    options.ignore_environment = true;
    options.provider = FAC_MEMORY;
    options.memory_bytes = 64 << 10; /* one part, smaller than what takes long */
    options.allocator = &gate.memory.hook;
    fac_error err;
    assert_status(fac_cache_open(&options, &gate.cache, &err), FAC_OK, &err);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, call, &gate), 0);
    (void)pthread_barrier_wait(&gate.is_inside);
    size_t n_blocks = gate.memory.n_blocks;
    if (closes) {
        fac_cache_close(gate.cache);
    } else {
        fac_cache_unref(gate.cache);
    }
    assert_int_equal(gate.memory.n_blocks, n_blocks);
    /* Another handle's calls and end change nothing about it. */
    fac_cache *other = NULL;
    options.allocator = NULL;
    assert_status(fac_cache_open(&options, &other, &err), FAC_OK, &err);
    assert_status(fac_cache_exists(other, fac_str("k"), NULL, &err), FAC_MISS, &err);
    fac_cache_close(other);
    assert_int_equal(gate.memory.n_blocks, n_blocks);
    (void)pthread_barrier_wait(&gate.may_go_on);
    void *is_wrong = NULL;
    assert_int_equal(pthread_join(thread, &is_wrong), 0);
    assert_null(is_wrong);
    kit_memory_assert_empty(&gate.memory);
    (void)pthread_barrier_destroy(&gate.is_inside);
    (void)pthread_barrier_destroy(&gate.may_go_on);
}

static void test_last_call__frees_the_handle(void **state)
{
    (void)state;
    run(false, set_big);
    run(true, set_big);
}

static void test_last_call__a_batch_ends_when_the_cache_is_closed(void **state)
{
    (void)state;
    run(true, set_many_with_one_big);
}

static void test_last_call__opens_nothing_and_starts_nothing(void **state)
{
    (void)state;
    const size_t n_fds = kit_count_fds();
    const size_t n_threads = kit_count_threads();
    fac_options options;
    fac_options_init(&options);
    options.ignore_environment = true;
    options.provider = FAC_MEMORY;
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    for (int i = 0; i < 2000; i++) {
        int64_t number = 0;
        int64_t ttl_ms = 0;
        const fac_bytes name = fac_mem(&i, sizeof(i));
        fac_value *value = NULL;
        fac_status status = FAC_OK;
        assert_status(fac_cache_increment(cache, name, i, 1 + i % 3, NULL, &number, &err),
                      FAC_OK, &err);
        assert_true(fac_cache_touch(cache, name, 1 + i % 5, NULL, &err) >= 0);
        assert_true(fac_cache_ttl(cache, name, NULL, &ttl_ms, &err) >= 0);
        assert_status(fac_cache_get_many(cache, &name, 1, NULL, &value, &status, &err), FAC_OK,
                      &err);
        fac_value_unref(value);
    }
    fac_clear_progress progress = {.size = sizeof(progress)};
    fac_health health;
    assert_status(fac_cache_clear(cache, NULL, &progress, &err), FAC_OK, &err);
    assert_status(fac_cache_health(cache, NULL, &health, sizeof(health), &err), FAC_OK, &err);
    assert_status(fac_cache_set_memory(cache, 16 << 20, NULL, &err), FAC_OK, &err);
    assert_int_equal(kit_count_fds(), n_fds);
    assert_int_equal(kit_count_threads(), n_threads);
    fac_cache_close(cache);
    assert_int_equal(kit_count_fds(), n_fds);
    assert_int_equal(kit_count_threads(), n_threads);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_last_call__frees_the_handle),
    KIT_TEST(test_last_call__a_batch_ends_when_the_cache_is_closed),
    KIT_TEST(test_last_call__opens_nothing_and_starts_nothing),
};

KIT_MAIN(k_tests)
