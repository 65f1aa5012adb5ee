/* SPDX-License-Identifier: MIT */
/* api/facade_test.c — the process-wide cache on the memory backend: every function, what is
 * refused, what is copied, and what cache_error() says. */
#include "common.h"
#include "kit/kit.h"
#include "kit/memory.h"

#include <faciliter/facade.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* An installed cache in memory. */
static void start(void)
{
    api_clear_environment();
    api_set_environment("CACHE_BACKEND", "memory");
    assert_true(set_cache(NULL));
    assert_string_equal(cache_error(), "");
}

/* What cache_get() gives is `want`; NULL: nothing. */
static void assert_get(const char *key, const char *fallback, const char *want)
{
    char *got = cache_get(key, fallback);
    if (want == NULL) {
        assert_null(got);
    } else {
        assert_non_null(got);
        assert_string_equal(got, want);
        assert_ptr_not_equal(got, fallback);
    }
    cache_free(got);
}

static void assert_failed(void)
{
    assert_true(strlen(cache_error()) > 0);
}

static void test_facade__sets_gets_and_deletes(void **state)
{
    (void)state;
    start();
    assert_true(cache_set("user:123", "{\"name\": \"Alice\"}", 300));
    assert_true(cache_exists("user:123"));
    assert_get("user:123", NULL, "{\"name\": \"Alice\"}");
    assert_get("user:123", "nobody", "{\"name\": \"Alice\"}");
    assert_true(cache_delete("user:123"));
    assert_string_equal(cache_error(), "");
    assert_false(cache_delete("user:123"));
    assert_string_equal(cache_error(), "");
    assert_false(cache_exists("user:123"));
    assert_string_equal(cache_error(), "");
    assert_get("user:123", NULL, NULL);
    assert_string_equal(cache_error(), "");
    close_cache();
}

static void test_facade__stores_the_empty_string(void **state)
{
    (void)state;
    start();
    assert_true(cache_set("empty", "", 60));
    assert_true(cache_exists("empty"));
    assert_get("empty", "fallback", "");
    close_cache();
}

static void test_facade__gives_a_copy_of_the_fallback(void **state)
{
    (void)state;
    start();
    char fallback[] = "fallback";
    char *first = cache_get("absent", fallback);
    char *second = cache_get("absent", fallback);
    assert_non_null(first);
    assert_ptr_not_equal(first, fallback);
    assert_ptr_not_equal(first, second);
    fallback[0] = 'F';
    assert_string_equal(first, "fallback");
    assert_string_equal(second, "fallback");
    assert_string_equal(cache_error(), "");
    cache_free(first);
    cache_free(second);
    cache_free(NULL);
    close_cache();
}

static int64_t ttl_ms_of(const char *key)
{
    fac_error err;
    int64_t ttl_ms = 0;
    assert_status(fac_cache_ttl(get_cache(), fac_str(key), NULL, &ttl_ms, &err), FAC_OK, &err);
    return ttl_ms;
}

static void test_facade__counts_times_to_live_in_seconds(void **state)
{
    (void)state;
    start();
    assert_true(cache_set("k", "v", 20));
    assert_in_range(ttl_ms_of("k"), 10000, 20000);
    assert_true(cache_set("k", "v", 300));
    assert_in_range(ttl_ms_of("k"), 290000, 300000);
    assert_true(cache_set("k", "v", 315360000)); /* ten years */
    assert_in_range(ttl_ms_of("k"), 315359990000, 315360000000);
    assert_true(cache_set("k", "v", FAC_TTL_NONE));
    assert_true(ttl_ms_of("k") == FAC_TTL_NONE);
    close_cache();
}

static void test_facade__default_time_to_live_is_the_setting(void **state)
{
    (void)state;
    api_clear_environment();
    api_set_environment("CACHE_BACKEND", "memory");
    api_set_environment("CACHE_TTL", "100");
    assert_true(set_cache(NULL));
    assert_true(cache_set("k", "v", FAC_TTL_DEFAULT));
    assert_in_range(ttl_ms_of("k"), 90000, 100000);

    api_set_environment("CACHE_TTL", "none");
    assert_true(set_cache(NULL));
    assert_true(cache_set("k", "v", FAC_TTL_DEFAULT));
    assert_true(ttl_ms_of("k") == FAC_TTL_NONE);
    close_cache();
}

/* An `expires - now` that came out as nothing, or as a large number, must never store. */
static void test_facade__refuses_every_other_time_to_live(void **state)
{
    (void)state;
    static const int k_refused[] = {0,           -1,        -2,      -3600,
                                    INT_MIN + 2, 315360001, INT_MAX, INT_MAX - 1};
    start();
    assert_true(cache_set("kept", "old", 60));
    for (size_t i = 0; i < KIT_COUNT(k_refused); i++) {
        assert_false(cache_set("new", "v", k_refused[i]));
        assert_failed();
        assert_false(cache_exists("new"));
        assert_false(cache_set("kept", "new", k_refused[i]));
        assert_failed();
        assert_get("kept", NULL, "old");
    }
    close_cache();
}

