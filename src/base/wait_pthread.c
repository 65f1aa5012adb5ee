/* SPDX-License-Identifier: MIT */
/* base/wait_pthread.c — sleeping with POSIX alone: a small table of locks and conditions, found by
 * the word's address. A wake-up reaches all who share the place; those it is not for look at their
 * word and sleep again. */
#include "base/wait.h"

#include "base/clock.h"
#include "base/fork.h"
#include "base/sync.h"

#include <pthread.h>
#include <stddef.h>

/* All are held around fork(): ThreadSanitizer gives up when a thread holds 64 locks. */
enum {
    N_PLACES = 32
};

struct place {
    struct faci_mutex lock;
    struct faci_cond changed;
};

static struct place g_places[N_PLACES];
static pthread_once_t g_once = PTHREAD_ONCE_INIT;
static unsigned g_generation; /* of this process, as far as the places know */

static void lock_all(void *owner) FACI_NO_LOCK_ANALYSIS
{
    (void)owner;
    for (size_t i = 0; i < N_PLACES; i++) {
        faci_mutex_lock(&g_places[i].lock);
    }
}

/* Those who slept in the parent do not exist in a child: its conditions start anew. */
static void unlock_all(void *owner) FACI_NO_LOCK_ANALYSIS
{
    (void)owner;
    bool is_child = g_generation != faci_fork_generation();
    g_generation = faci_fork_generation();
    for (size_t i = 0; i < N_PLACES; i++) {
        if (is_child) {
            faci_cond_init(&g_places[i].changed);
        }
        faci_mutex_unlock(&g_places[i].lock);
    }
}

static void set_up(void)
{
    for (size_t i = 0; i < N_PLACES; i++) {
        faci_mutex_init(&g_places[i].lock);
        faci_cond_init(&g_places[i].changed);
    }
    g_generation = faci_fork_generation();
    static struct faci_fork_watch watch = {.before = lock_all, .after = unlock_all};
    faci_fork_watch(&watch);
}

/* The places are watched for fork() first, so they are held last: after the locks of those who wake
 * others while they hold them. */
void faci_wait_init(void)
{
    (void)pthread_once(&g_once, set_up);
}

static struct place *place_of(const struct faci_wait_word *word)
{
    faci_wait_init();
    return &g_places[((uintptr_t)word >> 6) % N_PLACES];
}

bool faci_wait_sleep(struct faci_wait_word *word, uint32_t seen, uint32_t bits,
                     int64_t until_ns)
{
    (void)bits;
    struct place *place = place_of(word);
    bool is_in_time = true;
    faci_mutex_lock(&place->lock);
    while (is_in_time && faci_wait_look(word) == seen) {
        is_in_time = faci_cond_wait_until(&place->changed, &place->lock, until_ns);
    }
    faci_mutex_unlock(&place->lock);
    return is_in_time;
}

void faci_wait_wake(struct faci_wait_word *word, uint32_t bits)
{
    (void)bits;
    struct place *place = place_of(word);
    faci_mutex_lock(&place->lock);
    atomic_fetch_add_explicit(&word->value, 1U, memory_order_release);
    faci_cond_broadcast(&place->changed);
    faci_mutex_unlock(&place->lock);
}
