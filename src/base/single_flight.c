/* SPDX-License-Identifier: MIT */
/* base/single_flight.c — one detached thread for all who ask the same. */
#include "base/single_flight.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

void faci_single_flight_init(struct faci_single_flight *group)
{
    faci_mutex_init(&group->lock);
    group->last = NULL;
    atomic_init(&group->is_closed, false);
}

void faci_single_flight_fini(struct faci_single_flight *group)
{
    if (group->last != NULL) {
        faci_flight_unref(group->last);
    }
    faci_mutex_fini(&group->lock);
}

void faci_single_flight_lock(struct faci_single_flight *group) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_lock(&group->lock);
    if (group->last != NULL) {
        faci_mutex_lock(&group->last->lock);
    }
}

void faci_single_flight_unlock(struct faci_single_flight *group) FACI_NO_LOCK_ANALYSIS
{
    if (group->last != NULL) {
        faci_mutex_unlock(&group->last->lock);
    }
    faci_mutex_unlock(&group->lock);
}

void faci_single_flight_close(struct faci_single_flight *group)
{
    atomic_store(&group->is_closed, true);
    faci_mutex_lock(&group->lock);
    struct faci_flight *flight = group->last;
    if (flight != NULL) {
        faci_mutex_lock(&flight->lock);
        faci_cond_broadcast(&flight->ended);
        faci_mutex_unlock(&flight->lock);
    }
    faci_mutex_unlock(&group->lock);
}

void faci_flight_unref(struct faci_flight *flight)
{
    faci_mutex_lock(&flight->lock);
    unsigned left = --flight->refs;
    faci_mutex_unlock(&flight->lock);
    if (left == 0) {
        faci_mutex_fini(&flight->lock);
        faci_cond_fini(&flight->ended);
        flight->kind->free(flight);
    }
}

static void *run(void *context)
{
    struct faci_flight *flight = context;
    flight->kind->run(flight);
    faci_mutex_lock(&flight->lock);
    flight->has_ended = true;
    faci_cond_broadcast(&flight->ended);
    faci_mutex_unlock(&flight->lock);
    faci_flight_unref(flight);
    return NULL;
}

/* The thread runs with every signal blocked: they belong to the application's threads. */
static int start_thread(struct faci_flight *flight)
{
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (rc != 0) {
        return rc;
    }
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attr, flight->kind->stack_bytes);
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    rc = pthread_create(&thread, &attr, run, flight);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return rc;
}

struct faci_flight *faci_flight_join_locked(struct faci_single_flight *group,
                                            bool (*will_do)(const struct faci_flight *flight))
{
    struct faci_flight *flight = group->last;
    if (flight == NULL) {
        return NULL;
    }
    faci_mutex_lock(&flight->lock);
    bool is_joined = flight->has_ended ? will_do != NULL && will_do(flight)
                                       : flight->pid == getpid();
    if (is_joined) {
        flight->refs++;
    }
    faci_mutex_unlock(&flight->lock);
    return is_joined ? flight : NULL;
}

int faci_flight_start_locked(struct faci_single_flight *group, struct faci_flight *flight,
                             const struct faci_flight_kind *kind)
{
    flight->kind = kind;
    faci_mutex_init(&flight->lock);
    faci_cond_init(&flight->ended);
    flight->pid = getpid();
    flight->refs = 3; /* thread, group, caller: before any of them can let go */
    int rc = start_thread(flight);
    if (rc != 0) {
        flight->refs = 1;
        faci_flight_unref(flight);
        return rc;
    }
    if (group->last != NULL) {
        faci_flight_unref(group->last);
    }
    group->last = flight;
    return 0;
}

fac_status faci_flight_wait_locked(const struct faci_single_flight *group,
                                   struct faci_flight *flight, int64_t deadline_ns)
{
    bool is_in_time = true;
    while (!flight->has_ended && is_in_time && !atomic_load(&group->is_closed)) {
        is_in_time = faci_cond_wait_until(&flight->ended, &flight->lock, deadline_ns);
    }
    if (atomic_load(&group->is_closed)) {
        return FAC_E_CLOSED;
    }
    return flight->has_ended ? FAC_OK : FAC_E_TIMEOUT;
}
