/* SPDX-License-Identifier: MIT */
/* engine/lanes.c — choosing a shared connection.
 *
 * Design notes. Up to SPREAD callers each have a connection of their own: two system calls for
 * each call, nobody waits for another's wake-up. Beyond, a send, a receive and a wake-up serve
 * many calls when they share, and the more the fewer connections there are. The figures are in
 * docs/design/engine.md. */
#include "engine/lanes.h"

#include "base/assert.h"
#include "base/clock.h"
#include "engine/mux.h"

#include <stddef.h>

enum {
    SPREAD = 4,          /* callers who do not share */
    FOLDED = 20,         /* callers on one that is shared */
    OVERDUE_MIN_MS = 20, /* or a quarter of the usual wait */
    DESERTED_MS = 20,
};

uint32_t faci_lanes_callers(const struct faci_lanes *lanes)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < lanes->n; i++) {
        n += faci_conn_callers(lanes->list[i]);
    }
    return n;
}

unsigned faci_lanes_wanted(uint32_t n_callers)
{
    if (n_callers < SPREAD) {
        return n_callers + 1;
    }
    uint32_t n = n_callers / FOLDED;
    return n < 1 ? 1 : n < FACI_LANES_MAX ? n : FACI_LANES_MAX;
}

/* All its callers have left, and the oldest request has waited for a while: who joins would wait
 * behind it. */
static bool is_deserted(struct faci_conn *conn, int64_t now_ns)
{
    int64_t sent_ns = faci_mux_waits_since(conn);
    return sent_ns != FACI_NEVER_NS && now_ns > faci_clock_after_ms(sent_ns, DESERTED_MS);
}

/* Requests are under way, and nothing has come for long. */
static bool is_overdue(struct faci_conn *conn, int64_t now_ns)
{
    if (faci_conn_callers(conn) == 0) {
        return is_deserted(conn, now_ns);
    }
    uint32_t patience_ms = conn->config->timeout_ms / 4;
    patience_ms = patience_ms < OVERDUE_MIN_MS ? OVERDUE_MIN_MS : patience_ms;
    int64_t progress_ns = atomic_load_explicit(&conn->progress_ns, memory_order_relaxed);
    return now_ns > faci_clock_after_ms(progress_ns, patience_ms);
}

static bool has_shown(const struct faci_conn *conn, int64_t since_ns)
{
    return since_ns == 0 || conn->ready_at_ns >= since_ns ||
           atomic_load_explicit(&conn->heard_ns, memory_order_relaxed) >= since_ns;
}

struct faci_conn *faci_lanes_pick(const struct faci_lanes *lanes, int64_t now_ns,
                                  int64_t since_ns, bool may_look)
{
    struct faci_conn *best = NULL;
    uint32_t least = UINT32_MAX;
    unsigned wanted = faci_lanes_wanted(faci_lanes_callers(lanes));
    for (unsigned i = 0; i < lanes->n; i++) {
        struct faci_conn *conn = lanes->list[i];
        uint32_t n = faci_conn_callers(conn);
        bool will_do = has_shown(conn, since_ns) || (may_look && n == 0);
        if (faci_conn_is_poisoned(conn) || !will_do || is_overdue(conn, now_ns)) {
            continue;
        }
        bool is_surplus = i >= wanted; /* only when there is no other */
        n += is_surplus ? FACI_CONN_SHARED_MAX : 0U;
        if (n < least) {
            least = n;
            best = conn;
        }
    }
    return best;
}

struct faci_conn *faci_lanes_stalled(const struct faci_lanes *lanes, int64_t now_ns)
{
    for (unsigned i = 0; i < lanes->n; i++) {
        struct faci_conn *conn = lanes->list[i];
        if (faci_conn_callers(conn) == 0 && faci_mux_stalls_at(conn) <= now_ns) {
            return conn;
        }
    }
    return NULL;
}

struct faci_conn *faci_lanes_unused(const struct faci_lanes *lanes)
{
    for (unsigned i = 0; i < lanes->n; i++) {
        if (faci_conn_callers(lanes->list[i]) == 0) {
            return lanes->list[i];
        }
    }
    return NULL;
}

struct faci_conn *faci_lanes_least(const struct faci_lanes *lanes)
{
    struct faci_conn *best = NULL;
    for (unsigned i = 0; i < lanes->n; i++) {
        if (best == NULL || faci_conn_callers(lanes->list[i]) < faci_conn_callers(best)) {
            best = lanes->list[i];
        }
    }
    return best;
}

void faci_lanes_add(struct faci_lanes *lanes, struct faci_conn *conn)
{
    faci_assert(lanes->n < FACI_LANES_MAX);
    lanes->list[lanes->n++] = conn;
}

void faci_lanes_remove(struct faci_lanes *lanes, const struct faci_conn *conn)
{
    for (unsigned i = 0; i < lanes->n; i++) {
        if (lanes->list[i] == conn) {
            lanes->list[i] = lanes->list[--lanes->n];
            return;
        }
    }
}
