/* SPDX-License-Identifier: MIT */
/* api/abi_test.c — programs of older and newer headers. An older header is a struct that ends
 * earlier: the library must neither read nor write beyond it. A newer one has a tail: zero means
 * "inherit", anything else is refused. All on the memory backend. */
#include "common.h"
#include "kit/guard.h"
#include "kit/kit.h"

#include <faciliter/cache.h>
#include <string.h>

enum {
    GUARD = 0xa5,   /* what the bytes behind a struct hold */
    TAIL_BYTES = 64 /* of a newer header, and of the guard */
};

/* A struct of any length: the given bytes, then the guard. */
union frame {
    max_align_t align;
    unsigned char bytes[1024];
};

static void frame_init(union frame *frame, size_t size)
{
    assert_true(size + TAIL_BYTES <= sizeof(frame->bytes));
    memset(frame->bytes, GUARD, sizeof(frame->bytes));
}

static void assert_guarded(const union frame *frame, size_t size)
{
    for (size_t i = size; i < sizeof(frame->bytes); i++) {
        if (frame->bytes[i] != GUARD) {
            fail_msg("byte %zu was written; the struct has %zu", i, size);
        }
    }
}

/* Ends of the fields that a header may have ended with. */
#define END_OF(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))

/* --- fac_options ----------------------------------------------------------------------------- */

static const size_t k_options_ends[] = {
    END_OF(fac_options, provider),
    END_OF(fac_options, open),
    END_OF(fac_options, url),
    END_OF(fac_options, unix_socket),
    END_OF(fac_options, host),
    END_OF(fac_options, port),
    END_OF(fac_options, db),
    END_OF(fac_options, username),
    END_OF(fac_options, password),
    END_OF(fac_options, password_file),
    END_OF(fac_options, prefix),
    END_OF(fac_options, ttl_ms),
    END_OF(fac_options, max_connections),
    END_OF(fac_options, timeout_ms),
    END_OF(fac_options, retry_on_timeout),
    END_OF(fac_options, memory_bytes),
    END_OF(fac_options, ignore_environment),
    END_OF(fac_options, allocator), /* NOLINT(bugprone-sizeof-expression): a pointer */
    END_OF(fac_options, log),
    END_OF(fac_options, log_context),
    END_OF(fac_options, max_retries),
    END_OF(fac_options, breaker),
    END_OF(fac_options, breaker_open_ms),
    END_OF(fac_options, reconnect_max_ms),
    END_OF(fac_options, integrity_check),
    END_OF(fac_options, api_key),
    END_OF(fac_options, tls),
    END_OF(fac_options, tls_ca_file),
    END_OF(fac_options, tls_ca_dir),
    END_OF(fac_options, tls_cert_file),
    END_OF(fac_options, tls_key_file),
    END_OF(fac_options, tls_server_name),
    END_OF(fac_options, tls_min_version),
    END_OF(fac_options, tls_insecure),
    END_OF(fac_options, password_fn),
    END_OF(fac_options, password_context),
};

/* The struct ends where a protected page begins: one byte read too far is a fault. */
static void test_abi__opens_with_shorter_options(void **state)
{
    (void)state;
    struct kit_guard guard;
    kit_guard_init(&guard, sizeof(fac_options));
    for (size_t i = 0; i < KIT_COUNT(k_options_ends); i++) {
        size_t size = k_options_ends[i];
        union frame frame;
        frame_init(&frame, size);
        void *raw = frame.bytes;
        fac_options_init_size(raw, size);
        assert_guarded(&frame, size);
        assert_memory_equal(frame.bytes, &size, sizeof(size));

        fac_provider provider = FAC_MEMORY;
        memcpy(frame.bytes + offsetof(fac_options, provider), &provider, sizeof(provider));
        if (size % _Alignof(fac_options) != 0) {
            continue; /* no compiler ends a struct here, and the page needs alignment */
        }
        const void *placed = kit_guard_place(&guard, frame.bytes, size);
        fac_error err;
        fac_cache *cache = NULL;
        assert_status(fac_cache_open(placed, &cache, &err), FAC_OK, &err);
        assert_status(
            fac_cache_set(cache, fac_str("k"), fac_str("v"), FAC_TTL_DEFAULT, NULL, &err),
            FAC_OK, &err);
        fac_cache_close(cache);
    }
    kit_guard_fini(&guard);
}

