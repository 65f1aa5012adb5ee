/* SPDX-License-Identifier: MIT */
/* hit_ratio/trace.h — sequences of keys: made by rule, or read from a file. */
#ifndef FAC_HIT_RATIO_TRACE_H
#define FAC_HIT_RATIO_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys are numbered from 0 in the order in which they first occur. */
struct trace {
    char name[64];
    uint32_t *keys;
    size_t n;        /* requests */
    uint32_t n_keys; /* the footprint */
};

/* The fixed set, by its place in it; false behind its end. `seed` makes it reproducible. False
 * with `out->keys` NULL: no memory. */
bool trace_make(size_t place, uint64_t seed, struct trace *out);

/* A file of one key a line, or, when its name ends in ".oracleGeneral" or ".oracleGeneral.bin",
 * of that binary form: records of 24 bytes, time u32, key u64, size u32, next use i64, little
 * endian. False: said on standard error. */
bool trace_read(const char *path, struct trace *out);

void trace_free(struct trace *trace);

#endif
