/* SPDX-License-Identifier: MIT */
/* engine/pipeline.c — one caller's frames out, their replies in.
 *
 * Design notes. The connection has one user, who may have several requests under way. A slot and
 * its frame are added in one step: both or neither. Whatever leaves the stream's position in doubt
 * (a send that failed half-way, a deadline with a reply outstanding) kills the connection before
 * anything else happens. While sending, replies are read: a server that waits for us to read never
 * makes us wait to send. */
#include "engine/pipeline.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/intake.h"
#include "engine/server_error.h"

#include <errno.h>
#include <string.h>

/* --- Bytes out ------------------------------------------------------------------------------ */

static void consume_sent(struct faci_conn *conn, fac_bytes *extra, size_t n)
{
    conn->n_sent += n;
    size_t from_tx = n < faci_buf_len(&conn->tx) ? n : faci_buf_len(&conn->tx);
    faci_buf_consume(&conn->tx, from_tx);
    extra->data = (const char *)extra->data + (n - from_tx);
    extra->len -= n - from_tx;
}

static void wait_to_send(struct faci_conn *conn, int64_t deadline_ns)
{
    unsigned ready = faci_stream_wait(&conn->stream, FACI_READY_READ | FACI_READY_WRITE,
                                      deadline_ns);
    if (ready == FACI_READY_LATE || faci_clock_left_ns(deadline_ns) == 0) {
        faci_conn_poison(conn, FAC_E_TIMEOUT, 0, "the server did not read in time");
    } else if ((ready & FACI_READY_READ) != 0) {
        ssize_t n = faci_stream_receive_some(&conn->stream, conn->rx, conn->rx_cap);
        if (n >= 0 || errno != EAGAIN) {
            faci_intake(conn, n);
        }
    }
}

/* Send all that gathered, then `extra`. */
static fac_status flush(struct faci_conn *conn, fac_bytes extra, int64_t deadline_ns,
                        fac_error *err)
{
    atomic_store_explicit(&conn->n_flushed, conn->n_appended, memory_order_relaxed);
    faci_line_take_all_unsent(&conn->line);
    conn->was_wordy = conn->was_wordy || faci_buf_len(&conn->tx) > FACI_CONN_TX_BYTES;
    while (!faci_conn_is_poisoned(conn) && (faci_buf_len(&conn->tx) > 0 || extra.len > 0)) {
        struct iovec parts[2];
        int n_parts = 0;
        if (faci_buf_len(&conn->tx) > 0) {
            parts[n_parts].iov_base = conn->tx.data + conn->tx.begin;
            parts[n_parts++].iov_len = faci_buf_len(&conn->tx);
        }
        if (extra.len > 0) {
            parts[n_parts].iov_base = (void *)(uintptr_t)extra.data; /* only read */
            parts[n_parts++].iov_len = extra.len;
        }
        ssize_t n = faci_stream_send_some(&conn->stream, parts, n_parts);
        if (n >= 0) {
            consume_sent(conn, &extra, (size_t)n);
            if (extra.len > 0 && faci_clock_left_ns(deadline_ns) == 0) {
                faci_conn_poison(conn, FAC_E_TIMEOUT, 0, "the server did not read in time");
            }
        } else if (errno == EAGAIN) {
            wait_to_send(conn, deadline_ns);
        } else {
            /* The server may have said why before it closed: that answers the requests. */
            int send_errno = errno;
            faci_intake_drain(conn);
            faci_conn_poison(conn, FAC_E_UNAVAILABLE, send_errno, "the connection was lost");
        }
    }
    return faci_conn_is_poisoned(conn) ? faci_conn_fail(conn, err) : FAC_OK;
}

/* --- Requests ------------------------------------------------------------------------------- */

bool faci_pipeline_has_room(const struct faci_conn *conn)
{
    return conn->n_appended - conn->n_taken < FACI_CONN_PIPELINE_SLOTS;
}

static bool has_large_arg(const struct faci_request *request)
{
    for (size_t i = 0; i < request->n_args; i++) {
        if (request->args[i].tail.len > FACI_CONN_COPY_BYTES) {
            return true;
        }
    }
    return false;
}

/* NULL: no memory. */
static struct faci_slot *append_slot(struct faci_conn *conn, const struct faci_request *request)
{
    struct faci_slot *slot = faci_line_append(&conn->line);
    if (slot != NULL) {
        slot->command = request->command;
        slot->sink = request->sink;
        slot->max_reply_bytes = request->max_reply_bytes;
        conn->n_appended++;
    }
    return slot;
}

/* Everything but the large arguments is gathered; each of those is sent where it stands. Once the
 * first byte is in tx the frame must be finished or the connection end. */
