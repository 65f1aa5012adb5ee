/* SPDX-License-Identifier: MIT */
/* bench/hiredis.c — hiredis's side, one key at a time, as its users write it: a connection for
 * each thread, redisCommandArgv or redisCommand, freeReplyObject. Also what prepares and checks
 * the server, so that neither depends on the library that is measured. */
#include "driver.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <string.h>

static redisContext *dial(const struct bench_endpoint *endpoint)
{
    redisContext *ctx = endpoint->unix_socket != NULL
                            ? redisConnectUnix(endpoint->unix_socket)
                            : redisConnect("127.0.0.1", endpoint->port);
    if (ctx == NULL || ctx->err != 0) {
        (void)bench_broke("hiredis cannot connect: %s",
                          ctx == NULL ? "no memory" : ctx->errstr);
        if (ctx != NULL) {
            redisFree(ctx);
        }
        return NULL;
    }
    return ctx;
}

bool bench_hiredis_open(struct bench_peer *peer, const struct bench_endpoint *endpoint)
{
    for (uint32_t i = 0; i < peer->n_threads; i++) {
        peer->handles[i] = dial(endpoint);
        if (peer->handles[i] == NULL) {
            bench_hiredis_close(peer);
            return false;
        }
    }
    return true;
}

void bench_hiredis_close(struct bench_peer *peer)
{
    for (uint32_t i = 0; i < peer->n_threads; i++) {
        if (peer->handles[i] != NULL) {
            redisFree(peer->handles[i]);
            peer->handles[i] = NULL;
        }
    }
}

/* Checks and frees a reply to GET. */
static bool end_get(redisContext *ctx, const struct bench_entry *entry, redisReply *reply)
{
    if (reply == NULL) {
        return bench_broke("hiredis GET: %s", ctx->errstr);
    }
    bool is_right = reply->type == REDIS_REPLY_STRING &&
                    bench_is_value(entry, reply->str, reply->len);
    freeReplyObject(reply);
    return is_right || bench_broke("hiredis GET %s: a wrong reply", entry->full_key);
}

/* Checks and frees a reply to SET. */
static bool end_set(redisContext *ctx, const struct bench_entry *entry, redisReply *reply)
{
    if (reply == NULL) {
        return bench_broke("hiredis SET: %s", ctx->errstr);
    }
    bool is_right = reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "OK") == 0;
    freeReplyObject(reply);
    return is_right || bench_broke("hiredis SET %s: a wrong reply", entry->full_key);
}

static bool run_get(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    redisContext *ctx = peer->handles[thread];
    for (uint32_t i = 0; i < n; i++) {
        const struct bench_entry *entry = bench_next(at);
        const char *argv[] = {"GET", entry->full_key};
        const size_t lens[] = {3, entry->full_len};
        if (!end_get(ctx, entry, redisCommandArgv(ctx, 2, argv, lens))) {
            return false;
        }
    }
    return true;
}

static bool run_get_format(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    redisContext *ctx = peer->handles[thread];
    for (uint32_t i = 0; i < n; i++) {
        const struct bench_entry *entry = bench_next(at);
        redisReply *reply = redisCommand(ctx, "GET %b", entry->full_key, entry->full_len);
        if (!end_get(ctx, entry, reply)) {
            return false;
        }
    }
    return true;
}

static bool run_set(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    redisContext *ctx = peer->handles[thread];
    for (uint32_t i = 0; i < n; i++) {
        const struct bench_entry *entry = bench_next(at);
        const char *argv[] = {"SET", entry->full_key, entry->value.data, "PX", BENCH_TTL_TEXT};
        const size_t lens[] = {3, entry->full_len, entry->value.len, 2,
                               sizeof(BENCH_TTL_TEXT) - 1};
        if (!end_set(ctx, entry, redisCommandArgv(ctx, 5, argv, lens))) {
            return false;
        }
    }
    return true;
}

/* --- Preparing and checking the server ------------------------------------------------------- */

bool bench_server_empty(const struct bench_endpoint *endpoint)
{
    redisContext *ctx = dial(endpoint);
    if (ctx == NULL) {
        return false;
    }
    redisReply *reply = redisCommand(ctx, "FLUSHALL");
    bool is_done = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    if (reply != NULL) {
        freeReplyObject(reply);
    }
    redisFree(ctx);
    return is_done || bench_broke("FLUSHALL failed");
}

bool bench_server_fill(const struct bench_endpoint *endpoint)
{
    struct bench_peer peer = {.n_threads = 1};
    if (!bench_hiredis_open(&peer, endpoint)) {
        return false;
    }
    size_t at = 0;
    bool is_done = k_hiredis_set_pipeline.run(&peer, 0, &at, BENCH_KEYS);
    bench_hiredis_close(&peer);
    return is_done;
}

static bool verify_ttl(redisContext *ctx, const struct bench_entry *entry)
{
    void *any = NULL;
    if (redisGetReply(ctx, &any) != REDIS_OK) {
        return bench_broke("PTTL: %s", ctx->errstr);
    }
    redisReply *reply = any;
    bool is_right = reply->type == REDIS_REPLY_INTEGER && reply->integer > 0 &&
                    reply->integer <= BENCH_TTL_MS;
    freeReplyObject(reply);
    return is_right || bench_broke("%s was stored without its time to live", entry->full_key);
}

static bool verify_value(redisContext *ctx, const struct bench_entry *entry)
{
    void *reply = NULL;
    return redisGetReply(ctx, &reply) == REDIS_OK ? end_get(ctx, entry, reply)
                                                  : bench_broke("GET: %s", ctx->errstr);
}

bool bench_server_verify(const struct bench_endpoint *endpoint)
{
    redisContext *ctx = dial(endpoint);
    if (ctx == NULL) {
        return false;
    }
    bool is_right = true;
    for (size_t i = 0; i < BENCH_KEYS && is_right; i++) {
        const struct bench_entry *entry = bench_entry_at(i);
        is_right =
            redisAppendCommand(ctx, "GET %b", entry->full_key, entry->full_len) == REDIS_OK &&
            redisAppendCommand(ctx, "PTTL %b", entry->full_key, entry->full_len) == REDIS_OK;
    }
    for (size_t i = 0; i < BENCH_KEYS && is_right; i++) {
        const struct bench_entry *entry = bench_entry_at(i);
        is_right = verify_value(ctx, entry) && verify_ttl(ctx, entry);
    }
    redisFree(ctx);
    return is_right;
}

const struct bench_driver k_hiredis_get = {
    .name = "redisCommandArgv + freeReplyObject",
    .unit = 1,
    .open = bench_hiredis_open,
    .run = run_get,
    .close = bench_hiredis_close,
};

const struct bench_driver k_hiredis_get_format = {
    .name = "redisCommand(\"GET %b\") + freeReplyObject",
    .unit = 1,
    .open = bench_hiredis_open,
    .run = run_get_format,
    .close = bench_hiredis_close,
};

const struct bench_driver k_hiredis_set = {
    .name = "redisCommandArgv + freeReplyObject",
    .unit = 1,
    .is_writing = true,
    .open = bench_hiredis_open,
    .run = run_set,
    .close = bench_hiredis_close,
};
