/* SPDX-License-Identifier: MIT */
/* bench/report.c — the table and the tab-separated values. */
#include "report.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct bench_row *bench_report_add(struct bench_report *report)
{
    if (report->n_rows == BENCH_MAX_ROWS) {
        (void)bench_broke("more than %d results", (int)BENCH_MAX_ROWS);
        return NULL;
    }
    struct bench_row *row = &report->rows[report->n_rows++];
    memset(row, 0, sizeof(*row));
    return row;
}

bool bench_row_is_met(const struct bench_row *row)
{
    if (row->bar <= 0) {
        return true;
    }
    return row->kind == BENCH_BYTES ? row->value <= row->bar : row->pairs.ratio >= row->bar;
}

const char *bench_row_verdict(const struct bench_row *row)
{
    if (row->bar <= 0) {
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
    (void)fprintf(out, "data      %d keys, values of %d bytes, each reply compared\n",
                  (int)BENCH_KEYS, (int)BENCH_VALUE_BYTES);
    if (facts->is_quick) {
        (void)fprintf(out, "QUICK     short slices: shows that it runs, not how fast\n");
    }
}

static void put_ratios(const struct bench_report *report, FILE *out)
{
    (void)fprintf(
        out, "\nOurs against hiredis: operations (keys) per second and microseconds of "
             "processor time in this\nprocess for each, medians of alternating slices; the "
             "ratio is the median of the pairs' ratios,\nthen the middle half of them.\n\n");
    (void)fprintf(out, "%-14s %-18s %7s %9s %9s %6s %6s %6s  %-13s %-6s %s\n", "cell", "where",
                  "threads", "ours/s", "hiredis/s", "cpu", "cpu", "ratio", "middle half", "bar",
                  "verdict");
    for (uint32_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *row = &report->rows[i];
        if (row->kind != BENCH_RATIO && row->kind != BENCH_NOISE) {
            continue;
        }
        char range[32];
        char bar[16] = "-";
        (void)snprintf(range, sizeof(range), "%.3f-%.3f", row->pairs.ratio_low,
                       row->pairs.ratio_high);
        if (row->bar > 0) {
            (void)snprintf(bar, sizeof(bar), ">=%.2f", row->bar);
        }
        const char *note = row->is_repeated ? ", repeated:" : "";
        (void)fprintf(out, "%-14s %-18s %7u %9.0f %9.0f %6.2f %6.2f %6.3f  %-13s %-6s %s%s%s\n",
                      row->name, row->where, row->n_threads, row->pairs.ours_rate,
                      row->pairs.base_rate, row->pairs.ours_cpu_us, row->pairs.base_cpu_us,
                      row->pairs.ratio, range, bar, bench_row_verdict(row), note,
                      row->is_repeat ? " (three times the pairs)" : "");
    }
}

static void put_alone(const struct bench_report *report, FILE *out)
{
    bool is_first = true;
    for (uint32_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *row = &report->rows[i];
        if (row->kind != BENCH_RATE && row->kind != BENCH_BYTES) {
            continue;
        }
        if (is_first) {
            (void)fprintf(out, "\n%-14s %-42s %14s  %-12s %s\n", "cell", "what", "value", "bar",
                          "verdict");
            is_first = false;
        }
        char value[32];
        char bar[32] = "-";
        if (row->kind == BENCH_RATE) {
            (void)snprintf(value, sizeof(value), "%.2f M/s", row->value / 1e6);
        } else {
            (void)snprintf(value, sizeof(value), "%.1f KiB", row->value / 1024);
            (void)snprintf(bar, sizeof(bar), "<=%.0f KiB", row->bar / 1024);
        }
        (void)fprintf(out, "%-14s %-42s %14s  %-12s %s\n", row->name, row->ours, value, bar,
                      bench_row_verdict(row));
    }
}

/* What was called in each cell, once for each pair of calls. */
static void put_calls(const struct bench_report *report, FILE *out)
{
    (void)fprintf(out, "\nWhat is compared:\n");
    for (uint32_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *row = &report->rows[i];
        bool is_known = row->base == NULL;
        for (uint32_t k = 0; k < i && !is_known; k++) {
            is_known = strcmp(report->rows[k].name, row->name) == 0;
        }
        if (!is_known) {
            (void)fprintf(out, "  %-14s %s  |  %s", row->name, row->ours, row->base);
            if (row->max_connections > 1) {
                (void)fprintf(out, "  (max_connections %u | one for each thread)",
                              row->max_connections);
            }
            (void)fprintf(out, "\n");
        }
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
        if (row->kind == BENCH_NOISE) {
            low = low <= 0 || row->pairs.ratio < low ? row->pairs.ratio : low;
            high = row->pairs.ratio > high ? row->pairs.ratio : high;
        }
        if (row->bar > 0 && !row->is_repeated) {
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
            (void)fprintf(out, "MISS: %s %s\n", row->name, row->where);
        }
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
        put_calls(report, out);
    }
    put_alone(report, out);
    put_summary(report, out);
}

void bench_report_tsv(const struct bench_report *report, FILE *out)
{
    static const char *const k_kinds[] = {"ratio", "noise", "rate", "bytes"};
    (void)fprintf(
        out,
        "kind\tcell\twhere\tthreads\tmax_connections\tpairs\tslice_s\tours_per_s\t"
        "hiredis_per_s\tours_cpu_us\thiredis_cpu_us\tratio\tratio_low\tratio_high\tvalue\tbar\trepeat\t"
        "verdict\n");
    for (uint32_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *row = &report->rows[i];
        (void)fprintf(out, "%s\t%s\t%s\t%u\t%u\t%u\t%.3f\t", k_kinds[row->kind], row->name,
                      row->where, row->n_threads, row->max_connections, row->method.n_pairs,
                      row->method.slice_s);
        (void)fprintf(out, "%.1f\t%.1f\t%.4f\t%.4f\t%.4f\t%.4f\t%.4f\t%.1f\t%.2f\t%s\t%s\n",
                      row->pairs.ours_rate, row->pairs.base_rate, row->pairs.ours_cpu_us,
                      row->pairs.base_cpu_us, row->pairs.ratio, row->pairs.ratio_low,
                      row->pairs.ratio_high, row->value, row->bar,
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
