/* SPDX-License-Identifier: MIT */
/* store/shard.c — one part of the store: finds, puts in, takes out, and keeps the account. Takes no
 * lock itself: the caller holds the shard's.
 *
 * Design notes.
 *
 * A record is known by its number (pages.h), which changes when it moves: the record has it while it
 * is in a slot of its bucket, and the link to it while it is in a chain (index.h). Records hold no hash:
 * to remove or move one, its key is hashed again. That costs some nanoseconds where something leaves
 * or moves, and none where something is read.
 *
 * The index grows by a bucket when there are five records for each, and may take an eighth
 * of the budget, so that "too large for a shard" depends on the budget alone, not on what happened
 * before. When it may not grow, chains get a little longer. It shrinks when the budget does, and
 * when a clear has passed: then only, as a cursor of `clear` from before starts anew.
 *
 * Freeing: removed records hang on the operation and are freed after the unlock. */
#include "store/shard.h"

#include "base/assert.h"

enum {
    INDEX_SHARE = 8,  /* of the budget, at most, for the index */
    GROW_RECORDS = 5, /* more for each bucket than this: one more bucket */
    SPARSE = FACI_PAGE_PLACES / 4,
};

/* --- Operations ----------------------------------------------------------------------------- */

void faci_shard_free_dead(struct faci_record *dead)
{
    while (dead != NULL) {
        struct faci_record *record = dead;
        dead = ((struct faci_dead_record *)(void *)record)->next;
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

/* --- Buckets -------------------------------------------------------------------------------- */

uint64_t faci_shard_hash_of(const struct faci_shard *shard, struct faci_record *record)
{
    struct faci_key key = {fac_mem(NULL, 0), faci_record_key(record)};
    return faci_hash_key(&shard->env->seed, &key);
}

/* Where the link to a record stands that is in the bucket's chain. */
static uint32_t *link_to(const struct faci_shard *shard, struct faci_bucket *bucket,
                         uint32_t number)
{
    uint32_t *at = &bucket->link;
    uint32_t link = faci_link_read(at);
    while (faci_link_number(link) != number) {
        faci_check(link != FACI_NO_LINK);
        at = &faci_record_at(&shard->table.pages, faci_link_number(link))->next;
        link = faci_link_read(at);
    }
    return at;
}

void faci_shard_renumber_locked(struct faci_shard *shard, const struct faci_spot *spot,
                                uint32_t to)
{
    struct faci_bucket *bucket = faci_bucket_for(&shard->table.index, spot->hash);
    if (faci_slot_of(bucket, spot->record) < FACI_SLOTS) {
        faci_link_write(&spot->record->next, to);
    } else {
        faci_link_write(link_to(shard, bucket, spot->number),
                        faci_link_to(faci_tag_of(spot->hash), to));
    }
}

/* A walk over all records of a bucket: those in slots, then its chain. */
struct walk {
    const struct faci_bucket *bucket;
    unsigned slot;
    uint32_t link;
};

static struct walk walk_of(const struct faci_bucket *bucket)
{
    return (struct walk){bucket, 0, bucket->link};
}

/* False: there is no further one. The one that came last may leave, or change its bucket. */
static bool walk_on(const struct faci_shard *shard, struct walk *walk, struct faci_spot *out)
{
    for (; walk->slot < FACI_SLOTS; walk->slot++) {
        if (walk->bucket->tags[walk->slot] != 0) {
            out->record = faci_slot_record(walk->bucket, walk->slot++);
            out->number = faci_link_read(&out->record->next);
            return true;
        }
    }
    if (walk->link == FACI_NO_LINK) {
        return false;
    }
    out->number = faci_link_number(walk->link);
    out->record = faci_record_at(&shard->table.pages, out->number);
    walk->link = faci_link_read(&out->record->next);
    return true;
}

/* What was in a bucket, into the one of these two that is its own. */
static void distribute(struct faci_shard *shard, const struct faci_bucket *from)
{
    struct walk walk = walk_of(from);
    struct faci_spot spot;
    while (walk_on(shard, &walk, &spot)) {
        uint64_t hash = faci_shard_hash_of(shard, spot.record);
        faci_bucket_add(faci_bucket_for(&shard->table.index, hash), faci_tag_of(hash),
                        spot.number, spot.record);
    }
}

/* The bucket that stands in for this one while it does not exist. */
static uint32_t parent_of(uint32_t bucket)
{
    return bucket - (UINT32_C(1) << (31 - __builtin_clz(bucket)));
}

/* One more bucket, filled from the one that stood in for it. Without memory chains get longer. */
static void grow_index(struct faci_shard *shard)
{
    struct faci_index *index = &shard->table.index;
    uint32_t added = index->n_buckets;
    if (faci_index_add_segment(index, shard->env->alloc, shard->max_index_bytes)) {
        struct faci_bucket *parent = faci_bucket_at(index, parent_of(added));
        const struct faci_bucket both = *parent;
        index->n_buckets++;
        faci_bucket_init(parent);
        faci_bucket_init(faci_bucket_at(index, added));
        parent->ghosts = both.ghosts;
        faci_bucket_at(index, added)->ghosts = both.ghosts;
        distribute(shard, &both);
    }
}

/* Few records for its buckets, or, if the budget counts and was cut, more than its share of that. */
static bool is_index_too_large(const struct faci_shard *shard, bool counts_budget)
    FACI_REQUIRES(&shard->lock)
{
    const struct faci_index *index = &shard->table.index;
    return index->n_buckets > FACI_FIRST_BUCKETS &&
           (shard->table.n_entries < (uint64_t)index->n_buckets * GROW_RECORDS ||
            (counts_budget && index->bytes > shard->max_index_bytes));
}

bool faci_shard_shrink_index_locked(struct faci_shard *shard, size_t n_max, bool counts_budget)
{
    struct faci_index *index = &shard->table.index;
    const uint32_t before = index->n_buckets;
    if (shard->table.n_entries == 0) {
        faci_table_fini(&shard->table, shard->env->alloc);
    }
    for (; n_max > 0 && is_index_too_large(shard, counts_budget); n_max--) {
        const struct faci_bucket gone = *faci_bucket_at(index, --index->n_buckets);
        distribute(shard, &gone);
        faci_index_drop_segment(index, shard->env->alloc);
    }
    shard->n_shrunk += index->n_buckets < before;
    return !is_index_too_large(shard, counts_budget);
}

/* --- Records -------------------------------------------------------------------------------- */

/* From the chain into a slot. Where none is free, whatever the tag falls on makes place: nobody knows
 * which one is wanted least. */
static void put_in_slot(struct faci_bucket *bucket, uint16_t tag, uint32_t number,
                        struct faci_record *record)
{
    if (faci_free_slot(bucket) < FACI_SLOTS) {
        faci_bucket_add(bucket, tag, number, record);
        return;
    }
    unsigned slot = tag % FACI_SLOTS;
    struct faci_record *other = faci_slot_record(bucket, slot);
    uint16_t other_tag = bucket->tags[slot];
    faci_slot_set(bucket, slot, 0, NULL);
    faci_bucket_add(bucket, tag, number, record);
    faci_bucket_add(bucket, other_tag, faci_link_read(&other->next), other);
}

/* What is found in the chain leaves it, as it may be asked for again. NULL: it is not there. */
static struct faci_record *find_in_chain(struct faci_shard *shard, struct faci_bucket *bucket,
                                         uint16_t tag, const struct faci_key *key)
{
    uint32_t *at = &bucket->link;
    for (uint32_t link = *at; link != FACI_NO_LINK; link = faci_link_read(at)) {
        uint32_t number = faci_link_number(link);
        struct faci_record *record = faci_record_at(&shard->table.pages, number);
        if (faci_link_fits(link, tag) && faci_record_has_key(record, key)) {
            faci_link_write(at, faci_link_read(&record->next));
            put_in_slot(bucket, tag, number, record);
            return record;
        }
        at = &record->next;
    }
    return NULL;
}

/* The lines of a small one, all at once: the key is in the last of them. */
static inline void prefetch(const struct faci_record *record)
{
    __builtin_prefetch((const unsigned char *)record);
    __builtin_prefetch((const unsigned char *)record + FACI_LINE_BYTES);
    __builtin_prefetch((const unsigned char *)record + 2 * (size_t)FACI_LINE_BYTES);
}

static inline struct faci_record *find_in_slots(const struct faci_bucket *bucket, uint16_t tag,
                                                const struct faci_key *key)
{
    for (unsigned slot = 0; slot < FACI_SLOTS; slot++) {
        if (bucket->tags[slot] == tag) {
            struct faci_record *record = faci_slot_record(bucket, slot);
            prefetch(record);
            if (faci_record_has_key(record, key)) {
                return record;
            }
        }
    }
    return NULL;
}

bool faci_shard_find_locked(struct faci_shard *shard, struct faci_shard_op *op, uint64_t hash,
                            const struct faci_key *key, struct faci_spot *out)
{
    const struct faci_table *table = &shard->table;
    if (table->index.n_buckets == 0) {
        return false;
    }
    struct faci_bucket *bucket = faci_bucket_for(&table->index, hash);
    __builtin_prefetch(bucket);
    if (table->pages.next_due_ms != FACI_STORE_NO_EXPIRY) {
        (void)faci_shard_op_now(op); /* costs nothing while the bucket is on its way */
    }
    uint16_t tag = faci_tag_of(hash);
    struct faci_record *record = find_in_slots(bucket, tag, key);
    if (record == NULL && bucket->link != FACI_NO_LINK) {
        record = find_in_chain(shard, bucket, tag, key);
    }
    if (record == NULL) {
        return false;
    }
    *out = (struct faci_spot){hash, faci_link_read(&record->next), record};
    if (faci_shard_has_expired(op, record)) {
        faci_shard_remove_locked(shard, op, out, FACI_GONE_EXPIRED);
        return false;
    }
    return true;
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
    record->next = 0; /* and no uses */
    faci_bucket_add(faci_bucket_for(&table->index, hash), faci_tag_of(hash), number, record);
    table->pages.queues[name].bytes += faci_record_bytes(alloc, record);
    table->n_entries++;
    if (table->n_entries > (uint64_t)table->index.n_buckets * GROW_RECORDS) {
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
    struct faci_bucket *bucket = faci_bucket_for(&shard->table.index, spot->hash);
    faci_slot_set(bucket, faci_slot_of(bucket, spot->record), faci_tag_of(spot->hash), record);
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
    struct faci_bucket *bucket = faci_bucket_for(&table->index, spot->hash);
    unsigned slot = faci_slot_of(bucket, spot->record);
    if (slot < FACI_SLOTS) {
        faci_slot_set(bucket, slot, 0, NULL);
    } else {
        faci_link_write(link_to(shard, bucket, spot->number),
                        faci_link_read(&spot->record->next));
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

static size_t n_records(const struct faci_shard *shard, const struct faci_bucket *bucket)
{
    struct walk walk = walk_of(bucket);
    struct faci_spot spot;
    size_t n = 0;
    while (walk_on(shard, &walk, &spot)) {
        n++;
    }
    return n;
}

static void clear_bucket(struct faci_shard *shard, struct faci_shard_op *op,
                         struct faci_shard_clear *clear) FACI_REQUIRES(&shard->lock)
{
    struct walk walk = walk_of(faci_bucket_at(&shard->table.index, clear->bucket));
    struct faci_spot spot;
    while (walk_on(shard, &walk, &spot)) {
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
        size_t n = n_records(shard, faci_bucket_at(&table->index, clear->bucket));
        size_t cost = n > 0 ? n : 1; /* empty buckets take time too */
        if (cost > clear->n_left && !is_first) {
            return false;
        }
        is_first = false;
        clear->n_left = cost < clear->n_left ? clear->n_left - cost : 0;
        clear_bucket(shard, op, clear);
    }
    /* To join a bucket hashes its records again. Until all is joined the cursor stays at the end. */
    bool is_done = faci_shard_shrink_index_locked(shard, clear->n_left / GROW_RECORDS + 1,
                                                  false);
    clear->bucket = table->index.n_buckets;
    return is_done;
}
