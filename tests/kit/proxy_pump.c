/* SPDX-License-Identifier: MIT */
/* kit/proxy_pump.c — one connection of the proxy: bytes come in, grow old enough, and go on, as
 * far as the faults let them.
 *
 * Sockets are watched edge-triggered: can_read and can_write stay true until the kernel says
 * EAGAIN, or a read was short. So a connection costs no call that does nothing. */
#include "kit/kit.h"
#include "kit/proxy_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 4 * 1024 * 1024
};

/* --- Faults ---------------------------------------------------------------------------------- */

void proxy_conn_set(struct proxy_conn *conn, const struct kit_faults *faults)
{
    for (size_t i = 0; i < 2; i++) {
        struct proxy_flow *flow = &conn->flow[i];
        const struct kit_flow_faults *wanted = &faults->flow[i];
        flow->faults = *wanted;
        flow->random = kit_random(&conn->random);
        flow->cut_how = wanted->cut;
        flow->cut_at = KIT_NEVER;
        if (wanted->cut != KIT_CUT_NONE) {
            flow->cut_at = flow->n_out + (wanted->cut_mean > 0
                                              ? proxy_draw(conn, wanted->cut_mean)
                                              : wanted->cut_after);
        }
        flow->corrupt_at = KIT_NEVER;
        if (wanted->corrupt_xor != 0) {
            flow->corrupt_at = flow->n_out + (wanted->corrupt_mean > 0
                                                  ? proxy_draw(conn, wanted->corrupt_mean)
                                                  : wanted->corrupt_after);
        }
        flow->pace_left = 0;
        flow->pace_at_ns = 0;
    }
    conn->reply_cut = faults->reply_cut;
    conn->reply_cut_mean = faults->reply_cut_mean;
    conn->reply_cut_at = conn->n_replies + proxy_draw(conn, faults->reply_cut_mean);
    conn->reply = faults->reply;
    conn->reply_mean = faults->reply_mean;
    conn->reply_at = conn->n_replies + (faults->reply_mean > 0
                                            ? proxy_draw(conn, faults->reply_mean) - 1
                                            : faults->reply_after);
    conn->inserted = faults->inserted;
    conn->is_ready = true;
}

/* --- The buffer of one direction ------------------------------------------------------------- */

static void add_mark(struct proxy_flow *flow, uint64_t due_at_ns)
{
    if (flow->n_marks > 0) {
        size_t last = (flow->mark_first + flow->n_marks - 1) % flow->mark_cap;
        if (flow->marks[last].due_at_ns >= due_at_ns) {
            flow->marks[last].upto = flow->n_in;
            return;
        }
    }
    if (flow->n_marks == flow->mark_cap) {
        size_t old_cap = flow->mark_cap;
        flow->marks = proxy_grow(flow->marks, &flow->mark_cap, flow->n_marks + 1,
                                 sizeof(*flow->marks));
        /* What had wrapped around goes behind the rest. */
        if (flow->mark_first > 0) {
            memcpy(flow->marks + old_cap, flow->marks, flow->mark_first * sizeof(*flow->marks));
        }
    }
    size_t next = (flow->mark_first + flow->n_marks) % flow->mark_cap;
    flow->marks[next] = (struct proxy_mark){flow->n_in, due_at_ns};
    flow->n_marks++;
}

void proxy_flow_append(struct proxy_flow *flow, const unsigned char *bytes, size_t len,
                       uint64_t now_ns)
{
    if (flow->is_shut || len == 0) {
        return;
    }
    size_t held = (size_t)(flow->n_in - flow->n_out);
    if (flow->at + held + len > flow->cap) {
        if (held > 0) {
            memmove(flow->buf, flow->buf + flow->at, held);
        }
        flow->at = 0;
        flow->buf = proxy_grow(flow->buf, &flow->cap, held + len, 1);
    }
    memcpy(flow->buf + flow->at + held, bytes, len);
    flow->n_in += len;
    const struct kit_flow_faults *faults = &flow->faults;
    uint64_t jitter_ns = faults->jitter_ns > 0 ? kit_random(&flow->random) % faults->jitter_ns
                                               : 0;
    if (faults->delay_ns + faults->jitter_ns == 0 && flow->n_marks == 0) {
        flow->n_due = flow->n_in;
    } else {
        add_mark(flow, now_ns + faults->delay_ns + jitter_ns);
    }
}

/* Let go what has grown old enough. */
static void grow_old(struct proxy_flow *flow, uint64_t now_ns)
{
    while (flow->n_marks > 0 && flow->marks[flow->mark_first].due_at_ns <= now_ns) {
        flow->n_due = flow->marks[flow->mark_first].upto;
        flow->mark_first = (flow->mark_first + 1) % flow->mark_cap;
        flow->n_marks--;
    }
}

