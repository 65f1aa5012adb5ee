/* SPDX-License-Identifier: MIT */
/* base/wait_futex.c — sleeping with Linux' futex: one system call to sleep, one to wake a set. */
#include "base/wait.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

void faci_wait_init(void)
{
}

/* futex(2): with WAIT_BITSET the timeout is a moment of CLOCK_MONOTONIC, not a length of time. */
bool faci_wait_sleep(struct faci_wait_word *word, uint32_t seen, uint32_t bits,
                     int64_t until_ns)
{
    struct timespec until = {0};
    const struct timespec *limit = NULL;
    if (until_ns != FACI_NEVER_NS) {
        until = faci_clock_timespec(until_ns);
        limit = &until;
    }
    long rc = syscall(SYS_futex, &word->value, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, seen,
                      limit, NULL, bits);
    return rc == 0 || errno != ETIMEDOUT;
}

void faci_wait_wake(struct faci_wait_word *word, uint32_t bits)
{
    atomic_fetch_add_explicit(&word->value, 1U, memory_order_release);
    (void)syscall(SYS_futex, &word->value, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, INT_MAX,
                  NULL, NULL, bits);
}
