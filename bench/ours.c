/* SPDX-License-Identifier: MIT */
/* bench/ours.c — libfaciliter's side, one key at a time: one handle, any number of threads. */
#include "driver.h"

#include <faciliter/cache.h>

#include <stddef.h>
#include <stdio.h>

bool bench_ours_open(struct bench_peer *peer, const struct bench_endpoint *endpoint)
{
    fac_options options;
    fac_options_init(&options);
    options.ignore_environment = true;
    options.provider = endpoint->is_valkey ? FAC_VALKEY : FAC_REDIS;
    options.prefix = BENCH_PREFIX;
    options.max_connections = peer->max_connections;
    char url[64];
    if (endpoint->api_key != NULL) {
        (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d", endpoint->port);
        options.url = url;
        options.api_key = endpoint->api_key;
    } else if (endpoint->unix_socket != NULL) {
        options.unix_socket = endpoint->unix_socket;
    } else {
        options.host = "127.0.0.1";
        options.port = endpoint->port;
        options.tls = endpoint->ca_file != NULL ? FAC_YES : FAC_NO;
    }
    options.tls_ca_file = endpoint->ca_file;
    fac_error err;
    fac_cache *cache = NULL;
    fac_status st = fac_cache_open(&options, &cache, &err);
    if (st < 0) {
        return bench_broke("open: %s: %s", fac_status_name(st), err.message);
    }
    peer->handles[0] = cache;
    return true;
}

void bench_ours_close(struct bench_peer *peer)
{
    fac_cache_close(peer->handles[0]);
    peer->handles[0] = NULL;
}

uint32_t bench_ours_count_connections(struct bench_peer *peer)
{
    fac_stats stats;
    fac_status st = fac_cache_stats(peer->handles[0], NULL, &stats, sizeof(stats), NULL);
    return st == FAC_OK ? stats.connections_open : 0;
}

static bool run_get_into(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    (void)thread;
    fac_cache *cache = peer->handles[0];
    for (uint32_t i = 0; i < n; i++) {
        const struct bench_entry *entry = bench_next(at);
        fac_error err;
        char buf[BENCH_MAX_VALUE_BYTES];
        size_t len = 0;
        fac_status st = fac_cache_get_into(cache, entry->key, NULL, buf, sizeof(buf), &len,
                                           &err);
        if (st != FAC_OK) {
            return bench_broke("get_into %s: %s: %s", entry->full_key, fac_status_name(st),
                               st < 0 ? err.message : "");
        }
        if (!bench_is_value(entry, buf, len)) {
            return bench_broke("get_into %s: a wrong value", entry->full_key);
        }
    }
    return true;
}

static bool run_get(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    (void)thread;
    fac_cache *cache = peer->handles[0];
    for (uint32_t i = 0; i < n; i++) {
        const struct bench_entry *entry = bench_next(at);
        fac_error err;
        fac_value *value = NULL;
        fac_status st = fac_cache_get(cache, entry->key, NULL, &value, &err);
        if (st != FAC_OK) {
            return bench_broke("get %s: %s: %s", entry->full_key, fac_status_name(st),
                               st < 0 ? err.message : "");
        }
        fac_bytes bytes = fac_value_bytes(value);
        bool is_right = bench_is_value(entry, bytes.data, bytes.len);
        fac_value_unref(value);
        if (!is_right) {
            return bench_broke("get %s: a wrong value", entry->full_key);
        }
    }
    return true;
}

static bool run_set(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    (void)thread;
    fac_cache *cache = peer->handles[0];
    for (uint32_t i = 0; i < n; i++) {
        const struct bench_entry *entry = bench_next(at);
        fac_error err;
        fac_status st = fac_cache_set(cache, entry->key, entry->value, BENCH_TTL_MS, NULL,
                                      &err);
        if (st != FAC_OK) {
            return bench_broke("set %s: %s: %s", entry->full_key, fac_status_name(st),
                               st < 0 ? err.message : "");
        }
    }
    return true;
}

const struct bench_driver k_ours_get_into = {
    .name = "fac_cache_get_into",
    .unit = 1,
    .open = bench_ours_open,
    .run = run_get_into,
    .close = bench_ours_close,
    .count_connections = bench_ours_count_connections,
};

const struct bench_driver k_ours_get = {
    .name = "fac_cache_get + fac_value_unref",
    .unit = 1,
    .open = bench_ours_open,
    .run = run_get,
    .close = bench_ours_close,
    .count_connections = bench_ours_count_connections,
};

const struct bench_driver k_ours_set = {
    .name = "fac_cache_set",
    .unit = 1,
    .is_writing = true,
    .open = bench_ours_open,
    .run = run_set,
    .close = bench_ours_close,
    .count_connections = bench_ours_count_connections,
};
