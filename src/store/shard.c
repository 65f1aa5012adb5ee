/* SPDX-License-Identifier: MIT */
/* store/shard.c — a hash table with SIEVE eviction and an exact account of its bytes. Takes no
 * lock itself: the caller holds the shard's.
 *
 * Design notes.
 *
 * Index: linear hashing (Litwin 1980). When there are more entries than buckets, an insert adds
 * one bucket and moves to it the entries of one other, so no insert ever pays for a whole
 * rehash. Buckets lie in segments that never move and are never given back; only the directory
 * of segments is copied when it doubles, one pointer for each 256 buckets. An entry only ever
 * moves to a bucket with a higher number: a scan in rising order sees all that stay.
 *
 * The index may take an eighth of the budget, so that "too large for a shard" depends on the
 * budget alone, not on what happened before. The smallest entry is eight times the size of a
 * bucket: the cap binds only where a whole segment is much of the budget, and then chains get
 * a little longer.
 *
 * Eviction: SIEVE (Zhang and others, NSDI 2024). New entries join at the newest end. A hit sets
 * one bit and moves nothing. To make room the hand walks from the oldest to the newest: it
 * clears the bit of a visited entry and lets it stay, and removes the first one not visited.
 * What is read once leaves soon after it came; what is read again stays where it is.
 *
 * Expiry: an expired entry goes when somebody meets it: a lookup, the hand, a clear, or the
 * sweep, by which each write looks at two buckets in turn. n writes have swept 2 n buckets, so
 * dead entries cannot outnumber live ones for long while there are writes; without writes
 * nothing grows.
 *
 * Freeing: removed entries hang on the operation and are freed after the unlock. */
#include "store/shard.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/value.h"

enum {
    SEGMENT_BUCKETS = 256,
    FIRST_SEGMENT_SLOTS = 4,
    INDEX_SHARE = 8,
    SWEEP_BUCKETS = 2,
};

static const size_t k_segment_bytes = SEGMENT_BUCKETS * sizeof(struct faci_entry *);

/* A bucket's number must fit into the 32 bits of the hash that an entry keeps. */
static const size_t k_max_buckets = (size_t)1 << 31;

void faci_shard_op_begin(struct faci_shard_op *op, const struct faci_store_config *config)
{
    op->config = config;
    op->now_ms = INT64_MIN;
    op->dead = NULL;
}

void faci_shard_op_end(struct faci_shard_op *op)
{
    while (op->dead != NULL) {
        struct faci_entry *entry = op->dead;
        op->dead = entry->chain;
        fac_value_unref(entry->value);
        faci_mem_free(op->config->alloc, entry);
    }
}

int64_t faci_shard_op_now(struct faci_shard_op *op)
{
    if (op->now_ms == INT64_MIN) {
        op->now_ms = op->config->now_ms(op->config->clock);
    }
    return op->now_ms;
}

bool faci_shard_init(struct faci_shard *shard, const struct faci_store_config *config,
                     uint64_t budget_bytes)
{
    memset(shard, 0, sizeof(*shard));
    shard->config = config;
    shard->budget_bytes = budget_bytes;
    shard->max_index_bytes = budget_bytes / INDEX_SHARE;
    shard->max_item_bytes = budget_bytes - shard->max_index_bytes - sizeof(*shard);
    shard->n_segment_slots = FIRST_SEGMENT_SLOTS;
    shard->n_buckets = SEGMENT_BUCKETS;
    shard->segments = faci_mem_zalloc_array(config->alloc, FIRST_SEGMENT_SLOTS,
                                            sizeof(*shard->segments));
    if (shard->segments == NULL) {
        return false;
    }
    shard->segments[0] = faci_mem_zalloc(config->alloc, k_segment_bytes);
    if (shard->segments[0] == NULL) {
        faci_mem_free(config->alloc, shard->segments);
        shard->segments = NULL;
        return false;
    }
    shard->bytes = sizeof(*shard) + FIRST_SEGMENT_SLOTS * sizeof(*shard->segments) +
                   k_segment_bytes;
    faci_mutex_init(&shard->lock);
    return true;
}

