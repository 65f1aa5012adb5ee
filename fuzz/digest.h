/* SPDX-License-Identifier: MIT */
/* fuzz/digest.h — a sink that keeps one number of all that it is told, so that two parses can be
 * compared without memory. How data() was cut does not show. A call out of turn aborts. */
#ifndef FAC_FUZZ_DIGEST_H
#define FAC_FUZZ_DIGEST_H

#include "base/assert.h"
#include "resp/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest {
    struct faci_sink sink; /* first */
    uint64_t hash;
    int64_t left; /* bytes of the open value still to come; -1: not known */
    unsigned depth_max;
    bool is_open; /* a value with bytes has begun and not ended */
};

/* FNV-1a, a word at a time. */
static inline void digest_add(struct digest *digest, uint64_t number)
{
    digest->hash = (digest->hash ^ number) * UINT64_C(0x100000001b3);
}

static inline void digest_begin(struct faci_sink *sink, fac_reply_type type, int64_t number,
                                unsigned depth)
{
    static const bool k_has_bytes[] = {
        [FAC_REPLY_STRING] = true, [FAC_REPLY_STATUS] = true,     [FAC_REPLY_ERROR] = true,
        [FAC_REPLY_DOUBLE] = true, [FAC_REPLY_BIG_NUMBER] = true, [FAC_REPLY_VERBATIM] = true,
    };
    struct digest *digest = (struct digest *)sink;
    faci_check(!digest->is_open && depth <= digest->depth_max);
    digest->is_open = type < sizeof(k_has_bytes) && k_has_bytes[type];
    digest->left = number;
    digest->depth_max = depth + 1;
    digest_add(digest, (uint64_t)type << 8 | depth);
    digest_add(digest, (uint64_t)number);
}

static inline void digest_data(struct faci_sink *sink, const void *bytes, size_t len)
{
    struct digest *digest = (struct digest *)sink;
    faci_check(digest->is_open && len > 0);
    if (digest->left >= 0) {
        faci_check(len <= (uint64_t)digest->left);
        digest->left -= (int64_t)len;
    }
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++) {
        digest_add(digest, at[i]);
    }
}

static inline void digest_end(struct faci_sink *sink)
{
    struct digest *digest = (struct digest *)sink;
    faci_check(digest->is_open && digest->left <= 0);
    digest->is_open = false;
    digest_add(digest, 0x1000);
}

static inline void digest_init(struct digest *digest)
{
    static const struct faci_sink_ops k_ops = {digest_begin, digest_data, digest_end};
    *digest = (struct digest){.sink = {&k_ops}, .hash = UINT64_C(0xcbf29ce484222325)};
}

/* A reply ended: the next one begins at depth 0. */
static inline void digest_reply(struct digest *digest)
{
    faci_check(!digest->is_open);
    digest->depth_max = 0;
}

#endif
