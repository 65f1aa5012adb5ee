/* SPDX-License-Identifier: MIT */
/* engine/mux.c — leader and followers.
 *
 * Design notes. Two tokens, taken and passed on under conn->lock: has_reader and has_sender. A
 * caller puts its frame and its slot on the connection in one step. If nobody reads, it reads,
 * for all, until its own reply has come; then it makes another caller that waits the reader, and
 * leaves. So a connection with live requests always has one reader, or one caller that was woken
 * to be it (docs/design/engine.md; tests/unit/engine/handover_test.c tries all schedules).
 *
 * Frames gather while somebody sends. On a short way to the server, where a system call and a
 * wake-up cost more than the way itself, they gather while replies are due, too, until half of the
 * callers have one there; and when none is due, the next reader lets those who were woken with it
 * run first, so that theirs go along. On a long way whoever can sends at once.
 *
 * A caller that leaves early turns its slot to a tombstone, or, when its frame has not left, takes
 * the frame back. No lock is held while sending, receiving or sleeping. */
#include "engine/mux.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"
#include "base/random.h"
#include "engine/intake.h"
#include "engine/mux_receive.h"
#include "engine/mux_send.h"
#include "engine/server_error.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

struct call {
    struct faci_conn *conn;
    const struct faci_request *request;
    struct faci_slot *slot;
    uint64_t seq; /* of the slot: it was sent when this is <= n_flushed */
    int64_t deadline_ns;
    bool has_rest; /* it sent, and the kernel did not take all */
    bool has_left; /* the slot is not the caller's any more */
    bool was_sent; /* when has_left: whether its frame was */
};

/* --- The end of a connection ---------------------------------------------------------------- */

void faci_mux_end(struct faci_conn *conn, fac_status death, int os_errno, const char *text)
{
    faci_conn_poison(conn, death, os_errno, text);
    faci_stream_shut(&conn->stream);
    faci_mutex_lock(&conn->lock);
    faci_mux_wake_line_locked(conn);
    faci_mutex_unlock(&conn->lock);
}

/* --- Leaving early -------------------------------------------------------------------------- */

/* False: it is too late, the reply is here or the caller has been made the reader. */
static bool give_up_locked(struct faci_conn *conn, struct call *call, enum faci_slot_state from)
    FACI_REQUIRES(&conn->lock)
{
    call->was_sent = call->seq <= faci_mux_flushed(conn);
    call->has_left = faci_slot_turn(call->slot, from,
                                    call->was_sent ? FACI_SLOT_TOMBSTONE : FACI_SLOT_CANCELLED);
    conn->n_cancelled += call->has_left && !call->was_sent ? 1U : 0U;
    return call->has_left;
}

/* --- Reading -------------------------------------------------------------------------------- */

/* The reader says how far it has come. Requests that were taken back are no reason to wait: with
 * nothing else due, what gathers must leave. */
static void note_answered_locked(struct faci_conn *conn) FACI_REQUIRES(&conn->lock)
{
    (void)faci_intake_due(conn);
    conn->n_answered = conn->n_done;
}

/* Somebody else who waits becomes the reader: the newest, who will wait longest. Returns its slot,
 * to be woken; NULL: nobody waits, and the token is free. */
static struct faci_slot *hand_over_locked(struct faci_conn *conn) FACI_REQUIRES(&conn->lock)
{
    struct faci_slot *next = conn->newest;
    if (next != NULL && faci_slot_turn(next, FACI_SLOT_WAITING, FACI_SLOT_READING)) {
        return next;
    }
    struct faci_place place = conn->line.due;
    for (uint64_t i = conn->n_done; i < conn->n_appended; i++) {
        next = faci_place_next(&place);
        if (faci_slot_turn(next, FACI_SLOT_WAITING, FACI_SLOT_READING)) {
            return next;
        }
    }
    conn->has_reader = false;
    return NULL;
}

static void wake_all(const struct faci_wakes *wakes, const struct faci_slot *next)
{
    bool is_woken = next == NULL;
    for (unsigned i = 0; i < wakes->n; i++) {
        uint32_t bits = wakes->list[i].bits;
        if (!is_woken && next->group == wakes->list[i].group) {
            bits |= faci_slot_bit(next);
            is_woken = true;
        }
        faci_wait_wake(&wakes->list[i].group->word, bits);
    }
    if (!is_woken) {
        faci_wait_wake(&next->group->word, faci_slot_bit(next));
    }
}

