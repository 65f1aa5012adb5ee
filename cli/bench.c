/* SPDX-License-Identifier: MIT */
/* cli/bench.c — the command `bench`: runs a load and reports it. */
#include "load.h"
#include "output.h"
#include "report.h"
#include "session.h"

#include <inttypes.h>

static const char *op_name(enum cli_bench_op op)
{
    static const char *const k_names[] = {
        [CLI_BENCH_MIX] = "mix", [CLI_BENCH_GET] = "get", [CLI_BENCH_SET] = "set"};
    return k_names[op];
}

static const char *status_name(size_t slot)
{
    return fac_status_name((fac_status)(-(int)slot));
}

static void put_json(const struct cli_load *load, const struct cli_load_result *result,
                     const fac_health *health)
{
    struct cli_json json = {0};
    cli_json_open(&json, NULL, '{');
    cli_report_server_json(&json, health);
    cli_json_string(&json, "op", op_name(load->op));
    cli_json_uint(&json, "threads", load->n_threads);
    cli_json_uint(&json, "value_bytes", load->value_bytes);
    cli_json_fixed(&json, "seconds", (double)result->elapsed_ns / 1e9);
    cli_json_uint(&json, "calls", result->histogram.n_samples + result->n_errors);
    cli_json_fixed(&json, "per_second", cli_load_per_second(result));
    cli_report_latency_json(&json, &result->histogram);
    cli_json_uint(&json, "misses", result->n_misses);
    cli_json_uint(&json, "wrong_values", result->n_wrong);
    cli_json_uint(&json, "errors", result->n_errors);
    cli_json_open(&json, "errors_by_status", '{');
    for (size_t slot = 0; slot < CLI_LOAD_STATUSES; slot++) {
        if (result->n_errors_of[slot] > 0) {
            cli_json_uint(&json, status_name(slot), result->n_errors_of[slot]);
        }
    }
    cli_json_close(&json, '}');
    cli_json_close(&json, '}');
}

static void put_text(const struct cli_load *load, const struct cli_load_result *result,
                     const fac_health *health)
{
    cli_printf("%s of %" PRIu64 " bytes, %" PRIu32 " %s, on ", op_name(load->op),
               load->value_bytes, load->n_threads, load->n_threads == 1 ? "thread" : "threads");
    cli_report_server(health);
    cli_printf("\n\ncalls       %" PRIu64 " in %.3f s\n",
               result->histogram.n_samples + result->n_errors,
               (double)result->elapsed_ns / 1e9);
    cli_printf("throughput  %.0f /s\n", cli_load_per_second(result));
    cli_puts("latency     ");
    cli_report_latency(&result->histogram);
    cli_printf("\nmisses      %" PRIu64 "\n", result->n_misses);
    cli_printf("wrong       %" PRIu64 "\n", result->n_wrong);
    cli_printf("errors      %" PRIu64 "\n", result->n_errors);
    for (size_t slot = 0; slot < CLI_LOAD_STATUSES; slot++) {
        if (result->n_errors_of[slot] > 0) {
            cli_printf("  %-20s %" PRIu64 "\n", status_name(slot), result->n_errors_of[slot]);
        }
    }
}

int cli_run_bench(struct cli *cli)
{
    char prefix[CLI_SETTING_BYTES];
    int code = cli_own_prefix(cli, "faciliter-bench", prefix, sizeof(prefix));
    if (code == CLI_DONE) {
        code = cli_open(cli);
    }
    if (code != CLI_DONE) {
        return code;
    }
    fac_health health;
    fac_error err;
    if (fac_cache_health(cli->cache, NULL, &health, sizeof(health), &err) < 0) {
        return cli_fail(cli, &err);
    }
    struct cli_load load = {.cli = cli,
                            .op = cli->op,
                            .n_threads = cli->n_threads,
                            .duration_ms = cli->duration_ms,
                            .n_calls = cli->n_calls,
                            .value_bytes = cli->value_bytes};
    struct cli_load_result result;
    code = cli_load_run(&load, &result);
    if (code != CLI_DONE) {
        return code;
    }
    if (result.n_errors > 0) {
        cli_complain("the first error: %s", result.first_error.message);
    }
    if (cli->is_json) {
        put_json(&load, &result, &health);
    } else {
        put_text(&load, &result, &health);
    }
    return result.n_errors == 0 && result.n_wrong == 0 ? CLI_DONE : CLI_FAILED;
}
