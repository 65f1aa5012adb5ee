/* SPDX-License-Identifier: MIT */
/* engine/mux.h — many callers on one connection. Whoever finds nobody reading reads for all;
 * frames that gather go out as one; nobody's reply depends on a thread of the library's. Any
 * thread that has a part in the connection (pool.h). */
#ifndef FACI_ENGINE_MUX_H
#define FACI_ENGINE_MUX_H

#include "engine/conn.h"

#include <faciliter/error.h>

#include <stdbool.h>
#include <stdint.h>

enum {
    FACI_MUX_FRAME_MAX_BYTES = 16 * 1024, /* a larger request holds up those behind it */
};

/*
 * Put a request on the connection, and wait for its reply until the deadline. `now_ns` is the
 * time, which the caller knows already.
 *
 * FAC_OK and the server's error come with `*out`. FAC_E_TIMEOUT leaves the connection as it is: the
 * reply will be dropped when it comes. FAC_E_BUSY: too much is under way. FAC_E_NOMEM: nothing was
 * added, or the value could not be kept. Otherwise, what killed the connection.
 * `*out_sent`: bytes of the request may have left; false also for one that was refused or removed
 * in time.
 */
fac_status faci_mux_call(struct faci_conn *conn, const struct faci_request *request,
                         int64_t now_ns, int64_t deadline_ns, struct faci_answer *out,
                         bool *out_sent, fac_error *err);

/* Poison it and let everybody who waits on it go. Any thread. */
void faci_mux_end(struct faci_conn *conn, fac_status death, int os_errno, const char *text);

/* When the oldest request that has no answer was sent, and when it will have waited too long;
 * FACI_NEVER_NS: there is none. Nobody may be on the connection. */
int64_t faci_mux_waits_since(struct faci_conn *conn);
int64_t faci_mux_stalls_at(struct faci_conn *conn);

/* From an exclusive user to many, and back. Nobody may be on the connection. */
void faci_mux_begin(struct faci_conn *conn, int64_t now_ns);

#endif
