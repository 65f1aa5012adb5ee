/* SPDX-License-Identifier: MIT */
/* api/unbuilt_test.c — a library that was built without TLS, or without https: an address that asks
 * for it gets a clear error, and the server not one byte. */
#include "common.h"
#include "kit/kit.h"
#include "kit/stub.h"

#include <faciliter/facade.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *scheme;
    const char *variable;
    const char *backend;
    const char *option; /* of the build */
} k_rows[] = {
#ifndef FAC_HAS_TLS
    {"rediss", "REDIS_URL", "redis", "FAC_TLS"},
    {"rediss", "REDIS_URL", "auto", "FAC_TLS"},
    {"valkeys", "VALKEY_URL", "valkey", "FAC_TLS"},
    {"valkeys", "VALKEY_URL", "auto", "FAC_TLS"},
#endif
    {"https", "VALKEY_URL", "valkey", "FAC_HTTP"},
    {"https", "REDIS_URL", "auto", "FAC_HTTP"},
};

static void assert_not_built(const fac_options *options, const char *option)
{
    for (int mode = 0; mode < 2; mode++) {
        fac_options copy = *options;
        copy.open = mode == 0 ? FAC_OPEN_CONNECT : FAC_OPEN_LAZY;
        fac_error err;
        fac_cache *cache = NULL;
        assert_status(fac_cache_open(&copy, &cache, &err), FAC_E_UNSUPPORTED, &err);
        assert_null(cache);
        assert_contains(err.message, option);
    }
}

static void test_unbuilt__schemes_send_nothing(void **state)
{
    (void)state;
    static const struct kit_step k_script[] = {{KIT_END, NULL, NULL}};
    static const struct kit_step *const k_scripts[] = {k_script};
    struct kit_stub *stub = kit_stub_start(
        &(struct kit_stub_options){.scripts = k_scripts, .n_scripts = 1, .is_bare = true});
    for (size_t i = 0; i < KIT_COUNT(k_rows); i++) {
        char url[96];
        (void)snprintf(url, sizeof(url), "%s://127.0.0.1:%u", k_rows[i].scheme,
                       (unsigned)kit_stub_port(stub));
        fac_options options;
        fac_options_init(&options);

        api_clear_environment();
        options.url = url;
        assert_not_built(&options, k_rows[i].option);

        options.url = NULL;
        api_set_environment("CACHE_BACKEND", k_rows[i].backend);
        api_set_environment(k_rows[i].variable, url);
        assert_not_built(&options, k_rows[i].option);
        assert_false(set_cache(NULL));
        assert_true(strlen(cache_error()) > 0);
        assert_false(cache_set("k", "v", 60));
        close_cache();
    }
    assert_int_equal(kit_stub_connections(stub), 0);
    kit_stub_stop(stub);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_unbuilt__schemes_send_nothing),
};

KIT_MAIN(k_tests)
