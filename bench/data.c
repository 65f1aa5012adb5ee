/* SPDX-License-Identifier: MIT */
/* bench/data.c — the keys and values that every driver uses. Written between cells, then only read.
 *
 * The values are windows into one text of random letters, each a step further than the one before:
 * all differ at any length, and the client's own reading of them costs both sides the same. */
#include "driver.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    STEP_BYTES = 64,
    TEXT_BYTES = BENCH_MAX_VALUE_BYTES + BENCH_KEYS * STEP_BYTES,
};

static char s_text[TEXT_BYTES];
static struct bench_entry s_entries[BENCH_KEYS];

void bench_data_init(void)
{
    uint32_t random = 2463534242U; /* The start of xorshift's own paper. */
    for (size_t i = 0; i < TEXT_BYTES; i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        s_text[i] = (char)('a' + random % 26);
    }
    const size_t prefix_len = strlen(BENCH_PREFIX);
    for (size_t i = 0; i < BENCH_KEYS; i++) {
        struct bench_entry *entry = &s_entries[i];
        int len = snprintf(entry->full_key, sizeof(entry->full_key), BENCH_PREFIX "user:%06zu",
                           i);
        entry->full_len = (size_t)len;
        entry->key = fac_mem(entry->full_key + prefix_len, entry->full_len - prefix_len);
    }
    bench_data_size(BENCH_SMALL_BYTES);
}

void bench_data_size(size_t value_bytes)
{
    for (size_t i = 0; i < BENCH_KEYS; i++) {
        s_entries[i].value = fac_mem(s_text + i * STEP_BYTES, value_bytes);
    }
}

const struct bench_entry *bench_entry_at(size_t index)
{
    return &s_entries[index];
}

const struct bench_entry *bench_next(size_t *at)
{
    const struct bench_entry *entry = &s_entries[*at];
    *at = *at + 1 == BENCH_KEYS ? 0 : *at + 1;
    return entry;
}

bool bench_is_value(const struct bench_entry *entry, const void *data, size_t len)
{
    return len == entry->value.len && memcmp(data, entry->value.data, len) == 0;
}

bool bench_broke(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)fprintf(stderr, "fac_bench: %s\n", text);
    return false;
}
