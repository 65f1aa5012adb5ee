/* SPDX-License-Identifier: MIT */
/* kit/keyvalue.c — key, number, length, and bytes that follow from them. */
#include "kit/keyvalue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD_BYTES = 320
};

static size_t make_head(char *head, size_t len, const char *key, uint64_t number)
{
    int n = snprintf(head, HEAD_BYTES, "%s=%" PRIu64 "/%zu:", key, number, len);
    if (n < 0 || n >= HEAD_BYTES || (size_t)n > len) {
        abort(); /* the test's own mistake */
    }
    return (size_t)n;
}

static char filling(uint64_t number, size_t at)
{
    return (char)((number * 7 + at * 31) % 251);
}

void kit_keyvalue_make(char *out, size_t len, const char *key, uint64_t number)
{
    char head[HEAD_BYTES];
    size_t head_len = make_head(head, len, key, number);
    memcpy(out, head, head_len);
    for (size_t i = head_len; i < len; i++) {
        out[i] = filling(number, i);
    }
}

bool kit_keyvalue_is_of(fac_bytes value, const char *key)
{
    const char *bytes = value.data;
    size_t key_len = strlen(key);
    if (value.len <= key_len || memcmp(bytes, key, key_len) != 0 || bytes[key_len] != '=') {
        return false;
    }
    uint64_t number = 0;
    size_t at = key_len + 1;
    for (; at < value.len && bytes[at] >= '0' && bytes[at] <= '9'; at++) {
        number = number * 10 + (uint64_t)(bytes[at] - '0');
    }
    char head[HEAD_BYTES];
    int n = snprintf(head, sizeof(head), "%s=%" PRIu64 "/%zu:", key, number, value.len);
    if (n < 0 || (size_t)n > value.len || memcmp(bytes, head, (size_t)n) != 0) {
        return false;
    }
    for (size_t i = (size_t)n; i < value.len; i++) {
        if (bytes[i] != filling(number, i)) {
            return false;
        }
    }
    return true;
}
