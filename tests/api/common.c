/* SPDX-License-Identifier: MIT */
/* api/common.c — how the tests of the public functions start. */
#include "common.h"

#include "kit/kit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_setting(const char *variable)
{
    return strncmp(variable, "CACHE_", 6) == 0 || strncmp(variable, "REDIS_", 6) == 0 ||
           strncmp(variable, "VALKEY_", 7) == 0;
}

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
