/* SPDX-License-Identifier: MIT */
/* fuzz/fuzz_reply.c — the reader and the reply tree. The first byte picks the fragment size; the
 * rest is a stream of replies. Read in fragments it must come out as it does in one piece, at the
 * same byte, and each tree must hold what the sink was told. */
#include "unit/resp/record.h"

#include "base/assert.h"
#include "base/mem.h"
#include "resp/reader.h"
#include "resp/reply.h"

#include <stdbool.h>

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    FRAGMENT_SIZES = 64,
    MAX_BLOB_BYTES = 4096, /* small, so that the limits are met */
    MAX_REPLY_BYTES = 16384
};

/* What a tree, or the calls that made it, amount to. */
struct sum {
    size_t n_values;
    size_t n_bytes;
    uint64_t hash; /* of types, numbers and bytes, in order */
};

/* Tells a record, a sum and a tree the same. */
struct tee {
    struct faci_sink sink; /* first */
    struct record record;
    struct sum sum;
    struct faci_reply_sink tree;
};

static void add_hash(struct sum *sum, uint64_t number)
{
    sum->hash = (sum->hash ^ number) * UINT64_C(0x100000001b3);
}

static void add_value(struct sum *sum, fac_reply_type type, int64_t integer)
{
    sum->n_values++;
    add_hash(sum, (uint64_t)type);
    add_hash(sum, (uint64_t)integer);
}

static void add_bytes(struct sum *sum, const unsigned char *bytes, size_t len)
{
    sum->n_bytes += len;
    for (size_t i = 0; i < len; i++) {
        add_hash(sum, bytes[i]);
    }
}

static void on_begin(struct faci_sink *sink, fac_reply_type type, int64_t number,
                     unsigned depth)
{
    struct tee *tee = (struct tee *)sink;
    bool has_integer = type == FAC_REPLY_INTEGER || type == FAC_REPLY_BOOLEAN;
    bool has_children = type == FAC_REPLY_ARRAY || type == FAC_REPLY_MAP ||
                        type == FAC_REPLY_SET;
    add_value(&tee->sum, type, has_integer || has_children ? number : 0);
    record_begin(&tee->record.sink, type, number, depth);
    tee->tree.sink.ops->begin(&tee->tree.sink, type, number, depth);
}

static void on_data(struct faci_sink *sink, const void *bytes, size_t len)
{
    struct tee *tee = (struct tee *)sink;
    add_bytes(&tee->sum, bytes, len);
    record_data(&tee->record.sink, bytes, len);
    tee->tree.sink.ops->data(&tee->tree.sink, bytes, len);
}

static void on_end(struct faci_sink *sink)
{
    struct tee *tee = (struct tee *)sink;
    record_end(&tee->record.sink);
    tee->tree.sink.ops->end(&tee->tree.sink);
}

static void walk(const fac_reply *reply, struct sum *sum)
{
    fac_bytes bytes = fac_reply_bytes(reply);
    size_t n = fac_reply_count(reply);
    add_value(sum, fac_reply_kind(reply), fac_reply_integer(reply) + (int64_t)n);
    add_bytes(sum, bytes.data, bytes.len);
    faci_check(((const char *)bytes.data)[bytes.len] == '\0');
    for (size_t i = 0; i < n; i++) {
        walk(fac_reply_child(reply, i), sum);
    }
}

/* A reply ended: its tree must amount to the same. */
static void on_reply(struct tee *tee)
{
    fac_reply *root = faci_reply_sink_take(&tee->tree);
    faci_check(root != NULL);
    struct sum sum = {0};
    walk(root, &sum);
    faci_check(sum.n_values == tee->sum.n_values);
    faci_check(sum.n_bytes == tee->sum.n_bytes);
    faci_check(sum.hash == tee->sum.hash);
    fac_reply_free(root);
    tee->sum = (struct sum){0};
    faci_reply_sink_init(&tee->tree, &k_faci_libc);
}

struct outcome {
    enum faci_read_result result;
    size_t offset;
    bool is_between;
};

static struct outcome run(const uint8_t *data, size_t size, size_t fragment, struct tee *tee)
{
    static const struct faci_sink_ops k_ops = {on_begin, on_data, on_end};
    *tee = (struct tee){.sink = {&k_ops}};
    record_init(&tee->record);
    faci_reply_sink_init(&tee->tree, &k_faci_libc);
    struct faci_reader reader;
    faci_reader_init(&reader, MAX_BLOB_BYTES, MAX_REPLY_BYTES);
    struct outcome outcome = {.result = FACI_READ_MORE};
    bool has_failed = false;
    while (outcome.offset < size && !has_failed) {
        size_t len = fragment < size - outcome.offset ? fragment : size - outcome.offset;
        unsigned char *piece = malloc(len); /* exactly: one byte too far is an error */
        faci_check(piece != NULL);
        memcpy(piece, data + outcome.offset, len);
        const unsigned char *in = piece;
        while (in < piece + len && !has_failed) {
            outcome.result = faci_reader_feed(&reader, &in, piece + len, &tee->sink);
            if (outcome.result == FACI_READ_REPLY) {
                record_word(&tee->record, ".");
                on_reply(tee);
            } else if (outcome.result == FACI_READ_PUSH) {
                record_word(&tee->record, ">");
            }
            has_failed = outcome.result == FACI_READ_MALFORMED ||
                         outcome.result == FACI_READ_TOO_LARGE;
        }
        outcome.offset += (size_t)(in - piece);
        free(piece);
    }
    faci_check(has_failed == (reader.error_text[0] != '\0'));
    outcome.is_between = faci_reader_is_between(&reader);
    faci_reply_sink_fini(&tee->tree);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    size_t fragment = 1 + data[0] % FRAGMENT_SIZES;
    static struct tee whole;
    static struct tee cut;
    struct outcome want = run(data + 1, size - 1, size - 1, &whole);
    struct outcome got = run(data + 1, size - 1, fragment, &cut);
    faci_check(got.result == want.result);
    faci_check(got.offset == want.offset);
    faci_check(got.is_between == want.is_between);
    faci_check(cut.record.len == whole.record.len);
    faci_check(memcmp(cut.record.text, whole.record.text, whole.record.len) == 0);
    record_fini(&whole.record);
    record_fini(&cut.record);
    return 0;
}
