/* SPDX-License-Identifier: MIT */
/* kit/reply_cut.c — no stack: a counter of the values that are still to come is enough. */
#include "kit/reply_cut.h"

#include <string.h>

enum {
    LENGTH_MAX = 1 << 30 /* of a string, or of an aggregate: more is no reply of a cache's */
};

bool kit_reply_cut_between(const struct kit_reply_cut *cut)
{
    return cut->n_open == 0 && cut->n_blob == 0 && cut->line_len == 0;
}

/* The number of a header line without its CRLF; -1 for "-1". */
static bool read_number(struct kit_reply_cut *cut, int64_t *out)
{
    size_t len = cut->line_len - 2;
    int64_t number = 0;
    if (cut->line_len > sizeof(cut->line) || len < 2) {
        return false;
    }
    if (len == 3 && memcmp(cut->line + 1, "-1", 2) == 0) {
        *out = -1;
        return true;
    }
    for (size_t i = 1; i < len; i++) {
        if (cut->line[i] < '0' || cut->line[i] > '9') {
            return false;
        }
        number = number * 10 + (cut->line[i] - '0');
        if (number > LENGTH_MAX) {
            return false;
        }
    }
    *out = number;
    return true;
}

/* A whole line is there: how much of the reply does it announce? */
static void take_line(struct kit_reply_cut *cut)
{
    char type = cut->line[0];
    int64_t number = 0;
    if (strchr("+-:_#,(", type) == NULL) {
        if (strchr("$=!*~%>|", type) == NULL || type == '\0') {
            cut->problem = "a reply of no known type";
            return;
        }
        if (!read_number(cut, &number)) {
            cut->problem = "a length that is no number";
            return;
        }
    }
    switch (type) {
    case '$':
    case '=':
    case '!':
        /* Counted as open until its last byte. */
        cut->n_blob = number < 0 ? 0 : (uint64_t)number + 2;
        cut->n_open -= number < 0 ? 1 : 0;
        return;
    case '>':
        cut->is_push = true;
        break;
    case '%':
        number *= 2;
        break;
    case '|':
        cut->n_open += (uint64_t)number * 2; /* and the value it speaks of follows */
        return;
    default:
        break;
    }
    cut->n_open += number < 0 ? 0 : (uint64_t)number;
    cut->n_open--;
}

/* Bytes of a line up to its LF. */
static size_t feed_line(struct kit_reply_cut *cut, const unsigned char *in, size_t len)
{
    const unsigned char *lf = memchr(in, '\n', len);
    size_t take = lf == NULL ? len : (size_t)(lf - in) + 1;
    if (cut->line_len < sizeof(cut->line)) {
        size_t room = sizeof(cut->line) - cut->line_len;
        memcpy(cut->line + cut->line_len, in, take < room ? take : room);
    }
    cut->line_len += take;
    if (lf != NULL) {
        if (cut->line_len < 3) {
            cut->problem = "an empty line";
        } else {
            take_line(cut);
        }
        cut->line_len = 0;
    }
    return take;
}

size_t kit_reply_cut_feed(struct kit_reply_cut *cut, const unsigned char *in, size_t len,
                          bool *out_is_end)
{
    size_t at = 0;
    *out_is_end = false;
    if (kit_reply_cut_between(cut) && len > 0) {
        cut->n_open = 1;
        cut->is_push = false;
    }
    while (at < len && cut->problem == NULL && !*out_is_end) {
        if (cut->n_blob > 0) {
            size_t take = len - at < cut->n_blob ? len - at : (size_t)cut->n_blob;
            cut->n_blob -= take;
            at += take;
            cut->n_open -= cut->n_blob == 0 ? 1 : 0;
        } else {
            at += feed_line(cut, in + at, len - at);
        }
        *out_is_end = cut->n_open == 0 && cut->problem == NULL;
    }
    return cut->problem == NULL ? at : len;
}