/* How many bytes the next send may have. */
static size_t next_bytes(struct proxy_conn *conn, struct proxy_flow *flow, uint64_t now_ns)
{
    const struct kit_flow_faults *faults = &flow->faults;
    grow_old(flow, now_ns);
    if (faults->is_held || flow->n_due == flow->n_out) {
        return 0;
    }
    size_t can = (size_t)(flow->n_due - flow->n_out);
    if (can > flow->cut_at - flow->n_out) {
        can = (size_t)(flow->cut_at - flow->n_out);
    }
    if (faults->pace_bytes > 0) {
        if (now_ns >= flow->pace_at_ns) {
            flow->pace_left = faults->pace_bytes;
            flow->pace_at_ns = now_ns + faults->pace_ns;
        }
        can = can < flow->pace_left ? can : flow->pace_left;
    }
    if (faults->chop_bytes > 0) {
        size_t chop = faults->is_chop_random
                          ? 1 + (size_t)(kit_random(&conn->random) % faults->chop_bytes)
                          : faults->chop_bytes;
        can = can < chop ? can : chop;
    }
    return can;
}

static void corrupt(struct proxy_conn *conn, struct proxy_flow *flow, size_t len)
{
    while (flow->corrupt_at < flow->n_out + len) {
        flow->buf[flow->at + (size_t)(flow->corrupt_at - flow->n_out)] ^=
            flow->faults.corrupt_xor;
        conn->proxy->counts.n_corrupted++;
        flow->corrupt_at = flow->faults.corrupt_mean == 0
                               ? KIT_NEVER
                               : flow->corrupt_at + proxy_draw(conn, flow->faults.corrupt_mean);
    }
}

/* --- Ends ------------------------------------------------------------------------------------ */

