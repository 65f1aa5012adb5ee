/* SPDX-License-Identifier: MIT */
/* fuzz/fuzz_hiredis.c — the reader against hiredis's, on what both know: RESP2. Each reply must
 * come out the same and end at the same byte; where the two part, a row of k_rows says why, or
 * this aborts. How often each row was used is printed at the end.
 *
 * The input is that of fuzz_split, whose seeds it shares; the plan at its head is skipped. */
#include "fuzz/digest.h"

#include "base/assert.h"
#include "resp/reader.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    PLAN_LENGTHS = 7,
    REPLIES_MAX = 64
};

/* Every way in which the two may differ. */
enum row {
    ROW_RESP3,
    ROW_DEPTH,
    ROW_LIMIT,
    ROW_EARLY,
    ROW_STRING_END,
    ROW_LINE_END,
    ROW_COUNT
};

static const char *const k_rows[] = {
    [ROW_RESP3] = "a type of RESP3: hiredis refuses it (0.14), or knows types we fold (1.x)",
    [ROW_DEPTH] = "nested deeper than 7: hiredis refuses, we read 32 levels",
    [ROW_LIMIT] = "over a limit of ours, which hiredis does not have",
    [ROW_EARLY] = "we refuse the first wrong byte, hiredis when the line or string is whole",
    [ROW_STRING_END] = "hiredis skips the two bytes behind a string whatever they are",
    [ROW_LINE_END] = "hiredis takes a lone CR or LF for text, we refuse it",
};

static unsigned long n_used[ROW_COUNT];
static unsigned long n_equal;

static void print_rows(void)
{
    (void)fprintf(stderr, "%12lu replies equal\n", n_equal);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        (void)fprintf(stderr, "%12lu times: %s\n", n_used[i], k_rows[i]);
    }
}

/* What our reader makes of the stream. */
struct ours {
    struct {
        uint64_t hash;
        size_t end;
        bool is_resp3;
    } replies[REPLIES_MAX];
    size_t n_replies;
    enum faci_read_result result; /* what ended it */
    const char *error_text;
};

struct sink {
    struct digest digest; /* first */
    bool is_resp3;
};

static void on_begin(struct faci_sink *sink, fac_reply_type type, int64_t number,
                     unsigned depth)
{
    struct sink *self = (struct sink *)sink;
    bool is_blob_error = type == FAC_REPLY_ERROR && number >= 0;
    if (is_blob_error ||
        (type != FAC_REPLY_NULL && type != FAC_REPLY_STRING && type != FAC_REPLY_STATUS &&
         type != FAC_REPLY_ERROR && type != FAC_REPLY_INTEGER && type != FAC_REPLY_ARRAY)) {
        self->is_resp3 = true;
    }
    digest_begin(sink, type, number, depth);
}

static void sink_init(struct sink *sink)
{
    static const struct faci_sink_ops k_ops = {on_begin, digest_data, digest_end};
    digest_init(&sink->digest);
    sink->digest.sink.ops = &k_ops;
    sink->is_resp3 = false;
}

static void read_ours(struct ours *ours, const uint8_t *in, size_t size)
{
    struct faci_reader reader;
    faci_reader_init(&reader, 4096, 16384);
    const uint8_t *at = in;
    ours->n_replies = 0;
    ours->result = FACI_READ_MORE;
    while (at < in + size && ours->n_replies < REPLIES_MAX) {
        struct sink sink;
        sink_init(&sink);
        ours->result = faci_reader_feed(&reader, &at, in + size, &sink.digest.sink);
        if (ours->result != FACI_READ_REPLY) {
            break;
        }
        ours->replies[ours->n_replies].hash = sink.digest.hash;
        ours->replies[ours->n_replies].end = (size_t)(at - in);
        ours->replies[ours->n_replies].is_resp3 = sink.is_resp3;
        ours->n_replies++;
    }
    ours->error_text = reader.error_text;
}

