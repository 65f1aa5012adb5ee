/* SPDX-License-Identifier: MIT */
/* The https transport: who is believed and who is let in, what a server that answers HTTP may answer
 * else, deadlines, and connections that end. */
#include "kit/kit.h"
#include "kit/stub.h"
#include "live/live.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static fac_status try_open(const fac_options *options, fac_error *err)
{
    fac_cache *cache = NULL;
    fac_status st = fac_cache_open(options, &cache, err);
    if (st == FAC_OK) {
        live_set(cache, fac_str("k"), "v");
        live_expect(cache, fac_str("k"), "v");
        fac_cache_close(cache);
    }
    return st;
}

static void test_https__key_opens_and_nothing_else(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    fac_error err;
    assert_status(try_open(&live.options, &err), FAC_OK, &err);
    live.options.api_key = "wr0ng-key";
    assert_status(try_open(&live.options, &err), FAC_E_AUTH, &err);
    assert_null(strstr(err.message, "wr0ng-key"));
    live.options.api_key = NULL;
    assert_status(try_open(&live.options, &err), FAC_E_AUTH, &err);
    live_end(&live);
}

/* The same rules as for rediss://. */
static void test_https__certificates(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *ca;
        const char *asked;
        fac_status want;
    } k_cases[] = {
        {"server", "ca.pem", NULL, FAC_OK},
        {"dns", "ca.pem", "cache.example.com", FAC_OK},
        {"dns", "ca.pem", NULL, FAC_E_AUTH},
        {"dns", "ca.pem", "other.example.com", FAC_E_AUTH},
        {"cn_only", "ca.pem", "cache.example.com", FAC_E_AUTH},
        {"partial", "ca.pem", "cache.example.com", FAC_E_AUTH},
        {"expired", "ca.pem", NULL, FAC_E_AUTH},
        {"foreign", "ca.pem", NULL, FAC_E_AUTH},
        {"foreign", "other_ca.pem", NULL, FAC_OK},
        {"for_clients", "ca.pem", NULL, FAC_E_AUTH},
        {"revoked", "ca_crl.pem", NULL, FAC_E_AUTH},
        {"server", NULL, NULL, FAC_E_AUTH},
    };
    struct live live;
    live_start(&live, NULL);
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        char cert[32];
        char key[32];
        char url[64];
        (void)snprintf(cert, sizeof(cert), "%s.pem", k_cases[i].name);
        (void)snprintf(key, sizeof(key), "%s.key", k_cases[i].name);
        struct kit_bridge *bridge = kit_bridge_start(kit_server_socket(live.server), true, cert,
                                                     key);
        (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u",
                       (unsigned)kit_bridge_port(bridge));
        struct kit_cert ca = kit_cert(k_cases[i].ca != NULL ? k_cases[i].ca : "ca.pem");
        fac_options options = live.options;
        options.url = url;
        options.tls_ca_file = k_cases[i].ca != NULL ? ca.path : NULL;
        options.tls_server_name = k_cases[i].asked;
        fac_error err;
        fac_status st = try_open(&options, &err);
        if (st != k_cases[i].want) {
            (void)fprintf(stderr, "row %zu, %s\n", i, k_cases[i].name);
        }
        assert_status(st, k_cases[i].want, &err);
        kit_bridge_stop(bridge);
    }
    live_end(&live);
}

static void test_https__without_tls_on_loopback(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    struct kit_bridge *bridge = kit_bridge_start(kit_server_socket(live.server), false, NULL,
                                                 NULL);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/base/",
                   (unsigned)kit_bridge_port(bridge));
    fac_options options = live.options;
    options.url = url;
    options.tls_ca_file = NULL;
    fac_error err;
    assert_status(try_open(&options, &err), FAC_OK, &err);
    kit_bridge_stop(bridge);
    live_end(&live);
}

/* --- Answers that are none -------------------------------------------------------------------- */

static void answer(struct kit_stub_conn *conn, void *context)
{
    (void)kit_stub_say(conn, context);
    kit_stub_drain(conn);
}

