/* SPDX-License-Identifier: MIT */
/* engine/mux.c — frames out, replies in.
 *
 * Design notes. The connection has one user at a time, who may have several requests under way.
 * A slot and its frame are added in one step: both or neither. Replies complete slots in order;
 * the reader is never fed unless a slot is due or only pushes may come. Whatever leaves the
 * stream's position in doubt (a send that failed half-way, a malformed or mis-shaped reply, a
 * deadline with a reply outstanding) kills the connection before anything else happens. While
 * sending, replies are read: a server that waits for us to read never makes us wait to send. */
#include "engine/mux.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/server_error.h"

#include <errno.h>
#include <string.h>

/* What the reader is given as a sink: passes on to the slot that is due. */
struct head {
    struct faci_sink sink; /* first */
    struct faci_conn *conn;
};

static struct faci_conn *conn_of(struct faci_sink *sink)
{
    return ((struct head *)(void *)sink)->conn;
}

static struct faci_slot *due_slot(struct faci_conn *conn)
{
    return &conn->slots[conn->due % FACI_CONN_SLOTS];
}

/* --- What the reader tells ------------------------------------------------------------------ */

static bool is_kept_here(const struct faci_slot *slot)
{
    return slot->type == FAC_REPLY_ERROR || slot->type == FAC_REPLY_STATUS;
}

static void on_begin(struct faci_sink *sink, fac_reply_type type, int64_t number,
                     unsigned depth)
{
    struct faci_conn *conn = conn_of(sink);
    struct faci_slot *slot = due_slot(conn);
    if (depth == 0) {
        slot->type = type;
        slot->number = number;
        slot->text_len = 0;
        if (!faci_command_can_get(slot->command, type)) {
            faci_conn_poison(conn, FAC_E_PROTOCOL, 0, "a reply of a type that cannot be one");
        }
    }
    if (slot->sink != NULL && slot->type != FAC_REPLY_ERROR) {
        slot->sink->ops->begin(slot->sink, type, number, depth);
    }
}

static void on_data(struct faci_sink *sink, const void *bytes, size_t len)
{
    struct faci_slot *slot = due_slot(conn_of(sink));
    if (is_kept_here(slot)) {
        size_t room = sizeof(slot->text) - slot->text_len;
        size_t n = len < room ? len : room;
        memcpy(slot->text + slot->text_len, bytes, n);
        slot->text_len += n;
    }
    if (slot->sink != NULL && slot->type != FAC_REPLY_ERROR) {
        slot->sink->ops->data(slot->sink, bytes, len);
    }
}

static void on_end(struct faci_sink *sink)
{
    struct faci_slot *slot = due_slot(conn_of(sink));
    if (slot->sink != NULL && slot->type != FAC_REPLY_ERROR) {
        slot->sink->ops->end(slot->sink);
    }
}

static const struct faci_sink_ops k_sink_ops = {on_begin, on_data, on_end};

enum {
    DRAIN_READS_MAX = 64
}; /* of what came while nobody waited: more is no push traffic */

/* --- Bytes in ------------------------------------------------------------------------------- */

static void set_reply_limit(struct faci_conn *conn)
{
    uint64_t limit = conn->due < conn->next ? due_slot(conn)->max_reply_bytes : 0;
    conn->reader.max_reply_bytes = limit > 0 ? limit : UINT64_MAX;
}

/* All of it is consumed, or the connection dies. */
static void feed(struct faci_conn *conn, const unsigned char *in, size_t len)
{
    const unsigned char *end = in + len;
    struct head head = {{&k_sink_ops}, conn};
    while (in < end && !conn->is_dead) {
        bool is_due = conn->due < conn->next;
        set_reply_limit(conn);
        enum faci_read_result result = faci_reader_feed(&conn->reader, &in, end,
                                                        is_due ? &head.sink : NULL);
        switch (result) {
        case FACI_READ_REPLY:
            if (!conn->is_dead) {
                due_slot(conn)->state = FACI_SLOT_DONE;
                conn->due++;
            }
            break;
        case FACI_READ_MALFORMED:
            faci_conn_poison(conn, FAC_E_PROTOCOL, 0, conn->reader.error_text);
            break;
        case FACI_READ_TOO_LARGE:
            faci_conn_poison(conn, FAC_E_TOO_LARGE, 0, conn->reader.error_text);
            break;
        case FACI_READ_MORE:
        case FACI_READ_PUSH:
            break;
        }
    }
}

/* A large reply fills the buffer each time: receive it in larger pieces. */
static void grow_rx(struct faci_conn *conn)
{
    if (conn->rx_cap < FACI_CONN_RX_MAX_BYTES) {
        unsigned char *larger = faci_mem_alloc(conn->config->alloc, conn->rx_cap * 4);
        if (larger != NULL) {
            faci_mem_free(conn->config->alloc, conn->rx);
            conn->rx = larger;
            conn->rx_cap *= 4;
        }
    }
}

static void take_in(struct faci_conn *conn, ssize_t n)
{
    if (n > 0) {
        conn->is_roomy = conn->is_roomy || (size_t)n > FACI_CONN_RX_BYTES;
        feed(conn, conn->rx, (size_t)n);
        if ((size_t)n == conn->rx_cap) {
            grow_rx(conn);
        }
    } else if (n == 0) {
        faci_conn_poison(conn, FAC_E_UNAVAILABLE, 0, "the server closed the connection");
    } else if (errno == ETIME) {
        faci_conn_poison(conn, FAC_E_TIMEOUT, 0, "no answer in time");
    } else {
        faci_conn_poison(conn, FAC_E_UNAVAILABLE, errno, "the connection was lost");
    }
}

