/* SPDX-License-Identifier: MIT */
/* bench/report.c — the table and the tab-separated values. */
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

struct bench_row *bench_report_add(struct bench_report *report, const char *group,
                                   const char *name, const char *where)
{
    if (report->n_rows == BENCH_MAX_ROWS) {
        (void)bench_broke("more than %d results", (int)BENCH_MAX_ROWS);
        return NULL;
    }
    struct bench_row *row = &report->rows[report->n_rows++];
    memset(row, 0, sizeof(*row));
    row->group = group;
    (void)snprintf(row->name, sizeof(row->name), "%s", name);
    (void)snprintf(row->where, sizeof(row->where), "%s", where);
    return row;
}

bool bench_report_add_value(struct bench_report *report, const char *group, const char *name,
                            const char *where, const struct bench_value *value)
{
    struct bench_row *row = bench_report_add(report, group, name, where);
    if (row == NULL) {
        return false;
    }
    row->kind = value->kind;
    row->ours = value->what;
    row->value = value->value;
    row->has_bar = value->bar >= 0;
    row->bar = row->has_bar ? value->bar : 0;
    return true;
}

void bench_report_note(struct bench_report *report, const char *format, ...)
{
    if (report->n_notes == BENCH_MAX_NOTES) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(report->notes[report->n_notes++], sizeof(report->notes[0]), format, args);
    va_end(args);
}

bool bench_row_is_ratio(const struct bench_row *row)
{
    return row->kind == BENCH_RATIO || row->kind == BENCH_LATENCY;
}

bool bench_row_is_met(const struct bench_row *row)
{
    if (!row->has_bar) {
        return true;
    }
    return bench_row_is_ratio(row) ? row->pairs.ratio >= row->bar : row->value <= row->bar;
}

const char *bench_row_verdict(const struct bench_row *row)
{
    if (!row->has_bar) {
        return "-";
    }
    return bench_row_is_met(row) ? "met" : "MISS";
}

static void put_facts(const struct bench_report *report, FILE *out)
{
    const struct bench_facts *facts = &report->facts;
    (void)fprintf(out, "date      %s, %.0f s\n", facts->date, facts->seconds);
    (void)fprintf(out, "machine   %s\n", facts->machine);
    (void)fprintf(out, "system    %s\n", facts->kernel);
    (void)fprintf(out, "load      %.2f before, %.2f after (one minute, this run included)\n",
                  facts->load_before, facts->load_after);
    (void)fprintf(out, "ours      %s\n", facts->ours);
    (void)fprintf(out, "baseline  %s\n", facts->baseline);
    (void)fprintf(out, "servers   %s\n", facts->servers);
    (void)fprintf(out,
                  "data      %d keys, values of %d bytes or as the cell says, each compared\n",
                  (int)BENCH_KEYS, (int)BENCH_SMALL_BYTES);
    if (facts->is_quick) {
        (void)fprintf(out, "QUICK     short slices: shows that it runs, not how fast\n");
    }
}

/* A blank line before each group. */
static void put_gap(const struct bench_report *report, uint32_t i, const char **group,
                    FILE *out)
{
    if (*group != NULL && strcmp(*group, report->rows[i].group) != 0) {
        (void)fprintf(out, "\n");
    }
    *group = report->rows[i].group;
}

