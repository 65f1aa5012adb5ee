/* SPDX-License-Identifier: MIT */
/* base/number.c — strict decimal numbers. */
#include "base/number.h"

#include <string.h>

bool faci_number_parse_i64(fac_bytes text, int64_t *out)
{
    const char *at = text.data;
    size_t left = text.len;
    bool is_negative = left > 0 && *at == '-';
    if (is_negative) {
        at++;
        left--;
    }
    if (left == 0 || left >= FACI_I64_TEXT_BYTES || (*at == '0' && (left > 1 || is_negative))) {
        return false;
    }
    int64_t number = 0; /* kept negative: the negative range is the larger one */
    for (; left > 0; at++, left--) {
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_sub_overflow(number, *at - '0', &number)) {
            return false;
        }
    }
    if (!is_negative && number == INT64_MIN) {
        return false;
    }
    *out = is_negative ? number : -number;
    return true;
}

size_t faci_number_format_u64(uint64_t number, char *out)
{
    char digits[FACI_I64_TEXT_BYTES];
    size_t n = 0;
    do {
        n++;
        digits[FACI_I64_TEXT_BYTES - n] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    memcpy(out, digits + FACI_I64_TEXT_BYTES - n, n);
    return n;
}

size_t faci_number_format_i64(int64_t number, char *out)
{
    if (number >= 0) {
        return faci_number_format_u64((uint64_t)number, out);
    }
    out[0] = '-';
    return 1 + faci_number_format_u64(0 - (uint64_t)number, out + 1);
}
