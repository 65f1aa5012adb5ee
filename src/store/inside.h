/* SPDX-License-Identifier: MIT */
/* store/inside.h — what the files of the public calls share. Inside of src/store only. */
#ifndef FACI_STORE_INSIDE_H
#define FACI_STORE_INSIDE_H

#include "base/fork.h"
#include "store/shard.h"

enum {
    FACI_STORE_MIN_BYTES = 64 << 10
};

struct faci_store {
    struct faci_shard_env env; /* its alloc points to the field below */
    fac_allocator alloc;
    struct faci_fork_watch fork_watch;
    struct faci_mutex budget_lock; /* one change of the budget at a time; before any shard's */
    size_t n_shards;               /* a power of two */
    uint64_t own_bytes;
    struct faci_shard shards[];
};

/* A call: begin, work on the shard, end. */
static inline void faci_store_begin(struct faci_shard *shard, struct faci_shard_op *op)
    FACI_ACQUIRES(&shard->lock)
{
    faci_shard_op_begin(op, shard->env);
    faci_mutex_lock(&shard->lock);
}

static inline void faci_store_end(struct faci_shard *shard, struct faci_shard_op *op)
    FACI_RELEASES(&shard->lock)
{
    if (op->sparse_page != FACI_NO_PAGE) {
        faci_shard_tidy_locked(shard, op);
    }
    faci_mutex_unlock(&shard->lock);
    faci_shard_op_end(op);
}

#endif