static void put_ratios(const struct bench_report *report, FILE *out)
{
    const char *group = NULL;
    (void)fprintf(
        out,
        "\nOurs against hiredis (https: libcurl): operations (keys) per second, medians of alternating "
        "slices; the ratio is the\nmedian of the pairs' ratios, then the middle half "
        "of them. A latency's ratio is hiredis's 99th\npercentile divided by "
        "ours.\n\n");
    (void)fprintf(out, "%-16s %-22s %7s %9s %9s %6s  %-13s %-6s %s\n", "cell", "where",
                  "threads", "ours/s", "hiredis/s", "ratio", "middle half", "bar", "verdict");
    for (uint32_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *row = &report->rows[i];
        if (!bench_row_is_ratio(row)) {
            continue;
        }
        char range[32];
        char bar[16] = "-";
        (void)snprintf(range, sizeof(range), "%.3f-%.3f", row->pairs.ratio_low,
                       row->pairs.ratio_high);
        if (row->has_bar) {
            (void)snprintf(bar, sizeof(bar), ">=%.2f", row->bar);
        }
        put_gap(report, i, &group, out);
        (void)fprintf(out, "%-16s %-22s %7u %9.0f %9.0f %6.3f  %-13s %-6s %s%s%s\n", row->name,
                      row->where, row->n_threads, row->pairs.ours_rate, row->pairs.base_rate,
                      row->pairs.ratio, range, bar, bench_row_verdict(row),
                      row->is_repeated ? ", repeated:" : "",
                      row->is_repeat ? " (three times the pairs)" : "");
    }
}

static void put_calls_of(const struct bench_cost *cost, char *out, size_t cap)
{
    (void)snprintf(out, cap, "%.3f", cost->calls);
    if (cost->calls < 0) {
        (void)snprintf(out, cap, "-");
    }
}

static void put_costs(const struct bench_report *report, FILE *out)
{
    const char *group = NULL;
    (void)fprintf(
        out,
        "\nWhat an operation costs the client, ours and then hiredis's: processor time "
        "of its threads in\nmicroseconds, system calls (%s), context switches.\n\n",
        report->facts.has_calls ? "by the kernel's tracepoint, in a slice apart"
                                : "not counted: the kernel's tracepoint needs more rights");
    (void)fprintf(out, "%-16s %-22s %7s %8s %8s %8s %8s %8s %8s %6s\n", "cell", "where",
                  "threads", "cpu", "cpu", "calls", "calls", "switches", "switches", "ours");
    for (uint32_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *row = &report->rows[i];
        if (row->kind != BENCH_RATIO) {
            continue;
        }
        char ours_calls[16];
        char base_calls[16];
        put_calls_of(&row->pairs.ours_cost, ours_calls, sizeof(ours_calls));
        put_calls_of(&row->pairs.base_cost, base_calls, sizeof(base_calls));
        put_gap(report, i, &group, out);
        (void)fprintf(out, "%-16s %-22s %7u %8.2f %8.2f %8s %8s %8.3f %8.3f %6u\n", row->name,
                      row->where, row->n_threads, row->pairs.ours_cost.cpu_us,
                      row->pairs.base_cost.cpu_us, ours_calls, base_calls,
                      row->pairs.ours_cost.switches, row->pairs.base_cost.switches,
                      row->n_connections);
    }
}

static void put_latencies(const struct bench_report *report, FILE *out)
{
    bool is_first = true;
    for (uint32_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *row = &report->rows[i];
        if (row->kind != BENCH_LATENCY) {
            continue;
        }
        if (is_first) {
            (void)fprintf(
                out,
                "\nLatency in microseconds from the moment a call was due, at a fixed "
                "number of calls per second:\nours, then hiredis's.\n\n"
                "%-16s %-22s %7s %9s %17s %19s %19s\n",
                "cell", "where", "threads", "calls/s", "50 %", "99 %", "99.9 %");
            is_first = false;
        }
        (void)fprintf(out, "%-16s %-22s %7u %9.0f %8.0f %8.0f %9.0f %9.0f %9.0f %9.0f\n",
                      row->name, row->where, row->n_threads, row->pairs.base_rate,
                      row->ours_tail.p50_us, row->base_tail.p50_us, row->ours_tail.p99_us,
                      row->base_tail.p99_us, row->ours_tail.p999_us, row->base_tail.p999_us);
    }
}

