/* SPDX-License-Identifier: MIT */
/* engine/queue.c — a doubly linked list of those who wait. */
#include "engine/queue.h"

#include <stddef.h>

void faci_queue_push(struct faci_queue *queue, struct faci_waiter *waiter)
{
    waiter->next = NULL;
    waiter->prev = queue->last;
    if (queue->last != NULL) {
        queue->last->next = waiter;
    } else {
        queue->first = waiter;
    }
    queue->last = waiter;
    queue->n++;
}

void faci_queue_remove(struct faci_queue *queue, struct faci_waiter *waiter)
{
    if (waiter->prev != NULL) {
        waiter->prev->next = waiter->next;
    } else {
        queue->first = waiter->next;
    }
    if (waiter->next != NULL) {
        waiter->next->prev = waiter->prev;
    } else {
        queue->last = waiter->prev;
    }
    queue->n--;
}

struct faci_waiter *faci_queue_pop(struct faci_queue *queue)
{
    struct faci_waiter *waiter = queue->first;
    if (waiter != NULL) {
        faci_queue_remove(queue, waiter);
    }
    return waiter;
}

void faci_queue_wake_one(struct faci_queue *queue)
{
    struct faci_waiter *waiter = faci_queue_pop(queue);
    if (waiter != NULL) {
        waiter->may_look = true;
        faci_cond_signal(&waiter->wake);
    }
}

void faci_queue_wake_all(struct faci_queue *queue)
{
    while (queue->first != NULL) {
        faci_queue_wake_one(queue);
    }
}
