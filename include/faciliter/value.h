/* SPDX-License-Identifier: MIT */
/**
 * @file value.h
 * @brief Ranges of bytes, and the value a cache returns.
 */
#ifndef FACILITER_VALUE_H
#define FACILITER_VALUE_H

#include <faciliter/export.h>

#include <stddef.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A borrowed range. `data` may be NULL only when `len` is 0. Any byte may occur in it. */
typedef struct fac_bytes {
    const void *data;
    size_t len;
} fac_bytes;

/** The range of a C string, without its NUL; an empty range for NULL. Borrowed, as `string`. */
static inline fac_bytes fac_str(const char *string)
{
    fac_bytes bytes = {string, string == NULL ? 0 : strlen(string)};
    return bytes;
}

/** The range of `len` bytes at `data`. Borrowed, as `data`. */
static inline fac_bytes fac_mem(const void *data, size_t len)
{
    fac_bytes bytes = {data, len};
    return bytes;
}

/**
 * A value that a cache returned: immutable, reference counted, valid after the cache is closed.
 */
typedef struct fac_value fac_value;

/**
 * The bytes of a value, followed in memory by one NUL that `len` does not count.
 *
 * Ownership: borrowed from `value`, until its last reference is gone.
 * Threads: any. Never blocks.
 *
 * @param value  A value; NULL gives an empty range.
 */
FAC_API fac_bytes fac_value_bytes(const fac_value *value);

/**
 * Take one more reference, to be given up with fac_value_unref().
 *
 * Threads: any. Never blocks.
 *
 * @param value  A value, or NULL.
 * @return `value`.
 */
FAC_API fac_value *fac_value_ref(fac_value *value);

/**
 * Give up one reference; the last one frees the value.
 *
 * Threads: any. Never blocks.
 *
 * @param value  A value, or NULL.
 */
FAC_API void fac_value_unref(fac_value *value);

#ifdef __cplusplus
}
#endif
#endif
