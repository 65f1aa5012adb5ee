/* SPDX-License-Identifier: MIT */
/* api/facade_replace_test.c — which set_cache() keeps, which replaces, what becomes of a handle
 * that get_cache() lent, and all of it while other threads use the cache. On memory. */
#include "common.h"
#include "kit/kit.h"
#include "kit/memory.h"
#include "kit/wait.h"

#include <faciliter/facade.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static void start(void)
{
    api_clear_environment();
    api_set_environment("CACHE_BACKEND", "memory");
    assert_true(set_cache(NULL));
}

static void assert_closed(fac_cache *borrowed)
{
    fac_error err;
    fac_value *value = NULL;
    assert_status(fac_cache_get(borrowed, fac_str("k"), NULL, &value, &err), FAC_E_CLOSED,
                  &err);
    assert_null(value);
    assert_status(fac_cache_set(borrowed, fac_str("k"), fac_str("v"), 1000, NULL, &err),
                  FAC_E_CLOSED, &err);
}

static void test_replace__same_environment_keeps_the_cache(void **state)
{
    (void)state;
    start();
    fac_cache *before = get_cache();
    assert_non_null(before);
    assert_true(cache_set("k", "v", 60));
    for (int i = 0; i < 3; i++) {
        assert_true(set_cache(NULL));
        assert_ptr_equal(get_cache(), before);
    }
    assert_true(cache_exists("k"));
    close_cache();
}

static void test_replace__changed_environment_replaces(void **state)
{
    (void)state;
    start();
    fac_cache *before = get_cache();
    assert_true(cache_set("k", "v", 60));
    api_set_environment("CACHE_PREFIX", "other:");
    assert_true(set_cache(NULL));
    assert_ptr_not_equal(get_cache(), before);
    assert_false(cache_exists("k"));
    assert_closed(before);
    close_cache();
}

static void test_replace__a_wrong_environment_says_so(void **state)
{
    (void)state;
    start();
    api_set_environment("CACHE_MEMORY_BYTES", "lots");
    assert_false(set_cache(NULL));
    assert_contains(cache_error(), "CACHE_MEMORY_BYTES");
    close_cache();
}

static void test_replace__options_are_kept_by_null(void **state)
{
    (void)state;
    start();
    fac_options options;
    fac_options_init(&options);
    options.provider = FAC_MEMORY;
    options.prefix = "mine:";
    assert_true(set_cache(&options));
    fac_cache *mine = get_cache();
    assert_true(cache_set("k", "v", 60));

    assert_true(set_cache(NULL));
    api_set_environment("CACHE_PREFIX", "other:");
    assert_true(set_cache(NULL));
    api_set_environment("CACHE_BACKEND", "nonsense");
    assert_true(set_cache(NULL));
    assert_ptr_equal(get_cache(), mine);
    assert_true(cache_exists("k"));
    close_cache();
}

static void test_replace__a_used_handle_is_kept_by_null(void **state)
{
    (void)state;
    start();
    fac_cache *mine = api_open_memory(NULL);
    assert_true(use_cache(mine));
    api_set_environment("CACHE_PREFIX", "other:");
    assert_true(set_cache(NULL));
    assert_ptr_equal(get_cache(), mine);
    close_cache();
    fac_cache_unref(mine);
}

static void test_replace__options_always_replace(void **state)
{
    (void)state;
    start();
    fac_options options;
    fac_options_init(&options);
    options.provider = FAC_MEMORY;
    assert_true(set_cache(&options));
    fac_cache *first = get_cache();
    assert_true(cache_set("k", "v", 60));
    assert_true(set_cache(&options)); /* the same settings, and yet a new cache */
    assert_ptr_not_equal(get_cache(), first);
    assert_false(cache_exists("k"));
    assert_closed(first);
    close_cache();
}

static void test_replace__after_close_null_reads_the_environment_again(void **state)
{
    (void)state;
    start();
    fac_options options;
    fac_options_init(&options);
    options.provider = FAC_MEMORY;
    options.prefix = "mine:";
    assert_true(set_cache(&options));
    close_cache();
    api_set_environment("CACHE_BACKEND", "nonsense");
    assert_false(set_cache(NULL));
    assert_contains(cache_error(), "CACHE_BACKEND");
    close_cache();
}

/* Each replaced handle may be asked until close_cache(); then all their memory is back. */
static void test_replace__lent_handles_stay_valid_until_close(void **state)
{
    (void)state;
    start();
    struct kit_memory memory;
    kit_memory_init(&memory);
    fac_options options;
    fac_options_init(&options);
    options.provider = FAC_MEMORY;
    options.allocator = &memory.hook;
    fac_cache *lent[8];
    for (size_t i = 0; i < KIT_COUNT(lent); i++) {
        assert_true(set_cache(&options));
        assert_true(cache_set("k", "v", 60));
        lent[i] = get_cache();
    }
    for (size_t i = 0; i + 1 < KIT_COUNT(lent); i++) {
        assert_closed(lent[i]);
    }
    api_assert_value(lent[KIT_COUNT(lent) - 1], "k", "v");
    close_cache();
    kit_memory_assert_empty(&memory);
}

/* --- While others use it --------------------------------------------------------------------- */

enum {
    N_THREADS = 8,
    N_KEYS = 16
};

struct crowd {
    atomic_bool is_over;
    atomic_size_t n_done;
    atomic_size_t n_wrong;
};

