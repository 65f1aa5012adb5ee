/* SPDX-License-Identifier: MIT */
/* fault/talk.h — one round of every verb on a handle, with values that say which key they are of.
 * Whatever fails meanwhile: a value in the wrong place is counted, never asserted, so any thread
 * may talk. */
#ifndef FAC_FAULT_TALK_H
#define FAC_FAULT_TALK_H

#include <faciliter/cache.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TALK_STATUSES = 13, /* FAC_OK and the errors, by their negated number */
    TALK_SAID_BYTES = 4096
};

struct talk {
    fac_cache *cache;
    const char *name;     /* of the talker: what its keys begin with; no two have the same */
    uint32_t deadline_ms; /* of each call; 0: the cache's */
    size_t large_bytes;   /* one value of this size among the small ones; 0: none */
    bool stops_at_errors; /* a round ends soon after a call that failed */
    uint64_t number;      /* goes into the values; each round takes the next */

    size_t n_calls;
    size_t n_mismatches; /* values, counts or times that cannot be */
    char mismatch[160];  /* the first one */
    size_t n_by_status[TALK_STATUSES];

    bool is_noting;             /* write down what each call answered */
    char said[TALK_SAID_BYTES]; /* "get:FAC_OK;" … of the round */
    size_t said_len;
};

/* One round. */
void talk_round(struct talk *talk);

/* Calls that failed. */
size_t talk_count_errors(const struct talk *talk);

/* Calls that failed otherwise than with one of the statuses, which end with FAC_OK. */
size_t talk_count_other(const struct talk *talk, const fac_status *allowed);

/* Assert that no value was wrong; prints the first that was. */
void talk_assert_true_values(const struct talk *talk);

#endif
