/* SPDX-License-Identifier: MIT */
/* api/steady_state_test.c — what one get_into costs when all is well: no allocation, and one
 * system call to send and one to receive. This program counts malloc by being in its way, so no
 * sanitizer may be in it too. */
#include "common.h"
#include "kit/kit.h"
#include "kit/memory.h"
#include "kit/ptrace_count.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_WARM = 50, /* calls until nothing grows any more */
    N_CALLS = 1000,
    TRIES = 3,
    LARGE_BYTES = 1 << 20,
    IDLE_BYTES = 64 * 1024, /* what a handle with one connection may hold */
};

/* --- malloc, counted ------------------------------------------------------------------------- */

static atomic_size_t n_mallocs;

/* The names under which glibc keeps the originals; its own headers have other parameters' names. */
/* NOLINTBEGIN(bugprone-reserved-identifier,readability-*) */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);

void *malloc(size_t bytes)
{
    (void)atomic_fetch_add_explicit(&n_mallocs, 1U, memory_order_relaxed);
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    (void)atomic_fetch_add_explicit(&n_mallocs, 1U, memory_order_relaxed);
    return __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
    (void)atomic_fetch_add_explicit(&n_mallocs, 1U, memory_order_relaxed);
    return __libc_realloc(block, bytes);
}
/* NOLINTEND(bugprone-reserved-identifier,readability-*) */

/* --- The measured work ----------------------------------------------------------------------- */

/* False when a value is not the one stored. Never asserts: it also runs in a traced child. */
static bool get_many_times(fac_cache *cache, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char buf[128];
        size_t len = 0;
        if (fac_cache_get_into(cache, fac_str("k"), NULL, buf, sizeof(buf), &len, NULL) !=
                FAC_OK ||
            len != 100 || buf[0] != 'v' || buf[99] != 'v') {
            return false;
        }
    }
    return true;
}

static bool prepare(const fac_options *options, fac_cache **out)
{
    char value[100];
    memset(value, 'v', sizeof(value));
    return fac_cache_open(options, out, NULL) == FAC_OK &&
           fac_cache_set(*out, fac_str("k"), fac_mem(value, sizeof(value)), 60000, NULL,
                         NULL) == FAC_OK &&
           get_many_times(*out, N_WARM);
}

static void test_steady_state__allocates_nothing(void **state)
{
    (void)state;
    struct api_backend backend = api_backend_of_test();
    struct kit_server *server = api_start(&backend);
    struct kit_memory memory;
    kit_memory_init(&memory);
    fac_options options;
    api_options(&options, &backend, server);
    options.allocator = &memory.hook;
    fac_cache *cache = NULL;
    assert_true(prepare(&options, &cache));

    size_t n_hook_before = atomic_load(&memory.n_calls);
    size_t n_before = atomic_load(&n_mallocs);
    assert_true(n_hook_before > 0); /* to open took some: both counters do count */
    assert_true(n_before >= n_hook_before);
    bool is_right = get_many_times(cache, N_CALLS);
    size_t n_after = atomic_load(&n_mallocs);
    assert_true(is_right);
    assert_int_equal(atomic_load(&memory.n_calls), n_hook_before);
    assert_int_equal(n_after, n_before);

    fac_cache_close(cache);
    kit_memory_assert_empty(&memory);
    kit_server_stop(server);
}

static bool traced_gets(void *context)
{
    fac_cache *cache = NULL;
    if (!prepare(context, &cache)) {
        return false;
    }
    kit_syscall_mark();
    bool is_right = get_many_times(cache, N_CALLS);
    kit_syscall_mark();
    fac_cache_close(cache);
    return is_right;
}

static bool traced_misses(void *context)
{
    fac_cache *cache = NULL;
    if (!prepare(context, &cache)) {
        return false;
    }
    char buf[128];
    size_t len = 0;
    bool is_right = true;
    kit_syscall_mark();
    for (size_t i = 0; i < N_CALLS && is_right; i++) {
        is_right = fac_cache_get_into(cache, fac_str("none"), NULL, buf, sizeof(buf), &len,
                                      NULL) == FAC_MISS;
    }
    kit_syscall_mark();
    fac_cache_close(cache);
    return is_right;
}

