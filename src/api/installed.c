/* SPDX-License-Identifier: MIT */
/* api/installed.c — the process-wide cache and the calls that are in it.
 *
 * Design notes. What is installed is a cache, where it came from, and a count of the facade calls
 * that are in it. Each call takes a reference under the place lock, for a few instructions, and
 * gives it back when it ends; so what was replaced ends with its last call, and only then is its
 * cache closed. A cache that get_cache() has lent stays as a closed handle in the graveyard until
 * close_cache(). Lock order: install, place; no cache is called under the place lock. */
#include "api/installed.h"

#include "api/cache.h"

#include "base/mem.h"

#include <pthread.h>

struct faci_mutex faci_install_lock = {PTHREAD_MUTEX_INITIALIZER};
static struct faci_mutex place_lock = {PTHREAD_MUTEX_INITIALIZER};
static struct faci_installed *in_place;  /* guarded by place_lock */
static struct faci_installed *graveyard; /* guarded by place_lock */

/* --- Forks ---------------------------------------------------------------------------------- */

/* The place lock is only ever held for a moment: it is taken around the fork, so the child finds
 * all of this whole. Who holds the install lock may take longer, and is gone in the child. */
static void before_fork(void) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_lock(&place_lock);
}

static void after_fork_in_parent(void) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_unlock(&place_lock);
}

static void after_fork_in_child(void)
{
    faci_mutex_init(&place_lock);
    faci_mutex_init(&faci_install_lock);
}

static void arm(void)
{
    (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void arm_fork_handlers(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, arm);
}

/* --- Coming and going ----------------------------------------------------------------------- */

struct faci_installed *faci_installed_acquire(void)
{
    faci_mutex_lock(&place_lock);
    struct faci_installed *it = in_place;
    if (it != NULL) {
        it->refs++;
    }
    faci_mutex_unlock(&place_lock);
    return it;
}

static void end_cache(struct faci_installed *it)
{
    if (it->origin == FACI_FROM_CALLER) {
        fac_cache_unref(it->cache);
    } else {
        fac_cache_close(it->cache);
    }
    faci_mem_free(&k_faci_libc, it);
}

void faci_installed_release(struct faci_installed *it)
{
    if (it == NULL) {
        return;
    }
    int cancel_state = 0;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    fac_cache *to_stop = NULL;
    faci_mutex_lock(&place_lock);
    bool is_last = --it->refs == 0;
    bool is_kept = is_last && it->was_lent;
    if (is_kept) {
        /* Once it is in the graveyard, close_cache() may free it at any moment. */
        to_stop = it->origin != FACI_FROM_CALLER ? fac_cache_ref(it->cache) : NULL;
        it->next = graveyard;
        graveyard = it;
    }
    faci_mutex_unlock(&place_lock);
    if (to_stop != NULL) {
        fac_cache_close(to_stop);
    } else if (is_last && !is_kept) {
        end_cache(it);
    }
    (void)pthread_setcancelstate(cancel_state, NULL);
}

void faci_installed_replace(struct faci_installed *it)
{
    faci_mutex_lock(&place_lock);
    struct faci_installed *old = in_place;
    in_place = it;
    faci_mutex_unlock(&place_lock);
    faci_installed_release(old);
}

struct faci_installed *faci_installed_new(fac_cache *cache, enum faci_origin origin,
                                          bool is_usable)
{
    arm_fork_handlers();
    struct faci_installed *it = faci_mem_zalloc(&k_faci_libc, sizeof(*it));
    if (it != NULL) {
        *it = (struct faci_installed){
            .cache = cache, .origin = origin, .refs = 1, .is_usable = is_usable};
    }
    return it;
}

bool faci_installed_is_down(const struct faci_installed *it)
{
    return it->cache->backend->ops->is_down(it->cache->backend);
}

bool faci_installed_mark_usable(struct faci_installed *it)
{
    bool is_up = !faci_installed_is_down(it);
    faci_mutex_lock(&place_lock);
    it->is_usable = it->is_usable || is_up;
    bool is_usable = it->is_usable;
    faci_mutex_unlock(&place_lock);
    return is_usable;
}

void faci_installed_remove(struct faci_installed *it)
{
    faci_mutex_lock(&place_lock);
    bool is_installed = in_place == it;
    if (is_installed) {
        in_place = NULL;
    }
    faci_mutex_unlock(&place_lock);
    if (is_installed) {
        faci_installed_release(it);
    }
}

struct faci_installed *faci_installed_ref(struct faci_installed *it)
{
    faci_mutex_lock(&place_lock);
    it->refs++;
    faci_mutex_unlock(&place_lock);
    return it;
}

fac_cache *faci_installed_lend(struct faci_installed *it)
{
    faci_mutex_lock(&place_lock);
    it->was_lent = true;
    faci_mutex_unlock(&place_lock);
    return it->cache;
}

void faci_installed_end_all(void)
{
    faci_mutex_lock(&place_lock);
    struct faci_installed *it = in_place;
    struct faci_installed *buried = graveyard;
    in_place = NULL;
    graveyard = NULL;
    if (it != NULL) {
        it->was_lent = false; /* what was lent ends here */
    }
    faci_mutex_unlock(&place_lock);
    if (it != NULL && it->origin != FACI_FROM_CALLER) {
        faci_cache_stop(it->cache); /* calls in flight end now */
    }
    faci_installed_release(it);
    while (buried != NULL) {
        struct faci_installed *next = buried->next;
        end_cache(buried);
        buried = next;
    }
}
