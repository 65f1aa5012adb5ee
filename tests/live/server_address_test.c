/* SPDX-License-Identifier: MIT */
/* Where a server may be, and where none is: names, IPv4, IPv6, Unix sockets, wrong peers. */
#include "kit/kit.h"
#include "kit/stub.h"
#include "live/live.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Open must fail with `want`, saying where, and within its time. */
static void expect_no_cache(const fac_options *options, fac_status want, const char *words)
{
    fac_error err;
    fac_cache *cache = NULL;
    int64_t before_ms = kit_now_ms();
    fac_status got = fac_cache_open(options, &cache, &err);
    int64_t took_ms = kit_now_ms() - before_ms;
    live_expect_error(got, want, &err);
    assert_contains(err.message, words);
    assert_null(cache);
    assert_in_range(took_ms, 0, options->timeout_ms + kit_margin_ms());
}

static void expect_cache(const fac_options *options)
{
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(options, &cache, &err), FAC_OK, &err);
    live_set(cache, fac_str("k"), "v");
    live_expect(cache, fac_str("k"), "v");
    fac_cache_close(cache);
}

static void test_server_address__nobody_listens(void **state)
{
    (void)state;
    uint16_t port = 0;
    int holder = kit_port_without_listener(&port);
    fac_options options;
    live_point_at(&options, port);
    char text[32];
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", (unsigned)port);
    expect_no_cache(&options, FAC_E_UNAVAILABLE, text);
    options.provider = FAC_VALKEY;
    expect_no_cache(&options, FAC_E_UNAVAILABLE, text);
    options.provider = FAC_AUTO;
    expect_no_cache(&options, FAC_E_UNAVAILABLE, text);
    kit_port_give_back(holder);
}

static void test_server_address__name_that_does_not_resolve(void **state)
{
    (void)state;
    fac_options options;
    live_point_at(&options, 6379);
    options.host = "does-not-exist.invalid";
    options.timeout_ms = 3000;
    fac_error err;
    fac_cache *cache = NULL;
    int64_t before_ms = kit_now_ms();
    fac_status got = fac_cache_open(&options, &cache, &err);
    int64_t took_ms = kit_now_ms() - before_ms;
    /* A machine whose resolver does not answer at all has only the deadline. */
    assert_true(got == FAC_E_UNAVAILABLE || (got == FAC_E_TIMEOUT && took_ms >= 2900));
    assert_contains(err.message, "does-not-exist.invalid");
    assert_null(cache);
    assert_in_range(took_ms, 0, 3000 + kit_margin_ms());
}

static void reach_localhost_bound_to(const char *address)
{
    if (strchr(address, ':') != NULL && !kit_has_ipv6()) {
        (void)fprintf(stderr, "skipped: no IPv6 on this machine\n");
        skip();
    }
    struct kit_server_options server_options = {.kind = KIT_REDIS, .bind = address};
    struct kit_server *server = kit_server_start(&server_options);
    fac_options options;
    live_point_at(&options, kit_server_port(server));
    options.host = "localhost";
    expect_cache(&options);
    options.host = address;
    expect_cache(&options);
    char url[64];
    bool is_v6 = strchr(address, ':') != NULL;
    (void)snprintf(url, sizeof(url), "redis://%s%s%s:%u/0", is_v6 ? "[" : "", address,
                   is_v6 ? "]" : "", (unsigned)kit_server_port(server));
    options.host = NULL;
    options.port = 0;
    options.url = url;
    expect_cache(&options);
    kit_server_stop(server);
}

static void test_server_address__localhost_on_ipv4_only(void **state)
{
    (void)state;
    reach_localhost_bound_to("127.0.0.1");
}

static void test_server_address__localhost_on_ipv6_only(void **state)
{
    (void)state;
    reach_localhost_bound_to("::1");
}

static void test_server_address__unix_socket(void **state)
{
    (void)state;
    struct kit_server_options server_options = {.kind = KIT_REDIS};
    struct kit_server *server = kit_server_start(&server_options);
    fac_options options;
    live_point_at(&options, 0);
    options.host = NULL;
    options.unix_socket = kit_server_socket(server);
    expect_cache(&options);
    char url[160];
    (void)snprintf(url, sizeof(url), "unix://%s?db=2", kit_server_socket(server));
    options.unix_socket = NULL;
    options.url = url;
    expect_cache(&options);
    kit_server_stop(server);
}

static void test_server_address__unix_paths_that_are_no_server(void **state)
{
    (void)state;
    fac_options options;
    live_point_at(&options, 0);
    options.host = NULL;
    static char longest[200];
    memset(longest, 'p', sizeof(longest) - 1);
    longest[0] = '/';
    options.unix_socket = longest;
    expect_no_cache(&options, FAC_E_CONFIG, "107");
    longest[108] = '\0';
    expect_no_cache(&options, FAC_E_CONFIG, "107");
    longest[107] = '\0';
    expect_no_cache(&options, FAC_E_UNAVAILABLE, "ppp");

    options.unix_socket = "/no/such/socket";
    expect_no_cache(&options, FAC_E_UNAVAILABLE, "/no/such/socket");
    options.unix_socket = "/";
    expect_no_cache(&options, FAC_E_UNAVAILABLE, "unix:/");

    char path[] = "/tmp/fac-plain-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    options.unix_socket = path;
    expect_no_cache(&options, FAC_E_UNAVAILABLE, path);
    (void)unlink(path);
}