static void assert_calls(kit_traced_fn *fn, fac_options *options, size_t want_per_get)
{
    if (kit_syscalls_of_a_clock() != 0) {
        (void)fprintf(stderr, "skipped: looking at the clock is a system call here\n");
        skip();
    }
    /* One that waits a second for its reply looks at its deadline, and who comes back after a second
     * looks at the connection: on a machine that others use, once in a while. */
    struct kit_syscalls calls = {0};
    for (int i = 0; i < TRIES && calls.n_calls != want_per_get * N_CALLS; i++) {
        kit_count_syscalls(fn, options, &calls);
    }
    if (calls.n_calls != want_per_get * N_CALLS) {
        fail_msg("%zu system calls for %d gets: %s", calls.n_calls, (int)N_CALLS,
                 calls.summary);
    }
}

static void test_steady_state__makes_two_system_calls(void **state)
{
    (void)state;
    struct api_backend backend = api_backend_of_test();
    struct kit_server *server = api_start(&backend);
    fac_options options;
    api_options(&options, &backend, server);
    assert_calls(traced_gets, &options, backend.is_memory ? 0 : 2);
    assert_calls(traced_misses, &options, backend.is_memory ? 0 : 2);
    kit_server_stop(server);
}

static void test_steady_state__makes_two_system_calls_on_a_socket(void **state)
{
    (void)state;
    struct api_backend backend = api_backend_of_test();
    struct kit_server *server = api_start(&backend);
    fac_options options;
    api_options(&options, &backend, server);
    if (backend.is_memory) { /* no socket, and no calls either */
        assert_calls(traced_gets, &options, 0);
        kit_server_stop(server);
        return;
    }
    options.host = NULL;
    options.port = 0;
    options.unix_socket = kit_server_socket(server);
    assert_calls(traced_gets, &options, 2);
    kit_server_stop(server);
}

static void set_thousand(fac_cache *cache)
{
    static char keys[N_CALLS][8];
    static fac_item items[N_CALLS];
    static fac_status statuses[N_CALLS];
    for (size_t i = 0; i < N_CALLS; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        items[i] = (fac_item){
            .key = fac_str(keys[i]), .value = fac_str("v"), .ttl_ms = FAC_TTL_NONE};
    }
    fac_error err;
    assert_status(fac_cache_set_many(cache, items, N_CALLS, NULL, statuses, &err), FAC_OK,
                  &err);
}

/* One large value there and back. */
static void move_large(fac_cache *cache)
{
    char *large = malloc(LARGE_BYTES);
    assert_non_null(large);
    memset(large, 'x', LARGE_BYTES);
    fac_error err;
    assert_status(fac_cache_set(cache, fac_str("large"), fac_mem(large, LARGE_BYTES),
                                FAC_TTL_NONE, NULL, &err),
                  FAC_OK, &err);
    size_t len = 0;
    assert_status(
        fac_cache_get_into(cache, fac_str("large"), NULL, large, LARGE_BYTES, &len, &err),
        FAC_OK, &err);
    assert_int_equal(len, LARGE_BYTES);
    free(large);
    assert_int_equal(fac_cache_delete(cache, fac_str("large"), NULL, &err), FAC_OK);
}

/* A server's handle is small, and becomes small again. (What a memory store holds is its budget's.) */
static void test_steady_state__gives_memory_back(void **state)
{
    (void)state;
    struct api_backend backend = api_backend_of_test();
    struct kit_server *server = api_start(&backend);
    struct kit_memory memory;
    kit_memory_init(&memory);
    fac_options options;
    api_options(&options, &backend, server);
    options.allocator = &memory.hook;
    options.max_connections = 1;
    fac_cache *cache = NULL;
    assert_true(prepare(&options, &cache));
    if (!backend.is_memory) {
        assert_true(atomic_load(&memory.n_bytes) <= IDLE_BYTES);
    }
    size_t before = atomic_load(&memory.n_bytes);
    move_large(cache);
    set_thousand(cache);
    assert_true(atomic_load(&memory.peak_bytes) > before);
    assert_true(get_many_times(cache, N_WARM));
    if (!backend.is_memory) {
        assert_true(atomic_load(&memory.n_bytes) <= IDLE_BYTES);
    }
    fac_cache_close(cache);
    kit_memory_assert_empty(&memory);
    kit_server_stop(server);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_steady_state__allocates_nothing),
    KIT_TEST(test_steady_state__makes_two_system_calls),
    KIT_TEST(test_steady_state__makes_two_system_calls_on_a_socket),
    KIT_TEST(test_steady_state__gives_memory_back),
};

KIT_MAIN(k_tests)
