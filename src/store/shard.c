/* SPDX-License-Identifier: MIT */
/* store/shard.c — one part of the store: finds, puts in, takes out, and keeps the account. Takes no
 * lock itself: the caller holds the shard's.
 *
 * Design notes.
 *
 * A record is known by its number (pages.h), which the chain of its bucket holds and which changes
 * when it moves. Records hold no hash: to unlink or move one, its key is hashed again. That costs some
 * nanoseconds where something leaves or moves, and none where something is read.
 *
 * The way from a number to its record leads through a page, which is one more wait for memory. A bucket
 * knows the address of the first record of its chain, and what is found moves there: so what is asked
 * for again costs a bucket and a record. Who changes a bucket's link says what comes first, or that
 * nobody knows.
 *
 * The index grows by a bucket when there are five records for four buckets, and may take an eighth
 * of the budget, so that "too large for a shard" depends on the budget alone, not on what happened
 * before. When it may not grow, chains get a little longer. It shrinks when the budget does, and
 * when a clear has passed: then only, as a cursor of `clear` from before starts anew.
 *
 * Freeing: removed records hang on the operation and are freed after the unlock. */
#include "store/shard.h"

#include "base/assert.h"

enum {
    INDEX_SHARE = 8,  /* of the budget, at most, for the index */
    GROW_RECORDS = 5, /* more records than this */
    GROW_BUCKETS = 4, /* for so many buckets: one more */
    SPARSE = FACI_PAGE_PLACES / 4,
};

/* --- Operations ----------------------------------------------------------------------------- */

void faci_shard_op_end(struct faci_shard_op *op)
{
    while (op->dead != NULL) {
        struct faci_record *record = op->dead;
        op->dead = ((struct faci_dead_record *)(void *)record)->next;
        fac_value_unref(faci_record_value(record));
    }
}

static void bury(struct faci_shard_op *op, struct faci_record *record)
{
    ((struct faci_dead_record *)(void *)record)->next = op->dead;
    op->dead = record;
}

/* --- Life ----------------------------------------------------------------------------------- */

void faci_table_init(struct faci_table *table)
{
    table->index = (struct faci_index){0};
    faci_pages_init(&table->pages);
    table->n_entries = 0;
}

void faci_table_fini(struct faci_table *table, const fac_allocator *alloc)
{
    for (uint32_t i = 0; i < table->pages.n_slots; i++) {
        const struct faci_page *page = table->pages.pages[i];
        for (uint32_t k = 0; page != NULL && k < page->n_filled; k++) {
            struct faci_record *record = faci_record_at(&table->pages,
                                                        i * FACI_PAGE_PLACES + k);
            if (record != NULL) {
                fac_value_unref(faci_record_value(record));
            }
        }
    }
    faci_pages_fini(&table->pages, alloc);
    faci_index_fini(&table->index, alloc);
    table->n_entries = 0;
}

/* Beside the two shares: the pages that the last record and its queue's neighbour stand in. */
uint64_t faci_shard_max_record(uint64_t budget_bytes)
{
    return budget_bytes - budget_bytes / INDEX_SHARE - budget_bytes / FACI_PAGES_SHARE -
           FACI_N_QUEUES * (sizeof(struct faci_page) + 2 * sizeof(size_t));
}

void faci_shard_set_limits(struct faci_shard *shard, uint64_t budget_bytes)
{
    shard->budget_bytes = budget_bytes;
    shard->max_index_bytes = budget_bytes / INDEX_SHARE;
    atomic_store_explicit(&shard->max_record_bytes, faci_shard_max_record(budget_bytes),
                          memory_order_relaxed);
}

void faci_shard_init(struct faci_shard *shard, const struct faci_shard_env *env,
                     uint64_t budget_bytes)
{
    memset(shard, 0, sizeof(*shard));
    shard->env = env;
    faci_table_init(&shard->table);
    faci_shard_set_limits(shard, budget_bytes);
    faci_mutex_init_brief(&shard->lock);
}

void faci_shard_fini(struct faci_shard *shard)
{
    if (shard->env != NULL) {
        faci_table_fini(&shard->table, shard->env->alloc);
        faci_mutex_fini(&shard->lock);
    }
}