static void tell(struct digest *digest, const redisReply *reply, unsigned depth)
{
    static const fac_reply_type k_types[] = {
        [REDIS_REPLY_STRING] = FAC_REPLY_STRING,   [REDIS_REPLY_ARRAY] = FAC_REPLY_ARRAY,
        [REDIS_REPLY_INTEGER] = FAC_REPLY_INTEGER, [REDIS_REPLY_NIL] = FAC_REPLY_NULL,
        [REDIS_REPLY_STATUS] = FAC_REPLY_STATUS,   [REDIS_REPLY_ERROR] = FAC_REPLY_ERROR,
    };
    int64_t number = 0;
    bool has_bytes = false;
    switch (reply->type) {
    case REDIS_REPLY_STRING:
        number = (int64_t)reply->len;
        has_bytes = true;
        break;
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        number = -1;
        has_bytes = true;
        break;
    case REDIS_REPLY_INTEGER:
        number = reply->integer;
        break;
    case REDIS_REPLY_ARRAY:
        number = (int64_t)reply->elements;
        break;
    default:
        faci_check(reply->type == REDIS_REPLY_NIL);
    }
    digest_begin(&digest->sink, k_types[reply->type], number, depth);
    if (has_bytes && reply->len > 0) {
        digest_data(&digest->sink, reply->str, reply->len);
    }
    if (has_bytes) {
        digest_end(&digest->sink);
    }
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        tell(digest, reply->element[i], depth + 1);
    }
}

static void use_row(enum row row)
{
    n_used[row]++;
}

/* hiredis refused: because of what it does not know, or as we did. */
static void on_refused(const struct ours *ours, size_t i, const redisReader *theirs)
{
    static const char k_type[] = "Protocol error, got \"";
    if (strncmp(theirs->errstr, k_type, sizeof(k_type) - 1) == 0 &&
        strchr("%~#,(=!_|>", theirs->errstr[sizeof(k_type) - 1]) != NULL) {
        use_row(ROW_RESP3);
        return;
    }
    if (strstr(theirs->errstr, "depth > ") != NULL) {
        use_row(ROW_DEPTH);
        return;
    }
    faci_check(i == ours->n_replies && ours->result == FACI_READ_MALFORMED);
}

/* hiredis has a reply where we refused. */
static void on_lenient(const struct ours *ours)
{
    faci_check(ours->result == FACI_READ_MALFORMED);
    if (strcmp(ours->error_text, "a string longer than its length") == 0) {
        use_row(ROW_STRING_END);
    } else {
        faci_check(strcmp(ours->error_text, "line feed without carriage return") == 0 ||
                   strcmp(ours->error_text, "carriage return without line feed") == 0);
        use_row(ROW_LINE_END);
    }
}

static void compare(const struct ours *ours, redisReader *theirs, size_t fed)
{
    for (size_t i = 0; i <= ours->n_replies; i++) {
        bool is_last = i == ours->n_replies;
        if (!is_last && ours->replies[i].is_resp3) {
            use_row(ROW_RESP3);
            return;
        }
        void *reply = NULL;
        if (redisReaderGetReply(theirs, &reply) != REDIS_OK) {
            on_refused(ours, i, theirs);
            return;
        }
        if (is_last) {
            if (reply != NULL) {
                on_lenient(ours);
                freeReplyObject(reply);
            } else if (ours->result == FACI_READ_MALFORMED) {
                use_row(ROW_EARLY);
            }
            return;
        }
        faci_check(reply != NULL);
        struct digest digest;
        digest_init(&digest);
        tell(&digest, reply, 0);
        freeReplyObject(reply);
        faci_check(digest.hash == ours->replies[i].hash);
        faci_check(fed - (theirs->len - theirs->pos) == ours->replies[i].end);
        n_equal++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_started;
    if (!is_started) {
        is_started = true;
        faci_check(atexit(print_rows) == 0);
    }
    size_t n_plan = size > 0 ? 1U + (data[0] & PLAN_LENGTHS) : 1;
    if (size < n_plan) {
        return 0;
    }
    data += n_plan;
    size -= n_plan;
    static struct ours ours;
    read_ours(&ours, data, size);
    size_t fed = size;
    if (ours.result >= FACI_READ_TOO_LARGE || ours.result == FACI_READ_PUSH ||
        ours.n_replies == REPLIES_MAX) {
        /* Only what is before it: hiredis would set memory aside for any announced count. */
        fed = ours.n_replies > 0 ? ours.replies[ours.n_replies - 1].end : 0;
        use_row(ours.result == FACI_READ_PUSH ? ROW_RESP3 : ROW_LIMIT);
        ours.result = FACI_READ_MORE;
    }
    redisReader *theirs = redisReaderCreate();
    faci_check(theirs != NULL);
    faci_check(redisReaderFeed(theirs, (const char *)data, fed) == REDIS_OK);
    compare(&ours, theirs, fed);
    redisReaderFree(theirs);
    return 0;
}
