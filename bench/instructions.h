/* SPDX-License-Identifier: MIT */
/* bench/instructions.h — the instructions of one GET. */
#ifndef FAC_BENCH_INSTRUCTIONS_H
#define FAC_BENCH_INSTRUCTIONS_H

/* The process that valgrind watches: `count` GETs of one side ("ours", "hiredis") over a Unix
 * socket. Returns the exit code. */
int bench_instructions_probe(const char *side, const char *unix_socket, const char *count);

#endif
