/* SPDX-License-Identifier: MIT */
/* bench/store.c — the memory backend: hits of get_into on a store that holds every entry. */
#include "driver.h"

#include <faciliter/cache.h>

static bool open_store(struct bench_peer *peer, const struct bench_endpoint *endpoint)
{
    (void)endpoint;
    fac_options options;
    fac_options_init(&options);
    options.ignore_environment = true;
    options.provider = FAC_MEMORY;
    options.prefix = BENCH_PREFIX;
    fac_error err;
    fac_cache *cache = NULL;
    fac_status st = fac_cache_open(&options, &cache, &err);
    if (st < 0) {
        return bench_broke("open memory: %s: %s", fac_status_name(st), err.message);
    }
    peer->handles[0] = cache;
    for (size_t i = 0; i < BENCH_KEYS; i++) {
        const struct bench_entry *entry = bench_entry_at(i);
        st = fac_cache_set(cache, entry->key, entry->value, BENCH_TTL_MS, NULL, &err);
        if (st != FAC_OK) {
            bench_ours_close(peer);
            return bench_broke("set: %s: %s", fac_status_name(st), err.message);
        }
    }
    return true;
}

static bool run_get_into(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    (void)thread;
    fac_cache *cache = peer->handles[0];
    for (uint32_t i = 0; i < n; i++) {
        const struct bench_entry *entry = bench_next(at);
        fac_error err;
        char buf[2 * BENCH_SMALL_BYTES];
        size_t len = 0;
        fac_status st = fac_cache_get_into(cache, entry->key, NULL, buf, sizeof(buf), &len,
                                           &err);
        if (st != FAC_OK || !bench_is_value(entry, buf, len)) {
            return bench_broke("memory get_into %s: %s", entry->full_key, fac_status_name(st));
        }
    }
    return true;
}

const struct bench_driver k_store_get_into = {
    .name = "fac_cache_get_into, memory",
    .unit = BENCH_KEYS, /* A look at the clock between calls would count. */
    .open = open_store,
    .run = run_get_into,
    .close = bench_ours_close,
};
