/* SPDX-License-Identifier: MIT */
/* base/single_flight.h — a question that may take for ever, asked once for all who wait for its
 * answer, each to a deadline of its own. It is answered on a detached thread, which nobody can end:
 * who gives up, or is closed, leaves it behind. */
#ifndef FACI_BASE_SINGLE_FLIGHT_H
#define FACI_BASE_SINGLE_FLIGHT_H

#include "base/sync.h"

#include <faciliter/error.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct faci_flight;

struct faci_flight_kind {
    size_t stack_bytes; /* of the thread, in which every signal is blocked */
    /* Find the answer and put it into the flight, where nobody looks before this has returned. */
    void (*run)(struct faci_flight *flight);
    /* Free what is in it, the flight itself too. */
    void (*free)(struct faci_flight *flight);
};

/* The head of a question with its answer. It is counted by its thread, by its group and by each
 * caller that waits: whoever lets go last frees it. It may outlive the cache, so it uses malloc and
 * not the cache's hook. */
struct faci_flight {
    const struct faci_flight_kind *kind;
    struct faci_mutex lock; /* of the answer too */
    struct faci_cond ended;
    unsigned refs;  /* guarded by lock */
    bool has_ended; /* guarded by lock */
    pid_t pid;      /* after a fork the thread is gone in the child */
};

/* Those who ask the same. Lock order: the group, then the flight. */
struct faci_single_flight {
    struct faci_mutex lock;
    struct faci_flight *last; /* guarded by lock; or NULL */
    atomic_bool is_closed;
};

void faci_single_flight_init(struct faci_single_flight *group);

/* No call may be in it. A thread that hangs goes on without us. */
void faci_single_flight_fini(struct faci_single_flight *group);

/* Hold and free its locks around a fork. */
void faci_single_flight_lock(struct faci_single_flight *group);
void faci_single_flight_unlock(struct faci_single_flight *group);

/* Make those who wait return FAC_E_CLOSED. Any thread. */
void faci_single_flight_close(struct faci_single_flight *group);

/* The last flight, with a reference of the caller's, when it is under way, or has ended and
 * `will_do` (called with its lock held; NULL: no old answer does) likes its answer; else NULL. */
struct faci_flight *faci_flight_join_locked(struct faci_single_flight *group,
                                            bool (*will_do)(const struct faci_flight *flight))
    FACI_REQUIRES(&group->lock);

/* Start `flight`, zeroed but for what its kind knows of, as the group's last, with a reference of
 * the caller's. 0, or the errno of pthread_create: then it is freed. */
int faci_flight_start_locked(struct faci_single_flight *group, struct faci_flight *flight,
                             const struct faci_flight_kind *kind) FACI_REQUIRES(&group->lock);

/* FAC_OK: it has ended; FAC_E_TIMEOUT; FAC_E_CLOSED. */
fac_status faci_flight_wait_locked(const struct faci_single_flight *group,
                                   struct faci_flight *flight, int64_t deadline_ns)
    FACI_REQUIRES(&flight->lock);

/* Give a reference back. */
void faci_flight_unref(struct faci_flight *flight);

#endif
