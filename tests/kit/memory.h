/* SPDX-License-Identifier: MIT */
/* kit/memory.h — an allocator that counts, checks for leaks and fails on command. Any thread. */
#ifndef FAC_KIT_MEMORY_H
#define FAC_KIT_MEMORY_H

#include <faciliter/alloc.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct kit_memory {
    fac_allocator hook;     /* hand this to the library; context is this struct */
    atomic_size_t n_calls;  /* allocate and reallocate, failed ones included */
    atomic_size_t n_blocks; /* live now */
    atomic_size_t n_bytes;  /* live now */
    atomic_size_t peak_bytes;
    atomic_size_t fail_at; /* 1: the next call fails; 0: none does */
    atomic_bool fail_on;   /* with fail_at: every call from there on fails too */
    atomic_size_t n_failed;
    /* A text that no block may hold when it is given back; to be set before the first is there. */
    const char *watched;
    unsigned char filled_with;     /* what new bytes hold; 0: whatever was there */
    atomic_size_t n_watched_freed; /* blocks that did */
    /* On the thread that asks, before a block of so many bytes is looked for, and after one is given
     * back; NULL: nothing. To be set while no other thread uses the hook. */
    void (*before_allocate)(void *observer, size_t bytes);
    void (*after_release)(void *observer);
    void *observer;
};

void kit_memory_init(struct kit_memory *memory);

/* Fail the n-th call from now (1 is the next one), and all after it when `and_on`. 0: none. */
void kit_memory_fail(struct kit_memory *memory, size_t n, bool and_on);

/* How often the hook failed since kit_memory_fail(). */
size_t kit_memory_n_failed(struct kit_memory *memory);

/* Assert that nothing is allocated any more. */
void kit_memory_assert_empty(struct kit_memory *memory);

#endif
