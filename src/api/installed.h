/* SPDX-License-Identifier: MIT */
/* api/installed.h — what is installed as the process-wide cache, and who is using it. For the
 * facade only. */
#ifndef FACI_API_INSTALLED_H
#define FACI_API_INSTALLED_H

#include "base/sync.h"

#include <faciliter/cache.h>

#include <stdbool.h>

enum faci_origin {
    FACI_FROM_ENVIRONMENT, /* set_cache(NULL) */
    FACI_FROM_OPTIONS,     /* set_cache(&options) */
    FACI_FROM_CALLER,      /* use_cache(): theirs to close */
};

struct faci_installed {
    fac_cache *cache;
    enum faci_origin origin;
    /* Guarded by a lock of installed.c's from here on. */
    unsigned refs;               /* being in place, and one for each call in it */
    bool was_lent;               /* get_cache() returned it */
    bool is_usable;              /* it was reached, or asked for as lazy */
    struct faci_installed *next; /* in the graveyard */
};

/* One set_cache, use_cache or close_cache at a time. Never held while a server is reached. */
extern struct faci_mutex faci_install_lock;

/* Takes the reference of `cache`; one reference of its own. NULL: no memory, nothing was taken. */
struct faci_installed *faci_installed_new(fac_cache *cache, enum faci_origin origin,
                                          bool is_usable);

/* What is in place, with a reference; NULL when nothing is. */
struct faci_installed *faci_installed_acquire(void);

/* One more reference of something that one has. */
struct faci_installed *faci_installed_ref(struct faci_installed *it);

/* Give a reference back. The last one out ends the cache; what get_cache() has lent stays valid,
 * but closed. NULL is fine. */
void faci_installed_release(struct faci_installed *it);

/* Put `it` (NULL: nothing) in place; takes the reference. Calls in what was there finish on it. */
void faci_installed_replace(struct faci_installed *it);

/* Take it out, if it is still in place. */
void faci_installed_remove(struct faci_installed *it);

/* Take out whatever is in place and stop it now; end everything that was lent. */
void faci_installed_end_all(void);

/* Whether its server cannot be reached, as far as is known. */
bool faci_installed_is_down(const struct faci_installed *it);

/* Note that it is usable if its server has been reached meanwhile. Whether it is. */
bool faci_installed_mark_usable(struct faci_installed *it);

/* Its cache, which from now on stays valid until end_all. */
fac_cache *faci_installed_lend(struct faci_installed *it);

#endif
