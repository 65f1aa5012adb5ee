/* SPDX-License-Identifier: MIT */
/**
 * @file cache.h
 * @brief A cache handle: bytes, statuses and errors.
 *
 * Rules that hold for every verb:
 *
 * Threads: any number may use one handle at once, without locking.
 * Deadline: a call returns within `call->deadline_ms`, else within the cache's `timeout_ms`;
 *   waiting for a connection, name lookup, connecting, sending, waiting and retrying included.
 * Keys: 1 byte to 64 KiB together with the prefix. Values: 0 bytes to 64 MiB. Both borrowed
 *   until the verb returns.
 * Time to live: FAC_TTL_DEFAULT, FAC_TTL_NONE, or 1 to 315360000000 (ten years) milliseconds;
 *   anything else is FAC_E_INVALID.
 * Out-parameters are set on FAC_OK and untouched otherwise, where nothing else is said.
 * `err` may be NULL. It is cleared on FAC_OK and on every other outcome that is no error.
 *
 * Errors that any verb can return, called "the common errors" below:
 *   FAC_E_INVALID      a NULL where a pointer is required, an empty or too long key, a time to
 *                      live out of range, an unknown flag: nothing was done;
 *   FAC_E_UNAVAILABLE  no server can be reached, the connection was lost, or the server is not
 *                      ready (LOADING, MASTERDOWN, CLUSTERDOWN, too many clients …);
 *   FAC_E_TIMEOUT      the deadline passed;
 *   FAC_E_BUSY         too many calls wait for a connection already;
 *   FAC_E_AUTH         wrong password, unknown user, no permission for the command, a certificate
 *                      that is not believed, or a `password_fn` that has none to give;
 *   FAC_E_CONFIG       the server does not have the database number of the settings, or the
 *                      password file cannot be read, is open to others or too long;
 *   FAC_E_SERVER       any other refusal, such as WRONGTYPE, OOM, READONLY;
 *   FAC_E_PROTOCOL     the peer answered something that cannot be the answer;
 *   FAC_E_TOO_LARGE    a value over 64 MiB, or a reply over its limit;
 *   FAC_E_NOMEM        no memory;
 *   FAC_E_CLOSED       the cache was closed, before or during the call;
 *   FAC_E_UNSUPPORTED  a struct of a newer header sets what this library does not know.
 */
#ifndef FACILITER_CACHE_H
#define FACILITER_CACHE_H

#include <faciliter/alloc.h>
#include <faciliter/error.h>
#include <faciliter/export.h>
#include <faciliter/options.h>
#include <faciliter/reply.h>
#include <faciliter/stats.h>
#include <faciliter/value.h>
#include <faciliter/version.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open cache. */
typedef struct fac_cache fac_cache;

/**
 * What one call may differ in. Zero means the handle's default, so `fac_call call = {0}` with
 * `size` set is a valid start; fac_call_within() makes the usual one. Grows at its end only.
 */
typedef struct fac_call {
    size_t size;              /**< sizeof(fac_call) of the caller's header. */
    uint32_t deadline_ms;     /**< Time left for this call; 0: the cache's timeout_ms. */
    uint32_t flags;           /**< None is defined yet: must be 0. */
    uint64_t max_reply_bytes; /**< get_many, command: limit of the whole reply; 0: 256 MiB. */
} fac_call;

/** A call with `deadline_ms` milliseconds left. @param deadline_ms  0: the cache's timeout_ms. */
static inline fac_call fac_call_within(uint32_t deadline_ms)
{
    fac_call call = {sizeof(fac_call), deadline_ms, 0, 0};
    return call;
}

/* --- Life ------------------------------------------------------------------------------------ */

/**
 * Open a cache.
 *
 * With FAC_OPEN_CONNECT blocks until a server has answered, at most `timeout_ms`; with
 * FAC_OPEN_LAZY and for FAC_MEMORY it does not block. Reads the environment (unless
 * ignore_environment is set), so not while another thread changes it.
 *
 * Ownership: on FAC_OK `*out` holds one reference, ended by fac_cache_unref() or
 * fac_cache_close(). Strings of `options` may be freed after the call.
 *
 * @param options  NULL for the environment alone.
 * @param out      Receives the handle.
 * @param err      Receives the detail of a failure.
 * @return FAC_OK, FAC_E_INVALID, FAC_E_CONFIG, FAC_E_UNSUPPORTED (a URL scheme that is not
 *         built, or an unknown field that is set), FAC_E_NOMEM; with FAC_OPEN_CONNECT also
 *         FAC_E_UNAVAILABLE, FAC_E_TIMEOUT, FAC_E_AUTH, FAC_E_SERVER, FAC_E_PROTOCOL.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_open(const fac_options *options, fac_cache **out,
                                               fac_error *err);

/** Take one more reference. Never blocks. @param cache  A handle, or NULL. @return `cache`. */
FAC_API fac_cache *fac_cache_ref(fac_cache *cache);

