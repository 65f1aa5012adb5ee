/* SPDX-License-Identifier: MIT */
/* store_bench/side.h — a cache under test: the store through fac_cache, or what a C programmer would
 * take instead. */
#ifndef FAC_STORE_BENCH_SIDE_H
#define FAC_STORE_BENCH_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    N_ENTRIES = 1000000,
    KEY_BYTES = 16, /* "k:" and 14 digits */
    PREFIX_BYTES = 2,
    VALUE_BYTES = 100,
    MAX_THREADS = 2,
};

struct side {
    const char *name;
    /* For about `bytes` of memory, all told. NULL: said on standard error. */
    void *(*open)(uint64_t bytes);
    /* Copies the value, VALUE_BYTES long. False: it is not there. */
    bool (*get)(void *cache, unsigned thread, const char *key, char *value);
    bool (*set)(void *cache, unsigned thread, const char *key, const char *value);
    void (*close)(void *cache);
};

extern const struct side k_ours;
extern const struct side k_glib;      /* GHashTable and a GQueue as LRU list, under a GMutex */
extern const struct side k_bare;      /* no cache: the machine's limit for one thread */
extern const struct side k_memcached; /* a process of its own, through libmemcached */

/* memcached.c: whether the program is installed. */
bool memcached_is_there(void);

#endif
