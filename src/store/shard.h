/* SPDX-License-Identifier: MIT */
/* store/shard.h — one part of the store: records, their index, their order and the account of it
 * all, under one lock. Inside of src/store only. */
#ifndef FACI_STORE_SHARD_H
#define FACI_STORE_SHARD_H

#include "base/hash.h"
#include "base/sync.h"
#include "store/index.h"
#include "store/pages.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FACI_SHARD_EPOCHS = 128,
    FACI_PAGES_SHARE = 16, /* of the budget, at most, for the arrays of page numbers */
};

/* What all shards of a store share, and none changes. */
struct faci_shard_env {
    const fac_allocator *alloc;
    int64_t (*now_ms)(void *clock);
    void *clock;
    struct faci_hash_seed seed;
};

/* All that "drop everything" leaves behind. What a read looks at is at the front. */
struct faci_table {
    struct faci_pages pages;
    uint64_t n_entries;
    struct faci_index index;
};

/* The account: index.bytes + pages.bytes + both queues' bytes, at most budget_bytes whenever the
 * lock is free. The struct itself is in the store's. */
struct faci_shard {
    struct faci_mutex lock;

    /* Guarded by lock. */
    struct faci_table table;
    uint64_t n_evicted;
    uint64_t n_expired;
    uint64_t n_replaced;
    uint32_t n_shrunk; /* how often buckets were joined: a cursor from before is void */

    /* Guarded by lock; the limits follow from the budget. The last one is read without the lock
     * for a first look, and under it for the decision. */
    uint64_t budget_bytes;
    uint64_t max_index_bytes;
    atomic_ullong max_record_bytes;

    /* Guarded by lock. What revokes the tokens of fills under way: of the keys that share a number
     * of the first, of all keys. */
    uint64_t key_epochs[FACI_SHARD_EPOCHS];
    uint64_t all_epoch;

    const struct faci_shard_env *env; /* constant */
    unsigned char apart[64];          /* keeps the next shard's lock off this cache line */
};

/* One operation on a shard: its moment, and what it removed. */
struct faci_shard_op {
    const struct faci_shard_env *env;
    int64_t now_ms; /* INT64_MIN: nobody has asked yet */
    struct faci_record *dead;
    uint32_t sparse_page; /* FACI_NO_PAGE: none */
};

/* A record that was found. */
struct faci_spot {
    uint64_t hash;
    uint32_t number;
    struct faci_record *record;
};

enum faci_reason {
    FACI_GONE_DELETED,
    FACI_GONE_EVICTED,
    FACI_GONE_EXPIRED,
};

static inline void faci_shard_op_begin(struct faci_shard_op *op,
                                       const struct faci_shard_env *env)
{
    *op = (struct faci_shard_op){.env = env, .now_ms = INT64_MIN, .sparse_page = FACI_NO_PAGE};
}

/* What the operation removed. */
void faci_shard_free_dead(struct faci_record *dead);

/* Frees what the operation removed. Call it unlocked: a big value takes long to free. */
static inline void faci_shard_op_end(struct faci_shard_op *op)
{
    if (op->dead != NULL) {
        faci_shard_free_dead(op->dead);
        op->dead = NULL;
    }
}

/* The moment of the operation: the clock is read at most once, and only if someone asks. */
static inline int64_t faci_shard_op_now(struct faci_shard_op *op)
{
    if (op->now_ms == INT64_MIN) {
        op->now_ms = op->env->now_ms(op->env->clock);
    }
    return op->now_ms;
}

/* Takes no memory. `env` must outlive the shard. */
void faci_shard_init(struct faci_shard *shard, const struct faci_shard_env *env,
                     uint64_t budget_bytes);
void faci_shard_fini(struct faci_shard *shard); /* a zeroed shard is fine */

void faci_table_init(struct faci_table *table);

/* Frees all of it; a value that is handed out stays. */
void faci_table_fini(struct faci_table *table, const fac_allocator *alloc);

/* What a shard of this budget can hold at most, as a record of a block of so many bytes. */
uint64_t faci_shard_max_record(uint64_t budget_bytes);

void faci_shard_set_limits(struct faci_shard *shard, uint64_t budget_bytes);

uint64_t faci_shard_bytes_locked(const struct faci_shard *shard);

/* The live record of the key. An expired one is removed. */
bool faci_shard_find_locked(struct faci_shard *shard, struct faci_shard_op *op, uint64_t hash,
                            const struct faci_key *key, struct faci_spot *out)
    FACI_REQUIRES(&shard->lock);

