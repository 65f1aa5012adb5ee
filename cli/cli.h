/* SPDX-License-Identifier: MIT */
/* cli/cli.h — what the parts of the `faciliter` command share. The command uses the public headers
 * only: what it cannot do with them, a program cannot do either. */
#ifndef FAC_CLI_CLI_H
#define FAC_CLI_CLI_H

#include <faciliter/cache.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLI_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Exit codes: documented in faciliter(1), relied on by scripts. */
enum cli_exit {
    CLI_DONE = 0,   /* found, stored, removed, healthy */
    CLI_MISS = 1,   /* not there; for `add`: there already */
    CLI_USAGE = 2,  /* the command line or a setting is wrong */
    CLI_FAILED = 3, /* anything that failed at run time: no server, no answer, no room */
};

/* Options of single commands, as bits; what every command takes has none. */
enum cli_own_option {
    CLI_OWN_TTL = 1 << 0,
    CLI_OWN_YES = 1 << 1,
    CLI_OWN_THREADS = 1 << 2,
    CLI_OWN_SECONDS = 1 << 3,
    CLI_OWN_COUNT = 1 << 4,
    CLI_OWN_SIZE = 1 << 5,
    CLI_OWN_OP = 1 << 6,
    CLI_OWN_LABEL = 1 << 7,
};

/* What `bench` does to the cache. */
enum cli_bench_op {
    CLI_BENCH_MIX = 0, /* nine get to one set */
    CLI_BENCH_GET,
    CLI_BENCH_SET,
};

struct cli_command;

/* One run of the command. Strings are argv's. */
struct cli {
    const struct cli_command *command; /* NULL until its word was read */
    fac_options options;

    char **operands; /* what follows the command's word */
    size_t n_operands;
    unsigned own_options; /* bits of enum cli_own_option that were given */

    bool is_json;
    bool is_verbose;
    bool is_help;
    bool is_confirmed; /* --yes */

    int64_t ttl_ms;       /* --ttl, else FAC_TTL_DEFAULT */
    uint32_t n_threads;   /* --threads */
    uint64_t duration_ms; /* --seconds */
    uint64_t n_calls;     /* --count; 0: as many as fit into the duration */
    uint64_t value_bytes; /* --size */
    enum cli_bench_op op; /* --op */
    const char *label;    /* --label, else NULL */
    fac_cache *cache;     /* NULL until then */
};

typedef int cli_run_fn(struct cli *cli);

/* One row of the table of commands. */
struct cli_command {
    const char *name;
    const char *operands; /* as the help shows them */
    size_t n_min;
    size_t n_max;
    unsigned own_options;
    const char *summary; /* one line */
    const char *detail;  /* for its own help; "" when the summary says it all */
    cli_run_fn *run;
};

/* The table, in the order of the help. */
extern const struct cli_command k_commands[];
extern const size_t k_n_commands;

/* The command of that name; NULL when there is none. */
const struct cli_command *cli_command_find(const char *name);

cli_run_fn cli_run_get, cli_run_set, cli_run_add, cli_run_delete, cli_run_exists, cli_run_ttl,
    cli_run_touch, cli_run_increment, cli_run_clear, cli_run_health, cli_run_stats,
    cli_run_config, cli_run_bench, cli_run_demo, cli_run_help, cli_run_version;

#endif
