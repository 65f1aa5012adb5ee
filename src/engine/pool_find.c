/* SPDX-License-Identifier: MIT */
/* engine/pool_find.c — what a caller gets: a shared connection, one of its own, a place to connect,
 * or a place in the queue.
 *
 * Design notes. Who wants to share takes the best lane, or opens another when the calls are too
 * few to fold; one caller at a time connects for that, and the others use what there is or wait for
 * it. Who wants a connection alone takes an idle one or an unused lane, connects, or has a lane
 * emptied: no call joins it any more, and its last caller hands it over. One that was idle for long
 * is looked at before use. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/connect.h"
#include "engine/intake.h"
#include "engine/mux.h"
#include "engine/pool.h"
#include "engine/pool_lists.h"

enum {
    PEEK_AFTER_MS = 1000, /* idle for longer: the server may have closed it */
    REAP_EVERY_MS = 10 * 1000,
    REAP_UNUSED_MS = 60 * 1000,
    FAIR_CONNECT_MS = 100, /* a caller with less time says nothing of the server by leaving */
};

enum found {
    FOUND_LANE,  /* a part in a shared connection */
    FOUND_IDLE,  /* a connection that nobody has, this caller's from now on */
    FOUND_PLACE, /* a new connection, to be connected */
    FOUND_GIVEN, /* a connection that another caller handed over */
    FOUND_AGAIN, /* something has changed: look once more */
    FOUND_NONE,  /* an error */
};

/* --- What nobody needs ------------------------------------------------------------------------ */

static bool is_long_unused(const struct faci_conn *conn, int64_t now_ns)
{
    int64_t used_ns = atomic_load_explicit(&conn->used_at_ns, memory_order_relaxed);
    return now_ns > faci_clock_after_ms(used_ns, REAP_UNUSED_MS);
}

void faci_pool_reap_locked(struct faci_pool *pool, int64_t now_ns, struct faci_conn **ended)
{
    if (now_ns < faci_clock_after_ms(pool->reaped_at_ns, REAP_EVERY_MS)) {
        return;
    }
    pool->reaped_at_ns = now_ns;
    struct faci_conn **link = &pool->idle;
    while (*link != NULL) {
        struct faci_conn *conn = *link;
        if (pool->n_all > 1 && is_long_unused(conn, now_ns)) {
            *link = conn->next_idle;
            pool->n_idle--;
            faci_pool_unlink_locked(pool, conn);
            faci_pool_put_on(conn, ended);
        } else {
            link = &conn->next_idle;
        }
    }
    struct faci_conn *lane = faci_lanes_unused(&pool->lanes);
    if (lane != NULL && pool->n_all > 1 && is_long_unused(lane, now_ns)) {
        faci_lanes_remove(&pool->lanes, lane);
        faci_pool_unlink_locked(pool, lane);
        faci_pool_put_on(lane, ended);
    }
}

/* --- Connecting ----------------------------------------------------------------------------- */

static bool says_nothing_of_server_locked(const struct faci_pool *pool, fac_status st,
                                          int64_t began_ns, int64_t deadline_ns)
    FACI_REQUIRES(&pool->lock)
{
    if (st != FAC_E_TIMEOUT) {
        return st == FAC_E_CLOSED || st == FAC_E_NOMEM;
    }
    uint32_t quarter_ms = pool->config->timeout_ms / 4;
    uint32_t fair_ms = quarter_ms < FAIR_CONNECT_MS ? quarter_ms : FAIR_CONNECT_MS;
    return pool->gate.n_failures == 0 && deadline_ns < faci_clock_after_ms(began_ns, fair_ms);
}

static void note_success_locked(struct faci_pool *pool, struct faci_conn *conn, int64_t now_ns)
    FACI_REQUIRES(&pool->lock)
{
    faci_gate_succeed(&pool->gate, now_ns);
    pool->identity = conn->identity;
    conn->ready_at_ns = now_ns;
    conn->n_greeting = conn->n_done;
    atomic_fetch_add_explicit(&pool->n_connects, 1U, memory_order_relaxed);
    if (pool->n_lost > 0) {
        pool->n_lost--;
        atomic_fetch_add_explicit(&pool->n_reconnects, 1U, memory_order_relaxed);
    }
}

