/* SPDX-License-Identifier: MIT */
/* bench/svg.c — the plot: a horizontal bar for each ratio, the middle half of its pairs, a line at the
 * ratio it needs. On a white ground of its own, so it reads on any page; nothing is told by colour
 * alone. */
#include "report.h"

#include <string.h>

enum {
    PAGE_WIDTH = 960,
    LEFT = 270,       /* Where the bars begin. */
    PLOT_WIDTH = 500, /* The rest carries the figures, in three columns. */
    RATIO_AT = 794,
    NEEDS_AT = 848,
    VERDICT_AT = 896,
    ROW_HEIGHT = 24,
    BAR_HEIGHT = 14,
    HEAD_HEIGHT = 112,
    FOOT_HEIGHT = 84,
    TOP_RATIO_MOST = 6, /* A longer bar is cut; its figure is beside it. */
};

struct plot {
    FILE *out;
    double top_ratio; /* The ratio at the right end. */
    int bottom;       /* Below the last bar. */
};

static double x_of(const struct plot *plot, double ratio)
{
    double shown = ratio > plot->top_ratio ? plot->top_ratio : ratio;
    return LEFT + PLOT_WIDTH * shown / plot->top_ratio;
}

/* Text with the three characters that XML keeps for itself. */
static void put_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            (void)fputs("&lt;", out);
            break;
        case '>':
            (void)fputs("&gt;", out);
            break;
        case '&':
            (void)fputs("&amp;", out);
            break;
        default:
            (void)fputc(*text, out);
            break;
        }
    }
}

static void put_label(FILE *out, double x, double y, const char *style, const char *text)
{
    (void)fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, style);
    put_text(out, text);
    (void)fputs("</text>\n", out);
}

static void put_line(FILE *out, const double from[2], const double to[2], const char *style)
{
    (void)fprintf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n",
                  from[0], from[1], to[0], to[1], style);
}

static void put_axis(const struct plot *plot)
{
    const double step = plot->top_ratio > 4 ? 1 : plot->top_ratio > 2 ? 0.5 : 0.25;
    for (int i = 0; i * step <= plot->top_ratio + 1e-9; i++) {
        const double ratio = i * step;
        const double x = x_of(plot, ratio);
        const bool is_one = ratio > 1 - 1e-9 && ratio < 1 + 1e-9;
        char text[16];
        (void)snprintf(text, sizeof(text), "%.2f", ratio);
        put_line(plot->out, (const double[]){x, HEAD_HEIGHT - 6},
                 (const double[]){x, plot->bottom}, is_one ? "one" : "grid");
        put_label(plot->out, x, HEAD_HEIGHT - 12, is_one ? "tick strong" : "tick", text);
    }
    put_label(plot->out, RATIO_AT, HEAD_HEIGHT - 12, "note", "ratio");
    put_label(plot->out, NEEDS_AT, HEAD_HEIGHT - 12, "note", "needs");
}

static void put_row(const struct plot *plot, const struct bench_row *row, int y)
{
    FILE *out = plot->out;
    const double middle = y + ROW_HEIGHT / 2.0;
    const double top = middle - BAR_HEIGHT / 2.0;
    const bool is_missed = !bench_row_is_met(row);
    const char *style = row->is_noise   ? "noise"
                        : !row->has_bar ? "plain"
                        : is_missed     ? "miss"
                                        : "met";
    char text[128];
    (void)snprintf(text, sizeof(text), "%s%s", row->name, row->is_repeat ? ", again x3" : "");
    put_label(out, 20, middle + 4, "name", text);
    put_label(out, LEFT - 10, middle + 4, "where", row->where);
    (void)fprintf(out,
                  "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" class=\"%s\"/>\n",
                  (int)LEFT, top, x_of(plot, row->pairs.ratio) - LEFT, (int)BAR_HEIGHT, style);
    put_line(out, (const double[]){x_of(plot, row->pairs.ratio_low), middle},
             (const double[]){x_of(plot, row->pairs.ratio_high), middle}, "range");
    (void)snprintf(text, sizeof(text), "%.3f", row->pairs.ratio);
    put_label(out, RATIO_AT, middle + 4, is_missed ? "figure alarm" : "figure", text);
    if (row->has_bar) {
        const double x = x_of(plot, row->bar);
        put_line(out, (const double[]){x, top - 4}, (const double[]){x, top + BAR_HEIGHT + 4},
                 "bar");
        (void)snprintf(text, sizeof(text), "%.2f", row->bar);
        put_label(out, NEEDS_AT, middle + 4, "figure", text);
        put_label(out, VERDICT_AT, middle + 4, is_missed ? "figure alarm" : "figure",
                  bench_row_verdict(row));
    }
}

