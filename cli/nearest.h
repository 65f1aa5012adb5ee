/* SPDX-License-Identifier: MIT */
/* cli/nearest.h — refusing a word that is in no table, with the nearest one that is. */
#ifndef FAC_CLI_NEAREST_H
#define FAC_CLI_NEAREST_H

#include "cli.h"

enum {
    CLI_NAME_MAX_BYTES =
        24, /* longer than any name of the tables: no longer word is near one */
};

/* Complain and return CLI_USAGE. `word` of an option is without its dashes and its value. */
int cli_refuse_command(const struct cli *cli, const char *word);
int cli_refuse_option(const struct cli *cli, const char *word);

#endif
