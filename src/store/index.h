/* SPDX-License-Identifier: MIT */
/* store/index.h — from a hash to the records that may have it, and to whether such a one was there
 * lately. Takes no lock: the shard's is held. Inside of src/store only.
 *
 *   bucket:   a cache line: link | ghosts | tags | addresses
 *   slot:     a record's address, and as its tag 16 bits of its hash; both 0: free
 *   link:     to a record that found no free slot: 6 bits of its tag | 24 bits: its number.
 *             From there on one chain through the records themselves
 *   ghosts:   the last two of the bucket that left small, 16 bits of hash each, the newest lowest
 *
 * What a record's own word says depends on where it is: in a slot its number, in a chain the link to
 * the next one. So nobody has to follow a number to find what is in a slot. */
#ifndef FACI_STORE_INDEX_H
#define FACI_STORE_INDEX_H

#include "store/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FACI_LINE_BYTES = 64,
    FACI_SLOTS = (FACI_LINE_BYTES - 8) / (FACI_PLACE_BYTES + 2),

    FACI_FIRST_BUCKETS_LOG2 = 4,
    FACI_FIRST_BUCKETS = 1 << FACI_FIRST_BUCKETS_LOG2, /* what a first segment has */
    FACI_OCTAVE_SEGMENTS = 8, /* segments between one power of two and the next */
    FACI_OCTAVES_AT = FACI_FIRST_BUCKETS_LOG2 + 3, /* log2 of both, multiplied */
    FACI_SEGMENTS = 128, /* for 2^22 buckets, which all numbers of a shard do not fill */
};

/* The end of a chain. No record's number is as high. */
#define FACI_NO_LINK FACI_LINK_MASK

/* In a segment it begins a line; a copy may stand anywhere. */
struct faci_bucket {
    uint32_t link; /* FACI_NO_LINK: all are in slots */
    uint32_t ghosts;
    uint16_t tags[FACI_SLOTS];
    unsigned char places[FACI_LINE_BYTES - 8 - 2 * FACI_SLOTS]; /* FACI_PLACE_BYTES each */
};
_Static_assert(sizeof(struct faci_bucket) == FACI_LINE_BYTES, "a lookup costs one line");

/* All zero: no bucket, no memory. */
struct faci_index {
    uint64_t bytes; /* of all segments */
    uint32_t n_buckets;
    void *segments[FACI_SEGMENTS]; /* as allocated: the buckets begin at the next line */
};

/* The parts of a hash. The shard is chosen by bits above these. */
static inline uint16_t faci_tag_of(uint64_t hash)
{
    uint16_t tag = (uint16_t)(hash >> 32);
    return tag > 0 ? tag : 1;
}

static inline uint32_t faci_link_to(uint16_t tag, uint32_t number)
{
    return ((uint32_t)tag << 24 | number) & FACI_LINK_MASK;
}

static inline uint32_t faci_link_number(uint32_t link)
{
    return link & 0xffffff;
}

static inline bool faci_link_fits(uint32_t link, uint16_t tag)
{
    return link >> 24 == (tag & 0x3fU);
}

static inline struct faci_record *faci_slot_record(const struct faci_bucket *bucket,
                                                   unsigned slot)
{
    return faci_place_read(bucket->places + (size_t)slot * FACI_PLACE_BYTES);
}

static inline void faci_slot_set(struct faci_bucket *bucket, unsigned slot, uint16_t tag,
                                 const struct faci_record *record)
{
    bucket->tags[slot] = tag;
    faci_place_write(bucket->places + (size_t)slot * FACI_PLACE_BYTES, record);
}

/* FACI_SLOTS: none is free. */
static inline unsigned faci_free_slot(const struct faci_bucket *bucket)
{
    unsigned slot = 0;
    while (slot < FACI_SLOTS && bucket->tags[slot] != 0) {
        slot++;
    }
    return slot;
}

/* The slot of this record; FACI_SLOTS: it is in the chain. */
static inline unsigned faci_slot_of(const struct faci_bucket *bucket,
                                    const struct faci_record *record)
{
    unsigned slot = 0;
    while (slot < FACI_SLOTS && faci_slot_record(bucket, slot) != record) {
        slot++;
    }
    return slot;
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
    uint32_t octave = 31 - FACI_OCTAVES_AT -
                      (uint32_t)__builtin_clz(bucket | UINT32_C(1) << FACI_OCTAVES_AT);
    uint32_t shift = FACI_FIRST_BUCKETS_LOG2 + octave;
    uint32_t n_buckets = UINT32_C(1) << shift;
    return (struct faci_bucket_place){(bucket >> shift) + octave * FACI_OCTAVE_SEGMENTS,
                                      bucket & (n_buckets - 1), n_buckets};
}

static inline struct faci_bucket *faci_first_bucket(void *segment)
{
    uintptr_t at = ((uintptr_t)segment + FACI_LINE_BYTES - 1) / FACI_LINE_BYTES *
                   FACI_LINE_BYTES;
    return (struct faci_bucket *)at; /* NOLINT(performance-no-int-to-ptr): it is aligned */
}

/* `bucket` exists. */
static inline struct faci_bucket *faci_bucket_at(const struct faci_index *index,
                                                 uint32_t bucket)
{
    struct faci_bucket_place place = faci_bucket_place(bucket);
    return faci_first_bucket(index->segments[place.segment]) + place.offset;
}

static inline struct faci_bucket *faci_bucket_for(const struct faci_index *index, uint64_t hash)
{
    return faci_bucket_at(index, faci_bucket_of(index, hash));
}

/* Memory for the bucket behind the last one, if it begins a segment. `max_bytes` is the most that
 * the index may take. False: no memory, or too large; nothing changed. */
bool faci_index_add_segment(struct faci_index *index, const fac_allocator *alloc,
                            uint64_t max_bytes);

/* Gives the segment back that begins with bucket number n_buckets, if one does. */
void faci_index_drop_segment(struct faci_index *index, const fac_allocator *alloc);

void faci_index_fini(struct faci_index *index, const fac_allocator *alloc);

/* Without records and ghosts. */
void faci_bucket_init(struct faci_bucket *bucket);

/* The record is this bucket's from now on: in a slot if one is free. Keeps its uses. */
void faci_bucket_add(struct faci_bucket *bucket, uint16_t tag, uint32_t number,
                     struct faci_record *record);

/* Remember that a record of this hash left. */
void faci_ghost_add(struct faci_index *index, uint64_t hash);

/* Whether one did lately; forgets it. */
bool faci_ghost_take(struct faci_index *index, uint64_t hash);

#endif