void faci_shard_fini(struct faci_shard *shard)
{
    if (shard->segments == NULL) {
        return;
    }
    struct faci_entry *entry = shard->newest;
    while (entry != NULL) {
        struct faci_entry *older = entry->older;
        fac_value_unref(entry->value);
        faci_mem_free(shard->config->alloc, entry);
        entry = older;
    }
    for (size_t i = 0; i < shard->n_segment_slots; i++) {
        faci_mem_free(shard->config->alloc, shard->segments[i]);
    }
    faci_mem_free(shard->config->alloc, shard->segments);
    shard->segments = NULL;
    faci_mutex_fini(&shard->lock);
}

static uint64_t value_bytes(const struct faci_shard *shard, const fac_value *value)
{
    return faci_value_footprint(shard->config->alloc, fac_value_bytes(value).len);
}

static uint64_t entry_bytes(const struct faci_shard *shard, const struct faci_entry *entry)
{
    return sizeof(*entry) + entry->key_len + value_bytes(shard, entry->value);
}

bool faci_shard_can_hold(const struct faci_shard *shard, size_t key_len, size_t value_len)
{
    if (key_len > INT32_MAX || key_len > shard->max_item_bytes ||
        value_len > shard->max_item_bytes) {
        return false;
    }
    uint64_t bytes = sizeof(struct faci_entry) + key_len +
                     faci_value_footprint(shard->config->alloc, value_len);
    return bytes <= shard->max_item_bytes;
}

struct faci_entry *faci_shard_new_entry(const struct faci_shard *shard, uint32_t hash,
                                        const struct faci_key *key)
{
    size_t key_len = faci_key_len(key);
    struct faci_entry *entry = faci_mem_alloc(shard->config->alloc,
                                              sizeof(struct faci_entry) + key_len);
    if (entry != NULL) {
        memset(entry, 0, sizeof(*entry));
        entry->hash = hash;
        entry->key_len = (uint32_t)key_len & INT32_MAX;
        (void)faci_bytes_put(faci_bytes_put(entry->key, key->prefix), key->name);
    }
    return entry;
}

/* ---- The index ---- */

static struct faci_entry **bucket_at(const struct faci_shard *shard, size_t bucket)
{
    return &shard->segments[bucket / SEGMENT_BUCKETS][bucket % SEGMENT_BUCKETS];
}

/* Buckets 0 to n-1 exist. A hash whose low bits name one that does not yet exist lives in the
 * one that will be split to make it: the same number without its top bit. */
static struct faci_entry **bucket_of(const struct faci_shard *shard, uint32_t hash)
{
    size_t mask = ((size_t)1 << (64 - __builtin_clzll(shard->n_buckets - 1))) - 1;
    size_t bucket = hash & mask;
    return bucket_at(shard, bucket < shard->n_buckets ? bucket : hash & (mask >> 1));
}

static bool has_key(const struct faci_entry *entry, uint32_t hash, const struct faci_key *key)
{
    size_t prefix_len = key->prefix.len;
    return entry->hash == hash && entry->key_len == faci_key_len(key) &&
           faci_bytes_equal(fac_mem(entry->key, prefix_len), key->prefix) &&
           faci_bytes_equal(fac_mem(entry->key + prefix_len, key->name.len), key->name);
}

static bool has_expired(const struct faci_entry *entry, struct faci_shard_op *op)
{
    return entry->expires_at_ms != FACI_STORE_NO_EXPIRY &&
           faci_shard_op_now(op) >= entry->expires_at_ms;
}

static void unlink_from_bucket(struct faci_shard *shard, const struct faci_entry *entry)
{
    struct faci_entry **link = bucket_of(shard, entry->hash);
    while (*link != entry) {
        faci_assert(*link != NULL);
        link = &(*link)->chain;
    }
    *link = entry->chain;
}

/* ---- The queue ---- */

static void link_newest(struct faci_shard *shard, struct faci_entry *entry)
{
    entry->newer = NULL;
    entry->older = shard->newest;
    if (shard->newest != NULL) {
        shard->newest->newer = entry;
    } else {
        shard->oldest = entry;
    }
    shard->newest = entry;
}

static void unlink_from_queue(struct faci_shard *shard, struct faci_entry *entry)
{
    if (shard->hand == entry) {
        shard->hand = entry->newer;
    }
    if (entry->newer != NULL) {
        entry->newer->older = entry->older;
    } else {
        shard->newest = entry->older;
    }
    if (entry->older != NULL) {
        entry->older->newer = entry->newer;
    } else {
        shard->oldest = entry->newer;
    }
}

