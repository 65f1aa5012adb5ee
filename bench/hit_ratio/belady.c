/* SPDX-License-Identifier: MIT */
/* hit_ratio/belady.c — Belady's optimum: of the objects, and the one that just came, the one whose
 * next use is the furthest away goes. No cache of objects of equal size hits more often. */
#include "policy.h"

#include <stdlib.h>

/* A heap, the furthest next use on top. An entry is stale when its key was used since. */
struct heap_entry {
    size_t next_use;
    uint32_t key;
};

struct state {
    size_t *next_use;     /* of each request: the place of the next one of its key */
    size_t *key_next_use; /* of each key in the cache; 0: not there */
    struct heap_entry *heap;
    size_t n_heap;
    uint32_t n;
    uint32_t cap;
};

static void close_belady(void *opened)
{
    struct state *state = opened;
    free(state->next_use);
    free(state->key_next_use);
    free(state->heap);
    free(state);
}

static void *open_belady(uint32_t cap, const struct trace *trace)
{
    struct state *state = calloc(1, sizeof(*state));
    if (state == NULL) {
        return NULL;
    }
    state->cap = cap;
    state->next_use = malloc(trace->n * sizeof(*state->next_use));
    state->key_next_use = calloc(trace->n_keys, sizeof(*state->key_next_use));
    state->heap = malloc(trace->n * sizeof(*state->heap));
    if (state->next_use == NULL || state->key_next_use == NULL || state->heap == NULL) {
        close_belady(state);
        return NULL;
    }
    for (size_t i = trace->n; i-- > 0;) {
        const size_t next = state->key_next_use[trace->keys[i]];
        state->next_use[i] = next > 0 ? next : SIZE_MAX;
        state->key_next_use[trace->keys[i]] = i;
    }
    for (uint32_t key = 0; key < trace->n_keys; key++) {
        state->key_next_use[key] = 0;
    }
    return state;
}

static void sift_up(struct heap_entry *heap, size_t i)
{
    while (i > 0 && heap[(i - 1) / 2].next_use < heap[i].next_use) {
        const struct heap_entry parent = heap[(i - 1) / 2];
        heap[(i - 1) / 2] = heap[i];
        heap[i] = parent;
        i = (i - 1) / 2;
    }
}

static void sift_down(struct heap_entry *heap, size_t n)
{
    size_t i = 0;
    while (2 * i + 1 < n) {
        size_t child = 2 * i + 1;
        if (child + 1 < n && heap[child + 1].next_use > heap[child].next_use) {
            child++;
        }
        if (heap[i].next_use >= heap[child].next_use) {
            return;
        }
        const struct heap_entry larger = heap[child];
        heap[child] = heap[i];
        heap[i] = larger;
        i = child;
    }
}

static bool use_belady(void *opened, uint32_t key, size_t at)
{
    struct state *state = opened;
    const bool is_hit = state->key_next_use[key] > 0;
    if (!is_hit) {
        state->n++;
    }
    state->key_next_use[key] = state->next_use[at];
    state->heap[state->n_heap] = (struct heap_entry){state->next_use[at], key};
    sift_up(state->heap, state->n_heap++);
    while (state->n > state->cap) {
        const struct heap_entry top = state->heap[0];
        state->heap[0] = state->heap[--state->n_heap];
        sift_down(state->heap, state->n_heap);
        if (state->key_next_use[top.key] == top.next_use) {
            state->key_next_use[top.key] = 0;
            state->n--;
        }
    }
    return is_hit;
}

const struct policy k_belady = {"Belady", false, open_belady, use_belady, close_belady};
