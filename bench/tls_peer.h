/* SPDX-License-Identifier: MIT */
/* bench/tls_peer.h — hiredis with its own TLS, behind a few functions, in a shared library of its
 * own: where the distribution's hiredis has no TLS it is another version of hiredis than the one that
 * the other cells measure, and neither may see the other. */
#ifndef FAC_BENCH_TLS_PEER_H
#define FAC_BENCH_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>

#define BENCH_TLS_PEER_API __attribute__((visibility("default")))

/* Which hiredis it is: "1.0.3". */
BENCH_TLS_PEER_API const char *bench_tls_peer_version(void);

/* What connections share, as a user of hiredis has it: made once. NULL: *out_why tells. */
BENCH_TLS_PEER_API void *bench_tls_peer_context_new(const char *ca_file, const char **out_why);
BENCH_TLS_PEER_API void bench_tls_peer_context_free(void *context);

/* A connection to 127.0.0.1 whose handshake is done; NULL: why, in `why`. */
BENCH_TLS_PEER_API void *bench_tls_peer_open(void *context, int port, char *why, size_t cap);
BENCH_TLS_PEER_API void bench_tls_peer_close(void *peer);

/* One GET as hiredis's users write it, redisCommandArgv. What it found is borrowed until
 * bench_tls_peer_end(), which is freeReplyObject. NULL: no string came. */
BENCH_TLS_PEER_API const char *bench_tls_peer_get(void *peer, const char *key, size_t key_len,
                                                  size_t *out_len, void **out_reply);
BENCH_TLS_PEER_API void bench_tls_peer_end(void *reply);

#endif