/**
 * Give up one reference. The last one frees the cache, after the calls in flight have ended on
 * their own. Does not block.
 *
 * @param cache  A handle, or NULL.
 */
FAC_API void fac_cache_unref(fac_cache *cache);

/**
 * Stop the cache now and give up one reference. Calls in flight on any thread, and every later
 * one, return FAC_E_CLOSED. Other references stay valid, and need their own unref. Does not wait
 * for the network.
 *
 * @param cache  A handle, or NULL.
 */
FAC_API void fac_cache_close(fac_cache *cache);

/* --- One key --------------------------------------------------------------------------------- */

/**
 * Fetch one value.
 *
 * Ownership: on FAC_OK the caller owns one reference of `*out`: fac_value_unref().
 *
 * @param cache  An open cache.
 * @param key    The key.
 * @param call   Deadline of this call, or NULL.
 * @param out    Receives the value.
 * @param err    Receives the detail of a failure.
 * @return FAC_OK, FAC_MISS, or a common error.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_get(fac_cache *cache, fac_bytes key,
                                              const fac_call *call, fac_value **out,
                                              fac_error *err);

/**
 * Fetch one value into the caller's buffer; allocates nothing in the steady state.
 *
 * @param cache     An open cache.
 * @param key       The key.
 * @param call      Deadline of this call, or NULL.
 * @param buf       Receives the value; what it holds is undefined on any result but FAC_OK.
 *                  NULL only when `cap` is 0.
 * @param cap       Its size in bytes.
 * @param out_len   Receives the length of the value, on FAC_OK and on FAC_SMALL.
 * @param err       Receives the detail of a failure.
 * @return FAC_OK, FAC_MISS, FAC_SMALL (longer than `cap`), or a common error.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_get_into(fac_cache *cache, fac_bytes key,
                                                   const fac_call *call, void *buf, size_t cap,
                                                   size_t *out_len, fac_error *err);

/**
 * Store one value under a key, whatever was there.
 *
 * Sent again after a lost connection, never after a timeout: a write that was sent twice may
 * overwrite a newer one of another caller.
 *
 * @param cache   An open cache.
 * @param key     The key.
 * @param value   The value.
 * @param ttl_ms  Its time to live.
 * @param call    Deadline of this call, or NULL.
 * @param err     Receives the detail of a failure; maybe_applied tells whether it can still
 *                take effect.
 * @return FAC_OK or a common error.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_set(fac_cache *cache, fac_bytes key, fac_bytes value,
                                              int64_t ttl_ms, const fac_call *call,
                                              fac_error *err);

/**
 * Store one value only if the key is absent, atomically. Never sent twice.
 *
 * @param cache   An open cache.
 * @param key     The key.
 * @param value   The value.
 * @param ttl_ms  Its time to live.
 * @param call    Deadline of this call, or NULL.
 * @param err     Receives the detail of a failure.
 * @return FAC_OK (stored), FAC_EXISTS (nothing written), or a common error.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_add(fac_cache *cache, fac_bytes key, fac_bytes value,
                                              int64_t ttl_ms, const fac_call *call,
                                              fac_error *err);

/**
 * Remove one key. When it had to be sent again after a lost connection, the answer is FAC_OK,
 * since the first one may have removed it.
 *
 * @param cache  An open cache.
 * @param key    The key.
 * @param call   Deadline of this call, or NULL.
 * @param err    Receives the detail of a failure.
 * @return FAC_OK (it was there), FAC_MISS (it was not), or a common error.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_delete(fac_cache *cache, fac_bytes key,
                                                 const fac_call *call, fac_error *err);

/**
 * Ask whether a key is there.
 *
 * @param cache  An open cache.
 * @param key    The key.
 * @param call   Deadline of this call, or NULL.
 * @param err    Receives the detail of a failure.
 * @return FAC_OK (it is), FAC_MISS (it is not), or a common error.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_exists(fac_cache *cache, fac_bytes key,
                                                 const fac_call *call, fac_error *err);

/**
 * Ask how long a key still has.
 *
 * @param cache       An open cache.
 * @param key         The key.
 * @param call        Deadline of this call, or NULL.
 * @param out_ttl_ms  Receives at least 1 millisecond, or FAC_TTL_NONE.
 * @param err         Receives the detail of a failure.
 * @return FAC_OK, FAC_MISS, or a common error.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_ttl(fac_cache *cache, fac_bytes key,
                                              const fac_call *call, int64_t *out_ttl_ms,
                                              fac_error *err);

/**
 * Give a key a new time to live, from now. When it had to be sent again, the answer is FAC_OK.
 *
 * @param cache   An open cache.
 * @param key     The key.
 * @param ttl_ms  The new time to live; FAC_TTL_NONE keeps it until evicted.
 * @param call    Deadline of this call, or NULL.
 * @param err     Receives the detail of a failure.
 * @return FAC_OK, FAC_MISS (nothing to touch), or a common error.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_touch(fac_cache *cache, fac_bytes key, int64_t ttl_ms,
                                                const fac_call *call, fac_error *err);

/**
 * Add to a decimal 64-bit number, atomically; an absent key counts as 0. Never sent twice.
 *
 * @param cache    An open cache.
 * @param key      The key.
 * @param delta    What to add; may be negative or 0.
 * @param ttl_ms   Time to live given when this call creates the key; an existing key keeps its
 *                 own.
 * @param call     Deadline of this call, or NULL.
 * @param out      Receives the number after the addition; NULL if not wanted.
 * @param err      Receives the detail of a failure.
 * @return FAC_OK or a common error; FAC_E_SERVER when the value is no such number or the result
 *         does not fit.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_increment(fac_cache *cache, fac_bytes key,
                                                    int64_t delta, int64_t ttl_ms,
                                                    const fac_call *call, int64_t *out,
                                                    fac_error *err);

/* --- Many keys ------------------------------------------------------------------------------- */

