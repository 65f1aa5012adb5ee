/* SPDX-License-Identifier: MIT */
/* engine/mux.h — submit and wait: requests onto a connection, replies to the slot that is due.
 * Frame and expectation are one step, so a reply can only reach the request that caused it. */
#ifndef FACI_ENGINE_MUX_H
#define FACI_ENGINE_MUX_H

#include "engine/conn.h"
#include "resp/encode.h"

#include <faciliter/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct faci_request {
    const struct faci_command *command;
    const struct faci_arg
        *args; /* the command's name among them; borrowed until submit returns */
    size_t n_args;
    struct faci_sink *sink;   /* gets the reply if it is no error; lives until release or the
                                 connection's death; NULL: only the slot's own fields matter */
    uint64_t max_reply_bytes; /* 0: no limit but the reader's own */
};

/* Room for one more request without waiting for the oldest. */
bool faci_mux_has_room(const struct faci_conn *conn);

/*
 * Put a request on the connection and get its slot. Small frames are only gathered: wait() sends
 * them, or the submit that finds more than FACI_CONN_COPY_BYTES of them. An argument over FACI_CONN_COPY_BYTES is sent here, from the caller's memory, while
 * replies that come meanwhile are read.
 * FAC_OK; FAC_E_NOMEM (nothing was added; the connection is good); or what killed the connection.
 */
fac_status faci_mux_submit(struct faci_conn *conn, const struct faci_request *request,
                           int64_t deadline_ns, struct faci_slot **out, fac_error *err);

/*
 * Send what gathered and read until the slot's reply is complete. The caller then looks at the
 * slot: an error of the server is a reply too (faci_mux_result tells).
 * FAC_OK, or what killed the connection; FAC_E_TIMEOUT kills it too.
 */
fac_status faci_mux_wait(struct faci_conn *conn, struct faci_slot *slot, int64_t deadline_ns,
                         fac_error *err);

/* What a DONE slot holds, as a status: FAC_OK, or the server's error. */
fac_status faci_mux_result(const struct faci_slot *slot, fac_error *err);

/* End the oldest slot, which must be this one and DONE. */
void faci_mux_release(struct faci_conn *conn, struct faci_slot *slot);

/* submit, wait, result and release for a request without a successor. `*out` is a copy. */
fac_status faci_mux_call(struct faci_conn *conn, const struct faci_request *request,
                         int64_t deadline_ns, struct faci_slot *out, fac_error *err);

/* Look whether an idle connection still stands: pushes that came meanwhile are taken in; its end,
 * or a reply nobody asked for, kills it. Does not wait. */
bool faci_mux_is_alive(struct faci_conn *conn);

#endif
