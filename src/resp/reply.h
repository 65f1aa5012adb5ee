/* SPDX-License-Identifier: MIT */
/* resp/reply.h — a sink that builds the tree behind fac_reply. Memory grows with bytes received,
 * never with lengths announced. */
#ifndef FACI_RESP_REPLY_H
#define FACI_RESP_REPLY_H

#include "resp/sink.h"

#include <faciliter/alloc.h>
#include <faciliter/reply.h>

#include <stdbool.h>

struct fac_reply {
    fac_reply_type type;
    int64_t integer;     /* INTEGER, BOOLEAN */
    unsigned char *text; /* NUL-terminated; types with bytes */
    size_t text_len;
    fac_reply *children; /* one array; ARRAY, SET, MAP */
    size_t n_children;
};

struct faci_reply_sink {
    struct faci_sink sink;      /* first */
    const fac_allocator *alloc; /* borrowed while the sink lives */
    struct faci_reply_root *root;
    bool is_out_of_memory;
    /* Private to reply.c from here on. */
    fac_reply *open[33]; /* the chain of aggregates being filled */
    unsigned depth;
    fac_reply *current; /* whose text arrives */
    size_t text_cap;
    size_t children_cap[33]; /* allocated children of open[i] */
};

void faci_reply_sink_init(struct faci_reply_sink *sink, const fac_allocator *alloc);

/* The finished tree, now the caller's; NULL when memory ran out. Ends the sink. */
fac_reply *faci_reply_sink_take(struct faci_reply_sink *sink);

/* Drop what was built. Fine after take, and on a sink never used. */
void faci_reply_sink_fini(struct faci_reply_sink *sink);

#endif