/* Take in what has arrived, without waiting. */
static void drain(struct faci_conn *conn)
{
    for (unsigned i = 0; !conn->is_dead; i++) {
        if (i == DRAIN_READS_MAX) {
            faci_conn_poison(conn, FAC_E_PROTOCOL, 0, "a flood that nobody asked for");
            return;
        }
        ssize_t n = faci_stream_receive_some(&conn->stream, conn->rx, conn->rx_cap);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        take_in(conn, n);
    }
}

bool faci_mux_is_alive(struct faci_conn *conn)
{
    drain(conn);
    return faci_conn_is_reusable(conn);
}

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
    unsigned ready = faci_stream_wait(&conn->stream, true, deadline_ns);
    if (ready == FACI_READY_LATE) {
        faci_conn_poison(conn, FAC_E_TIMEOUT, 0, "the server did not read in time");
    } else if ((ready & FACI_READY_READ) != 0) {
        ssize_t n = faci_stream_receive_some(&conn->stream, conn->rx, conn->rx_cap);
        if (n >= 0 || errno != EAGAIN) {
            take_in(conn, n);
        }
    }
}

/* Send all that gathered, then `extra`. */
static fac_status flush(struct faci_conn *conn, fac_bytes extra, int64_t deadline_ns,
                        fac_error *err)
{
    while (!conn->is_dead && (faci_buf_len(&conn->tx) > 0 || extra.len > 0)) {
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
            drain(conn);
            faci_conn_poison(conn, FAC_E_UNAVAILABLE, send_errno, "the connection was lost");
        }
    }
    return conn->is_dead ? faci_conn_fail(conn, err) : FAC_OK;
}

/* --- Requests ------------------------------------------------------------------------------- */

bool faci_mux_has_room(const struct faci_conn *conn)
{
    return conn->next - conn->first < FACI_CONN_SLOTS;
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

static struct faci_slot *push_slot(struct faci_conn *conn, const struct faci_request *request)
{
    struct faci_slot *slot = &conn->slots[conn->next++ % FACI_CONN_SLOTS];
    faci_assert(slot->state == FACI_SLOT_FREE);
    slot->state = FACI_SLOT_WAITING;
    slot->command = request->command;
    slot->sink = request->sink;
    slot->max_reply_bytes = request->max_reply_bytes;
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
    *out = push_slot(conn, request);
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
            if (st < 0 && (*out)->state == FACI_SLOT_DONE) {
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

fac_status faci_mux_submit(struct faci_conn *conn, const struct faci_request *request,
                           int64_t deadline_ns, struct faci_slot **out, fac_error *err)
{
    faci_assert(faci_mux_has_room(conn));
    if (conn->is_dead) {
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
    unsigned char *end = faci_resp_put_frame(conn->tx.data + conn->tx.end, request->args,
                                             request->n_args);
    conn->tx.end = (size_t)(end - conn->tx.data);
    *out = push_slot(conn, request);
    return FAC_OK;
}

fac_status faci_mux_wait(struct faci_conn *conn, struct faci_slot *slot, int64_t deadline_ns,
                         fac_error *err)
{
    faci_assert(slot != NULL);
    if (slot->state != FACI_SLOT_DONE && faci_buf_len(&conn->tx) > 0) {
        fac_bytes nothing = {NULL, 0};
        fac_status st = flush(conn, nothing, deadline_ns, err);
        if (st < 0 && slot->state != FACI_SLOT_DONE) {
            return st;
        }
    }
    while (slot->state != FACI_SLOT_DONE) {
        if (conn->is_dead) {
            return faci_conn_fail(conn, err);
        }
        take_in(conn, faci_stream_receive(&conn->stream, conn->rx, conn->rx_cap, deadline_ns));
    }
    return FAC_OK;
}

fac_status faci_mux_result(const struct faci_slot *slot, fac_error *err)
{
    faci_assert(slot->state == FACI_SLOT_DONE);
    if (slot->type == FAC_REPLY_ERROR) {
        return faci_server_error(err, slot->command->name, fac_mem(slot->text, slot->text_len));
    }
    return FAC_OK;
}

void faci_mux_release(struct faci_conn *conn, struct faci_slot *slot)
{
    faci_assert(slot == &conn->slots[conn->first % FACI_CONN_SLOTS]);
    faci_assert(slot->state == FACI_SLOT_DONE);
    slot->state = FACI_SLOT_FREE;
    slot->sink = NULL;
    conn->first++;
}

fac_status faci_mux_call(struct faci_conn *conn, const struct faci_request *request,
                         int64_t deadline_ns, struct faci_slot *out, fac_error *err)
{
    struct faci_slot *slot = NULL;
    fac_status st = faci_mux_submit(conn, request, deadline_ns, &slot, err);
    if (st < 0) {
        return st;
    }
    faci_assert(slot != NULL);
    st = faci_mux_wait(conn, slot, deadline_ns, err);
    if (st < 0) {
        return st;
    }
    *out = *slot;
    faci_mux_release(conn, slot);
    return faci_mux_result(out, err);
}
