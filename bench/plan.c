/* SPDX-License-Identifier: MIT */
/* bench/plan.c — the groups, and the cells and bars of those that compare rates. */
#include "plan.h"

#include "cell.h"

#include <string.h>

enum {
    ON_FIRST = 1,  /* The first server. */
    ON_OTHERS = 2, /* Every further one. */
    ON_TCP = 4,
    ON_UNIX = 8,
    EVERYWHERE = ON_FIRST | ON_OTHERS | ON_TCP | ON_UNIX,
    FIRST_TCP = ON_FIRST | ON_TCP,
};

static const char k_single[] = "single";
static const char k_many[] = "many";
static const char k_threads[] = "threads";
static const char k_grid[] = "grid";

/* A cell that is written down; the others come from loops. */
struct listed {
    const char *name;
    const struct bench_driver *ours;
    const struct bench_driver *base;
    double bar; /* 0: reported only. */
    unsigned places;
    size_t value_bytes; /* 0: BENCH_SMALL_BYTES. */
};

/* clang-format off */
static const struct listed k_single_cells[] = {
    {"a/a get",      &k_hiredis_get,          &k_hiredis_get,          0,    EVERYWHERE,         0},
    {"get",          &k_ours_get_into,        &k_hiredis_get,          0.97, EVERYWHERE,         0},
    {"set",          &k_ours_set,             &k_hiredis_set,          0.97, EVERYWHERE,         0},
    {"get value",    &k_ours_get,             &k_hiredis_get,          0,    FIRST_TCP | ON_UNIX, 0},
    {"get %b",       &k_ours_get_into,        &k_hiredis_get_format,   0,    FIRST_TCP,          0},
};

static const struct listed k_many_cells[] = {
    {"a/a pipeline", &k_hiredis_get_pipeline, &k_hiredis_get_pipeline, 0,    EVERYWHERE,         0},
    {"get_many",     &k_ours_get_many,        &k_hiredis_get_pipeline, 1.1,  EVERYWHERE,         0},
    {"get_many mget", &k_ours_get_many,       &k_hiredis_mget,         0.9,  EVERYWHERE,         0},
    {"set_many",     &k_ours_set_many,        &k_hiredis_set_pipeline, 1.1,  EVERYWHERE,         0},
};

/* 62 MiB a batch: more than the buffers of any socket hold, in both directions. That they end is
 * what they show. */
static const struct listed k_large_cells[] = {
    {"get_many 64 KiB", &k_ours_get_many,     &k_hiredis_get_pipeline, 0,    FIRST_TCP | ON_OTHERS, BENCH_MAX_VALUE_BYTES},
    {"set_many 64 KiB", &k_ours_set_many,     &k_hiredis_set_pipeline, 0,    FIRST_TCP | ON_OTHERS, BENCH_MAX_VALUE_BYTES},
};

/* Threads, connections of ours at most (0: default), bar. */
static const struct {
    uint32_t n_threads;
    uint32_t max_connections;
    double bar;
} k_thread_rows[] = {
    {  1, 0, 0},
    {  2, 0, 0},
    {  4, 0, 0},
    {  8, 4, 1.5},
    { 16, 4, 1.8},
    { 64, 4, 2.5},
    {128, 4, 2.5},
};

static const struct group {
    const char *name;
    bench_group_fn *run;
    bool is_default;
    const char *help;
} k_groups[] = {
    {k_single,       bench_group_single,       true,  "one thread, one key at a time"},
    {k_many,         bench_group_many,         true,  "batches of 1000 keys; batches larger than the sockets' buffers"},
    {k_threads,      bench_group_threads,      true,  "1 to 128 threads, at most 4 connections of ours from 8 on"},
    {k_grid,         bench_group_grid,         true,  "24 cells: transport, server, size, direction; 8 threads"},
    {"delay",        bench_group_delay,        true,  "with 0.2, 1 and 5 ms of added round trip"},
    {"latency",      bench_group_latency,      true,  "99th percentile of 64 threads at half of hiredis's most"},
    {"memory",       bench_group_memory,       true,  "the memory backend; what a handle, the library, a process take"},
#ifdef FAC_HAS_TLS
    {"tls",          bench_group_tls,          true,  "1 and 64 threads over TLS; handshakes, whole and resumed"},
#endif
#ifdef FAC_HAS_HTTP
    {"https",        bench_group_https,        true,  "the REST form over https, beside libcurl's own handles"},
#endif
    {"instructions", bench_group_instructions, false, "instructions of a GET, by valgrind; only when named"},
};
/* clang-format on */

