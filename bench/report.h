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
    BENCH_MAX_ROWS = 320,
    BENCH_MAX_NOTES = 16,
    BENCH_NAME_BYTES = 24,
};

enum bench_kind {
    BENCH_RATIO = 0,   /* Ours against hiredis, by rate. */
    BENCH_LATENCY = 1, /* By the 99th percentile of the latency: hiredis's divided by ours. */
    BENCH_RATE = 2,    /* Ours alone: operations per second. */
    BENCH_BYTES = 3,   /* A size; its bar is the most it may be. */
    BENCH_COUNT = 4,   /* A number of things; its bar is the most it may be. */
    BENCH_TIME = 5,    /* Microseconds; its bar is the most it may be. */
};

/* Percentiles of a latency, in microseconds. Medians of the slices. */
struct bench_tail {
    double p50_us;
    double p99_us;
    double p999_us;
};

struct bench_row {
    enum bench_kind kind;
    bool is_noise;               /* hiredis against itself: 1 but for the noise of this run. */
    const char *group;           /* "threads" */
    char name[BENCH_NAME_BYTES]; /* "get 64", "a/a get" … */
    char where[64];              /* "Redis 7.0.15 tcp" */
    const char *ours;            /* What was called. */
    const char *base;            /* NULL where nothing is compared. */
    uint32_t n_threads;
    uint32_t max_connections; /* Ours; 0: the default, or does not apply. */
    uint32_t n_connections;   /* Ours, open after the last pair. */
    size_t value_bytes;
    struct bench_method method;
    struct bench_pairs pairs;    /* BENCH_RATIO; the ratios of BENCH_LATENCY. */
    struct bench_tail ours_tail; /* BENCH_LATENCY. */
    struct bench_tail base_tail;
    double value; /* BENCH_RATE, BENCH_BYTES, BENCH_COUNT, BENCH_TIME. */
    bool has_bar;
    double bar;
    bool is_repeated; /* It missed; the next row is the same, three times as long. */
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
    bool has_calls; /* System calls were counted. */
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
    char notes[BENCH_MAX_NOTES][192]; /* What a reader of some figures must know. */
    uint32_t n_notes;
};

/* machine.c: fills all but servers, has_calls, load_after and seconds. */
void bench_facts_fill(struct bench_facts *facts);
double bench_load(void);

/* A place for the next row; NULL when the report is full. `group` is kept, the others copied. */
struct bench_row *bench_report_add(struct bench_report *report, const char *group,
                                   const char *name, const char *where);

/* One figure of ours, and no other side's. */
struct bench_value {
    enum bench_kind kind;
    const char *what; /* kept */
    double value;
    double bar; /* below 0: none */
};

/* A row for it; false when the report is full. */
bool bench_report_add_value(struct bench_report *report, const char *group, const char *name,
                            const char *where, const struct bench_value *value);

/* A line below the tables. */
void bench_report_note(struct bench_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether a row has a ratio, and so a place in the plot. */
bool bench_row_is_ratio(const struct bench_row *row);

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