/* A value names its key, so a wrong one shows. */
static void use_once(struct crowd *crowd, size_t thread, size_t i)
{
    char key[32];
    char value[64];
    (void)snprintf(key, sizeof(key), "k%zu", (thread + i) % N_KEYS);
    (void)snprintf(value, sizeof(value), "value of %s", key);
    switch (i % 4) {
    case 0:
        (void)cache_set(key, value, 60);
        break;
    case 1:
        (void)cache_exists(key);
        break;
    case 2:
        (void)cache_delete(key);
        break;
    default:
        break;
    }
    char *got = cache_get(key, NULL);
    if (got != NULL && strcmp(got, value) != 0) {
        (void)atomic_fetch_add(&crowd->n_wrong, 1U);
    }
    cache_free(got);
    (void)atomic_fetch_add(&crowd->n_done, 1U);
}

static void use_the_cache(size_t index, void *context)
{
    struct crowd *crowd = context;
    for (size_t i = 0; !atomic_load(&crowd->is_over); i++) {
        use_once(crowd, index, i);
        fac_cache *borrowed = get_cache();
        if (borrowed != NULL && i % 64 == 0) {
            fac_status st = fac_cache_exists(borrowed, fac_str("k0"), NULL, NULL);
            if (st < 0 && st != FAC_E_CLOSED) {
                (void)atomic_fetch_add(&crowd->n_wrong, 1U);
            }
        }
    }
}

/* The others have come on by `n` rounds. */
static void wait_for_rounds(struct crowd *crowd, size_t n)
{
    size_t before = atomic_load(&crowd->n_done);
    KIT_WAIT_FOR(20000, atomic_load(&crowd->n_done) >= before + n);
}

static void replace_by(size_t i, struct kit_memory *memory)
{
    fac_options options;
    fac_options_init(&options);
    options.provider = FAC_MEMORY;
    options.ignore_environment = true;
    options.allocator = &memory->hook;
    options.prefix = i % 3 == 0 ? "a:" : "b:";
    options.memory_bytes = i % 2 == 0 ? 1U << 20 : 4U << 20;
    if (i % 5 != 4) {
        assert_true(set_cache(&options));
        return;
    }
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    assert_true(use_cache(cache));
    fac_cache_unref(cache);
}

static void test_replace__while_eight_threads_use_it(void **state)
{
    (void)state;
    api_clear_environment();
    struct kit_memory memory;
    kit_memory_init(&memory);
    struct crowd crowd;
    atomic_init(&crowd.is_over, false);
    atomic_init(&crowd.n_done, 0U);
    atomic_init(&crowd.n_wrong, 0U);
    struct kit_threads *threads = kit_threads_start(N_THREADS, use_the_cache, &crowd);
    size_t n_rounds = kit_scaled(300);
    for (size_t i = 0; i < n_rounds; i++) {
        replace_by(i, &memory);
        wait_for_rounds(&crowd, N_THREADS);
    }
    atomic_store(&crowd.is_over, true);
    kit_threads_join(threads);
    assert_int_equal(atomic_load(&crowd.n_wrong), 0);
    close_cache();
    kit_memory_assert_empty(&memory);
}

/* close_cache() at any moment: calls become misses, nothing dangles. The borrowed handles are
 * left alone here, since close ends them. */
static void use_strings_only(size_t index, void *context)
{
    struct crowd *crowd = context;
    for (size_t i = 0; !atomic_load(&crowd->is_over); i++) {
        use_once(crowd, index, i);
        (void)cache_error();
    }
}

static void test_replace__close_while_eight_threads_use_it(void **state)
{
    (void)state;
    api_clear_environment();
    struct kit_memory memory;
    kit_memory_init(&memory);
    struct crowd crowd;
    atomic_init(&crowd.is_over, false);
    atomic_init(&crowd.n_done, 0U);
    atomic_init(&crowd.n_wrong, 0U);
    struct kit_threads *threads = kit_threads_start(N_THREADS, use_strings_only, &crowd);
    size_t n_rounds = kit_scaled(300);
    for (size_t i = 0; i < n_rounds; i++) {
        replace_by(i, &memory);
        wait_for_rounds(&crowd, 1);
        close_cache();
    }
    atomic_store(&crowd.is_over, true);
    kit_threads_join(threads);
    assert_int_equal(atomic_load(&crowd.n_wrong), 0);
    kit_memory_assert_empty(&memory);
}

/* Concurrent installers are serialised: the last one stands, the others' are freed. */
static void install_many(size_t index, void *context)
{
    struct kit_memory *memory = context;
    for (size_t i = 0; i < 50; i++) {
        fac_options options;
        fac_options_init(&options);
        options.provider = FAC_MEMORY;
        options.ignore_environment = true;
        options.allocator = &memory->hook;
        options.prefix = index % 2 == 0 ? "a:" : "b:";
        (void)set_cache(&options);
        (void)cache_set("k", "v", 60);
    }
}

static void test_replace__by_several_threads_at_once(void **state)
{
    (void)state;
    api_clear_environment();
    struct kit_memory memory;
    kit_memory_init(&memory);
    kit_threads_join(kit_threads_start(4, install_many, &memory));
    assert_non_null(get_cache());
    assert_true(cache_set("k", "v", 60));
    close_cache();
    kit_memory_assert_empty(&memory);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_replace__same_environment_keeps_the_cache),
    KIT_TEST(test_replace__changed_environment_replaces),
    KIT_TEST(test_replace__a_wrong_environment_says_so),
    KIT_TEST(test_replace__options_are_kept_by_null),
    KIT_TEST(test_replace__a_used_handle_is_kept_by_null),
    KIT_TEST(test_replace__options_always_replace),
    KIT_TEST(test_replace__after_close_null_reads_the_environment_again),
    KIT_TEST(test_replace__lent_handles_stay_valid_until_close),
    KIT_TEST(test_replace__while_eight_threads_use_it),
    KIT_TEST(test_replace__close_while_eight_threads_use_it),
    KIT_TEST(test_replace__by_several_threads_at_once),
};

KIT_MAIN(k_tests)
