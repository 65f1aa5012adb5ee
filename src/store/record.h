/* SPDX-License-Identifier: MIT */
/* store/record.h — an entry as it lies in memory: one block, which is also the value that is handed
 * out. Inside of src/store only.
 *
 *   +------+---------+------+-----+-------+-----+--------------+-------------+-----+
 *   | next | expires | refs | len | value | NUL | expires high | key's len-1 | key |
 *   +------+---------+------+-----+-------+-----+--------------+-------------+-----+
 *      4        4       4      4                       1              2
 *
 * 20 bytes beside key and value. Whoever holds the value reads from `refs` to NUL and keeps the
 * block alive; all else belongs to the shard and changes under its lock. */
#ifndef FACI_STORE_RECORD_H
#define FACI_STORE_RECORD_H

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/value.h"
#include "store/store.h"

#include <stdint.h>

struct faci_record {
    uint32_t next; /* 2 bits: how often it was used; 30: its number, or a link: index.h */
    uint32_t expires_low;
};
_Static_assert(sizeof(struct faci_record) == FACI_VALUE_FRONT_BYTES, "it is the value's front");

/* A record out of its shard, waiting to be freed: over the front, as its place is gone. */
struct faci_dead_record {
    struct faci_record *next;
};
_Static_assert(sizeof(struct faci_dead_record) <= FACI_VALUE_FRONT_BYTES, "it fits");

enum {
    FACI_RECORD_BACK_BYTES = 3,
    FACI_RECORD_KEY_MAX_BYTES = 1 << 16,
    FACI_LINK_BITS = 30,
    FACI_USES_MAX = 3, /* what the bits above count to */
#if defined(__x86_64__) && defined(__LP64__)
    FACI_PLACE_BYTES = 6, /* what an address has that is not zero */
#else
    FACI_PLACE_BYTES = sizeof(void *),
#endif
};

#define FACI_LINK_MASK ((UINT32_C(1) << FACI_LINK_BITS) - 1)

/* Moments are 40 bits of milliseconds: 34 years of a machine's uptime. The last one is never. */
#define FACI_RECORD_NEVER ((INT64_C(1) << 40) - 1)

static inline fac_value *faci_record_value(struct faci_record *record)
{
    return faci_value_behind(record);
}

static inline unsigned char *faci_record_back(struct faci_record *record)
{
    return faci_value_back(faci_record_value(record));
}

static inline fac_bytes faci_record_key(struct faci_record *record)
{
    const unsigned char *back = faci_record_back(record);
    size_t len = ((size_t)back[1] | (size_t)back[2] << 8) + 1;
    return fac_mem(back + FACI_RECORD_BACK_BYTES, len);
}

/* How often it was used since it came, or since it was last spared. */
static inline unsigned faci_record_uses(const struct faci_record *record)
{
    return record->next >> FACI_LINK_BITS;
}

static inline void faci_record_set_uses(struct faci_record *record, unsigned n_uses)
{
    record->next = (record->next & FACI_LINK_MASK) | (uint32_t)n_uses << FACI_LINK_BITS;
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

/* A packed address of a record; NULL is all zero. */
static inline struct faci_record *faci_place_read(const unsigned char *place)
{
#if defined(__x86_64__) && defined(__LP64__)
    uint32_t low = 0; /* not through memory: what was written in two is not read at once */
    uint16_t high = 0;
    memcpy(&low, place, sizeof(low));
    memcpy(&high, place + sizeof(low), sizeof(high));
    uintptr_t word = (uintptr_t)high << 32 | low;
#else
    uintptr_t word = 0;
    memcpy(&word, place, sizeof(word));
#endif
    return (struct faci_record *)word; /* NOLINT(performance-no-int-to-ptr): it is packed */
}

static inline void faci_place_write(unsigned char *place, const struct faci_record *record)
{
    uintptr_t word = (uintptr_t)record;
    faci_check(word >> (FACI_PLACE_BYTES * 8 - 1) <= 1);
    memcpy(place, &word, FACI_PLACE_BYTES);
}

/* FACI_STORE_NO_EXPIRY or a moment. */
static inline int64_t faci_record_expires_at(struct faci_record *record)
{
    int64_t at_ms = (int64_t)record->expires_low | (int64_t)faci_record_back(record)[0] << 32;
    return at_ms == FACI_RECORD_NEVER ? FACI_STORE_NO_EXPIRY : at_ms;
}

static inline void faci_record_set_expiry(struct faci_record *record, int64_t at_ms)
{
    uint64_t bits = (uint64_t)(at_ms < FACI_RECORD_NEVER ? at_ms : FACI_RECORD_NEVER);
    record->expires_low = (uint32_t)bits;
    faci_record_back(record)[0] = (unsigned char)(bits >> 32);
}

static inline bool faci_record_has_key(struct faci_record *record, const struct faci_key *key)
{
    fac_bytes own = faci_record_key(record);
    size_t prefix_len = key->prefix.len;
    return own.len == faci_key_len(key) && faci_bytes_start_with(own, key->prefix) &&
           faci_bytes_equal(
               fac_mem((const unsigned char *)own.data + prefix_len, own.len - prefix_len),
               key->name);
}

/* What its block takes: faci_mem_footprint. */
static inline size_t faci_record_bytes(const fac_allocator *alloc, struct faci_record *record)
{
    size_t back_bytes = FACI_RECORD_BACK_BYTES + faci_record_key(record).len;
    size_t len = faci_value_len(faci_record_value(record));
    return faci_mem_footprint(alloc, record, faci_value_carrying_bytes(alloc, len, back_bytes));
}

/* With this key and a value of `value_len` bytes, not yet written. In no shard, without expiry,
 * one reference. NULL: no memory. The key is of 1 to FACI_RECORD_KEY_MAX_BYTES. */
static inline struct faci_record *faci_record_new(const fac_allocator *alloc,
                                                  const struct faci_key *key, size_t value_len)
{
    size_t key_len = faci_key_len(key);
    faci_check(key_len > 0 && key_len <= FACI_RECORD_KEY_MAX_BYTES);
    fac_value *value = faci_value_new_carrying(alloc, value_len,
                                               FACI_RECORD_BACK_BYTES + key_len);
    if (value == NULL) {
        return NULL;
    }
    struct faci_record *record = faci_value_front(value);
    unsigned char *back = faci_value_back(value);
    back[1] = (unsigned char)(key_len - 1);
    back[2] = (unsigned char)((key_len - 1) >> 8);
    (void)faci_bytes_put(faci_bytes_put(back + FACI_RECORD_BACK_BYTES, key->prefix), key->name);
    faci_record_set_expiry(record, FACI_STORE_NO_EXPIRY);
    return record;
}

#endif
