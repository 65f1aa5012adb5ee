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
    FAIR_CONNECT_MS = 100, /* a caller with less time says nothing of the server by leaving */
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
        pool->queue = (struct faci_queue){.n = 0};
        pool->n_all = 0;
        pool->n_connecting = 0;
        pool->n_idle = 0;
        faci_gate_abandon(&pool->gate, FACI_NEVER_NS);
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

/* So that a child of fork() finds every lock of the pool free, and its lists whole. */
static void lock_for_fork(void *owner) FACI_NO_LOCK_ANALYSIS
{
    struct faci_pool *pool = owner;
    faci_mutex_lock(&pool->lock);
    for (struct faci_conn *conn = pool->all; conn != NULL; conn = conn->next_all) {
        faci_mutex_lock(&conn->stream.lock);
    }
    if (pool->resolver != NULL) {
        faci_resolver_lock(pool->resolver);
    }
}

static void unlock_after_fork(void *owner) FACI_NO_LOCK_ANALYSIS
{
    struct faci_pool *pool = owner;
    if (pool->resolver != NULL) {
        faci_resolver_unlock(pool->resolver);
    }
    for (struct faci_conn *conn = pool->all; conn != NULL; conn = conn->next_all) {
        faci_mutex_unlock(&conn->stream.lock);
    }
    faci_mutex_unlock(&pool->lock);
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
    faci_gate_init(&pool->gate,
                   config->reconnect_max_ms > 0 ? config->reconnect_max_ms
                                                : FACI_GATE_RESTART_CAP_MS,
                   faci_random_seed());
    pool->fork_generation = faci_fork_generation();
    pool->fork_watch = (struct faci_fork_watch){
        .owner = pool, .before = lock_for_fork, .after = unlock_after_fork};
    faci_fork_watch(&pool->fork_watch);
    return FAC_OK;
}

static void discard(struct faci_pool *pool, struct faci_conn *conn)
{
    faci_mutex_lock(&pool->lock);
    unlink_all_locked(pool, conn);
    faci_queue_wake_one(&pool->queue);
    faci_mutex_unlock(&pool->lock);
    faci_conn_free(conn);
}

void faci_pool_fini(struct faci_pool *pool)
{
    faci_fork_unwatch(&pool->fork_watch);
    free_list(pool->all);
    faci_resolver_free(pool->resolver);
    faci_mutex_fini(&pool->lock);
}

void faci_pool_close(struct faci_pool *pool)
{
    faci_mutex_lock(&pool->lock);
    struct faci_conn *inherited = take_inherited_locked(pool);
    pool->is_closed = true;
    struct faci_conn *ended = NULL; /* idle ones: nobody else will free them */
    while (pool->idle != NULL) {
        struct faci_conn *conn = pop_idle_locked(pool);
        unlink_all_locked(pool, conn);
        conn->next_all = ended;
        ended = conn;
    }
    for (struct faci_conn *conn = pool->all; conn != NULL; conn = conn->next_all) {
        faci_stream_shut(&conn->stream);
    }
    faci_queue_wake_all(&pool->queue);
    faci_mutex_unlock(&pool->lock);
    free_list(inherited);
    free_list(ended);
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

static void note_result(struct faci_pool *pool, const struct faci_conn *conn, fac_status st,
                        int64_t began_ns, int64_t deadline_ns, const fac_error *why)
{
    int64_t now_ns = faci_clock_now_ns();
    faci_mutex_lock(&pool->lock);
    if (st == FAC_OK) {
        if (faci_gate_is_down(&pool->gate)) {
            faci_queue_wake_all(&pool->queue); /* it is there again: each may connect */
        }
        faci_gate_succeed(&pool->gate, now_ns);
        pool->identity = conn->identity;
    } else if (says_nothing_of_server_locked(pool, st, began_ns, deadline_ns)) {
        faci_gate_abandon(&pool->gate, began_ns);
    } else {
        faci_gate_fail(&pool->gate, began_ns, now_ns, why);
        if (pool->n_all == pool->n_connecting) {
            faci_queue_wake_all(&pool->queue); /* nothing will be given back: each learns why */
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
    if (pool->queue.n >= pool->max_waiters) {
        (void)faci_fail(err, FAC_E_BUSY, 0, "%u calls wait for a connection already",
                        pool->queue.n);
        return FOUND_NONE;
    }
    struct faci_waiter self = {.conn = NULL};
    faci_cond_init(&self.wake);
    faci_queue_push(&pool->queue, &self);
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
    faci_queue_remove(&pool->queue, &self);
    (void)faci_fail(err, FAC_E_TIMEOUT, 0, "no connection became free: all %u are in use",
                    pool->config->max_connections);
    return FOUND_NONE;
}

static enum found take_place_locked(struct faci_pool *pool, struct faci_conn **out,
                                    fac_error *err) FACI_REQUIRES(&pool->lock)
{
    if (!faci_gate_enter(&pool->gate, faci_clock_now_ns(), err)) {
        faci_queue_wake_all(
            &pool->queue); /* nobody will give anything back: they learn why, too */
        return FOUND_NONE;
    }
    struct faci_conn *conn = faci_conn_new(pool->config);
    if (conn == NULL) {
        faci_gate_abandon(&pool->gate, faci_clock_now_ns());
        faci_queue_wake_one(&pool->queue); /* the place is still free */
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
            if (faci_clock_left_ns(deadline_ns) == 0) { /* it came too late to begin anything */
                faci_pool_give_back(pool, conn);
                return faci_fail(err, FAC_E_TIMEOUT, 0, "no connection became free in time");
            }
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
    if (pool->is_closed) {
        unlink_all_locked(pool, conn);
        faci_mutex_unlock(&pool->lock);
        faci_conn_free(conn);
        return;
    }
    struct faci_waiter *waiter = faci_queue_pop(&pool->queue);
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
    out->waiting = pool->queue.n;
    faci_mutex_unlock(&pool->lock);
}

void faci_pool_identity(struct faci_pool *pool, struct faci_identity *out)
{
    faci_mutex_lock(&pool->lock);
    *out = pool->identity;
    faci_mutex_unlock(&pool->lock);
}
