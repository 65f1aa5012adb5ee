/* SPDX-License-Identifier: MIT */
/* bench/plan.h — which cells are run, with which bars. */
#ifndef FAC_BENCH_PLAN_H
#define FAC_BENCH_PLAN_H

#include "report.h"
#include "servers.h"

struct bench_plan {
    const struct bench_server *servers; /* The first one runs every cell, the others some. */
    uint32_t n_servers;
    const char *only; /* Part of a cell's name or place; NULL: every cell. */
    struct bench_method method;
    bool is_quick; /* No cell is repeated. */
};

/* Runs the cells and adds a row for each. False: something broke, said on standard error. */
bool bench_plan_run(const struct bench_plan *plan, struct bench_report *report);

#endif
