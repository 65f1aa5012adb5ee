/* SPDX-License-Identifier: MIT */
/* engine/pool.c — lending connections.
 *
 * Design notes. A connection is idle, lent, or connecting; it is on the list of all from before it
 * connects until it is freed, so close() reaches every one. Who waits stands in a queue, and a
 * connection that is given back goes to the first in it, never past it to a newcomer. When a
 * connection ends instead, the first in the queue is woken to make another. No lock is held across
 * a system call but shutdown(), which does not wait. Lock order: pool, then stream. */
#include "engine/pool.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/random.h"
#include "engine/connect.h"
#include "engine/mux.h"

enum {
    PEEK_AFTER_MS = 1000,  /* idle for longer: the server may have closed it */
    FAIR_CONNECT_MS = 200, /* a caller with less time says nothing of the server by leaving */
};

struct faci_pool_waiter {
    struct faci_cond wake;
    struct faci_conn *conn; /* what it was given */
    bool may_look;          /* woken to look for itself */
    struct faci_pool_waiter *next;
};

/* --- Lists, under the lock ------------------------------------------------------------------ */

static void link_all_locked(struct faci_pool *pool, struct faci_conn *conn)
    FACI_REQUIRES(&pool->lock)
{
    conn->prev = NULL;
    conn->next_all = pool->all;
    if (pool->all != NULL) {
        pool->all->prev = conn;
    }
    pool->all = conn;
    pool->n_all++;
}

static void unlink_all_locked(struct faci_pool *pool, struct faci_conn *conn)
    FACI_REQUIRES(&pool->lock)
{
    if (conn->prev != NULL) {
        conn->prev->next_all = conn->next_all;
    } else {
        pool->all = conn->next_all;
    }
    if (conn->next_all != NULL) {
        conn->next_all->prev = conn->prev;
    }
    pool->n_all--;
}

static struct faci_conn *pop_idle_locked(struct faci_pool *pool) FACI_REQUIRES(&pool->lock)
{
    struct faci_conn *conn = pool->idle;
    if (conn != NULL) {
        pool->idle = conn->next_idle;
        pool->n_idle--;
    }
    return conn;
}

static struct faci_pool_waiter *pop_waiter_locked(struct faci_pool *pool)
    FACI_REQUIRES(&pool->lock)
{
    struct faci_pool_waiter *waiter = pool->first_waiter;
    if (waiter != NULL) {
        pool->first_waiter = waiter->next;
        if (pool->first_waiter == NULL) {
            pool->last_waiter = NULL;
        }
        pool->n_waiters--;
    }
    return waiter;
}

static void remove_waiter_locked(struct faci_pool *pool, const struct faci_pool_waiter *gone)
    FACI_REQUIRES(&pool->lock)
{
    struct faci_pool_waiter *before = NULL;
    struct faci_pool_waiter *at = pool->first_waiter;
    while (at != NULL && at != gone) {
        before = at;
        at = at->next;
    }
    if (at == NULL) {
        return;
    }
    if (before != NULL) {
        before->next = at->next;
    } else {
        pool->first_waiter = at->next;
    }
    if (pool->last_waiter == at) {
        pool->last_waiter = before;
    }
    pool->n_waiters--;
}

/* A place is free: the first in the queue may make a connection. */
static void wake_one_locked(struct faci_pool *pool) FACI_REQUIRES(&pool->lock)
{
    struct faci_pool_waiter *waiter = pop_waiter_locked(pool);
    if (waiter != NULL) {
        waiter->may_look = true;
        faci_cond_signal(&waiter->wake);
    }
}

static void wake_all_locked(struct faci_pool *pool) FACI_REQUIRES(&pool->lock)
{
    while (pool->first_waiter != NULL) {
        wake_one_locked(pool);
    }
}

/* In a child of fork() every connection belongs to the parent, and the threads that had borrowed
 * or awaited one do not exist: our copies of the descriptors are closed, and not a byte is sent
 * on them. */
