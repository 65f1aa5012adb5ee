/* SPDX-License-Identifier: MIT */
/* A reply tree from the bytes of a wire. */
#ifndef FAC_UNIT_ENGINE_TREE_H
#define FAC_UNIT_ENGINE_TREE_H

#include "base/mem.h"
#include "resp/reader.h"
#include "resp/reply.h"

#include "kit/kit.h"

#include <string.h>

/* End with fac_reply_free(). */
static inline fac_reply *tree_of(const char *wire)
{
    struct faci_reader reader;
    faci_reader_init(&reader, 1 << 20, 1 << 20);
    struct faci_reply_sink sink;
    faci_reply_sink_init(&sink, &k_faci_libc);
    const unsigned char *in = (const unsigned char *)wire;
    const unsigned char *end = in + strlen(wire);
    assert_int_equal(faci_reader_feed(&reader, &in, end, &sink.sink), FACI_READ_REPLY);
    assert_ptr_equal(in, end);
    fac_reply *reply = faci_reply_sink_take(&sink);
    assert_non_null(reply);
    return reply;
}

#endif
