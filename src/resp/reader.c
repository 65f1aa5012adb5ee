/* SPDX-License-Identifier: MIT */
/* resp/reader.c — cuts a byte stream into replies: nesting, limits, pushes and attributes over the
 * lexer's tokens. Pure: no I/O, no allocation, no clock, no recursion.
 *
 * left[] counts the children that an open aggregate still waits for. A child is counted when it
 * begins; an aggregate whose count is 0 is closed as soon as the child is complete. An attribute
 * is an aggregate that its parent does not count, so the parent still waits for the value behind
 * it, and nesting needs no second bookkeeping. */
#include "resp/reader.h"

#include "base/assert.h"

static enum faci_read_result fail(struct faci_reader *reader, enum faci_read_result result,
                                  const char *why)
{
    reader->failed = result;
    reader->error_text = why;
    return result;
}

void faci_reader_init(struct faci_reader *reader, uint64_t max_blob_bytes,
                      uint64_t max_reply_bytes)
{
    *reader = (struct faci_reader){
        .part = FACI_READER_REPLY,
        .max_reply_bytes = max_reply_bytes,
        .max_blob_bytes = max_blob_bytes,
        .failed = FACI_READ_MORE,
        .error_text = "",
    };
    faci_lexer_init(&reader->lexer);
}

bool faci_reader_is_between(const struct faci_reader *reader)
{
    return reader->reply_bytes == 0 && reader->failed == FACI_READ_MORE;
}

static unsigned accepted(const struct faci_reader *reader, const struct faci_sink *sink)
{
    if (reader->depth > 0) {
        return FACI_LEX_ACCEPT_VALUE | FACI_LEX_ACCEPT_ATTRIBUTE;
    }
    return FACI_LEX_ACCEPT_PUSH | FACI_LEX_ACCEPT_ATTRIBUTE |
           (sink != NULL ? FACI_LEX_ACCEPT_VALUE : 0U);
}

static enum faci_read_result finish(struct faci_reader *reader)
{
    enum faci_read_result result = reader->part == FACI_READER_PUSH ? FACI_READ_PUSH
                                                                    : FACI_READ_REPLY;
    reader->part = FACI_READER_REPLY;
    reader->reply_bytes = 0;
    return result;
}

/* A value is complete: close what it completes. */
static enum faci_read_result on_complete(struct faci_reader *reader)
{
    while (reader->depth > 0 && reader->left[reader->depth - 1] == 0) {
        reader->depth--;
        if (reader->part == FACI_READER_ATTRIBUTE && reader->depth == reader->skip_depth) {
            reader->part = FACI_READER_REPLY; /* what it describes follows */
            return FACI_READ_MORE;
        }
    }
    return reader->depth > 0 ? FACI_READ_MORE : finish(reader);
}

/* Children of the aggregate that begins; -1 when they are too many. */
static int64_t count_children(const struct faci_lexer *lexer)
{
    bool is_pairs = lexer->kind == FACI_LEX_ATTRIBUTE || lexer->type == FAC_REPLY_MAP;
    int64_t n_max = is_pairs ? FACI_READ_ELEMENTS_MAX / 2 : FACI_READ_ELEMENTS_MAX;
    if (lexer->number > n_max) {
        return -1;
    }
    return is_pairs ? lexer->number * 2 : lexer->number;
}

static enum faci_read_result check_limits(struct faci_reader *reader)
{
    const struct faci_lexer *lexer = &reader->lexer;
    uint64_t due_bytes = 0;
    if (lexer->kind == FACI_LEX_BLOB) {
        due_bytes = (uint64_t)lexer->number + lexer->mark_left + 2;
        if ((uint64_t)lexer->number > reader->max_blob_bytes) {
            return fail(reader, FACI_READ_TOO_LARGE, "a string over the limit");
        }
    }
    if (reader->reply_bytes > reader->max_reply_bytes ||
        due_bytes > reader->max_reply_bytes - reader->reply_bytes) {
        return fail(reader, FACI_READ_TOO_LARGE, "a reply over the limit");
    }
    if (lexer->kind >= FACI_LEX_AGGREGATE) {
        if (reader->depth == FACI_READ_DEPTH_MAX) {
            return fail(reader, FACI_READ_TOO_LARGE, "a reply nested too deeply");
        }
        if (count_children(lexer) < 0) {
            return fail(reader, FACI_READ_TOO_LARGE, "an aggregate of too many elements");
        }
    }
    return FACI_READ_MORE;
}

static enum faci_read_result on_begin(struct faci_reader *reader, struct faci_sink *sink)
{
    if (check_limits(reader) != FACI_READ_MORE) {
        return reader->failed;
    }
    const struct faci_lexer *lexer = &reader->lexer;
    bool is_nested = lexer->kind >= FACI_LEX_AGGREGATE;
    int64_t number = is_nested ? count_children(lexer) : lexer->number;
    if (lexer->kind == FACI_LEX_ATTRIBUTE) {
        if (number == 0) {
            return FACI_READ_MORE;
        }
        if (reader->part == FACI_READER_REPLY) {
            reader->part = FACI_READER_ATTRIBUTE;
            reader->skip_depth = reader->depth;
        }
    } else {
        if (reader->depth > 0) {
            reader->left[reader->depth - 1]--;
        }
        if (lexer->kind == FACI_LEX_PUSH) {
            reader->part = FACI_READER_PUSH;
        }
    }
    if (reader->part == FACI_READER_REPLY) {
        sink->ops->begin(sink, lexer->type, number, reader->depth);
    }
    if (is_nested) {
        reader->left[reader->depth++] = (uint32_t)number;
    }
    bool is_complete = lexer->kind == FACI_LEX_SCALAR || (is_nested && number == 0);
    return is_complete ? on_complete(reader) : FACI_READ_MORE;
}

static enum faci_read_result on_end(struct faci_reader *reader, struct faci_sink *sink)
{
    if (reader->reply_bytes > reader->max_reply_bytes) {
        return fail(reader, FACI_READ_TOO_LARGE, "a reply over the limit");
    }
    if (reader->part == FACI_READER_REPLY) {
        sink->ops->end(sink);
    }
    return on_complete(reader);
}

enum faci_read_result faci_reader_feed(struct faci_reader *reader, const unsigned char **in,
                                       const unsigned char *end, struct faci_sink *sink)
{
    enum faci_read_result result = reader->failed;
    while (result == FACI_READ_MORE && *in < end) {
        const unsigned char *from = *in;
        reader->lexer.accepts = accepted(reader, sink);
        enum faci_lex_token token = faci_lexer_next(&reader->lexer, in, end);
        reader->reply_bytes += (uint64_t)(*in - from);
        switch (token) {
        case FACI_LEX_MORE:
            break;
        case FACI_LEX_BEGIN:
            result = on_begin(reader, sink);
            break;
        case FACI_LEX_DATA:
            if (reader->part == FACI_READER_REPLY) {
                sink->ops->data(sink, reader->lexer.run, reader->lexer.run_len);
            }
            break;
        case FACI_LEX_END:
            result = on_end(reader, sink);
            break;
        case FACI_LEX_MALFORMED:
            result = fail(reader, FACI_READ_MALFORMED, reader->lexer.error_text);
            break;
        case FACI_LEX_TOO_LARGE:
            result = fail(reader, FACI_READ_TOO_LARGE, reader->lexer.error_text);
            break;
        }
    }
    return result;
}
