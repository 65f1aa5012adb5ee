/* SPDX-License-Identifier: MIT */
/* hit_ratio/policy.h — a policy is asked for one key after the other and says: hit or miss. Every
 * object is of size one. */
#ifndef FAC_HIT_RATIO_POLICY_H
#define FAC_HIT_RATIO_POLICY_H

#include "trace.h"

#include <stdbool.h>
#include <stdint.h>

struct policy {
    const char *name;
    bool is_online; /* false: it knows the future */
    /* For `cap` objects out of the trace's. NULL: no memory. */
    void *(*open)(uint32_t cap, const struct trace *trace);
    bool (*use)(void *state, uint32_t key, size_t at); /* `at`: the request's place */
    void (*close)(void *state);
};

extern const struct policy k_lru;
extern const struct policy k_sieve;
extern const struct policy k_s3_fifo;
extern const struct policy k_w_tinylfu;
extern const struct policy k_ours;  /* S3-FIFO with the store's numbers, on objects */
extern const struct policy k_store; /* the store itself, through fac_cache, on bytes */
extern const struct policy k_belady;

/* --- What several of them are built from ---------------------------------------------------- */

#define NO_KEY UINT32_MAX

/* A queue of keys, linked by arrays as long as the footprint; a key is in one queue at most. */
struct queue {
    uint32_t newest;
    uint32_t oldest;
    uint32_t n;
};

struct links {
    uint32_t *newer;
    uint32_t *older;
};

bool links_open(struct links *links, uint32_t n_keys);
void links_close(struct links *links);
void queue_init(struct queue *queue);
void queue_push(struct queue *queue, struct links *links, uint32_t key);
void queue_remove(struct queue *queue, struct links *links, uint32_t key);
uint32_t queue_pop(struct queue *queue, struct links *links); /* the oldest; NO_KEY */

/* Frequencies of what may not be there any more: a count-min sketch of four rows of 4-bit
 * counters, all halved after ten requests an object. */
struct sketch {
    uint8_t *counters; /* one in each half byte would do: this is a simulator */
    uint64_t mask;
    uint64_t n_added;
    uint64_t n_until_halved;
};

bool sketch_open(struct sketch *sketch, uint32_t cap);
void sketch_close(struct sketch *sketch);
void sketch_add(struct sketch *sketch, uint32_t key);
unsigned sketch_count(const struct sketch *sketch, uint32_t key);

#endif
