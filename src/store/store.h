/* SPDX-License-Identifier: MIT */
/* store/store.h — the in-process store: a sharded table with times to live, a byte budget and
 * eviction. Any thread. Knows nothing of settings, servers or prefixes beyond the bytes of keys.
 * Keys are of 1 to 65536 bytes: the caller has checked. */
#ifndef FACI_STORE_STORE_H
#define FACI_STORE_STORE_H

#include "base/bytes.h"

#include <faciliter/alloc.h>
#include <faciliter/error.h>
#include <faciliter/value.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct faci_store;

/* No expiry. Every other ttl_ms here is at least 1: the caller has checked. */
#define FACI_STORE_NO_EXPIRY INT64_MAX

struct faci_store_config {
    uint64_t budget_bytes; /* of everything: entries, keys, values, index; 64 KiB at least */
    const fac_allocator *alloc;     /* copied */
    int64_t (*now_ms)(void *clock); /* faci_clock_boot_ms but in tests; never goes back */
    void *clock;
    uint64_t seed; /* of the key hash */
};

struct faci_store_stats {
    uint64_t n_entries; /* expired ones that are not yet reclaimed too */
    uint64_t bytes;     /* of everything, what the allocator is known to add included */
    uint64_t budget_bytes;
    uint64_t n_evicted;  /* to make room */
    uint64_t n_expired;  /* reclaimed after their time */
    uint64_t n_replaced; /* by a newer value of their key */
};

enum faci_store_mode {
    FACI_STORE_SET, /* whatever was there */
    FACI_STORE_ADD, /* only if absent */
};

/* The budget is split among shards, whose number it decides for good. FAC_OK, FAC_E_NOMEM. */
fac_status faci_store_open(const struct faci_store_config *config, struct faci_store **out,
                           fac_error *err);

/* No call may be in flight. Values handed out stay valid. NULL is fine. */
void faci_store_free(struct faci_store *store);

/* FAC_OK with a new reference in `*out`, or FAC_MISS. */
fac_status faci_store_get(struct faci_store *store, const struct faci_key *key,
                          fac_value **out);

/* FAC_OK, FAC_MISS, FAC_SMALL (only `*out_len` is set). */
fac_status faci_store_get_into(struct faci_store *store, const struct faci_key *key, void *buf,
                               size_t cap, size_t *out_len);

/* FAC_OK, FAC_EXISTS (ADD), FAC_E_TOO_LARGE (over what one shard may hold; an older value stays),
 * FAC_E_NOMEM (an older value stays). */
fac_status faci_store_set(struct faci_store *store, const struct faci_key *key, fac_bytes value,
                          int64_t ttl_ms, enum faci_store_mode mode, fac_error *err);

/* FAC_OK, FAC_MISS. */
fac_status faci_store_delete(struct faci_store *store, const struct faci_key *key);
fac_status faci_store_exists(struct faci_store *store, const struct faci_key *key);

/* FAC_OK with the time left (at least 1) or FACI_STORE_NO_EXPIRY, or FAC_MISS. */
fac_status faci_store_ttl(struct faci_store *store, const struct faci_key *key,
                          int64_t *out_ms);

/* FAC_OK, FAC_MISS. */
fac_status faci_store_touch(struct faci_store *store, const struct faci_key *key,
                            int64_t ttl_ms);

/* FAC_OK; FAC_E_SERVER with server_code "ERR" and the servers' own words when the value is no
 * int64 in canonical decimal ("value is not an integer or out of range") or the sum does not fit
 * ("increment or decrement would overflow"); FAC_E_TOO_LARGE, FAC_E_NOMEM. `ttl_ms` counts only
 * when the key is created. */
fac_status faci_store_increment(struct faci_store *store, const struct faci_key *key,
                                int64_t delta, int64_t ttl_ms, int64_t *out, fac_error *err);

/* Look at up to `max_scan` further entries and remove those whose key starts with `prefix`. Start
 * with `*cursor` 0; it is 0 again when all have been seen. Adds to both counts. Entries that are
 * there throughout are seen. */
void faci_store_clear(struct faci_store *store, fac_bytes prefix, size_t max_scan,
                      uint64_t *cursor, uint64_t *n_scanned, uint64_t *n_removed);

/* Another budget: what does not fit leaves before this returns. FAC_OK; FAC_E_INVALID: less than
 * 64 KiB for each shard. */
fac_status faci_store_set_budget(struct faci_store *store, uint64_t budget_bytes,
                                 fac_error *err);

/* --- For a cache in front of a server -------------------------------------------------------
 *
 * A value that was asked of the server may be old by the time it comes: somebody wrote meanwhile,
 * and the server's word of it came first. So:
 *
 *   token = fill_begin(key)   before the server is asked
 *   delete(key), drop_all()   whenever the server, or its silence, says that what is here is old
 *   fill(token, key, value)   when the answer has come: stored only if nothing was said meanwhile
 *
 * Every set, add, increment, delete and clear that changes the key revokes its tokens as well, and
 * those that fail do not; nor do evictions, expiry and touch. A token may be revoked without need
 * (other keys share its number), and then the value is not stored: no harm, and rare. */

struct faci_fill_token {
    uint64_t key_epoch;
    uint64_t all_epoch;
};

struct faci_fill_token faci_store_fill_begin(struct faci_store *store,
                                             const struct faci_key *key);

/* FAC_OK; FAC_MISS: the token is revoked, nothing has changed; FAC_E_TOO_LARGE, FAC_E_NOMEM. */
fac_status faci_store_fill(struct faci_store *store, const struct faci_key *key,
                           fac_bytes value, int64_t ttl_ms, struct faci_fill_token token,
                           fac_error *err);

/* Drops every entry and revokes every token. Cannot fail. Memory is freed before it returns. */
void faci_store_drop_all(struct faci_store *store);

void faci_store_stats(struct faci_store *store, struct faci_store_stats *out);

#endif
