/* SPDX-License-Identifier: MIT */
/**
 * @file alloc.h
 * @brief The hook through which a cache gets its memory.
 */
#ifndef FACILITER_ALLOC_H
#define FACILITER_ALLOC_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Where one cache's memory comes from. NULL in fac_options: malloc, realloc and free.
 *
 * The three functions and the context are copied when the cache is opened. They must be usable
 * until the last value, reply and reference of that cache is gone. They may be called on any
 * thread that calls the library, at the same time on several, sometimes under a lock of the
 * library's: they must not call back into it. All blocks are aligned as malloc's are.
 *
 * Not from here are: name lookups, questions to `password_fn` and the facade's own record (malloc),
 * the pages of secrets (mmap), and what OpenSSL, libcurl and jansson take for themselves.
 */
typedef struct fac_allocator {
    /** `bytes` is at least 1. Returns NULL when there is no memory. */
    void *(*allocate)(void *context, size_t bytes);

    /** `block` is not NULL, `bytes` at least 1. On NULL the old block is unchanged. */
    void *(*reallocate)(void *context, void *block, size_t bytes);

    /** `block` is not NULL. */
    void (*release)(void *context, void *block);

    void *context; /**< Passed as it is. */
} fac_allocator;

#ifdef __cplusplus
}
#endif
#endif
