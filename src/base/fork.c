/* SPDX-License-Identifier: MIT */
/* base/fork.c — holds every watched lock around a fork, and counts forks between this process and
 * the one that loaded the library. Lock order: the list's lock, then the owners'.
 *
 * Design notes. The handlers are registered while the library is loaded, not at a first call: of a
 * thread that forks amid another's first call, the child would register them a second time, and its
 * own forks would wait for the list's lock for ever. */
#include "base/fork.h"

#include "base/sync.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_uint generation;
static struct faci_mutex list_lock = {PTHREAD_MUTEX_INITIALIZER};
static struct faci_fork_watch *watches; /* guarded by list_lock */

static void before_fork(void) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_lock(&list_lock);
    for (struct faci_fork_watch *watch = watches; watch != NULL; watch = watch->next) {
        watch->before(watch->owner);
    }
}

static void after_fork(void) FACI_NO_LOCK_ANALYSIS
{
    for (struct faci_fork_watch *watch = watches; watch != NULL; watch = watch->next) {
        watch->after(watch->owner);
    }
    faci_mutex_unlock(&list_lock);
}

static void after_fork_in_child(void)
{
    atomic_fetch_add_explicit(&generation, 1U, memory_order_relaxed);
    after_fork();
}

__attribute__((constructor)) static void arm(void)
{
    (void)pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

unsigned faci_fork_generation(void)
{
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

void faci_fork_watch(struct faci_fork_watch *watch)
{
    faci_mutex_lock(&list_lock);
    if (!watch->is_watched) {
        watch->is_watched = true;
        watch->prev = NULL;
        watch->next = watches;
        if (watches != NULL) {
            watches->prev = watch;
        }
        watches = watch;
    }
    faci_mutex_unlock(&list_lock);
}

void faci_fork_unwatch(struct faci_fork_watch *watch)
{
    faci_mutex_lock(&list_lock);
    if (watch->prev != NULL) {
        watch->prev->next = watch->next;
    } else {
        watches = watch->next;
    }
    if (watch->next != NULL) {
        watch->next->prev = watch->prev;
    }
    watch->is_watched = false;
    faci_mutex_unlock(&list_lock);
}
