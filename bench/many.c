/* SPDX-License-Identifier: MIT */
/* bench/many.c — all keys in one batch: our get_many and set_many; hiredis's pipeline, which is its
 * way for any commands, and its single MGET. One thread. A batch is a full turn of the entries, so
 * the second pass over them begins where the first one did. */
#include "driver.h"

#include <faciliter/cache.h>
#include <hiredis/hiredis.h>

#include <string.h>

static bool run_get_many(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    (void)thread;
    (void)n; /* A batch, always. */
    fac_bytes keys[BENCH_KEYS];
    fac_value *values[BENCH_KEYS];
    fac_status statuses[BENCH_KEYS];
    for (size_t i = 0; i < BENCH_KEYS; i++) {
        keys[i] = bench_next(at)->key;
    }
    fac_error err;
    fac_status st = fac_cache_get_many(peer->handles[0], keys, BENCH_KEYS, NULL, values,
                                       statuses, &err);
    bool is_right = st == FAC_OK;
    if (!is_right) {
        (void)bench_broke("get_many: %s: %s", fac_status_name(st), err.message);
    }
    for (size_t i = 0; i < BENCH_KEYS; i++) {
        const struct bench_entry *entry = bench_next(at);
        fac_bytes bytes = fac_value_bytes(values[i]);
        if (is_right &&
            (statuses[i] != FAC_OK || !bench_is_value(entry, bytes.data, bytes.len))) {
            is_right = bench_broke("get_many: %s: a wrong value", entry->full_key);
        }
        fac_value_unref(values[i]);
    }
    return is_right;
}

static bool run_set_many(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    (void)thread;
    (void)n; /* A batch, always. */
    fac_item items[BENCH_KEYS];
    fac_status statuses[BENCH_KEYS];
    for (size_t i = 0; i < BENCH_KEYS; i++) {
        const struct bench_entry *entry = bench_next(at);
        items[i].key = entry->key;
        items[i].value = entry->value;
        items[i].ttl_ms = BENCH_TTL_MS;
    }
    fac_error err;
    fac_status st = fac_cache_set_many(peer->handles[0], items, BENCH_KEYS, NULL, statuses,
                                       &err);
    if (st != FAC_OK) {
        return bench_broke("set_many: %s: %s", fac_status_name(st), err.message);
    }
    for (size_t i = 0; i < BENCH_KEYS; i++) {
        if (statuses[i] != FAC_OK) {
            return bench_broke("set_many: %s", fac_status_name(statuses[i]));
        }
    }
    return true;
}

static bool run_get_pipeline(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    (void)n; /* A batch, always. */
    redisContext *ctx = peer->handles[thread];
    for (size_t i = 0; i < BENCH_KEYS; i++) {
        const struct bench_entry *entry = bench_next(at);
        const char *argv[] = {"GET", entry->full_key};
        const size_t lens[] = {3, entry->full_len};
        if (redisAppendCommandArgv(ctx, 2, argv, lens) != REDIS_OK) {
            return bench_broke("hiredis pipeline: %s", ctx->errstr);
        }
    }
    for (size_t i = 0; i < BENCH_KEYS; i++) {
        const struct bench_entry *entry = bench_next(at);
        void *any = NULL;
        if (redisGetReply(ctx, &any) != REDIS_OK) {
            return bench_broke("hiredis pipeline: %s", ctx->errstr);
        }
        redisReply *reply = any;
        bool is_right = reply->type == REDIS_REPLY_STRING &&
                        bench_is_value(entry, reply->str, reply->len);
        freeReplyObject(reply);
        if (!is_right) {
            return bench_broke("hiredis pipeline: %s: a wrong reply", entry->full_key);
        }
    }
    return true;
}

static bool run_set_pipeline(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    (void)n; /* A batch, always. */
    redisContext *ctx = peer->handles[thread];
    for (size_t i = 0; i < BENCH_KEYS; i++) {
        const struct bench_entry *entry = bench_next(at);
        const char *argv[] = {"SET", entry->full_key, entry->value.data, "PX", BENCH_TTL_TEXT};
        const size_t lens[] = {3, entry->full_len, entry->value.len, 2,
                               sizeof(BENCH_TTL_TEXT) - 1};
        if (redisAppendCommandArgv(ctx, 5, argv, lens) != REDIS_OK) {
            return bench_broke("hiredis pipeline: %s", ctx->errstr);
        }
    }
    for (size_t i = 0; i < BENCH_KEYS; i++) {
        void *any = NULL;
        if (redisGetReply(ctx, &any) != REDIS_OK) {
            return bench_broke("hiredis pipeline: %s", ctx->errstr);
        }
        redisReply *reply = any;
        bool is_right = reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "OK") == 0;
        freeReplyObject(reply);
        if (!is_right) {
            return bench_broke("hiredis pipeline: SET was not OK");
        }
    }
    return true;
}

static bool check_mget(const redisReply *reply, size_t *at)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != BENCH_KEYS) {
        return bench_broke("hiredis MGET: a wrong reply");
    }
    for (size_t i = 0; i < BENCH_KEYS; i++) {
        const struct bench_entry *entry = bench_next(at);
        const redisReply *one = reply->element[i];
        if (one->type != REDIS_REPLY_STRING || !bench_is_value(entry, one->str, one->len)) {
            return bench_broke("hiredis MGET: %s: a wrong reply", entry->full_key);
        }
    }
    return true;
}

static bool run_mget(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    (void)n; /* A batch, always. */
    redisContext *ctx = peer->handles[thread];
    const char *argv[BENCH_KEYS + 1] = {"MGET"};
    size_t lens[BENCH_KEYS + 1] = {4};
    for (size_t i = 1; i <= BENCH_KEYS; i++) {
        const struct bench_entry *entry = bench_next(at);
        argv[i] = entry->full_key;
        lens[i] = entry->full_len;
    }
    redisReply *reply = redisCommandArgv(ctx, BENCH_KEYS + 1, argv, lens);
    if (reply == NULL) {
        return bench_broke("hiredis MGET: %s", ctx->errstr);
    }
    bool is_right = check_mget(reply, at);
    freeReplyObject(reply);
    return is_right;
}

const struct bench_driver k_ours_get_many = {
    .name = "fac_cache_get_many of 1000",
    .unit = BENCH_KEYS,
    .open = bench_ours_open,
    .run = run_get_many,
    .close = bench_ours_close,
    .count_connections = bench_ours_count_connections,
};

const struct bench_driver k_ours_set_many = {
    .name = "fac_cache_set_many of 1000",
    .unit = BENCH_KEYS,
    .is_writing = true,
    .open = bench_ours_open,
    .run = run_set_many,
    .close = bench_ours_close,
    .count_connections = bench_ours_count_connections,
};

const struct bench_driver k_hiredis_get_pipeline = {
    .name = "pipeline of 1000 GET",
    .unit = BENCH_KEYS,
    .open = bench_hiredis_open,
    .run = run_get_pipeline,
    .close = bench_hiredis_close,
};

const struct bench_driver k_hiredis_set_pipeline = {
    .name = "pipeline of 1000 SET",
    .unit = BENCH_KEYS,
    .is_writing = true,
    .open = bench_hiredis_open,
    .run = run_set_pipeline,
    .close = bench_hiredis_close,
};

const struct bench_driver k_hiredis_mget = {
    .name = "one MGET of 1000",
    .unit = BENCH_KEYS,
    .open = bench_hiredis_open,
    .run = run_mget,
    .close = bench_hiredis_close,
};
