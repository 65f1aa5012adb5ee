/* SPDX-License-Identifier: MIT */
/* cli/report.h — what several commands report in the same words: who answers, and how fast. */
#ifndef FAC_CLI_REPORT_H
#define FAC_CLI_REPORT_H

#include "cli.h"
#include "histogram.h"
#include "output.h"

/* "redis", "valkey", "memory" … */
const char *cli_provider_name(fac_provider provider);

/* "redis 7.0.15 at 127.0.0.1:6379, RESP3" */
void cli_report_server(const fac_health *health);

/* The members provider, server, version, role, endpoint, protocol. */
void cli_report_server_json(struct cli_json *json, const fac_health *health);

/* "p50 21.0 us  p90 … max …" */
void cli_report_latency(const struct cli_histogram *histogram);

/* The member latency_us: {"p50":…,"p90":…,"p99":…,"p99_9":…,"max":…} */
void cli_report_latency_json(struct cli_json *json, const struct cli_histogram *histogram);

/* Monotonic nanoseconds. */
uint64_t cli_now_ns(void);

#endif
