/* SPDX-License-Identifier: MIT */
/* tests/fuzz/transcript.c — what the reader makes of inputs, for a parser in another language to
 * compare itself with. On stdin, again and again: two little-endian 32-bit numbers, the length of
 * the input and of the pieces it arrives in, then the input. On stdout for each: a 32-bit length,
 * then a line of text "RESULT OFFSET BETWEEN VALUES…" in the words of unit/resp/record.h. */
#include "unit/resp/record.h"

#include "base/assert.h"
#include "resp/reader.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    INPUT_MAX_BYTES = 1 << 20,
    MAX_BLOB_BYTES = 4096, /* as differential.py says */
    MAX_REPLY_BYTES = 16384
};

static const char *const k_results[] = {
    [FACI_READ_MORE] = "more",           [FACI_READ_REPLY] = "more",
    [FACI_READ_PUSH] = "more",           [FACI_READ_MALFORMED] = "malformed",
    [FACI_READ_TOO_LARGE] = "too_large",
};

static void transcribe(const unsigned char *in, size_t size, size_t piece)
{
    struct record record;
    record_init(&record);
    struct faci_reader reader;
    faci_reader_init(&reader, MAX_BLOB_BYTES, MAX_REPLY_BYTES);
    enum faci_read_result result = FACI_READ_MORE;
    const unsigned char *at = in;
    while (at < in + size && result < FACI_READ_MALFORMED) {
        size_t here = (size_t)(in + size - at);
        const unsigned char *stop = at + (piece < here ? piece : here);
        while (at < stop && result < FACI_READ_MALFORMED) {
            result = faci_reader_feed(&reader, &at, stop, &record.sink);
            if (result == FACI_READ_REPLY || result == FACI_READ_PUSH) {
                record_word(&record, result == FACI_READ_REPLY ? "." : ">");
            }
        }
    }
    char head[64];
    int head_len = snprintf(head, sizeof(head), "%s %zu %d ", k_results[result],
                            (size_t)(at - in), faci_reader_is_between(&reader) ? 1 : 0);
    uint32_t len = (uint32_t)head_len + (uint32_t)record.len;
    faci_check(fwrite(&len, sizeof(len), 1, stdout) == 1);
    faci_check(fwrite(head, (size_t)head_len, 1, stdout) == 1);
    faci_check(record.len == 0 || fwrite(record.text, record.len, 1, stdout) == 1);
    record_fini(&record);
}

int main(void)
{
    unsigned char *in = malloc(INPUT_MAX_BYTES);
    faci_check(in != NULL);
    uint32_t head[2];
    while (fread(head, sizeof(head), 1, stdin) == 1) {
        faci_check(head[0] <= INPUT_MAX_BYTES && head[1] > 0);
        faci_check(head[0] == 0 || fread(in, head[0], 1, stdin) == 1);
        transcribe(in, head[0], head[1]);
    }
    free(in);
    return fflush(stdout) == 0 ? 0 : 1;
}
