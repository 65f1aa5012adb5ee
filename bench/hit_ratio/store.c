/* SPDX-License-Identifier: MIT */
/* hit_ratio/store.c — the store itself: the same values under all keys, and a budget that holds as
 * many as the cell asks for. It counts bytes, so how many fit is found out before. */
#include "policy.h"

#include <faciliter/cache.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VALUE_BYTES = 800, /* so that the smallest cell is no smaller than the smallest budget */
    KEY_BYTES = 16,
};

static const uint64_t k_min_budget = 64 * 1024;
static char value_bytes[VALUE_BYTES];

static fac_bytes key_of(char *text, uint32_t key)
{
    (void)snprintf(text, KEY_BYTES, "%010u", key);
    return fac_str(text);
}

static fac_cache *open_cache(uint64_t budget)
{
    fac_options options;
    fac_options_init(&options);
    options.ignore_environment = true;
    options.provider = FAC_MEMORY;
    options.prefix = "k:";
    options.memory_bytes = budget > k_min_budget ? budget : k_min_budget;
    fac_cache *cache = NULL;
    fac_error err;
    if (fac_cache_open(&options, &cache, &err) < 0) {
        (void)fprintf(stderr, "open: %s\n", err.message);
        return NULL;
    }
    return cache;
}

static bool put(fac_cache *cache, uint32_t key)
{
    char text[KEY_BYTES];
    return fac_cache_set(cache, key_of(text, key), fac_mem(value_bytes, VALUE_BYTES),
                         FAC_TTL_NONE, NULL, NULL) == FAC_OK;
}

/* How many entries a budget holds. */
static uint64_t count_fitting(uint64_t budget, uint32_t about)
{
    fac_cache *cache = open_cache(budget);
    fac_stats stats = {0};
    for (uint32_t i = 0; cache != NULL && i < about + about / 2; i++) {
        (void)put(cache, i);
    }
    if (cache == NULL || fac_cache_stats(cache, NULL, &stats, sizeof(stats), NULL) != FAC_OK) {
        stats.memory_entries = 0;
    }
    fac_cache_close(cache);
    return stats.memory_entries;
}

static void *open_store(uint32_t cap, const struct trace *trace)
{
    (void)trace;
    /* From too little upwards: the largest budget that holds no more than asked for. */
    uint64_t low = (uint64_t)cap * VALUE_BYTES;
    uint64_t high = low * 2 + k_min_budget;
    while (high - low > VALUE_BYTES / 4) {
        const uint64_t middle = low + (high - low) / 2;
        if (count_fitting(middle, cap) > cap) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return open_cache(low);
}

static bool use_store(void *opened, uint32_t key, size_t at)
{
    (void)at;
    char text[KEY_BYTES];
    char buf[VALUE_BYTES];
    size_t len = 0;
    if (fac_cache_get_into(opened, key_of(text, key), NULL, buf, sizeof(buf), &len, NULL) ==
        FAC_OK) {
        return true;
    }
    (void)put(opened, key);
    return false;
}

static void close_store(void *opened)
{
    fac_cache_close(opened);
}

const struct policy k_store = {"the store", true, open_store, use_store, close_store};
