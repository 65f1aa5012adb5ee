/* SPDX-License-Identifier: MIT */
/* base/random.c — getrandom for seeds, splitmix64 for jitter. */
#include "base/random.h"

#include "base/clock.h"

#include <stddef.h>
#include <sys/random.h>
#include <unistd.h>

uint64_t faci_random_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == (ssize_t)sizeof(seed)) {
        return seed;
    }
    /* Early at boot, or without the call: distinct between processes is still wanted. */
    seed = (uint64_t)faci_clock_now_ns() ^ ((uint64_t)getpid() << 32);
    return faci_random_next(&seed);
}

/* splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
uint64_t faci_random_next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15U;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}
