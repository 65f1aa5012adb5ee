/* SPDX-License-Identifier: MIT */
/* cli/commands_info.c — the commands that tell about the cache: health, stats, config, version. */
#include "output.h"
#include "report.h"
#include "session.h"

#include <inttypes.h>
#include <string.h>

/* --- health ----------------------------------------------------------------------------------- */

static const char *breaker_name(fac_breaker_state state)
{
    static const char *const k_names[] = {
        [FAC_BREAKER_CLOSED] = "closed",
        [FAC_BREAKER_OPEN] = "open",
        [FAC_BREAKER_PROBING] = "probing",
    };
    return (size_t)state < CLI_COUNT(k_names) ? k_names[state] : "unknown";
}

static const char *security_name(fac_security security)
{
    static const char *const k_names[] = {
        [FAC_SECURITY_NONE] = "none",
        [FAC_SECURITY_TLS] = "tls",
        [FAC_SECURITY_TLS_INSECURE] = "tls_insecure",
    };
    return (size_t)security < CLI_COUNT(k_names) ? k_names[security] : "unknown";
}

static void put_health_json(const fac_health *health, const fac_error *err)
{
    struct cli_json json = {0};
    cli_json_open(&json, NULL, '{');
    cli_json_bool(&json, "healthy", health->is_healthy);
    cli_report_server_json(&json, health);
    cli_json_bool(&json, "second_choice", health->is_second_choice);
    cli_json_uint(&json, "latency_us", health->latency_us);
    cli_json_uint(&json, "connections_open", health->connections_open);
    cli_json_uint(&json, "connections_idle", health->connections_idle);
    cli_json_uint(&json, "max_connections", health->max_connections);
    cli_json_string(&json, "breaker_state", breaker_name(health->breaker_state));
    cli_json_string(&json, "security", security_name(health->security));
    cli_json_string(&json, "tls_version", health->tls_version);
    cli_json_string(&json, "tls_cipher", health->tls_cipher);
    cli_json_uint(&json, "tls_cert_expires_at_s", (uint64_t)health->tls_cert_expires_at_s);
    if (err->status < 0) {
        cli_json_error(&json, err);
    }
    cli_json_close(&json, '}');
}

static void put_health_row(const char *name, const char *text)
{
    cli_printf("%-12s ", name);
    cli_put_shown(fac_str(text));
    cli_puts("\n");
}

static void put_health(const fac_health *health)
{
    put_health_row("healthy", health->is_healthy ? "yes" : "no");
    put_health_row("provider", cli_provider_name(health->provider));
    put_health_row("server", health->server);
    put_health_row("version", health->version);
    if (health->provider == FAC_MEMORY) {
        return;
    }
    put_health_row("role", health->role);
    put_health_row("endpoint", health->endpoint);
    if (health->is_second_choice) {
        put_health_row("chosen", "second: the first choice did not answer");
    }
    cli_printf("%-12s RESP%" PRIu32 "\n", "protocol", health->protocol);
    cli_printf("%-12s %" PRIu64 " us\n", "latency", health->latency_us);
    cli_printf("%-12s %" PRIu32 " open, %" PRIu32 " idle, at most %" PRIu32 "\n", "connections",
               health->connections_open, health->connections_idle, health->max_connections);
    put_health_row("breaker", breaker_name(health->breaker_state));
    put_health_row("security", security_name(health->security));
    if (health->tls_version[0] != '\0') {
        put_health_row("tls", health->tls_version);
        put_health_row("cipher", health->tls_cipher);
    }
}

int cli_run_health(struct cli *cli)
{
    fac_health health = {.size = sizeof(health)};
    fac_error err = {.status = FAC_OK};
    fac_status st = cli_try_open(cli, &err);
    bool is_open = st >= 0;
    if (is_open) {
        st = fac_cache_health(cli->cache, NULL, &health, sizeof(health), &err);
    }
    if (st < 0) {
        cli_complain_of(&err);
    }
    if (cli->is_json) {
        put_health_json(&health, &err);
    } else if (is_open) {
        put_health(&health);
    }
    return cli_exit_of(st);
}

/* --- stats ------------------------------------------------------------------------------------ */

enum {
    STAT_COLUMN = 23 /* the longest name, and one blank */
};

struct stat_row {
    const char *name;
    size_t offset;
    bool is_64_bits;
};

/* clang-format off */
#define ROW64(field) {#field, offsetof(fac_stats, field), true}
#define ROW32(field) {#field, offsetof(fac_stats, field), false}
static const struct stat_row k_stats[] = {
    ROW64(hits), ROW64(misses), ROW64(sets), ROW64(deletes), ROW64(errors), ROW64(timeouts),
    ROW64(retries), ROW64(connects), ROW64(connect_failures), ROW64(disconnects),
    ROW32(connections_open), ROW32(connections_idle), ROW32(calls_in_flight),
    ROW32(calls_waiting), ROW64(memory_entries), ROW64(memory_bytes), ROW64(memory_evicted),
    ROW64(memory_expired), ROW64(late_replies), ROW64(batches), ROW64(batched_calls),
    ROW64(reconnects), ROW64(breaker_opens), ROW64(breaker_refusals),
    ROW32(connections_connecting), ROW32(connections_exclusive), ROW32(breaker_state),
    ROW64(latency_count), ROW64(latency_p50_us), ROW64(latency_p90_us), ROW64(latency_p99_us),
    ROW64(latency_p999_us), ROW64(latency_max_us), ROW64(tls_handshakes), ROW64(tls_resumed),
    ROW64(memory_replaced),
};
/* clang-format on */

