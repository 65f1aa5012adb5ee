/* SPDX-License-Identifier: MIT */
/* engine/mux_send.h — the sending side of a shared connection: for mux.c. */
#ifndef FACI_ENGINE_MUX_SEND_H
#define FACI_ENGINE_MUX_SEND_H

#include "engine/conn.h"

#include <stdbool.h>
#include <stdint.h>

/* Requests that were handed to the sending side. Exact under the lock. */
static inline uint64_t faci_mux_flushed(const struct faci_conn *conn)
{
    return atomic_load_explicit(&conn->n_flushed, memory_order_relaxed);
}

/* So much has been answered by now: what does a round trip take? */
void faci_mux_measure_locked(struct faci_conn *conn, int64_t now_ns) FACI_REQUIRES(&conn->lock);

/* Whether the way to the server costs more than a system call and a wake-up; so while unknown. */
bool faci_mux_is_far(const struct faci_conn *conn);

/* Whether what gathered must leave now: the reader would not come to it soon. */
bool faci_mux_is_send_due_locked(const struct faci_conn *conn) FACI_REQUIRES(&conn->lock);

/* Whether a near connection has several callers: who waits a moment gets more done at once. */
bool faci_mux_is_crowded(const struct faci_conn *conn);

/* Whether what gathered waits for more: all before it is answered, and those who were woken with
 * the last replies may have more to send. */
bool faci_mux_awaits_more_locked(const struct faci_conn *conn) FACI_REQUIRES(&conn->lock);

/* True: the caller is the sender now, and calls faci_mux_send_loaded(). */
bool faci_mux_become_sender_locked(struct faci_conn *conn, int64_t now_ns)
    FACI_REQUIRES(&conn->lock);

/* The sender sends what it loaded, and what gathered meanwhile if that should not wait. True: a
 * rest is left, which somebody has to send when the kernel takes it. */
bool faci_mux_send_loaded(struct faci_conn *conn);

/* The kernel takes bytes again: go on where the last sender stopped. True: a rest is left. */
bool faci_mux_send_rest(struct faci_conn *conn);

static inline bool faci_mux_has_rest(const struct faci_conn *conn)
{
    return atomic_load_explicit(&conn->has_rest, memory_order_relaxed);
}

/* Wait a moment, at most until the deadline, for the kernel to take the rest. True: one is left. */
bool faci_mux_push_rest(struct faci_conn *conn, int64_t deadline_ns);

/* The caller sent, and leaves; the kernel did not take all. Its reader may be asleep and not know,
 * so it stays until all has left, or somebody else sends. At its deadline those who wait are told. */
void faci_mux_settle_rest(struct faci_conn *conn, int64_t deadline_ns);

/* Everybody who waits looks again. */
void faci_mux_wake_line_locked(struct faci_conn *conn) FACI_REQUIRES(&conn->lock);

#endif
