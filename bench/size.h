/* SPDX-License-Identifier: MIT */
/* bench/size.h — what the library weighs: its file, and a process with an open cache. */
#ifndef FAC_BENCH_SIZE_H
#define FAC_BENCH_SIZE_H

#include <stdbool.h>

/* The bytes of the shared library's file; *out_what says which file it was. */
bool bench_library_bytes(double *out_bytes, const char **out_what);

/* How much the resident memory of a fresh process grows when it loads the shared library, opens a
 * cache on 127.0.0.1:port and asks for one absent key. */
bool bench_resident_bytes(int port, double *out_bytes);

/* The fresh process of bench_resident_bytes(): prints the growth. Returns the exit code. */
int bench_resident_probe(const char *port_text);

#endif
