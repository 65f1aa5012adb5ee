/* SPDX-License-Identifier: MIT */
/* The last reference goes while a call is under way: the call ends on its own, and the handle is
 * freed then, neither before nor never. */
#include <faciliter/cache.h>

#include "kit/kit.h"
#include "kit/memory.h"

#include <pthread.h>
#include <string.h>

enum {
    BIG_BYTES = 20000
};

/* An allocator whose large blocks take until they are let go. */
struct gate {
    struct kit_memory memory;
    fac_allocator plain;
    pthread_barrier_t is_inside;
    pthread_barrier_t may_go_on;
    fac_cache *cache;
};

static void *allocate(void *context, size_t bytes)
{
    struct gate *gate = context;
    if (bytes > BIG_BYTES) {
        (void)pthread_barrier_wait(&gate->is_inside);
        (void)pthread_barrier_wait(&gate->may_go_on);
    }
    return gate->plain.allocate(gate->plain.context, bytes);
}

static void *reallocate(void *context, void *block, size_t bytes)
{
    struct gate *gate = context;
    return gate->plain.reallocate(gate->plain.context, block, bytes);
}

static void release(void *context, void *block)
{
    struct gate *gate = context;
    gate->plain.release(gate->plain.context, block);
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

static void run(bool closes)
{
    static struct gate gate;
    memset(&gate, 0, sizeof(gate));
    kit_memory_init(&gate.memory);
    gate.plain = gate.memory.hook;
    assert_int_equal(pthread_barrier_init(&gate.is_inside, NULL, 2), 0);
    assert_int_equal(pthread_barrier_init(&gate.may_go_on, NULL, 2), 0);
    const fac_allocator hook = {allocate, reallocate, release, &gate};
    fac_options options;
    fac_options_init(&options);
    options.ignore_environment = true;
    options.provider = FAC_MEMORY;
    options.memory_bytes = 64 << 10; /* one part, smaller than what takes long */
    options.allocator = &hook;
    fac_error err;
    assert_status(fac_cache_open(&options, &gate.cache, &err), FAC_OK, &err);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, set_big, &gate), 0);
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
    run(false);
    run(true);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_last_call__frees_the_handle),
};

KIT_MAIN(k_tests)
