/* SPDX-License-Identifier: MIT */
/* bench/plan.h — which groups of cells are run, with which bars. */
#ifndef FAC_BENCH_PLAN_H
#define FAC_BENCH_PLAN_H

#include "report.h"
#include "servers.h"

enum {
    BENCH_MAX_SERVERS = 2,
};

struct bench_plan {
    const struct bench_server *servers; /* The first one runs every cell, the others some. */
    uint32_t n_servers;
    const char *only; /* Part of a cell's name or place; NULL: every cell. */
    struct bench_method method;
    bool is_quick; /* No cell is repeated. */
    /* Names of groups; none: every group of the default run. */
    const char *const *groups;
    uint32_t n_groups;
};

/* How many servers a group of many cells runs on: a quick run has no time for all. */
uint32_t bench_plan_n_servers(const struct bench_plan *plan);

/* Whether a group has this name. */
bool bench_plan_knows(const char *group);

/* The groups' names and what they hold, a line each. */
void bench_plan_put_groups(FILE *out);

/* Runs the cells and adds a row for each. False: something broke, said on standard error. */
bool bench_plan_run(const struct bench_plan *plan, struct bench_report *report);

/* A group: adds its rows. False: something broke. */
typedef bool bench_group_fn(const struct bench_plan *plan, struct bench_report *report);

bench_group_fn bench_group_single;       /* plan.c: one thread. */
bench_group_fn bench_group_many;         /* plan.c: batches of 1000. */
bench_group_fn bench_group_threads;      /* plan.c: 1 to 128 threads. */
bench_group_fn bench_group_grid;         /* plan.c: 24 cells of 8 threads. */
bench_group_fn bench_group_delay;        /* delay.c */
bench_group_fn bench_group_latency;      /* latency.c */
bench_group_fn bench_group_memory;       /* memory.c */
bench_group_fn bench_group_tls;          /* tls.c */
bench_group_fn bench_group_https;        /* https.c */
bench_group_fn bench_group_instructions; /* instructions.c */

#endif
