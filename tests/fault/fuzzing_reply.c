/* SPDX-License-Identifier: MIT */
/* fault/fuzzing_reply.c — right answers, and what a seed makes of them. */
#include "fault/fuzzing_reply.h"

#include "kit/kit.h"

#include <stdio.h>
#include <string.h>

static size_t below(struct fuzzing_voice *voice, size_t n)
{
    return (size_t)(kit_random(&voice->random) % n);
}

static void add(struct fuzzing_text *text, const void *bytes, size_t len)
{
    if (len > 0 && len <= FUZZING_TEXT_BYTES - text->len) {
        memcpy(text->bytes + text->len, bytes, len);
        text->len += len;
    }
}

static void say(struct fuzzing_text *text, const char *words)
{
    add(text, words, strlen(words));
}

static void say_header(struct fuzzing_text *text, char mark, size_t number)
{
    char header[32];
    int len = snprintf(header, sizeof(header), "%c%zu\r\n", mark, number);
    add(text, header, (size_t)len);
}

/* --- Right answers --------------------------------------------------------------------------- */

static void say_value(struct fuzzing_voice *voice, struct fuzzing_text *out, fac_bytes key)
{
    if (below(voice, 8) == 0) {
        say(out, voice->is_resp2 ? "$-1\r\n" : "_\r\n");
        return;
    }
    say_header(out, '$', 2 + key.len);
    say(out, voice->is_honest ? "H:" : "F:");
    add(out, key.data, key.len);
    say(out, "\r\n");
}

static void say_scan(struct fuzzing_voice *voice, struct fuzzing_text *out)
{
    say(out, below(voice, 3) > 0 ? "*2\r\n$1\r\n0\r\n" : "*2\r\n$2\r\n17\r\n");
    size_t n = below(voice, 4);
    say_header(out, '*', n);
    for (size_t i = 0; i < n; i++) {
        say(out, "$3\r\np:k\r\n");
    }
}

/* Commands whose right answer does not depend on their arguments. */
static const char *fixed_answer(const struct kit_frame *frame)
{
    static const struct {
        const char *name;
        const char *reply;
    } k_replies[] = {
        {"SET", "+OK\r\n"},
        {"DEL", ":1\r\n"},
        {"UNLINK", ":1\r\n"},
        {"EXISTS", ":1\r\n"},
        {"PTTL", ":1000\r\n"},
        {"PEXPIRE", ":1\r\n"},
        {"PERSIST", ":1\r\n"},
        {"INCRBY", ":5\r\n"},
        {"PING", "+PONG\r\n"},
        {"SELECT", "+OK\r\n"},
        {"AUTH", "+OK\r\n"},
        {"CLIENT", "+OK\r\n"},
        {"DISCARD", "+OK\r\n"},
        {"INFO", "$67\r\n# Server\r\nredis_version:7.0.0\r\nredis_mode:standalone\r\n"
                 "role:master\r\n\r\n"},
    };
    for (size_t i = 0; i < KIT_COUNT(k_replies); i++) {
        if (kit_frame_says(frame, 0, k_replies[i].name)) {
            return k_replies[i].reply;
        }
    }
    return NULL;
}

