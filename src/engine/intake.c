/* SPDX-License-Identifier: MIT */
/* engine/intake.c — matching replies to requests.
 *
 * Design notes. The reader is never given a reply to take while none is due: what comes then and
 * is no push is malformed. Whatever leaves the stream's position in doubt poisons the connection
 * before anything else happens, and a poisoned one matches nothing. Where a caller reads its own
 * reply, the bytes go to its sink; every other reply is kept in the slot, since its caller may
 * leave at any moment. */
#include "engine/intake.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/number.h"

#include <errno.h>
#include <string.h>

enum {
    DRAIN_READS_MAX = 64,      /* of what came while nobody waited: more is no push traffic */
    AT_ONCE_BYTES = 64 * 1024, /* longer values grow as their bytes arrive */
};

/* What the reader is given as a sink: passes on to the slot that is due. */
struct head {
    struct faci_sink sink; /* first */
    struct faci_conn *conn;
    struct faci_slot *slot;
};

static struct head *head_of(struct faci_sink *sink)
{
    return (struct head *)(void *)sink;
}

/* --- A reply that is kept in its slot ------------------------------------------------------- */

static bool keep_room(struct faci_conn *conn, struct faci_slot *slot, size_t len)
{
    if (slot->value_len + len <= slot->value_cap) {
        return true;
    }
    size_t want = (size_t)slot->answer.number;
    size_t cap = slot->value_cap == 0 ? AT_ONCE_BYTES : slot->value_cap * 2;
    cap = cap < slot->value_len + len ? slot->value_len + len : cap;
    cap = cap < want ? cap : want;
    unsigned char *larger = faci_mem_realloc(conn->config->alloc, slot->value, cap);
    if (larger == NULL) {
        slot->has_no_memory = true;
        return false;
    }
    slot->value = larger;
    slot->value_cap = cap;
    return true;
}

static bool is_text(const struct faci_slot *slot)
{
    fac_reply_type type = slot->answer.type;
    return type == FAC_REPLY_ERROR || type == FAC_REPLY_STATUS ||
           (slot->keeps_value && type == FAC_REPLY_STRING &&
            slot->answer.number <= FACI_SLOT_TEXT_BYTES);
}

static void keep(struct faci_conn *conn, struct faci_slot *slot, const void *bytes, size_t len)
{
    if (is_text(slot)) {
        size_t room = sizeof(slot->answer.text) - slot->answer.text_len;
        size_t n = len < room ? len : room;
        memcpy(slot->answer.text + slot->answer.text_len, bytes, n);
        slot->answer.text_len += n;
    } else if (slot->keeps_value && slot->answer.type == FAC_REPLY_STRING &&
               !slot->has_no_memory && faci_slot_state(slot) != FACI_SLOT_TOMBSTONE &&
               keep_room(conn, slot, len)) {
        memcpy(slot->value + slot->value_len, bytes, len);
        slot->value_len += len;
    }
}

/* --- What the reader tells ------------------------------------------------------------------ */

static void on_begin(struct faci_sink *sink, fac_reply_type type, int64_t number,
                     unsigned depth)
{
    struct head *head = head_of(sink);
    struct faci_slot *slot = head->slot;
    if (depth == 0) {
        slot->has_begun = true;
        slot->answer.type = type;
        slot->answer.number = number;
        slot->answer.text_len = 0;
        if (!faci_command_can_get(slot->command, type)) {
            faci_conn_poison(head->conn, FAC_E_PROTOCOL, 0,
                             "a reply of a type that cannot be one");
        }
    }
    if (slot->sink != NULL && slot->answer.type != FAC_REPLY_ERROR) {
        slot->sink->ops->begin(slot->sink, type, number, depth);
    }
}

static void on_data(struct faci_sink *sink, const void *bytes, size_t len)
{
    struct head *head = head_of(sink);
    struct faci_slot *slot = head->slot;
    if (faci_conn_is_poisoned(head->conn)) {
        return; /* of a type that is not looked for here: its number is no length */
    }
    if (slot->sink == NULL || is_text(slot)) {
        keep(head->conn, slot, bytes, len);
    }
    if (slot->sink != NULL && slot->answer.type != FAC_REPLY_ERROR) {
        slot->sink->ops->data(slot->sink, bytes, len);
    }
}

static void on_end(struct faci_sink *sink)
{
    struct faci_slot *slot = head_of(sink)->slot;
    if (slot->sink != NULL && slot->answer.type != FAC_REPLY_ERROR) {
        slot->sink->ops->end(slot->sink);
    }
}

static const struct faci_sink_ops k_sink_ops = {on_begin, on_data, on_end};

/* --- Completion ----------------------------------------------------------------------------- */

void faci_intake_wake(struct faci_conn *conn)
{
    struct faci_wakes *wakes = &conn->wakes;
    for (unsigned i = 0; i < wakes->n; i++) {
        faci_wait_wake(&wakes->list[i].group->word, wakes->list[i].bits);
    }
    wakes->n = 0;
}

