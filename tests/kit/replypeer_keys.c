/* SPDX-License-Identifier: MIT */
/* kit/replypeer_keys.c — a small hash table, and the commands of a cache on it. */
#include "kit/replypeer_keys.h"

#include "kit/kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUCKETS = 1 << 12
};

struct entry {
    struct entry *next;
    fac_bytes key;
    fac_bytes value;
};

struct kit_keys {
    bool is_mirror;
    struct entry *buckets[BUCKETS];
};

/* --- Bytes out ------------------------------------------------------------------------------- */

void kit_out_bytes(struct kit_bytes_out *out, const void *bytes, size_t len)
{
    if (out->cap - out->len < len) {
        out->cap = (len > out->cap ? len : out->cap) + out->cap + 256;
        out->data = realloc(out->data, out->cap);
        if (out->data == NULL) {
            abort();
        }
    }
    if (len > 0) {
        memcpy(out->data + out->len, bytes, len);
        out->len += len;
    }
}

void kit_out_text(struct kit_bytes_out *out, const char *text)
{
    kit_out_bytes(out, text, strlen(text));
}

static void out_head(struct kit_bytes_out *out, char type, int64_t number)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%c%" PRId64 "\r\n", type, number);
    kit_out_text(out, text);
}

static void out_string(struct kit_bytes_out *out, fac_bytes bytes)
{
    out_head(out, '$', (int64_t)bytes.len);
    kit_out_bytes(out, bytes.data, bytes.len);
    kit_out_text(out, "\r\n");
}

static void out_null(struct kit_bytes_out *out, bool is_resp3)
{
    kit_out_text(out, is_resp3 ? "_\r\n" : "$-1\r\n");
}

/* --- The table ------------------------------------------------------------------------------- */

static fac_bytes copy(fac_bytes bytes)
{
    unsigned char *data = malloc(bytes.len + 1);
    if (data == NULL) {
        abort();
    }
    if (bytes.len > 0) {
        memcpy(data, bytes.data, bytes.len);
    }
    return (fac_bytes){data, bytes.len};
}

static void free_bytes(fac_bytes bytes)
{
    free((void *)(uintptr_t)bytes.data); /* NOLINT: fac_bytes is a borrowed range elsewhere */
}

static bool is_same(fac_bytes a, fac_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Where an entry of this key hangs, or would hang. */
static struct entry **link_of(struct kit_keys *keys, fac_bytes key)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (size_t i = 0; i < key.len; i++) {
        hash = (hash ^ ((const unsigned char *)key.data)[i]) * 16777619U;
    }
    struct entry **link = &keys->buckets[hash % BUCKETS];
    while (*link != NULL && !is_same((*link)->key, key)) {
        link = &(*link)->next;
    }
    return link;
}

static bool remove_key(struct kit_keys *keys, fac_bytes key)
{
    struct entry **link = link_of(keys, key);
    struct entry *entry = *link;
    if (entry == NULL) {
        return false;
    }
    *link = entry->next;
    free_bytes(entry->key);
    free_bytes(entry->value);
    free(entry);
    return true;
}

static void put(struct kit_keys *keys, fac_bytes key, fac_bytes value)
{
    struct entry **link = link_of(keys, key);
    if (*link == NULL) {
        *link = calloc(1, sizeof(**link));
        if (*link == NULL) {
            abort();
        }
        (*link)->key = copy(key);
    } else {
        free_bytes((*link)->value);
    }
    (*link)->value = copy(value);
}

bool kit_keys_find(struct kit_keys *keys, fac_bytes key, fac_bytes *out)
{
    const struct entry *entry = *link_of(keys, key);
    if (entry != NULL) {
        *out = entry->value;
        return true;
    }
    *out = key;
    return keys->is_mirror && (key.len < 4 || memcmp(key.data, "none", 4) != 0);
}

struct kit_keys *kit_keys_new(bool is_mirror)
{
    struct kit_keys *keys = calloc(1, sizeof(*keys));
    if (keys == NULL) {
        abort();
    }
    keys->is_mirror = is_mirror;
    return keys;
}