static void test_abi__takes_longer_options_with_a_zero_tail(void **state)
{
    (void)state;
    union frame frame;
    size_t size = sizeof(fac_options) + TAIL_BYTES;
    frame_init(&frame, size);
    void *raw = frame.bytes;
    fac_options_init_size(raw, size);
    assert_guarded(&frame, size);
    fac_options *options = raw;
    options->provider = FAC_MEMORY;
    options->ignore_environment = true;

    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(options, &cache, &err), FAC_OK, &err);
    fac_cache_close(cache);
}

static void test_abi__refuses_an_unknown_option_that_is_set(void **state)
{
    (void)state;
    for (size_t at = sizeof(fac_options); at < sizeof(fac_options) + TAIL_BYTES; at++) {
        union frame frame;
        size_t size = sizeof(fac_options) + TAIL_BYTES;
        frame_init(&frame, size);
        void *raw = frame.bytes;
        fac_options_init_size(raw, size);
        fac_options *options = raw;
        options->provider = FAC_MEMORY;
        frame.bytes[at] = 1;

        fac_error err;
        fac_cache *cache = NULL;
        assert_status(fac_cache_open(options, &cache, &err), FAC_E_UNSUPPORTED, &err);
        assert_null(cache);
        assert_true(strlen(err.message) > 0);
    }
}

static void test_abi__refuses_options_without_a_size(void **state)
{
    (void)state;
    fac_options options;
    memset(&options, 0, sizeof(options));
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_E_INVALID, &err);
    assert_null(cache);
}

/* --- fac_stats ------------------------------------------------------------------------------- */

static const size_t k_stats_ends[] = {
    END_OF(fac_stats, hits),
    END_OF(fac_stats, misses),
    END_OF(fac_stats, sets),
    END_OF(fac_stats, deletes),
    END_OF(fac_stats, errors),
    END_OF(fac_stats, timeouts),
    END_OF(fac_stats, retries),
    END_OF(fac_stats, connects),
    END_OF(fac_stats, connect_failures),
    END_OF(fac_stats, disconnects),
    END_OF(fac_stats, connections_idle),
    END_OF(fac_stats, calls_waiting),
    END_OF(fac_stats, memory_entries),
    END_OF(fac_stats, memory_bytes),
    END_OF(fac_stats, memory_evicted),
    END_OF(fac_stats, memory_expired),
    END_OF(fac_stats, late_replies),
    END_OF(fac_stats, batches),
    END_OF(fac_stats, batched_calls),
    END_OF(fac_stats, reconnects),
    END_OF(fac_stats, breaker_opens),
    END_OF(fac_stats, breaker_refusals),
    END_OF(fac_stats, connections_connecting),
    END_OF(fac_stats, connections_exclusive),
    END_OF(fac_stats, breaker_state),
    END_OF(fac_stats, latency_count),
    END_OF(fac_stats, latency_p50_us),
    END_OF(fac_stats, latency_p90_us),
    END_OF(fac_stats, latency_p99_us),
    END_OF(fac_stats, latency_p999_us),
    END_OF(fac_stats, latency_max_us),
    END_OF(fac_stats, tls_handshakes),
    END_OF(fac_stats, tls_resumed),
    END_OF(fac_stats, memory_replaced),
    END_OF(fac_stats, memory_budget),
};

static void hit_once(fac_cache *cache)
{
    fac_error err;
    assert_status(fac_cache_set(cache, fac_str("k"), fac_str("v"), 60000, NULL, &err), FAC_OK,
                  &err);
    assert_status(fac_cache_exists(cache, fac_str("k"), NULL, &err), FAC_OK, &err);
    fac_value *value = NULL;
    assert_status(fac_cache_get(cache, fac_str("k"), NULL, &value, &err), FAC_OK, &err);
    fac_value_unref(value);
}

static void test_abi__fills_shorter_stats(void **state)
{
    (void)state;
    fac_cache *cache = api_open_memory(NULL);
    hit_once(cache);
    for (size_t i = 0; i < KIT_COUNT(k_stats_ends); i++) {
        size_t size = k_stats_ends[i];
        union frame frame;
        frame_init(&frame, size);
        void *raw = frame.bytes;
        fac_stats *stats = raw;
        fac_error err;
        assert_status(fac_cache_stats(cache, NULL, stats, size, &err), FAC_OK, &err);
        assert_guarded(&frame, size);
        assert_int_equal(stats->size, size);
        assert_int_equal(stats->hits, 1);
    }
    fac_cache_close(cache);
}