static void put_value(const struct bench_row *row, double value, char *out, size_t cap)
{
    if (row->kind == BENCH_RATE) {
        (void)snprintf(out, cap, "%.2f M/s", value / 1e6);
    } else if (row->kind == BENCH_BYTES) {
        (void)snprintf(out, cap, "%.1f KiB", value / 1024);
    } else if (row->kind == BENCH_TIME) {
        (void)snprintf(out, cap, "%.0f us", value);
    } else {
        (void)snprintf(out, cap, "%.0f", value);
    }
}

static void put_alone(const struct bench_report *report, FILE *out)
{
    bool is_first = true;
    for (uint32_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *row = &report->rows[i];
        if (bench_row_is_ratio(row)) {
            continue;
        }
        if (is_first) {
            (void)fprintf(out, "\n%-16s %-58s %12s  %-14s %s\n", "cell", "what", "value", "bar",
                          "verdict");
            is_first = false;
        }
        char value[32];
        char bar[32];
        put_value(row, row->value, value, sizeof(value));
        put_value(row, row->bar, bar, sizeof(bar));
        (void)fprintf(out, "%-16s %-58s %12s  %s%-12s %s\n", row->name, row->ours, value,
                      row->has_bar ? "<=" : "", row->has_bar ? bar : "-",
                      bench_row_verdict(row));
    }
}

/* Whether an earlier row compared the same calls. */
static bool is_told(const struct bench_report *report, uint32_t i)
{
    const struct bench_row *row = &report->rows[i];
    for (uint32_t k = 0; k < i; k++) {
        if (strcmp(report->rows[k].name, row->name) == 0 &&
            strcmp(report->rows[k].group, row->group) == 0) {
            return true;
        }
    }
    return false;
}

/* What was called in each cell, once for each pair of calls. */
static void put_calls(const struct bench_report *report, FILE *out)
{
    const char *group = NULL;
    (void)fprintf(out, "\nWhat is compared:\n");
    for (uint32_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *row = &report->rows[i];
        if (row->base == NULL || is_told(report, i)) {
            continue;
        }
        char limit[64] = "";
        if (row->n_threads > 1 && !row->is_noise) {
            (void)snprintf(limit, sizeof(limit), "  (max_connections %u | one for each thread)",
                           row->max_connections > 0 ? row->max_connections
                                                    : BENCH_DEFAULT_CONNECTIONS);
        }
        put_gap(report, i, &group, out);
        (void)fprintf(out, "  %-16s %s  |  %s, %zu bytes%s\n", row->name, row->ours, row->base,
                      row->value_bytes, limit);
    }
}

static void put_summary(const struct bench_report *report, FILE *out)
{
    uint32_t n_bars = 0;
    uint32_t n_missed = 0;
    double low = 0;
    double high = 0;
    for (uint32_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *row = &report->rows[i];
        if (row->is_noise && row->kind == BENCH_RATIO) {
            low = low <= 0 || row->pairs.ratio < low ? row->pairs.ratio : low;
            high = row->pairs.ratio > high ? row->pairs.ratio : high;
        }
        if (row->has_bar && !row->is_repeated) {
            n_bars++;
            n_missed += bench_row_is_met(row) ? 0 : 1;
        }
    }
    (void)fprintf(out, "\n");
    if (high > 0) {
        (void)fprintf(out, "noise: hiredis against itself came out at %.3f to %.3f\n", low,
                      high);
    }
    (void)fprintf(out, "bars: %u, met %u, missed %u\n", n_bars, n_bars - n_missed, n_missed);
    for (uint32_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *row = &report->rows[i];
        if (!row->is_repeated && !bench_row_is_met(row)) {
            (void)fprintf(out, "MISS: %s: %s %s\n", row->group, row->name, row->where);
        }
    }
    for (uint32_t i = 0; i < report->n_notes; i++) {
        (void)fprintf(out, "%s\n", report->notes[i]);
    }
    if (report->facts.is_broken) {
        (void)fprintf(out, "BROKEN: the run ended before its last cell\n");
    }
}