uint64_t faci_shard_bytes_locked(const struct faci_shard *shard)
{
    const struct faci_pages *pages = &shard->table.pages;
    return shard->table.index.bytes + pages->bytes + pages->queues[FACI_QUEUE_SMALL].bytes +
           pages->queues[FACI_QUEUE_MAIN].bytes;
}

static struct faci_queue *queue_of(struct faci_shard *shard, uint32_t number)
{
    return &shard->table.pages.queues[faci_page_of(&shard->table.pages, number)->queue];
}

/* --- The chains ----------------------------------------------------------------------------- */

uint64_t faci_shard_hash_of(const struct faci_shard *shard, struct faci_record *record)
{
    struct faci_key key = {fac_mem(NULL, 0), faci_record_key(record)};
    return faci_hash_key(&shard->env->seed, &key);
}

static inline struct faci_bucket *bucket_for(struct faci_shard *shard, uint64_t hash)
{
    return faci_bucket_at(&shard->table.index, faci_bucket_of(&shard->table.index, hash));
}

/* Where the number of a record stands: in its bucket, or in the record before it. */
static uint32_t *link_to(struct faci_shard *shard, uint64_t hash, uint32_t number)
{
    uint32_t *at = &bucket_for(shard, hash)->link;
    uint32_t link = faci_link_read(at);
    while (faci_link_number(link) != number) {
        faci_check(link != FACI_NO_LINK);
        at = &faci_record_at(&shard->table.pages, faci_link_number(link))->next;
        link = faci_link_read(at);
    }
    return at;
}

void faci_shard_relink_locked(struct faci_shard *shard, uint64_t hash, uint32_t from,
                              uint32_t to)
{
    faci_link_write(link_to(shard, hash, from), faci_link_to(hash, to));
}

/* Moves the records of bucket `from` that the next bit of their hash sends to `to`. */
static void split(struct faci_shard *shard, uint32_t from, uint32_t to)
{
    const struct faci_table *table = &shard->table;
    struct faci_bucket *from_bucket = faci_bucket_at(&table->index, from);
    struct faci_bucket *to_bucket = faci_bucket_at(&table->index, to);
    uint32_t *stays = &from_bucket->link;
    uint32_t *goes = &to_bucket->link;
    from_bucket->first = NULL;
    to_bucket->first = NULL;
    while (faci_link_read(stays) != FACI_NO_LINK) {
        uint32_t link = faci_link_read(stays);
        struct faci_record *record = faci_record_at(&table->pages, faci_link_number(link));
        uint64_t hash = faci_shard_hash_of(shard, record);
        bool is_going = (hash & (to - from)) != 0;
        struct faci_bucket *bucket = is_going ? to_bucket : from_bucket;
        if (bucket->first == NULL) {
            faci_bucket_know(bucket, hash, record);
        }
        if (is_going) {
            faci_link_write(stays, faci_link_read(&record->next));
            faci_link_write(goes, link);
            goes = &record->next;
        } else {
            stays = &record->next;
        }
    }
    faci_link_write(goes, FACI_NO_LINK);
}

/* One more bucket, filled from the one that stood in for it. Without memory chains get longer. */
static void grow_index(struct faci_shard *shard)
{
    struct faci_index *index = &shard->table.index;
    uint32_t added = index->n_buckets;
    if (faci_index_add_segment(index, shard->env->alloc, shard->max_index_bytes)) {
        split(shard, added - ((uint32_t)1 << (31 - __builtin_clz(added))), added);
        index->n_buckets++;
    }
}

/* Few records for its buckets, or, after the budget was cut, more than its share of that. */
static bool is_index_too_large(const struct faci_shard *shard) FACI_REQUIRES(&shard->lock)
{
    const struct faci_index *index = &shard->table.index;
    return shard->table.n_entries * GROW_BUCKETS < (uint64_t)index->n_buckets * GROW_RECORDS ||
           index->bytes > shard->max_index_bytes;
}

