/* SPDX-License-Identifier: MIT */
/* bench/tls_peer.c — hiredis and hiredis_ssl, and nothing of the benchmark. */
#include "tls_peer.h"

#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>

#include <stdio.h>

#define TEXT_OF(number) #number
#define DOTTED(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)
#define HIREDIS_VERSION DOTTED(HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH)

const char *bench_tls_peer_version(void)
{
    return HIREDIS_VERSION;
}

/* It verifies the chain. A name it would not verify, whatever was asked. */
void *bench_tls_peer_context_new(const char *ca_file, const char **out_why)
{
    redisSSLContextError error = REDIS_SSL_CTX_NONE;
    (void)redisInitOpenSSL();
    redisSSLContext *context = redisCreateSSLContext(ca_file, NULL, NULL, NULL, NULL, &error);
    *out_why = context == NULL ? redisSSLContextGetError(error) : NULL;
    return context;
}

void bench_tls_peer_context_free(void *context)
{
    if (context != NULL) {
        redisFreeSSLContext(context);
    }
}

void *bench_tls_peer_open(void *context, int port, char *why, size_t cap)
{
    redisContext *ctx = redisConnect("127.0.0.1", port);
    if (ctx == NULL) {
        (void)snprintf(why, cap, "no memory");
        return NULL;
    }
    if (ctx->err != 0 || redisInitiateSSLWithContext(ctx, context) != REDIS_OK) {
        (void)snprintf(why, cap, "%s", ctx->errstr);
        redisFree(ctx);
        return NULL;
    }
    return ctx;
}

void bench_tls_peer_close(void *peer)
{
    if (peer != NULL) {
        redisFree(peer);
    }
}

const char *bench_tls_peer_get(void *peer, const char *key, size_t key_len, size_t *out_len,
                               void **out_reply)
{
    const char *argv[] = {"GET", key};
    const size_t lens[] = {3, key_len};
    redisReply *reply = redisCommandArgv(peer, 2, argv, lens);
    *out_reply = reply;
    if (reply == NULL || reply->type != REDIS_REPLY_STRING) {
        return NULL;
    }
    *out_len = reply->len;
    return reply->str;
}

void bench_tls_peer_end(void *reply)
{
    if (reply != NULL) {
        freeReplyObject(reply);
    }
}
