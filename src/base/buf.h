/* SPDX-License-Identifier: MIT */
/* base/buf.h — a growable queue of bytes: appended at the end, consumed at the front. One owner,
 * one thread at a time. */
#ifndef FACI_BASE_BUF_H
#define FACI_BASE_BUF_H

#include <faciliter/alloc.h>

#include <stdbool.h>
#include <stddef.h>

struct faci_buf {
    const fac_allocator *alloc;
    unsigned char *data;
    size_t begin; /* first byte not consumed */
    size_t end;   /* one past the last byte */
    size_t cap;
    bool is_secret; /* what it holds, or held, does not stay behind in memory */
};

void faci_buf_init(struct faci_buf *buf, const fac_allocator *alloc);
void faci_buf_fini(struct faci_buf *buf);

static inline size_t faci_buf_len(const struct faci_buf *buf)
{
    return buf->end - buf->begin;
}

/* Make room for `bytes` more at the end. False without memory: the content is unchanged. */
bool faci_buf_reserve(struct faci_buf *buf, size_t bytes);

/* Drop `bytes` at the front; at most faci_buf_len(). */
void faci_buf_consume(struct faci_buf *buf, size_t bytes);

/* Give back memory beyond `keep_bytes` when the buffer is empty. */
void faci_buf_shrink(struct faci_buf *buf, size_t keep_bytes);

/* Overwrite what is not in use; when nothing is, it holds no secret any more. */
void faci_buf_cleanse(struct faci_buf *buf);

#endif
