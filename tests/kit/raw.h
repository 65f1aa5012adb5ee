/* SPDX-License-Identifier: MIT */
/* kit/raw.h — a look at a server behind the library's back: a RESP2 client of its own, blocking,
 * with a bound of ten seconds on everything. One thread at a time. */
#ifndef FAC_KIT_RAW_H
#define FAC_KIT_RAW_H

#include <faciliter/value.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kit_raw;

/* Connect; NULL with errno when that fails. `host` is an address. */
struct kit_raw *kit_raw_tcp(const char *host, uint16_t port);
struct kit_raw *kit_raw_unix(const char *path);
void kit_raw_close(struct kit_raw *raw); /* NULL is fine */

/* Send bytes as they are; false when the connection failed. */
bool kit_raw_send(struct kit_raw *raw, const void *bytes, size_t len);

/*
 * Read one reply as text: the bytes of a string as they are, a number in decimal, "-…" for an
 * error, "(nil)", and for an array its elements' texts, each followed by a newline. Borrowed until
 * the next call, NUL-terminated; NULL on a failed connection or what is no RESP.
 */
const char *kit_raw_reply(struct kit_raw *raw, size_t *out_len);

/* Send one command and read its reply; asserts that both worked. */
const char *kit_raw_ask(struct kit_raw *raw, const char *name, ...)
    __attribute__((sentinel)); /* C strings, then NULL */
const char *kit_raw_ask_bytes(struct kit_raw *raw, const fac_bytes *args, size_t n_args,
                              size_t *out_len);

/* The reply as a number; asserts that it is one. */
int64_t kit_raw_ask_number(struct kit_raw *raw, const char *name, const char *argument);

/* Connections the server has now, this one included. */
size_t kit_raw_count_clients(struct kit_raw *raw);

#endif
