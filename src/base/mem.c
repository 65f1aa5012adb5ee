/* SPDX-License-Identifier: MIT */
/* base/mem.c — allocation through a hook, malloc by default. */
#include "base/mem.h"

#include "base/assert.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *libc_allocate(void *context, size_t bytes)
{
    (void)context;
    return malloc(bytes);
}

static void *libc_reallocate(void *context, void *block, size_t bytes)
{
    (void)context;
    return realloc(block, bytes);
}

static void libc_release(void *context, void *block)
{
    (void)context;
    free(block);
}

const fac_allocator k_faci_libc = {libc_allocate, libc_reallocate, libc_release, NULL};

void *faci_mem_alloc(const fac_allocator *alloc, size_t bytes)
{
    faci_assert(bytes > 0);
    if (bytes > PTRDIFF_MAX) {
        return NULL;
    }
    return alloc->allocate(alloc->context, bytes);
}

void *faci_mem_zalloc(const fac_allocator *alloc, size_t bytes)
{
    void *block = faci_mem_alloc(alloc, bytes);
    if (block != NULL) {
        memset(block, 0, bytes);
    }
    return block;
}

void *faci_mem_zalloc_array(const fac_allocator *alloc, size_t count, size_t each_bytes)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, each_bytes, &bytes)) {
        return NULL;
    }
    return faci_mem_zalloc(alloc, bytes);
}

void *faci_mem_realloc(const fac_allocator *alloc, void *block, size_t bytes)
{
    faci_assert(bytes > 0);
    if (bytes > PTRDIFF_MAX) {
        return NULL;
    }
    if (block == NULL) {
        return alloc->allocate(alloc->context, bytes);
    }
    return alloc->reallocate(alloc->context, block, bytes);
}

char *faci_mem_copy_string(const fac_allocator *alloc, const char *bytes, size_t len)
{
    char *copy = faci_mem_alloc(alloc, len + 1);
    if (copy != NULL) {
        if (len > 0) {
            memcpy(copy, bytes, len);
        }
        copy[len] = '\0';
    }
    return copy;
}

bool faci_mem_is_libc(const fac_allocator *alloc)
{
    return alloc->allocate == libc_allocate && alloc->release == libc_release;
}

size_t faci_mem_footprint(const fac_allocator *alloc, void *block, size_t bytes)
{
    /* Before each block of malloc's: its size. */
    return faci_mem_is_libc(alloc) ? malloc_usable_size(block) + sizeof(size_t) : bytes;
}

void faci_mem_free(const fac_allocator *alloc, void *block)
{
    if (block != NULL) {
        alloc->release(alloc->context, block);
    }
}

void *faci_mem_alloc_undumped(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (bytes > PTRDIFF_MAX - page) {
        return NULL;
    }
    const size_t whole = (bytes + page - 1) / page * page;
    void *block = aligned_alloc(page, whole);
#ifdef MADV_DONTDUMP
    if (block != NULL) {
        (void)madvise(block, whole, MADV_DONTDUMP);
    }
#endif
    return block;
}

void faci_mem_free_wiped(void *block)
{
    if (block == NULL) {
        return;
    }
    const size_t bytes = malloc_usable_size(block);
    explicit_bzero(block, bytes);
#ifdef MADV_DODUMP
    /* If it was from above; of any other block that begins a page nothing changes. */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if ((uintptr_t)block % page == 0 && bytes >= page) {
        (void)madvise(block, bytes / page * page, MADV_DODUMP);
    }
#endif
    free(block);
}
