/* SPDX-License-Identifier: MIT */
/* hit_ratio/plot.h — the hit ratios as a small SVG: a row for each cell, a mark for each policy. */
#ifndef FAC_HIT_RATIO_PLOT_H
#define FAC_HIT_RATIO_PLOT_H

#include <stdbool.h>

enum {
    PLOT_MAX_SERIES = 8,
    PLOT_MAX_ROWS = 96,
};

struct plot {
    const char *series[PLOT_MAX_SERIES];
    int n_series;
    struct plot_row {
        char name[64];
        double ratios[PLOT_MAX_SERIES];
    } rows[PLOT_MAX_ROWS];
    int n_rows;
};

/* Further rows than there is room for are left out. */
void plot_add(struct plot *plot, const char *trace, double size, const double *ratios);
bool plot_save(const struct plot *plot, const char *path);

#endif
