/* SPDX-License-Identifier: MIT */
/* cli/args.h — from argv to a struct cli. The table of options is here, and its help. */
#ifndef FAC_CLI_ARGS_H
#define FAC_CLI_ARGS_H

#include "cli.h"

/* One row of the table of options. */
struct cli_option {
    const char *name;    /* without its dashes */
    const char *value;   /* as the help shows it; NULL: a switch */
    const char *setting; /* the name that fac_options_set() knows it by; NULL: not a setting */
    unsigned own;        /* its bit of enum cli_own_option; 0: every command takes it */
    const char *help;
};

extern const struct cli_option k_options[];
extern const size_t k_n_options;

/*
 * Read the command line. Sorts the operands to the front of `argv`. Returns CLI_DONE, or CLI_USAGE
 * after a complaint that never repeats what could be a password. cli->command stays NULL when
 * only --help was given.
 */
int cli_args_parse(struct cli *cli, int argc, char **argv);

#endif