static struct faci_conn *take_inherited_locked(struct faci_pool *pool)
    FACI_REQUIRES(&pool->lock)
{
    struct faci_conn *inherited = NULL;
    if (pool->fork_generation != faci_fork_generation()) {
        pool->fork_generation = faci_fork_generation();
        inherited = pool->all;
        pool->all = NULL;
        pool->idle = NULL;
        pool->first_waiter = NULL;
        pool->last_waiter = NULL;
        pool->n_all = 0;
        pool->n_connecting = 0;
        pool->n_idle = 0;
        pool->n_waiters = 0;
        faci_gate_abandon(&pool->gate);
    }
    return inherited;
}

static void free_list(struct faci_conn *conn)
{
    while (conn != NULL) {
        struct faci_conn *next = conn->next_all;
        faci_conn_free(conn);
        conn = next;
    }
}

/* --- Life ----------------------------------------------------------------------------------- */

fac_status faci_pool_init(struct faci_pool *pool, const struct faci_engine_config *config,
                          fac_error *err)
{
    *pool = (struct faci_pool){.config = config, .max_waiters = FACI_POOL_WAITERS_MAX};
    if (config->unix_socket == NULL) {
        fac_status st = faci_resolver_new(config->alloc, config->host, config->port,
                                          &pool->resolver, err);
        if (st < 0) {
            return st;
        }
    }
    faci_mutex_init(&pool->lock);
    faci_gate_init(&pool->gate, faci_random_seed());
    pool->fork_generation = faci_fork_generation();
    return FAC_OK;
}

static void discard(struct faci_pool *pool, struct faci_conn *conn)
{
    faci_mutex_lock(&pool->lock);
    unlink_all_locked(pool, conn);
    wake_one_locked(pool);
    faci_mutex_unlock(&pool->lock);
    faci_conn_free(conn);
}

void faci_pool_fini(struct faci_pool *pool)
{
    free_list(pool->all);
    faci_resolver_free(pool->resolver);
    faci_mutex_fini(&pool->lock);
}

void faci_pool_close(struct faci_pool *pool)
{
    faci_mutex_lock(&pool->lock);
    struct faci_conn *inherited = take_inherited_locked(pool);
    pool->is_closed = true;
    for (struct faci_conn *conn = pool->all; conn != NULL; conn = conn->next_all) {
        faci_stream_shut(&conn->stream);
    }
    wake_all_locked(pool);
    faci_mutex_unlock(&pool->lock);
    free_list(inherited);
    if (pool->resolver != NULL) {
        faci_resolver_close(pool->resolver);
    }
}

bool faci_pool_is_closed(struct faci_pool *pool)
{
    faci_mutex_lock(&pool->lock);
    bool is_closed = pool->is_closed;
    faci_mutex_unlock(&pool->lock);
    return is_closed;
}

/* --- Connecting ----------------------------------------------------------------------------- */

static bool says_nothing_of_server(fac_status st, int64_t began_ns, int64_t deadline_ns)
{
    return st == FAC_E_CLOSED || st == FAC_E_NOMEM ||
           (st == FAC_E_TIMEOUT &&
            deadline_ns < faci_clock_after_ms(began_ns, FAIR_CONNECT_MS));
}

static void note_result(struct faci_pool *pool, const struct faci_conn *conn, fac_status st,
                        int64_t began_ns, int64_t deadline_ns, const fac_error *why)
{
    int64_t now_ns = faci_clock_now_ns();
    faci_mutex_lock(&pool->lock);
    if (st == FAC_OK) {
        if (faci_gate_is_down(&pool->gate)) {
            wake_all_locked(pool); /* it is there again: each may connect */
        }
        faci_gate_succeed(&pool->gate, now_ns);
        pool->identity = conn->identity;
    } else if (says_nothing_of_server(st, began_ns, deadline_ns)) {
        faci_gate_abandon(&pool->gate);
    } else {
        faci_gate_fail(&pool->gate, began_ns, now_ns, why);
        if (pool->n_all == pool->n_connecting) {
            wake_all_locked(pool); /* nothing will be given back: each learns why */
        }
    }
    pool->n_connecting--;
    faci_mutex_unlock(&pool->lock);
    atomic_fetch_add_explicit(st == FAC_OK ? &pool->n_connects : &pool->n_connect_failures, 1U,
                              memory_order_relaxed);
}

