/* SPDX-License-Identifier: MIT */
/* engine/mux_send.c — frames that gathered leave as one.
 *
 * Design notes. One caller at a time has the sender's token. What it sends is apart from what
 * gathers meanwhile, so nobody waits to append. What the kernel does not take stays for the next
 * one who has the token. */
#include "engine/mux_send.h"

#include "base/assert.h"
#include "base/clock.h"
#include "engine/lanes.h"
#include "engine/mux.h"

#include <errno.h>
#include <string.h>

enum {
    NEAR_US = 150,               /* a shorter round trip is not worth a send of one's own */
    ROUND_TRIP_PERIOD_S = 10,    /* the shortest of the last one or two counts */
    GATHER_ENOUGH_BYTES = 16384, /* more is sent at once */
    HALVED_MAX = 16,             /* callers whose frames leave in two halves */
    KEEP_BYTES = 64 * 1024,      /* of a send buffer that has nothing to send */
    REST_SLICE_MS = 5,           /* a sender that must wait looks for its reply meanwhile */
};

bool faci_mux_is_far(const struct faci_conn *conn)
{
    int64_t ns = atomic_load_explicit(&conn->round_trip_ns, memory_order_relaxed);
    return ns == 0 || ns > (int64_t)NEAR_US * 1000;
}

void faci_mux_measure_locked(struct faci_conn *conn, int64_t now_ns)
{
    if (conn->timed_seq == 0 || conn->n_done < conn->timed_seq) {
        return;
    }
    int64_t sample_ns = now_ns - conn->timed_ns;
    int64_t known_ns = atomic_load_explicit(&conn->round_trip_ns, memory_order_relaxed);
    conn->timed_seq = 0;
    if (conn->round_trip_next_ns == 0 || sample_ns < conn->round_trip_next_ns) {
        conn->round_trip_next_ns = sample_ns;
    }
    if (now_ns >= conn->round_trip_until_ns) {
        known_ns = conn->round_trip_next_ns;
        conn->round_trip_next_ns = 0;
        conn->round_trip_until_ns = faci_clock_after_ms(now_ns,
                                                        (uint64_t)ROUND_TRIP_PERIOD_S * 1000);
    }
    if (known_ns == 0 || sample_ns < known_ns) {
        known_ns = sample_ns;
    }
    atomic_store_explicit(&conn->round_trip_ns, known_ns, memory_order_relaxed);
}

/* Half of the callers have a frame there: the server works on these while the others' gather. With
 * more callers it gained little or nothing: a batch is long, and from 40 on another connection's
 * fills the time (lanes.c). */
static bool is_half_gathered_locked(const struct faci_conn *conn) FACI_REQUIRES(&conn->lock)
{
    uint32_t n_callers = faci_conn_callers(conn);
    return n_callers <= HALVED_MAX &&
           (conn->n_appended - faci_mux_flushed(conn)) * 2 >= n_callers;
}

/* Whether what gathered must leave now: the reader would not come to it soon. */
bool faci_mux_is_send_due_locked(const struct faci_conn *conn)
{
    size_t len = faci_buf_len(&conn->tx);
    return len > 0 && !faci_conn_is_poisoned(conn) &&
           (faci_mux_flushed(conn) == conn->n_answered || len >= GATHER_ENOUGH_BYTES ||
            is_half_gathered_locked(conn) || faci_mux_is_far(conn));
}

bool faci_mux_is_crowded(const struct faci_conn *conn)
{
    return !faci_mux_is_far(conn) && faci_conn_callers(conn) > 1;
}

bool faci_mux_awaits_more_locked(const struct faci_conn *conn)
{
    return faci_mux_flushed(conn) == conn->n_answered && faci_mux_is_crowded(conn) &&
           !is_half_gathered_locked(conn);
}

/* The frames of those who left before it was sent are taken out; their slots stay, to be skipped. */
static void mark_batch_locked(struct faci_conn *conn, int64_t now_ns) FACI_REQUIRES(&conn->lock)
{
    unsigned char *from = conn->tx.data + conn->tx.begin;
    unsigned char *to = from;
    uint64_t n = conn->n_appended - faci_mux_flushed(conn);
    for (uint64_t i = 0; i < n; i++) {
        struct faci_slot *slot = faci_line_take_unsent(&conn->line);
        slot->sent_ns = now_ns;
        if (conn->n_cancelled > 0) {
            bool is_gone = faci_slot_state(slot) == FACI_SLOT_CANCELLED;
            if (!is_gone) {
                memmove(to, from, slot->frame_bytes);
                to += slot->frame_bytes;
            }
            from += slot->frame_bytes;
            conn->tx.end -= is_gone ? slot->frame_bytes : 0U;
        }
    }
    if (conn->tally != NULL) {
        atomic_fetch_add_explicit(&conn->tally->batches, 1U, memory_order_relaxed);
        atomic_fetch_add_explicit(&conn->tally->batched, n - conn->n_cancelled,
                                  memory_order_relaxed);
    }
    conn->n_cancelled = 0;
}

