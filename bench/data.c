/* SPDX-License-Identifier: MIT */
/* bench/data.c — the keys and values that every driver uses. Written once, then only read. */
#include "driver.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct bench_entry s_entries[BENCH_KEYS];

void bench_data_init(void)
{
    const size_t prefix_len = strlen(BENCH_PREFIX);
    for (size_t i = 0; i < BENCH_KEYS; i++) {
        struct bench_entry *entry = &s_entries[i];
        int len = snprintf(entry->full_key, sizeof(entry->full_key), BENCH_PREFIX "user:%06zu",
                           i);
        entry->full_len = (size_t)len;
        entry->key = fac_mem(entry->full_key + prefix_len, entry->full_len - prefix_len);
        for (size_t k = 0; k < BENCH_VALUE_BYTES; k++) {
            entry->value[k] = (char)('a' + (i * 7 + k * (1 + i % 25)) % 26);
        }
        /* The number makes each value its own. */
        memcpy(entry->value, entry->full_key + prefix_len, entry->key.len);
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
    return len == BENCH_VALUE_BYTES && memcmp(data, entry->value, BENCH_VALUE_BYTES) == 0;
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
