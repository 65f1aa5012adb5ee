/* SPDX-License-Identifier: MIT */
/* base/fork.h — a number that differs in every child of fork(). */
#ifndef FACI_BASE_FORK_H
#define FACI_BASE_FORK_H

/* Costs one load. The first call anywhere arms it. Any thread. */
unsigned faci_fork_generation(void);

#endif
