/* SPDX-License-Identifier: MIT */
/* hit_ratio/policies.c — LRU, SIEVE, S3-FIFO and W-TinyLFU as their papers have them, and S3-FIFO
 * with the numbers of our store. */
#include "policy.h"

#include <stdlib.h>

/* Where a key is. */
enum place {
    ABSENT,
    SMALL,     /* S3-FIFO's small queue, W-TinyLFU's window */
    MAIN,      /* the only queue of LRU and SIEVE; S3-FIFO's main, W-TinyLFU's probation */
    PROTECTED, /* W-TinyLFU's */
    GHOST,     /* S3-FIFO: a key without an object */
};

struct state {
    struct links links;
    struct queue small;
    struct queue main;
    struct queue protected_keys;
    struct queue ghost;
    struct sketch sketch;
    uint8_t *place;
    uint8_t *n_hits; /* SIEVE: visited; S3-FIFO: up to 3 */
    uint32_t hand;   /* SIEVE */
    uint32_t cap;
    uint32_t small_cap;
    uint32_t ghost_cap;
    uint8_t promote_at; /* S3-FIFO: hits in small that lead to main */
};

static void close_state(void *opened)
{
    struct state *state = opened;
    links_close(&state->links);
    sketch_close(&state->sketch);
    free(state->place);
    free(state->n_hits);
    free(state);
}

static void *open_state(uint32_t cap, const struct trace *trace)
{
    struct state *state = calloc(1, sizeof(*state));
    if (state == NULL) {
        return NULL;
    }
    state->cap = cap;
    state->hand = NO_KEY;
    queue_init(&state->small);
    queue_init(&state->main);
    queue_init(&state->protected_keys);
    queue_init(&state->ghost);
    state->place = calloc(trace->n_keys, 1);
    state->n_hits = calloc(trace->n_keys, 1);
    if (!links_open(&state->links, trace->n_keys) || !sketch_open(&state->sketch, cap) ||
        state->place == NULL || state->n_hits == NULL) {
        close_state(state);
        return NULL;
    }
    return state;
}

/* --- LRU ------------------------------------------------------------------------------------ */

static bool lru_use(void *opened, uint32_t key, size_t at)
{
    (void)at;
    struct state *state = opened;
    const bool is_hit = state->place[key] == MAIN;
    if (is_hit) {
        queue_remove(&state->main, &state->links, key);
    } else if (state->main.n == state->cap) {
        state->place[queue_pop(&state->main, &state->links)] = ABSENT;
    }
    queue_push(&state->main, &state->links, key);
    state->place[key] = MAIN;
    return is_hit;
}

const struct policy k_lru = {"LRU", true, open_state, lru_use, close_state};

/* --- SIEVE (Zhang and others, NSDI 2024) ---------------------------------------------------- */

static void sieve_evict(struct state *state)
{
    uint32_t key = state->hand != NO_KEY ? state->hand : state->main.oldest;
    while (state->n_hits[key] > 0) {
        state->n_hits[key] = 0;
        const uint32_t newer = state->links.newer[key];
        key = newer != NO_KEY ? newer : state->main.oldest;
    }
    state->hand = state->links.newer[key];
    queue_remove(&state->main, &state->links, key);
    state->place[key] = ABSENT;
}

static bool sieve_use(void *opened, uint32_t key, size_t at)
{
    (void)at;
    struct state *state = opened;
    if (state->place[key] == MAIN) {
        state->n_hits[key] = 1;
        return true;
    }
    if (state->main.n == state->cap) {
        sieve_evict(state);
    }
    queue_push(&state->main, &state->links, key);
    state->place[key] = MAIN;
    state->n_hits[key] = 0;
    return false;
}

const struct policy k_sieve = {"SIEVE", true, open_state, sieve_use, close_state};

/* --- S3-FIFO (Yang and others, SOSP 2023) --------------------------------------------------- */

static void *s3_open(uint32_t cap, const struct trace *trace)
{
    struct state *state = open_state(cap, trace);
    if (state != NULL) {
        state->small_cap = cap / 10 > 0 ? cap / 10 : 1;
        state->ghost_cap = cap - state->small_cap;
        state->promote_at = 2;
    }
    return state;
}

/* One hit is enough, and half as many ghosts: src/store/evict.c. */
static void *ours_open(uint32_t cap, const struct trace *trace)
{
    struct state *state = s3_open(cap, trace);
    if (state != NULL) {
        state->ghost_cap = cap / 2;
        state->promote_at = 1;
    }
    return state;
}

