/* SPDX-License-Identifier: MIT */
/* resp/sink.h — where the values of one reply go. The reader calls a sink as bytes arrive; a sink
 * that cannot go on (no memory, too large) remembers that and swallows the rest, so the stream
 * stays in step. */
#ifndef FACI_RESP_SINK_H
#define FACI_RESP_SINK_H

#include <faciliter/reply.h>

#include <stddef.h>
#include <stdint.h>

struct faci_sink;

struct faci_sink_ops {
    /*
     * A value starts. `depth` is 0 for the reply itself, 1 for its children, and so on.
     * `number` is the integer (INTEGER), 0 or 1 (BOOLEAN), the number of children that follow
     * (ARRAY, SET, MAP: 2n), the length of the bytes that follow (STRING, VERBATIM, bulk ERROR),
     * -1 when that is not known yet (STATUS, line ERROR, DOUBLE, BIG_NUMBER), 0 for NULL.
     */
    void (*begin)(struct faci_sink *sink, fac_reply_type type, int64_t number, unsigned depth);

    /* Bytes of the value that began last, in order, 1 or more at a time. */
    void (*data)(struct faci_sink *sink, const void *bytes, size_t len);

    /* The bytes of that value are complete: STRING, VERBATIM, STATUS, ERROR, DOUBLE, BIG_NUMBER. */
    void (*end)(struct faci_sink *sink);
};

/* First member of every sink. */
struct faci_sink {
    const struct faci_sink_ops *ops;
};

#endif
