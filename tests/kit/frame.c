/* SPDX-License-Identifier: MIT */
/* kit/frame.c — *<n>CRLF, then n times $<len>CRLF<bytes>CRLF; nothing else. */
#include "kit/frame.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    DIGITS_MAX = 10
}; /* 64 MiB and a million arguments need fewer */

struct cursor {
    const unsigned char *in;
    size_t len;
    size_t at;
};

static enum kit_frame_result malformed(struct kit_frame *frame, const char *problem)
{
    frame->problem = problem;
    return KIT_FRAME_MALFORMED;
}

/* "<mark><digits>CRLF" */
static enum kit_frame_result read_header(struct kit_frame *frame, struct cursor *cursor,
                                         char mark, size_t *out)
{
    if (cursor->at == cursor->len) {
        return KIT_FRAME_MORE;
    }
    if (cursor->in[cursor->at] != (unsigned char)mark) {
        return malformed(frame, mark == '*' ? "no '*' at the start of a frame"
                                            : "no '$' at the start of an argument");
    }
    size_t at = cursor->at + 1;
    size_t first = at;
    size_t number = 0;
    while (at < cursor->len && cursor->in[at] >= '0' && cursor->in[at] <= '9') {
        if (at - first == DIGITS_MAX) {
            return malformed(frame, "a length of too many digits");
        }
        number = number * 10 + (size_t)(cursor->in[at] - '0');
        at++;
    }
    if (at == cursor->len) {
        return KIT_FRAME_MORE;
    }
    if (at == first || (cursor->in[first] == '0' && at - first > 1)) {
        return malformed(frame, "a length that is no canonical number");
    }
    if (cursor->in[at] != '\r') {
        return malformed(frame, "no CR behind a length");
    }
    if (at + 1 == cursor->len) {
        return KIT_FRAME_MORE;
    }
    if (cursor->in[at + 1] != '\n') {
        return malformed(frame, "no LF behind a length");
    }
    cursor->at = at + 2;
    *out = number;
    return KIT_FRAME_WHOLE;
}

static enum kit_frame_result read_argument(struct kit_frame *frame, struct cursor *cursor,
                                           fac_bytes *out)
{
    size_t bytes = 0;
    enum kit_frame_result result = read_header(frame, cursor, '$', &bytes);
    if (result != KIT_FRAME_WHOLE) {
        return result;
    }
    if (cursor->len - cursor->at < bytes + 2) {
        return KIT_FRAME_MORE;
    }
    *out = fac_mem(cursor->in + cursor->at, bytes);
    cursor->at += bytes + 2;
    if (memcmp(cursor->in + cursor->at - 2, "\r\n", 2) != 0) {
        return malformed(frame, "no CRLF behind an argument");
    }
    return KIT_FRAME_WHOLE;
}

enum kit_frame_result kit_frame_parse(struct kit_frame *frame, const unsigned char *in,
                                      size_t len)
{
    struct cursor cursor = {in, len, 0};
    size_t n_args = 0;
    enum kit_frame_result result = read_header(frame, &cursor, '*', &n_args);
    if (result != KIT_FRAME_WHOLE) {
        return result;
    }
    if (n_args == 0 || n_args > 1024 * 1024) {
        return malformed(frame, "a frame without arguments, or with over a million");
    }
    if (n_args > frame->cap_args) {
        fac_bytes *args = realloc(frame->args, n_args * sizeof(*args));
        if (args == NULL) {
            abort();
        }
        frame->args = args;
        frame->cap_args = n_args;
    }
    for (size_t i = 0; i < n_args; i++) {
        result = read_argument(frame, &cursor, &frame->args[i]);
        if (result != KIT_FRAME_WHOLE) {
            return result;
        }
    }
    frame->n_args = n_args;
    frame->bytes = cursor.at;
    return KIT_FRAME_WHOLE;
}

void kit_frame_fini(struct kit_frame *frame)
{
    free(frame->args);
    memset(frame, 0, sizeof(*frame));
}

bool kit_frame_says(const struct kit_frame *frame, size_t index, const char *text)
{
    return index < frame->n_args && frame->args[index].len == strlen(text) &&
           strncasecmp(frame->args[index].data, text, frame->args[index].len) == 0;
}
