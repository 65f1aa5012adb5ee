/* SPDX-License-Identifier: MIT */
/* resp/encode.h — commands to bytes: arrays of bulk strings, nothing else. Lengths come from
 * ranges, never from text, so no argument can end another one. */
#ifndef FACI_RESP_ENCODE_H
#define FACI_RESP_ENCODE_H

#include <faciliter/value.h>

#include <stdbool.h>
#include <stddef.h>

/* One bulk string, in two pieces that are sent one behind the other (prefix and name of a key). */
struct faci_arg {
    fac_bytes head;
    fac_bytes tail;
};

enum {
    FACI_RESP_HEADER_MAX_BYTES = 1 + 20 + 2
}; /* mark, digits of a size_t, CRLF */

/* Bytes that a command takes on the wire; false when they do not fit a size_t. */
bool faci_resp_frame_bytes(const struct faci_arg *args, size_t n_args, size_t *out);

/* Write a command: exactly faci_resp_frame_bytes() bytes. Returns the byte behind it. */
unsigned char *faci_resp_put_frame(unsigned char *to, const struct faci_arg *args,
                                   size_t n_args);

/* Its parts, for a command that is sent in pieces: "*n\r\n" or "$n\r\n" (mark is '*' or '$'), and
 * a whole bulk string with header and end. */
unsigned char *faci_resp_put_header(unsigned char *to, char mark, size_t number);
unsigned char *faci_resp_put_arg(unsigned char *to, const struct faci_arg *arg);

#endif
