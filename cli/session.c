/* SPDX-License-Identifier: MIT */
/* cli/session.c — opening the cache that a command works on. */
#include "session.h"

#include "output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void on_log(void *context, fac_log_level level, const char *message)
{
    static const char *const k_names[] = {
        [FAC_LOG_DEBUG] = "debug", [FAC_LOG_INFO] = "info", [FAC_LOG_WARN] = "warning"};
    (void)context;
    cli_complain("%s: %s", (size_t)level < CLI_COUNT(k_names) ? k_names[level] : "log",
                 message);
}

fac_status cli_try_open(struct cli *cli, fac_error *err)
{
    if (cli->is_verbose) {
        cli->options.log = on_log;
    }
    return fac_cache_open(&cli->options, &cli->cache, err);
}

int cli_open(struct cli *cli)
{
    fac_error err;
    return cli_try_open(cli, &err) < 0 ? cli_fail(cli, &err) : CLI_DONE;
}

void cli_close(struct cli *cli)
{
    fac_cache_close(cli->cache);
    cli->cache = NULL;
}

struct wanted {
    const char *name;
    char *buf;
    size_t cap;
};

static void pick(void *context, const fac_setting *setting)
{
    struct wanted *wanted = context;
    if (strcmp(setting->name, wanted->name) == 0) {
        (void)snprintf(wanted->buf, wanted->cap, "%s", setting->value);
    }
}

int cli_setting(const struct cli *cli, const char *name, char *buf, size_t cap)
{
    struct wanted wanted = {name, buf, cap};
    fac_error err;
    buf[0] = '\0';
    if (fac_options_describe(&cli->options, pick, &wanted, &err) < 0) {
        return cli_fail(cli, &err);
    }
    return CLI_DONE;
}

int cli_own_prefix(struct cli *cli, const char *word, char *buf, size_t cap)
{
    char prefix[CLI_SETTING_BYTES];
    int code = cli_setting(cli, "prefix", prefix, sizeof(prefix));
    if (code != CLI_DONE) {
        return code;
    }
    /* Two runs must not meet: no two share process number and nanosecond on one machine, and
     * on two machines hardly ever. */
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t unique = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    (void)snprintf(buf, cap, "%s%s-%" PRIx64 "-%lx:", prefix, word, unique,
                   (unsigned long)getpid());
    fac_error err;
    if (fac_options_set(&cli->options, "prefix", buf, &err) < 0) {
        return cli_fail(cli, &err);
    }
    return CLI_DONE;
}

void cli_remark_miss(const struct cli *cli)
{
    fac_health health;
    fac_error err;
    if (!cli_is_output_terminal() || !cli_is_error_terminal()) {
        return;
    }
    if (fac_cache_health(cli->cache, NULL, &health, sizeof(health), &err) == FAC_OK &&
        health.provider == FAC_MEMORY) {
        cli_remark("miss: the memory backend starts empty in each process");
    } else {
        cli_remark("miss");
    }
}
