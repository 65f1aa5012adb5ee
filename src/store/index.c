/* SPDX-License-Identifier: MIT */
/* store/index.c — segments of buckets, what is put into a bucket, and ghosts.
 *
 * Design notes.
 *
 * Linear hashing (Litwin 1980): one bucket more splits one other, so no insert pays for a whole
 * rehash, and the index fits the number of entries at any time. Segments never move. What fills a new
 * bucket is the shard's business: the records hold the keys that tell.
 *
 * A bucket is a cache line, and a lookup waits for memory twice: for the line, and for the record
 * whose tag fits. What does not find a slot hangs in a chain, which costs a page and a record for each
 * step; so what is found in a chain changes places with what is in a slot.
 *
 * Ghosts are in the buckets, so their number follows that of the entries: two for five. A split
 * leaves them on both sides. They are a hint: one that is lost, or that fits by chance (once in 32,000
 * lookups), costs nothing but a record's place in line. */
#include "store/index.h"

enum {
    GHOST_BITS = 16,
};

/* Of malloc's alignment a line's is so far away at most. */
static size_t segment_bytes(uint32_t n_buckets)
{
    return n_buckets * sizeof(struct faci_bucket) + FACI_LINE_BYTES - 1;
}

bool faci_index_add_segment(struct faci_index *index, const fac_allocator *alloc,
                            uint64_t max_bytes)
{
    struct faci_bucket_place place = faci_bucket_place(index->n_buckets);
    if (place.offset != 0) {
        return true;
    }
    size_t more = segment_bytes(place.n_buckets);
    /* The first one always: an entry is at least as large. */
    if (place.segment == FACI_SEGMENTS ||
        (place.segment > 0 && index->bytes + more > max_bytes)) {
        return false;
    }
    void *segment = faci_mem_alloc(alloc, more);
    if (segment == NULL) {
        return false;
    }
    struct faci_bucket *buckets = faci_first_bucket(segment);
    for (uint32_t i = 0; i < place.n_buckets; i++) {
        faci_bucket_init(&buckets[i]);
    }
    index->segments[place.segment] = segment;
    index->bytes += faci_mem_footprint(alloc, segment, more);
    return true;
}

void faci_index_drop_segment(struct faci_index *index, const fac_allocator *alloc)
{
    struct faci_bucket_place place = faci_bucket_place(index->n_buckets);
    if (place.offset == 0) {
        void *segment = index->segments[place.segment];
        index->bytes -= faci_mem_footprint(alloc, segment, segment_bytes(place.n_buckets));
        index->segments[place.segment] = NULL;
        faci_mem_free(alloc, segment);
    }
}

void faci_index_fini(struct faci_index *index, const fac_allocator *alloc)
{
    for (uint32_t i = 0; i < FACI_SEGMENTS; i++) {
        faci_mem_free(alloc, index->segments[i]);
    }
    *index = (struct faci_index){0};
}

/* --- Buckets -------------------------------------------------------------------------------- */

void faci_bucket_init(struct faci_bucket *bucket)
{
    *bucket = (struct faci_bucket){.link = FACI_NO_LINK};
}

void faci_bucket_add(struct faci_bucket *bucket, uint16_t tag, uint32_t number,
                     struct faci_record *record)
{
    unsigned slot = faci_free_slot(bucket);
    if (slot < FACI_SLOTS) {
        faci_slot_set(bucket, slot, tag, record);
        faci_link_write(&record->next, number);
    } else {
        faci_link_write(&record->next, bucket->link);
        bucket->link = faci_link_to(tag, number);
    }
}

/* --- Ghosts --------------------------------------------------------------------------------- */

/* As a tag: never 0, which is no ghost. */
void faci_ghost_add(struct faci_index *index, uint64_t hash)
{
    uint32_t *ghosts = &faci_bucket_for(index, hash)->ghosts;
    *ghosts = *ghosts << GHOST_BITS | faci_tag_of(hash);
}

bool faci_ghost_take(struct faci_index *index, uint64_t hash)
{
    uint32_t *ghosts = &faci_bucket_for(index, hash)->ghosts;
    const uint32_t newer = *ghosts & 0xffff;
    const uint32_t older = *ghosts >> GHOST_BITS;
    if (newer == faci_tag_of(hash)) {
        *ghosts = older;
        return true;
    }
    if (older == faci_tag_of(hash)) {
        *ghosts = newer;
        return true;
    }
    return false;
}