void proxy_conn_close(struct proxy_conn *conn, bool is_reset)
{
    for (size_t i = 0; i < 2; i++) {
        int fd = conn->side[i].fd;
        if (fd >= 0) {
            struct linger now = {1, 0};
            if (is_reset) {
                (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
            }
            (void)close(fd);
            conn->side[i].fd = -1;
        }
    }
    conn->is_dead = true;
}

/* A receiver sees an orderly end, whatever was still to come. */
static void shut_flow(struct proxy_conn *conn, enum kit_direction direction)
{
    struct proxy_flow *flow = &conn->flow[direction];
    if (!flow->is_shut) {
        (void)shutdown(conn->side[1 - direction].fd, SHUT_WR);
        flow->is_shut = true;
        flow->n_out = flow->n_in;
        flow->n_due = flow->n_in;
        flow->n_marks = 0;
    }
}

void proxy_conn_cut(struct proxy_conn *conn, enum kit_cut how, enum kit_direction direction)
{
    if (how == KIT_CUT_ANY) {
        how = (enum kit_cut)(KIT_CUT_FIN + kit_random(&conn->random) % 3);
    }
    conn->proxy->counts.n_cut++;
    conn->flow[direction].cut_at = KIT_NEVER;
    if (how == KIT_CUT_RST) {
        proxy_conn_close(conn, true);
    } else if (how == KIT_CUT_HALF) {
        shut_flow(conn, direction);
    } else {
        /* Closing with unread input would send a reset: read until both peers have ended. */
        shut_flow(conn, KIT_UP);
        shut_flow(conn, KIT_DOWN);
        conn->is_draining = true;
    }
}

void proxy_conn_free(struct proxy_conn *conn)
{
    for (size_t i = 0; i < 2; i++) {
        free(conn->flow[i].buf);
        free(conn->flow[i].marks);
    }
    free(conn->frame_bytes);
    free(conn->twice);
    free(conn);
}

/* --- Pumping --------------------------------------------------------------------------------- */

/* Read what is there, as far as the buffer has room; false when that killed the connection. */
static bool take_in(struct proxy_conn *conn, enum kit_direction direction, uint64_t now_ns)
{
    struct kit_proxy *proxy = conn->proxy;
    struct proxy_side *from = &conn->side[direction];
    struct proxy_flow *flow = &conn->flow[direction];
    size_t most = proxy->options.buffer_bytes > 0 ? proxy->options.buffer_bytes : BUFFER_BYTES;
    while (from->can_read && !flow->has_ended && flow->n_in - flow->n_out < most) {
        size_t room = most - (size_t)(flow->n_in - flow->n_out);
        size_t ask = room < sizeof(proxy->read_buf) ? room : sizeof(proxy->read_buf);
        ssize_t got = recv(from->fd, proxy->read_buf, ask, 0);
        if (flow->faults.delay_ns + flow->faults.jitter_ns > 0) {
            now_ns = proxy_now_ns(); /* they may have been sent since this round began */
        }
        if (got > 0) {
            proxy->counts.bytes_in[direction] += (uint64_t)got;
            if (proxy->options.is_opaque || conn->is_draining) {
                proxy_flow_append(flow, proxy->read_buf, (size_t)got, now_ns);
            } else if (direction == KIT_UP) {
                proxy_look_up(conn, proxy->read_buf, (size_t)got);
                proxy_flow_append(flow, proxy->read_buf, (size_t)got, now_ns);
            } else {
                proxy_look_down(conn, proxy->read_buf, (size_t)got, now_ns);
            }
            from->can_read = (size_t)got == ask || from->is_hung_up;
        } else if (got == 0) {
            from->can_read = false;
            flow->has_ended = true;
            flow->end_at_ns = now_ns + flow->faults.delay_ns;
        } else if (errno == EAGAIN) {
            from->can_read = false;
        } else if (errno != EINTR) {
            proxy->counts.n_unreachable += errno == ECONNREFUSED ? 1 : 0;
            proxy_conn_close(conn, true);
            return false;
        }
    }
    return true;
}

/* Send what may go on; false when that killed the connection. */
static bool send_on(struct proxy_conn *conn, enum kit_direction direction, uint64_t now_ns)
{
    struct proxy_side *to = &conn->side[1 - direction];
    struct proxy_flow *flow = &conn->flow[direction];
    for (;;) {
        if (flow->n_out == flow->cut_at && !flow->is_shut) {
            proxy_conn_cut(conn, flow->cut_how, direction);
        }
        if (conn->is_dead || flow->is_shut) {
            return !conn->is_dead;
        }
        size_t len = to->can_write ? next_bytes(conn, flow, now_ns) : 0;
        if (len == 0) {
            return true;
        }
        corrupt(conn, flow, len);
        ssize_t sent = send(to->fd, flow->buf + flow->at, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            to->can_write = false;
            proxy_side_watch(to, true);
        } else if (sent < 0 && errno != EINTR) {
            proxy_conn_close(conn, true);
            return false;
        } else if (sent > 0) {
            conn->proxy->counts.bytes_out[direction] += (uint64_t)sent;
            conn->proxy->counts.n_sends[direction]++;
            flow->n_out += (uint64_t)sent;
            flow->at += (size_t)sent;
            flow->pace_left -= flow->faults.pace_bytes > 0 ? (size_t)sent : 0;
        }
    }
}

/* When this direction has something to do without an event. */
static uint64_t wake_of(const struct proxy_conn *conn, enum kit_direction direction)
{
    const struct proxy_flow *flow = &conn->flow[direction];
    if (flow->is_shut || flow->faults.is_held || !conn->side[1 - direction].can_write) {
        return KIT_NEVER;
    }
    uint64_t wake = KIT_NEVER;
    if (flow->n_marks > 0) {
        wake = flow->marks[flow->mark_first].due_at_ns;
    }
    if (flow->n_due > flow->n_out && flow->pace_at_ns < wake) {
        wake = flow->pace_at_ns;
    }
    if (flow->has_ended && flow->n_in == flow->n_out && flow->end_at_ns < wake) {
        wake = flow->end_at_ns;
    }
    return wake;
}

static void pump_flow(struct proxy_conn *conn, enum kit_direction direction, uint64_t now_ns)
{
    struct proxy_flow *flow = &conn->flow[direction];
    const struct proxy_side *from = &conn->side[direction];
    uint64_t before = 0;
    do {
        before = flow->n_out;
        if (!take_in(conn, direction, now_ns) || !send_on(conn, direction, now_ns)) {
            return;
        }
    } while (from->can_read && !flow->has_ended && flow->n_out > before);
    if (flow->has_ended && flow->n_out == flow->n_in && !flow->faults.is_held &&
        now_ns >= flow->end_at_ns) {
        shut_flow(conn, direction);
    }
}

void proxy_conn_pump(struct proxy_conn *conn, uint64_t now_ns)
{
    conn->is_ready = false;
    conn->wake_at_ns = KIT_NEVER;
    for (size_t i = 0; i < 2 && !conn->is_dead; i++) {
        pump_flow(conn, (enum kit_direction)i, now_ns);
    }
    if (conn->is_dead) {
        return;
    }
    if (conn->flow[KIT_UP].has_ended && conn->flow[KIT_DOWN].has_ended &&
        conn->flow[KIT_UP].is_shut && conn->flow[KIT_DOWN].is_shut) {
        proxy_conn_close(conn, false);
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        uint64_t wake = wake_of(conn, (enum kit_direction)i);
        conn->wake_at_ns = wake < conn->wake_at_ns ? wake : conn->wake_at_ns;
    }
}
