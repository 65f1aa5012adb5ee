/* SPDX-License-Identifier: MIT */
/* resp/reader.h — cuts a byte stream into replies. Knows nesting, limits, pushes and attributes;
 * knows no socket, lock or clock, and allocates nothing. One owner at a time. */
#ifndef FACI_RESP_READER_H
#define FACI_RESP_READER_H

#include "resp/lexer.h"
#include "resp/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FACI_READ_DEPTH_MAX = 32,            /* nesting of one reply */
    FACI_READ_ELEMENTS_MAX = 1 << 20,    /* children of one aggregate */
    FACI_READ_LINE_MAX_BYTES = 64 * 1024 /* simple string, error, double, big number */
};

enum faci_read_result {
    FACI_READ_MORE,      /* all input consumed, the reply is not complete */
    FACI_READ_REPLY,     /* a reply ended; the sink has all of it */
    FACI_READ_PUSH,      /* a RESP3 push ended; it was discarded, no sink was called */
    FACI_READ_MALFORMED, /* not RESP: `*in` is the refused byte, error_text says why */
    FACI_READ_TOO_LARGE, /* RESP, but over a limit: error_text says which */
};

struct faci_reader {
    struct faci_lexer lexer;
    uint32_t left[FACI_READ_DEPTH_MAX]; /* children still to come, per open aggregate */
    unsigned depth;                     /* open aggregates */
    enum {
        FACI_READER_REPLY,
        FACI_READER_PUSH,
        FACI_READER_ATTRIBUTE
    } part;
    unsigned skip_depth;      /* aggregates open below which a push or attribute is skipped */
    uint64_t reply_bytes;     /* bytes consumed of the current reply or push; 0 between two */
    uint64_t max_reply_bytes; /* limit of the above */
    uint64_t max_blob_bytes;  /* limit of one bulk string */
    const char *error_text;   /* a constant, after MALFORMED or TOO_LARGE; else "" */
    enum faci_read_result failed; /* MALFORMED or TOO_LARGE, for good; else MORE */
};

void faci_reader_init(struct faci_reader *reader, uint64_t max_blob_bytes,
                      uint64_t max_reply_bytes);

/* Whether the last byte consumed ended a reply or push: the stream is between two values. */
bool faci_reader_is_between(const struct faci_reader *reader);

/*
 * Consume from `*in` up to `end`, and stop behind the first reply or push that ends there. The
 * sink may be NULL only while no reply is expected: then anything but a push is MALFORMED.
 * After MALFORMED or TOO_LARGE the reader refuses everything. How the input is split never
 * changes what the sink is told, except how data() is cut.
 */
enum faci_read_result faci_reader_feed(struct faci_reader *reader, const unsigned char **in,
                                       const unsigned char *end, struct faci_sink *sink);

#endif