void faci_shard_shrink_index_locked(struct faci_shard *shard)
{
    struct faci_index *index = &shard->table.index;
    const uint32_t before = index->n_buckets;
    while (index->n_buckets > FACI_FIRST_BUCKETS && is_index_too_large(shard)) {
        uint32_t last = --index->n_buckets;
        const struct faci_bucket *goes = faci_bucket_at(index, last);
        struct faci_bucket *stays = faci_bucket_at(
            index, last - ((uint32_t)1 << (31 - __builtin_clz(last))));
        uint32_t *at = &stays->link;
        while (faci_link_read(at) != FACI_NO_LINK) {
            at = &faci_record_at(&shard->table.pages, faci_link_number(faci_link_read(at)))
                      ->next;
        }
        if (at == &stays->link) {
            *stays = *goes;
        }
        faci_link_write(at, goes->link);
        faci_index_drop_segment(index, shard->env->alloc);
    }
    if (shard->table.n_entries == 0) {
        faci_table_fini(&shard->table, shard->env->alloc);
    }
    shard->n_shrunk += index->n_buckets < before;
}

/* --- Records -------------------------------------------------------------------------------- */

bool faci_shard_find_locked(struct faci_shard *shard, struct faci_shard_op *op, uint64_t hash,
                            const struct faci_key *key, struct faci_spot *out)
{
    const struct faci_table *table = &shard->table;
    if (table->index.n_buckets == 0) {
        return false;
    }
    struct faci_bucket *bucket = bucket_for(shard, hash);
    struct faci_record *before = NULL;
    struct faci_record *record = bucket->first;
    uint32_t link = bucket->link;
    bool may_be = record == NULL || bucket->tag == faci_tag_of(hash);
    while (link != FACI_NO_LINK) {
        if (record == NULL) {
            record = faci_record_at(&table->pages, faci_link_number(link));
        }
        __builtin_prefetch((const unsigned char *)record + 64);
        __builtin_prefetch((const unsigned char *)record + 128);
        if (may_be && faci_link_fits(link, hash) && faci_record_has_key(record, key)) {
            if (before != NULL) {
                faci_link_write(&before->next, faci_link_read(&record->next));
                faci_link_write(&record->next, bucket->link);
                bucket->link = link;
            }
            faci_bucket_know(bucket, hash, record);
            *out = (struct faci_spot){hash, faci_link_number(link), record};
            if (faci_shard_has_expired(op, record)) {
                faci_shard_remove_locked(shard, op, out, FACI_GONE_EXPIRED);
                return false;
            }
            return true;
        }
        before = record;
        link = faci_link_read(&record->next);
        record = NULL;
        may_be = true;
    }
    return false;
}

bool faci_shard_insert_locked(struct faci_shard *shard, struct faci_shard_op *op, uint64_t hash,
                              struct faci_record *record)
{
    struct faci_table *table = &shard->table;
    const fac_allocator *alloc = shard->env->alloc;
    if (table->index.n_buckets == 0) {
        if (!faci_index_add_segment(&table->index, alloc, shard->max_index_bytes)) {
            return false;
        }
        table->index.n_buckets = FACI_FIRST_BUCKETS;
    }
    enum faci_queue_name name = faci_ghost_take(&table->index, hash) ? FACI_QUEUE_MAIN
                                                                     : FACI_QUEUE_SMALL;
    uint32_t number = 0;
    faci_shard_make_place_locked(shard, op, name);
    if (!faci_pages_push(&table->pages, alloc, name, record, &number)) {
        faci_shard_make_room_locked(shard, op, NULL); /* a longer array may have come before */
        return false;
    }
    struct faci_bucket *bucket = bucket_for(shard, hash);
    record->next = bucket->link; /* and no uses */
    bucket->link = faci_link_to(hash, number);
    faci_bucket_know(bucket, hash, record);
    table->pages.queues[name].bytes += faci_record_bytes(alloc, record);
    table->n_entries++;
    if (table->n_entries * GROW_BUCKETS > (uint64_t)table->index.n_buckets * GROW_RECORDS) {
        grow_index(shard);
    }
    faci_shard_make_room_locked(shard, op, record);
    return true;
}

