/* SPDX-License-Identifier: MIT */
/* hit_ratio/plot.c — writes the SVG. */
#include "plot.h"

#include <stdio.h>

enum {
    LEFT = 130,
    TOP = 40,
    WIDTH = 600,
    ROW = 16,
};

static const char *const k_colours[PLOT_MAX_SERIES] = {
    "#888888", "#d95f02", "#7570b3", "#1b9e77", "#e7298a", "#000000", "#bbbbbb", "#66a61e"};

void plot_add(struct plot *plot, const char *trace, double size, const double *ratios)
{
    if (plot->n_rows == PLOT_MAX_ROWS) {
        return;
    }
    struct plot_row *row = &plot->rows[plot->n_rows++];
    (void)snprintf(row->name, sizeof(row->name), "%.40s, %g %%", trace, size * 100);
    for (int i = 0; i < plot->n_series; i++) {
        row->ratios[i] = ratios[i];
    }
}

static void put_row(const struct plot *plot, int at, FILE *out)
{
    const struct plot_row *row = &plot->rows[at];
    const int y = TOP + ROW * at;
    (void)fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", LEFT - 8,
                  y + 4, row->name);
    (void)fprintf(out, "<path d=\"M%d %dh%d\" stroke=\"#eeeeee\"/>\n", LEFT, y, WIDTH);
    for (int i = 0; i < plot->n_series; i++) {
        (void)fprintf(out, "<circle cx=\"%.1f\" cy=\"%d\" r=\"3.5\" fill=\"%s\"/>\n",
                      LEFT + row->ratios[i] * WIDTH / 100, y, k_colours[i]);
    }
}

bool plot_save(const struct plot *plot, const char *path)
{
    FILE *out = fopen(path, "we");
    if (out == NULL) {
        (void)fprintf(stderr, "%s: cannot be written\n", path);
        return false;
    }
    (void)fprintf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                  "font-family=\"sans-serif\" font-size=\"11\">\n"
                  "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
                  LEFT + WIDTH + 30, TOP + ROW * plot->n_rows + 24);
    for (int i = 0; i < plot->n_series; i++) {
        (void)fprintf(out,
                      "<circle cx=\"%d\" cy=\"14\" r=\"4\" fill=\"%s\"/>"
                      "<text x=\"%d\" y=\"18\">%s</text>\n",
                      LEFT + 84 * i, k_colours[i], LEFT + 84 * i + 8, plot->series[i]);
    }
    for (int i = 0; i < plot->n_rows; i++) {
        put_row(plot, i, out);
    }
    for (int percent = 0; percent <= 100; percent += 20) {
        (void)fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%d %%</text>\n",
                      LEFT + WIDTH * percent / 100, TOP + ROW * plot->n_rows + 12, percent);
    }
    (void)fputs("</svg>\n", out);
    return fclose(out) == 0;
}