static void note_failure_locked(struct faci_pool *pool, const struct faci_conn *conn,
                                int64_t began_ns, int64_t deadline_ns, const fac_error *why)
    FACI_REQUIRES(&pool->lock)
{
    int64_t now_ns = faci_clock_now_ns();
    fac_status st = why->status;
    if (says_nothing_of_server_locked(pool, st, began_ns, deadline_ns)) {
        faci_gate_abandon(&pool->gate, began_ns);
    } else if (st == FAC_E_UNAVAILABLE && conn->n_sent > 0) {
        faci_gate_fail_cut(&pool->gate, began_ns, now_ns, why);
    } else {
        faci_gate_fail(&pool->gate, began_ns, now_ns, why);
    }
    /* One that refuses us is there, and the gate remembers what it said. */
    if (st == FAC_E_UNAVAILABLE || st == FAC_E_PROTOCOL ||
        (st == FAC_E_TIMEOUT && pool->gate.n_failures > 0)) {
        faci_pool_note_event_locked(pool, began_ns, why);
    }
    atomic_fetch_add_explicit(&pool->n_connect_failures, 1U, memory_order_relaxed);
}

/* The gate has been entered and a place taken: `conn` is on the list of all. `shares`: others wait
 * for this attempt. */
static fac_status connect_new(struct faci_pool *pool, struct faci_conn *conn,
                              int64_t deadline_ns, bool shares, fac_error *err)
{
    fac_error why;
    faci_error_clear(&why);
    int64_t began_ns = faci_clock_now_ns();
    fac_status st = faci_connect(conn, pool->resolver, deadline_ns, &why);
    if (st < 0 && faci_pool_is_closed(pool)) {
        st = faci_fail(&why, FAC_E_CLOSED, 0, "the cache was closed");
    }
    faci_mutex_lock(&pool->lock);
    bool was_down = faci_gate_is_down(&pool->gate);
    if (st == FAC_OK) {
        note_success_locked(pool, conn, faci_clock_now_ns());
    } else {
        note_failure_locked(pool, conn, began_ns, deadline_ns, &why);
    }
    pool->n_connecting--;
    pool->is_opening = pool->is_opening && !shares;
    bool nothing_comes = st < 0 && pool->n_all == pool->n_connecting + 1;
    if ((st == FAC_OK && was_down) || nothing_comes || (shares && st < 0)) {
        faci_queue_wake_all(&pool->queue); /* each may connect, or learns why not */
    }
    faci_mutex_unlock(&pool->lock);
    if (st < 0) {
        if (err != NULL) {
            *err = why;
        }
        faci_pool_discard(pool, conn);
    }
    return st;
}

/* --- Looking, under the lock ---------------------------------------------------------------- */

static enum found wait_locked(struct faci_pool *pool, const struct faci_lease *lease,
                              bool is_exclusive, struct faci_conn **out, fac_error *err)
    FACI_REQUIRES(&pool->lock)
{
    if (pool->queue.n >= pool->max_waiters) {
        (void)faci_fail(err, FAC_E_BUSY, 0, "%u calls wait for a connection already",
                        pool->queue.n);
        return FOUND_NONE;
    }
    struct faci_waiter self = {.is_exclusive = is_exclusive};
    faci_cond_init(&self.wake);
    faci_queue_push(&pool->queue, &self);
    bool is_in_time = true;
    while (self.conn == NULL && !self.may_look && is_in_time) {
        is_in_time = faci_cond_wait_until(&self.wake, &pool->lock, lease->deadline_ns);
    }
    faci_cond_fini(&self.wake);
    if (self.conn != NULL) {
        *out = self.conn;
        return FOUND_GIVEN;
    }
    if (self.may_look) {
        return FOUND_AGAIN;
    }
    faci_queue_remove(&pool->queue, &self);
    (void)faci_fail(err, FAC_E_TIMEOUT, 0, "no connection became free: %u of at most %u stand",
                    pool->n_all, pool->config->max_connections);
    return FOUND_NONE;
}