static void s3_to_main(struct state *state, uint32_t key)
{
    queue_push(&state->main, &state->links, key);
    state->place[key] = MAIN;
    state->n_hits[key] = 0;
}

static void s3_evict_small(struct state *state)
{
    const uint32_t key = queue_pop(&state->small, &state->links);
    if (state->n_hits[key] >= state->promote_at) {
        s3_to_main(state, key);
        return;
    }
    queue_push(&state->ghost, &state->links, key);
    state->place[key] = GHOST;
    if (state->ghost.n > state->ghost_cap) {
        state->place[queue_pop(&state->ghost, &state->links)] = ABSENT;
    }
}

static void s3_evict_main(struct state *state)
{
    uint32_t key = queue_pop(&state->main, &state->links);
    while (state->n_hits[key] > 0) {
        state->n_hits[key]--;
        queue_push(&state->main, &state->links, key);
        key = queue_pop(&state->main, &state->links);
    }
    state->place[key] = ABSENT;
}

static bool s3_use(void *opened, uint32_t key, size_t at)
{
    (void)at;
    struct state *state = opened;
    if (state->place[key] == SMALL || state->place[key] == MAIN) {
        if (state->n_hits[key] < 3) {
            state->n_hits[key]++;
        }
        return true;
    }
    while (state->small.n + state->main.n >= state->cap) {
        if (state->small.n >= state->small_cap || state->main.n == 0) {
            s3_evict_small(state);
        } else {
            s3_evict_main(state);
        }
    }
    if (state->place[key] == GHOST) {
        queue_remove(&state->ghost, &state->links, key);
        s3_to_main(state, key);
    } else {
        queue_push(&state->small, &state->links, key);
        state->place[key] = SMALL;
        state->n_hits[key] = 0;
    }
    return false;
}

const struct policy k_s3_fifo = {"S3-FIFO", true, s3_open, s3_use, close_state};
const struct policy k_ours = {"ours", true, ours_open, s3_use, close_state};

/* --- W-TinyLFU (Einziger and others, ACM TOS 2017): a window of 1 %, the rest a segmented LRU,
 * four fifths of it protected ---------------------------------------------------------------- */

static void *lfu_open(uint32_t cap, const struct trace *trace)
{
    struct state *state = open_state(cap, trace);
    if (state != NULL) {
        state->small_cap = cap / 100 > 0 ? cap / 100 : 1;
    }
    return state;
}

static void lfu_hit(struct state *state, uint32_t key)
{
    if (state->place[key] == SMALL) {
        queue_remove(&state->small, &state->links, key);
        queue_push(&state->small, &state->links, key);
        return;
    }
    queue_remove(state->place[key] == MAIN ? &state->main : &state->protected_keys,
                 &state->links, key);
    queue_push(&state->protected_keys, &state->links, key);
    state->place[key] = PROTECTED;
    if (state->protected_keys.n > (state->cap - state->small_cap) / 5 * 4) {
        const uint32_t demoted = queue_pop(&state->protected_keys, &state->links);
        queue_push(&state->main, &state->links, demoted);
        state->place[demoted] = MAIN;
    }
}

static bool lfu_use(void *opened, uint32_t key, size_t at)
{
    (void)at;
    struct state *state = opened;
    sketch_add(&state->sketch, key);
    if (state->place[key] != ABSENT) {
        lfu_hit(state, key);
        return true;
    }
    queue_push(&state->small, &state->links, key);
    state->place[key] = SMALL;
    if (state->small.n <= state->small_cap) {
        return false;
    }
    const uint32_t candidate = queue_pop(&state->small, &state->links);
    state->place[candidate] = ABSENT;
    if (state->small.n + state->main.n + state->protected_keys.n >= state->cap) {
        struct queue *from = state->main.n > 0 ? &state->main : &state->protected_keys;
        const uint32_t victim = from->oldest;
        if (victim == NO_KEY ||
            sketch_count(&state->sketch, candidate) <= sketch_count(&state->sketch, victim)) {
            return false;
        }
        state->place[queue_pop(from, &state->links)] = ABSENT;
    }
    queue_push(&state->main, &state->links, candidate);
    state->place[candidate] = MAIN;
    return false;
}

const struct policy k_w_tinylfu = {"W-TinyLFU", true, lfu_open, lfu_use, close_state};
