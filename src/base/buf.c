/* SPDX-License-Identifier: MIT */
/* base/buf.c — a growable queue of bytes. */
#include "base/buf.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>

enum {
    BUF_START_BYTES = 1024
}; /* a small command and its key fit without growing */

void faci_buf_init(struct faci_buf *buf, const fac_allocator *alloc)
{
    *buf = (struct faci_buf){.alloc = alloc};
}

void faci_buf_fini(struct faci_buf *buf)
{
    if (buf->alloc != NULL) {
        faci_mem_free(buf->alloc, buf->data);
    }
    *buf = (struct faci_buf){.alloc = buf->alloc};
}

bool faci_buf_reserve(struct faci_buf *buf, size_t bytes)
{
    if (buf->cap - buf->end >= bytes) {
        return true;
    }
    size_t len = faci_buf_len(buf);
    if (buf->begin > 0) {
        memmove(buf->data, buf->data + buf->begin, len);
        buf->begin = 0;
        buf->end = len;
        if (buf->cap - len >= bytes) {
            return true;
        }
    }
    size_t need = 0;
    if (__builtin_add_overflow(len, bytes, &need)) {
        return false;
    }
    size_t cap = buf->cap < BUF_START_BYTES ? BUF_START_BYTES : buf->cap * 2;
    if (cap < need) {
        cap = need;
    }
    unsigned char *data = faci_mem_realloc(buf->alloc, buf->data, cap);
    if (data == NULL) {
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

void faci_buf_consume(struct faci_buf *buf, size_t bytes)
{
    faci_assert(bytes <= faci_buf_len(buf));
    buf->begin += bytes;
    if (buf->begin == buf->end) {
        buf->begin = 0;
        buf->end = 0;
    }
}

void faci_buf_shrink(struct faci_buf *buf, size_t keep_bytes)
{
    if (buf->cap > keep_bytes && faci_buf_len(buf) == 0) {
        faci_mem_free(buf->alloc, buf->data);
        *buf = (struct faci_buf){.alloc = buf->alloc};
    }
}
