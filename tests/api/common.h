/* SPDX-License-Identifier: MIT */
/* api/common.h — how the tests of the public functions start: an environment without settings,
 * and caches opened by one line. Everything here asserts. */
#ifndef FAC_API_COMMON_H
#define FAC_API_COMMON_H

#include <faciliter/cache.h>

/* Forget every CACHE_*, REDIS_* and VALKEY_* variable of whoever started the test. */
void api_clear_environment(void);
void api_set_environment(const char *variable, const char *value);

/* A cache in memory that looks at no variable. `allocator` may be NULL. */
fac_cache *api_open_memory(const fac_allocator *allocator);

/* Store and fetch through a handle, and compare. */
void api_put(fac_cache *cache, const char *key, const char *value);
void api_assert_value(fac_cache *cache, const char *key, const char *value);

#endif
