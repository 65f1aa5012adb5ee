/* SPDX-License-Identifier: MIT */
/* engine/pool_lists.h — shared by the files of the pool, and by them only: its lists, under its
 * lock. */
#ifndef FACI_ENGINE_POOL_LISTS_H
#define FACI_ENGINE_POOL_LISTS_H

#include "engine/pool.h"

void faci_pool_link_locked(struct faci_pool *pool, struct faci_conn *conn)
    FACI_REQUIRES(&pool->lock);
void faci_pool_unlink_locked(struct faci_pool *pool, struct faci_conn *conn)
    FACI_REQUIRES(&pool->lock);
struct faci_conn *faci_pool_pop_idle_locked(struct faci_pool *pool) FACI_REQUIRES(&pool->lock);
void faci_pool_push_idle_locked(struct faci_pool *pool, struct faci_conn *conn)
    FACI_REQUIRES(&pool->lock);

/* Nobody may join it any more, and the last who leaves frees it. With nobody on it, it is unlinked
 * and put on `*ended`, to be freed without the lock. */
void faci_pool_retire_locked(struct faci_pool *pool, struct faci_conn *conn,
                             struct faci_conn **ended) FACI_REQUIRES(&pool->lock);

/* Tell the breaker what happened to a connection, or an attempt to make one, that began at
 * `began_ns`. What was there already at the last event is of the same event. */
void faci_pool_note_event_locked(struct faci_pool *pool, int64_t began_ns, const fac_error *why)
    FACI_REQUIRES(&pool->lock);

/* Connections that were not used for long, as long as one is left: onto `*ended`. */
void faci_pool_reap_locked(struct faci_pool *pool, int64_t now_ns, struct faci_conn **ended)
    FACI_REQUIRES(&pool->lock);

/* In a child of fork(), what belongs to the parent is dropped. */
void faci_pool_drop_inherited_locked(struct faci_pool *pool) FACI_REQUIRES(&pool->lock);

/* Unlink and free one that is this caller's alone. */
void faci_pool_discard(struct faci_pool *pool, struct faci_conn *conn);

/* Onto a list of connections to be freed. */
void faci_pool_put_on(struct faci_conn *conn, struct faci_conn **list);

void faci_pool_free_list(struct faci_conn *conn);

/* FAC_OK: go on, as the probe at times; FAC_E_UNAVAILABLE: the breaker is open. */
fac_status faci_pool_enter_breaker(struct faci_pool *pool, struct faci_lease *lease,
                                   fac_error *err);

#endif
