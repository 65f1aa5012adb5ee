/* SPDX-License-Identifier: MIT */
/* api/module_test.c — the shared library's modules: not loaded by a program that speaks plain RESP,
 * loaded when an address asks for them, and a clear error when they are not there. */
#include "common.h"
#include "kit/bridge.h"
#include "kit/certs.h"
#include "kit/kit.h"
#include "kit/server.h"
#include "kit/workdir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether this process has a library of that name in its memory. */
static bool has_mapped(const char *name)
{
    FILE *file = fopen("/proc/self/maps", "re");
    assert_non_null(file);
    char line[1024];
    bool has = false;
    while (fgets(line, sizeof(line), file) != NULL) {
        has = has || strstr(line, name) != NULL;
    }
    (void)fclose(file);
    return has;
}

static void use(const fac_options *options)
{
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(options, &cache, &err), FAC_OK, &err);
    api_put(cache, "k", "v");
    api_assert_value(cache, "k", "v");
    fac_cache_close(cache);
}

/* In a process of its own, which has OpenSSL for the kit; the modules are the question. */
static void test_module__loaded_when_it_is_asked_for(void **state)
{
    (void)state;
    struct kit_server *plain = kit_server_start(
        &(struct kit_server_options){.kind = KIT_REDIS});
    struct kit_server *tls = kit_server_start(
        &(struct kit_server_options){.kind = KIT_REDIS, .is_tls = true});
    struct kit_cert ca = kit_cert("ca.pem");
    fac_options options;
    fac_options_init(&options);
    options.ignore_environment = true;
    options.provider = FAC_REDIS;
    options.host = "127.0.0.1";
    options.port = kit_server_port(plain);
    use(&options);
    assert_false(has_mapped("faciliter_tls.so"));
    assert_false(has_mapped("libcurl"));
    options.port = kit_server_port(tls);
    options.tls = FAC_YES;
    options.tls_ca_file = ca.path;
    use(&options);
    assert_true(has_mapped("faciliter_tls.so"));
    assert_false(has_mapped("faciliter_http.so"));
#ifdef FAC_HAS_HTTP
    struct kit_bridge *bridge = kit_bridge_start(kit_server_socket(plain), true, "server.pem",
                                                 "server.key");
    char url[64];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u", (unsigned)kit_bridge_port(bridge));
    options = (fac_options){0};
    fac_options_init(&options);
    options.ignore_environment = true;
    options.url = url;
    options.api_key = KIT_BRIDGE_KEY;
    options.tls_ca_file = ca.path;
    use(&options);
    assert_true(has_mapped("faciliter_http.so"));
    kit_bridge_stop(bridge);
#endif
    kit_server_stop(tls);
    kit_server_stop(plain);
}

/* The library alone in a folder: what is said there names the module and its package. */
static void test_module__that_is_not_there_is_named(void **state)
{
    (void)state;
    const char *library = kit_arg(0);
    const char *program = kit_arg(1);
    assert_non_null(library);
    assert_non_null(program);
    struct kit_workdir dir;
    kit_workdir_make(&dir);
    char command[2048];
    (void)snprintf(command, sizeof(command),
                   "cp -L '%s' '%s/libfaciliter.so.0' && LD_LIBRARY_PATH='%s' "
                   "REDIS_URL=rediss://127.0.0.1:1 CACHE_BACKEND=redis '%s' >'%s/out' 2>&1; "
                   "grep -q 'faciliter_tls.so cannot be loaded' '%s/out' && "
                   "grep -q 'libssl3' '%s/out'",
                   library, dir.path, dir.path, program, dir.path, dir.path, dir.path);
    int status = system(command); /* NOLINT(concurrency-mt-unsafe,cert-env33-c) */
    kit_workdir_remove(&dir);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_module__loaded_when_it_is_asked_for),
    KIT_TEST(test_module__that_is_not_there_is_named),
};

KIT_MAIN(k_tests)
