/* SPDX-License-Identifier: MIT */
/* api/common.c — how the tests of the public functions start. */
#include "common.h"

#include "kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_setting(const char *variable)
{
    return strncmp(variable, "CACHE_", 6) == 0 || strncmp(variable, "REDIS_", 6) == 0 ||
           strncmp(variable, "VALKEY_", 7) == 0;
}

/* NOLINTBEGIN(concurrency-mt-unsafe): a test sets its environment before it has threads */
void api_clear_environment(void)
{
    for (size_t i = 0; environ[i] != NULL;) {
        const char *equals = strchr(environ[i], '=');
        char name[128];
        size_t len = equals == NULL ? 0 : (size_t)(equals - environ[i]);
        if (is_setting(environ[i]) && len < sizeof(name)) {
            memcpy(name, environ[i], len);
            name[len] = '\0';
            assert_int_equal(unsetenv(name), 0);
            i = 0; /* the list has moved */
        } else {
            i++;
        }
    }
}

void api_set_environment(const char *variable, const char *value)
{
    assert_int_equal(setenv(variable, value, 1), 0);
}
/* NOLINTEND(concurrency-mt-unsafe) */

void api_set_port(const char *variable, uint16_t port)
{
    char text[8];
    (void)snprintf(text, sizeof(text), "%u", (unsigned)port);
    api_set_environment(variable, text);
}

void api_name_server(const char *family, uint16_t port)
{
    char variable[32];
    api_clear_environment();
    api_set_environment("CACHE_BACKEND", strcmp(family, "REDIS") == 0 ? "redis" : "valkey");
    (void)snprintf(variable, sizeof(variable), "%s_HOST", family);
    api_set_environment(variable, "127.0.0.1");
    (void)snprintf(variable, sizeof(variable), "%s_PORT", family);
    api_set_port(variable, port);
}

fac_cache *api_open_memory(const fac_allocator *allocator)
{
    fac_options options;
    fac_options_init(&options);
    options.provider = FAC_MEMORY;
    options.ignore_environment = true;
    options.allocator = allocator;
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    assert_non_null(cache);
    return cache;
}

struct api_backend api_backend_of_test(void)
{
    static const struct api_backend k_backends[] = {
        {"memory", true, KIT_REDIS, false},   {"redis3", false, KIT_REDIS, false},
        {"redis2", false, KIT_REDIS, true},   {"valkey3", false, KIT_VALKEY, false},
        {"valkey2", false, KIT_VALKEY, true},
    };
    const char *name = kit_arg(0);
    for (size_t i = 0; name != NULL && i < KIT_COUNT(k_backends); i++) {
        if (strcmp(k_backends[i].name, name) == 0) {
            return k_backends[i];
        }
    }
    fail_msg("no backend is named %s", name != NULL ? name : "(none given)");
    return k_backends[0];
}

struct kit_server *api_start(const struct api_backend *backend)
{
    static const char *const k_without_hello[] = {"rename-command HELLO \"\"", NULL};
    if (backend->is_memory) {
        return NULL;
    }
    struct kit_server_options options = {
        .kind = backend->kind,
        .config = backend->is_resp2 ? k_without_hello : NULL,
    };
    return kit_server_start(&options);
}

void api_name_backend(const struct api_backend *backend, const struct kit_server *server)
{
    if (backend->is_memory) {
        api_clear_environment();
        api_set_environment("CACHE_BACKEND", "memory");
    } else {
        api_name_server(backend->kind == KIT_REDIS ? "REDIS" : "VALKEY",
                        kit_server_port(server));
    }
}

void api_options(fac_options *options, const struct api_backend *backend,
                 const struct kit_server *server)
{
    fac_options_init(options);
    options->ignore_environment = true;
    if (backend->is_memory) {
        options->provider = FAC_MEMORY;
        return;
    }
    options->provider = backend->kind == KIT_REDIS ? FAC_REDIS : FAC_VALKEY;
    options->host = "127.0.0.1";
    options->port = kit_server_port(server);
}

void api_put(fac_cache *cache, const char *key, const char *value)
{
    fac_error err;
    assert_status(fac_cache_set(cache, fac_str(key), fac_str(value), 60000, NULL, &err), FAC_OK,
                  &err);
}

void api_assert_value(fac_cache *cache, const char *key, const char *value)
{
    fac_error err;
    fac_value *got = NULL;
    assert_status(fac_cache_get(cache, fac_str(key), NULL, &got, &err), FAC_OK, &err);
    fac_bytes bytes = fac_value_bytes(got);
    assert_int_equal(bytes.len, strlen(value));
    assert_memory_equal(bytes.data, value, bytes.len);
    fac_value_unref(got);
}
