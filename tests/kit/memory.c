/* SPDX-License-Identifier: MIT */
/* kit/memory.c — malloc with a header that remembers the size. */
#include "kit/memory.h"

#include "kit/kit.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEADER_BYTES = 16
}; /* keeps malloc's alignment */

static bool must_fail(struct kit_memory *memory)
{
    (void)atomic_fetch_add(&memory->n_calls, 1U);
    size_t left = atomic_load(&memory->fail_at);
    while (left > 0) {
        if (left == 1 && atomic_load(&memory->fail_on)) {
            (void)atomic_fetch_add(&memory->n_failed, 1U);
            return true;
        }
        if (atomic_compare_exchange_weak(&memory->fail_at, &left, left - 1)) {
            if (left == 1) {
                (void)atomic_fetch_add(&memory->n_failed, 1U);
                return true;
            }
            return false;
        }
    }
    return false;
}

static void count(struct kit_memory *memory, size_t bytes)
{
    (void)atomic_fetch_add(&memory->n_blocks, 1U);
    size_t now = atomic_fetch_add(&memory->n_bytes, bytes) + bytes;
    size_t peak = atomic_load(&memory->peak_bytes);
    while (now > peak && !atomic_compare_exchange_weak(&memory->peak_bytes, &peak, now)) {
    }
}

static void uncount(struct kit_memory *memory, size_t bytes)
{
    (void)atomic_fetch_sub(&memory->n_blocks, 1U);
    (void)atomic_fetch_sub(&memory->n_bytes, bytes);
}

/* Who looks for a text in all of a block looks at what was never written, too. */
static void fill(const struct kit_memory *memory, unsigned char *raw, size_t from, size_t to)
{
    if ((memory->watched != NULL || memory->filled_with != 0) && from < to) {
        memset(raw + HEADER_BYTES + from, memory->filled_with, to - from);
    }
}

static void *allocate(void *context, size_t bytes)
{
    struct kit_memory *memory = context;
    if (memory->before_allocate != NULL) {
        memory->before_allocate(memory->observer, bytes);
    }
    if (must_fail(memory)) {
        return NULL;
    }
    unsigned char *raw = malloc(bytes + HEADER_BYTES);
    if (raw == NULL) {
        return NULL;
    }
    memcpy(raw, &bytes, sizeof(bytes));
    fill(memory, raw, 0, bytes);
    count(memory, bytes);
    return raw + HEADER_BYTES;
}

static size_t size_of(const unsigned char *raw)
{
    size_t bytes = 0;
    memcpy(&bytes, raw, sizeof(bytes));
    return bytes;
}

static void look_for_watched(struct kit_memory *memory, const unsigned char *raw)
{
    const char *watched = memory->watched;
    if (watched != NULL &&
        memmem(raw + HEADER_BYTES, size_of(raw), watched, strlen(watched)) != NULL) {
        (void)atomic_fetch_add(&memory->n_watched_freed, 1U);
    }
}

static void *reallocate(void *context, void *block, size_t bytes)
{
    struct kit_memory *memory = context;
    if (must_fail(memory)) {
        return NULL;
    }
    unsigned char *raw = (unsigned char *)block - HEADER_BYTES;
    size_t before = size_of(raw);
    look_for_watched(memory, raw); /* it may move */
    unsigned char *moved = realloc(raw, bytes + HEADER_BYTES);
    if (moved == NULL) {
        return NULL;
    }
    uncount(memory, before);
    fill(memory, moved, before, bytes);
    memcpy(moved, &bytes, sizeof(bytes));
    count(memory, bytes);
    return moved + HEADER_BYTES;
}

static void release(void *context, void *block)
{
    struct kit_memory *memory = context;
    unsigned char *raw = (unsigned char *)block - HEADER_BYTES;
    look_for_watched(memory, raw);
    uncount(memory, size_of(raw));
    free(raw);
    if (memory->after_release != NULL) {
        memory->after_release(memory->observer);
    }
}

void kit_memory_init(struct kit_memory *memory)
{
    memset(memory, 0, sizeof(*memory));
    memory->hook = (fac_allocator){allocate, reallocate, release, memory};
}

void kit_memory_fail(struct kit_memory *memory, size_t n, bool and_on)
{
    atomic_store(&memory->n_failed, 0U);
    atomic_store(&memory->fail_on, and_on);
    atomic_store(&memory->fail_at, n);
}

size_t kit_memory_n_failed(struct kit_memory *memory)
{
    return atomic_load(&memory->n_failed);
}

void kit_memory_assert_empty(struct kit_memory *memory)
{
    assert_int_equal(atomic_load(&memory->n_blocks), 0);
    assert_int_equal(atomic_load(&memory->n_bytes), 0);
}
