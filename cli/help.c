/* SPDX-License-Identifier: MIT */
/* cli/help.c — the help, made from the tables of commands and options. */
#include "args.h"
#include "nearest.h"
#include "output.h"

#include <string.h>

static void put_option(const struct cli_option *option)
{
    const char *value = option->value != NULL ? option->value : "";
    const char *gap = option->value != NULL ? " " : "";
    cli_printf("  --%s%s%s ", option->name, gap, value);
    for (size_t used = strlen(option->name) + strlen(gap) + strlen(value); used < 20; used++) {
        cli_puts(" ");
    }
    cli_printf("%s\n", option->help);
}

/* The options of one kind: those of `own`, or with 0 those that every command takes. */
static void put_options(unsigned own)
{
    for (size_t i = 0; i < k_n_options; i++) {
        if (own == 0 ? k_options[i].own == 0 : (k_options[i].own & own) != 0) {
            put_option(&k_options[i]);
        }
    }
}

static void put_environment(void)
{
    cli_puts(
        "\nWhat is not given comes from CACHE_BACKEND, VALKEY_* and REDIS_*: faciliter-env(7).\n"
        "Passwords come from REDIS_PASSWORD, VALKEY_PASSWORD or --password-file, never from\n"
        "the arguments, which every user of a machine can read.\n"
        "\nExit codes: 0 found or done; 1 a miss (add: there already); 2 the command line or a\n"
        "setting is wrong; 3 everything that failed at run time: no server, no answer, no\n"
        "permission, or standard output could not be written.\n");
}

static void put_command_help(const struct cli_command *command)
{
    cli_printf("usage: faciliter %s%s%s [OPTION...]\n", command->name,
               command->operands[0] == '\0' ? "" : " ", command->operands);
    cli_printf("\n%s: %s.\n", command->name, command->summary);
    cli_puts(command->detail);
    if (command->own_options != 0) {
        cli_printf("\nOptions of %s:\n", command->name);
        put_options(command->own_options);
    }
    cli_puts("\n`faciliter help` tells the options that every command takes.\n");
    put_environment();
}

static void put_general_help(void)
{
    cli_puts("usage: faciliter COMMAND [ARGUMENT...] [OPTION...]\n"
             "\nOne cache over Redis, Valkey or the process's own memory.\n\n");
    for (size_t i = 0; i < k_n_commands; i++) {
        cli_printf("  %-10s %-12s %s\n", k_commands[i].name, k_commands[i].operands,
                   k_commands[i].summary);
    }
    cli_puts(
        "\n`faciliter help COMMAND` tells the options of a command. Options stand anywhere;\n"
        "-- ends them. Options of every command:\n");
    put_options(0);
    put_environment();
    cli_puts(
        "\nWith --backend memory each run has an empty store of its own: a set is gone when\n"
        "the command ends.\n");
}

int cli_run_help(struct cli *cli)
{
    const struct cli_command *command = cli->command;
    bool is_help = command != NULL && strcmp(command->name, "help") == 0;
    if (is_help && cli->n_operands > 0) {
        command = cli_command_find(cli->operands[0]);
        if (command == NULL) {
            return cli_refuse_command(cli, cli->operands[0]);
        }
    } else if (is_help && !cli->is_help) {
        command = NULL;
    }
    if (command != NULL) {
        put_command_help(command);
    } else {
        put_general_help();
    }
    return CLI_DONE;
}
