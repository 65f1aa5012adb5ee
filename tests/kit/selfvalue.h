/* SPDX-License-Identifier: MIT */
/* kit/selfvalue.h — values that say whose they are: which key, which writer, its how manieth
 * write. A value that reaches the wrong caller, or a part of one, cannot pass for another.
 *
 *   magic | key's hash | writer | seq | payload's length | payload | hash of all before
 *     8          8          8      8            8            …              8        bytes */
#ifndef FAC_KIT_SELFVALUE_H
#define FAC_KIT_SELFVALUE_H

#include <faciliter/value.h>

#include <stddef.h>
#include <stdint.h>

enum {
    KIT_SELF_HEAD_BYTES = 40,
    KIT_SELF_EXTRA_BYTES = KIT_SELF_HEAD_BYTES + 8 /* beyond the payload */
};

struct kit_self {
    uint64_t writer;
    uint64_t seq;
    size_t payload_bytes;
};

/* A hash of bytes; another one than the library's. */
uint64_t kit_hash64(const void *bytes, size_t len);

/* Write a value; returns its length, payload_bytes + KIT_SELF_EXTRA_BYTES. */
size_t kit_self_make(unsigned char *out, fac_bytes key, const struct kit_self *self);

/* NULL when the value is one of this key's, and `*out` says which; else what is wrong with it, a
 * constant. */
const char *kit_self_check(fac_bytes value, fac_bytes key, struct kit_self *out);

/* A payload's length: each power of two is as likely as another up to `max_bytes`, and one in
 * eight lies at an edge of 16 KiB or 64 KiB, or is 0 or the maximum. */
size_t kit_self_draw(uint64_t *random, size_t max_bytes);

#endif
