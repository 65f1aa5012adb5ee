/* SPDX-License-Identifier: MIT */
/* Rows A7 and B4 over TLS: the handshake cut at each of its bytes, by an orderly end and by a reset, and
 * stalled after each of its parts. No user's reply is one of the handshake's, every call ends in time,
 * and the cache heals. */
#include "fault/late.h"
#include "kit/kit.h"
#include "kit/proxy.h"
#include "kit/tlsfront.h"
#include "live/live.h"

#include <stdio.h>
#include <string.h>

enum {
    CUT_STEP = 11,  /* bytes between two cuts of a usual run; 1 at a scale of 1100 */
    STALL_MS = 250, /* of a call against a handshake that stops */
    STALLED_CALLS = 5,
};

/* Bytes that a whole handshake and greeting take, in a direction. */
static uint64_t greeting_bytes(struct live *live, enum kit_direction direction)
{
    struct kit_proxy *proxy = kit_proxy_start(&(struct kit_proxy_options){
        .to_port = kit_server_port(live->server), .seed = kit_seed(), .is_opaque = true});
    fac_options options = live->options;
    options.port = kit_proxy_port(proxy);
    fac_cache *cache = NULL;
    fac_error err;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    uint64_t n = kit_proxy_counts(proxy).bytes_out[direction];
    fac_cache_close(cache);
    kit_proxy_stop(proxy);
    assert_true(n > 500);
    return n;
}

/* A handle that finds the cut, then one that finds a whole connection. */
static void cut_at(struct live *live, enum kit_direction direction, uint64_t after,
                   enum kit_cut how)
{
    struct kit_proxy_options proxy_options = {
        .to_port = kit_server_port(live->server), .seed = kit_seed(), .is_opaque = true};
    proxy_options.faults.flow[direction].cut = how;
    proxy_options.faults.flow[direction].cut_after = after;
    struct kit_proxy *proxy = kit_proxy_start(&proxy_options);
    fac_options options = live->options;
    options.port = kit_proxy_port(proxy);
    options.open = FAC_OPEN_LAZY;
    options.max_retries = 0;
    fac_cache *cache = NULL;
    fac_error err;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    fac_status st = live_try_get(cache, "kept", 0, &err);
    if (st != FAC_OK && st != FAC_E_UNAVAILABLE && st != FAC_E_PROTOCOL) {
        fail_msg("cut %d of direction %d after %llu bytes: %s, %s", (int)how, (int)direction,
                 (unsigned long long)after, fac_status_name(st), err.message);
    }
    fac_cache_close(cache);
    kit_proxy_set(proxy, &(struct kit_faults){.accept = KIT_ACCEPT});
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err); /* without its pause */
    live_expect(cache, fac_str("kept"), "the value");
    live_expect_miss(cache, fac_str("absent"));
    fac_cache_close(cache);
    kit_proxy_stop(proxy);
}

static void cut_everywhere(enum kit_direction direction)
{
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("kept"), "the value");
    uint64_t state = kit_seed();
    uint64_t n = greeting_bytes(&live, direction);
    size_t step = CUT_STEP * 100 / kit_scaled(100);
    step = step > 0 ? step : 1;
    for (uint64_t at = kit_random(&state) % step; at < n; at += step) {
        cut_at(&live, direction, at, kit_random(&state) % 2 == 0 ? KIT_CUT_FIN : KIT_CUT_RST);
    }
    live_end(&live);
}

static void test_tls_handshake__a7_cut_from_the_server(void **state)
{
    (void)state;
    cut_everywhere(KIT_DOWN);
}

static void test_tls_handshake__a7_cut_to_the_server(void **state)
{
    (void)state;
    cut_everywhere(KIT_UP);
}

/* --- B4 --------------------------------------------------------------------------------------- */

struct stall {
    const char *name;
    bool is_silent;
    size_t after_bytes;
};

/* Calls on a peer that stops there; how late they return, beside plain threads that wait as long. */
static bool stall_once(struct live *live, const struct stall *stall)
{
    struct kit_tlsfront *front = kit_tlsfront_start(
        &(struct kit_tlsfront_options){.to_unix = kit_server_socket(live->server),
                                       .cert = "server.pem",
                                       .is_silent = stall->is_silent,
                                       .stall_after_bytes = stall->after_bytes});
    fac_options options = live->options;
    options.port = kit_tlsfront_port(front);
    options.open = FAC_OPEN_LAZY;
    options.breaker = FAC_NO;
    struct lateness calls;
    struct lateness control_late;
    lateness_init(&calls, STALLED_CALLS);
    lateness_init(&control_late, STALLED_CALLS * 2);
    struct late_control *control = late_control_start(1, STALL_MS);
    for (int i = 0; i < STALLED_CALLS; i++) {
        fac_cache *cache = NULL; /* of its own: one that knows better would not wait */
        fac_error err;
        assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
        int64_t begun_us = late_now_us();
        int64_t queued_us = late_queued_us();
        fac_status st = live_try_get(cache, "kept", STALL_MS, &err);
        lateness_add(&calls, late_now_us() - begun_us - (int64_t)STALL_MS * 1000,
                     late_queued_us() - queued_us);
        assert_status(st, FAC_E_TIMEOUT, &err);
        fac_cache_close(cache);
    }
    late_control_stop(control, &control_late);
    bool is_good = late_is_within_bars(stall->name, &calls, &control_late);
    lateness_fini(&calls);
    lateness_fini(&control_late);
    kit_tlsfront_stop(front);
    return is_good;
}

static void test_tls_handshake__b4_stalls_after_each_flight(void **state)
{
    (void)state;
    static const struct stall k_stalls[] = {
        {"nothing at all", true, 0},
        {"one byte", false, 1},
        {"half of the first flight", false, 400},
        {"a handshake, and no reply", false, 1000},
    };
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("kept"), "the value");
    for (size_t i = 0; i < KIT_COUNT(k_stalls); i++) {
        bool is_good = false;
        for (int round = 0; round < LATE_ROUNDS && !is_good; round++) {
            is_good = stall_once(&live, &k_stalls[i]);
        }
        assert_true(is_good);
    }
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_tls_handshake__a7_cut_from_the_server),
    KIT_TEST(test_tls_handshake__a7_cut_to_the_server),
    KIT_TEST(test_tls_handshake__b4_stalls_after_each_flight),
};

KIT_MAIN(k_tests)