static void test_facade__refuses_null_and_empty_arguments(void **state)
{
    (void)state;
    start();
    static const char *const k_keys[] = {NULL, ""};
    for (size_t i = 0; i < KIT_COUNT(k_keys); i++) {
        assert_false(cache_set(k_keys[i], "v", 60));
        assert_failed();
        assert_get(k_keys[i], "fallback", "fallback");
        assert_failed();
        assert_get(k_keys[i], NULL, NULL);
        assert_failed();
        assert_false(cache_delete(k_keys[i]));
        assert_failed();
        assert_false(cache_exists(k_keys[i]));
        assert_failed();
    }
    assert_false(cache_set("k", NULL, 60));
    assert_failed();
    assert_false(cache_exists("k"));
    assert_false(use_cache(NULL));
    assert_failed();
    assert_true(cache_set("k", "v", 60)); /* the installed one is still there */
    close_cache();
}

static void test_facade__never_cuts_a_value_at_a_nul(void **state)
{
    (void)state;
    start();
    static const char *const k_values[] = {"a\0b", "\0ab", "ab\0"};
    for (size_t i = 0; i < KIT_COUNT(k_values); i++) {
        fac_error err;
        assert_status(fac_cache_set(get_cache(), fac_str("k"), fac_mem(k_values[i], 3), 60000,
                                    NULL, &err),
                      FAC_OK, &err);
        assert_get("k", NULL, NULL);
        assert_contains(cache_error(), "NUL");
        assert_get("k", "fallback", "fallback");
        assert_contains(cache_error(), "NUL");
        assert_true(cache_exists("k")); /* it is there, only not as a string */
        assert_string_equal(cache_error(), "");
    }
    close_cache();
}

static void *fail_on_another_thread(void *context)
{
    bool *is_right = context;
    bool was_clear = strcmp(cache_error(), "") == 0;
    bool is_stored = cache_set("k", "v", 0);
    *is_right = was_clear && !is_stored && strlen(cache_error()) > 0;
    return NULL;
}

static void test_facade__keeps_errors_by_thread(void **state)
{
    (void)state;
    start();
    assert_true(cache_set("k", "v", 60));
    bool is_right = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fail_on_another_thread, &is_right), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(is_right);
    assert_string_equal(cache_error(), "");

    assert_false(cache_set("k", "v", -1));
    assert_failed();
    assert_int_equal(pthread_create(&thread, NULL, fail_on_another_thread, &is_right), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(is_right);
    assert_failed();
    assert_true(cache_exists("k"));
    assert_string_equal(cache_error(), "");
    close_cache();
}

static void test_facade__strings_outlive_the_cache(void **state)
{
    (void)state;
    start();
    assert_true(cache_set("k", "value", 60));
    char *value = cache_get("k", NULL);
    char *fallback = cache_get("absent", "fallback");
    close_cache();
    assert_string_equal(value, "value");
    assert_string_equal(fallback, "fallback");
    cache_free(value);
    cache_free(fallback);
}

static void assert_disabled(void)
{
    assert_null(get_cache());
    assert_false(cache_set("k", "v", 60));
    assert_failed();
    assert_get("k", "fallback", "fallback");
    assert_failed();
    assert_get("k", NULL, NULL);
    assert_failed();
    assert_false(cache_delete("k"));
    assert_failed();
    assert_false(cache_exists("k"));
    assert_failed();
}

static void test_facade__misses_before_any_cache(void **state)
{
    (void)state;
    api_clear_environment();
    assert_string_equal(cache_error(), "");
    assert_disabled();
    close_cache();
    assert_disabled();
}

static void test_facade__misses_after_close(void **state)
{
    (void)state;
    start();
    assert_true(cache_set("k", "v", 60));
    close_cache();
    assert_disabled();
    close_cache();
    assert_disabled();
    start(); /* and comes back, empty */
    assert_get("k", NULL, NULL);
    assert_true(cache_set("k", "v", 60));
    close_cache();
}

/* A wrong setting is named, and stays wrong until set_cache() is called again. */
static void test_facade__configuration_error_does_not_heal(void **state)
{
    (void)state;
    api_clear_environment();
    api_set_environment("CACHE_BACKEND", "memory");
    api_set_environment("CACHE_TTL", "soon");
    assert_false(set_cache(NULL));
    assert_contains(cache_error(), "CACHE_TTL");
    assert_disabled();

    api_set_environment("CACHE_TTL", "60"); /* nobody looks at it yet */
    for (int i = 0; i < 100; i++) {
        assert_false(cache_set("k", "v", 60));
    }
    assert_disabled();
    assert_true(set_cache(NULL));
    assert_true(cache_set("k", "v", 60));
    close_cache();
}

