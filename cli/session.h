/* SPDX-License-Identifier: MIT */
/* cli/session.h — the cache that a command works on: its settings, opening and closing it. */
#ifndef FAC_CLI_SESSION_H
#define FAC_CLI_SESSION_H

#include "cli.h"

enum {
    CLI_SETTING_BYTES = 512, /* room for any setting that is asked for by name */
};

/* Open cli->cache with the settings given. Returns CLI_DONE, or the exit code after a complaint. */
int cli_open(struct cli *cli);

/* The same without a complaint. */
fac_status cli_try_open(struct cli *cli, fac_error *err);

/* A cache that was never opened is fine. */
void cli_close(struct cli *cli);

/* The effective value of one setting, as fac_options_describe() tells it. Returns CLI_DONE, or the
 * exit code after a complaint. */
int cli_setting(const struct cli *cli, const char *name, char *buf, size_t cap);

/* Put a prefix of this run's own, "<configured prefix><word>-<random>:", into the options. `buf`
 * keeps it until cli_open() has returned. Returns as cli_setting(). */
int cli_own_prefix(struct cli *cli, const char *word, char *buf, size_t cap);

/* A remark for people after a miss: where the value may be, if the memory backend is in use. */
void cli_remark_miss(const struct cli *cli);

#endif
