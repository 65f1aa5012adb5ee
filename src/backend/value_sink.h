/* SPDX-License-Identifier: MIT */
/* backend/value_sink.h — sinks for the values of GET and MGET. Memory is taken as bytes arrive,
 * not as lengths are announced. One owner; a new attempt starts it anew. */
#ifndef FACI_BACKEND_VALUE_SINK_H
#define FACI_BACKEND_VALUE_SINK_H

#include "resp/sink.h"

#include <faciliter/alloc.h>
#include <faciliter/value.h>

#include <stdbool.h>
#include <stddef.h>

/* Makes one fac_value. */
struct faci_value_sink {
    struct faci_sink sink; /* first */
    const fac_allocator *alloc;
    fac_value *value; /* what has been made, NULL for a null reply */
    size_t want;      /* its length */
    size_t got;
    bool is_out_of_memory;
};

void faci_value_sink_init(struct faci_value_sink *sink, const fac_allocator *alloc);

/* The value, now the caller's; NULL when the reply was null or memory ran out. */
fac_value *faci_value_sink_take(struct faci_value_sink *sink);

/* Drops what was not taken. */
void faci_value_sink_fini(struct faci_value_sink *sink);

/* Copies into the caller's buffer what fits. */
struct faci_into_sink {
    struct faci_sink sink; /* first */
    unsigned char *buf;
    size_t cap;
    size_t want; /* the value's whole length */
    size_t got;  /* copied */
};

void faci_into_sink_init(struct faci_into_sink *sink, void *buf, size_t cap);

/* Makes the values of an array of strings and nulls, each handed to a function in order as soon as
 * all of its bytes are there: a connection that is given up amid a reply brings no more bytes, but
 * still tells where a string ends. From what is no such array on, nothing is handed over. */
struct faci_values_sink {
    struct faci_sink sink; /* first */
    struct faci_value_sink one;
    /* `value` NULL: null, or no memory. Takes the value. */
    void (*put)(void *context, size_t index, fac_value *value, bool is_out_of_memory);
    void *context;
    size_t n_put;
    bool is_wrong; /* it is no such array */
};

void faci_values_sink_init(struct faci_values_sink *sink, const fac_allocator *alloc,
                           void (*put)(void *context, size_t index, fac_value *value,
                                       bool is_out_of_memory),
                           void *context);
void faci_values_sink_fini(struct faci_values_sink *sink);

#endif