static uint64_t stat_of(const fac_stats *stats, const struct stat_row *row)
{
    const char *field = (const char *)stats + row->offset;
    uint64_t wide = 0;
    uint32_t narrow = 0;
    if (row->is_64_bits) {
        memcpy(&wide, field, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, field, sizeof(narrow));
    return narrow;
}

/* `json` NULL: a line for people. */
static void put_stat(struct cli_json *json, const fac_stats *stats, const struct stat_row *row)
{
    uint64_t number = stat_of(stats, row);
    if (row->offset == offsetof(fac_stats, breaker_state)) {
        const char *state = breaker_name((fac_breaker_state)number);
        if (json != NULL) {
            cli_json_string(json, row->name, state);
        } else {
            cli_printf("%-*s%s\n", STAT_COLUMN, row->name, state);
        }
    } else if (json != NULL) {
        cli_json_uint(json, row->name, number);
    } else {
        cli_printf("%-*s%" PRIu64 "\n", STAT_COLUMN, row->name, number);
    }
}

int cli_run_stats(struct cli *cli)
{
    char budget[CLI_SETTING_BYTES];
    fac_stats stats;
    fac_error err;
    int code = cli_setting(cli, "memory_bytes", budget, sizeof(budget));
    if (code == CLI_DONE) {
        code = cli_open(cli);
    }
    if (code != CLI_DONE) {
        return code;
    }
    if (fac_cache_stats(cli->cache, NULL, &stats, sizeof(stats), &err) < 0) {
        return cli_fail(cli, &err);
    }
    struct cli_json json = {0};
    if (cli->is_json) {
        cli_json_open(&json, NULL, '{');
        cli_json_string(&json, "scope", "this command's own handle");
        if (budget[0] != '\0') {
            cli_json_string(&json, "memory_budget", budget);
        } else {
            cli_json_null(&json, "memory_budget");
        }
    } else {
        cli_puts(
            "Counters of this command's own handle, opened just now. Other processes have\n"
            "their own: a program reads them with fac_cache_stats().\n\n");
        cli_printf("%-*s%s\n", STAT_COLUMN, "memory_budget", budget[0] != '\0' ? budget : "-");
    }
    for (size_t i = 0; i < CLI_COUNT(k_stats); i++) {
        put_stat(cli->is_json ? &json : NULL, &stats, &k_stats[i]);
    }
    if (cli->is_json) {
        cli_json_close(&json, '}');
    }
    return CLI_DONE;
}

/* --- config ----------------------------------------------------------------------------------- */

static const char *source_name(fac_source source)
{
    static const char *const k_names[] = {
        [FAC_SOURCE_DEFAULT] = "default",
        [FAC_SOURCE_ENVIRONMENT] = "environment",
        [FAC_SOURCE_OPTION] = "option",
        [FAC_SOURCE_URL] = "url",
    };
    return (size_t)source < CLI_COUNT(k_names) ? k_names[source] : "unknown";
}

static void put_setting_json(void *context, const fac_setting *setting)
{
    struct cli_json *json = context;
    cli_json_open(json, NULL, '{');
    cli_json_string(json, "name", setting->name);
    cli_json_string(json, "value", setting->value);
    cli_json_string(json, "source", source_name(setting->source));
    cli_json_string(json, "variable", setting->variable);
    cli_json_string(json, "help", setting->help);
    cli_json_close(json, '}');
}

/* Pads by bytes, as the values of nearly everybody are ASCII. */
static void put_column(const char *text, size_t width)
{
    cli_put_shown(fac_str(text));
    for (size_t len = strlen(text); len < width; len++) {
        cli_puts(" ");
    }
    cli_puts(" ");
}

static void put_setting(void *context, const fac_setting *setting)
{
    (void)context;
    put_column(setting->name, 16);
    put_column(setting->value[0] != '\0' ? setting->value : "-", 24);
    cli_puts(source_name(setting->source));
    if (setting->variable[0] != '\0') {
        cli_puts(" ");
        cli_put_shown(fac_str(setting->variable));
    }
    cli_puts("\n");
}

static void ignore_setting(void *context, const fac_setting *setting)
{
    (void)context;
    (void)setting;
}

int cli_run_config(struct cli *cli)
{
    fac_error err;
    /* Once without a word: an error must not come behind half a table. */
    if (fac_options_describe(&cli->options, ignore_setting, NULL, &err) < 0) {
        return cli_fail(cli, &err);
    }
    struct cli_json json = {0};
    if (cli->is_json) {
        cli_json_open(&json, NULL, '{');
        cli_json_open(&json, "settings", '[');
    }
    fac_status st = fac_options_describe(
        &cli->options, cli->is_json ? put_setting_json : put_setting, &json, &err);
    if (cli->is_json) {
        cli_json_close(&json, ']');
        cli_json_close(&json, '}');
    }
    if (st < 0) {
        cli_complain_of(&err);
    }
    return cli_exit_of(st);
}

/* --- version ---------------------------------------------------------------------------------- */

#define TEXT_OF(number)       #number
#define VERSION_TEXT(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)

int cli_run_version(struct cli *cli)
{
    static const char k_version[] = VERSION_TEXT(FAC_VERSION_MAJOR, FAC_VERSION_MINOR,
                                                 FAC_VERSION_PATCH);
    if (cli->is_json) {
        struct cli_json json = {0};
        cli_json_open(&json, NULL, '{');
        cli_json_string(&json, "version", k_version);
        cli_json_string(&json, "library", fac_version());
        cli_json_close(&json, '}');
    } else {
        cli_printf("faciliter %s (library %s)\n", k_version, fac_version());
    }
    return CLI_DONE;
}