void faci_shard_replace_locked(struct faci_shard *shard, struct faci_shard_op *op,
                               const struct faci_spot *spot, struct faci_record *record)
{
    const fac_allocator *alloc = shard->env->alloc;
    struct faci_queue *queue = queue_of(shard, spot->number);
    queue->bytes -= faci_record_bytes(alloc, spot->record);
    queue->bytes += faci_record_bytes(alloc, record);
    record->next = spot->record->next;
    const struct faci_spot now = {spot->hash, spot->number, record};
    struct faci_bucket *bucket = bucket_for(shard, spot->hash);
    if (bucket->first == spot->record) {
        bucket->first = record;
    }
    faci_place_set(&shard->table.pages, spot->number, record);
    faci_pages_note_expiry(&shard->table.pages, spot->number, faci_record_expires_at(record));
    faci_shard_use_locked(shard, &now);
    shard->n_replaced++;
    bury(op, spot->record);
    faci_shard_make_room_locked(shard, op, record);
}

void faci_shard_remove_locked(struct faci_shard *shard, struct faci_shard_op *op,
                              const struct faci_spot *spot, enum faci_reason reason)
{
    struct faci_table *table = &shard->table;
    struct faci_bucket *bucket = bucket_for(shard, spot->hash);
    uint32_t *at = link_to(shard, spot->hash, spot->number);
    faci_link_write(at, faci_link_read(&spot->record->next));
    if (at == &bucket->link) {
        bucket->first = NULL;
    }
    queue_of(shard, spot->number)->bytes -= faci_record_bytes(shard->env->alloc, spot->record);
    uint32_t page = spot->number / FACI_PAGE_PLACES;
    faci_pages_take(&table->pages, shard->env->alloc, spot->number);
    table->n_entries--;
    if (reason == FACI_GONE_EVICTED) {
        shard->n_evicted++;
    } else {
        shard->n_expired += reason == FACI_GONE_EXPIRED;
        const struct faci_page *left = table->pages.pages[page];
        op->sparse_page = left != NULL && left->n_live <= SPARSE ? page : op->sparse_page;
    }
    bury(op, spot->record);
}

void faci_shard_expire_at_locked(struct faci_shard *shard, const struct faci_spot *spot,
                                 int64_t at_ms)
{
    faci_record_set_expiry(spot->record, at_ms);
    faci_pages_note_expiry(&shard->table.pages, spot->number,
                           faci_record_expires_at(spot->record));
}

/* --- Clear ---------------------------------------------------------------------------------- */

static size_t chain_len(const struct faci_table *table, uint32_t link)
{
    size_t n = 0;
    for (; link != FACI_NO_LINK; n++) {
        link = faci_link_read(&faci_record_at(&table->pages, faci_link_number(link))->next);
    }
    return n;
}

static void clear_bucket(struct faci_shard *shard, struct faci_shard_op *op,
                         struct faci_shard_clear *clear) FACI_REQUIRES(&shard->lock)
{
    uint32_t link = faci_bucket_at(&shard->table.index, clear->bucket)->link;
    while (link != FACI_NO_LINK) {
        struct faci_spot spot = {.number = faci_link_number(link)};
        spot.record = faci_record_at(&shard->table.pages, spot.number);
        link = faci_link_read(&spot.record->next);
        clear->n_scanned++;
        bool has_expired = faci_shard_has_expired(op, spot.record);
        if (has_expired || faci_bytes_start_with(faci_record_key(spot.record), clear->prefix)) {
            spot.hash = faci_shard_hash_of(shard, spot.record);
            faci_shard_remove_locked(shard, op, &spot,
                                     has_expired ? FACI_GONE_EXPIRED : FACI_GONE_DELETED);
            clear->n_removed += !has_expired;
        }
    }
    faci_shard_tidy_locked(shard, op);
}

bool faci_shard_clear_locked(struct faci_shard *shard, struct faci_shard_op *op,
                             struct faci_shard_clear *clear, bool is_first)
{
    const struct faci_table *table = &shard->table;
    shard->all_epoch++;
    for (; clear->bucket < table->index.n_buckets; clear->bucket++) {
        size_t n = chain_len(table, faci_bucket_at(&table->index, clear->bucket)->link);
        size_t cost = n > 0 ? n : 1; /* empty buckets take time too */
        if (cost > clear->n_left && !is_first) {
            return false;
        }
        is_first = false;
        clear->n_left = cost < clear->n_left ? clear->n_left - cost : 0;
        clear_bucket(shard, op, clear);
    }
    faci_shard_shrink_index_locked(shard);
    return true;
}