/* The gate has been entered and a place taken: `conn` is on the list of all. */
static fac_status connect_new(struct faci_pool *pool, struct faci_conn *conn,
                              int64_t deadline_ns, fac_error *err)
{
    fac_error why;
    faci_error_clear(&why);
    int64_t began_ns = faci_clock_now_ns();
    fac_status st = faci_connect(conn, pool->resolver, deadline_ns, &why);
    if (st < 0 && faci_pool_is_closed(pool)) {
        st = faci_fail(&why, FAC_E_CLOSED, 0, "the cache was closed");
    }
    note_result(pool, conn, st, began_ns, deadline_ns, &why);
    if (st < 0) {
        if (err != NULL) {
            *err = why;
        }
        discard(pool, conn);
    }
    return st;
}

/* --- Checkout ------------------------------------------------------------------------------- */

enum found {
    FOUND_IDLE,  /* an idle connection */
    FOUND_PLACE, /* a new connection, to be connected */
    FOUND_GIVEN, /* a connection that another caller handed over */
    FOUND_NONE,  /* an error */
};

static enum found wait_in_queue_locked(struct faci_pool *pool, int64_t deadline_ns,
                                       struct faci_conn **out, bool *out_again, fac_error *err)
    FACI_REQUIRES(&pool->lock)
{
    *out_again = false;
    if (pool->n_waiters >= pool->max_waiters) {
        (void)faci_fail(err, FAC_E_BUSY, 0, "%u calls wait for a connection already",
                        pool->n_waiters);
        return FOUND_NONE;
    }
    struct faci_pool_waiter self = {.conn = NULL};
    faci_cond_init(&self.wake);
    if (pool->last_waiter != NULL) {
        pool->last_waiter->next = &self;
    } else {
        pool->first_waiter = &self;
    }
    pool->last_waiter = &self;
    pool->n_waiters++;
    bool is_in_time = true;
    while (self.conn == NULL && !self.may_look && is_in_time) {
        is_in_time = faci_cond_wait_until(&self.wake, &pool->lock, deadline_ns);
    }
    faci_cond_fini(&self.wake);
    if (self.conn != NULL) {
        *out = self.conn;
        return FOUND_GIVEN;
    }
    if (self.may_look) {
        *out_again = true;
        return FOUND_NONE;
    }
    remove_waiter_locked(pool, &self);
    (void)faci_fail(err, FAC_E_TIMEOUT, 0, "no connection became free: all %u are in use",
                    pool->config->max_connections);
    return FOUND_NONE;
}

