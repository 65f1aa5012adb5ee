/* SPDX-License-Identifier: MIT */
/* cli/args.c — reading the command line. Options stand before or behind the command's word, as
 * `--name value` or `--name=value`; `--` ends them. Nothing here repeats an argument that could
 * be a secret: an unknown option is named without its value, a surplus operand not at all. */
#include "args.h"

#include "nearest.h"
#include "number.h"
#include "output.h"

#include <string.h>
#include <strings.h>

enum {
    BENCH_THREADS_MAX = 1024,
    BENCH_VALUE_MAX_BYTES = 64 * 1024 * 1024, /* the library's own limit */
};

static const uint64_t k_bench_max_ms = 86400000; /* a day */
static const uint64_t k_bench_max_calls = 1000000000000;
static const uint64_t k_ttl_max_ms = 315360000000; /* ten years: the library's own limit */

/* clang-format off */
const struct cli_option k_options[] = {
    /* name            value        setting          own  help */
    {"backend",        "NAME",      "provider",      0, "redis, valkey, memory or auto"},
    {"url",            "URL",       "url",           0, "redis(s)://host:port/db, valkey(s)://..., https://..., unix:///path or memory://"},
    {"host",           "HOST",      "host",          0, "name or address of the server"},
    {"port",           "PORT",      "port",          0, "1 to 65535"},
    {"db",             "NUMBER",    "db",            0, "database number"},
    {"socket",         "PATH",      "unix_socket",   0, "Unix socket of the server"},
    {"username",       "NAME",      "username",      0, "ACL user"},
    {"password-file",  "FILE",      "password_file", 0, "file with the password"},
    {"prefix",         "TEXT",      "prefix",        0, "put before every key"},
    {"timeout",        "SECONDS",   "timeout",       0, "what one call may take; fractions allowed"},
    {"json",           NULL,        NULL,            0, "print one JSON object"},
    {"verbose",        NULL,        NULL,            0, "the library's log on standard error"},
    {"help",           NULL,        NULL,            0, "print the help and stop"},
    {"ttl",            "SECONDS|none",   NULL, CLI_OWN_TTL,     "time to live, fractions allowed; else the configured one"},
    {"yes",            NULL,        NULL, CLI_OWN_YES,     "really do it"},
    {"threads",        "NUMBER",    NULL, CLI_OWN_THREADS, "callers at once, 1 to 1024; else 1"},
    {"seconds",        "SECONDS",   NULL, CLI_OWN_SECONDS, "how long, fractions allowed; else 3"},
    {"count",          "NUMBER",    NULL, CLI_OWN_COUNT,   "stop after so many calls; excludes --seconds"},
    {"size",           "BYTES",     NULL, CLI_OWN_SIZE,    "bytes of a value, 0 to 67108864; else 100"},
    {"op",             "get|set|mix", NULL, CLI_OWN_OP,    "what to call; mix is nine get to one set; else mix"},
    {"label",          "NAME",      NULL, CLI_OWN_LABEL,   "name of this run in its report"},
};
/* clang-format on */
const size_t k_n_options = CLI_COUNT(k_options);

/* --- Secrets ---------------------------------------------------------------------------------- */

static int refuse_password(struct cli *cli, const char *where)
{
    return cli_usage(
        cli,
        "%s: a password in the arguments is readable by every user of this machine; "
        "set REDIS_PASSWORD or VALKEY_PASSWORD, or name a file with --password-file",
        where);
}

/* The options by which other programs take a password, so that a habit gets an answer; with what
 * may stick to them, as in --passwordSECRET. --password-file is known and does not come here. */
static bool is_password_option(const char *name)
{
    return strncmp(name, "pass", 4) == 0 || strcmp(name, "auth") == 0 ||
           strcmp(name, "api-key") == 0;
}

/* Whether a URL carries, or may carry, a password. Where it could end is not worth a guess: but
 * for the path of a socket, an '@' anywhere behind the scheme counts. */
static bool has_password(const char *url)
{
    const char *rest = strstr(url, "://");
    rest = rest == NULL ? url : rest + 3;
    bool is_unix = strncasecmp(url, "unix://", 7) == 0;
    size_t len = is_unix ? strcspn(rest, "/") : strlen(rest);
    return memchr(rest, '@', len) != NULL || strcasestr(rest, "password=") != NULL;
}

/* --- Options ---------------------------------------------------------------------------------- */