static void test_facade__unknown_backend_is_named(void **state)
{
    (void)state;
    api_clear_environment();
    api_set_environment("CACHE_BACKEND", "memcached");
    assert_false(set_cache(NULL));
    static const char *const k_words[] = {"CACHE_BACKEND", "redis", "valkey", "auto", "memory"};
    char message[512];
    (void)snprintf(message, sizeof(message), "%s", cache_error());
    for (size_t i = 0; i < KIT_COUNT(k_words); i++) {
        assert_contains(message, k_words[i]);
    }
    assert_disabled();
    close_cache();
}

static void test_facade__use_cache_takes_a_reference_of_its_own(void **state)
{
    (void)state;
    api_clear_environment();
    struct kit_memory memory;
    kit_memory_init(&memory);
    fac_cache *cache = api_open_memory(&memory.hook);
    assert_true(use_cache(cache));
    assert_ptr_equal(get_cache(), cache);
    fac_cache_unref(cache); /* the facade's own keeps it */
    assert_true(cache_set("k", "v", 60));
    assert_get("k", NULL, "v");
    close_cache();
    kit_memory_assert_empty(&memory);
}

static void test_facade__close_leaves_the_callers_reference(void **state)
{
    (void)state;
    api_clear_environment();
    struct kit_memory memory;
    kit_memory_init(&memory);
    fac_cache *cache = api_open_memory(&memory.hook);
    assert_true(use_cache(cache));
    assert_true(cache_set("k", "v", 60));
    close_cache();
    assert_disabled();
    fac_stats stats; /* the handle is valid, closed or not */
    fac_error err;
    assert_status(fac_cache_stats(cache, NULL, &stats, sizeof(stats), &err), FAC_OK, &err);
    assert_int_equal(stats.sets, 1);
    assert_true(atomic_load(&memory.n_blocks) > 0);
    fac_cache_close(cache);
    kit_memory_assert_empty(&memory);
}

static void test_facade__use_cache_again_changes_nothing(void **state)
{
    (void)state;
    api_clear_environment();
    struct kit_memory memory;
    kit_memory_init(&memory);
    fac_cache *cache = api_open_memory(&memory.hook);
    assert_true(use_cache(cache));
    assert_true(cache_set("k", "v", 60));
    assert_true(use_cache(cache));
    assert_true(use_cache(get_cache()));
    assert_get("k", NULL, "v");
    fac_cache_unref(cache);
    assert_get("k", NULL, "v");
    close_cache();
    kit_memory_assert_empty(&memory);
}

static void test_facade__options_cache_frees_everything(void **state)
{
    (void)state;
    api_clear_environment();
    struct kit_memory memory;
    kit_memory_init(&memory);
    fac_options options;
    fac_options_init(&options);
    options.provider = FAC_MEMORY;
    options.allocator = &memory.hook;
    for (int i = 0; i < 5; i++) {
        assert_true(set_cache(&options));
        assert_true(cache_set("k", "v", 60));
        assert_non_null(get_cache()); /* lent each time */
    }
    char *value = cache_get("k", NULL);
    close_cache();
    assert_string_equal(value, "v");
    cache_free(value);
    kit_memory_assert_empty(&memory);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_facade__sets_gets_and_deletes),
    KIT_TEST(test_facade__stores_the_empty_string),
    KIT_TEST(test_facade__gives_a_copy_of_the_fallback),
    KIT_TEST(test_facade__counts_times_to_live_in_seconds),
    KIT_TEST(test_facade__default_time_to_live_is_the_setting),
    KIT_TEST(test_facade__refuses_every_other_time_to_live),
    KIT_TEST(test_facade__refuses_null_and_empty_arguments),
    KIT_TEST(test_facade__never_cuts_a_value_at_a_nul),
    KIT_TEST(test_facade__keeps_errors_by_thread),
    KIT_TEST(test_facade__strings_outlive_the_cache),
    KIT_TEST(test_facade__misses_before_any_cache),
    KIT_TEST(test_facade__misses_after_close),
    KIT_TEST(test_facade__configuration_error_does_not_heal),
    KIT_TEST(test_facade__unknown_backend_is_named),
    KIT_TEST(test_facade__use_cache_takes_a_reference_of_its_own),
    KIT_TEST(test_facade__close_leaves_the_callers_reference),
    KIT_TEST(test_facade__use_cache_again_changes_nothing),
    KIT_TEST(test_facade__options_cache_frees_everything),
};

KIT_MAIN(k_tests)
