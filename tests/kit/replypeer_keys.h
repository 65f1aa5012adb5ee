/* SPDX-License-Identifier: MIT */
/* kit/replypeer_keys.h — what a replypeer knows: its keys, and the right reply to a command. */
#ifndef FAC_KIT_REPLYPEER_KEYS_H
#define FAC_KIT_REPLYPEER_KEYS_H

#include "kit/frame.h"

#include <stdbool.h>
#include <stddef.h>

struct kit_bytes_out {
    unsigned char *data;
    size_t len;
    size_t cap;
};

void kit_out_bytes(struct kit_bytes_out *out, const void *bytes, size_t len);
void kit_out_text(struct kit_bytes_out *out, const char *text);

struct kit_keys;

struct kit_keys *kit_keys_new(bool is_mirror);
void kit_keys_free(struct kit_keys *keys);

/* The value of a key; false when there is none. Borrowed until the next change. */
bool kit_keys_find(struct kit_keys *keys, fac_bytes key, fac_bytes *out);

/* Append the reply to an application's command. */
void kit_keys_answer(struct kit_keys *keys, const struct kit_frame *frame, bool is_resp3,
                     struct kit_bytes_out *out);

#endif