/** One entry of fac_cache_set_many(). */
typedef struct fac_item {
    fac_bytes key;
    fac_bytes value;
    int64_t ttl_ms;
} fac_item;

/**
 * Fetch many values in as few round trips as possible.
 *
 * On every return each `statuses[i]` is set; `values[i]` is a reference of the caller's when
 * `statuses[i]` is FAC_OK, and NULL otherwise. Only an `n` over its range is refused with
 * FAC_E_INVALID before anything is touched. The same holds for the two verbs that follow.
 *
 * @param cache     An open cache.
 * @param keys      `n` keys; the same key may occur twice.
 * @param n         0 to 1000000.
 * @param call      Deadline and reply limit of this call, or NULL.
 * @param values    `n` places.
 * @param statuses  `n` places: FAC_OK, FAC_MISS, or that item's error (FAC_E_SERVER for a value
 *                  of another type, FAC_E_INVALID for a bad key).
 * @param err       Receives the detail of one failure: of the call, where it ended before; else of
 *                  the first item that was refused before it was sent; else of the first one that
 *                  failed.
 * @return FAC_OK when every item has an answer, its own error included; a common error when the
 *         call ended before: items without an answer carry that error.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_get_many(fac_cache *cache, const fac_bytes *keys,
                                                   size_t n, const fac_call *call,
                                                   fac_value **values, fac_status *statuses,
                                                   fac_error *err);

/**
 * Store many values. Not atomic as a whole; each item is.
 *
 * @param cache     An open cache.
 * @param items     `n` items, stored in this order.
 * @param n         0 to 1000000.
 * @param call      Deadline of this call, or NULL.
 * @param statuses  `n` places, all set on every return: FAC_OK, or that item's error.
 * @param err       As for fac_cache_get_many(); maybe_applied speaks of the items without an answer.
 * @return As for fac_cache_get_many().
 */
FAC_API FAC_MUST_USE fac_status fac_cache_set_many(fac_cache *cache, const fac_item *items,
                                                   size_t n, const fac_call *call,
                                                   fac_status *statuses, fac_error *err);

/**
 * Remove many keys. Where some had to be sent again after a lost connection, their answer is FAC_OK,
 * since the first one may have removed them.
 *
 * @param cache     An open cache.
 * @param keys      `n` keys.
 * @param n         0 to 1000000.
 * @param call      Deadline of this call, or NULL.
 * @param statuses  `n` places, all set on every return: FAC_OK (it was there), FAC_MISS, or that
 *                  item's error.
 * @param err       As for fac_cache_get_many().
 * @return As for fac_cache_get_many().
 */
FAC_API FAC_MUST_USE fac_status fac_cache_delete_many(fac_cache *cache, const fac_bytes *keys,
                                                      size_t n, const fac_call *call,
                                                      fac_status *statuses, fac_error *err);

