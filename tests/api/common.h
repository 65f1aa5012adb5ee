/* SPDX-License-Identifier: MIT */
/* api/common.h — how the tests of the public functions start: an environment without settings,
 * and caches opened by one line. Everything here asserts. */
#ifndef FAC_API_COMMON_H
#define FAC_API_COMMON_H

#include "kit/server.h"

#include <faciliter/cache.h>

/* Forget every CACHE_*, REDIS_* and VALKEY_* variable of whoever started the test. */
void api_clear_environment(void);
void api_set_environment(const char *variable, const char *value);
void api_set_port(const char *variable, uint16_t port);

/* Then make it name one server of this machine. `family` is "REDIS" or "VALKEY". */
void api_name_server(const char *family, uint16_t port);

/* A cache in memory that looks at no variable. `allocator` may be NULL. */
fac_cache *api_open_memory(const fac_allocator *allocator);

/* What a test that runs once for each backend is told in kit_arg(0): "memory", or a server and the
 * RESP version, as in "redis3" or "valkey2". */
struct api_backend {
    const char *name;
    bool is_memory;
    enum kit_server_kind kind;
    bool is_resp2; /* the server refuses HELLO */
};

struct api_backend api_backend_of_test(void);

/* Its server; NULL for memory. */
struct kit_server *api_start(const struct api_backend *backend);

/* An environment that names the backend and nothing else. */
void api_name_backend(const struct api_backend *backend, const struct kit_server *server);

/* Options that name the backend and nothing else; `server` may be NULL for memory. */
void api_options(fac_options *options, const struct api_backend *backend,
                 const struct kit_server *server);

/* Store and fetch through a handle, and compare. */
void api_put(fac_cache *cache, const char *key, const char *value);
void api_assert_value(fac_cache *cache, const char *key, const char *value);

#endif
