/* SPDX-License-Identifier: MIT */
/* store_bench/bare.c — what any store of so many entries on this machine waits for: a line of an index,
 * then the block of the entry, then the copy. No lock, no clock, no count, no order of use, no keyed
 * hash, nothing is ever removed: a limit, not a cache. */
#include "side.h"

#include <stdlib.h>
#include <string.h>

enum {
    N_LINES = 1 << 18, /* about half full with a million */
    LINE_SLOTS = 7,
};

struct entry {
    char key[KEY_BYTES];
    char value[VALUE_BYTES];
};

struct line {
    struct entry *entries[LINE_SLOTS];
    unsigned char tags[LINE_SLOTS];
    unsigned char n;
};
_Static_assert(sizeof(struct line) == 64 || sizeof(void *) != 8, "a line of the cache");

static uint64_t hash_key(const char *key)
{
    uint64_t words[2];
    memcpy(words, key, sizeof(words));
    uint64_t hash = (words[0] ^ words[1] >> 7) * 0x9e3779b97f4a7c15U;
    hash = (hash ^ words[1] ^ hash >> 32) * 0xbf58476d1ce4e5b9U;
    return hash ^ hash >> 29;
}

static struct entry *find(const struct line *lines, uint64_t hash, const char *key)
{
    const unsigned char tag = (unsigned char)(hash >> 56);
    for (uint64_t at = hash;; at++) {
        const struct line *line = &lines[at % N_LINES];
        for (int i = 0; i < line->n; i++) {
            if (line->tags[i] == tag && memcmp(line->entries[i]->key, key, KEY_BYTES) == 0) {
                return line->entries[i];
            }
        }
        if (line->n < LINE_SLOTS) {
            return NULL;
        }
    }
}

static void *open_bare(uint64_t bytes)
{
    (void)bytes;
    struct line *lines = aligned_alloc(64, N_LINES * sizeof(*lines));
    if (lines != NULL) {
        memset(lines, 0, N_LINES * sizeof(*lines));
    }
    return lines;
}

static bool get_bare(void *opened, unsigned thread, const char *key, char *value)
{
    (void)thread;
    const struct entry *entry = find(opened, hash_key(key), key);
    if (entry != NULL) {
        memcpy(value, entry->value, VALUE_BYTES);
    }
    return entry != NULL;
}

static bool set_bare(void *opened, unsigned thread, const char *key, const char *value)
{
    (void)thread;
    struct line *lines = opened;
    const uint64_t hash = hash_key(key);
    struct entry *entry = find(lines, hash, key);
    if (entry == NULL) {
        entry = malloc(sizeof(*entry));
        if (entry == NULL) {
            return false;
        }
        memcpy(entry->key, key, KEY_BYTES);
        uint64_t at = hash;
        while (lines[at % N_LINES].n == LINE_SLOTS) {
            at++;
        }
        struct line *line = &lines[at % N_LINES];
        line->tags[line->n] = (unsigned char)(hash >> 56);
        line->entries[line->n++] = entry;
    }
    memcpy(entry->value, value, VALUE_BYTES);
    return true;
}

static void close_bare(void *opened)
{
    struct line *lines = opened;
    for (int i = 0; i < N_LINES; i++) {
        for (int k = 0; k < lines[i].n; k++) {
            free(lines[i].entries[k]);
        }
    }
    free(lines);
}

const struct side k_bare = {"a bare table, no lock", open_bare, get_bare, set_bare, close_bare};
