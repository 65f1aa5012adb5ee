/* SPDX-License-Identifier: MIT */
/* kit/reply_cut.h — where one reply of a server ends and the next begins: RESP2 and RESP3, fed in
 * pieces of any size. It knows lengths and nothing else. Written apart from the library's reader. */
#ifndef FAC_KIT_REPLY_CUT_H
#define FAC_KIT_REPLY_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KIT_CUT_LINE_BYTES = 32 /* of a header with a number; longer lines are texts */
};

/* A zeroed one stands before a reply. */
struct kit_reply_cut {
    uint64_t n_open; /* values that are still to come; 0: between two replies */
    uint64_t n_blob; /* bytes of a string, its CRLF included, that are still to come */
    char line[KIT_CUT_LINE_BYTES]; /* the beginning of the line that comes in */
    size_t line_len;               /* of the whole line so far */
    bool is_push;        /* the reply under way, or the one that just ended, is a push */
    const char *problem; /* a constant: what came is no RESP; nothing is cut any more */
};

/* Whether the stream stands between two replies. */
bool kit_reply_cut_between(const struct kit_reply_cut *cut);

/* Take in bytes up to the end of the reply under way, or all. Returns how many; `*out_is_end` says
 * whether a reply ends there. */
size_t kit_reply_cut_feed(struct kit_reply_cut *cut, const unsigned char *in, size_t len,
                          bool *out_is_end);

#endif