/* What came has been taken in: note how far it went, send what gathered, wake whose replies came.
 * When `leaves`, somebody else reads from here on. */
static void finish_read(struct call *call, int64_t now_ns, bool leaves)
{
    struct faci_conn *conn = call->conn;
    struct faci_wakes wakes;
    wakes.n = conn->wakes.n;
    memcpy(wakes.list, conn->wakes.list, wakes.n * sizeof(wakes.list[0]));
    conn->wakes.n = 0;
    struct faci_slot *next = NULL;

    faci_mutex_lock(&conn->lock);
    note_answered_locked(conn);
    atomic_store_explicit(&conn->progress_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&conn->heard_ns, now_ns, memory_order_relaxed);
    faci_mux_measure_locked(conn, now_ns);
    /* When all is answered, those who wake now may add theirs: the next reader sends. */
    bool waits = leaves && faci_mux_awaits_more_locked(conn);
    bool sends = !waits && faci_buf_len(&conn->tx) > 0 &&
                 faci_mux_become_sender_locked(conn, now_ns);
    if (leaves) {
        if (faci_conn_is_large(conn)) {
            faci_conn_shrink(conn);
        }
        next = hand_over_locked(conn);
    }
    faci_mutex_unlock(&conn->lock);

    if (sends && faci_mux_send_loaded(conn)) {
        call->has_rest = true;
    }
    wake_all(&wakes, next);
}

/* With nothing due the reader has nothing to read: what gathered goes first. */
static void send_gathered(struct call *call)
{
    struct faci_conn *conn = call->conn;
    faci_mutex_lock(&conn->lock);
    note_answered_locked(conn);
    bool is_due = faci_mux_flushed(conn) == conn->n_answered && faci_buf_len(&conn->tx) > 0;
    faci_mutex_unlock(&conn->lock);
    if (!is_due) {
        return;
    }
    if (faci_mux_is_crowded(conn)) {
        (void)sched_yield();
    }
    faci_mutex_lock(&conn->lock);
    bool sends = faci_mux_is_send_due_locked(conn) &&
                 faci_mux_become_sender_locked(conn, faci_clock_now_ns());
    faci_mutex_unlock(&conn->lock);
    if (sends) {
        call->has_rest = faci_mux_send_loaded(conn);
    }
}

/* When the oldest request has waited too long. With none due it is looked at again after as long. */
static int64_t stalls_at(struct faci_conn *conn, int64_t now_ns)
{
    const struct faci_slot *due = faci_intake_due(conn);
    return faci_clock_after_ms(due != NULL ? due->sent_ns : now_ns, conn->config->timeout_ms);
}

int64_t faci_mux_waits_since(struct faci_conn *conn)
{
    const struct faci_slot *due = faci_intake_due(conn);
    return due != NULL ? due->sent_ns : FACI_NEVER_NS;
}

int64_t faci_mux_stalls_at(struct faci_conn *conn)
{
    int64_t since_ns = faci_mux_waits_since(conn);
    return since_ns == FACI_NEVER_NS ? since_ns
                                     : faci_clock_after_ms(since_ns, conn->config->timeout_ms);
}

/* The reader's own time is over: somebody else reads. */
static void leave_reading(struct call *call)
{
    struct faci_conn *conn = call->conn;
    call->slot->sink = NULL; /* nothing of the caller's is touched from here on */
    struct faci_wakes none = {.n = 0};
    faci_mutex_lock(&conn->lock);
    (void)give_up_locked(conn, call, FACI_SLOT_READING);
    struct faci_slot *next = hand_over_locked(conn);
    faci_mutex_unlock(&conn->lock);
    wake_all(&none, next);
}

