/* SPDX-License-Identifier: MIT */
/* Rows B3 and C9: servers that cannot be reached and names that are not told hold nobody past the
 * deadline, all addresses together have one budget, and a new address is used on the next
 * connect. */
#include "fault/callers.h"
#include "fault/late.h"
#include "fault/lookup.h"
#include "kit/kit.h"
#include "kit/stub.h"
#include "live/live.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CALLERS = 16,
    DEADLINE_MS = 150,
    TIMEOUT_MS = 4000,
    CACHES = 6, /* each of them new to its server, so that none is told at once */
    CACHE_MS = 400,

    HOLES = 8,
    FILLERS = 3, /* connections that wait to be accepted: one fits, the rest hang */
    PORT_TRIES = 100,

    MOVES = 1000
};

static void use_a_name(fac_options *options, uint16_t port)
{
    live_point_at(options, port);
    options->host = "cache.internal";
    options->timeout_ms = TIMEOUT_MS;
}

/* Callers that never reach anything, on a new cache. */
static void call_once(const fac_options *options, struct lateness *late,
                      struct lateness *control_late)
{
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(options, &cache, &err), FAC_OK, &err);
    /* Recorded from the first call on: on some caches no later one lasts until its deadline. */
    struct callers callers = {
        .cache = cache,
        .deadline_ms = DEADLINE_MS,
        .is_recording = true,
    };
    struct late_control *control = late_control_start(CALLERS, DEADLINE_MS);
    callers_start(&callers, CALLERS);
    late_pass_ms(CACHE_MS);
    callers_stop(&callers);
    late_control_stop(control, control_late);
    fac_cache_close(cache);
    assert_int_equal(atomic_load(&callers.n_ok), 0);
    assert_int_equal(atomic_load(&callers.n_other) + atomic_load(&callers.n_auth), 0);
    assert_true(atomic_load(&callers.late.full.n) >= 1);
    lateness_add_all(late, &callers.late);
    callers_fini(&callers);
}

static void expect_deadlines_hold(const char *what, const fac_options *options)
{
    bool is_good = false;
    for (int round = 0; round < LATE_ROUNDS && !is_good; round++) {
        struct lateness late;
        struct lateness control_late;
        lateness_init(&late, 1 << 16);
        lateness_init(&control_late, 1 << 16);
        for (size_t i = 0; i < CACHES; i++) {
            call_once(options, &late, &control_late);
        }
        is_good = late_is_within_bars(what, &late, &control_late);
        lateness_fini(&late);
        lateness_fini(&control_late);
    }
    assert_true(is_good);
}

/* --- Addresses where nobody answers ---------------------------------------------------------- */

/* A listener that never accepts and whose queue is full: what else comes is not answered. */
struct hole {
    int listen_fd;
    int fillers[FILLERS];
};

static int open_listener(struct sockaddr_in *at)
{
    socklen_t len = sizeof(*at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (bind(fd, (const struct sockaddr *)at, len) != 0) {
        assert_int_equal(errno, EADDRINUSE);
        (void)close(fd);
        return -1;
    }
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
    return fd;
}

static void fill(struct hole *hole, const struct sockaddr_in *at)
{
    for (size_t i = 0; i < FILLERS; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(fd >= 0);
        (void)connect(fd, (const struct sockaddr *)at, sizeof(*at));
        hole->fillers[i] = fd;
        if (i == 0) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            assert_int_equal(poll(&ready, 1, LIVE_HEAL_MS), 1);
        }
    }
}

static void close_hole(struct hole *hole)
{
    (void)close(hole->listen_fd);
    for (size_t i = 0; i < FILLERS; i++) {
        (void)close(hole->fillers[i]);
    }
}

static struct sockaddr_in address_of(unsigned last_bytes, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = port};
    at.sin_addr.s_addr = htonl(0x7f000000U + last_bytes);
    return at;
}

/* Eight of them at one port. */
static void open_holes(struct hole holes[HOLES], struct sockaddr_in at[HOLES])
{
    for (int i = 0; i < PORT_TRIES; i++) {
        uint16_t port = 0;
        size_t n = 0;
        while (n < HOLES) {
            at[n] = address_of(0x0101U + (unsigned)n, port);
            holes[n].listen_fd = open_listener(&at[n]);
            if (holes[n].listen_fd < 0) {
                break;
            }
            port = at[n].sin_port;
            n++;
        }
        if (n == HOLES) {
            for (size_t k = 0; k < HOLES; k++) {
                fill(&holes[k], &at[k]);
            }
            return;
        }
        while (n > 0) {
            (void)close(holes[--n].listen_fd);
        }
    }
    fail_msg("no port is free on all of the addresses");
}

