/* SPDX-License-Identifier: MIT */
/* base/sync.h — locks that the compiler can check (clang), and a wait with a monotonic deadline.
 * No lock here is ever held across a system call that can wait. */
#ifndef FACI_BASE_SYNC_H
#define FACI_BASE_SYNC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__clang__)
#    define FACI_CAPABILITY(name) __attribute__((capability(name)))
#    define FACI_REQUIRES(lock)   __attribute__((requires_capability(lock)))
#    define FACI_ACQUIRES(lock)   __attribute__((acquire_capability(lock)))
#    define FACI_RELEASES(lock)   __attribute__((release_capability(lock)))
#    define FACI_NO_LOCK_ANALYSIS __attribute__((no_thread_safety_analysis))
#else
#    define FACI_CAPABILITY(name)
#    define FACI_REQUIRES(lock)
#    define FACI_ACQUIRES(lock)
#    define FACI_RELEASES(lock)
#    define FACI_NO_LOCK_ANALYSIS
#endif

struct FACI_CAPABILITY("mutex") faci_mutex {
    pthread_mutex_t raw;
};

struct faci_cond {
    pthread_cond_t raw;
};

/* Neither can fail with default attributes on the systems supported. */
void faci_mutex_init(struct faci_mutex *mutex);

/* For a lock that is held for less time than going to sleep takes: looks again a few times first,
 * where the C library has such a kind. */
void faci_mutex_init_brief(struct faci_mutex *mutex);
void faci_mutex_fini(struct faci_mutex *mutex);
void faci_mutex_lock(struct faci_mutex *mutex) FACI_ACQUIRES(mutex);
void faci_mutex_unlock(struct faci_mutex *mutex) FACI_RELEASES(mutex);

void faci_cond_init(struct faci_cond *cond);
void faci_cond_fini(struct faci_cond *cond);
void faci_cond_signal(struct faci_cond *cond);
void faci_cond_broadcast(struct faci_cond *cond);

/* Wait for a signal; spurious wake-ups happen. False when `at_ns` (monotonic) has passed;
 * FACI_NEVER_NS waits without end. */
bool faci_cond_wait_until(struct faci_cond *cond, struct faci_mutex *mutex, int64_t at_ns)
    FACI_REQUIRES(mutex);

#endif
