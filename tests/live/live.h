/* SPDX-License-Identifier: MIT */
/* live/live.h — an open cache on the backend that the test's first argument names: "memory",
 * "redis3", "redis2", "valkey3", "valkey2" (RESP version; 2 is a server without HELLO),
 * "redis_unix", "redis_tls", "valkey_tls", "valkey_tls2" (over TLS), "valkey_https"
 * (behind a REST interface), or "redis_acl",
 * "valkey_acl" (as the smallest ACL user). Each test has a server of its own, and an allocator that finds leaks. */
#ifndef FAC_LIVE_LIVE_H
#define FAC_LIVE_LIVE_H

#include "kit/bridge.h"
#include "kit/certs.h"
#include "kit/memory.h"
#include "kit/raw.h"
#include "kit/server.h"
#include "kit/wait.h"

#include <faciliter/cache.h>

#include <stdbool.h>
#include <stdint.h>

enum {
    LIVE_TIMEOUT_MS =
        20000,           /* of tests that are not about time: a busy machine is no failure */
    LIVE_HEAL_MS = 20000 /* a cache that comes back does so within this */
};

struct live {
    const char *variant;
    const char *server_name; /* "memory", "redis", "valkey" */
    uint32_t protocol;       /* 0, 2, 3 */
    bool has_server;
    struct kit_server *server;
    struct kit_raw *raw; /* see live_raw() */
    struct kit_memory memory;
    struct kit_cert ca;        /* of TLS variants */
    struct kit_bridge *bridge; /* of "valkey_https" */
    char url[64];
    fac_options options;
    fac_cache *cache;
};

/* Start the server with further lines of configuration (or NULL), and prepare `options`. */
void live_start(struct live *live, const char *const *config);

/* Open `cache` with `options`; asserts that it works. */
void live_open(struct live *live);

/* Both: what most tests begin with. */
void live_begin(struct live *live);

/* Give up the cache, end the server, assert that no memory is left. */
void live_end(struct live *live);

/* Options for a cache on a port of this machine without a server of the fixture's. */
void live_point_at(fac_options *options, uint16_t port);

/* A connection to the server behind the library's back. Asserts that it works. */
struct kit_raw *live_raw(struct live *live);

/* Counters of now. */
fac_stats live_stats(fac_cache *cache);

/* Store, asserting that it works. */
#define live_set(cache, key, value) \
    live_check_set((cache), (key), fac_str(value), __FILE__, __LINE__)
#define live_set_bytes(cache, key, value) \
    live_check_set((cache), (key), (value), __FILE__, __LINE__)
void live_check_set(fac_cache *cache, fac_bytes key, fac_bytes value, const char *file,
                    int line);

/* Assert what is stored. */
#define live_expect(cache, key, value) \
    live_check_get((cache), (key), fac_str(value), __FILE__, __LINE__)
#define live_expect_bytes(cache, key, value) \
    live_check_get((cache), (key), (value), __FILE__, __LINE__)
void live_check_get(fac_cache *cache, fac_bytes key, fac_bytes want, const char *file,
                    int line);

/* Assert that a key is not there. */
#define live_expect_miss(cache, key) live_check_miss((cache), (key), __FILE__, __LINE__)
void live_check_miss(fac_cache *cache, fac_bytes key, const char *file, int line);

/* Fetch and forget: for tests that ask only whether it works. */
fac_status live_try_get(fac_cache *cache, const char *key, uint32_t deadline_ms,
                        fac_error *err);

/* Assert a status together with what `err` must say then. */
#define live_expect_error(got, want, err) \
    live_check_error((got), (want), (err), __FILE__, __LINE__)
void live_check_error(fac_status got, fac_status want, const fac_error *err, const char *file,
                      int line);

#endif