static void note_wake(struct faci_conn *conn, const struct faci_slot *slot)
{
    struct faci_wakes *wakes = &conn->wakes;
    if (wakes->n == 0 || wakes->list[wakes->n - 1].group != slot->group) {
        if (wakes->n == FACI_COUNT(wakes->list)) {
            faci_intake_wake(conn);
        }
        wakes->list[wakes->n].group = slot->group;
        wakes->list[wakes->n++].bits = 0;
    }
    wakes->list[wakes->n - 1].bits |= faci_slot_bit(slot);
}

/* Only the reader counts, so this need not be one step. */
static void pass_due(struct faci_conn *conn)
{
    faci_line_pass_due(&conn->line);
    uint64_t n = atomic_load_explicit(&conn->n_done, memory_order_relaxed);
    atomic_store_explicit(&conn->n_done, n + 1, memory_order_relaxed);
}

struct faci_slot *faci_intake_due(struct faci_conn *conn)
{
    uint64_t n_flushed = atomic_load_explicit(&conn->n_flushed, memory_order_acquire);
    while (conn->n_done < n_flushed) {
        struct faci_slot *slot = faci_line_due(&conn->line);
        if (faci_slot_state(slot) != FACI_SLOT_CANCELLED) {
            return slot;
        }
        pass_due(conn);
        faci_slot_release(conn->config->alloc, slot);
    }
    return NULL;
}

/* A check command's answer is the number it was sent with. */
static bool is_check_answered(const struct faci_slot *slot)
{
    int64_t nonce = 0;
    return slot->answer.type == FAC_REPLY_STRING &&
           faci_number_parse_i64(fac_mem(slot->answer.text, slot->answer.text_len), &nonce) &&
           nonce == (int64_t)slot->max_reply_bytes;
}

static void complete(struct faci_conn *conn, struct faci_slot *slot)
{
    pass_due(conn);
    if (slot->command == &k_faci_check && !is_check_answered(slot)) {
        faci_conn_poison(conn, FAC_E_PROTOCOL, 0, "replies are not those of their requests");
    }
    unsigned was = atomic_exchange_explicit(&slot->state, FACI_SLOT_DONE, memory_order_acq_rel);
    if (was == FACI_SLOT_WAITING && !conn->is_exclusive) {
        note_wake(conn, slot);
    } else if (was == FACI_SLOT_TOMBSTONE) {
        if (slot->command != &k_faci_check && conn->tally != NULL) {
            atomic_fetch_add_explicit(&conn->tally->late_replies, 1U, memory_order_relaxed);
        }
        faci_slot_release(conn->config->alloc, slot);
    }
}

/* --- Bytes in ------------------------------------------------------------------------------- */

/* All of it is consumed, or the connection dies. */
static void feed(struct faci_conn *conn, const unsigned char *in, size_t len)
{
    const unsigned char *end = in + len;
    while (in < end && !faci_conn_is_poisoned(conn)) {
        struct head head = {{&k_sink_ops}, conn, faci_intake_due(conn)};
        uint64_t limit = head.slot != NULL && head.slot->command != &k_faci_check
                             ? head.slot->max_reply_bytes
                             : 0;
        conn->reader.max_reply_bytes = limit > 0 ? limit : UINT64_MAX;
        enum faci_read_result result = faci_reader_feed(&conn->reader, &in, end,
                                                        head.slot != NULL ? &head.sink : NULL);
        switch (result) {
        case FACI_READ_REPLY:
            if (!faci_conn_is_poisoned(conn)) {
                faci_check(head.slot != NULL); /* without one a reply is malformed */
                complete(conn, head.slot);
            }
            break;
        case FACI_READ_MALFORMED:
            faci_conn_poison(conn, FAC_E_PROTOCOL, 0, conn->reader.error_text);
            break;
        case FACI_READ_TOO_LARGE:
            faci_conn_poison(conn, FAC_E_TOO_LARGE, 0, conn->reader.error_text);
            break;
        case FACI_READ_PUSH:
            if (conn->identity.protocol == 2) {
                faci_conn_poison(conn, FAC_E_PROTOCOL, 0, "a push, and RESP2 has none");
            }
            break;
        case FACI_READ_MORE:
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
            explicit_bzero(conn->rx, conn->rx_cap); /* a password may have come back */
            faci_mem_free(conn->config->alloc, conn->rx);
            conn->rx = larger;
            conn->rx_cap *= 4;
        }
    }
}

void faci_intake(struct faci_conn *conn, ssize_t n)
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

void faci_intake_drain(struct faci_conn *conn)
{
    for (unsigned i = 0; !faci_conn_is_poisoned(conn); i++) {
        if (i == DRAIN_READS_MAX) {
            faci_conn_poison(conn, FAC_E_PROTOCOL, 0, "a flood that nobody asked for");
            return;
        }
        ssize_t n = faci_stream_receive_some(&conn->stream, conn->rx, conn->rx_cap);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        faci_intake(conn, n);
    }
}

bool faci_intake_is_alive(struct faci_conn *conn)
{
    faci_intake_drain(conn);
    return faci_conn_is_reusable(conn);
}