void bench_report_text(const struct bench_report *report, FILE *out)
{
    bool has_ratios = false;
    for (uint32_t i = 0; i < report->n_rows; i++) {
        has_ratios = has_ratios || report->rows[i].base != NULL;
    }
    put_facts(report, out);
    if (has_ratios) {
        put_ratios(report, out);
        put_latencies(report, out);
        put_costs(report, out);
        put_calls(report, out);
    }
    put_alone(report, out);
    put_summary(report, out);
}

static void put_tsv_cost(const struct bench_cost *cost, FILE *out)
{
    (void)fprintf(out, "%.4f\t%.4f\t%.4f\t", cost->cpu_us, cost->calls, cost->switches);
}

static void put_tsv_tail(const struct bench_tail *tail, FILE *out)
{
    (void)fprintf(out, "%.1f\t%.1f\t%.1f\t", tail->p50_us, tail->p99_us, tail->p999_us);
}

void bench_report_tsv(const struct bench_report *report, FILE *out)
{
    static const char *const k_kinds[] = {"ratio", "latency", "rate", "bytes", "count"};
    (void)fputs(
        "group\tkind\tnoise\tcell\twhere\tthreads\tmax_connections\tconnections\tvalue_bytes\tpairs\t"
        "slice_s\tours_per_s\thiredis_per_s\tratio\tratio_low\tratio_high\t"
        "ours_cpu_us\tours_calls\tours_switches\t"
        "hiredis_cpu_us\thiredis_calls\thiredis_switches\t"
        "ours_p50_us\tours_p99_us\tours_p999_us\t"
        "hiredis_p50_us\thiredis_p99_us\thiredis_p999_us\t"
        "value\tbar\trepeat\tverdict\n",
        out);
    for (uint32_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *row = &report->rows[i];
        (void)fprintf(out, "%s\t%s\t%s\t%s\t%s\t%u\t%u\t%u\t%zu\t%u\t%.3f\t", row->group,
                      k_kinds[row->kind], row->is_noise ? "yes" : "no", row->name, row->where,
                      row->n_threads, row->max_connections, row->n_connections,
                      row->value_bytes, row->method.n_pairs, row->method.slice_s);
        (void)fprintf(out, "%.1f\t%.1f\t%.4f\t%.4f\t%.4f\t", row->pairs.ours_rate,
                      row->pairs.base_rate, row->pairs.ratio, row->pairs.ratio_low,
                      row->pairs.ratio_high);
        put_tsv_cost(&row->pairs.ours_cost, out);
        put_tsv_cost(&row->pairs.base_cost, out);
        put_tsv_tail(&row->ours_tail, out);
        put_tsv_tail(&row->base_tail, out);
        (void)fprintf(out, "%.1f\t%.2f\t%s\t%s\n", row->value, row->bar,
                      row->is_repeat ? "yes" : "no", bench_row_verdict(row));
    }
}

static bool save(const struct bench_report *report, const char *dir, const char *name,
                 void (*put)(const struct bench_report *, FILE *))
{
    char path[1024];
    int len = snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (len < 0 || (size_t)len >= sizeof(path)) {
        return bench_broke("%s: the path is too long", dir);
    }
    FILE *out = fopen(path, "we");
    if (out == NULL) {
        return bench_broke("%s: cannot be written", path);
    }
    put(report, out);
    bool is_written = ferror(out) == 0;
    is_written = fclose(out) == 0 && is_written;
    return is_written || bench_broke("%s: cannot be written", path);
}

bool bench_report_save(const struct bench_report *report, const char *dir)
{
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
        return bench_broke("%s: cannot be made", dir);
    }
    return save(report, dir, "bench.txt", bench_report_text) &&
           save(report, dir, "bench.tsv", bench_report_tsv) &&
           save(report, dir, "bench.svg", bench_report_svg);
}