bool bench_plan_knows(const char *group)
{
    for (size_t i = 0; i < sizeof(k_groups) / sizeof(k_groups[0]); i++) {
        if (strcmp(k_groups[i].name, group) == 0) {
            return true;
        }
    }
    return false;
}

void bench_plan_put_groups(FILE *out)
{
    for (size_t i = 0; i < sizeof(k_groups) / sizeof(k_groups[0]); i++) {
        (void)fprintf(out, "  %-13s %s\n", k_groups[i].name, k_groups[i].help);
    }
}

static bool is_asked_for(const struct bench_plan *plan, const struct group *group)
{
    if (plan->n_groups == 0) {
        return group->is_default;
    }
    for (uint32_t i = 0; i < plan->n_groups; i++) {
        if (strcmp(plan->groups[i], group->name) == 0) {
            return true;
        }
    }
    return false;
}

bool bench_plan_run(const struct bench_plan *plan, struct bench_report *report)
{
    for (size_t i = 0; i < sizeof(k_groups) / sizeof(k_groups[0]); i++) {
        if (is_asked_for(plan, &k_groups[i]) && !k_groups[i].run(plan, report)) {
            return false;
        }
    }
    return true;
}

uint32_t bench_plan_n_servers(const struct bench_plan *plan)
{
    return plan->is_quick && plan->n_servers > 1 ? 1 : plan->n_servers;
}

/* The endpoints in turn; `place` is what a listed cell must have to run there. */
static const struct bench_endpoint *endpoint_at(const struct bench_plan *plan, uint32_t i,
                                                unsigned *place)
{
    const struct bench_server *server = &plan->servers[i / 2];
    *place = (i / 2 == 0 ? ON_FIRST : ON_OTHERS) | (i % 2 == 0 ? ON_TCP : ON_UNIX);
    return i % 2 == 0 ? &server->tcp : &server->local;
}

/* All cells of one endpoint before the next one: a cell and its A/A stand close in time. */
static bool run_listed(const struct bench_plan *plan, const char *group,
                       const struct listed *list, size_t n, struct bench_report *report)
{
    for (uint32_t i = 0; i < 2 * plan->n_servers; i++) {
        unsigned place = 0;
        const struct bench_endpoint *endpoint = endpoint_at(plan, i, &place);
        for (size_t k = 0; k < n; k++) {
            const size_t bytes = list[k].value_bytes;
            struct bench_cell cell = {
                .group = group,
                .ours = list[k].ours,
                .base = list[k].base,
                .n_threads = 1,
                .max_connections = 1,
                .value_bytes = bytes > 0 ? bytes : BENCH_SMALL_BYTES,
                .bar = list[k].bar,
                .method = plan->method,
            };
            (void)snprintf(cell.name, sizeof(cell.name), "%s", list[k].name);
            if ((list[k].places & place) == place &&
                !bench_cell_run(plan, &cell, endpoint, endpoint, bench_cell_compare, report)) {
                return false;
            }
        }
    }
    return true;
}

bool bench_group_single(const struct bench_plan *plan, struct bench_report *report)
{
    return run_listed(plan, k_single, k_single_cells,
                      sizeof(k_single_cells) / sizeof(k_single_cells[0]), report);
}

bool bench_group_many(const struct bench_plan *plan, struct bench_report *report)
{
    /* A batch takes longer than a slice: a pair is one of each. */
    struct bench_plan large = *plan;
    large.method.n_pairs = 5;
    large.n_servers = bench_plan_n_servers(plan);
    return run_listed(plan, k_many, k_many_cells,
                      sizeof(k_many_cells) / sizeof(k_many_cells[0]), report) &&
           run_listed(&large, k_many, k_large_cells,
                      sizeof(k_large_cells) / sizeof(k_large_cells[0]), report);
}

/* What the threads do, on both sides. */
struct thread_calls {
    const char *name;
    const struct bench_driver *ours;
    const struct bench_driver *base;
    bool is_limit; /* none of ours: only beside rows with a bar, and without one */
};

