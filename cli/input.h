/* SPDX-License-Identifier: MIT */
/* cli/input.h — memory that grows, and standard input read into it. The command's only place that
 * allocates. */
#ifndef FAC_CLI_INPUT_H
#define FAC_CLI_INPUT_H

#include "cli.h"

/* Owned bytes; all zero is empty. */
struct cli_blob {
    char *data;
    size_t len;
    size_t cap;
};

/* Make room for `cap` bytes. False: no memory, nothing changed. */
bool cli_blob_reserve(struct cli_blob *blob, size_t cap);
void cli_blob_fini(struct cli_blob *blob);

/* Append the whole of standard input. Returns CLI_DONE, or CLI_FAILED after a complaint: not
 * readable, longer than a value may be, or no memory. */
int cli_blob_read_input(struct cli_blob *blob);

#endif
