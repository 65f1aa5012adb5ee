/* SPDX-License-Identifier: MIT */
/* engine/queue.h — those who wait for a connection, in the order they came. Guarded by the pool's
 * lock; knows nothing of connections but their type. */
#ifndef FACI_ENGINE_QUEUE_H
#define FACI_ENGINE_QUEUE_H

#include "base/sync.h"

#include <stdbool.h>
#include <stdint.h>

struct faci_conn;

/* One who waits: on the stack of its thread. */
struct faci_waiter {
    struct faci_cond wake;
    struct faci_conn *conn; /* what it was given */
    bool may_look;          /* woken to look for itself */
    bool is_exclusive;      /* wants it alone */
    struct faci_waiter *prev;
    struct faci_waiter *next;
};

struct faci_queue {
    struct faci_waiter *first;
    struct faci_waiter *last;
    uint32_t n;
};

/* Join at the end. */
void faci_queue_push(struct faci_queue *queue, struct faci_waiter *waiter);

/* The first one, out of the queue; NULL when nobody waits. */
struct faci_waiter *faci_queue_pop(struct faci_queue *queue);

/* Leave from anywhere; `waiter` is in the queue. */
void faci_queue_remove(struct faci_queue *queue, struct faci_waiter *waiter);

/* Let the first one, or everybody, look for itself. */
void faci_queue_wake_one(struct faci_queue *queue);
void faci_queue_wake_all(struct faci_queue *queue);

#endif
