/* SPDX-License-Identifier: MIT */
/* store/index.h — from a hash to the records that may have it, and to whether such a one was there
 * lately. Takes no lock: the shard's is held. Inside of src/store only.
 *
 *   bucket:   address of the first record | 32 bits of its hash | link to it
 *   link:     6 bits of the hash | 24 bits: the record's number
 *             one chain for each bucket, on through the records themselves
 *   ghosts:   of 8 buckets the last 4 that left small, 16 bits of hash each, the newest lowest */
#ifndef FACI_STORE_INDEX_H
#define FACI_STORE_INDEX_H

#include "store/record.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FACI_FIRST_BUCKETS = 64,  /* what a first segment has */
    FACI_OCTAVE_SEGMENTS = 8, /* segments between one power of two and the next */
    FACI_OCTAVES_AT = 9,      /* log2(FACI_FIRST_BUCKETS * FACI_OCTAVE_SEGMENTS) */
    FACI_GHOST_BUCKETS = 8,
};

/* The end of a chain. No record's number is as high. */
#define FACI_NO_LINK FACI_LINK_MASK

/* `first` spares the way by the number: the record that `link` means, or NULL where nobody has asked
 * yet. A quarter of a cache line, which malloc's alignment does not cut. */
struct faci_bucket {
    struct faci_record *first;
    uint32_t tag;  /* of `first`: faci_tag_of */
    uint32_t link; /* without uses */
};

/* All zero: no bucket, no memory. */
struct faci_index {
    struct faci_bucket **segments; /* a segment's buckets, and behind them its ghosts */
    uint32_t n_slots;              /* of `segments` */
    uint32_t n_buckets;
    uint64_t bytes; /* of all of it */
};

/* The parts of a hash. The shard is chosen by bits above these. */
static inline uint32_t faci_link_to(uint64_t hash, uint32_t number)
{
    return ((uint32_t)(hash >> 32) << 24 | number) & FACI_LINK_MASK;
}

static inline uint32_t faci_link_number(uint32_t link)
{
    return link & 0xffffff;
}

static inline bool faci_link_fits(uint32_t link, uint64_t hash)
{
    return link >> 24 == ((uint32_t)(hash >> 32) & 0x3f);
}

static inline uint32_t faci_tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static inline void faci_bucket_know(struct faci_bucket *bucket, uint64_t hash,
                                    struct faci_record *first)
{
    bucket->first = first;
    bucket->tag = faci_tag_of(hash);
}

/* A link stands in a bucket, or in a record beside its uses. */
static inline uint32_t faci_link_read(const uint32_t *at)
{
    return *at & FACI_LINK_MASK;
}

static inline void faci_link_write(uint32_t *at, uint32_t link)
{
    *at = (*at & ~FACI_LINK_MASK) | link;
}

/* Buckets 0 to n-1 exist. A hash whose low bits name one that does not yet exist lives in the one
 * that will be split to make it: the same number without its top bit. */
static inline uint32_t faci_bucket_of(const struct faci_index *index, uint64_t hash)
{
    uint32_t mask = UINT32_MAX >> __builtin_clz(index->n_buckets - 1);
    uint32_t bucket = (uint32_t)hash & mask;
    return bucket < index->n_buckets ? bucket : bucket & mask >> 1;
}

/* Where a bucket is: segments are of equal size up to the first power of two that has eight of
 * them; from there on each further power is divided into eight. So an index lies in few and large
 * pieces, which the processor's address caches reward, and is a ninth too large at most. */
struct faci_bucket_place {
    uint32_t segment;
    uint32_t offset;
    uint32_t n_buckets; /* of the segment */
};

static inline struct faci_bucket_place faci_bucket_place(uint32_t bucket)
{
    uint32_t n_buckets = FACI_FIRST_BUCKETS;
    uint32_t segment = bucket / FACI_FIRST_BUCKETS;
    if (bucket >> FACI_OCTAVES_AT != 0) {
        uint32_t octave = 31 - (uint32_t)__builtin_clz(bucket) - FACI_OCTAVES_AT;
        n_buckets <<= octave;
        segment = bucket / n_buckets + octave * FACI_OCTAVE_SEGMENTS;
    }
    return (struct faci_bucket_place){segment, bucket & (n_buckets - 1), n_buckets};
}

/* `bucket` exists. */
static inline struct faci_bucket *faci_bucket_at(const struct faci_index *index,
                                                 uint32_t bucket)
{
    struct faci_bucket_place place = faci_bucket_place(bucket);
    return &index->segments[place.segment][place.offset];
}

/* Memory for the bucket behind the last one, if it begins a segment. `max_bytes` is the most that
 * the index may take. False: no memory, or too large; nothing changed. */
bool faci_index_add_segment(struct faci_index *index, const fac_allocator *alloc,
                            uint64_t max_bytes);

/* Gives the segment back that begins with bucket number n_buckets, if one does. */
void faci_index_drop_segment(struct faci_index *index, const fac_allocator *alloc);

void faci_index_fini(struct faci_index *index, const fac_allocator *alloc);

/* Remember that a record of this hash left. */
void faci_ghost_add(struct faci_index *index, uint64_t hash);

/* Whether one did lately; forgets it. */
bool faci_ghost_take(struct faci_index *index, uint64_t hash);

#endif
