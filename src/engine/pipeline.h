/* SPDX-License-Identifier: MIT */
/* engine/pipeline.h — submit and wait: one caller's requests on a connection that is his alone.
 * Frame and expectation are one step, so a reply can only reach the request that caused it. */
#ifndef FACI_ENGINE_PIPELINE_H
#define FACI_ENGINE_PIPELINE_H

#include "engine/conn.h"

#include <faciliter/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for one more request without waiting for the oldest. */
bool faci_pipeline_has_room(const struct faci_conn *conn);

/*
 * Put a request on the connection and get its slot. Small frames are only gathered: wait() sends
 * them, or the submit that finds more than FACI_CONN_COPY_BYTES of them. An argument over
 * FACI_CONN_COPY_BYTES is sent here, from the caller's memory, while replies that come meanwhile
 * are read.
 * FAC_OK; FAC_E_NOMEM (nothing was added; the connection is good); or what killed the connection:
 * then `*out` may be set, and its reply may even have come.
 */
fac_status faci_pipeline_submit(struct faci_conn *conn, const struct faci_request *request,
                                int64_t deadline_ns, struct faci_slot **out, fac_error *err);

/*
 * Send what gathered and read until the slot's reply is complete. The caller then looks at the
 * slot: an error of the server is a reply too (faci_pipeline_result tells).
 * FAC_OK, or what killed the connection; FAC_E_TIMEOUT kills it too.
 */
fac_status faci_pipeline_wait(struct faci_conn *conn, struct faci_slot *slot,
                              int64_t deadline_ns, fac_error *err);

/* What a DONE slot holds, as a status: FAC_OK, or the server's error. */
fac_status faci_pipeline_result(const struct faci_slot *slot, fac_error *err);

/* End a slot that is DONE; oldest first. */
void faci_pipeline_release(struct faci_conn *conn, struct faci_slot *slot);

/* submit, wait, result and release for a request without a successor. `*out` is a copy. */
fac_status faci_pipeline_call(struct faci_conn *conn, const struct faci_request *request,
                              int64_t deadline_ns, struct faci_answer *out, fac_error *err);

#endif