void faci_shard_remove_locked(struct faci_shard *shard, struct faci_shard_op *op,
                              struct faci_entry *entry)
{
    unlink_from_bucket(shard, entry);
    unlink_from_queue(shard, entry);
    shard->bytes -= entry_bytes(shard, entry);
    shard->n_entries--;
    entry->chain = op->dead;
    op->dead = entry;
}

static void expire_locked(struct faci_shard *shard, struct faci_shard_op *op,
                          struct faci_entry *entry) FACI_REQUIRES(&shard->lock)
{
    faci_shard_remove_locked(shard, op, entry);
    shard->n_expired++;
}

/* Removes one entry other than `keep`. There is one. Terminates: the first round of the hand
 * leaves nothing visited behind it. */
static void evict_locked(struct faci_shard *shard, struct faci_shard_op *op,
                         const struct faci_entry *keep) FACI_REQUIRES(&shard->lock)
{
    struct faci_entry *entry = shard->hand != NULL ? shard->hand : shard->oldest;
    while (entry == keep || (entry->is_visited && !has_expired(entry, op))) {
        if (entry != keep) {
            entry->is_visited = 0;
        }
        entry = entry->newer != NULL ? entry->newer : shard->oldest;
    }
    shard->hand = entry;
    if (has_expired(entry, op)) {
        expire_locked(shard, op, entry);
    } else {
        faci_shard_remove_locked(shard, op, entry);
        shard->n_evicted++;
    }
}

/* Evicts until `more` further bytes fit. Callers ask for no more than can be had. */
static void make_room_locked(struct faci_shard *shard, struct faci_shard_op *op, uint64_t more,
                             const struct faci_entry *keep) FACI_REQUIRES(&shard->lock)
{
    while (shard->bytes + more > shard->budget_bytes) {
        faci_check(shard->n_entries > (keep != NULL ? 1U : 0U));
        evict_locked(shard, op, keep);
    }
}

/* ---- Growth ---- */

static uint64_t index_bytes(const struct faci_shard *shard)
{
    return shard->n_segment_slots * sizeof(*shard->segments) +
           shard->n_buckets / SEGMENT_BUCKETS * k_segment_bytes;
}

/* Memory for the segment behind the last one. False: the index stays as it is, which only makes
 * chains longer. */
static bool add_segment_locked(struct faci_shard *shard, struct faci_shard_op *op)
    FACI_REQUIRES(&shard->lock)
{
    const fac_allocator *alloc = shard->config->alloc;
    size_t n_segments = shard->n_buckets / SEGMENT_BUCKETS;
    size_t n_slots = shard->n_segment_slots;
    if (n_segments == n_slots) {
        n_slots *= 2;
    }
    uint64_t more = (n_slots - shard->n_segment_slots) * sizeof(*shard->segments) +
                    k_segment_bytes;
    if (index_bytes(shard) + more > shard->max_index_bytes ||
        shard->n_buckets >= k_max_buckets) {
        return false;
    }
    make_room_locked(shard, op, more, NULL);
    struct faci_entry **segment = faci_mem_zalloc(alloc, k_segment_bytes);
    if (segment == NULL) {
        return false;
    }
    if (n_slots > shard->n_segment_slots) {
        struct faci_entry ***segments = faci_mem_realloc(alloc, shard->segments,
                                                         n_slots * sizeof(*segments));
        if (segments == NULL) {
            faci_mem_free(alloc, segment);
            return false;
        }
        memset(segments + n_segments, 0, (n_slots - n_segments) * sizeof(*segments));
        shard->segments = segments;
        shard->n_segment_slots = n_slots;
    }
    shard->segments[n_segments] = segment;
    shard->bytes += more;
    return true;
}

/* One more bucket, filled from the one that stood in for it. */
static void grow_locked(struct faci_shard *shard, struct faci_shard_op *op)
    FACI_REQUIRES(&shard->lock)
{
    size_t added = shard->n_buckets;
    if (added % SEGMENT_BUCKETS == 0 && !add_segment_locked(shard, op)) {
        return;
    }
    size_t top_bit = (size_t)1 << (63 - __builtin_clzll(added));
    struct faci_entry **from = bucket_at(shard, added - top_bit);
    struct faci_entry **to = bucket_at(shard, added);
    while (*from != NULL) {
        struct faci_entry *entry = *from;
        if ((entry->hash & top_bit) != 0) {
            *from = entry->chain;
            *to = entry;
            to = &entry->chain;
        } else {
            from = &entry->chain;
        }
    }
    *to = NULL;
    shard->n_buckets++;
}

