/* SPDX-License-Identifier: MIT */
/* api/sweep.h — every allocation of a verb fails once: the n-th alone, then the n-th and all after
 * it, for n = 1, 2, … until the verb succeeds without a failure. Whatever fails: FAC_E_NOMEM or
 * success, no wrong value, nothing leaked, and the cache works afterwards. */
#ifndef FAC_API_SWEEP_H
#define FAC_API_SWEEP_H

#include "common.h"
#include "kit/memory.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    SWEEP_MEDIUM_BYTES = 10 * 1024,
    SWEEP_LARGE_BYTES = 200 * 1024, /* takes a connection of its own */
    SWEEP_MAX_ALLOCATIONS = 2000    /* of one verb: more is a loop that never ends */
};

struct sweep {
    struct kit_memory memory;
    struct api_backend backend;
    struct kit_server *server;
    fac_options options;
    fac_cache *cache;
    char *large; /* SWEEP_LARGE_BYTES bytes to store */
};

/* A verb under test: a state to start from, the verb with the check of its result, and a check of
 * what is stored after it. The first and the last run without injected failures. */
struct sweep_verb {
    const char *name;
    void (*prepare)(struct sweep *sweep);
    fac_status (*run)(struct sweep *sweep, fac_error *err);
    void (*check)(struct sweep *sweep, fac_status st, bool maybe_applied); /* or NULL */
};

/* The backend of the test's argument, and options for it. */
void sweep_init(struct sweep *sweep);
void sweep_fini(struct sweep *sweep);

/* The handle; close asserts that no memory is left. */
void sweep_open(struct sweep *sweep);
void sweep_close(struct sweep *sweep);

/* All of one verb: warm, on a handle in use, and cold, where it also makes the connection. */
void sweep_run(const struct sweep_verb *verb);

/* What is stored, without injected failures. */
void sweep_put(struct sweep *sweep, const char *key, const char *data, size_t len);
bool sweep_holds(struct sweep *sweep, const char *key, const char *data, size_t len);
bool sweep_is_absent(struct sweep *sweep, const char *key);

#endif
