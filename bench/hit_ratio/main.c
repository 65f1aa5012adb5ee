/* SPDX-License-Identifier: MIT */
/* hit_ratio/main.c — runs every policy over every trace at three sizes; prints hit ratios, how far
 * each policy is from the best, and draws a plot. */
#include "plot.h"
#include "policy.h"

#include <stdio.h>
#include <string.h>

static const struct policy *const k_policies[] = {&k_lru,  &k_sieve, &k_s3_fifo, &k_w_tinylfu,
                                                  &k_ours, &k_store, &k_belady};

enum {
    N_POLICIES = sizeof(k_policies) / sizeof(k_policies[0]),
    LRU = 0,
    N_PUBLISHED = 4, /* the first: what the others are measured against */
};

static const double k_sizes[] = {0.001, 0.01, 0.1};

/* What the bars ask of a policy, over all cells. */
struct regret {
    double sum;
    double most_below_lru;
};

struct sums {
    struct regret of[N_POLICIES];
    unsigned n_cells;
};

static bool run(const struct policy *policy, const struct trace *trace, uint32_t cap,
                double *out)
{
    void *state = policy->open(cap, trace);
    if (state == NULL) {
        (void)fprintf(stderr, "%s: not opened\n", policy->name);
        return false;
    }
    size_t n_hits = 0;
    for (size_t i = 0; i < trace->n; i++) {
        n_hits += policy->use(state, trace->keys[i], i);
    }
    policy->close(state);
    *out = 100.0 * (double)n_hits / (double)trace->n;
    return true;
}

/* One line: the ratios, and what they add to the sums. */
static bool run_cell(const struct trace *trace, double size, struct sums *sums,
                     struct plot *plot)
{
    uint32_t cap = (uint32_t)(size * trace->n_keys);
    cap = cap > 0 ? cap : 1;
    double ratios[N_POLICIES] = {0};
    double best = 0;
    (void)printf("| %s | %u |", trace->name, cap);
    for (int i = 0; i < N_POLICIES; i++) {
        if (!run(k_policies[i], trace, cap, &ratios[i])) {
            return false;
        }
        best = i < N_PUBLISHED && ratios[i] > best ? ratios[i] : best;
        (void)printf(" %.1f |", ratios[i]);
    }
    (void)printf("\n");
    (void)fflush(stdout);
    for (int i = 0; i < N_POLICIES; i++) {
        struct regret *regret = &sums->of[i];
        regret->sum += best > ratios[i] ? best - ratios[i] : 0;
        const double below = ratios[LRU] - ratios[i];
        regret->most_below_lru = below > regret->most_below_lru ? below
                                                                : regret->most_below_lru;
    }
    sums->n_cells++;
    plot_add(plot, trace->name, size, ratios);
    return true;
}

static bool run_trace(const struct trace *trace, struct sums *sums, struct plot *plot)
{
    for (size_t i = 0; i < sizeof(k_sizes) / sizeof(k_sizes[0]); i++) {
        if (!run_cell(trace, k_sizes[i], sums, plot)) {
            return false;
        }
    }
    return true;
}

static void print_sums(const struct sums *sums)
{
    (void)printf("\n| points, over %u cells | mean regret | most below LRU |\n|---|---|---|\n",
                 sums->n_cells);
    for (int i = 0; i < N_POLICIES; i++) {
        if (k_policies[i]->is_online) {
            (void)printf("| %s | %.2f | %.2f |\n", k_policies[i]->name,
                         sums->of[i].sum / sums->n_cells, sums->of[i].most_below_lru);
        }
    }
}

int main(int argc, char **argv)
{
    const char *svg_path = NULL;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--svg") == 0) {
        svg_path = argv[2];
        first = 3;
    } else if (argc > 1 && argv[1][0] == '-') {
        (void)fputs(
            "usage: fac_hit_ratio [--svg FILE] [TRACE…]\n"
            "Without a trace, the fixed set. A trace is a text of one key a line, or a\n"
            "file in the binary form oracleGeneral, named so at its end.\n",
            stderr);
        return 2;
    }
    static struct plot plot;
    struct sums sums = {0};
    plot.n_series = N_POLICIES;
    (void)printf("| trace | objects |");
    for (int i = 0; i < N_POLICIES; i++) {
        plot.series[i] = k_policies[i]->name;
        (void)printf(" %s |", k_policies[i]->name);
    }
    (void)printf("\n|---|---|%s\n", "---|---|---|---|---|---|---|");
    bool is_ok = true;
    struct trace trace;
    for (size_t i = 0; is_ok && argc == first && trace_make(i, 1, &trace); i++) {
        is_ok = trace.keys != NULL && run_trace(&trace, &sums, &plot);
        trace_free(&trace);
    }
    for (int i = first; is_ok && i < argc; i++) {
        is_ok = trace_read(argv[i], &trace) && run_trace(&trace, &sums, &plot);
        trace_free(&trace);
    }
    if (is_ok) {
        print_sums(&sums);
        is_ok = svg_path == NULL || plot_save(&plot, svg_path);
    }
    return is_ok ? 0 : 1;
}
