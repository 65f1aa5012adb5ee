/* SPDX-License-Identifier: MIT */
/* Row G2: OpenSSL's own allocations fail, the n-th alone and all from the n-th on, through loading,
 * connecting, verifying and talking. Nothing crashes, hangs, leaks or is answered wrongly; above all
 * nobody is believed for want of memory. */
#include "fault/talk.h"
#include "kit/kit.h"
#include "kit/tlsfront.h"
#include "live/live.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEP = 29, /* allocations between two that fail in a usual run; 1 at a scale of 2900 */
    TIMEOUT_MS = 3000 /* of calls that may not hang */
};

static atomic_size_t n_asked;
static atomic_size_t fails_at; /* 0: none */
static atomic_bool fails_on;
static size_t n_of_run; /* allocations of the last one */

static bool is_failing(void)
{
    size_t n = atomic_fetch_add(&n_asked, 1) + 1;
    size_t at = atomic_load(&fails_at);
    return at != 0 && (n == at || (atomic_load(&fails_on) && n > at));
}

static void *allocate(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return is_failing() ? NULL : malloc(bytes);
}

static void *reallocate(void *block, size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return is_failing() ? NULL : realloc(block, bytes);
}

static void release(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    free(block);
}

/* Before anything else of OpenSSL's: it takes other functions only then. */
__attribute__((constructor)) static void take_over(void)
{
    if (CRYPTO_set_mem_functions(allocate, reallocate, release) != 1) {
        abort();
    }
}

static void arm(size_t nth, bool and_on)
{
    atomic_store(&n_asked, 0);
    atomic_store(&fails_on, and_on);
    atomic_store(&fails_at, nth);
}

/* Open, set and get; whether all went well. */
static bool run(struct live *live, const fac_options *options, size_t nth, bool and_on)
{
    fac_error err = {.message = ""};
    fac_cache *cache = NULL;
    fac_value *value = NULL;
    arm(nth, and_on);
    fac_status st = fac_cache_open(options, &cache, &err);
    if (st == FAC_OK) {
        st = fac_cache_get(cache, fac_str("kept"), NULL, &value, &err);
    }
    n_of_run = atomic_load(&n_asked);
    arm(0, false);
    if (st == FAC_OK) {
        fac_bytes got = fac_value_bytes(value);
        assert_int_equal(got.len, 9);
        assert_memory_equal(got.data, "the value", 9);
        fac_value_unref(value);
    } else if (st != FAC_E_NOMEM && st != FAC_E_PROTOCOL && st != FAC_E_UNAVAILABLE &&
               st != FAC_E_AUTH && st != FAC_E_CONFIG) {
        fail_msg("allocation %zu%s: %s, %s", nth, and_on ? " and on" : "", fac_status_name(st),
                 err.message);
    }
    assert_int_equal(ERR_peek_error(), 0);
    fac_cache_unref(cache);
    (void)live;
    return st == FAC_OK;
}

static void sweep(struct live *live, const fac_options *options, bool may_succeed)
{
    uint64_t state = kit_seed();
    (void)run(live, options, 0, false); /* what OpenSSL loads once */
    arm(0, false);
    bool is_good = run(live, options, 0, false);
    assert_int_equal(is_good, may_succeed);
    size_t n = n_of_run;
    size_t step = STEP * 100 / kit_scaled(100);
    step = step > 0 ? step : 1;
    size_t n_failed = 0;
    size_t n_runs = 0;
    for (size_t nth = 1 + kit_random(&state) % step; nth <= n; nth += step) {
        bool and_on = kit_random(&state) % 2 == 0;
        bool was_good = run(live, options, nth, and_on);
        assert_true(may_succeed || !was_good);
        n_failed += was_good ? 0U : 1U;
        n_runs++;
    }
    (void)printf("%zu allocations in a run; %zu runs, %zu of them failed\n", n, n_runs,
                 n_failed);
    assert_true(n > 500 && n_failed > 0);
    assert_int_equal(run(live, options, 0, false), may_succeed);
}

static void test_tls_memory__g2_fails_anywhere(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("kept"), "the value");
    live.options.timeout_ms = TIMEOUT_MS;
    sweep(&live, &live.options, true);
    live_end(&live);
}

/* A server that must not be believed is believed with no allocation failing, either. */
static void test_tls_memory__g2_nobody_is_believed_for_want_of_it(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("kept"), "the value");
    live.options.timeout_ms = TIMEOUT_MS;
    live.options.tls_server_name = "other.example.com";
    sweep(&live, &live.options, false);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_tls_memory__g2_fails_anywhere),
    KIT_TEST(test_tls_memory__g2_nobody_is_believed_for_want_of_it),
};

KIT_MAIN(k_tests)
