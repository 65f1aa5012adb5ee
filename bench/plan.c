/* SPDX-License-Identifier: MIT */
/* bench/plan.c — the cells, their bars, and how one cell is run. */
#include "plan.h"

#include "size.h"

#include <string.h>

enum {
    ON_FIRST = 1,  /* The first server. */
    ON_OTHERS = 2, /* Every further one. */
    ON_TCP = 4,
    ON_UNIX = 8,
    EVERYWHERE = ON_FIRST | ON_OTHERS | ON_TCP | ON_UNIX,
};

/* A cell that misses its bar is run once more, with this many times the pairs. */
enum {
    REPEAT_FACTOR = 3
};

/* Before the pairs each side runs this long, so that connections and buffers are there. */
static const double k_warm_s = 0.05;

static const double k_resident_bar = 1024.0 * 1024;
static const double k_library_bar = 250.0 * 1024;

struct cell {
    const char *name;
    const struct bench_driver *ours;
    const struct bench_driver *base;
    uint32_t n_threads;
    uint32_t max_connections;
    double bar; /* 0: reported only. */
    unsigned places;
};

/* clang-format off */
static const struct cell k_cells[] = {
    {"a/a get",        &k_hiredis_get,          &k_hiredis_get,           1,  0, 0,    EVERYWHERE},
    {"get",            &k_ours_get_into,        &k_hiredis_get,           1,  1, 0.97, EVERYWHERE},
    {"set",            &k_ours_set,             &k_hiredis_set,           1,  1, 0.97, EVERYWHERE},
    {"get value",      &k_ours_get,             &k_hiredis_get,           1,  1, 0,    ON_FIRST | ON_TCP | ON_UNIX},
    {"get %b",         &k_ours_get_into,        &k_hiredis_get_format,    1,  1, 0,    ON_FIRST | ON_TCP},
    {"a/a pipeline",   &k_hiredis_get_pipeline, &k_hiredis_get_pipeline,  1,  0, 0,    ON_FIRST | ON_TCP},
    {"get_many",       &k_ours_get_many,        &k_hiredis_get_pipeline,  1,  1, 1.1,  EVERYWHERE},
    {"set_many",       &k_ours_set_many,        &k_hiredis_set_pipeline,  1,  1, 0,    ON_FIRST | ON_TCP},
    {"get 8",          &k_ours_get_into,        &k_hiredis_get,           8, 50, 0,    ON_FIRST | ON_TCP},
    {"get 16",         &k_ours_get_into,        &k_hiredis_get,          16, 50, 0,    ON_FIRST | ON_TCP},
    {"a/a get 64",     &k_hiredis_get,          &k_hiredis_get,          64,  0, 0,    ON_FIRST | ON_TCP},
    {"get 64",         &k_ours_get_into,        &k_hiredis_get,          64, 64, 0,    ON_FIRST | ON_TCP},
    {"get 64 of 50",   &k_ours_get_into,        &k_hiredis_get,          64, 50, 0,    ON_FIRST | ON_TCP},
};
/* clang-format on */

static bool is_wanted(const struct bench_plan *plan, const char *name, const char *where)
{
    return plan->only == NULL || strstr(name, plan->only) != NULL ||
           strstr(where, plan->only) != NULL;
}

/* Opens a side and runs it warm. What a writing side leaves is checked by reading it back. */
static bool prepare(struct bench_side *side, const struct bench_endpoint *endpoint)
{
    if (!bench_server_empty(endpoint) ||
        (!side->driver->is_writing && !bench_server_fill(endpoint)) ||
        !side->driver->open(&side->peer, endpoint)) {
        return false;
    }
    struct bench_rate warm;
    size_t at = 0;
    bool is_ok = true;
    for (uint32_t n = 0; n < BENCH_KEYS && is_ok; n += side->driver->batch) {
        is_ok = side->driver->run(&side->peer, 0, &at);
    }
    is_ok = is_ok && bench_server_verify(endpoint) && bench_slice(side, k_warm_s, &warm);
    if (!is_ok) {
        side->driver->close(&side->peer);
    }
    return is_ok;
}

static bool add_row(const struct cell *cell, const struct bench_endpoint *endpoint,
                    struct bench_report *report, struct bench_row **out)
{
    struct bench_row *row = bench_report_add(report);
    if (row == NULL) {
        return false;
    }
    row->kind = cell->ours == cell->base ? BENCH_NOISE : BENCH_RATIO;
    row->name = cell->name;
    (void)snprintf(row->where, sizeof(row->where), "%s %s", endpoint->server,
                   endpoint->transport);
    row->ours = cell->ours->name;
    row->base = cell->base->name;
    row->n_threads = cell->n_threads;
    row->max_connections = cell->max_connections;
    row->bar = cell->bar;
    *out = row;
    return true;
}