/* Read for all until the caller's own reply has come, its time is over, or the connection is. */
static void lead(struct call *call, int64_t now_ns)
{
    struct faci_conn *conn = call->conn;
    struct faci_slot *slot = call->slot;
    if (!slot->has_begun) {
        slot->sink = call->request->sink;
    }
    send_gathered(call);
    while (!faci_conn_is_poisoned(conn)) {
        int64_t stall_ns = stalls_at(conn, now_ns);
        bool is_stall_first = stall_ns < call->deadline_ns;
        ssize_t n = faci_mux_receive(conn, is_stall_first ? stall_ns : call->deadline_ns);
        bool has_nothing = n < 0 && (errno == EAGAIN || errno == ETIME);
        now_ns = faci_clock_now_ns();
        if (has_nothing) {
            if (!is_stall_first && now_ns >= call->deadline_ns) {
                leave_reading(call);
                return;
            }
            if (is_stall_first && faci_mux_stalls_at(conn) <= now_ns) {
                faci_mux_end(conn, FAC_E_TIMEOUT, 0, "no answer in time");
            }
            continue;
        }
        faci_intake(conn, n);
        bool is_done = faci_slot_state(slot) == FACI_SLOT_DONE;
        if (faci_conn_is_poisoned(conn)) {
            faci_mux_end(conn, FAC_E_UNAVAILABLE, 0, "the connection was lost");
            return;
        }
        finish_read(call, now_ns, is_done);
        if (is_done) {
            return;
        }
    }
}

/* --- Waiting -------------------------------------------------------------------------------- */

/* Sleep until the reply is here, the caller shall read, the connection has ended, or the time has
 * passed. True: the caller is the reader now. */
static bool follow(struct call *call)
{
    struct faci_slot *slot = call->slot;
    for (;;) {
        uint32_t seen = faci_wait_look(&slot->group->word);
        enum faci_slot_state state = faci_slot_state(slot);
        if (state != FACI_SLOT_WAITING) {
            return state == FACI_SLOT_READING;
        }
        if (faci_conn_is_poisoned(call->conn)) {
            return false;
        }
        bool is_in_time = true;
        if (call->has_rest || faci_mux_has_rest(call->conn)) {
            call->has_rest = faci_mux_push_rest(call->conn, call->deadline_ns);
            is_in_time = faci_clock_left_ns(call->deadline_ns) > 0;
        } else {
            is_in_time = faci_wait_sleep(&slot->group->word, seen, faci_slot_bit(slot),
                                         call->deadline_ns);
        }
        if (!is_in_time) {
            faci_mutex_lock(&call->conn->lock);
            bool has_left = give_up_locked(call->conn, call, FACI_SLOT_WAITING);
            faci_mutex_unlock(&call->conn->lock);
            if (has_left) {
                return false;
            }
        }
    }
}

/* --- Joining -------------------------------------------------------------------------------- */

/* Frame and slot, both or neither: NULL is no memory, and nothing has changed. */
static struct faci_slot *put_locked(struct faci_conn *conn, const struct faci_request *request,
                                    size_t bytes) FACI_REQUIRES(&conn->lock)
{
    struct faci_slot *slot = faci_buf_reserve(&conn->tx, bytes) ? faci_line_append(&conn->line)
                                                                : NULL;
    if (slot != NULL) {
        unsigned char *end = faci_resp_put_frame(conn->tx.data + conn->tx.end, request->args,
                                                 request->n_args);
        conn->tx.end = (size_t)(end - conn->tx.data);
        conn->n_appended++;
        slot->command = request->command;
        slot->max_reply_bytes = request->max_reply_bytes;
        slot->frame_bytes = bytes;
    }
    return slot;
}

/* Every so many requests, one whose answer is known goes along. Nobody waits for it: it is a
 * tombstone that is looked at. Without memory it is left for the next time. */
static void append_check_locked(struct faci_conn *conn) FACI_REQUIRES(&conn->lock)
{
    uint32_t every = conn->config->integrity_every;
    if (every == 0 || ++conn->n_unchecked < every) {
        return;
    }
    char text[FACI_I64_TEXT_BYTES];
    uint64_t nonce = faci_random_next(&conn->nonce) >> 1;
    const struct faci_arg args[] = {
        {fac_str("ECHO"), {NULL, 0}},
        {fac_mem(text, faci_number_format_u64(nonce, text)), {NULL, 0}}};
    const struct faci_request check = {.command = &k_faci_check,
                                       .args = args,
                                       .n_args = FACI_COUNT(args),
                                       .max_reply_bytes = nonce};
    size_t bytes = 0;
    struct faci_slot *slot = faci_resp_frame_bytes(args, FACI_COUNT(args), &bytes)
                                 ? put_locked(conn, &check, bytes)
                                 : NULL;
    if (slot != NULL) {
        slot->keeps_value = true;
        atomic_store_explicit(&slot->state, FACI_SLOT_TOMBSTONE, memory_order_relaxed);
        conn->n_unchecked = 0;
    }
}

