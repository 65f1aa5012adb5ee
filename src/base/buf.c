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
        if (buf->is_secret && buf->data != NULL) {
            explicit_bzero(buf->data, buf->cap);
        }
        faci_mem_free(buf->alloc, buf->data);
    }
    *buf = (struct faci_buf){.alloc = buf->alloc};
}

/* As a realloc that leaves no copy behind. */
static unsigned char *grow_secret(struct faci_buf *buf, size_t cap)
{
    unsigned char *data = faci_mem_alloc(buf->alloc, cap);
    if (data != NULL && buf->data != NULL) {
        memcpy(data, buf->data, buf->end);
        explicit_bzero(buf->data, buf->cap);
        faci_mem_free(buf->alloc, buf->data);
    }
    return data;
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
    unsigned char *data = buf->is_secret ? grow_secret(buf, cap)
                                         : faci_mem_realloc(buf->alloc, buf->data, cap);
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
        faci_buf_fini(buf);
    }
}

void faci_buf_cleanse(struct faci_buf *buf)
{
    if (buf->data != NULL) {
        explicit_bzero(buf->data, buf->begin);
        explicit_bzero(buf->data + buf->end, buf->cap - buf->end);
    }
    buf->is_secret = buf->is_secret && faci_buf_len(buf) > 0;
}
