/* SPDX-License-Identifier: MIT */
/* bench/calls.h — how many system calls a thread makes, counted by the kernel. */
#ifndef FAC_BENCH_CALLS_H
#define FAC_BENCH_CALLS_H

#include <stdbool.h>
#include <stdint.h>

/* Finds the kernel's tracepoint, once. False: not allowed here, nothing is counted. */
bool bench_calls_find(void);

/* A counter of the calling thread's system calls, from now on; -1 when there is none. */
int bench_calls_open(void);

/* What it counted, this call included; 0 when there is no counter. */
uint64_t bench_calls_read(int counter);

void bench_calls_close(int counter);

#endif
