/* SPDX-License-Identifier: MIT */
/* cli/load.h — calls at full speed from any number of threads, counted, timed and checked. For
 * `bench`, and for the figures of `demo`. */
#ifndef FAC_CLI_LOAD_H
#define FAC_CLI_LOAD_H

#include "cli.h"
#include "histogram.h"

enum {
    CLI_LOAD_STATUSES = 13, /* FAC_OK and the errors, by their negated number */
};

/* What to do, with an open cache whose prefix is this run's own. */
struct cli_load {
    const struct cli *cli;
    enum cli_bench_op op;
    uint32_t n_threads;
    uint64_t duration_ms;
    uint64_t n_calls; /* 0: as many as fit into the duration */
    uint64_t value_bytes;
};

/* What came of it. */
struct cli_load_result {
    uint64_t elapsed_ns;
    uint64_t n_misses;
    uint64_t n_wrong; /* values that are not what was stored */
    uint64_t n_errors;
    uint64_t n_errors_of[CLI_LOAD_STATUSES];
    fac_error first_error;
    struct cli_histogram histogram; /* of the calls without an error, misses included */
};

/* Fill the keys, run, remove the keys. Returns CLI_DONE with `*out` filled, or the exit code after
 * a complaint when it could not start. Errors of single calls are counted, not complained of. */
int cli_load_run(const struct cli_load *load, struct cli_load_result *out);

/* Calls without an error in a second. */
double cli_load_per_second(const struct cli_load_result *result);

#endif
