/* SPDX-License-Identifier: MIT */
/* fuzz/fuzz_split.c — the reader alone, without memory, as fast as it goes: a stream of replies
 * that is cut where the input says must come out as it does in one piece, at the same byte.
 *
 * The first byte is a plan: its low 3 bits are how many piece lengths follow, which are used in
 * turn (none: a byte at a time); 8: nobody waits for a reply; 64: small limits. So "0" is a byte
 * at a time, "2AD" pieces of 2 and 5, "8" no reply is due, "@" small limits. */
#include "fuzz/digest.h"

#include "base/assert.h"
#include "resp/reader.h"

#include <sanitizer/asan_interface.h> /* poisoning is nothing in a build without it */

#include <string.h>

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    PLAN_LENGTHS = 7,
    PLAN_NO_SINK = 8,
    PLAN_SMALL = 64,
    PIECE_MAX_BYTES = 32
};

struct plan {
    const uint8_t *lengths; /* of the pieces, less 1; used in turn */
    size_t n_lengths;       /* 0: one piece */
    uint64_t max_blob_bytes;
    uint64_t max_reply_bytes;
    bool has_sink;
};

struct outcome {
    uint64_t hash; /* of what the sink was told, and of the offset behind each reply and push */
    const char *error_text;
    size_t offset;
    enum faci_read_result result;
    bool is_between;
};

static void note_end(struct digest *digest, enum faci_read_result result, size_t offset)
{
    if (result == FACI_READ_REPLY || result == FACI_READ_PUSH) {
        digest_reply(digest);
        digest_add(digest, (uint64_t)result << 32 | offset);
    }
}

static struct outcome run(const struct plan *plan, const uint8_t *in, size_t size)
{
    struct digest digest;
    digest_init(&digest);
    struct faci_reader reader;
    faci_reader_init(&reader, plan->max_blob_bytes, plan->max_reply_bytes);
    const uint8_t *at = in;
    const uint8_t *end = in + size;
    enum faci_read_result result = FACI_READ_MORE;
    for (size_t i = 0; at < end && result < FACI_READ_MALFORMED; i++) {
        size_t len = size;
        if (plan->n_lengths > 0) {
            len = 1 + plan->lengths[i % plan->n_lengths] % PIECE_MAX_BYTES;
        }
        const uint8_t *stop = len < (size_t)(end - at) ? at + len : end;
        ASAN_POISON_MEMORY_REGION(stop, (size_t)(end - stop)); /* what has not arrived */
        while (at < stop && result < FACI_READ_MALFORMED) {
            result = faci_reader_feed(&reader, &at, stop, plan->has_sink ? &digest.sink : NULL);
            note_end(&digest, result, (size_t)(at - in));
        }
        ASAN_UNPOISON_MEMORY_REGION(stop, (size_t)(end - stop));
    }
    bool has_failed = result >= FACI_READ_MALFORMED;
    faci_check(has_failed || at == end);
    faci_check(has_failed == (reader.error_text[0] != '\0'));
    if (at < end) { /* a reader that has failed takes nothing more */
        const uint8_t *again = at;
        faci_check(faci_reader_feed(&reader, &again, end, &digest.sink) == result);
        faci_check(again == at);
    }
    return (struct outcome){.hash = digest.hash,
                            .error_text = reader.error_text,
                            .offset = (size_t)(at - in),
                            .result = result,
                            .is_between = faci_reader_is_between(&reader)};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t k_bytewise[1] = {0};
    if (size < 2 || size - 1 < (data[0] & PLAN_LENGTHS)) {
        return 0;
    }
    bool is_small = (data[0] & PLAN_SMALL) != 0;
    struct plan plan = {.max_blob_bytes = is_small ? 16 : 4096,
                        .max_reply_bytes = is_small ? 64 : 16384,
                        .has_sink = (data[0] & PLAN_NO_SINK) == 0};
    size_t n_lengths = data[0] & PLAN_LENGTHS;
    const uint8_t *in = data + 1 + n_lengths;
    size -= 1 + n_lengths;
    struct outcome want = run(&plan, in, size);
    plan.lengths = n_lengths > 0 ? data + 1 : k_bytewise;
    plan.n_lengths = n_lengths > 0 ? n_lengths : 1;
    struct outcome got = run(&plan, in, size);
    faci_check(got.hash == want.hash);
    faci_check(got.offset == want.offset);
    faci_check(got.result == want.result);
    faci_check(got.error_text == want.error_text);
    faci_check(got.is_between == want.is_between);
    return 0;
}
