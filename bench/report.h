/* SPDX-License-Identifier: MIT */
/* bench/report.h — the results, and the three forms they are written in: a table, tab-separated
 * values, a plot. */
#ifndef FAC_BENCH_REPORT_H
#define FAC_BENCH_REPORT_H

#include "timing.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    BENCH_MAX_ROWS = 96
};

enum bench_kind {
    BENCH_RATIO = 0, /* Ours against hiredis. */
    BENCH_NOISE = 1, /* hiredis against itself: 1 but for the noise of this run. */
    BENCH_RATE = 2,  /* Ours alone: operations per second. */
    BENCH_BYTES = 3, /* A size; its bar is the most it may be. */
};

struct bench_row {
    enum bench_kind kind;
    const char *name; /* "get", "a/a" … */
    char where[64];   /* "Redis 7.0.15 tcp" */
    const char *ours; /* What was called. */
    const char *base; /* NULL where nothing is compared. */
    uint32_t n_threads;
    uint32_t max_connections; /* Ours; 0: does not apply. */
    struct bench_method method;
    struct bench_pairs pairs; /* BENCH_RATIO, BENCH_NOISE. */
    double value;             /* BENCH_RATE, BENCH_BYTES. */
    double bar;               /* 0: reported only. */
    bool is_repeated; /* It missed; the next row is the same with three times the pairs. */
    bool is_repeat;
};

/* Where, on what and with what the figures were taken. */
struct bench_facts {
    char date[32];
    char machine[160];
    char kernel[208]; /* Three fields of struct utsname. */
    char ours[640];
    char baseline[640];
    char servers[128];
    double load_before;
    double load_after;
    double seconds; /* The whole run. */
    bool is_quick;
    bool is_broken; /* The run ended before its last cell. */
};

struct bench_report {
    struct bench_facts facts;
    struct bench_row rows[BENCH_MAX_ROWS];
    uint32_t n_rows;
};

/* machine.c: fills all but servers, load_after and seconds. */
void bench_facts_fill(struct bench_facts *facts);
double bench_load(void);

/* A cleared place for the next row; NULL when the report is full. */
struct bench_row *bench_report_add(struct bench_report *report);

/* Whether a row keeps its bar; true without one. */
bool bench_row_is_met(const struct bench_row *row);

/* "met", "MISS", or "-" without a bar. */
const char *bench_row_verdict(const struct bench_row *row);

void bench_report_text(const struct bench_report *report, FILE *out);
void bench_report_tsv(const struct bench_report *report, FILE *out);
void bench_report_svg(const struct bench_report *report, FILE *out); /* svg.c */

/* Writes bench.txt, bench.tsv and bench.svg into a directory, which is made if it is not there. */
bool bench_report_save(const struct bench_report *report, const char *dir);

#endif
