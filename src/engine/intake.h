/* SPDX-License-Identifier: MIT */
/* engine/intake.h — bytes in: what a connection receives is cut into replies, and each completes
 * the request that is due. Called by the one who reads the connection. */
#ifndef FACI_ENGINE_INTAKE_H
#define FACI_ENGINE_INTAKE_H

#include "engine/conn.h"

#include <stdbool.h>
#include <sys/types.h>

/* What a receive returned into conn->rx, errno included: the replies in it are matched, or the
 * connection is poisoned (at its end, too). Groups whose sleepers have a reply are in conn->wakes. */
void faci_intake(struct faci_conn *conn, ssize_t n);

/* Take in what has arrived, without waiting. */
void faci_intake_drain(struct faci_conn *conn);

/* Whether a reply may come: the oldest request that was sent and has none yet; NULL: none is due.
 * Cancelled requests before it are ended. */
struct faci_slot *faci_intake_due(struct faci_conn *conn);

/* Wake all who were completed since the last call. */
void faci_intake_wake(struct faci_conn *conn);

/* Look whether a connection that nobody uses still stands: pushes that came meanwhile are taken
 * in; its end, or a reply nobody asked for, kills it. Does not wait. */
bool faci_intake_is_alive(struct faci_conn *conn);

#endif