static enum found take_place_locked(struct faci_pool *pool, struct faci_conn **out,
                                    fac_error *err) FACI_REQUIRES(&pool->lock)
{
    if (!faci_gate_enter(&pool->gate, faci_clock_now_ns(), err)) {
        wake_all_locked(pool); /* nobody will give anything back: they learn why, too */
        return FOUND_NONE;
    }
    struct faci_conn *conn = faci_conn_new(pool->config);
    if (conn == NULL) {
        faci_gate_abandon(&pool->gate);
        wake_one_locked(pool); /* the place is still free */
        (void)faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
        return FOUND_NONE;
    }
    link_all_locked(pool, conn);
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

static enum found find_locked(struct faci_pool *pool, enum faci_checkout how,
                              int64_t deadline_ns, struct faci_conn **out, fac_error *err)
    FACI_REQUIRES(&pool->lock)
{
    bool again = true;
    enum found found = FOUND_NONE;
    while (again) {
        again = false;
        if (pool->is_closed) {
            (void)faci_fail(err, FAC_E_CLOSED, 0, "the cache is closed");
            return FOUND_NONE;
        }
        if (pool->idle != NULL && (how != FACI_CHECKOUT_NEW || !may_connect_locked(pool))) {
            *out = pop_idle_locked(pool);
            return FOUND_IDLE;
        }
        found = may_connect_locked(pool)
                    ? take_place_locked(pool, out, err)
                    : wait_in_queue_locked(pool, deadline_ns, out, &again, err);
    }
    return found;
}

static bool is_worth_a_look(const struct faci_conn *conn, enum faci_checkout how,
                            int64_t now_ns)
{
    return how != FACI_CHECKOUT_ANY ||
           now_ns >= faci_clock_after_ms(conn->used_at_ns, PEEK_AFTER_MS);
}

fac_status faci_pool_checkout(struct faci_pool *pool, enum faci_checkout how, int64_t now_ns,
                              int64_t deadline_ns, struct faci_conn **out, fac_error *err)
{
    for (;;) {
        fac_error why;
        faci_error_clear(&why);
        struct faci_conn *conn = NULL;
        faci_mutex_lock(&pool->lock);
        struct faci_conn *inherited = take_inherited_locked(pool);
        enum found found = find_locked(pool, how, deadline_ns, &conn, &why);
        faci_mutex_unlock(&pool->lock);
        free_list(inherited);

        if (found == FOUND_PLACE) {
            fac_status st = connect_new(pool, conn, deadline_ns, err);
            if (st == FAC_OK) {
                conn->used_at_ns = now_ns;
                *out = conn;
            }
            return st;
        }
        switch (found) {
        case FOUND_PLACE:
        case FOUND_GIVEN:
            conn->used_at_ns = now_ns;
            *out = conn;
            return FAC_OK;
        case FOUND_IDLE:
            if (!is_worth_a_look(conn, how, now_ns) || faci_mux_is_alive(conn)) {
                conn->used_at_ns = now_ns;
                *out = conn;
                return FAC_OK;
            }
            atomic_fetch_add_explicit(&pool->n_disconnects, 1U, memory_order_relaxed);
            discard(pool, conn);
            break;
        case FOUND_NONE:
            if (err != NULL) {
                *err = why;
            }
            return why.status;
        }
    }
}

void faci_pool_give_back(struct faci_pool *pool, struct faci_conn *conn)
{
    if (!faci_conn_is_reusable(conn)) {
        if (!faci_pool_is_closed(pool)) {
            atomic_fetch_add_explicit(&pool->n_disconnects, 1U, memory_order_relaxed);
        }
        discard(pool, conn);
        return;
    }
    faci_conn_shrink(conn);
    faci_mutex_lock(&pool->lock);
    struct faci_pool_waiter *waiter = pop_waiter_locked(pool);
    if (waiter != NULL) {
        waiter->conn = conn;
        faci_cond_signal(&waiter->wake);
    } else {
        conn->next_idle = pool->idle;
        pool->idle = conn;
        pool->n_idle++;
    }
    faci_mutex_unlock(&pool->lock);
}

/* --- About it ------------------------------------------------------------------------------- */

bool faci_pool_may_connect(struct faci_pool *pool)
{
    faci_mutex_lock(&pool->lock);
    bool may = faci_gate_is_open(&pool->gate, faci_clock_now_ns());
    faci_mutex_unlock(&pool->lock);
    return may;
}

bool faci_pool_is_down(struct faci_pool *pool)
{
    faci_mutex_lock(&pool->lock);
    bool is_down = faci_gate_is_down(&pool->gate);
    faci_mutex_unlock(&pool->lock);
    return is_down;
}

void faci_pool_count(struct faci_pool *pool, struct faci_pool_counts *out)
{
    out->connects = atomic_load_explicit(&pool->n_connects, memory_order_relaxed);
    out->connect_failures = atomic_load_explicit(&pool->n_connect_failures,
                                                 memory_order_relaxed);
    out->disconnects = atomic_load_explicit(&pool->n_disconnects, memory_order_relaxed);
    faci_mutex_lock(&pool->lock);
    out->open = pool->n_all;
    out->idle = pool->n_idle;
    out->waiting = pool->n_waiters;
    faci_mutex_unlock(&pool->lock);
}

void faci_pool_identity(struct faci_pool *pool, struct faci_identity *out)
{
    faci_mutex_lock(&pool->lock);
    *out = pool->identity;
    faci_mutex_unlock(&pool->lock);
}
