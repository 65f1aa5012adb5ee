/* SPDX-License-Identifier: MIT */
/* cli/number.c — decimal text to integers. */
#include "number.h"

#include <string.h>

/* `n` digits at `text`; false for none, for another character and past 64 bits. */
static bool parse_digits(const char *text, size_t n, uint64_t *out)
{
    uint64_t number = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *out = number;
    return n > 0;
}

bool cli_number_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t number = 0;
    if (!parse_digits(text, strlen(text), &number) || number < min || number > max) {
        return false;
    }
    *out = number;
    return true;
}

bool cli_number_i64(const char *text, int64_t *out)
{
    bool is_negative = text[0] == '-';
    const char *digits = is_negative ? text + 1 : text;
    uint64_t number = 0;
    uint64_t max = is_negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    if (!parse_digits(digits, strlen(digits), &number) || number > max) {
        return false;
    }
    /* -(number - 1) - 1: no step leaves the range, INT64_MIN included. */
    *out = is_negative && number > 0 ? -(int64_t)(number - 1) - 1 : (int64_t)number;
    return true;
}

bool cli_number_seconds(const char *text, uint64_t max_ms, uint64_t *out_ms)
{
    size_t whole_len = strcspn(text, ".");
    uint64_t whole = 0;
    if (!parse_digits(text, whole_len, &whole) || whole > max_ms / 1000) {
        return false;
    }
    uint64_t thousandths = 0;
    if (text[whole_len] == '.') {
        const char *digits = text + whole_len + 1;
        size_t n = strlen(digits);
        if (n > 3 || !parse_digits(digits, n, &thousandths)) {
            return false;
        }
        for (; n < 3; n++) {
            thousandths *= 10;
        }
    }
    uint64_t ms = whole * 1000 + thousandths;
    if (ms < 1 || ms > max_ms) {
        return false;
    }
    *out_ms = ms;
    return true;
}