/** How far a clear has come. All zero (but `size`) starts one; the same struct resumes it. */
typedef struct fac_clear_progress {
    size_t size;        /**< sizeof(fac_clear_progress) of the caller's header. */
    uint64_t cursor;    /**< Where to go on; 0: at the start, or done. */
    uint64_t n_scanned; /**< Keys looked at so far. */
    uint64_t n_removed; /**< Keys removed so far. */
} fac_clear_progress;

/**
 * Remove every key under this cache's prefix, and none outside it. Works in steps within its
 * deadline; keys written meanwhile may or may not be removed.
 *
 * @param cache     An open cache whose prefix is not empty.
 * @param call      Deadline of this call, or NULL.
 * @param progress  Where to start and, on every return, how far it came; NULL starts anew and
 *                  does not tell.
 * @param err       Receives the detail of a failure.
 * @return FAC_OK (done), FAC_E_TIMEOUT (call again with the same `progress` to go on),
 *         FAC_E_INVALID (the prefix is empty), or a common error.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_clear(fac_cache *cache, const fac_call *call,
                                                fac_clear_progress *progress, fac_error *err);

/* --- About the cache ------------------------------------------------------------------------- */

/**
 * Ask whether the cache is usable now: a round trip or two, PING, and INFO for the role.
 *
 * @param cache  An open cache.
 * @param call   Deadline of this call, or NULL.
 * @param out    Filled on every return but FAC_E_INVALID and FAC_E_UNSUPPORTED: what is known,
 *               is_healthy included.
 * @param size   sizeof *out.
 * @param err    Receives the detail of a failure.
 * @return FAC_OK (healthy), or a common error.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_health(fac_cache *cache, const fac_call *call,
                                                 fac_health *out, size_t size, fac_error *err);

/**
 * Give a FAC_MEMORY cache another budget. What does not fit has left when this returns, and its
 * memory is given back to the allocator.
 *
 * Takes as long as it takes to free what leaves. The number of parts that the budget is split into
 * stays that of open.
 *
 * @param cache         A cache in this process's memory.
 * @param memory_bytes  64 KiB for each part, to 1 TiB. A cache opened with less than 32 MiB has one
 *                      part, others one for each 16 MiB, rounded down to a power of two, up to 64.
 * @param call          Its size and flags are checked as for every verb; or NULL.
 * @param err           Receives the detail of a failure.
 * @return FAC_OK, FAC_E_INVALID, FAC_E_UNSUPPORTED (a cache on a server), FAC_E_CLOSED.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_set_memory(fac_cache *cache, uint64_t memory_bytes,
                                                     const fac_call *call, fac_error *err);

/**
 * Read the counters. Never blocks; works on a closed cache too.
 *
 * @param cache  A cache.
 * @param call   Its size and flags are checked as for every verb; or NULL.
 * @param out    Filled.
 * @param size   sizeof *out.
 * @param err    Receives the detail of a failure.
 * @return FAC_OK, FAC_E_INVALID, FAC_E_UNSUPPORTED.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_stats(fac_cache *cache, const fac_call *call,
                                                fac_stats *out, size_t size, fac_error *err);

/**
 * Send any command and receive its reply: the way to what the verbs do not offer. No prefix is
 * applied, nothing is sent twice, and the command has a connection to itself while it runs.
 *
 * Commands that change the state of a connection or send more than one reply are refused:
 * SELECT, AUTH, HELLO, RESET, QUIT, MULTI, EXEC, DISCARD, WATCH, UNWATCH, SUBSCRIBE and its kin,
 * MONITOR, SYNC, PSYNC, REPLCONF, ASKING, READONLY, READWRITE, and CLIENT with REPLY, TRACKING,
 * CACHING, SETNAME, SETINFO, CAPA, IMPORT-SOURCE, NO-EVICT or NO-TOUCH.
 *
 * Ownership: on FAC_OK the caller ends `*out` with fac_reply_free().
 *
 * @param cache  An open cache on a server.
 * @param args   The command's name, then its arguments: `n` ranges, 64 MiB at most in all.
 * @param n      1 to 1000000.
 * @param call   Deadline and reply limit of this call, or NULL.
 * @param out    Receives the reply.
 * @param err    Receives the detail of a failure.
 * @return FAC_OK, FAC_E_UNSUPPORTED (a refused command, or FAC_MEMORY), or a common error.
 */
FAC_API FAC_MUST_USE fac_status fac_cache_command(fac_cache *cache, const fac_bytes *args,
                                                  size_t n, const fac_call *call,
                                                  fac_reply **out, fac_error *err);

#ifdef __cplusplus
}
#endif
#endif