static void put_head(const struct plot *plot, const struct bench_report *report, int height)
{
    FILE *out = plot->out;
    (void)fprintf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                  "viewBox=\"0 0 %d %d\" role=\"img\">\n",
                  (int)PAGE_WIDTH, height, (int)PAGE_WIDTH, height);
    (void)fputs("<title>libfaciliter against hiredis</title>\n<style>\n"
                "text{font-family:'DejaVu Sans',Verdana,Arial,sans-serif;fill:#1c2430}\n"
                ".title{font-size:18px;font-weight:bold}\n"
                ".note{font-size:11px;fill:#4a5563}\n"
                ".name{font-size:12px}\n"
                ".group{font-size:12px;font-weight:bold}\n"
                ".where{font-size:11px;fill:#4a5563;text-anchor:end}\n"
                ".figure{font-size:11px}\n"
                ".alarm{fill:#a3260b;font-weight:bold}\n"
                ".tick{font-size:11px;fill:#4a5563;text-anchor:middle}\n"
                ".strong{fill:#1c2430;font-weight:bold}\n"
                ".grid{stroke:#dfe3e8;stroke-width:1}\n"
                ".one{stroke:#1c2430;stroke-width:1.5}\n"
                ".bar{stroke:#0b0f14;stroke-width:3}\n"
                ".range{stroke:#1c2430;stroke-width:1;stroke-opacity:.75}\n"
                ".met{fill:#3f8f8a}.miss{fill:#e07b54}.plain{fill:#8fb0d6}"
                ".noise{fill:#c4c9d0}\n"
                "</style>\n",
                out);
    (void)fprintf(out, "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", (int)PAGE_WIDTH,
                  height);
    put_label(out, 20, 32, "title",
              report->facts.is_quick ? "libfaciliter against hiredis (quick run: not how fast)"
                                     : "libfaciliter against hiredis");
    put_label(
        out, 20, 52, "note",
        "Ratio of operations per second, for a latency hiredis's to ours: more is better. Bar: "
        "median of alternating pairs; thin line: the middle half.");
    put_label(out, 20, 68, "note",
              "Thick mark: the ratio it needs. Grey bars: hiredis against itself, the noise of "
              "this run. Light blue: no bar, for information.");
}

static void put_foot(const struct plot *plot, const struct bench_report *report)
{
    const struct bench_facts *facts = &report->facts;
    char text[768];
    (void)snprintf(text, sizeof(text), "%s; %s; %s", facts->date, facts->machine,
                   facts->kernel);
    put_label(plot->out, 20, plot->bottom + 26, "note", text);
    (void)snprintf(text, sizeof(text), "%s. Load %.2f before, %.2f after.", facts->servers,
                   facts->load_before, facts->load_after);
    put_label(plot->out, 20, plot->bottom + 42, "note", text);
    (void)snprintf(text, sizeof(text), "Against %.*s. Builds and flags: bench.txt.",
                   (int)strcspn(facts->baseline, "(") - 1, facts->baseline);
    put_label(plot->out, 20, plot->bottom + 58, "note", text);
}

/* Whether a group begins with this row of the plot; *group is the one before. */
static bool begins_group(const struct bench_row *row, const char **group)
{
    const bool is_new = *group == NULL || strcmp(*group, row->group) != 0;
    *group = row->group;
    return is_new;
}

void bench_report_svg(const struct bench_report *report, FILE *out)
{
    struct plot plot = {.out = out, .top_ratio = 1.25};
    const char *group = NULL;
    int n = 0;
    for (uint32_t i = 0; i < report->n_rows; i++) {
        const struct bench_row *row = &report->rows[i];
        if (bench_row_is_ratio(row)) {
            n += begins_group(row, &group) ? 2 : 1;
            while (plot.top_ratio < row->pairs.ratio * 1.1 && plot.top_ratio < TOP_RATIO_MOST) {
                plot.top_ratio += plot.top_ratio < 2 ? 0.25 : 1;
            }
        }
    }
    plot.bottom = HEAD_HEIGHT + n * ROW_HEIGHT + 4;
    put_head(&plot, report, plot.bottom + FOOT_HEIGHT);
    put_axis(&plot);
    int y = HEAD_HEIGHT;
    group = NULL;
    for (uint32_t i = 0; i < report->n_rows; i++) {
        if (!bench_row_is_ratio(&report->rows[i])) {
            continue;
        }
        if (begins_group(&report->rows[i], &group)) {
            put_label(out, 20, y + ROW_HEIGHT - 7, "group", group);
            y += ROW_HEIGHT;
        }
        put_row(&plot, &report->rows[i], y);
        y += ROW_HEIGHT;
    }
    put_foot(&plot, report);
    (void)fputs("</svg>\n", out);
}