static fac_status submit_in_pieces(struct faci_conn *conn, const struct faci_request *request,
                                   int64_t deadline_ns, struct faci_slot **out, fac_error *err)
{
    struct faci_buf *tx = &conn->tx;
    if (!faci_buf_reserve(tx, FACI_RESP_HEADER_MAX_BYTES)) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    *out = append_slot(conn, request);
    if (*out == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    tx->end = (size_t)(faci_resp_put_header(tx->data + tx->end, '*', request->n_args) -
                       tx->data);
    fac_status st = FAC_OK;
    for (size_t i = 0; i < request->n_args && st == FAC_OK; i++) {
        const struct faci_arg *arg = &request->args[i];
        size_t len = arg->head.len + arg->tail.len;
        bool is_large = arg->tail.len > FACI_CONN_COPY_BYTES;
        size_t copied = is_large ? arg->head.len : len;
        if (!faci_buf_reserve(tx, copied + FACI_RESP_HEADER_MAX_BYTES + 2)) {
            faci_conn_poison(conn, FAC_E_NOMEM, 0, "out of memory");
            return faci_conn_fail(conn, err);
        }
        if (!is_large) {
            tx->end = (size_t)(faci_resp_put_arg(tx->data + tx->end, arg) - tx->data);
        } else {
            unsigned char *to = faci_resp_put_header(tx->data + tx->end, '$', len);
            to = faci_bytes_put(to, arg->head);
            tx->end = (size_t)(to - tx->data);
            st = flush(conn, arg->tail, deadline_ns, err);
            if (st < 0 && faci_slot_state(*out) == FACI_SLOT_DONE) {
                return FAC_OK; /* refused before it was all sent: that is the answer */
            }
            if (st == FAC_OK && !faci_buf_reserve(tx, 2)) {
                faci_conn_poison(conn, FAC_E_NOMEM, 0, "out of memory");
                st = faci_conn_fail(conn, err);
            } else if (st == FAC_OK) {
                tx->end = (size_t)(faci_bytes_put(tx->data + tx->end, fac_mem("\r\n", 2)) -
                                   tx->data);
            }
        }
    }
    return st;
}

fac_status faci_pipeline_submit(struct faci_conn *conn, const struct faci_request *request,
                                int64_t deadline_ns, struct faci_slot **out, fac_error *err)
{
    faci_assert(faci_pipeline_has_room(conn));
    if (faci_conn_is_poisoned(conn)) {
        return faci_conn_fail(conn, err);
    }
    if (has_large_arg(request)) {
        return submit_in_pieces(conn, request, deadline_ns, out, err);
    }
    if (faci_buf_len(&conn->tx) > FACI_CONN_COPY_BYTES) {
        fac_status st = flush(conn, fac_mem(NULL, 0), deadline_ns, err);
        if (st < 0) {
            return st;
        }
    }
    size_t bytes = 0;
    if (!faci_resp_frame_bytes(request->args, request->n_args, &bytes) ||
        !faci_buf_reserve(&conn->tx, bytes)) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    *out = append_slot(conn, request);
    if (*out == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    unsigned char *end = faci_resp_put_frame(conn->tx.data + conn->tx.end, request->args,
                                             request->n_args);
    conn->tx.end = (size_t)(end - conn->tx.data);
    return FAC_OK;
}

fac_status faci_pipeline_wait(struct faci_conn *conn, struct faci_slot *slot,
                              int64_t deadline_ns, fac_error *err)
{
    faci_assert(slot != NULL);
    if (faci_slot_state(slot) != FACI_SLOT_DONE && faci_buf_len(&conn->tx) > 0) {
        fac_bytes nothing = {NULL, 0};
        fac_status st = flush(conn, nothing, deadline_ns, err);
        if (st < 0 && faci_slot_state(slot) != FACI_SLOT_DONE) {
            return st;
        }
    }
    while (faci_slot_state(slot) != FACI_SLOT_DONE) {
        if (faci_conn_is_poisoned(conn)) {
            return faci_conn_fail(conn, err);
        }
        faci_intake(conn,
                    faci_stream_receive(&conn->stream, conn->rx, conn->rx_cap, deadline_ns));
        conn->wakes.n = 0; /* nobody sleeps */
    }
    return FAC_OK;
}

fac_status faci_pipeline_result(const struct faci_slot *slot, fac_error *err)
{
    faci_assert(faci_slot_state(slot) == FACI_SLOT_DONE);
    return faci_answer_status(slot->command, &slot->answer, err);
}

void faci_pipeline_release(struct faci_conn *conn, struct faci_slot *slot)
{
    faci_assert(faci_slot_state(slot) == FACI_SLOT_DONE);
    slot->sink = NULL;
    conn->n_taken++;
    faci_slot_release(conn->config->alloc, slot);
}

fac_status faci_pipeline_call(struct faci_conn *conn, const struct faci_request *request,
                              int64_t deadline_ns, struct faci_answer *out, fac_error *err)
{
    struct faci_slot *slot = NULL;
    fac_status st = faci_pipeline_submit(conn, request, deadline_ns, &slot, err);
    if (st < 0) {
        return st;
    }
    faci_assert(slot != NULL);
    st = faci_pipeline_wait(conn, slot, deadline_ns, err);
    if (st < 0) {
        return st;
    }
    *out = slot->answer;
    st = faci_pipeline_result(slot, err);
    faci_pipeline_release(conn, slot);
    return st;
}