/* --- Peers that are no Redis ----------------------------------------------------------------- */

static void open_at_bare_peer(const struct kit_step *steps, fac_status want, fac_status or_else)
{
    /* Only where nothing but the time ends it, the time is short. */
    uint32_t timeout_ms = want == FAC_E_TIMEOUT ? 500 : LIVE_TIMEOUT_MS;
    const struct kit_step *const scripts[] = {steps};
    struct kit_stub_options stub_options = {
        .scripts = scripts, .n_scripts = 1, .is_bare = true};
    struct kit_stub *stub = kit_stub_start(&stub_options);
    fac_options options;
    live_point_at(&options, kit_stub_port(stub));
    options.timeout_ms = timeout_ms;
    fac_error err;
    fac_cache *cache = NULL;
    int64_t before_ms = kit_now_ms();
    fac_status got = fac_cache_open(&options, &cache, &err);
    int64_t took_ms = kit_now_ms() - before_ms;
    live_expect_error(got, got == or_else ? or_else : want, &err);
    assert_null(cache);
    assert_in_range(took_ms, 0, timeout_ms + kit_margin_ms());
    kit_stub_stop(stub);
}

static void test_server_address__http_server(void **state)
{
    (void)state;
    static const struct kit_step k_http[] = {
        {KIT_EXPECT, NULL, NULL},
        {KIT_SAY, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", NULL},
        {KIT_SHUT, NULL, NULL},
    };
    open_at_bare_peer(k_http, FAC_E_PROTOCOL, FAC_E_PROTOCOL);
}

static void test_server_address__server_that_speaks_first(void **state)
{
    (void)state;
    static const struct kit_step k_ssh[] = {
        {KIT_SAY, "SSH-2.0-OpenSSH_9.2p1\r\n", NULL},
        {KIT_END, NULL, NULL},
    };
    open_at_bare_peer(k_ssh, FAC_E_PROTOCOL, FAC_E_PROTOCOL);
}

static void test_server_address__accepts_and_hangs_up(void **state)
{
    (void)state;
    static const struct kit_step k_shut[] = {{KIT_SHUT, NULL, NULL}};
    open_at_bare_peer(k_shut, FAC_E_UNAVAILABLE, FAC_E_UNAVAILABLE);
    static const struct kit_step k_reset[] = {{KIT_RESET, NULL, NULL}};
    open_at_bare_peer(k_reset, FAC_E_UNAVAILABLE, FAC_E_UNAVAILABLE);
    static const struct kit_step k_half[] = {
        {KIT_EXPECT, NULL, NULL}, {KIT_SAY, "%7\r\n$6\r\nser", NULL}, {KIT_SHUT, NULL, NULL}};
    open_at_bare_peer(k_half, FAC_E_UNAVAILABLE, FAC_E_UNAVAILABLE);
}

static void test_server_address__never_answers(void **state)
{
    (void)state;
    static const struct kit_step k_stall[] = {{KIT_STALL, NULL, NULL}};
    open_at_bare_peer(k_stall, FAC_E_TIMEOUT, FAC_E_UNAVAILABLE);
    static const struct kit_step k_half[] = {
        {KIT_EXPECT, NULL, NULL}, {KIT_SAY, "%7\r\n$6\r\nser", NULL}, {KIT_END, NULL, NULL}};
    open_at_bare_peer(k_half, FAC_E_TIMEOUT, FAC_E_UNAVAILABLE);
    /* A byte now and then does not prolong it. */
    static char endless[4000];
    memset(endless, 'x', sizeof(endless) - 1);
    memcpy(endless, "-ERR ", 5);
    const struct kit_step trickle[] = {{KIT_TRICKLE, endless, NULL}, {KIT_END, NULL, NULL}};
    open_at_bare_peer(trickle, FAC_E_TIMEOUT, FAC_E_UNAVAILABLE);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_server_address__nobody_listens),
    KIT_TEST(test_server_address__name_that_does_not_resolve),
    KIT_TEST(test_server_address__localhost_on_ipv4_only),
    KIT_TEST(test_server_address__localhost_on_ipv6_only),
    KIT_TEST(test_server_address__unix_socket),
    KIT_TEST(test_server_address__unix_paths_that_are_no_server),
    KIT_TEST(test_server_address__http_server),
    KIT_TEST(test_server_address__server_that_speaks_first),
    KIT_TEST(test_server_address__accepts_and_hangs_up),
    KIT_TEST(test_server_address__never_answers),
};

KIT_MAIN(k_tests)
