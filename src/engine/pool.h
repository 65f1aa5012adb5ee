/* SPDX-License-Identifier: MIT */
/* engine/pool.h — connections of one server, lent to one caller at a time. Any thread. */
#ifndef FACI_ENGINE_POOL_H
#define FACI_ENGINE_POOL_H

#include "base/fork.h"
#include "engine/conn.h"
#include "engine/gate.h"
#include "engine/queue.h"

#include <faciliter/error.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    FACI_POOL_WAITERS_MAX = 65536
}; /* callers that wait for a connection; more is BUSY */

struct faci_pool {
    const struct faci_engine_config *config;
    struct faci_resolver *resolver; /* NULL for a Unix socket */
    uint32_t max_waiters;

    struct faci_mutex lock;  /* of all that follows, but for the atomics */
    struct faci_conn *all;   /* every connection, connecting ones too */
    struct faci_conn *idle;  /* the last one used first */
    struct faci_queue queue; /* who waits for one */
    uint32_t n_all;
    uint32_t n_connecting; /* of them, not ready yet */
    uint32_t n_idle;
    struct faci_gate gate;
    struct faci_identity identity; /* as of the last handshake */
    unsigned fork_generation;
    struct faci_fork_watch fork_watch;
    bool is_closed;

    atomic_ullong n_connects;
    atomic_ullong n_connect_failures;
    atomic_ullong n_disconnects;
};

struct faci_pool_counts {
    uint64_t connects;
    uint64_t connect_failures;
    uint64_t disconnects;
    uint32_t open;
    uint32_t idle;
    uint32_t waiting;
    uint64_t reconnects; /* connects that replaced a lost connection */
    uint32_t connecting; /* of those open, not ready yet */
    uint32_t exclusive;  /* of those open, lent to one call alone */
};

enum faci_checkout {
    FACI_CHECKOUT_ANY,     /* an idle one is fine; looked at first when idle for long */
    FACI_CHECKOUT_CHECKED, /* an idle one is looked at first, however short it was idle */
    FACI_CHECKOUT_NEW,     /* connect now: an idle one has just failed us */
};

/* `config` is borrowed until fini. FAC_OK, FAC_E_NOMEM. */
fac_status faci_pool_init(struct faci_pool *pool, const struct faci_engine_config *config,
                          fac_error *err);

/* No connection may be lent. */
void faci_pool_fini(struct faci_pool *pool);

/*
 * A connection, ready, for this caller alone until it is given back. Waits for one until the
 * deadline, connects within it. `now_ns` is the time, which the caller knows already.
 * FAC_OK, FAC_E_TIMEOUT, FAC_E_BUSY, FAC_E_CLOSED, FAC_E_NOMEM, or why it cannot connect.
 */
fac_status faci_pool_checkout(struct faci_pool *pool, enum faci_checkout how, int64_t now_ns,
                              int64_t deadline_ns, struct faci_conn **out, fac_error *err);

/* Give it back; one that is dead or has something under way is closed. */
void faci_pool_give_back(struct faci_pool *pool, struct faci_conn *conn);

/* End every connection, lent ones too, and refuse all checkouts. Does not wait for anybody. */
void faci_pool_close(struct faci_pool *pool);

bool faci_pool_is_closed(struct faci_pool *pool);

/* Whether a checkout could succeed now: not down, or due to try again. */
bool faci_pool_may_connect(struct faci_pool *pool);

/* Whether the last attempt to connect failed, or there was none. */
bool faci_pool_is_down(struct faci_pool *pool);

void faci_pool_count(struct faci_pool *pool, struct faci_pool_counts *out);
void faci_pool_identity(struct faci_pool *pool, struct faci_identity *out);

#endif
