/* SPDX-License-Identifier: MIT */
/* engine/password.h — the password of one handshake: from the settings, read from its file, or asked
 * of the application. */
#ifndef FACI_ENGINE_PASSWORD_H
#define FACI_ENGINE_PASSWORD_H

#include "base/secret.h"
#include "engine/conn.h"

#include <faciliter/error.h>

#include <stdint.h>

enum {
    FACI_PASSWORD_MAX_BYTES = 4096
};

/* Asks the application, on a thread of its own: it may take longer than the call that needs it. */
struct faci_asker;

struct faci_password {
    const struct faci_secret *text; /* NULL: no password */
    int64_t expires_ns;             /* FACI_NEVER_NS: not announced */
    struct faci_secret *owned;
};

/* FAC_OK, FAC_E_NOMEM. */
fac_status faci_asker_new(const fac_allocator *alloc, fac_password_fn *fn, void *context,
                          struct faci_asker **out, fac_error *err);

/* No call may be in it. A thread that hangs in the application goes on without us. NULL is fine. */
void faci_asker_free(struct faci_asker *asker);

/* Hold and free its locks around a fork. */
void faci_asker_lock(struct faci_asker *asker);
void faci_asker_unlock(struct faci_asker *asker);

/* Make those who wait, and later ones, return FAC_E_CLOSED. Any thread. */
void faci_asker_close(struct faci_asker *asker);

/*
 * Read or asked anew each time, so that a change counts at the next connect. Of a file, one line
 * end, LF or CRLF, is no part of it. Callers at the same time share one question to the application.
 * FAC_OK; FAC_E_CONFIG (the file cannot be read, is readable by others, too long, or holds a NUL);
 * FAC_E_AUTH (the application has none); FAC_E_TIMEOUT, FAC_E_CLOSED, FAC_E_NOMEM.
 */
fac_status faci_password_get(struct faci_password *out, const struct faci_engine_config *config,
                             int64_t deadline_ns, fac_error *err);

void faci_password_fini(struct faci_password *password);

/* Authenticate a connection anew when that is due; `is_shared`: others use it meanwhile. Failures are
 * logged, and tried again: the server decides how long the old password lasts. */
void faci_reauthenticate(struct faci_conn *conn, bool is_shared, int64_t now_ns,
                         int64_t deadline_ns);

/* Note until when a connection is authenticated. */
void faci_note_expiry(struct faci_conn *conn, int64_t now_ns, int64_t expires_ns);

#endif
