/* SPDX-License-Identifier: MIT */
/* engine/secret.h — the password of one handshake: from the settings, or read from its file. */
#ifndef FACI_ENGINE_SECRET_H
#define FACI_ENGINE_SECRET_H

#include "engine/conn.h"

#include <faciliter/error.h>

enum {
    FACI_SECRET_MAX_BYTES = 4096
};

struct faci_secret {
    const char *text; /* NULL: no password */
    char *owned;      /* what was read from a file; zeroed at the end */
    const fac_allocator *alloc;
};

/* Read anew each time, so that a changed file counts at the next connect. One line
 * end, LF or CRLF, is not part of it. FAC_OK, FAC_E_CONFIG (cannot be read, too long, or holds a NUL), FAC_E_NOMEM. */
fac_status faci_secret_load(struct faci_secret *secret, const struct faci_engine_config *config,
                            fac_error *err);

void faci_secret_fini(struct faci_secret *secret);

#endif