/* ---- Operations ---- */

struct faci_entry *faci_shard_find_locked(struct faci_shard *shard, struct faci_shard_op *op,
                                          uint32_t hash, const struct faci_key *key)
{
    struct faci_entry *entry = *bucket_of(shard, hash);
    while (entry != NULL && !has_key(entry, hash, key)) {
        entry = entry->chain;
    }
    if (entry != NULL && has_expired(entry, op)) {
        expire_locked(shard, op, entry);
        return NULL;
    }
    return entry;
}

void faci_shard_insert_locked(struct faci_shard *shard, struct faci_shard_op *op,
                              struct faci_entry *entry)
{
    if (shard->n_entries >= shard->n_buckets) {
        grow_locked(shard, op);
    }
    uint64_t bytes = entry_bytes(shard, entry);
    make_room_locked(shard, op, bytes, NULL);
    struct faci_entry **bucket = bucket_of(shard, entry->hash);
    entry->chain = *bucket;
    *bucket = entry;
    link_newest(shard, entry);
    shard->bytes += bytes;
    shard->n_entries++;
}

fac_value *faci_shard_replace_locked(struct faci_shard *shard, struct faci_shard_op *op,
                                     struct faci_entry *entry, fac_value *value)
{
    uint64_t before = value_bytes(shard, entry->value);
    uint64_t after = value_bytes(shard, value);
    make_room_locked(shard, op, after > before ? after - before : 0, entry);
    fac_value *old = entry->value;
    entry->value = value;
    entry->is_visited = 1;
    shard->bytes = shard->bytes - before + after;
    return old;
}

static void expire_bucket_locked(struct faci_shard *shard, struct faci_shard_op *op,
                                 size_t bucket) FACI_REQUIRES(&shard->lock)
{
    struct faci_entry *entry = *bucket_at(shard, bucket);
    while (entry != NULL) {
        struct faci_entry *next = entry->chain;
        if (has_expired(entry, op)) {
            expire_locked(shard, op, entry);
        }
        entry = next;
    }
}

void faci_shard_sweep_locked(struct faci_shard *shard, struct faci_shard_op *op)
{
    for (int i = 0; i < SWEEP_BUCKETS; i++) {
        expire_bucket_locked(shard, op, shard->sweep_at);
        shard->sweep_at = shard->sweep_at + 1 < shard->n_buckets ? shard->sweep_at + 1 : 0;
    }
}

static size_t chain_len(const struct faci_entry *entry)
{
    size_t n = 0;
    for (; entry != NULL; entry = entry->chain) {
        n++;
    }
    return n;
}

static void clear_bucket_locked(struct faci_shard *shard, struct faci_shard_op *op,
                                struct faci_shard_clear *clear) FACI_REQUIRES(&shard->lock)
{
    struct faci_entry *entry = *bucket_at(shard, (size_t)clear->bucket);
    while (entry != NULL) {
        struct faci_entry *next = entry->chain;
        clear->n_scanned++;
        if (has_expired(entry, op)) {
            expire_locked(shard, op, entry);
        } else if (faci_bytes_start_with(fac_mem(entry->key, entry->key_len), clear->prefix)) {
            faci_shard_remove_locked(shard, op, entry);
            clear->n_removed++;
        }
        entry = next;
    }
}

bool faci_shard_clear_locked(struct faci_shard *shard, struct faci_shard_op *op,
                             struct faci_shard_clear *clear, bool is_first)
{
    for (; clear->bucket < shard->n_buckets; clear->bucket++) {
        size_t n = chain_len(*bucket_at(shard, (size_t)clear->bucket));
        size_t cost = n > 0 ? n : 1; /* empty buckets take time too */
        if (cost > clear->n_left && !is_first) {
            return false;
        }
        is_first = false;
        clear->n_left = cost < clear->n_left ? clear->n_left - cost : 0;
        clear_bucket_locked(shard, op, clear);
    }
    return true;
}
