/* SPDX-License-Identifier: MIT */
/* hit_ratio/parts.c — queues and the frequency sketch. */
#include "policy.h"

#include <stdlib.h>

enum {
    SKETCH_ROWS = 4,
    SKETCH_MAX = 15,
    HALVE_AFTER = 10, /* requests an object: Caffeine's sample */
};

bool links_open(struct links *links, uint32_t n_keys)
{
    links->newer = malloc((size_t)n_keys * sizeof(*links->newer));
    links->older = malloc((size_t)n_keys * sizeof(*links->older));
    return links->newer != NULL && links->older != NULL;
}

void links_close(struct links *links)
{
    free(links->newer);
    free(links->older);
}

void queue_init(struct queue *queue)
{
    *queue = (struct queue){.newest = NO_KEY, .oldest = NO_KEY};
}

void queue_push(struct queue *queue, struct links *links, uint32_t key)
{
    links->newer[key] = NO_KEY;
    links->older[key] = queue->newest;
    if (queue->newest != NO_KEY) {
        links->newer[queue->newest] = key;
    } else {
        queue->oldest = key;
    }
    queue->newest = key;
    queue->n++;
}

void queue_remove(struct queue *queue, struct links *links, uint32_t key)
{
    const uint32_t newer = links->newer[key];
    const uint32_t older = links->older[key];
    if (newer != NO_KEY) {
        links->older[newer] = older;
    } else {
        queue->newest = older;
    }
    if (older != NO_KEY) {
        links->newer[older] = newer;
    } else {
        queue->oldest = newer;
    }
    queue->n--;
}

uint32_t queue_pop(struct queue *queue, struct links *links)
{
    const uint32_t key = queue->oldest;
    if (key != NO_KEY) {
        queue_remove(queue, links, key);
    }
    return key;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

bool sketch_open(struct sketch *sketch, uint32_t cap)
{
    uint64_t n = 64;
    while (n < (uint64_t)cap * 16) {
        n *= 2;
    }
    *sketch = (struct sketch){.mask = n - 1, .n_until_halved = (uint64_t)cap * HALVE_AFTER};
    sketch->counters = calloc(n, 1);
    return sketch->counters != NULL;
}

void sketch_close(struct sketch *sketch)
{
    free(sketch->counters);
}

static uint64_t place_in(const struct sketch *sketch, uint32_t key, uint64_t row)
{
    return mix((uint64_t)key << 2 | row) & sketch->mask;
}

void sketch_add(struct sketch *sketch, uint32_t key)
{
    const unsigned least = sketch_count(sketch, key);
    for (uint64_t row = 0; row < SKETCH_ROWS && least < SKETCH_MAX; row++) {
        uint8_t *counter = &sketch->counters[place_in(sketch, key, row)];
        if (*counter == least) {
            (*counter)++;
        }
    }
    sketch->n_added++;
    if (sketch->n_added >= sketch->n_until_halved) {
        for (uint64_t i = 0; i <= sketch->mask; i++) {
            sketch->counters[i] /= 2;
        }
        sketch->n_added /= 2;
    }
}

unsigned sketch_count(const struct sketch *sketch, uint32_t key)
{
    unsigned least = SKETCH_MAX;
    for (uint64_t row = 0; row < SKETCH_ROWS; row++) {
        const unsigned count = sketch->counters[place_in(sketch, key, row)];
        least = count < least ? count : least;
    }
    return least;
}