static bool run_rows(const struct bench_plan *plan, const struct bench_endpoint *endpoint,
                     const struct thread_calls *calls, struct bench_report *report)
{
    for (size_t i = 0; i < sizeof(k_thread_rows) / sizeof(k_thread_rows[0]); i++) {
        struct bench_cell cell = {
            .group = k_threads,
            .ours = calls->ours,
            .base = calls->base,
            .n_threads = k_thread_rows[i].n_threads,
            .max_connections = calls->is_limit ? 0 : k_thread_rows[i].max_connections,
            .value_bytes = BENCH_SMALL_BYTES,
            .bar = calls->is_limit ? 0 : k_thread_rows[i].bar,
            .method = plan->method,
        };
        (void)snprintf(cell.name, sizeof(cell.name), "%s %u", calls->name, cell.n_threads);
        bool is_wanted = !calls->is_limit || k_thread_rows[i].bar > 0;
        if (is_wanted &&
            !bench_cell_run(plan, &cell, endpoint, endpoint, bench_cell_compare, report)) {
            return false;
        }
    }
    return true;
}

static bool run_noise(const struct bench_plan *plan, const char *group, uint32_t n_threads,
                      const struct bench_endpoint *endpoint, struct bench_report *report)
{
    struct bench_cell cell = {
        .group = group,
        .ours = &k_hiredis_get,
        .base = &k_hiredis_get,
        .n_threads = n_threads,
        .value_bytes = BENCH_SMALL_BYTES,
        .method = plan->method,
    };
    (void)snprintf(cell.name, sizeof(cell.name), "a/a get %u", n_threads);
    return bench_cell_run(plan, &cell, endpoint, endpoint, bench_cell_compare, report);
}

bool bench_group_threads(const struct bench_plan *plan, struct bench_report *report)
{
    static const struct thread_calls k_get = {"get", &k_ours_get_into, &k_hiredis_get, false};
    static const struct thread_calls k_set = {"set", &k_ours_set, &k_hiredis_set, false};
    /* What no client that shares connections and lets callers sleep can exceed by much. */
    static const struct thread_calls k_limit = {"limit", &k_lockstep_get, &k_hiredis_get, true};
    for (uint32_t i = 0; i < bench_plan_n_servers(plan); i++) {
        const struct bench_endpoint *endpoint = &plan->servers[i].tcp;
        if (!run_noise(plan, k_threads, 8, endpoint, report) ||
            !run_noise(plan, k_threads, 64, endpoint, report) ||
            !run_rows(plan, endpoint, &k_get, report) ||
            !run_rows(plan, endpoint, &k_set, report) ||
            !run_rows(plan, endpoint, &k_limit, report)) {
            return false;
        }
    }
    return true;
}

struct size {
    const char *name;
    size_t value_bytes;
};

static bool run_grid_cell(const struct bench_plan *plan, const struct bench_endpoint *endpoint,
                          const struct size *size, bool is_set, struct bench_report *report)
{
    struct bench_cell cell = {
        .group = k_grid,
        .ours = is_set ? &k_ours_set : &k_ours_get_into,
        .base = is_set ? &k_hiredis_set : &k_hiredis_get,
        .n_threads = 8,
        .value_bytes = size->value_bytes,
        .bar = 0.95,
        .method = plan->method,
    };
    (void)snprintf(cell.name, sizeof(cell.name), "%s %s", is_set ? "set" : "get", size->name);
    return bench_cell_run(plan, &cell, endpoint, endpoint, bench_cell_compare, report);
}

bool bench_group_grid(const struct bench_plan *plan, struct bench_report *report)
{
    static const struct size k_sizes[] = {
        {"100 B", BENCH_SMALL_BYTES}, {"4 KiB", 4096}, {"64 KiB", 65536}};
    for (uint32_t i = 0; i < 2 * bench_plan_n_servers(plan); i++) {
        unsigned place = 0;
        const struct bench_endpoint *endpoint = endpoint_at(plan, i, &place);
        if (!run_noise(plan, k_grid, 8, endpoint, report)) {
            return false;
        }
        for (size_t k = 0; k < sizeof(k_sizes) / sizeof(k_sizes[0]); k++) {
            if (!run_grid_cell(plan, endpoint, &k_sizes[k], false, report) ||
                !run_grid_cell(plan, endpoint, &k_sizes[k], true, report)) {
                return false;
            }
        }
    }
    return true;
}
