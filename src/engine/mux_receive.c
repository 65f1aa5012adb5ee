/* SPDX-License-Identifier: MIT */
/* engine/mux_receive.c — how the reader of a shared connection waits for what comes. */
#include "engine/mux_receive.h"

#include "base/clock.h"
#include "engine/mux_send.h"

#include <errno.h>
#include <sched.h>

enum {
    WATCH_US = 50, /* before a reader sleeps: about what it takes to be woken */
    VAIN_MAX = 6,  /* after so many watches in vain, 2^6 - 1 reads go without one */
    ROBBED_US =
        200, /* a watch that took longer gave the processor away, and did not get it back */
    REST_TIMES = 100, /* after which there is none for so many times as long */
};

/* With many waiting for a reply that comes soon, to sleep and be woken takes longer than to look
 * again, with a processor that went idle meanwhile much longer. Whoever else can run goes first. */
static ssize_t watch(struct faci_conn *conn, int64_t until_ns)
{
    int64_t now_ns = faci_clock_now_ns();
    const int64_t began_ns = now_ns;
    int64_t end_ns = began_ns + (int64_t)WATCH_US * 1000;
    end_ns = end_ns < until_ns ? end_ns : until_ns;
    for (;;) {
        ssize_t n = faci_stream_receive_some(&conn->stream, conn->rx, conn->rx_cap);
        int receive_errno = errno;
        if (now_ns - began_ns > (int64_t)ROBBED_US * 1000) {
            conn->watch_after_ns = now_ns + (now_ns - began_ns) * REST_TIMES;
        }
        errno = receive_errno;
        if (n >= 0 || errno != EAGAIN || now_ns >= end_ns) {
            return n;
        }
        (void)sched_yield();
        now_ns = faci_clock_now_ns();
    }
}

/* To watch pays where replies come soon: where they did not, the next try is put off, each time for
 * twice as many reads. Where others want the processor, it does not pay at all: who yields waits for
 * their turns to end, and who sleeps is woken before that. */
static bool is_worth_watching(struct faci_conn *conn)
{
    if (!faci_mux_is_crowded(conn)) {
        return false;
    }
    if (conn->watch_after_ns != 0) {
        if (faci_clock_now_ns() < conn->watch_after_ns) {
            return false;
        }
        conn->watch_after_ns = 0;
    }
    bool is_time = conn->n_asleep == 0;
    conn->n_asleep -= is_time ? 0U : 1U;
    return is_time;
}

static void note_watch(struct faci_conn *conn, bool was_in_vain)
{
    conn->n_vain = !was_in_vain ? 0 : conn->n_vain < VAIN_MAX ? conn->n_vain + 1 : VAIN_MAX;
    conn->n_asleep = (1U << conn->n_vain) - 1;
}

ssize_t faci_mux_receive(struct faci_conn *conn, int64_t until_ns)
{
    if (!faci_mux_has_rest(conn)) {
        if (is_worth_watching(conn)) {
            ssize_t n = watch(conn, until_ns);
            if (n >= 0 || errno != EAGAIN) {
                note_watch(conn, false);
                return n;
            }
            if (faci_clock_left_ns(until_ns) > 0) { /* else it was cut short */
                note_watch(conn, true);
            }
        }
        return faci_stream_receive(&conn->stream, conn->rx, conn->rx_cap, until_ns);
    }
    unsigned ready = faci_stream_wait(&conn->stream, FACI_READY_READ | FACI_READY_WRITE,
                                      until_ns);
    if ((ready & FACI_READY_WRITE) != 0) {
        (void)faci_mux_send_rest(conn);
    }
    if ((ready & FACI_READY_READ) != 0) {
        return faci_stream_receive_some(&conn->stream, conn->rx, conn->rx_cap);
    }
    errno = ready == FACI_READY_LATE ? ETIME : EAGAIN;
    return -1;
}