void kit_keys_free(struct kit_keys *keys)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        while (keys->buckets[i] != NULL) {
            (void)remove_key(keys, keys->buckets[i]->key);
        }
    }
    free(keys);
}

/* --- Commands -------------------------------------------------------------------------------- */

static void out_value(struct kit_keys *keys, fac_bytes key, bool is_resp3,
                      struct kit_bytes_out *out)
{
    fac_bytes value;
    if (kit_keys_find(keys, key, &value)) {
        out_string(out, value);
    } else {
        out_null(out, is_resp3);
    }
}

static void set(struct kit_keys *keys, const struct kit_frame *frame, bool is_resp3,
                struct kit_bytes_out *out)
{
    fac_bytes old;
    bool is_add = false;
    for (size_t i = 3; i < frame->n_args; i++) {
        is_add = is_add || kit_frame_says(frame, i, "NX");
    }
    if (is_add && kit_keys_find(keys, frame->args[1], &old)) {
        out_null(out, is_resp3);
        return;
    }
    put(keys, frame->args[1], frame->args[2]);
    kit_out_text(out, "+OK\r\n");
}

static void count(struct kit_keys *keys, const struct kit_frame *frame, bool is_removal,
                  struct kit_bytes_out *out)
{
    int64_t n = 0;
    for (size_t i = 1; i < frame->n_args; i++) {
        fac_bytes value;
        n += kit_keys_find(keys, frame->args[i], &value) ? 1 : 0;
        if (is_removal) {
            (void)remove_key(keys, frame->args[i]);
        }
    }
    out_head(out, ':', n);
}

static void increment(struct kit_keys *keys, const struct kit_frame *frame,
                      struct kit_bytes_out *out)
{
    fac_bytes old;
    char text[32] = "0";
    bool is_there = *link_of(keys, frame->args[1]) != NULL &&
                    kit_keys_find(keys, frame->args[1], &old);
    if (is_there && old.len < sizeof(text)) {
        memcpy(text, old.data, old.len);
        text[old.len] = '\0';
    }
    char delta[32] = "0";
    memcpy(delta, frame->args[2].data,
           frame->args[2].len < sizeof(delta) ? frame->args[2].len : sizeof(delta) - 1);
    int64_t sum = strtoll(text, NULL, 10) + strtoll(delta, NULL, 10);
    (void)snprintf(text, sizeof(text), "%" PRId64, sum);
    put(keys, frame->args[1], fac_str(text));
    out_head(out, ':', sum);
}

void kit_keys_answer(struct kit_keys *keys, const struct kit_frame *frame, bool is_resp3,
                     struct kit_bytes_out *out)
{
    bool has_key = frame->n_args >= 2;
    if (has_key && kit_frame_says(frame, 0, "GET")) {
        out_value(keys, frame->args[1], is_resp3, out);
    } else if (has_key && kit_frame_says(frame, 0, "MGET")) {
        out_head(out, '*', (int64_t)frame->n_args - 1);
        for (size_t i = 1; i < frame->n_args; i++) {
            out_value(keys, frame->args[i], is_resp3, out);
        }
    } else if (frame->n_args >= 3 && kit_frame_says(frame, 0, "SET")) {
        set(keys, frame, is_resp3, out);
    } else if (kit_frame_says(frame, 0, "DEL") || kit_frame_says(frame, 0, "UNLINK")) {
        count(keys, frame, true, out);
    } else if (kit_frame_says(frame, 0, "EXISTS")) {
        count(keys, frame, false, out);
    } else if (has_key && kit_frame_says(frame, 0, "PEXPIRE")) {
        fac_bytes value;
        kit_out_text(out, kit_keys_find(keys, frame->args[1], &value) ? ":1\r\n" : ":0\r\n");
    } else if (kit_frame_says(frame, 0, "PTTL")) {
        kit_out_text(out, ":-1\r\n");
    } else if (frame->n_args == 3 && kit_frame_says(frame, 0, "INCRBY")) {
        increment(keys, frame, out);
    } else if (has_key && kit_frame_says(frame, 0, "ECHO")) {
        out_string(out, frame->args[1]);
    } else {
        kit_out_text(out, "-ERR unknown command\r\n");
    }
}
