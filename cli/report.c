/* SPDX-License-Identifier: MIT */
/* cli/report.c — who answers, and how fast. */
#include "report.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

const char *cli_provider_name(fac_provider provider)
{
    static const char *const k_names[] = {
        [FAC_AUTO] = "auto",
        [FAC_REDIS] = "redis",
        [FAC_VALKEY] = "valkey",
        [FAC_MEMORY] = "memory",
    };
    const char *name = (size_t)provider < CLI_COUNT(k_names) ? k_names[provider] : NULL;
    return name != NULL ? name : "unknown";
}

void cli_report_server(const fac_health *health)
{
    if (health->provider == FAC_MEMORY) {
        cli_puts("the memory of this process");
        return;
    }
    cli_put_shown(fac_str(health->server[0] != '\0' ? health->server : "a server"));
    if (health->version[0] != '\0') {
        cli_puts(" ");
        cli_put_shown(fac_str(health->version));
    }
    cli_puts(" at ");
    cli_put_shown(fac_str(health->endpoint));
    if (health->protocol != 0) {
        cli_printf(", RESP%" PRIu32, health->protocol);
    }
}

void cli_report_server_json(struct cli_json *json, const fac_health *health)
{
    cli_json_string(json, "provider", cli_provider_name(health->provider));
    cli_json_string(json, "server", health->server);
    cli_json_string(json, "version", health->version);
    cli_json_string(json, "role", health->role);
    cli_json_string(json, "endpoint", health->endpoint);
    cli_json_uint(json, "protocol", health->protocol);
}

/* clang-format off */
static const struct {
    const char *name;
    const char *json_name;
    unsigned ten_thousandths;
} k_quantiles[] = {
    {"p50",   "p50",   5000},
    {"p90",   "p90",   9000},
    {"p99",   "p99",   9900},
    {"p99.9", "p99_9", 9990},
    {"max",   "max",   10000},
};
/* clang-format on */

static double quantile_us(const struct cli_histogram *histogram, size_t row)
{
    return (double)cli_histogram_quantile(histogram, k_quantiles[row].ten_thousandths) / 1000.0;
}

void cli_report_latency(const struct cli_histogram *histogram)
{
    for (size_t i = 0; i < CLI_COUNT(k_quantiles); i++) {
        cli_printf("%s%s %.1f us", i == 0 ? "" : "  ", k_quantiles[i].name,
                   quantile_us(histogram, i));
    }
}

void cli_report_latency_json(struct cli_json *json, const struct cli_histogram *histogram)
{
    cli_json_open(json, "latency_us", '{');
    for (size_t i = 0; i < CLI_COUNT(k_quantiles); i++) {
        cli_json_fixed(json, k_quantiles[i].json_name, quantile_us(histogram, i));
    }
    cli_json_close(json, '}');
}

uint64_t cli_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}
