/* SPDX-License-Identifier: MIT */
/* resp/reply.h — a sink that builds the tree behind fac_reply. Memory grows with bytes received,
 * never with lengths announced. */
#ifndef FACI_RESP_REPLY_H
#define FACI_RESP_REPLY_H

#include "resp/reader.h"
#include "resp/sink.h"

#include <faciliter/alloc.h>
#include <faciliter/reply.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fac_reply {
    fac_reply_type type;
    int64_t integer;     /* INTEGER, BOOLEAN */
    unsigned char *text; /* NUL-terminated; types with bytes */
    size_t text_len;
    fac_reply *children; /* one array; ARRAY, SET, MAP */
    size_t n_children;
};

/* What fac_reply_free() is given: a reply outlives its cache, so it carries the allocator. */
struct faci_reply_root {
    fac_reply reply; /* first: the handle of the root */
    fac_allocator alloc;
};

struct faci_reply_sink {
    struct faci_sink sink;      /* first */
    const fac_allocator *alloc; /* borrowed while the sink lives */
    struct faci_reply_root *root;
    bool is_out_of_memory;
    /* Private to reply.c from here on. open[d] waits for children at depth d + 1. */
    fac_reply *open[FACI_READ_DEPTH_MAX];
    size_t children_cap[FACI_READ_DEPTH_MAX]; /* allocated */
    size_t children_due[FACI_READ_DEPTH_MAX]; /* announced */
    fac_reply *current;                       /* whose text arrives */
    size_t text_cap;                          /* allocated, without the NUL */
    size_t text_due;                          /* announced; SIZE_MAX: not known */
};

/* For one reply; should a second begin, the first is dropped. */
void faci_reply_sink_init(struct faci_reply_sink *sink, const fac_allocator *alloc);

/* The finished tree, now the caller's; NULL when memory ran out. Ends the sink. */
fac_reply *faci_reply_sink_take(struct faci_reply_sink *sink);

/* Drop what was built. Fine after take, and on a sink never used. */
void faci_reply_sink_fini(struct faci_reply_sink *sink);

/* Free a root and all below it; NULL is fine. */
void faci_reply_free(fac_reply *reply);

#endif
