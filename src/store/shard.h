/* SPDX-License-Identifier: MIT */
/* store/shard.h — one part of the store: a hash table, an eviction queue and the account of both,
 * under one lock. Inside of src/store only. */
#ifndef FACI_STORE_SHARD_H
#define FACI_STORE_SHARD_H

#include "base/bytes.h"
#include "base/sync.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key, its value and its places in the bucket and in the queue. */
struct faci_entry {
    struct faci_entry *chain; /* the next one in the bucket, or in a list of the dead */
    struct faci_entry *newer;
    struct faci_entry *older;
    fac_value *value;      /* one reference */
    int64_t expires_at_ms; /* FACI_STORE_NO_EXPIRY: never */
    uint32_t hash;
    uint32_t key_len : 31;
    uint32_t is_visited : 1; /* asked for since the hand last passed */
    unsigned char key[];
};

/*
 *   newest -> [ ] - [ ] - [ ] - [ ] - [ ] <- oldest        older ->
 *                          ^
 *                         hand: moves from older to newer, then starts again at the oldest
 *
 * `bytes` is the sum of: this struct, the directory, the segments, and for each entry in the
 * table its struct with the key and its value's footprint. bytes <= budget_bytes always.
 */
struct faci_shard {
    struct faci_mutex lock;

    /* Set by init, then constant. */
    const struct faci_store_config *config;
    uint64_t budget_bytes;
    uint64_t max_index_bytes;
    uint64_t max_item_bytes; /* an entry with its value */

    /* Guarded by lock. */
    uint64_t bytes;
    uint64_t n_entries;
    uint64_t n_evicted;
    uint64_t n_expired;
    struct faci_entry ***segments; /* the directory: n_segment_slots pointers, some not used */
    size_t n_segment_slots;
    size_t n_buckets; /* only grows */
    size_t sweep_at;  /* the bucket that the next write looks at */
    struct faci_entry *newest;
    struct faci_entry *oldest;
    struct faci_entry *hand; /* NULL: at the oldest */

    unsigned char apart[64]; /* keeps the next shard's lock off this cache line */
};

/* One operation on a shard: its moment, and what it removed. */
struct faci_shard_op {
    const struct faci_store_config *config;
    int64_t now_ms; /* INT64_MIN: nobody has asked yet */
    struct faci_entry *dead;
};

void faci_shard_op_begin(struct faci_shard_op *op, const struct faci_store_config *config);

/* Frees what the operation removed. Call it unlocked: a big value takes long to free. */
void faci_shard_op_end(struct faci_shard_op *op);

/* The moment of the operation: the clock is read at most once, and only if someone asks. */
int64_t faci_shard_op_now(struct faci_shard_op *op);

/* `config` must outlive the shard. False: no memory. */
bool faci_shard_init(struct faci_shard *shard, const struct faci_store_config *config,
                     uint64_t budget_bytes);
void faci_shard_fini(struct faci_shard *shard); /* a zeroed shard is fine */

/* Whether a key and a value of these lengths can be held at all. */
bool faci_shard_can_hold(const struct faci_shard *shard, size_t key_len, size_t value_len);

/* An entry of that key, without a value, in no shard. NULL: no memory. */
struct faci_entry *faci_shard_new_entry(const struct faci_shard *shard, uint32_t hash,
                                        const struct faci_key *key);

/* The live entry of the key, or NULL. An expired one is removed. */
struct faci_entry *faci_shard_find_locked(struct faci_shard *shard, struct faci_shard_op *op,
                                          uint32_t hash, const struct faci_key *key)
    FACI_REQUIRES(&shard->lock);

/* Takes the entry, whose key is absent and whose size can be held. Makes room first. */
void faci_shard_insert_locked(struct faci_shard *shard, struct faci_shard_op *op,
                              struct faci_entry *entry) FACI_REQUIRES(&shard->lock);

/* Takes `value`, gives back the one it replaces. Makes room first; `entry` itself stays. */
fac_value *faci_shard_replace_locked(struct faci_shard *shard, struct faci_shard_op *op,
                                     struct faci_entry *entry, fac_value *value)
    FACI_REQUIRES(&shard->lock);

void faci_shard_remove_locked(struct faci_shard *shard, struct faci_shard_op *op,
                              struct faci_entry *entry) FACI_REQUIRES(&shard->lock);

/* Reclaims what has expired in the next few buckets. Every write calls it. */
void faci_shard_sweep_locked(struct faci_shard *shard, struct faci_shard_op *op)
    FACI_REQUIRES(&shard->lock);

/* The work of faci_store_clear in one shard. */
struct faci_shard_clear {
    fac_bytes prefix;
    size_t n_left;   /* entries and empty buckets that may still be looked at */
    uint64_t bucket; /* where to go on */
    uint64_t n_scanned;
    uint64_t n_removed;
};

/* True when the last bucket has been seen. Looks at one bucket at least if `is_first`. */
bool faci_shard_clear_locked(struct faci_shard *shard, struct faci_shard_op *op,
                             struct faci_shard_clear *clear, bool is_first)
    FACI_REQUIRES(&shard->lock);

#endif