static fac_status append_locked(struct faci_conn *conn, struct call *call, size_t bytes,
                                fac_error *err) FACI_REQUIRES(&conn->lock)
{
    if (faci_conn_is_poisoned(conn)) {
        return faci_conn_fail(conn, err);
    }
    if (conn->n_appended - conn->n_answered >= FACI_CONN_SHARED_MAX ||
        faci_buf_len(&conn->tx) + bytes > FACI_CONN_GATHER_BYTES) {
        return faci_fail(err, FAC_E_BUSY, 0, "too many requests wait for the server already");
    }
    struct faci_slot *slot = put_locked(conn, call->request, bytes);
    if (slot == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    slot->keeps_value = call->request->sink != NULL;
    call->slot = slot;
    call->seq = conn->n_appended;
    conn->newest = slot;
    append_check_locked(conn);
    return FAC_OK;
}

/* The reply was kept in the slot: the caller's sink is told of it as if it came now. */
static void replay(const struct faci_slot *slot, struct faci_sink *sink)
{
    const struct faci_answer *answer = &slot->answer;
    sink->ops->begin(sink, answer->type, answer->number, 0);
    bool has_bytes = answer->type == FAC_REPLY_STRING || answer->type == FAC_REPLY_STATUS;
    if (has_bytes) {
        if (answer->text_len > 0) {
            sink->ops->data(sink, answer->text, answer->text_len);
        } else if (slot->value_len > 0) {
            sink->ops->data(sink, slot->value, slot->value_len);
        }
        sink->ops->end(sink);
    }
}

static fac_status take_answer(struct call *call, struct faci_answer *out, fac_error *err)
{
    struct faci_slot *slot = call->slot;
    const struct faci_answer *answer = &slot->answer;
    out->type = answer->type;
    out->number = answer->number;
    out->text_len = answer->text_len;
    memcpy(out->text, answer->text, answer->text_len);
    fac_status st = faci_answer_status(slot->command, answer, err);
    if (slot->has_no_memory) {
        st = faci_fail(err, FAC_E_NOMEM, 0, "no memory for the value");
    } else if (st == FAC_OK && slot->sink == NULL && call->request->sink != NULL) {
        replay(slot, call->request->sink);
    }
    faci_slot_release(call->conn->config->alloc, slot);
    return st;
}

fac_status faci_mux_call(struct faci_conn *conn, const struct faci_request *request,
                         int64_t now_ns, int64_t deadline_ns, struct faci_answer *out,
                         bool *out_sent, fac_error *err)
{
    struct call call = {.conn = conn, .request = request, .deadline_ns = deadline_ns};
    size_t bytes = 0;
    *out_sent = false;
    if (!faci_resp_frame_bytes(request->args, request->n_args, &bytes)) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    faci_mutex_lock(&conn->lock);
    fac_status st = append_locked(conn, &call, bytes, err);
    if (call.slot == NULL) {
        faci_mutex_unlock(&conn->lock);
        return st;
    }
    bool reads = !conn->has_reader;
    if (reads) {
        conn->has_reader = true;
        atomic_store_explicit(&call.slot->state, FACI_SLOT_READING, memory_order_relaxed);
    }
    bool sends = !faci_mux_awaits_more_locked(conn) && faci_mux_is_send_due_locked(conn) &&
                 faci_mux_become_sender_locked(conn, now_ns);
    faci_mutex_unlock(&conn->lock);

    if (sends) {
        call.has_rest = faci_mux_send_loaded(conn);
    }
    if (reads || follow(&call)) {
        lead(&call, now_ns);
    }
    if (call.has_rest) {
        faci_mux_settle_rest(conn, deadline_ns);
    }
    if (call.has_left) {
        *out_sent = call.was_sent;
        return faci_fail(err, FAC_E_TIMEOUT, 0, "no answer in time");
    }
    *out_sent = call.seq <= atomic_load_explicit(&conn->n_flushed, memory_order_acquire);
    if (faci_slot_state(call.slot) == FACI_SLOT_DONE) {
        return take_answer(&call, out, err);
    }
    return faci_conn_fail(conn, err);
}

/* --- Idle ----------------------------------------------------------------------------------- */

void faci_mux_begin(struct faci_conn *conn, int64_t now_ns)
{
    faci_line_trim(&conn->line);
    conn->n_answered = conn->n_done;
    conn->timed_seq = 0;
    conn->newest = NULL;
    atomic_store_explicit(&conn->progress_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&conn->n_flushed, conn->n_appended, memory_order_relaxed);
}