/* It was asked for. */
static inline void faci_shard_use_locked(struct faci_shard *shard, const struct faci_spot *spot)
    FACI_REQUIRES(&shard->lock)
{
    (void)shard; /* for its lock */
    unsigned n_uses = faci_record_uses(spot->record);
    if (n_uses < FACI_USES_MAX) {
        faci_record_set_uses(spot->record, n_uses + 1);
    }
}

/* Takes the record, whose key is absent and which can be held, then makes room for it. False: no
 * memory, and it is not taken; others may have made room for it. */
bool faci_shard_insert_locked(struct faci_shard *shard, struct faci_shard_op *op, uint64_t hash,
                              struct faci_record *record) FACI_REQUIRES(&shard->lock);

/* Takes `record` in place of the one that was found, then makes room. A use. */
void faci_shard_replace_locked(struct faci_shard *shard, struct faci_shard_op *op,
                               const struct faci_spot *spot, struct faci_record *record)
    FACI_REQUIRES(&shard->lock);

void faci_shard_remove_locked(struct faci_shard *shard, struct faci_shard_op *op,
                              const struct faci_spot *spot, enum faci_reason reason)
    FACI_REQUIRES(&shard->lock);

/* Another time to live. */
void faci_shard_expire_at_locked(struct faci_shard *shard, const struct faci_spot *spot,
                                 int64_t at_ms) FACI_REQUIRES(&shard->lock);

/* The work of faci_store_clear in one shard. */
struct faci_shard_clear {
    fac_bytes prefix;
    size_t n_left;   /* records and empty buckets that may still be looked at */
    uint32_t bucket; /* where to go on */
    uint64_t n_scanned;
    uint64_t n_removed;
};

/* True when the last bucket has been seen. Looks at one bucket at least if `is_first`. */
bool faci_shard_clear_locked(struct faci_shard *shard, struct faci_shard_op *op,
                             struct faci_shard_clear *clear, bool is_first)
    FACI_REQUIRES(&shard->lock);

/* --- Order: evict.c ------------------------------------------------------------------------- */

/* Removes until the budget is kept, never `keep` (NULL: anything). */
void faci_shard_make_room_locked(struct faci_shard *shard, struct faci_shard_op *op,
                                 const struct faci_record *keep) FACI_REQUIRES(&shard->lock);

/* Removes until the queue's next record has a number: a shard has only so many. */
void faci_shard_make_place_locked(struct faci_shard *shard, struct faci_shard_op *op,
                                  enum faci_queue_name name) FACI_REQUIRES(&shard->lock);

/* Another budget, from now on and for what is there. */
void faci_shard_set_budget_locked(struct faci_shard *shard, struct faci_shard_op *op,
                                  uint64_t budget_bytes) FACI_REQUIRES(&shard->lock);

/* Removes what has expired of the page that is due. */
void faci_shard_expire_due_locked(struct faci_shard *shard, struct faci_shard_op *op)
    FACI_REQUIRES(&shard->lock);

/* What is due: one page of what has expired, if there is any. Every call about one key makes it,
 * and reads the clock only in a shard that has something that expires. */
static inline void faci_shard_reclaim_locked(struct faci_shard *shard, struct faci_shard_op *op)
    FACI_REQUIRES(&shard->lock)
{
    int64_t due_at_ms = shard->table.pages.next_due_ms;
    if (due_at_ms != FACI_STORE_NO_EXPIRY && due_at_ms <= faci_shard_op_now(op)) {
        faci_shard_expire_due_locked(shard, op);
    }
}

/* Joins the page that removals made sparse with a neighbour. Renumbers records. */
void faci_shard_tidy_locked(struct faci_shard *shard, struct faci_shard_op *op)
    FACI_REQUIRES(&shard->lock);

/* Whether the record has expired. */
static inline bool faci_shard_has_expired(struct faci_shard_op *op, struct faci_record *record)
{
    int64_t at_ms = faci_record_expires_at(record);
    return at_ms != FACI_STORE_NO_EXPIRY && faci_shard_op_now(op) >= at_ms;
}

uint64_t faci_shard_hash_of(const struct faci_shard *shard, struct faci_record *record);

/* Tells the index that this record has another number from now on. */
void faci_shard_renumber_locked(struct faci_shard *shard, const struct faci_spot *spot,
                                uint32_t to) FACI_REQUIRES(&shard->lock);

/* Joins buckets, at most so many, as long as there are far more than records, and if the budget
 * counts until the index is within its share of that. True: there are none to join. */
bool faci_shard_shrink_index_locked(struct faci_shard *shard, size_t n_max, bool counts_budget)
    FACI_REQUIRES(&shard->lock);

#endif