static enum found take_place_locked(struct faci_pool *pool, struct faci_conn **out,
                                    fac_error *err) FACI_REQUIRES(&pool->lock)
{
    int64_t now_ns = faci_clock_now_ns();
    if (!faci_gate_enter(&pool->gate, now_ns, err)) {
        /* Nobody will give anything back: they learn why, too. */
        faci_queue_wake_all(&pool->queue);
        return FOUND_NONE;
    }
    struct faci_conn *conn = faci_conn_new(pool->config, &pool->tally);
    if (conn == NULL) {
        faci_gate_abandon(&pool->gate, now_ns);
        faci_queue_wake_one(&pool->queue); /* the place is still free */
        (void)faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
        return FOUND_NONE;
    }
    conn->is_exclusive = true;
    faci_pool_link_locked(pool, conn);
    pool->n_connecting++;
    *out = conn;
    return FOUND_PLACE;
}

/* Whether to connect, or to be told why not; otherwise there is something to wait for. */
static bool may_connect_locked(struct faci_pool *pool) FACI_REQUIRES(&pool->lock)
{
    if (pool->n_all >= pool->config->max_connections) {
        return false;
    }
    if (faci_gate_is_open(&pool->gate, faci_clock_now_ns())) {
        return true;
    }
    /* A server that takes no new connection may still serve those it has taken. */
    bool has_ready = pool->n_all > pool->n_connecting;
    return !has_ready && !faci_gate_is_doubtful(&pool->gate);
}

static bool is_worth_a_look(const struct faci_conn *conn, const struct faci_lease *lease)
{
    int64_t used_ns = atomic_load_explicit(&conn->used_at_ns, memory_order_relaxed);
    return lease->is_checked || lease->since_ns != 0 ||
           lease->now_ns >= faci_clock_after_ms(used_ns, PEEK_AFTER_MS);
}

/* A shared connection that nobody is on becomes this caller's alone. */
static void take_lane_locked(struct faci_pool *pool, struct faci_conn *conn,
                             struct faci_conn **out) FACI_REQUIRES(&pool->lock)
{
    faci_lanes_remove(&pool->lanes, conn);
    conn->is_exclusive = true;
    *out = conn;
}

static enum found enter_lane_locked(struct faci_pool *pool, struct faci_conn *conn,
                                    const struct faci_lease *lease, struct faci_conn **out)
    FACI_REQUIRES(&pool->lock)
{
    if (faci_conn_callers(conn) == 0 && is_worth_a_look(conn, lease) &&
        faci_conn_is_reusable(conn)) {
        take_lane_locked(pool, conn, out);
        return FOUND_IDLE;
    }
    atomic_fetch_add_explicit(&conn->users, 1U, memory_order_acq_rel);
    *out = conn;
    return FOUND_LANE;
}

/* Something to make another lane of. FOUND_AGAIN: nothing now. */
static enum found open_lane_locked(struct faci_pool *pool, const struct faci_lease *lease,
                                   struct faci_conn **out, fac_error *err)
    FACI_REQUIRES(&pool->lock)
{
    bool may_connect = !pool->is_opening && may_connect_locked(pool);
    bool wants_new = lease->since_ns != 0 && may_connect;
    if (pool->idle != NULL && !wants_new) {
        *out = faci_pool_pop_idle_locked(pool);
        return FOUND_IDLE;
    }
    if (!may_connect) {
        return FOUND_AGAIN;
    }
    enum found found = take_place_locked(pool, out, err);
    pool->is_opening = found == FOUND_PLACE;
    return found;
}

