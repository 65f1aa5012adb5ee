/* SPDX-License-Identifier: MIT */
/* unit/resp/record.h — a sink that writes down what it is told, so that two parses can be compared
 * and a test can say in one line what it expects.
 *
 * Each value is `<type byte><number>@<depth>`, its bytes in parentheses, values parted by spaces:
 * "*2@0 $5@1(hello) :7@1". How data() was cut does not show. Used by the tests and the fuzzers. */
#ifndef FAC_UNIT_RESP_RECORD_H
#define FAC_UNIT_RESP_RECORD_H

#include "resp/sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct record {
    struct faci_sink sink; /* first */
    char *text;            /* NUL-terminated */
    size_t len;
    size_t cap;
    size_t n_data; /* calls of data() */
    int is_open;   /* a value with bytes has begun and not ended */
};

static inline void record_add(struct record *record, const void *bytes, size_t len)
{
    if (record->len + len + 1 > record->cap) {
        record->cap = 2 * (record->len + len + 64);
        record->text = realloc(record->text, record->cap);
        if (record->text == NULL) {
            abort();
        }
    }
    if (len > 0) {
        memcpy(record->text + record->len, bytes, len);
    }
    record->len += len;
    record->text[record->len] = '\0';
}

static inline void record_word(struct record *record, const char *word)
{
    if (record->len > 0) {
        record_add(record, " ", 1);
    }
    record_add(record, word, strlen(word));
}

static inline void record_begin(struct faci_sink *sink, fac_reply_type type, int64_t number,
                                unsigned depth)
{
    static const char k_bytes[] = "_$+-:*%~#,(=";
    struct record *record = (struct record *)sink;
    char word[48];
    (void)snprintf(word, sizeof(word), "%c%" PRId64 "@%u", k_bytes[type], number, depth);
    if (record->is_open) {
        record_add(record, "<UNENDED>", 9);
    }
    record_word(record, word);
    record->is_open = strchr("$+-,(=", k_bytes[type]) != NULL;
    if (record->is_open) {
        record_add(record, "(", 1);
    }
}

static inline void record_data(struct faci_sink *sink, const void *bytes, size_t len)
{
    struct record *record = (struct record *)sink;
    if (!record->is_open || len == 0) {
        record_add(record, "<STRAY>", 7);
    }
    record->n_data++;
    record_add(record, bytes, len);
}

static inline void record_end(struct faci_sink *sink)
{
    struct record *record = (struct record *)sink;
    record_add(record, record->is_open ? ")" : "<STRAY END>", record->is_open ? 1 : 11);
    record->is_open = 0;
}

static inline void record_init(struct record *record)
{
    static const struct faci_sink_ops k_ops = {record_begin, record_data, record_end};
    *record = (struct record){.sink = {&k_ops}};
    record_add(record, "", 0);
}

static inline void record_fini(struct record *record)
{
    free(record->text);
    record->text = NULL;
}

#endif