/* What gathered becomes what is being sent. The sender's token is had, and nothing is left over. */
static void load_locked(struct faci_conn *conn, int64_t now_ns) FACI_REQUIRES(&conn->lock)
{
    faci_assert(faci_buf_len(&conn->out) == 0);
    if (conn->timed_seq == 0 && conn->n_cancelled == 0) { /* no reply comes to one taken back */
        conn->timed_seq = faci_mux_flushed(conn) + 1;
        conn->timed_ns = now_ns;
    }
    if (faci_mux_flushed(conn) == conn->n_answered) {
        atomic_store_explicit(&conn->progress_ns, now_ns, memory_order_relaxed);
    }
    mark_batch_locked(conn, now_ns);
    conn->was_wordy = conn->was_wordy || faci_buf_len(&conn->tx) > FACI_CONN_TX_BYTES;
    struct faci_buf loaded = conn->tx;
    conn->tx = conn->out;
    conn->out = loaded;
    atomic_store_explicit(&conn->n_flushed, conn->n_appended, memory_order_release);
}

/* True: the caller is the sender now, and calls faci_mux_send_loaded(). Nothing more leaves on a
 * poisoned connection: who found it so has said what was not sent. */
bool faci_mux_become_sender_locked(struct faci_conn *conn, int64_t now_ns)
{
    if (conn->has_sender || faci_conn_is_poisoned(conn)) {
        return false;
    }
    conn->has_sender = true;
    if (!atomic_load_explicit(&conn->has_rest, memory_order_relaxed)) {
        load_locked(conn, now_ns);
    }
    atomic_store_explicit(&conn->has_rest, false, memory_order_relaxed);
    return true;
}

/* Whether the kernel took all of it. */
static bool send_out(struct faci_conn *conn)
{
    while (faci_buf_len(&conn->out) > 0) {
        struct iovec part = {.iov_base = conn->out.data + conn->out.begin,
                             .iov_len = faci_buf_len(&conn->out)};
        ssize_t n = faci_stream_send_some(&conn->stream, &part, 1);
        if (n < 0 && errno != EAGAIN) {
            faci_mux_end(conn, FAC_E_UNAVAILABLE, errno, "the connection was lost");
        }
        if (n < 0) {
            return false;
        }
        faci_buf_consume(&conn->out, (size_t)n);
    }
    return true;
}

/* The sender sends what it loaded, and what gathered meanwhile if that should not wait. True: a
 * rest is left, which somebody has to send when the kernel takes it. */
bool faci_mux_send_loaded(struct faci_conn *conn)
{
    bool goes_on = true;
    bool is_all_sent = true;
    while (goes_on) {
        is_all_sent = send_out(conn);
        faci_mutex_lock(&conn->lock);
        if (conn->out.is_secret && is_all_sent) {
            faci_buf_cleanse(&conn->out);
        }
        goes_on = is_all_sent && faci_mux_is_send_due_locked(conn);
        if (goes_on) {
            load_locked(conn, faci_clock_now_ns());
        } else {
            atomic_store_explicit(&conn->has_rest, !is_all_sent, memory_order_relaxed);
            conn->has_sender = false;
            faci_buf_shrink(&conn->out, KEEP_BYTES);
            faci_buf_shrink(&conn->tx, KEEP_BYTES);
        }
        faci_mutex_unlock(&conn->lock);
    }
    return !is_all_sent;
}

/* The kernel takes bytes again: go on where the last sender stopped. True: a rest is left. */
bool faci_mux_send_rest(struct faci_conn *conn)
{
    faci_mutex_lock(&conn->lock);
    bool sends = atomic_load_explicit(&conn->has_rest, memory_order_relaxed) &&
                 faci_mux_become_sender_locked(conn, faci_clock_now_ns());
    faci_mutex_unlock(&conn->lock);
    return sends && faci_mux_send_loaded(conn);
}

bool faci_mux_push_rest(struct faci_conn *conn, int64_t deadline_ns)
{
    int64_t slice_ns = faci_clock_after_ms(faci_clock_now_ns(), REST_SLICE_MS);
    int64_t until_ns = slice_ns < deadline_ns ? slice_ns : deadline_ns;
    unsigned ready = faci_stream_wait(&conn->stream, FACI_READY_WRITE, until_ns);
    if (ready == FACI_READY_WRITE) {
        return faci_mux_send_rest(conn);
    }
    return ready == FACI_READY_LATE; /* else it has ended: the reader sees that, too */
}

void faci_mux_settle_rest(struct faci_conn *conn, int64_t deadline_ns)
{
    for (bool stays = true; stays;) {
        faci_mutex_lock(&conn->lock);
        stays = conn->has_reader && faci_mux_has_rest(conn) && !faci_conn_is_poisoned(conn);
        if (stays && faci_clock_left_ns(deadline_ns) == 0) {
            faci_mux_wake_line_locked(conn);
            stays = false;
        }
        faci_mutex_unlock(&conn->lock);
        stays = stays && faci_mux_push_rest(conn, deadline_ns);
    }
}

void faci_mux_wake_line_locked(struct faci_conn *conn)
{
    struct faci_slot_group *group = conn->line.tail.group;
    do {
        faci_wait_wake(&group->word, FACI_WAIT_ALL);
        group = group->next;
    } while (group != conn->line.tail.group);
}