static void test_abi__fills_what_it_knows_of_longer_stats(void **state)
{
    (void)state;
    fac_cache *cache = api_open_memory(NULL);
    hit_once(cache);
    union frame frame;
    size_t size = sizeof(fac_stats) + TAIL_BYTES;
    frame_init(&frame, size);
    void *raw = frame.bytes;
    fac_stats *stats = raw;
    fac_error err;
    assert_status(fac_cache_stats(cache, NULL, stats, size, &err), FAC_OK, &err);
    assert_guarded(&frame, size);
    assert_int_equal(stats->size, sizeof(fac_stats));
    assert_int_equal(stats->sets, 1);
    assert_int_equal(stats->memory_entries, 1);
    assert_int_equal(stats->breaker_state, FAC_BREAKER_CLOSED);
    assert_int_equal(stats->latency_count, 0);
    fac_cache_close(cache);
}

/* --- fac_health ------------------------------------------------------------------------------ */

static const size_t k_health_ends[] = {
    END_OF(fac_health, provider),
    END_OF(fac_health, server),
    END_OF(fac_health, version),
    END_OF(fac_health, role),
    END_OF(fac_health, endpoint),
    END_OF(fac_health, latency_us),
    END_OF(fac_health, connections_idle),
    END_OF(fac_health, max_connections),
    END_OF(fac_health, breaker_state),
    END_OF(fac_health, security),
    END_OF(fac_health, tls_version),
    END_OF(fac_health, tls_cipher),
    END_OF(fac_health, tls_cert_expires_at_s),
};

static void test_abi__fills_shorter_health(void **state)
{
    (void)state;
    fac_cache *cache = api_open_memory(NULL);
    for (size_t i = 0; i < KIT_COUNT(k_health_ends); i++) {
        size_t size = k_health_ends[i];
        union frame frame;
        frame_init(&frame, size);
        void *raw = frame.bytes;
        fac_health *health = raw;
        fac_error err;
        assert_status(fac_cache_health(cache, NULL, health, size, &err), FAC_OK, &err);
        assert_guarded(&frame, size);
        assert_int_equal(health->size, size);
        assert_true(health->is_healthy);
        assert_int_equal(health->provider, FAC_MEMORY);
    }
    fac_cache_close(cache);
}

static void test_abi__fills_what_it_knows_of_longer_health(void **state)
{
    (void)state;
    fac_cache *cache = api_open_memory(NULL);
    union frame frame;
    size_t size = sizeof(fac_health) + TAIL_BYTES;
    frame_init(&frame, size);
    void *raw = frame.bytes;
    fac_health *health = raw;
    fac_error err;
    assert_status(fac_cache_health(cache, NULL, health, size, &err), FAC_OK, &err);
    assert_guarded(&frame, size);
    assert_int_equal(health->size, sizeof(fac_health));
    assert_string_equal(health->server, "memory");
    assert_string_equal(health->endpoint, "memory");
    assert_int_equal(health->breaker_state, FAC_BREAKER_CLOSED);
    fac_cache_close(cache);
}

/* A size that does not even hold the size field. */
static void test_abi__refuses_reports_without_a_size(void **state)
{
    (void)state;
    fac_cache *cache = api_open_memory(NULL);
    for (size_t size = 0; size < sizeof(size_t); size++) {
        union frame frame;
        frame_init(&frame, 0);
        void *raw = frame.bytes;
        fac_error err;
        assert_status(fac_cache_stats(cache, NULL, raw, size, &err), FAC_E_INVALID, &err);
        assert_status(fac_cache_health(cache, NULL, raw, size, &err), FAC_E_INVALID, &err);
        assert_guarded(&frame, 0);
    }
    fac_cache_close(cache);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_abi__opens_with_shorter_options),
    KIT_TEST(test_abi__takes_longer_options_with_a_zero_tail),
    KIT_TEST(test_abi__refuses_an_unknown_option_that_is_set),
    KIT_TEST(test_abi__refuses_options_without_a_size),
    KIT_TEST(test_abi__fills_shorter_stats),
    KIT_TEST(test_abi__fills_what_it_knows_of_longer_stats),
    KIT_TEST(test_abi__fills_shorter_health),
    KIT_TEST(test_abi__fills_what_it_knows_of_longer_health),
    KIT_TEST(test_abi__refuses_reports_without_a_size),
};

KIT_MAIN(k_tests)