static int apply_setting(struct cli *cli, const struct cli_option *option, const char *value)
{
    if (strcmp(option->name, "url") == 0 && has_password(value)) {
        return refuse_password(cli, "--url");
    }
    fac_error err;
    if (fac_options_set(&cli->options, option->setting, value, &err) < 0) {
        /* The library names the setting, which is the option once more. */
        size_t len = strlen(option->setting);
        bool is_named = strncmp(err.message, option->setting, len) == 0 &&
                        err.message[len] == ':';
        const char *message = is_named ? err.message + len + 1 : err.message;
        return cli_usage(cli, "--%s: %s", option->name, message + (message[0] == ' ' ? 1 : 0));
    }
    return CLI_DONE;
}

static int apply_switch(struct cli *cli, const struct cli_option *option)
{
    if (strcmp(option->name, "json") == 0) {
        cli->is_json = true;
    } else if (strcmp(option->name, "verbose") == 0) {
        cli->is_verbose = true;
    } else if (strcmp(option->name, "help") == 0) {
        cli->is_help = true;
    } else {
        cli->is_confirmed = true;
    }
    return CLI_DONE;
}

static int apply_ttl(struct cli *cli, const char *value)
{
    uint64_t ttl_ms = 0;
    if (strcmp(value, "none") == 0) {
        cli->ttl_ms = FAC_TTL_NONE;
        return CLI_DONE;
    }
    if (!cli_number_seconds(value, k_ttl_max_ms, &ttl_ms)) {
        return cli_usage(cli, "--ttl must be 0.001 to 315360000 seconds, or none, not \"%s\"",
                         value);
    }
    cli->ttl_ms = (int64_t)ttl_ms;
    return CLI_DONE;
}

static int apply_op(struct cli *cli, const char *value)
{
    static const char *const k_names[] = {
        [CLI_BENCH_MIX] = "mix", [CLI_BENCH_GET] = "get", [CLI_BENCH_SET] = "set"};
    for (size_t i = 0; i < CLI_COUNT(k_names); i++) {
        if (strcmp(value, k_names[i]) == 0) {
            cli->op = (enum cli_bench_op)i;
            return CLI_DONE;
        }
    }
    return cli_usage(cli, "--op must be get, set or mix, not \"%s\"", value);
}

static int apply_threads(struct cli *cli, const char *value)
{
    uint64_t n = 0;
    if (!cli_number_u64(value, 1, BENCH_THREADS_MAX, &n)) {
        return cli_usage(cli, "--threads must be a whole number from 1 to %d, not \"%s\"",
                         BENCH_THREADS_MAX, value);
    }
    cli->n_threads = (uint32_t)n;
    return CLI_DONE;
}

static int apply_own(struct cli *cli, const struct cli_option *option, const char *value)
{
    switch ((enum cli_own_option)option->own) {
    case CLI_OWN_TTL:
        return apply_ttl(cli, value);
    case CLI_OWN_THREADS:
        return apply_threads(cli, value);
    case CLI_OWN_OP:
        return apply_op(cli, value);
    case CLI_OWN_LABEL:
        cli->label = value;
        return CLI_DONE;
    case CLI_OWN_SECONDS:
        return cli_number_seconds(value, k_bench_max_ms, &cli->duration_ms)
                   ? CLI_DONE
                   : cli_usage(cli, "--seconds must be 0.001 to 86400, not \"%s\"", value);
    case CLI_OWN_COUNT:
        return cli_number_u64(value, 1, k_bench_max_calls, &cli->n_calls)
                   ? CLI_DONE
                   : cli_usage(cli,
                               "--count must be a whole number from 1 to 10^12, not \"%s\"",
                               value);
    case CLI_OWN_SIZE:
        return cli_number_u64(value, 0, BENCH_VALUE_MAX_BYTES, &cli->value_bytes)
                   ? CLI_DONE
                   : cli_usage(cli, "--size must be 0 to %d bytes, not \"%s\"",
                               BENCH_VALUE_MAX_BYTES, value);
    case CLI_OWN_YES:
    default:
        return apply_switch(cli, option);
    }
}

/* Splits "name=value". Returns the option, or NULL. `name` receives the name alone. */
static const struct cli_option *find_option(const char *word, char *name, size_t cap)
{
    size_t len = strcspn(word, "=");
    size_t kept = len < cap ? len : cap - 1;
    memcpy(name, word, kept);
    name[kept] = '\0';
    for (size_t i = 0; i < k_n_options; i++) {
        if (strcmp(k_options[i].name, name) == 0) {
            return &k_options[i];
        }
    }
    return NULL;
}

