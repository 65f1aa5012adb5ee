/* SPDX-License-Identifier: MIT */
/* kit/ptrace_count.h — how many system calls a piece of code makes, seen from outside: a forked
 * child runs it, and this process stops it at each one. */
#ifndef FAC_KIT_PTRACE_COUNT_H
#define FAC_KIT_PTRACE_COUNT_H

#include <stdbool.h>
#include <stddef.h>

struct kit_syscalls {
    size_t n_calls;    /* between the two marks */
    char summary[256]; /* "number x times, …" for the message of a failure */
};

/* Begins, then ends, what is counted. In the child only. */
void kit_syscall_mark(void);

/* Runs in the child; calls kit_syscall_mark() twice and returns whether all was right. It must
 * not assert: the child has no test to fail. */
typedef bool kit_traced_fn(void *context);

/* Run and count. Asserts that the child did as it should; skips the test when this machine does
 * not let a process trace its child. */
void kit_count_syscalls(kit_traced_fn *fn, void *context, struct kit_syscalls *out);

/* System calls that one look at the clock costs: 0 where the kernel offers it as a function (the
 * rule), 1 on some virtual machines. */
size_t kit_syscalls_of_a_clock(void);

#endif