/* Catches: a budget for each address; a connect without a deadline of its caller. */
static void test_reach__b3_eight_addresses_that_swallow(void **state)
{
    (void)state;
    struct hole holes[HOLES];
    struct sockaddr_in at[HOLES];
    open_holes(holes, at);
    lookup_answer(at, HOLES);
    fac_options options;
    use_a_name(&options, ntohs(at[0].sin_port));
    options.open = FAC_OPEN_LAZY;
    callers_without_breaker(&options);
    expect_deadlines_hold("eight addresses", &options);

    /* Opening is a call like others: all its addresses share its one budget. */
    options.open = FAC_OPEN_CONNECT;
    options.timeout_ms = 2 * DEADLINE_MS;
    fac_cache *cache = NULL;
    fac_error err;
    int64_t before_ms = kit_now_ms();
    fac_status st = fac_cache_open(&options, &cache, &err);
    int64_t took_ms = kit_now_ms() - before_ms;
    assert_true(st == FAC_E_TIMEOUT || st == FAC_E_UNAVAILABLE);
    assert_true(took_ms <= 2 * DEADLINE_MS + kit_margin_ms());
    for (size_t i = 0; i < HOLES; i++) {
        close_hole(&holes[i]);
    }
}

/* Catches: a lookup on the caller's own thread; a caller that waits for the lookup's end instead of
 * its deadline; a lookup, and a thread, for each caller; a close that waits for it. */
static void test_reach__b3_name_that_is_not_told(void **state)
{
    (void)state;
    struct sockaddr_in nowhere = address_of(1, htons(1));
    lookup_answer(&nowhere, 1);
    lookup_hang(true);
    fac_options options;
    use_a_name(&options, 1);
    options.open = FAC_OPEN_LAZY;
    callers_without_breaker(&options);
    size_t before = lookup_count();
    expect_deadlines_hold("a name that is not told", &options);
    assert_true(lookup_count() - before <= CACHES * LATE_ROUNDS);
    assert_int_equal(lookup_under_way(), lookup_count() - before);
    lookup_hang(false);
    KIT_WAIT_FOR(LIVE_HEAL_MS, lookup_under_way() == 0);
}

/* --- C9 -------------------------------------------------------------------------------------- */

/* Tells who it is, once, and hangs up. */
static void tell_and_leave(struct kit_stub_conn *conn, void *context)
{
    const struct kit_frame *frame = kit_stub_next(conn);
    if (frame == NULL) {
        return;
    }
    char reply[32];
    (void)snprintf(reply, sizeof(reply), "$1\r\n%s\r\n", (const char *)context);
    (void)kit_stub_say(conn, reply);
    kit_stub_reset(conn);
}

/* A stub has room for 512 connections. */
enum {
    MOVES_PER_STUB = 200
};

static void move_about(size_t n, size_t *n_right)
{
    static char k_names[2][2] = {"A", "B"};
    struct kit_stub *stubs[2];
    struct sockaddr_in at[2];
    for (size_t i = 0; i < 2; i++) {
        struct kit_stub_options stub_options = {.fn = tell_and_leave, .context = k_names[i]};
        stubs[i] = kit_stub_start(&stub_options);
        at[i] = address_of(1, htons(kit_stub_port(stubs[i])));
    }
    fac_options options;
    use_a_name(&options, 1);
    options.open = FAC_OPEN_LAZY;
    options.timeout_ms = LIVE_TIMEOUT_MS;
    fac_cache *cache = NULL;
    fac_error err;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    uint64_t random = kit_seed();
    for (size_t i = 0; i < n; i++) {
        size_t here = kit_random(&random) >> 40U & 1U;
        lookup_answer(&at[here], 1);
        live_expect(cache, fac_str("who"), k_names[here]);
        *n_right += 1;
    }
    fac_cache_close(cache);
    kit_stub_stop(stubs[0]);
    kit_stub_stop(stubs[1]);
}

/* Catches: an address that is kept from the first lookup, or from the last good one. */
static void test_reach__c9_a_new_address_is_used_on_the_next_connect(void **state)
{
    (void)state;
    size_t n_right = 0;
    size_t want = kit_scaled(MOVES);
    while (n_right < want) {
        size_t left = want - n_right;
        move_about(left < MOVES_PER_STUB ? left : MOVES_PER_STUB, &n_right);
    }
    assert_int_equal(n_right, want);
    KIT_WAIT_FOR(LIVE_HEAL_MS, lookup_under_way() == 0);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_reach__b3_eight_addresses_that_swallow),
    KIT_TEST(test_reach__b3_name_that_is_not_told),
    KIT_TEST(test_reach__c9_a_new_address_is_used_on_the_next_connect),
};

KIT_MAIN(k_tests)