static enum found find_lane_locked(struct faci_pool *pool, const struct faci_lease *lease,
                                   struct faci_conn **ended, struct faci_conn **out,
                                   fac_error *err) FACI_REQUIRES(&pool->lock)
{
    struct faci_lanes *lanes = &pool->lanes;
    struct faci_conn *stalled = faci_lanes_stalled(lanes, lease->now_ns);
    if (stalled != NULL) {
        faci_conn_poison(stalled, FAC_E_TIMEOUT, 0, "no answer in time");
        faci_pool_retire_locked(pool, stalled, ended);
    }
    struct faci_conn *best = faci_lanes_pick(lanes, lease->now_ns, lease->since_ns,
                                             !lease->is_patient);
    bool has_enough = best != NULL &&
                      (faci_conn_callers(best) == 0 ||
                       lanes->n >= faci_lanes_wanted(faci_lanes_callers(lanes)));
    if (has_enough) {
        return enter_lane_locked(pool, best, lease, out);
    }
    if (lanes->n < FACI_LANES_MAX) {
        bool is_needed = best == NULL;
        bool is_open = is_needed || faci_gate_is_open(&pool->gate, lease->now_ns);
        enum found found = is_open ? open_lane_locked(pool, lease, out, err) : FOUND_AGAIN;
        if (found != FOUND_AGAIN) {
            return found;
        }
    }
    if (best == NULL && !pool->is_opening) {
        best = faci_lanes_least(lanes); /* slow, or in doubt: nothing else can be had */
        best = best != NULL && faci_conn_is_poisoned(best) ? NULL : best;
    }
    if (best != NULL) {
        return enter_lane_locked(pool, best, lease, out);
    }
    return wait_locked(pool, lease, false, out, err);
}

/* No call joins it any more, and its last caller hands it over. */
static bool want_lane_locked(struct faci_pool *pool, struct faci_conn **out)
    FACI_REQUIRES(&pool->lock)
{
    struct faci_conn *conn = faci_lanes_least(&pool->lanes);
    if (conn == NULL) {
        return false;
    }
    uint32_t was = atomic_fetch_or_explicit(&conn->users, FACI_CONN_WANTED,
                                            memory_order_acq_rel);
    if (was != 0) {
        faci_lanes_remove(&pool->lanes, conn);
        return false;
    }
    atomic_store_explicit(&conn->users, 0U, memory_order_relaxed); /* the last one just left */
    take_lane_locked(pool, conn, out);
    return true;
}

static enum found find_alone_locked(struct faci_pool *pool, const struct faci_lease *lease,
                                    struct faci_conn **out, fac_error *err)
    FACI_REQUIRES(&pool->lock)
{
    bool wants_new = lease->since_ns != 0 && may_connect_locked(pool);
    if (pool->idle != NULL && !wants_new) {
        *out = faci_pool_pop_idle_locked(pool);
        return FOUND_IDLE;
    }
    struct faci_conn *unused = wants_new ? NULL : faci_lanes_unused(&pool->lanes);
    if (unused != NULL && faci_conn_is_reusable(unused)) {
        take_lane_locked(pool, unused, out);
        return FOUND_IDLE;
    }
    if (may_connect_locked(pool)) {
        return take_place_locked(pool, out, err);
    }
    return want_lane_locked(pool, out) ? FOUND_IDLE : wait_locked(pool, lease, true, out, err);
}

/* --- A caller's way ------------------------------------------------------------------------- */

static fac_status enter_breaker(struct faci_pool *pool, struct faci_lease *lease,
                                fac_error *err)
{
    if (!pool->config->has_breaker) {
        return FAC_OK;
    }
    faci_mutex_lock(&pool->lock);
    bool may_enter = pool->is_closed ||
                     faci_breaker_enter(&pool->breaker, lease->now_ns, &lease->is_probe, err);
    if (lease->is_probe) {
        faci_gate_hurry(&pool->gate, lease->now_ns); /* one pause is enough */
    }
    faci_mutex_unlock(&pool->lock);
    lease->is_refused = !may_enter;
    if (lease->is_probe) {
        int64_t cap_ns = faci_clock_after_ms(lease->now_ns, FACI_BREAKER_PROBE_MS);
        lease->deadline_ns = cap_ns < lease->deadline_ns ? cap_ns : lease->deadline_ns;
    }
    return may_enter ? FAC_OK : FAC_E_UNAVAILABLE;
}