/* Compares two open sides, and once more where the bar is missed. */
static bool compare(const struct bench_plan *plan, const struct cell *cell,
                    const struct bench_endpoint *endpoint, struct bench_side *sides,
                    struct bench_report *report)
{
    struct bench_row *row = NULL;
    if (!add_row(cell, endpoint, report, &row)) {
        return false;
    }
    row->method = plan->method;
    if (!bench_compare(&sides[0], &sides[1], &row->method, &row->pairs)) {
        report->n_rows--;
        return false;
    }
    (void)fprintf(stderr, "%-14s %-20s %.3f\n", row->name, row->where, row->pairs.ratio);
    if (bench_row_is_met(row) || plan->is_quick) {
        return true;
    }
    row->is_repeated = true;
    if (!add_row(cell, endpoint, report, &row)) {
        return false;
    }
    row->is_repeat = true;
    row->method = plan->method;
    row->method.n_pairs *= REPEAT_FACTOR;
    if (!bench_compare(&sides[0], &sides[1], &row->method, &row->pairs)) {
        report->n_rows--;
        return false;
    }
    (void)fprintf(stderr, "%-14s %-20s %.3f (again, longer)\n", row->name, row->where,
                  row->pairs.ratio);
    return true;
}

static bool run_cell(const struct bench_plan *plan, const struct cell *cell,
                     const struct bench_endpoint *endpoint, struct bench_report *report)
{
    char where[64];
    (void)snprintf(where, sizeof(where), "%s %s", endpoint->server, endpoint->transport);
    if (!is_wanted(plan, cell->name, where)) {
        return true;
    }
    struct bench_side sides[2] = {{.driver = cell->ours}, {.driver = cell->base}};
    for (size_t i = 0; i < 2; i++) {
        sides[i].peer.n_threads = cell->n_threads;
        sides[i].peer.max_connections = cell->max_connections;
    }
    if (!prepare(&sides[0], endpoint)) {
        return false;
    }
    if (!prepare(&sides[1], endpoint)) {
        sides[0].driver->close(&sides[0].peer);
        return false;
    }
    bool is_ok = compare(plan, cell, endpoint, sides, report);
    sides[0].driver->close(&sides[0].peer);
    sides[1].driver->close(&sides[1].peer);
    return is_ok;
}

/* All cells of one endpoint before the next one: a cell and its A/A stand close in time. */
static bool run_endpoint(const struct bench_plan *plan, unsigned place,
                         const struct bench_endpoint *endpoint, struct bench_report *report)
{
    for (size_t i = 0; i < sizeof(k_cells) / sizeof(k_cells[0]); i++) {
        if ((k_cells[i].places & place) == place &&
            !run_cell(plan, &k_cells[i], endpoint, report)) {
            return false;
        }
    }
    return true;
}

/* The memory store alone: nothing of hiredis's compares. The median of as many slices. */
static bool run_store(const struct bench_plan *plan, uint32_t n_threads, const char *name,
                      struct bench_report *report)
{
    if (!is_wanted(plan, name, "memory")) {
        return true;
    }
    struct bench_side side = {.driver = &k_store_get_into, .peer = {.n_threads = n_threads}};
    if (!side.driver->open(&side.peer, NULL)) {
        return false;
    }
    double rates[BENCH_MAX_PAIRS] = {0};
    struct bench_rate rate;
    bool is_ok = bench_slice(&side, k_warm_s, &rate);
    for (uint32_t i = 0; i < plan->method.n_pairs && is_ok; i++) {
        is_ok = bench_slice(&side, plan->method.slice_s, &rate);
        rates[i] = is_ok ? rate.per_s : 0;
    }
    side.driver->close(&side.peer);
    struct bench_row *row = is_ok ? bench_report_add(report) : NULL;
    if (row == NULL) {
        return false;
    }
    row->kind = BENCH_RATE;
    row->name = name;
    row->ours = n_threads == 1 ? "hits of get_into, 1 thread" : "hits of get_into, 2 threads";
    (void)snprintf(row->where, sizeof(row->where), "memory");
    row->n_threads = n_threads;
    row->method = plan->method;
    row->value = bench_median(rates, plan->method.n_pairs);
    return true;
}

static bool run_sizes(const struct bench_plan *plan, struct bench_report *report)
{
    if (plan->n_servers > 0 && is_wanted(plan, "resident", "process")) {
        double bytes = 0;
        struct bench_row *row = NULL;
        if (!bench_resident_bytes(plan->servers[0].tcp.port, &bytes) ||
            (row = bench_report_add(report)) == NULL) {
            return false;
        }
        row->kind = BENCH_BYTES;
        row->name = "resident";
        row->ours = "open TCP cache, nothing stored, above bare";
        (void)snprintf(row->where, sizeof(row->where), "process");
        row->value = bytes;
        row->bar = k_resident_bar;
    }
    if (is_wanted(plan, "library", "file")) {
        double bytes = 0;
        const char *what = NULL;
        if (!bench_library_bytes(&bytes, &what)) {
            return false;
        }
        struct bench_row *row = bench_report_add(report);
        if (row == NULL) {
            return false;
        }
        row->kind = BENCH_BYTES;
        row->name = "library";
        row->ours = what;
        (void)snprintf(row->where, sizeof(row->where), "file");
        row->value = bytes;
        row->bar = k_library_bar;
    }
    return true;
}

bool bench_plan_run(const struct bench_plan *plan, struct bench_report *report)
{
    for (uint32_t i = 0; i < plan->n_servers; i++) {
        const unsigned turn = i == 0 ? ON_FIRST : ON_OTHERS;
        if (!run_endpoint(plan, turn | ON_TCP, &plan->servers[i].tcp, report) ||
            !run_endpoint(plan, turn | ON_UNIX, &plan->servers[i].local, report)) {
            return false;
        }
    }
    return run_store(plan, 1, "memory 1", report) && run_store(plan, 2, "memory 2", report) &&
           run_sizes(plan, report);
}
