/* SPDX-License-Identifier: MIT */
/* api/program.h — an example program, run as a user would, and what it says. Its folder is
 * kit_arg(1). */
#ifndef FAC_API_PROGRAM_H
#define FAC_API_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct program {
    FILE *output; /* and its errors */
    char text[8192];
    size_t len;
};

void program_start(struct program *program, const char *name, const char *arguments);

/* The next line joins those in `text`; false at the end. */
bool program_read_line(struct program *program);

/* Its exit code, after everything it says. */
int program_finish(struct program *program);

/* All three, with the exit code it must have. */
void program_run(struct program *program, const char *name, const char *arguments,
                 int want_code);

#endif
