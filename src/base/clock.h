/* SPDX-License-Identifier: MIT */
/* base/clock.h — two clocks that nobody can set. Deadlines use the monotonic one; times to live
 * use the one that keeps running while the machine sleeps, as the server's do. */
#ifndef FACI_BASE_CLOCK_H
#define FACI_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum {
    FACI_NS_PER_MS = 1000000
};

/* A moment that never comes. */
#define FACI_NEVER_NS INT64_MAX

int64_t faci_clock_now_ns(void);  /* CLOCK_MONOTONIC */
int64_t faci_clock_boot_ms(void); /* CLOCK_BOOTTIME */

/* The moment `ms` milliseconds after `now_ns`. */
int64_t faci_clock_after_ms(int64_t now_ns, uint64_t ms);

/* What is left until `at_ns`, 0 when it has passed. */
int64_t faci_clock_left_ns(int64_t at_ns);

/* Nanoseconds as a timespec, for ppoll. */
struct timespec faci_clock_timespec(int64_t ns);

#endif
