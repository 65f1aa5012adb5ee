/* SPDX-License-Identifier: MIT */
/* base/secret.h — a text that must not leak: on pages of its own, locked, left out of core files,
 * overwritten at its end. There is no way to format one. */
#ifndef FACI_BASE_SECRET_H
#define FACI_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct faci_secret;

/* A copy of `len` bytes without a NUL. NULL: no memory. Not from the cache's allocator: that one
 * knows nothing of pages. */
struct faci_secret *faci_secret_new(const char *bytes, size_t len);

/* Room for `cap` bytes, to be filled through faci_secret_room(); all zero until then. */
struct faci_secret *faci_secret_new_empty(size_t cap);
char *faci_secret_room(struct faci_secret *secret);

/* What faci_secret_room() was filled with is `len` bytes long. */
void faci_secret_set_len(struct faci_secret *secret, size_t len);

/* Overwrite and give back; NULL is fine. */
void faci_secret_free(struct faci_secret *secret);

/* The bytes, for the one place that puts them on the wire. NUL-terminated; NULL gives NULL. */
const char *faci_secret_reveal(const struct faci_secret *secret);
size_t faci_secret_len(const struct faci_secret *secret);

/* Whether both are the same, or both NULL. How long it takes tells nothing but the lengths. */
bool faci_secret_equal(const struct faci_secret *a, const struct faci_secret *b);

#endif
