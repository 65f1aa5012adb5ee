/* SPDX-License-Identifier: MIT */
/* store/index.c — segments of buckets, and ghosts.
 *
 * Design notes.
 *
 * Linear hashing (Litwin 1980): one bucket more splits one other, so no insert pays for a whole
 * rehash, and the index fits the number of entries at any time. Segments never move; only the
 * directory is copied when it doubles. What fills a new bucket is the shard's business: the records
 * hold the keys that tell.
 *
 * Ghosts lie beside the buckets of their hash, so their number follows that of the entries: one for
 * two buckets, of 16 bits, which takes a byte an entry. A split leaves them where they are. They
 * are a hint: one that is lost, or that fits by chance (once in 16,000 lookups), costs nothing
 * but a record's place in line. */
#include "store/index.h"

enum {
    FIRST_SLOTS = 4,
    GHOST_BITS = 16,
};

static size_t segment_bytes(uint32_t n_buckets)
{
    return n_buckets * sizeof(struct faci_bucket) +
           n_buckets / FACI_GHOST_BUCKETS * sizeof(uint64_t);
}

static bool add_slots(struct faci_index *index, const fac_allocator *alloc)
{
    uint32_t n_slots = index->n_slots > 0 ? index->n_slots * 2 : FIRST_SLOTS;
    struct faci_bucket **slots = faci_mem_zalloc(alloc, n_slots * sizeof(struct faci_bucket *));
    if (slots == NULL) {
        return false;
    }
    index->bytes += faci_mem_footprint(alloc, slots, n_slots * sizeof(struct faci_bucket *));
    if (index->n_slots > 0) {
        memcpy(slots, index->segments, index->n_slots * sizeof(struct faci_bucket *));
        index->bytes -= faci_mem_footprint(alloc, index->segments,
                                           index->n_slots * sizeof(struct faci_bucket *));
    }
    faci_mem_free(alloc, index->segments);
    index->segments = slots;
    index->n_slots = n_slots;
    return true;
}

bool faci_index_add_segment(struct faci_index *index, const fac_allocator *alloc,
                            uint64_t max_bytes)
{
    struct faci_bucket_place place = faci_bucket_place(index->n_buckets);
    if (place.offset != 0) {
        return true;
    }
    uint64_t more = segment_bytes(place.n_buckets);
    if (place.segment == index->n_slots) {
        more += index->n_slots * sizeof(struct faci_bucket *);
    }
    /* The first one always: an entry is at least as large. */
    if (place.segment > 0 && index->bytes + more > max_bytes) {
        return false;
    }
    struct faci_bucket *segment = faci_mem_zalloc(alloc, segment_bytes(place.n_buckets));
    if (segment == NULL) {
        return false;
    }
    if (place.segment == index->n_slots && !add_slots(index, alloc)) {
        faci_mem_free(alloc, segment);
        return false;
    }
    for (uint32_t i = 0; i < place.n_buckets; i++) {
        segment[i].link = FACI_NO_LINK;
    }
    index->segments[place.segment] = segment;
    index->bytes += faci_mem_footprint(alloc, segment, segment_bytes(place.n_buckets));
    return true;
}

void faci_index_drop_segment(struct faci_index *index, const fac_allocator *alloc)
{
    struct faci_bucket_place place = faci_bucket_place(index->n_buckets);
    if (place.offset == 0) {
        struct faci_bucket *segment = index->segments[place.segment];
        index->bytes -= faci_mem_footprint(alloc, segment, segment_bytes(place.n_buckets));
        index->segments[place.segment] = NULL;
        faci_mem_free(alloc, segment);
    }
}

void faci_index_fini(struct faci_index *index, const fac_allocator *alloc)
{
    for (uint32_t i = 0; i < index->n_slots; i++) {
        faci_mem_free(alloc, index->segments[i]);
    }
    faci_mem_free(alloc, index->segments);
    *index = (struct faci_index){0};
}

/* --- Ghosts --------------------------------------------------------------------------------- */

static uint64_t *ghosts_of(const struct faci_index *index, uint64_t hash)
{
    struct faci_bucket_place place = faci_bucket_place(faci_bucket_of(index, hash));
    struct faci_bucket *behind = index->segments[place.segment] + place.n_buckets;
    return (uint64_t *)(void *)behind + place.offset / FACI_GHOST_BUCKETS;
}

/* Never 0, which is no ghost. */
static uint64_t ghost_of(uint64_t hash)
{
    uint64_t ghost = hash >> 32 & 0xffff;
    return ghost > 0 ? ghost : 1;
}

void faci_ghost_add(struct faci_index *index, uint64_t hash)
{
    uint64_t *ghosts = ghosts_of(index, hash);
    *ghosts = *ghosts << GHOST_BITS | ghost_of(hash);
}

bool faci_ghost_take(struct faci_index *index, uint64_t hash)
{
    uint64_t *ghosts = ghosts_of(index, hash);
    uint64_t ghost = ghost_of(hash);
    for (unsigned shift = 0; shift < 64; shift += GHOST_BITS) {
        if ((*ghosts >> shift & 0xffff) == ghost) {
            uint64_t older = shift + GHOST_BITS < 64 ? *ghosts >> (shift + GHOST_BITS) << shift
                                                     : 0;
            *ghosts = older | (*ghosts & ((UINT64_C(1) << shift) - 1));
            return true;
        }
    }
    return false;
}
