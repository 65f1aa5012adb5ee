/* SPDX-License-Identifier: MIT */
/* resp/encode.c — commands to bytes. Pure: the caller owns the room and has measured it. */
#include "resp/encode.h"

#include "base/bytes.h"

#include <stdint.h>

_Static_assert(SIZE_MAX <= UINT64_MAX, "every length is a uint64_t");

static size_t count_digits(size_t number)
{
    size_t n = 1;
    for (; number >= 10; number /= 10) {
        n++;
    }
    return n;
}

static size_t header_bytes(size_t number)
{
    return 1 + count_digits(number) + 2;
}

static unsigned char *put_line_end(unsigned char *to)
{
    to[0] = '\r';
    to[1] = '\n';
    return to + 2;
}

bool faci_resp_frame_bytes(const struct faci_arg *args, size_t n_args, size_t *out)
{
    size_t total = header_bytes(n_args);
    for (size_t i = 0; i < n_args; i++) {
        size_t len = 0;
        if (__builtin_add_overflow(args[i].head.len, args[i].tail.len, &len) ||
            __builtin_add_overflow(total, len, &total) ||
            __builtin_add_overflow(total, header_bytes(len) + 2, &total)) {
            return false;
        }
    }
    *out = total;
    return true;
}

unsigned char *faci_resp_put_header(unsigned char *to, char mark, size_t number)
{
    *to++ = (unsigned char)mark;
    size_t n = count_digits(number);
    for (size_t i = n; i > 0; i--) {
        to[i - 1] = (unsigned char)('0' + number % 10);
        number /= 10;
    }
    return put_line_end(to + n);
}

unsigned char *faci_resp_put_arg(unsigned char *to, const struct faci_arg *arg)
{
    to = faci_resp_put_header(to, '$', arg->head.len + arg->tail.len);
    to = faci_bytes_put(to, arg->head);
    to = faci_bytes_put(to, arg->tail);
    return put_line_end(to);
}

unsigned char *faci_resp_put_frame(unsigned char *to, const struct faci_arg *args,
                                   size_t n_args)
{
    to = faci_resp_put_header(to, '*', n_args);
    for (size_t i = 0; i < n_args; i++) {
        to = faci_resp_put_arg(to, &args[i]);
    }
    return to;
}
