/* SPDX-License-Identifier: MIT */
/* base/value.h — the inside of fac_value: a counted block of bytes that is written once, before
 * it is shared. Unsharing and counting are safe on any thread. */
#ifndef FACI_BASE_VALUE_H
#define FACI_BASE_VALUE_H

#include <faciliter/alloc.h>
#include <faciliter/value.h>

#include <stddef.h>

/*
 *   +------+-------+-----+------------------+-----+ . . . . . . . . +
 *   | refs | owner | len | data (len bytes)  | NUL |  allocator copy .
 *   +------+-------+-----+------------------+-----+ . . . . . . . . +
 *     4       4      8
 *
 * A value outlives its cache, so it cannot point to the cache's allocator. Values of malloc need
 * none (owner 0); values of a hook carry a copy behind their data (owner 1).
 */

/* A value of `len` bytes, one reference, data not yet written but the NUL. NULL: no memory. */
fac_value *faci_value_new(const fac_allocator *alloc, size_t len);

/* Give a value with a single owner another length; bytes up to the shorter one stay. NULL without
 * memory: the old value is unchanged. `alloc` is the one it was made with. */
fac_value *faci_value_resize(fac_value *value, const fac_allocator *alloc, size_t len);

/* Where its bytes are written, while it has a single owner. */
unsigned char *faci_value_data(fac_value *value);

/* Bytes of memory that a value of `len` bytes asks of `alloc`. */
size_t faci_value_footprint(const fac_allocator *alloc, size_t len);

#endif
