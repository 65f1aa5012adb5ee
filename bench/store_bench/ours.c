/* SPDX-License-Identifier: MIT */
/* store_bench/ours.c — the memory backend, as a program uses it. */
#include "side.h"

#include <faciliter/cache.h>

#include <stdio.h>

static void *open_ours(uint64_t bytes)
{
    fac_options options;
    fac_options_init(&options);
    options.ignore_environment = true;
    options.provider = FAC_MEMORY;
    options.prefix = "k:";
    options.memory_bytes = bytes;
    fac_cache *cache = NULL;
    fac_error err;
    if (fac_cache_open(&options, &cache, &err) < 0) {
        (void)fprintf(stderr, "open: %s\n", err.message);
        return NULL;
    }
    return cache;
}

static fac_bytes name_of(const char *key)
{
    return fac_mem(key + PREFIX_BYTES, KEY_BYTES - PREFIX_BYTES);
}

static bool get_ours(void *cache, unsigned thread, const char *key, char *value)
{
    (void)thread;
    size_t len = 0;
    fac_error err;
    return fac_cache_get_into(cache, name_of(key), NULL, value, VALUE_BYTES, &len, &err) ==
               FAC_OK &&
           len == VALUE_BYTES;
}

static bool set_ours(void *cache, unsigned thread, const char *key, const char *value)
{
    (void)thread;
    fac_error err;
    return fac_cache_set(cache, name_of(key), fac_mem(value, VALUE_BYTES), FAC_TTL_DEFAULT,
                         NULL, &err) == FAC_OK;
}

static void close_ours(void *cache)
{
    fac_cache_close(cache);
}

const struct side k_ours = {"fac_cache, memory", open_ours, get_ours, set_ours, close_ours};
