/* SPDX-License-Identifier: MIT */
/* engine/pool.c — the life of connections: who has a part in them, and who frees them.
 *
 * Design notes. A connection is connecting, idle, shared or lent; it is on the list of all from
 * before it connects until it is freed, so close() reaches every one. `users` counts who has a part
 * in it. Callers join under the lock, and leave without it; a flag in the same word tells the last
 * one who leaves that the connection has ended, or that somebody waits to have it alone. No lock is
 * held across a system call but shutdown() and waking, which do not wait. Lock order: pool, then
 * connection, then stream. */
#include "engine/pool.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "engine/mux.h"
#include "engine/password.h"
#include "engine/pool_lists.h"
#include "net/tls.h"

enum {
    SERVED_CALLS = 64,    /* of a connection that was of use */
    USELESS_IN_A_ROW = 8, /* and of so many that were not, the last is followed by a pause */
};

/* --- Lists, under the lock ------------------------------------------------------------------ */

void faci_pool_link_locked(struct faci_pool *pool, struct faci_conn *conn)
{
    conn->prev = NULL;
    conn->next_all = pool->all;
    if (pool->all != NULL) {
        pool->all->prev = conn;
    }
    pool->all = conn;
    pool->n_all++;
}

void faci_pool_unlink_locked(struct faci_pool *pool, struct faci_conn *conn)
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

struct faci_conn *faci_pool_pop_idle_locked(struct faci_pool *pool)
{
    struct faci_conn *conn = pool->idle;
    if (conn != NULL) {
        pool->idle = conn->next_idle;
        pool->n_idle--;
        conn->is_exclusive = true;
    }
    return conn;
}

void faci_pool_push_idle_locked(struct faci_pool *pool, struct faci_conn *conn)
{
    conn->is_exclusive = false;
    conn->next_idle = pool->idle;
    pool->idle = conn;
    pool->n_idle++;
}

void faci_pool_free_list(struct faci_conn *conn)
{
    while (conn != NULL) {
        struct faci_conn *next = conn->next_all;
        faci_conn_free(conn);
        conn = next;
    }
}

void faci_pool_put_on(struct faci_conn *conn, struct faci_conn **list)
{
    conn->next_all = *list;
    *list = conn;
}

void faci_pool_discard(struct faci_pool *pool, struct faci_conn *conn)
{
    faci_mutex_lock(&pool->lock);
    faci_pool_unlink_locked(pool, conn);
    faci_queue_wake_one(&pool->queue);
    faci_mutex_unlock(&pool->lock);
    faci_conn_free(conn);
}

void faci_pool_note_event_locked(struct faci_pool *pool, int64_t began_ns, const fac_error *why)
{
    if (began_ns < pool->event_ns) {
        return;
    }
    pool->event_ns = faci_clock_now_ns();
    faci_breaker_event(&pool->breaker, pool->event_ns, why);
    atomic_store_explicit(&pool->is_uneasy, true, memory_order_relaxed);
}

/* A server that takes connections only to end them is no better than one that takes none. */
static void note_use_locked(struct faci_pool *pool, const struct faci_conn *conn,
                            const fac_error *why) FACI_REQUIRES(&pool->lock)
{
    uint64_t n_served = conn->n_done - conn->n_greeting;
    if (n_served >= SERVED_CALLS) {
        faci_gate_has_served(&pool->gate);
    }
    pool->n_useless = n_served > 0 ? 0 : pool->n_useless + 1;
    if (pool->n_useless >= USELESS_IN_A_ROW) {
        faci_gate_fail_useless(&pool->gate, conn->ready_at_ns, faci_clock_now_ns(), why);
    }
}

/* The death of a connection is an event of the server's; what we did to it ourselves is not. */
static void note_death_locked(struct faci_pool *pool, const struct faci_conn *conn)
    FACI_REQUIRES(&pool->lock)
{
    fac_error why;
    fac_status death = faci_conn_fail(conn, &why);
    bool is_stall = death == FAC_E_TIMEOUT && !conn->is_exclusive;
    if (death == FAC_E_UNAVAILABLE || death == FAC_E_PROTOCOL || is_stall) {
        faci_pool_note_event_locked(pool, conn->ready_at_ns, &why);
        note_use_locked(pool, conn, &why);
    }
    if (!pool->is_closed) {
        pool->n_lost++;
        atomic_fetch_add_explicit(&pool->n_disconnects, 1U, memory_order_relaxed);
    }
}

void faci_pool_retire_locked(struct faci_pool *pool, struct faci_conn *conn,
                             struct faci_conn **ended)
{
    uint32_t was = atomic_fetch_or_explicit(&conn->users, FACI_CONN_ENDED,
                                            memory_order_acq_rel);
    if ((was & FACI_CONN_ENDED) != 0) {
        return;
    }
    note_death_locked(pool, conn);
    faci_lanes_remove(&pool->lanes, conn);
    if (was == 0) { /* with the other flag, the last caller has it in hand */
        faci_pool_unlink_locked(pool, conn);
        faci_pool_put_on(conn, ended);
    }
    faci_queue_wake_all(&pool->queue);
}

