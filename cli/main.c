/* SPDX-License-Identifier: MIT */
/* cli/main.c — the `faciliter` command: the table of its commands, and the way through one run. */
#include "args.h"
#include "output.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* clang-format off */
const struct cli_command k_commands[] = {
    /* name, operands, how many, own options, summary, detail, function */
    {"get", "KEY", 1, 1, 0,
     "write a value to standard output, byte for byte",
     "A newline follows only when standard output is a terminal. Exit code 1: a miss.\n"
     "With the memory backend each process starts with an empty store: a miss.\n",
     cli_run_get},
    {"set", "KEY [VALUE]", 1, 2, CLI_OWN_TTL,
     "store a value",
     "Without VALUE, or with -, the value is the whole of standard input, any bytes.\n"
     "With the memory backend it is gone when the command ends.\n",
     cli_run_set},
    {"add", "KEY [VALUE]", 1, 2, CLI_OWN_TTL,
     "store a value unless the key is there",
     "Without VALUE, or with -, the value is the whole of standard input, any bytes.\n"
     "Exit code 1: the key was there, nothing was stored.\n",
     cli_run_add},
    {"delete", "KEY...", 1, SIZE_MAX, 0,
     "remove keys",
     "Exit code 1: at least one of them was not there.\n",
     cli_run_delete},
    {"exists", "KEY...", 1, SIZE_MAX, 0,
     "tell whether keys are there",
     "Exit code 1: at least one of them is not.\n",
     cli_run_exists},
    {"ttl", "KEY", 1, 1, 0,
     "tell how many seconds a key still has, or none",
     "Exit code 1: it is not there.\n",
     cli_run_ttl},
    {"touch", "KEY", 1, 1, CLI_OWN_TTL,
     "give a key a new time to live, from now",
     "Exit code 1: it is not there.\n",
     cli_run_touch},
    {"increment", "KEY [DELTA]", 1, 2, CLI_OWN_TTL,
     "add to a number, 1 without DELTA, and tell the sum",
     "An absent key counts as 0. The time to live is given only to a key created by this.\n",
     cli_run_increment},
    {"clear", "", 0, 0, CLI_OWN_YES,
     "remove every key under the prefix, and no other; needs --yes",
     "",
     cli_run_clear},
    {"health", "", 0, 0, 0,
     "a round trip or two to the server, and what it says it is",
     "Exit code 3: it is not usable.\n",
     cli_run_health},
    {"stats", "", 0, 0, 0,
     "the counters of a handle that this command opens",
     "They count what this command did, which is to connect. A program reads its own with\n"
     "fac_cache_stats().\n",
     cli_run_stats},
    {"config", "", 0, 0, 0,
     "each setting, its effective value and where it came from",
     "Connects to nothing. Secrets are shown as ********.\n",
     cli_run_config},
    {"bench", "", 0, 0,
     CLI_OWN_THREADS | CLI_OWN_SECONDS | CLI_OWN_COUNT | CLI_OWN_SIZE | CLI_OWN_OP,
     "measure throughput and latency of this cache from here",
     "Works on up to 1000 keys of its own, which it removes; if it is killed, they expire\n"
     "within ten minutes. Exit code 3: a call failed or a value was wrong.\n",
     cli_run_bench},
    {"demo", "", 0, 0, CLI_OWN_LABEL,
     "do everything a cache is for once, check each answer, and measure",
     "Works under a prefix of its own, which it clears. Exit code 0 only if every check holds.\n",
     cli_run_demo},
    {"help", "[COMMAND]", 0, 1, 0,
     "this page, or that of one command",
     "",
     cli_run_help},
    {"version", "", 0, 0, 0,
     "the versions of the command and of its library",
     "",
     cli_run_version},
};
/* clang-format on */
const size_t k_n_commands = CLI_COUNT(k_commands);

const struct cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; i < k_n_commands; i++) {
        if (strcmp(k_commands[i].name, name) == 0) {
            return &k_commands[i];
        }
    }
    return NULL;
}

/* A standard stream that the parent closed would be the number of the next socket, and what is
 * printed would go to the server. Something that fails takes its place. */
static bool hold_standard_streams(void)
{
    static const int k_modes[] = {O_WRONLY, O_RDONLY,
                                  O_RDONLY}; /* the wrong way round: EBADF */
    for (int fd = 0; fd < (int)CLI_COUNT(k_modes); fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) {
            continue;
        }
        /* The lowest free number is `fd` itself. It is meant to be inherited like the others. */
        if (open("/dev/null", k_modes[fd]) != fd) { /* NOLINT(android-cloexec-open) */
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    if (!hold_standard_streams()) {
        return CLI_FAILED;
    }
    /* A reader that left is an error of write(), which cli_finish() turns into an exit code. */
    (void)signal(SIGPIPE, SIG_IGN);

    struct cli cli = {
        .ttl_ms = FAC_TTL_DEFAULT, .n_threads = 1, .duration_ms = 3000, .value_bytes = 100};
    fac_options_init(&cli.options);
    int code = cli_args_parse(&cli, argc, argv);
    if (code == CLI_DONE) {
        cli_run_fn *run = cli.is_help ? cli_run_help : cli.command->run;
        code = run(&cli);
    }
    cli_close(&cli);
    return cli_finish(code);
}
