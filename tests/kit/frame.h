/* SPDX-License-Identifier: MIT */
/* kit/frame.h — a strict reader of what a client sends: arrays of bulk strings in canonical form.
 * Written apart from the library's encoder. Servers are more lenient, so they hide mistakes. */
#ifndef FAC_KIT_FRAME_H
#define FAC_KIT_FRAME_H

#include <faciliter/value.h>

#include <stdbool.h>
#include <stddef.h>

struct kit_frame {
    fac_bytes *args; /* into the input; the array is the frame's */
    size_t n_args;
    size_t cap_args;
    size_t bytes;        /* of the whole frame */
    const char *problem; /* a constant, when malformed */
};

enum kit_frame_result {
    KIT_FRAME_MORE,      /* the input is a proper beginning */
    KIT_FRAME_WHOLE,     /* one frame; its first `bytes` bytes of input */
    KIT_FRAME_MALFORMED, /* `problem` says why */
};

/* A zeroed frame is a valid start and is reused from call to call. */
enum kit_frame_result kit_frame_parse(struct kit_frame *frame, const unsigned char *in,
                                      size_t len);
void kit_frame_fini(struct kit_frame *frame);

/* Whether an argument says `text`, without regard to case. False beyond the last argument. */
bool kit_frame_says(const struct kit_frame *frame, size_t index, const char *text);

#endif
