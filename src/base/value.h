/* SPDX-License-Identifier: MIT */
/* base/value.h — the inside of fac_value: a counted block of bytes that is written once, before
 * it is shared. Unsharing and counting are safe on any thread. */
#ifndef FACI_BASE_VALUE_H
#define FACI_BASE_VALUE_H

#include <faciliter/alloc.h>
#include <faciliter/value.h>

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FACI_VALUE_FRONT_BYTES = 8
};

/*
 *   . . . . . . . +------+-------------+------------------+-----+ . . . . . . . . . . . . . +
 *   .    front    | refs | len + flags | data (len bytes) | NUL |  allocator copy  .  back  .
 *   . . . . . . . +------+-------------+------------------+-----+ . . . . . . . . . . . . . +
 *         8          4          4
 *
 * A value outlives its cache, so it cannot point to the cache's allocator. Values of malloc need
 * none; values of a hook carry a copy behind their data. The store keeps what it knows of an entry
 * in the same block: `front` and `back` are its own, and only a carrying value has them.
 */
struct fac_value {
    atomic_uint refs;
    uint32_t len_and_flags;
    unsigned char data[];
};

enum {
    FACI_VALUE_LEN_BITS = 30,
};

#define FACI_VALUE_HAS_HOOK    (UINT32_C(1) << 30)
#define FACI_VALUE_IS_CARRYING (UINT32_C(1) << 31)
#define FACI_VALUE_MAX_LEN     ((UINT32_C(1) << FACI_VALUE_LEN_BITS) - 1)

static inline size_t faci_value_len(const fac_value *value)
{
    return value->len_and_flags & FACI_VALUE_MAX_LEN;
}

/* A value of `len` bytes, one reference, data not yet written but the NUL. NULL: no memory, or
 * longer than FACI_VALUE_MAX_LEN. */
fac_value *faci_value_new(const fac_allocator *alloc, size_t len);

/* The same with a front, and a back of `back_bytes`, neither written. */
fac_value *faci_value_new_carrying(const fac_allocator *alloc, size_t len, size_t back_bytes);

/* Give a value with a single owner another length; bytes up to the shorter one stay. NULL without
 * memory: the old value is unchanged. `alloc` is the one it was made with. Not for a carrying
 * value. */
fac_value *faci_value_resize(fac_value *value, const fac_allocator *alloc, size_t len);

/* Where its bytes are written, while it has a single owner. */
unsigned char *faci_value_data(fac_value *value);

/* Of a carrying value: the start of its block, and back; what lies behind. */
static inline void *faci_value_front(fac_value *value)
{
    return (unsigned char *)value - FACI_VALUE_FRONT_BYTES;
}

static inline fac_value *faci_value_behind(void *front)
{
    return (fac_value *)(void *)((unsigned char *)front + FACI_VALUE_FRONT_BYTES);
}

static inline unsigned char *faci_value_back(fac_value *value)
{
    size_t hook_bytes = (value->len_and_flags & FACI_VALUE_HAS_HOOK) != 0
                            ? sizeof(fac_allocator)
                            : 0;
    return value->data + faci_value_len(value) + 1 + hook_bytes;
}

/* Bytes that a carrying value asks of `alloc`. */
size_t faci_value_carrying_bytes(const fac_allocator *alloc, size_t len, size_t back_bytes);

#endif
