/* SPDX-License-Identifier: MIT */
/* store/whole.c — calls about all shards: clear, drop everything, another budget, statistics. They
 * take one lock after the other, so they see the store at no single moment. */
#include "base/error.h"
#include "store/inside.h"

enum {
    /* A cursor: the shard, how often its index shrank (12 bits), the bucket. */
    CURSOR_SHARD_AT = 44,
    CURSOR_SHRUNK_AT = 32,
    CURSOR_SHRUNK_MASK = 0xfff,
};

/* Buckets are seen in rising order, and records only move to higher ones while an index grows,
 * which is why those that stay are seen. When it shrank they moved down: the shard starts anew. A
 * chain is not cut in two, so a max_scan smaller than a chain looks at that whole chain. */
void faci_store_clear(struct faci_store *store, fac_bytes prefix, size_t max_scan,
                      uint64_t *cursor, uint64_t *n_scanned, uint64_t *n_removed)
{
    uint64_t index = *cursor >> CURSOR_SHARD_AT;
    uint32_t shrunk = (uint32_t)(*cursor >> CURSOR_SHRUNK_AT) & CURSOR_SHRUNK_MASK;
    struct faci_shard_clear clear = {
        .prefix = prefix,
        .n_left = max_scan,
        .bucket = (uint32_t)*cursor,
    };
    bool is_first = true;
    bool is_done = true;
    while (index < store->n_shards && is_done && (is_first || clear.n_left > 0)) {
        struct faci_shard *shard = &store->shards[index];
        struct faci_shard_op op;
        faci_store_begin(shard, &op);
        if (clear.bucket > 0 && shrunk != (shard->n_shrunk & CURSOR_SHRUNK_MASK)) {
            clear.bucket = 0;
        }
        is_done = faci_shard_clear_locked(shard, &op, &clear, is_first);
        shrunk = shard->n_shrunk & CURSOR_SHRUNK_MASK;
        faci_store_end(shard, &op);
        is_first = false;
        if (is_done) {
            index++;
            clear.bucket = 0;
        }
    }
    *n_scanned += clear.n_scanned;
    *n_removed += clear.n_removed;
    *cursor = 0;
    if (index < store->n_shards) {
        *cursor = index << CURSOR_SHARD_AT | clear.bucket;
        *cursor |= clear.bucket > 0 ? (uint64_t)shrunk << CURSOR_SHRUNK_AT : 0;
    }
}

void faci_store_drop_all(struct faci_store *store)
{
    for (size_t i = 0; i < store->n_shards; i++) {
        struct faci_shard *shard = &store->shards[i];
        struct faci_shard_op op;
        faci_store_begin(shard, &op);
        struct faci_table gone = shard->table;
        faci_table_init(&shard->table);
        shard->all_epoch++;
        shard->n_shrunk++;
        faci_store_end(shard, &op);
        faci_table_fini(&gone, &store->alloc);
    }
}

fac_status faci_store_set_budget(struct faci_store *store, uint64_t budget_bytes,
                                 fac_error *err)
{
    if (budget_bytes / store->n_shards < FACI_STORE_MIN_BYTES) {
        return faci_fail(err, FAC_E_INVALID, 0,
                         "the store has %zu parts and needs %d bytes for each", store->n_shards,
                         (int)FACI_STORE_MIN_BYTES);
    }
    faci_mutex_lock(&store->budget_lock);
    for (size_t i = 0; i < store->n_shards; i++) {
        struct faci_shard *shard = &store->shards[i];
        struct faci_shard_op op;
        faci_store_begin(shard, &op);
        faci_shard_set_budget_locked(shard, &op,
                                     (budget_bytes - store->own_bytes) / store->n_shards);
        faci_store_end(shard, &op);
    }
    faci_mutex_unlock(&store->budget_lock);
    return FAC_OK;
}

void faci_store_stats(struct faci_store *store, struct faci_store_stats *out)
{
    struct faci_store_stats sum = {.bytes = store->own_bytes, .budget_bytes = store->own_bytes};
    for (size_t i = 0; i < store->n_shards; i++) {
        struct faci_shard *shard = &store->shards[i];
        struct faci_shard_op op;
        faci_store_begin(shard, &op);
        sum.n_entries += shard->table.n_entries;
        sum.bytes += faci_shard_bytes_locked(shard);
        sum.budget_bytes += shard->budget_bytes;
        sum.n_evicted += shard->n_evicted;
        sum.n_expired += shard->n_expired;
        sum.n_replaced += shard->n_replaced;
        faci_store_end(shard, &op);
    }
    *out = sum;
}
