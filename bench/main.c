/* SPDX-License-Identifier: MIT */
/* bench/main.c — fac_bench: starts private servers, runs the plan, prints and saves the report. */
#include "calls.h"
#include "instructions.h"
#include "plan.h"
#include "size.h"

#include <signal.h>
#include <string.h>

enum {
    MAX_GROUPS = 16
};

struct arguments {
    const char *out_dir;
    const char *only;
    bool is_quick;
    const char *groups[MAX_GROUPS];
    uint32_t n_groups;
};

static const char k_usage[] =
    "usage: fac_bench [--out DIR] [--quick] [--only NAME] [GROUP…]\n"
    "  --out DIR    also write DIR/bench.txt, DIR/bench.tsv and DIR/bench.svg\n"
    "  --quick      very short slices, nothing repeated: shows that it runs, not how fast\n"
    "  --only NAME  only cells whose name or place contains NAME\n"
    "A missed bar is printed as MISS; the exit code is not 0 only when something broke.\n"
    "Groups, without one all but instructions:\n";

static bool parse(int argc, char **argv, struct arguments *out)
{
    for (int i = 1; i < argc; i++) {
        const bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--quick") == 0) {
            out->is_quick = true;
        } else if (strcmp(argv[i], "--out") == 0 && has_value) {
            out->out_dir = argv[++i];
        } else if (strcmp(argv[i], "--only") == 0 && has_value) {
            out->only = argv[++i];
        } else if (bench_plan_knows(argv[i]) && out->n_groups < MAX_GROUPS) {
            out->groups[out->n_groups++] = argv[i];
        } else {
            return false;
        }
    }
    return true;
}

/* Starts what is installed; *out_n counts it. */
static bool start_servers(struct bench_server *servers, uint32_t *out_n, char *names,
                          size_t cap)
{
    static const struct {
        const char *program;
        bool is_valkey;
    } k_programs[] = {{"redis-server", false}, {"valkey-server", true}};
    names[0] = '\0';
    for (size_t i = 0; i < sizeof(k_programs) / sizeof(k_programs[0]); i++) {
        enum bench_start how = bench_server_start(&servers[*out_n], k_programs[i].program,
                                                  k_programs[i].is_valkey);
        if (how == BENCH_START_FAILED) {
            return false;
        }
        const size_t used = strlen(names);
        const char *comma = used > 0 ? ", " : "";
        if (how == BENCH_NOT_INSTALLED) {
            (void)snprintf(names + used, cap - used, "%s%s not installed, not measured", comma,
                           k_programs[i].program);
        } else {
            (void)snprintf(names + used, cap - used, "%s%s", comma, servers[*out_n].name);
            (*out_n)++;
        }
    }
    return true;
}

static bool run(const struct arguments *arguments)
{
    static struct bench_report report;
    static struct bench_server servers[BENCH_MAX_SERVERS];
    uint32_t n_servers = 0;
    const uint64_t started_ns = bench_now_ns();

    bench_data_init();
    bench_facts_fill(&report.facts);
    report.facts.is_quick = arguments->is_quick;
    report.facts.has_calls = bench_calls_find();
    bool is_ok = start_servers(servers, &n_servers, report.facts.servers,
                               sizeof(report.facts.servers));
    const struct bench_plan plan = {
        .servers = servers,
        .n_servers = n_servers,
        .only = arguments->only,
        .method = {.n_pairs = arguments->is_quick ? 5 : 12,
                   .slice_s = arguments->is_quick ? 0.02 : 0.12},
        .is_quick = arguments->is_quick,
        .groups = arguments->groups,
        .n_groups = arguments->n_groups,
    };
    is_ok = is_ok && bench_plan_run(&plan, &report);
    for (uint32_t i = 0; i < n_servers; i++) {
        bench_server_stop(&servers[i]);
    }
    report.facts.load_after = bench_load();
    report.facts.seconds = (double)(bench_now_ns() - started_ns) / 1e9;
    report.facts.is_broken = !is_ok;
    bench_report_text(&report, stdout);
    if (arguments->out_dir != NULL) {
        is_ok = bench_report_save(&report, arguments->out_dir) && is_ok;
    }
    return is_ok;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--resident-probe") == 0) {
        return bench_resident_probe(argv[2]);
    }
    if (argc == 5 && strcmp(argv[1], "--instructions-probe") == 0) {
        return bench_instructions_probe(argv[2], argv[3], argv[4]);
    }
    struct arguments arguments = {0};
    if (!parse(argc, argv, &arguments)) {
        (void)fputs(k_usage, stderr);
        bench_plan_put_groups(stderr);
        return 2;
    }
    /* hiredis writes without MSG_NOSIGNAL. */
    (void)signal(SIGPIPE, SIG_IGN);
    if (!bench_watch_signals()) {
        return 1;
    }
    return run(&arguments) ? 0 : 1;
}
