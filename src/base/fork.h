/* SPDX-License-Identifier: MIT */
/* base/fork.h — what must be known of fork(): that it happened, and which locks to hold around it,
 * so that no thread that is missing in the child keeps one. */
#ifndef FACI_BASE_FORK_H
#define FACI_BASE_FORK_H

#include <stdbool.h>

/* A number that differs in every child of fork(). Costs one load. Any thread. */
unsigned faci_fork_generation(void);

/* One owner of locks. `before` takes them in the forking thread, `after` frees them, in the parent
 * and in the child. The locks are ones that a thread holds for a moment only, and never while it
 * calls watch or unwatch. */
struct faci_fork_watch {
    void *owner;
    void (*before)(void *owner);
    void (*after)(void *owner);
    struct faci_fork_watch *prev; /* private */
    struct faci_fork_watch *next; /* private */
    bool is_watched;              /* private: false before it is watched */
};

/* From now until unwatch. What is watched already stays so: where a fork fell into a first use, the
 * child sets it up again. Borrowed. Any thread. */
void faci_fork_watch(struct faci_fork_watch *watch);
void faci_fork_unwatch(struct faci_fork_watch *watch);

#endif
