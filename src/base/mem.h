/* SPDX-License-Identifier: MIT */
/* base/mem.h — the one place that knows where memory comes from. Every allocation of the library
 * goes through an allocator, so tests can count and fail each one. Sizes are checked here. */
#ifndef FACI_BASE_MEM_H
#define FACI_BASE_MEM_H

#include <faciliter/alloc.h>

#include <stdbool.h>
#include <stddef.h>

/* malloc, realloc, free. */
extern const fac_allocator k_faci_libc;

/* All return NULL when there is no memory, or when the size does not fit a size_t. */
void *faci_mem_alloc(const fac_allocator *alloc, size_t bytes);
void *faci_mem_zalloc(const fac_allocator *alloc, size_t bytes);
void *faci_mem_zalloc_array(const fac_allocator *alloc, size_t count, size_t each_bytes);

/* `block` may be NULL. On NULL the old block is unchanged. */
void *faci_mem_realloc(const fac_allocator *alloc, void *block, size_t bytes);

/* A NUL-terminated copy of `len` bytes. */
char *faci_mem_copy_string(const fac_allocator *alloc, const char *bytes, size_t len);

/* Whether this is malloc itself, and not a program's hook. */
bool faci_mem_is_libc(const fac_allocator *alloc);

/* What a block of `bytes` really takes out of the process's memory. Of malloc: what it rounds the
 * size up to and its own header. Of a hook: what was asked for, as nothing else is known. The same
 * number whenever it is asked for. */
size_t faci_mem_footprint(const fac_allocator *alloc, void *block, size_t bytes);

/* `block` may be NULL. */
void faci_mem_free(const fac_allocator *alloc, void *block);

/* malloc's memory on whole pages that are left out of core files, as well as that can be had. It may be
 * given to free(); the latter of these overwrites it first, and any other block of malloc's. */
void *faci_mem_alloc_undumped(size_t bytes);
void faci_mem_free_wiped(void *block);

#endif
