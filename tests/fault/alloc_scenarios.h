/* SPDX-License-Identifier: MIT */
/* fault/alloc_scenarios.h — uses of the library in which every allocation fails in its turn. */
#ifndef FAC_FAULT_ALLOC_SCENARIOS_H
#define FAC_FAULT_ALLOC_SCENARIOS_H

#include "kit/workdir.h"
#include "live/live.h"

#include <faciliter/cache.h>

#include <stdbool.h>
#include <stddef.h>

enum {
    ALLOC_BATCH = 300,
    ALLOC_MEDIUM_BYTES = 3000,
    ALLOC_LARGE_BYTES = 200 * 1024
};

struct alloc_scene {
    struct live live; /* its cache is the one under test; NULL where a scenario opens its own */
    struct kit_workdir dir;
    char password_path[KIT_WORKDIR_PATH_BYTES + 16];
    char *bytes; /* ALLOC_LARGE_BYTES of them */
    char keys[ALLOC_BATCH][16];
    fac_bytes names[ALLOC_BATCH];
    fac_item items[ALLOC_BATCH];
    fac_status statuses[ALLOC_BATCH];
    fac_value *values[ALLOC_BATCH];
    struct kit_server *tls_server; /* NULL: not built, or no server at all */
    struct kit_bridge *bridge;     /* the same */
    struct kit_cert ca;
    int dead_port_holder;
    uint16_t dead_port;
};

/* In which state of the handle a scenario is run: each is a scenario of its own. */
enum alloc_state {
    ALLOC_WARM = 1,   /* it has been used */
    ALLOC_COLD = 2,   /* it was opened lazily, and never used: servers only */
    ALLOC_KILLED = 4, /* its connections were ended by the server: servers only */
    ALLOC_STORE = 16, /* as none, in memory only */
    ALLOC_NONE = 8,   /* there is none: the scenario opens what it needs, and closes it */

    ALLOC_EVERY_NUMBER = 32, /* no state: many allocations have few places, so each one fails */
};

struct alloc_scenario {
    const char *name;
    unsigned states;
    bool needs_server;
    fac_status want;                            /* when nothing fails */
    void (*prepare)(struct alloc_scene *scene); /* undisturbed; or NULL */
    /* The use itself, with the check of what it got. Nothing it holds survives it. */
    fac_status (*run)(struct alloc_scene *scene, fac_error *err);
};

extern const struct alloc_scenario k_alloc_verbs[];
extern const size_t k_alloc_n_verbs;
extern const struct alloc_scenario k_alloc_lives[];
extern const size_t k_alloc_n_lives;

#endif