/* --- fork() --------------------------------------------------------------------------------- */

/* In a child every connection belongs to the parent, and the threads that had a part in one, or
 * awaited one, do not exist: our copies of the descriptors are closed, and not a byte is sent on
 * them. The memory of one that was in use may have been in the middle of a change: it is left. */
void faci_pool_drop_inherited_locked(struct faci_pool *pool)
{
    if (pool->fork_generation == faci_fork_generation()) {
        return;
    }
    pool->fork_generation = faci_fork_generation();
    struct faci_conn *conn = pool->all;
    while (conn != NULL) {
        struct faci_conn *next = conn->next_all;
        if (conn->is_exclusive || faci_conn_callers(conn) > 0) {
            faci_conn_abandon(conn);
        } else {
            faci_conn_free(conn);
        }
        conn = next;
    }
    pool->all = NULL;
    pool->idle = NULL;
    pool->lanes.n = 0;
    pool->queue = (struct faci_queue){.n = 0};
    pool->n_all = 0;
    pool->n_connecting = 0;
    pool->n_idle = 0;
    pool->is_opening = false;
    faci_gate_abandon(&pool->gate, FACI_NEVER_NS);
    faci_breaker_abandon(&pool->breaker);
}

/* So that a child of fork() finds every lock of the pool free, and its lists whole. */
static void lock_for_fork(void *owner) FACI_NO_LOCK_ANALYSIS
{
    struct faci_pool *pool = owner;
    faci_mutex_lock(&pool->lock);
    for (struct faci_conn *conn = pool->all; conn != NULL; conn = conn->next_all) {
        faci_mutex_lock(&conn->lock);
        faci_stream_lock(&conn->stream);
    }
    if (pool->config->tls != NULL) {
        faci_tls_lock(pool->config->tls);
    }
    if (pool->config->asker != NULL) {
        faci_asker_lock(pool->config->asker);
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
    if (pool->config->asker != NULL) {
        faci_asker_unlock(pool->config->asker);
    }
    if (pool->config->tls != NULL) {
        faci_tls_unlock(pool->config->tls);
    }
    for (struct faci_conn *conn = pool->all; conn != NULL; conn = conn->next_all) {
        faci_stream_unlock(&conn->stream);
        faci_mutex_unlock(&conn->lock);
    }
    if (pool->counted_generation != faci_fork_generation()) { /* a new child, one thread */
        pool->counted_generation = faci_fork_generation();
        atomic_store_explicit(&pool->n_in_flight, 0, memory_order_relaxed);
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
    faci_wait_init();
    faci_mutex_init(&pool->lock);
    faci_gate_init(&pool->gate,
                   config->reconnect_max_ms > 0 ? config->reconnect_max_ms
                                                : FACI_GATE_RESTART_CAP_MS,
                   faci_random_seed());
    const struct faci_breaker_config breaker = {.is_on = config->has_breaker,
                                                .open_ms = config->breaker_open_ms,
                                                .open_cap_ms = config->breaker_open_ms * 5};
    faci_breaker_init(&pool->breaker, &breaker, faci_random_seed());
    pool->fork_generation = faci_fork_generation();
    pool->counted_generation = pool->fork_generation;
    pool->fork_watch = (struct faci_fork_watch){
        .owner = pool, .before = lock_for_fork, .after = unlock_after_fork};
    faci_fork_watch(&pool->fork_watch);
    return FAC_OK;
}

void faci_pool_fini(struct faci_pool *pool)
{
    faci_fork_unwatch(&pool->fork_watch);
    faci_mutex_lock(&pool->lock);
    faci_pool_drop_inherited_locked(pool);
    faci_mutex_unlock(&pool->lock);
    faci_pool_free_list(pool->all);
    faci_resolver_free(pool->resolver);
    faci_mutex_fini(&pool->lock);
}

static void close_all_locked(struct faci_pool *pool, struct faci_conn **ended)
    FACI_REQUIRES(&pool->lock)
{
    while (pool->idle != NULL) { /* nobody else will free them */
        struct faci_conn *conn = faci_pool_pop_idle_locked(pool);
        faci_pool_unlink_locked(pool, conn);
        faci_pool_put_on(conn, ended);
    }
    struct faci_conn *next = NULL;
    for (struct faci_conn *conn = pool->all; conn != NULL; conn = next) {
        next = conn->next_all;
        if (conn->is_exclusive) {
            faci_stream_shut(&conn->stream);
        } else {
            faci_mux_end(conn, FAC_E_CLOSED, 0, "the cache was closed");
            faci_pool_retire_locked(pool, conn, ended);
        }
    }
}

void faci_pool_close(struct faci_pool *pool)
{
    struct faci_conn *ended = NULL;
    faci_mutex_lock(&pool->lock);
    faci_pool_drop_inherited_locked(pool);
    pool->is_closed = true;
    close_all_locked(pool, &ended);
    faci_queue_wake_all(&pool->queue);
    faci_mutex_unlock(&pool->lock);
    faci_pool_free_list(ended);
    if (pool->resolver != NULL) {
        faci_resolver_close(pool->resolver);
    }
    if (pool->config->asker != NULL) {
        faci_asker_close(pool->config->asker);
    }
}

bool faci_pool_is_closed(struct faci_pool *pool)
{
    faci_mutex_lock(&pool->lock);
    bool is_closed = pool->is_closed;
    faci_mutex_unlock(&pool->lock);
    return is_closed;
}

/* --- Back again ----------------------------------------------------------------------------- */

void faci_pool_give_back(struct faci_pool *pool, struct faci_conn *conn)
{
    bool is_good = faci_conn_is_reusable(conn) && conn->n_taken == conn->n_appended;
    if (is_good) {
        faci_conn_shrink(conn);
        faci_line_trim(&conn->line);
    } else {
        faci_conn_poison(conn, FAC_E_TIMEOUT, 0, "it was given back in use");
    }
    faci_mutex_lock(&pool->lock);
    if (!is_good || pool->is_closed) {
        if (!is_good) {
            note_death_locked(pool, conn);
        }
        faci_mutex_unlock(&pool->lock);
        faci_pool_discard(pool, conn);
        return;
    }
    struct faci_waiter *waiter = faci_queue_pop(&pool->queue);
    if (waiter != NULL && waiter->is_exclusive) {
        waiter->conn = conn;
        faci_cond_signal(&waiter->wake);
    } else {
        faci_pool_push_idle_locked(pool, conn);
        if (waiter != NULL) { /* one who would share it: so would those behind */
            waiter->may_look = true;
            faci_cond_signal(&waiter->wake);
            faci_queue_wake_all(&pool->queue);
        }
    }
    faci_mutex_unlock(&pool->lock);
}

/* Nobody is on it any more, and somebody waits to have it alone. */
static void hand_to_waiter(struct faci_pool *pool, struct faci_conn *conn)
{
    faci_mutex_lock(&pool->lock);
    uint32_t was = atomic_fetch_and_explicit(&conn->users, ~FACI_CONN_WANTED,
                                             memory_order_acq_rel);
    bool has_ended = (was & FACI_CONN_ENDED) != 0; /* it was closed meanwhile */
    conn->is_exclusive = true;
    conn->n_taken = conn->n_appended;
    faci_mutex_unlock(&pool->lock);
    if (has_ended) {
        faci_pool_discard(pool, conn);
    } else {
        faci_pool_give_back(pool, conn);
    }
}

void faci_pool_leave(struct faci_pool *pool, struct faci_conn *conn)
{
    struct faci_conn *ended = NULL;
    if (faci_conn_is_poisoned(conn)) {
        faci_mutex_lock(&pool->lock);
        faci_pool_retire_locked(pool, conn, &ended);
        faci_mutex_unlock(&pool->lock);
    }
    uint32_t was = atomic_fetch_sub_explicit(&conn->users, 1U, memory_order_acq_rel);
    if ((was & FACI_CONN_ENDED) != 0 && (was & ~(FACI_CONN_ENDED | FACI_CONN_WANTED)) == 1) {
        faci_pool_discard(pool, conn);
    } else if (was == (FACI_CONN_WANTED | 1U)) {
        hand_to_waiter(pool, conn);
    }
}

/* --- About it ------------------------------------------------------------------------------- */

bool faci_pool_may_connect(struct faci_pool *pool)
{
    int64_t now_ns = faci_clock_now_ns();
    faci_mutex_lock(&pool->lock);
    bool may = faci_gate_is_open(&pool->gate, now_ns) &&
               !faci_breaker_is_refusing(&pool->breaker, now_ns);
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
    out->reconnects = atomic_load_explicit(&pool->n_reconnects, memory_order_relaxed);
    faci_mutex_lock(&pool->lock);
    faci_pool_drop_inherited_locked(pool);
    uint32_t n_shared = 0;
    out->idle = pool->n_idle;
    for (unsigned i = 0; i < pool->lanes.n; i++) {
        bool is_used = faci_conn_callers(pool->lanes.list[i]) > 0;
        n_shared += is_used ? 1U : 0U;
        out->idle += is_used ? 0U : 1U;
    }
    out->open = pool->n_all;
    out->connecting = pool->n_connecting;
    out->exclusive = pool->n_all - pool->n_connecting - out->idle - n_shared;
    out->waiting = pool->queue.n;
    faci_mutex_unlock(&pool->lock);
}

void faci_pool_identity(struct faci_pool *pool, struct faci_identity *out)
{
    faci_mutex_lock(&pool->lock);
    *out = pool->identity;
    faci_mutex_unlock(&pool->lock);
}