static void say_hello(const struct fuzzing_voice *voice, struct fuzzing_text *out)
{
    say(out, voice->is_resp2 ? "-ERR unknown command 'HELLO'\r\n"
                             : "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"
                               "$5\r\n7.0.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n"
                               "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n"
                               "$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
}

static void say_right(struct fuzzing_voice *voice, const struct kit_frame *frame,
                      struct fuzzing_text *out)
{
    const char *fixed = fixed_answer(frame);
    if (fixed != NULL) {
        say(out, fixed);
    } else if (kit_frame_says(frame, 0, "HELLO")) {
        say_hello(voice, out);
    } else if (frame->n_args == 2 &&
               (kit_frame_says(frame, 0, "GET") || kit_frame_says(frame, 0, "ECHO"))) {
        say_value(voice, out, frame->args[1]);
    } else if (kit_frame_says(frame, 0, "MGET")) {
        say_header(out, '*', frame->n_args - 1);
        for (size_t i = 1; i < frame->n_args; i++) {
            say_value(voice, out, frame->args[i]);
        }
    } else if (kit_frame_says(frame, 0, "SCAN")) {
        say_scan(voice, out);
    } else {
        say(out, "-ERR unknown command\r\n");
    }
}

/* The same inside and outside of a transaction. */
static void say_in_turn(struct fuzzing_voice *voice, const struct kit_frame *frame,
                        struct fuzzing_text *out)
{
    if (kit_frame_says(frame, 0, "MULTI")) {
        voice->is_queueing = true;
        voice->n_queued = 0;
        voice->queue.len = 0;
        say(out, "+OK\r\n");
    } else if (kit_frame_says(frame, 0, "EXEC") && voice->is_queueing) {
        voice->is_queueing = false;
        say_header(out, '*', voice->n_queued);
        add(out, voice->queue.bytes, voice->queue.len);
    } else if (voice->is_queueing) {
        voice->n_queued++;
        say_right(voice, frame, &voice->queue);
        say(out, "+QUEUED\r\n");
    } else {
        say_right(voice, frame, out);
    }
}

/* --- Lies ------------------------------------------------------------------------------------ */

static const char *const k_pieces[] = {
    "\r\n",
    "\r",
    "\n",
    "$",
    "*1\r\n",
    "$-1\r\n",
    "_\r\n",
    ":0\r\n",
    "+OK\r\n",
    "+QUEUED\r\n",
    "-ERR lie\r\n",
    "-LOADING\r\n",
    "-READONLY x\r\n",
    "-MOVED 1 127.0.0.1:1\r\n",
    "-ASK 1 127.0.0.1:1\r\n",
    "-NOAUTH x\r\n",
    "-WRONGPASS x\r\n",
    "-OOM x\r\n",
    "-BUSY x\r\n",
    "-NOPROTO x\r\n",
    "-\r\n",
    "-ERR \x01\x1b[2J%s%n\r\n",
    "$4294967296\r\n",
    "$67108865\r\n",
    "$9223372036854775807\r\n",
    "*1048576\r\n",
    "*1048577\r\n",
    "*2147483647\r\n",
    "%524289\r\n",
    ">1\r\n+x\r\n",
    ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n",
    ">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\np:k\r\n",
    "|1\r\n+ttl\r\n:1\r\n",
    "#t\r\n",
    ",1.5\r\n",
    "(99999999999999999999\r\n",
    "!5\r\nERR x\r\n",
    "=7\r\ntxt:abc\r\n",
    "~1\r\n:1\r\n",
    "%1\r\n+a\r\n+b\r\n",
    "$?\r\n;1\r\na\r\n;0\r\n",
    "*-1\r\n",
    "*0\r\n",
    "$0\r\n\r\n",
    "$3\r\nF:x\r\n",
};

static void say_piece(struct fuzzing_voice *voice, struct fuzzing_text *out)
{
    say(out, k_pieces[below(voice, KIT_COUNT(k_pieces))]);
}

/* A reply of another shape. */
static void say_tree(struct fuzzing_voice *voice, struct fuzzing_text *out, unsigned depth)
{
    static const char k_marks[] = "*%~";
    if (depth == 3 || below(voice, 3) == 0) {
        say_piece(voice, out);
        return;
    }
    char mark = k_marks[below(voice, 3)];
    size_t n = below(voice, 4);
    say_header(out, mark, n);
    for (size_t i = 0; i < (mark == '%' ? 2 * n : n); i++) {
        say_tree(voice, out, depth + 1);
    }
}

static void insert(struct fuzzing_voice *voice, struct fuzzing_text *out)
{
    struct fuzzing_text piece;
    piece.len = 0;
    say_piece(voice, &piece);
    size_t at = below(voice, out->len + 1);
    if (piece.len <= FUZZING_TEXT_BYTES - out->len) {
        memmove(out->bytes + at + piece.len, out->bytes + at, out->len - at);
        memcpy(out->bytes + at, piece.bytes, piece.len);
        out->len += piece.len;
    }
}

static void drop(struct fuzzing_voice *voice, struct fuzzing_text *out)
{
    size_t at = below(voice, out->len + 1);
    size_t len = 1 + below(voice, 4);
    len = len < out->len - at ? len : out->len - at;
    memmove(out->bytes + at, out->bytes + at + len, out->len - at - len);
    out->len -= len;
}

/* Another number in a header: the digits that come first. */
static void renumber(struct fuzzing_voice *voice, struct fuzzing_text *out)
{
    static const char *const k_numbers[] = {"0", "1", "-1", "2", "7", "99", "70000", "-0", "?"};
    const char *number = k_numbers[below(voice, KIT_COUNT(k_numbers))];
    size_t end = 1;
    while (end < out->len && out->bytes[end] >= '0' && out->bytes[end] <= '9') {
        end++;
    }
    struct fuzzing_text rest;
    rest.len = 0;
    add(&rest, out->bytes + end, out->len > end ? out->len - end : 0);
    out->len = out->len > 0 ? 1 : 0;
    say(out, number);
    add(out, rest.bytes, rest.len);
}

static void change(struct fuzzing_voice *voice, struct fuzzing_text *out)
{
    struct fuzzing_text right;
    switch (below(voice, 8)) {
    case 0:
        if (out->len > 0) {
            out->bytes[below(voice, out->len)] = (unsigned char)below(voice, 256);
        }
        break;
    case 1:
        drop(voice, out);
        break;
    case 2:
        insert(voice, out);
        break;
    case 3: /* a second reply, that nobody asked for */
        right.len = 0;
        add(&right, out->bytes, out->len);
        add(out, right.bytes, right.len);
        break;
    case 4:
        out->len = 0;
        say_tree(voice, out, 0);
        break;
    case 5:
        renumber(voice, out);
        break;
    case 6: /* a push or an attribute in front: no lie at all, in RESP3 */
        right.len = 0;
        add(&right, out->bytes, out->len);
        out->len = 0;
        say(out,
            below(voice, 2) == 0 ? ">2\r\n+x\r\n*1\r\n:1\r\n" : "|1\r\n+k\r\n*1\r\n:1\r\n");
        add(out, right.bytes, right.len);
        break;
    default:
        out->len = below(voice, out->len + 1);
        break;
    }
}

/* No lie may look like the word of an honest connection, nor together with the next one. */
static void strike_out(struct fuzzing_text *out)
{
    for (size_t i = 0; i < out->len; i++) {
        if (out->bytes[i] == 'H' && (i + 1 == out->len || out->bytes[i + 1] == ':')) {
            out->bytes[i] = 'F';
        }
    }
}

static enum fuzzing_fate lie(struct fuzzing_voice *voice, struct fuzzing_text *out)
{
    static const enum fuzzing_fate k_ends[] = {FUZZING_SHUT, FUZZING_RESET, FUZZING_STALL};
    switch (below(voice, 16)) {
    case 0: /* nothing is said, and what follows answers it */
        out->len = 0;
        return FUZZING_GO_ON;
    case 1:
        return FUZZING_TRICKLE;
    case 2:
        return FUZZING_LATE;
    case 3:
    case 4:
        out->len = below(voice, out->len + 1);
        return k_ends[below(voice, KIT_COUNT(k_ends))];
    default:
        break;
    }
    size_t n_changes = 1 + below(voice, 3) / 2;
    for (size_t i = 0; i < n_changes; i++) {
        change(voice, out);
    }
    return below(voice, 8) == 0 ? FUZZING_TRICKLE : FUZZING_GO_ON;
}

/* --- Voices ---------------------------------------------------------------------------------- */

void fuzzing_voice_init(struct fuzzing_voice *voice, uint64_t seed, bool is_always_honest)
{
    static const unsigned k_one_in[] = {1, 2, 4, 16};
    voice->random = seed;
    for (int i = 0; i < 4; i++) {
        (void)kit_random(&voice->random); /* away from seeds that are alike */
    }
    voice->is_honest = below(voice, 4) == 0 || is_always_honest;
    voice->is_resp2 = below(voice, 8) == 0;
    voice->lies_at_setup = below(voice, 6) == 0;
    voice->lie_one_in = k_one_in[below(voice, KIT_COUNT(k_one_in))];
    voice->is_queueing = false;
    voice->n_queued = 0;
    voice->queue.len = 0;
}

static bool is_setup(const struct kit_frame *frame)
{
    return kit_frame_says(frame, 0, "HELLO") || kit_frame_says(frame, 0, "AUTH") ||
           kit_frame_says(frame, 0, "SELECT") || kit_frame_says(frame, 0, "CLIENT");
}

enum fuzzing_fate fuzzing_answer(struct fuzzing_voice *voice, const struct kit_frame *frame,
                                 struct fuzzing_text *out)
{
    out->len = 0;
    say_in_turn(voice, frame, out);
    if (voice->is_honest) {
        return below(voice, 16) == 0 ? FUZZING_LATE : FUZZING_GO_ON;
    }
    enum fuzzing_fate fate = FUZZING_GO_ON;
    if ((voice->lies_at_setup || !is_setup(frame)) && below(voice, voice->lie_one_in) == 0) {
        fate = lie(voice, out);
    }
    strike_out(out);
    return fate;
}
