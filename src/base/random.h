/* SPDX-License-Identifier: MIT */
/* base/random.h — seeds from the system, and cheap numbers for jitter. Not for secrets. */
#ifndef FACI_BASE_RANDOM_H
#define FACI_BASE_RANDOM_H

#include <stdint.h>

/* A seed that another process cannot guess, where the system gives one. Never fails. */
uint64_t faci_random_seed(void);

/* The next number of a sequence; `*state` is any seed. */
uint64_t faci_random_next(uint64_t *state);

#endif