static void test_https__answers_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        fac_status want;
    } k_cases[] = {
        {"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", FAC_E_UNAVAILABLE},
        {"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", FAC_E_UNAVAILABLE},
        {"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", FAC_E_PROTOCOL},
        {"HTTP/1.1 302 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
         FAC_E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", FAC_E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", FAC_E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"result\": \"@@@\"", FAC_E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"result\":\"@@\"}", FAC_E_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"result\":true}", FAC_E_PROTOCOL},
        {"HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", FAC_E_AUTH},
    };
    struct live live;
    live_start(&live, NULL);
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        char said[256];
        (void)snprintf(said, sizeof(said), "%s", k_cases[i].said);
        struct kit_stub *stub = kit_stub_start(
            &(struct kit_stub_options){.fn = answer, .context = said, .is_bare = true});
        char url[64];
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", (unsigned)kit_stub_port(stub));
        fac_options options = live.options;
        options.url = url;
        options.tls_ca_file = NULL;
        options.max_retries = 0;
        fac_error err;
        fac_status st = try_open(&options, &err);
        if (st != k_cases[i].want) {
            (void)fprintf(stderr, "row %zu\n", i);
        }
        assert_status(st, k_cases[i].want, &err);
        kit_stub_stop(stub);
    }
    live_end(&live);
}

/* --- Time ------------------------------------------------------------------------------------- */

static void test_https__server_that_stops_is_waited_for_until_the_deadline(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("k"), "v");
    kit_server_pause(live.server);
    fac_error err;
    int64_t begun_ms = kit_now_ms();
    assert_status(live_try_get(live.cache, "k", 100, &err), FAC_E_TIMEOUT, &err);
    assert_true(kit_now_ms() - begun_ms < 100 + kit_margin_ms());
    kit_server_resume(live.server);
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(live.cache, "k", 0, &err) == FAC_OK);
    live_expect(live.cache, fac_str("k"), "v");
    live_end(&live);
}

/* Many callers at once, whose commands travel in the same requests. */
struct crowd {
    fac_cache *cache;
    int n_wrong;
};

static void read_own(size_t index, void *context)
{
    struct crowd *crowd = context;
    for (int i = 0; i < 20; i++) {
        char key[16];
        fac_error err;
        char got[16];
        size_t len = 0;
        (void)snprintf(key, sizeof(key), "k%zu", index);
        fac_status st = fac_cache_get_into(crowd->cache, fac_str(key), NULL, got, sizeof(got),
                                           &len, &err);
        if (st != FAC_OK || len != strlen(key) || memcmp(got, key, len) != 0) {
            __atomic_fetch_add(&crowd->n_wrong, 1, __ATOMIC_RELAXED);
        }
    }
}

static void test_https__callers_get_their_own_answers(void **state)
{
    (void)state;
    enum {
        CALLERS = 16
    };
    struct live live;
    live_begin(&live);
    for (size_t i = 0; i < CALLERS; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "k%zu", i);
        live_set(live.cache, fac_str(key), key);
    }
    struct crowd crowd = {live.cache, 0};
    kit_threads_join(kit_threads_start(CALLERS, read_own, &crowd));
    assert_int_equal(crowd.n_wrong, 0);
    live_end(&live);
}

static void test_https__server_that_is_gone(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("k"), "v");
    kit_bridge_stop(live.bridge);
    live.bridge = NULL;
    fac_error err;
    fac_status st = live_try_get(live.cache, "k", 2000, &err);
    assert_true(st == FAC_E_UNAVAILABLE);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_https__key_opens_and_nothing_else),
    KIT_TEST(test_https__certificates),
    KIT_TEST(test_https__without_tls_on_loopback),
    KIT_TEST(test_https__answers_that_are_none),
    KIT_TEST(test_https__server_that_stops_is_waited_for_until_the_deadline),
    KIT_TEST(test_https__callers_get_their_own_answers),
    KIT_TEST(test_https__server_that_is_gone),
};

KIT_MAIN(k_tests)
