/* SPDX-License-Identifier: MIT */
/* base/sync.c — pthread locks, with condition variables on the monotonic clock. */
#include "base/sync.h"

#include "base/assert.h"
#include "base/clock.h"

#include <errno.h>

void faci_mutex_init(struct faci_mutex *mutex)
{
    int rc = pthread_mutex_init(&mutex->raw, NULL);
    faci_check(rc == 0);
}

void faci_mutex_init_brief(struct faci_mutex *mutex)
{
#if defined(__GLIBC__)
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr);
    faci_check(rc == 0);
    rc = pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
    faci_check(rc == 0);
    rc = pthread_mutex_init(&mutex->raw, &attr);
    faci_check(rc == 0);
    (void)pthread_mutexattr_destroy(&attr);
#else
    faci_mutex_init(mutex);
#endif
}

void faci_mutex_fini(struct faci_mutex *mutex)
{
    (void)pthread_mutex_destroy(&mutex->raw);
}

void faci_mutex_lock(struct faci_mutex *mutex) FACI_NO_LOCK_ANALYSIS
{
    int rc = pthread_mutex_lock(&mutex->raw);
    faci_check(rc == 0);
}

void faci_mutex_unlock(struct faci_mutex *mutex) FACI_NO_LOCK_ANALYSIS
{
    int rc = pthread_mutex_unlock(&mutex->raw);
    faci_check(rc == 0);
}

void faci_cond_init(struct faci_cond *cond)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);
    faci_check(rc == 0);
    rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    faci_check(rc == 0);
    rc = pthread_cond_init(&cond->raw, &attr);
    faci_check(rc == 0);
    (void)pthread_condattr_destroy(&attr);
}

void faci_cond_fini(struct faci_cond *cond)
{
    (void)pthread_cond_destroy(&cond->raw);
}

void faci_cond_signal(struct faci_cond *cond)
{
    (void)pthread_cond_signal(&cond->raw);
}

void faci_cond_broadcast(struct faci_cond *cond)
{
    (void)pthread_cond_broadcast(&cond->raw);
}

bool faci_cond_wait_until(struct faci_cond *cond, struct faci_mutex *mutex, int64_t at_ns)
{
    if (at_ns == FACI_NEVER_NS) {
        (void)pthread_cond_wait(&cond->raw, &mutex->raw);
        return true;
    }
    struct timespec at = faci_clock_timespec(at_ns);
    return pthread_cond_timedwait(&cond->raw, &mutex->raw, &at) != ETIMEDOUT;
}
