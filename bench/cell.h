/* SPDX-License-Identifier: MIT */
/* bench/cell.h — one cell: two sides, opened and warm on one endpoint, compared, and once more
 * where the bar is missed. */
#ifndef FAC_BENCH_CELL_H
#define FAC_BENCH_CELL_H

#include "plan.h"

struct bench_cell {
    const char *group;
    char name[BENCH_NAME_BYTES];
    const struct bench_driver *ours;
    const struct bench_driver *base; /* The same as ours: an A/A. */
    uint32_t n_threads;
    uint32_t max_connections; /* Ours; 0: the library's default. */
    size_t value_bytes;
    double bar; /* 0: reported only. */
    struct bench_method method;
    void *context; /* The comparing function's own. */
};

/* Compares two open sides and fills the row: kind, pairs and what else the kind has. */
typedef bool bench_compare_fn(const struct bench_cell *cell, struct bench_side *sides,
                              struct bench_row *row);

/* The usual one: rates by bench_compare(). */
bench_compare_fn bench_cell_compare;

/* Whether the command line asks for this cell. */
bool bench_is_wanted(const struct bench_plan *plan, const char *name, const char *where);

/* Opens both sides on an endpoint, fills it over `direct` (the same server without what slows the
 * endpoint down; the endpoint itself, else), compares, adds a row or two. */
bool bench_cell_run(const struct bench_plan *plan, const struct bench_cell *cell,
                    const struct bench_endpoint *endpoint, const struct bench_endpoint *direct,
                    bench_compare_fn *compare, struct bench_report *report);

#endif
