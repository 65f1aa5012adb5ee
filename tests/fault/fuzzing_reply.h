/* SPDX-License-Identifier: MIT */
/* fault/fuzzing_reply.h — what the fuzzing server says: the right answer to a command, or one that
 * is nearly right, chosen by a seed. Knows no socket.
 *
 * Values say whose they are. "H:<key>" comes from a connection that is honest, and must never
 * reach a caller who did not ask for that key; "F:<key>" from one that lies, which may arrive
 * anywhere. Lies never contain "H:". */
#ifndef FAC_FAULT_FUZZING_REPLY_H
#define FAC_FAULT_FUZZING_REPLY_H

#include "kit/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FUZZING_TEXT_BYTES = 32 * 1024
};

/* Bytes on their way; what does not fit is left out. */
struct fuzzing_text {
    unsigned char bytes[FUZZING_TEXT_BYTES];
    size_t len;
};

/* What becomes of the connection behind a reply. */
enum fuzzing_fate {
    FUZZING_GO_ON,
    FUZZING_TRICKLE, /* go on, but send it a byte at a time */
    FUZZING_LATE,    /* go on, but send it some milliseconds later */
    FUZZING_SHUT,
    FUZZING_RESET,
    FUZZING_STALL, /* say and read nothing more */
};

struct fuzzing_voice {
    uint64_t random;
    bool is_honest; /* only ever right, though it may be slow */
    bool is_resp2;  /* HELLO is an unknown command */
    bool lies_at_setup;
    unsigned lie_one_in; /* replies */
    bool is_queueing;    /* between MULTI and EXEC */
    size_t n_queued;
    struct fuzzing_text queue; /* what EXEC will say */
};

/* A voice for one connection. */
void fuzzing_voice_init(struct fuzzing_voice *voice, uint64_t seed, bool is_always_honest);

/* Answer a command. */
enum fuzzing_fate fuzzing_answer(struct fuzzing_voice *voice, const struct kit_frame *frame,
                                 struct fuzzing_text *out);

#endif
