/* SPDX-License-Identifier: MIT */
/* bench/cell.c — how one cell is run. */
#include "cell.h"

#include <string.h>

enum {
    REPEAT_FACTOR =
        3, /* A cell that misses its bar is run once more, this many times as long. */
};

bool bench_is_wanted(const struct bench_plan *plan, const char *name, const char *where)
{
    return plan->only == NULL || strstr(name, plan->only) != NULL ||
           strstr(where, plan->only) != NULL;
}

/* Opens a side and runs it warm for as long as a slice, so that connections and buffers are there.
 * What a writing side leaves is checked by reading it back. */
static bool prepare(struct bench_side *side, const struct bench_cell *cell,
                    const struct bench_endpoint *endpoint, const struct bench_endpoint *direct)
{
    const struct bench_driver *driver = side->driver;
    side->peer = (struct bench_peer){.n_threads = cell->n_threads,
                                     .max_connections = cell->max_connections};
    if (!bench_server_empty(direct) || (!driver->is_writing && !bench_server_fill(direct)) ||
        !driver->open(&side->peer, endpoint)) {
        return false;
    }
    struct bench_rate warm;
    size_t at = 0;
    bool is_ok = (!driver->is_writing || driver->run(&side->peer, 0, &at, BENCH_KEYS)) &&
                 bench_server_verify(direct) &&
                 bench_slice(side, cell->method.slice_s, false, &warm);
    if (!is_ok) {
        driver->close(&side->peer);
    }
    return is_ok;
}

bool bench_cell_compare(const struct bench_cell *cell, struct bench_side *sides,
                        struct bench_row *row)
{
    (void)cell;
    row->kind = BENCH_RATIO;
    return bench_compare(&sides[0], &sides[1], &row->method, &row->pairs);
}

static bool compare_once(const struct bench_cell *cell, const char *where,
                         struct bench_side *sides, bench_compare_fn *compare,
                         struct bench_report *report, bool is_repeat)
{
    struct bench_row *row = bench_report_add(report, cell->group, cell->name, where);
    if (row == NULL) {
        return false;
    }
    row->ours = cell->ours->name;
    row->base = cell->base->name;
    row->is_noise = cell->ours == cell->base;
    row->n_threads = cell->n_threads;
    row->value_bytes = cell->value_bytes;
    row->max_connections = cell->max_connections;
    row->has_bar = cell->bar > 0;
    row->bar = cell->bar;
    row->is_repeat = is_repeat;
    row->method = cell->method;
    row->method.n_pairs *= is_repeat ? REPEAT_FACTOR : 1;
    if (!compare(cell, sides, row)) {
        report->n_rows--;
        return false;
    }
    const struct bench_side *ours = &sides[0];
    row->n_connections = ours->driver->count_connections == NULL
                             ? cell->n_threads
                             : ours->driver->count_connections(&sides[0].peer);
    (void)fprintf(stderr, "%-10s %-16s %-22s %.3f%s\n", cell->group, cell->name, where,
                  row->pairs.ratio, is_repeat ? " (again, longer)" : "");
    return true;
}

bool bench_cell_run(const struct bench_plan *plan, const struct bench_cell *cell,
                    const struct bench_endpoint *endpoint, const struct bench_endpoint *direct,
                    bench_compare_fn *compare, struct bench_report *report)
{
    char where[64];
    (void)snprintf(where, sizeof(where), "%s %s", endpoint->server, endpoint->transport);
    if (!bench_is_wanted(plan, cell->name, where)) {
        return true;
    }
    bench_data_size(cell->value_bytes);
    struct bench_side sides[2] = {{.driver = cell->ours}, {.driver = cell->base}};
    if (!prepare(&sides[0], cell, endpoint, direct)) {
        return false;
    }
    if (!prepare(&sides[1], cell, endpoint, direct)) {
        sides[0].driver->close(&sides[0].peer);
        return false;
    }
    bool is_ok = compare_once(cell, where, sides, compare, report, false);
    struct bench_row *row = is_ok ? &report->rows[report->n_rows - 1] : NULL;
    if (is_ok && !bench_row_is_met(row) && !plan->is_quick) {
        row->is_repeated = true;
        is_ok = compare_once(cell, where, sides, compare, report, true);
    }
    sides[0].driver->close(&sides[0].peer);
    sides[1].driver->close(&sides[1].peer);
    return is_ok;
}
