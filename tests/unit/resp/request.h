/* SPDX-License-Identifier: MIT */
/* unit/resp/request.h — a strict reader of requests, written apart from the library: an array of
 * bulk strings, lengths in shortest form, nothing behind. Used by the tests and the fuzzers. */
#ifndef FAC_UNIT_RESP_REQUEST_H
#define FAC_UNIT_RESP_REQUEST_H

#include <faciliter/value.h>

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* `mark`, a length in shortest form, CRLF. Returns what is behind; NULL when it is not that. */
static inline const unsigned char *request_header(const unsigned char *at,
                                                  const unsigned char *end, char mark,
                                                  size_t *out)
{
    if (at == end || *at++ != (unsigned char)mark) {
        return NULL;
    }
    const unsigned char *first = at;
    size_t number = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (size_t)(*at - '0');
    }
    size_t n_digits = (size_t)(at - first);
    if (n_digits == 0 || n_digits > 18 || (*first == '0' && n_digits > 1) || end - at < 2 ||
        at[0] != '\r' || at[1] != '\n') {
        return NULL;
    }
    *out = number;
    return at + 2;
}

/* Cut a request into at most `max` arguments; false unless it is one request and nothing else. */
static inline bool request_parse(const unsigned char *at, size_t len, fac_bytes *args,
                                 size_t max, size_t *out_n)
{
    const unsigned char *end = at + len;
    size_t n = 0;
    at = request_header(at, end, '*', &n);
    if (at == NULL || n > max) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        size_t arg_len = 0;
        at = request_header(at, end, '$', &arg_len);
        if (at == NULL || (size_t)(end - at) < 2 || (size_t)(end - at) - 2 < arg_len ||
            memcmp(at + arg_len, "\r\n", 2) != 0) {
            return false;
        }
        args[i] = fac_mem(at, arg_len);
        at += arg_len + 2;
    }
    *out_n = n;
    return at == end;
}

#endif
