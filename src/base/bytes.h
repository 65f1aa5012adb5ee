/* SPDX-License-Identifier: MIT */
/* base/bytes.h — ranges of bytes, and a key in its two pieces. Inline; nothing is owned. */
#ifndef FACI_BASE_BYTES_H
#define FACI_BASE_BYTES_H

#include <faciliter/value.h>

#include <stdbool.h>
#include <string.h>

/* A full key is prefix + name, byte for byte. The two are never joined in memory on the way to a
 * backend: the encoder and the store read both pieces. */
struct faci_key {
    fac_bytes prefix;
    fac_bytes name;
};

static inline size_t faci_key_len(const struct faci_key *key)
{
    return key->prefix.len + key->name.len;
}

static inline bool faci_bytes_equal(fac_bytes a, fac_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool faci_bytes_start_with(fac_bytes bytes, fac_bytes start)
{
    return bytes.len >= start.len &&
           (start.len == 0 || memcmp(bytes.data, start.data, start.len) == 0);
}

/* memcpy that accepts an empty range with a NULL pointer. Returns the byte after the copy. */
static inline unsigned char *faci_bytes_put(unsigned char *to, fac_bytes from)
{
    if (from.len > 0) {
        memcpy(to, from.data, from.len);
    }
    return to + from.len;
}

#endif
