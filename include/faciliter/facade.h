/* SPDX-License-Identifier: MIT */
/**
 * @file facade.h
 * @brief The process-wide cache: strings in, strings out, and a miss when there is no cache.
 *
 *     set_cache(NULL);
 *     cache_set("user:123", "{\"name\": \"Alice\"}", 300);
 *     char *user = cache_get("user:123", NULL);
 *     cache_free(user);
 *
 * The functions are exported as fac_default_*; the short names exist only where this header is
 * included. Any thread may call any of them at any time, set_cache() and close_cache() included:
 * each call holds the cache it works on until it returns.
 *
 * Without a usable cache nothing fails: cache_get() returns the fallback, the others false, and
 * cache_error() says why. After a start without a server one call in each back-off step (1 s
 * doubling to 30 s, with jitter) tries again for at most 250 ms, so the program heals without a
 * restart.
 */
#ifndef FACILITER_FACADE_H
#define FACILITER_FACADE_H

#include <faciliter/export.h>
#include <faciliter/options.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A cache handle, as in cache.h. */
typedef struct fac_cache fac_cache;

/** See set_cache(). @param options  NULL for the environment. */
FAC_API bool fac_default_open(const fac_options *options);
/** See use_cache(). @param cache  An open handle. */
FAC_API bool fac_default_use(fac_cache *cache);
/** See get_cache(). */
FAC_API fac_cache *fac_default_cache(void);
/** See cache_get(). @param key  The key. @param fallback  Copied on a miss, or NULL. */
FAC_API char *fac_default_get(const char *key, const char *fallback);
/** See cache_set(). @param key  The key. @param value  The value. @param ttl_s  Seconds. */
FAC_API bool fac_default_set(const char *key, const char *value, int ttl_s);
/** See cache_delete(). @param key  The key. */
FAC_API bool fac_default_delete(const char *key);
/** See cache_exists(). @param key  The key. */
FAC_API bool fac_default_exists(const char *key);
/** See cache_error(). */
FAC_API const char *fac_default_error(void);
/** See cache_free(). @param string  From cache_get(), or NULL. */
FAC_API void fac_default_free(char *string);
/** See close_cache(). */
FAC_API void fac_default_close(void);

/**
 * Install the process-wide cache.
 *
 * With NULL, the environment decides (CACHE_BACKEND, REDIS_*, VALKEY_*). Any module may call
 * set_cache(NULL) again: with the same environment nothing changes; a cache installed with
 * options or by use_cache() is kept, and the answer is then whether one is installed. With
 * options, whatever was installed is replaced, and calls in flight finish on the old cache.
 *
 * A wrong setting disables the cache that was installed, too: two parts of a program never work
 * on different ideas of the environment.
 *
 * Blocks for at most the settings' timeout. Installing is serialised, connecting is not. Reads the
 * environment, so not while another thread changes it.
 *
 * @param options  NULL for the environment; strings are borrowed until it returns.
 * @return True: a usable cache is installed. False: caching is disabled for now; cache_error()
 *         says why. When no server answered it heals by itself; a wrong setting does not.
 */
static inline bool set_cache(const fac_options *options)
{
    return fac_default_open(options);
}

/**
 * Install an open handle as the process-wide cache. Takes a reference of its own; the caller
 * keeps its own. Never blocks.
 *
 * @param cache  An open handle; NULL is refused.
 * @return True when installed.
 */
static inline bool use_cache(fac_cache *cache)
{
    return fac_default_use(cache);
}

/**
 * The process-wide handle, for cache.h; NULL when caching is disabled.
 *
 * Ownership: borrowed. It stays valid until close_cache(): when another cache is installed
 * meanwhile, its calls return FAC_E_CLOSED (but for a handle that use_cache() installed, which is
 * its owner's to close).
 */
static inline fac_cache *get_cache(void)
{
    return fac_default_cache();
}

/**
 * Fetch one value as a string.
 *
 * Ownership: the caller ends the result with cache_free(). It stays valid after close_cache().
 *
 * @param key       The key.
 * @param fallback  What to return a copy of when there is no value; or NULL.
 * @return The value; a copy of `fallback` on a miss and on every failure (cache_error() tells
 *         which); NULL when `fallback` is NULL, or without memory. A stored value that contains
 *         a NUL byte is a failure: it is never cut short.
 */
static inline char *cache_get(const char *key, const char *fallback)
{
    return fac_default_get(key, fallback);
}

/**
 * Store a string.
 *
 * @param key    The key.
 * @param value  The value.
 * @param ttl_s  Seconds, 1 to ten years; FAC_TTL_DEFAULT is the configured time to live,
 *               FAC_TTL_NONE keeps the value until evicted; any other number is refused.
 * @return True when stored.
 */
static inline bool cache_set(const char *key, const char *value, int ttl_s)
{
    return fac_default_set(key, value, ttl_s);
}

/** Remove a key. @param key  The key. @return True when it was there. */
static inline bool cache_delete(const char *key)
{
    return fac_default_delete(key);
}

/** Ask for a key. @param key  The key. @return True when it is there. */
static inline bool cache_exists(const char *key)
{
    return fac_default_exists(key);
}

/**
 * The last failure of a facade call on this thread, in words; "" when the last call did not
 * fail. A miss is not a failure.
 *
 * Ownership: borrowed until this thread's next facade call.
 */
static inline const char *cache_error(void)
{
    return fac_default_error();
}

/** Free a string of cache_get(). @param string  May be NULL. */
static inline void cache_free(char *string)
{
    fac_default_free(string);
}

/**
 * Disable the process-wide cache and end everything get_cache() has lent. Calls in flight on
 * other threads finish as failures or misses. Never waits for the network.
 */
static inline void close_cache(void)
{
    fac_default_close();
}

#ifdef __cplusplus
}
#endif
#endif
