/* SPDX-License-Identifier: MIT */
/* engine/pool.h — the connections to one server: shared by many callers, or lent to one alone. Any
 * thread. */
#ifndef FACI_ENGINE_POOL_H
#define FACI_ENGINE_POOL_H

#include "base/fork.h"
#include "engine/breaker.h"
#include "engine/conn.h"
#include "engine/gate.h"
#include "engine/lanes.h"
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
    struct faci_tally tally;
    uint32_t max_waiters;

    struct faci_mutex lock;  /* of all that follows, but for the atomics */
    struct faci_conn *all;   /* every connection, connecting ones too */
    struct faci_lanes lanes; /* of them, those that are shared */
    struct faci_conn *idle;  /* of them, those that nobody has; the last one used first */
    struct faci_queue queue; /* who waits for one */
    uint32_t n_all;
    uint32_t n_connecting; /* of them, not ready yet */
    uint32_t n_idle;
    bool is_opening; /* somebody connects in order to share */
    struct faci_gate gate;
    struct faci_breaker breaker;
    int64_t event_ns; /* the last that the breaker was told of */
    int64_t reaped_at_ns;
    uint32_t n_useless;            /* connections in a row that ended before they served */
    uint32_t n_lost;               /* connections that ended and were not replaced */
    struct faci_identity identity; /* as of the last handshake */
    unsigned fork_generation;      /* of the process whose connections these are */
    unsigned counted_generation;   /* of the process whose calls are counted */
    struct faci_fork_watch fork_watch;
    bool is_closed;

    atomic_uint n_in_flight; /* calls */
    atomic_bool is_uneasy;   /* the breaker waits for a success */
    atomic_ullong n_worked;  /* calls that were answered */
    uint64_t n_worked_noted; /* of them, told to the breaker */
    _Atomic int64_t noted_ns;
    atomic_ullong n_connects;
    atomic_ullong n_reconnects;
    atomic_ullong n_connect_failures;
    atomic_ullong n_disconnects;
};

struct faci_pool_counts {
    uint64_t connects;
    uint64_t connect_failures;
    uint64_t disconnects;
    uint64_t reconnects; /* of connects: in place of one that was lost */
    uint32_t open;
    uint32_t idle;
    uint32_t connecting;
    uint32_t exclusive; /* lent to one caller alone */
    uint32_t waiting;
};

/* What a caller wants, and what it got. */
struct faci_lease {
    int64_t now_ns;      /* in: the time, which the caller knows already; out: the same */
    int64_t began_ns;    /* in: the time; stays */
    int64_t deadline_ns; /* in; out: that of the probe, which is shorter */
    int64_t since_ns; /* in: 0, or when an attempt failed: only what works since then will do */
    bool is_patient; /* in: that attempt waited in vain: that one is not closed shows nothing */
    bool is_checked; /* in: an idle one is looked at first, however short it was idle */
    bool is_probe;   /* out: the breaker waits for how this goes */
    bool is_refused; /* out: the breaker is open, and nothing was tried */
    struct faci_conn *conn; /* out */
};

/* `config` is borrowed until fini. FAC_OK, FAC_E_NOMEM. */
fac_status faci_pool_init(struct faci_pool *pool, const struct faci_engine_config *config,
                          fac_error *err);

/* No connection may be lent or shared. */
void faci_pool_fini(struct faci_pool *pool);

/*
 * A part in a shared connection, until faci_pool_leave(). Connects if need be, or waits for
 * another caller who does.
 * FAC_OK, FAC_E_TIMEOUT, FAC_E_BUSY, FAC_E_CLOSED, FAC_E_NOMEM, FAC_E_UNAVAILABLE (the breaker is
 * open), or why it cannot connect.
 */
fac_status faci_pool_join(struct faci_pool *pool, struct faci_lease *lease, fac_error *err);
void faci_pool_leave(struct faci_pool *pool, struct faci_conn *conn);

/* The same for a connection that is this caller's alone, until faci_pool_give_back(). One that is
 * given back dead, or with something under way, is closed. */
fac_status faci_pool_checkout(struct faci_pool *pool, struct faci_lease *lease, fac_error *err);
void faci_pool_give_back(struct faci_pool *pool, struct faci_conn *conn);

/* How an attempt on a lease ended, for the breaker. `is_late`: its own time was over, which says
 * nothing of the server, unless it was the probe and had all of a probe's time. */
void faci_pool_report(struct faci_pool *pool, const struct faci_lease *lease, fac_status st,
                      bool is_late, const fac_error *why);

/* A call has failed, all its attempts, and not for want of time. */
void faci_pool_note_failure(struct faci_pool *pool, int64_t now_ns);

/* End every connection, and refuse all callers. Does not wait for anybody. */
void faci_pool_close(struct faci_pool *pool);

bool faci_pool_is_closed(struct faci_pool *pool);

/* Whether a caller could succeed now: not down, or due to try again. */
bool faci_pool_may_connect(struct faci_pool *pool);

/* Whether the last attempt to connect failed, or there was none. */
bool faci_pool_is_down(struct faci_pool *pool);

void faci_pool_count(struct faci_pool *pool, struct faci_pool_counts *out);
void faci_pool_identity(struct faci_pool *pool, struct faci_identity *out);

#endif