/* One option at argv[*at], behind its dashes; moves *at past its value. */
static int take_option(struct cli *cli, int argc, char **argv, int *at)
{
    char name[2 * CLI_NAME_MAX_BYTES];
    const char *word = argv[*at] + 2;
    const struct cli_option *option = find_option(word, name, sizeof(name));
    if (option == NULL && is_password_option(name)) {
        return refuse_password(cli, "--password");
    }
    if (strcmp(name, "version") == 0) {
        cli->command = cli_command_find("version");
        return CLI_DONE;
    }
    if (option == NULL) {
        return cli_refuse_option(cli, name);
    }
    const char *equals = strchr(word, '=');
    if (option->value == NULL) {
        cli->own_options |= option->own;
        return equals == NULL ? apply_switch(cli, option)
                              : cli_usage(cli, "--%s takes no value", option->name);
    }
    const char *value = NULL;
    if (equals != NULL) {
        value = equals + 1;
    } else if (*at + 1 < argc) {
        *at += 1;
        value = argv[*at];
    } else {
        return cli_usage(cli, "--%s needs a value: %s", option->name, option->value);
    }
    cli->own_options |= option->own;
    return option->setting != NULL ? apply_setting(cli, option, value)
                                   : apply_own(cli, option, value);
}

/* "-" is standard input and "-5" a number; every other word behind one dash is an option. */
static bool is_operand(const char *word)
{
    return word[0] != '-' || word[1] == '\0' || (word[1] >= '0' && word[1] <= '9');
}

static int take_operand(struct cli *cli, char *word)
{
    if (cli->command == NULL) {
        cli->command = cli_command_find(word);
        return cli->command != NULL ? CLI_DONE : cli_refuse_command(cli, word);
    }
    cli->operands[cli->n_operands++] = word;
    return CLI_DONE;
}

static int take_word(struct cli *cli, int argc, char **argv, int *at)
{
    char *word = argv[*at];
    if (is_operand(word)) {
        return take_operand(cli, word);
    }
    if (word[1] == '-') {
        return take_option(cli, argc, argv, at);
    }
    if (strcmp(word, "-h") == 0) {
        cli->is_help = true;
        return CLI_DONE;
    }
    if (word[1] == 'a') { /* redis-cli's -a PASSWORD */
        return refuse_password(cli, "-a");
    }
    return cli_usage(cli, "unknown option -%c; options have two dashes, and `--` ends them",
                     word[1]);
}

/* --- The whole line --------------------------------------------------------------------------- */

static int check_own_options(struct cli *cli)
{
    unsigned alien = cli->own_options & ~cli->command->own_options;
    for (size_t i = 0; i < k_n_options; i++) {
        if ((k_options[i].own & alien) != 0) {
            return cli_usage(cli, "%s does not take --%s", cli->command->name,
                             k_options[i].name);
        }
    }
    if ((cli->own_options & CLI_OWN_SECONDS) != 0 && (cli->own_options & CLI_OWN_COUNT) != 0) {
        return cli_usage(cli, "--seconds and --count exclude each other");
    }
    return CLI_DONE;
}

static int check_operands(struct cli *cli)
{
    const struct cli_command *command = cli->command;
    if (cli->n_operands < command->n_min) {
        return cli_usage(cli, "%s needs %s", command->name, command->operands);
    }
    if (cli->n_operands > command->n_max) {
        return cli_usage(cli, "too many arguments: the usage is `faciliter %s%s%s`",
                         command->name, command->operands[0] == '\0' ? "" : " ",
                         command->operands);
    }
    return CLI_DONE;
}

static int refuse_no_command(void)
{
    cli_complain("no command; there are:");
    for (size_t i = 0; i < k_n_commands; i++) {
        cli_complain("  %-10s %-12s %s", k_commands[i].name, k_commands[i].operands,
                     k_commands[i].summary);
    }
    cli_complain("see `faciliter help`");
    return CLI_USAGE;
}

int cli_args_parse(struct cli *cli, int argc, char **argv)
{
    cli->operands = argv; /* written no faster than argv is read */
    bool has_ended = false;
    for (int at = 1; at < argc; at++) {
        int code = CLI_DONE;
        if (has_ended) {
            code = take_operand(cli, argv[at]);
        } else if (strcmp(argv[at], "--") == 0) {
            has_ended = true;
        } else {
            code = take_word(cli, argc, argv, &at);
        }
        if (code != CLI_DONE) {
            return code;
        }
    }
    if (cli->is_help) {
        return CLI_DONE;
    }
    if (cli->command == NULL) {
        return refuse_no_command();
    }
    int code = check_own_options(cli);
    return code == CLI_DONE ? check_operands(cli) : code;
}