/* One look, for whatever it is: FOUND_AGAIN is for the next round. */
static enum found look(struct faci_pool *pool, struct faci_lease *lease, bool is_exclusive,
                       struct faci_conn **out, fac_error *why)
{
    struct faci_conn *ended = NULL;
    faci_mutex_lock(&pool->lock);
    faci_pool_drop_inherited_locked(pool);
    faci_pool_reap_locked(pool, lease->now_ns, &ended);
    enum found found = FOUND_NONE;
    if (pool->is_closed) {
        (void)faci_fail(why, FAC_E_CLOSED, 0, "the cache is closed");
    } else if (is_exclusive) {
        found = find_alone_locked(pool, lease, out, why);
    } else {
        found = find_lane_locked(pool, lease, &ended, out, why);
    }
    faci_mutex_unlock(&pool->lock);
    faci_pool_free_list(ended);
    return found;
}

/* A connection of this caller's becomes one for many. */
static void share(struct faci_pool *pool, struct faci_conn *conn, int64_t now_ns)
{
    faci_mux_begin(conn, now_ns);
    faci_mutex_lock(&pool->lock);
    conn->is_exclusive = false;
    bool has_room = pool->lanes.n < FACI_LANES_MAX;
    atomic_store_explicit(
        &conn->users, has_room ? 1U : FACI_CONN_WANTED | 1U,
        memory_order_relaxed); /* without room it is given back after the call */
    if (has_room) {
        faci_lanes_add(&pool->lanes, conn);
    }
    if (pool->is_closed) {
        faci_conn_poison(conn, FAC_E_CLOSED, 0, "the cache was closed");
    }
    faci_queue_wake_all(&pool->queue);
    faci_mutex_unlock(&pool->lock);
}

static fac_status check_time(struct faci_pool *pool, const struct faci_lease *lease,
                             struct faci_conn *conn, fac_error *err)
{
    if (faci_clock_left_ns(lease->deadline_ns) > 0) {
        return FAC_OK;
    }
    faci_pool_give_back(pool, conn);
    return faci_fail(err, FAC_E_TIMEOUT, 0, "no connection became free in time");
}

/* A connection that is ready and this caller's, or, with FOUND_LANE, a part in one. */
static fac_status obtain(struct faci_pool *pool, struct faci_lease *lease, bool is_exclusive,
                         enum found *out_found, fac_error *err)
{
    for (;;) {
        fac_error why;
        faci_error_clear(&why);
        struct faci_conn *conn = NULL;
        *out_found = look(pool, lease, is_exclusive, &conn, &why);
        lease->conn = conn;
        switch (*out_found) {
        case FOUND_LANE:
            return FAC_OK;
        case FOUND_PLACE:
            return connect_new(pool, conn, lease->deadline_ns, !is_exclusive, err);
        case FOUND_GIVEN: /* it may have come too late to begin anything */
            return check_time(pool, lease, conn, err);
        case FOUND_IDLE:
            if (is_worth_a_look(conn, lease) ? faci_intake_is_alive(conn)
                                             : faci_conn_is_reusable(conn)) {
                return FAC_OK;
            }
            atomic_fetch_add_explicit(&pool->n_disconnects, 1U, memory_order_relaxed);
            faci_pool_discard(pool, conn);
            break;
        case FOUND_AGAIN:
            break;
        case FOUND_NONE:
            if (err != NULL) {
                *err = why;
            }
            return why.status;
        }
    }
}

fac_status faci_pool_join(struct faci_pool *pool, struct faci_lease *lease, fac_error *err)
{
    fac_status st = enter_breaker(pool, lease, err);
    enum found found = FOUND_NONE;
    if (st == FAC_OK) {
        st = obtain(pool, lease, false, &found, err);
    }
    if (st == FAC_OK) {
        if (found != FOUND_LANE) {
            share(pool, lease->conn, lease->now_ns);
        }
        atomic_store_explicit(&lease->conn->used_at_ns, lease->now_ns, memory_order_relaxed);
    }
    return st;
}

fac_status faci_pool_checkout(struct faci_pool *pool, struct faci_lease *lease, fac_error *err)
{
    fac_status st = enter_breaker(pool, lease, err);
    enum found found = FOUND_NONE;
    if (st == FAC_OK) {
        st = obtain(pool, lease, true, &found, err);
    }
    if (st == FAC_OK) {
        faci_assert(lease->conn != NULL);
        lease->conn->n_taken = lease->conn->n_appended;
        atomic_store_explicit(&lease->conn->used_at_ns, lease->now_ns, memory_order_relaxed);
    }
    return st;
}
