/* SPDX-License-Identifier: MIT */
/* cli/demo.c — the command `demo`: everything a cache is for, once, each answer checked; then how
 * fast it is. Works under a prefix of its own, which it clears at the end. */
#include "load.h"
#include "output.h"
#include "report.h"
#include "session.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
    BATCH = 100,
    TTL_MS = 60000,
    SHORT_TTL_MS = 30,
    EXPIRY_WAIT_MS = 5000, /* far longer than any expiry takes; then it never will */
    POLL_MS = 2,
    LOAD_MS = 300, /* for each of get and set: enough for a figure, short enough for a demo */
};

struct demo {
    fac_cache *cache;
    fac_error err;
};

/* Whether a call answered what it must. */
static bool is(struct demo *demo, fac_status got, fac_status want)
{
    if (got != want && got >= 0) {
        (void)snprintf(demo->err.message, sizeof(demo->err.message), "answered %s, not %s",
                       fac_status_name(got), fac_status_name(want));
    }
    return got == want;
}

static bool is_wrong(struct demo *demo, const char *what)
{
    (void)snprintf(demo->err.message, sizeof(demo->err.message), "%s", what);
    return false;
}

static bool set_to(struct demo *demo, const char *key, fac_bytes value, int64_t ttl_ms)
{
    return is(demo, fac_cache_set(demo->cache, fac_str(key), value, ttl_ms, NULL, &demo->err),
              FAC_OK);
}

/* Whether the key holds exactly these bytes. */
static bool holds(struct demo *demo, const char *key, fac_bytes want)
{
    fac_value *value = NULL;
    if (!is(demo, fac_cache_get(demo->cache, fac_str(key), NULL, &value, &demo->err), FAC_OK)) {
        return false;
    }
    fac_bytes got = fac_value_bytes(value);
    bool is_same = got.len == want.len && memcmp(got.data, want.data, want.len) == 0;
    fac_value_unref(value);
    return is_same || is_wrong(demo, "other bytes came back than were stored");
}

static bool is_gone(struct demo *demo, const char *key)
{
    return is(demo, fac_cache_exists(demo->cache, fac_str(key), NULL, &demo->err), FAC_MISS);
}

/* --- The checks ------------------------------------------------------------------------------- */

static const char k_user[] = "{\"name\": \"Alice\"}";

static bool check_set(struct demo *demo)
{
    return set_to(demo, "user:1", fac_str(k_user), TTL_MS);
}

static bool check_get(struct demo *demo)
{
    return holds(demo, "user:1", fac_str(k_user));
}

static bool check_miss(struct demo *demo)
{
    fac_value *value = NULL;
    return is(demo, fac_cache_get(demo->cache, fac_str("user:2"), NULL, &value, &demo->err),
              FAC_MISS);
}

static bool check_exists(struct demo *demo)
{
    return is(demo, fac_cache_exists(demo->cache, fac_str("user:1"), NULL, &demo->err),
              FAC_OK) &&
           is_gone(demo, "user:2");
}

static bool check_binary(struct demo *demo)
{
    static const char k_bytes[] = {'a', '\0', '\r', '\n', '\xff', '$', '-', '1', '\r', '\n'};
    fac_bytes value = fac_mem(k_bytes, sizeof(k_bytes));
    return set_to(demo, "any bytes", value, TTL_MS) && holds(demo, "any bytes", value) &&
           set_to(demo, "no bytes", fac_str(""), TTL_MS) &&
           holds(demo, "no bytes", fac_str(""));
}

static bool check_ttl(struct demo *demo)
{
    int64_t ttl_ms = 0;
    if (!is(demo, fac_cache_ttl(demo->cache, fac_str("user:1"), NULL, &ttl_ms, &demo->err),
            FAC_OK)) {
        return false;
    }
    return (ttl_ms >= 1 && ttl_ms <= TTL_MS) ||
           is_wrong(demo, "another time to live than given");
}

static bool check_touch(struct demo *demo)
{
    int64_t ttl_ms = 0;
    fac_bytes key = fac_str("user:1");
    if (!is(demo, fac_cache_touch(demo->cache, key, FAC_TTL_NONE, NULL, &demo->err), FAC_OK) ||
        !is(demo, fac_cache_ttl(demo->cache, key, NULL, &ttl_ms, &demo->err), FAC_OK)) {
        return false;
    }
    return ttl_ms == FAC_TTL_NONE ||
           is_wrong(demo, "a time to live although it was taken away");
}

static bool check_expiry(struct demo *demo)
{
    if (!set_to(demo, "short", fac_str("gone soon"), SHORT_TTL_MS)) {
        return false;
    }
    uint64_t until_ns = cli_now_ns() + (uint64_t)EXPIRY_WAIT_MS * 1000000U;
    fac_status st = FAC_OK;
    do {
        (void)poll(NULL, 0, POLL_MS);
        st = fac_cache_exists(demo->cache, fac_str("short"), NULL, &demo->err);
    } while (st == FAC_OK && cli_now_ns() < until_ns);
    return is(demo, st, FAC_MISS);
}

static bool check_add(struct demo *demo)
{
    fac_bytes key = fac_str("lock");
    fac_bytes mine = fac_str("mine");
    return is(demo, fac_cache_add(demo->cache, key, mine, TTL_MS, NULL, &demo->err), FAC_OK) &&
           is(demo, fac_cache_add(demo->cache, key, fac_str("other"), TTL_MS, NULL, &demo->err),
              FAC_EXISTS) &&
           holds(demo, "lock", mine);
}

static bool check_increment(struct demo *demo)
{
    int64_t first = 0;
    int64_t second = 0;
    fac_bytes key = fac_str("visits");
    if (!is(demo, fac_cache_increment(demo->cache, key, 5, TTL_MS, NULL, &first, &demo->err),
            FAC_OK) ||
        !is(demo, fac_cache_increment(demo->cache, key, 37, TTL_MS, NULL, &second, &demo->err),
            FAC_OK)) {
        return false;
    }
    return (first == 5 && second == 42 && holds(demo, "visits", fac_str("42"))) ||
           is_wrong(demo, "another sum than 5 + 37");
}

/* Even items are stored; all are asked for. */
static bool check_many(struct demo *demo)
{
    char texts[BATCH][16];
    fac_bytes keys[BATCH];
    fac_item items[BATCH / 2];
    fac_value *values[BATCH];
    fac_status statuses[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        int n = snprintf(texts[i], sizeof(texts[i]), "item:%u", (unsigned)i);
        keys[i] = fac_mem(texts[i], (size_t)n);
        if (i % 2 == 0) {
            items[i / 2] = (fac_item){keys[i], keys[i], TTL_MS};
        }
    }
    if (!is(demo, fac_cache_set_many(demo->cache, items, BATCH / 2, NULL, statuses, &demo->err),
            FAC_OK) ||
        !is(demo,
            fac_cache_get_many(demo->cache, keys, BATCH, NULL, values, statuses, &demo->err),
            FAC_OK)) {
        return false;
    }
    bool is_right = true;
    for (size_t i = 0; i < BATCH; i++) {
        fac_bytes got = fac_value_bytes(values[i]);
        bool is_found = statuses[i] == FAC_OK && got.len == keys[i].len &&
                        memcmp(got.data, keys[i].data, got.len) == 0;
        is_right = is_right && (i % 2 == 0 ? is_found : statuses[i] == FAC_MISS);
        fac_value_unref(values[i]);
    }
    if (!is_right) {
        return is_wrong(demo, "an item of the batch has a wrong answer");
    }
    return is(demo, fac_cache_delete_many(demo->cache, keys, BATCH, NULL, statuses, &demo->err),
              FAC_OK) &&
           is(demo, statuses[0], FAC_OK) && is(demo, statuses[1], FAC_MISS);
}

static bool check_delete(struct demo *demo)
{
    fac_bytes key = fac_str("user:1");
    return is(demo, fac_cache_delete(demo->cache, key, NULL, &demo->err), FAC_OK) &&
           is(demo, fac_cache_delete(demo->cache, key, NULL, &demo->err), FAC_MISS);
}

/* A large server takes more than one deadline. */
static fac_status clear_all(struct demo *demo, uint64_t *out_removed)
{
    fac_clear_progress progress = {.size = sizeof(progress)};
    fac_status st = FAC_OK;
    uint64_t n_scanned = 0;
    do {
        n_scanned = progress.n_scanned;
        st = fac_cache_clear(demo->cache, NULL, &progress, &demo->err);
    } while (st == FAC_E_TIMEOUT && progress.n_scanned > n_scanned);
    *out_removed = progress.n_removed;
    return st;
}

/* By now four keys are left, of check_binary, check_add and check_increment. */
static bool check_clear(struct demo *demo)
{
    uint64_t n_removed = 0;
    if (!is(demo, clear_all(demo, &n_removed), FAC_OK)) {
        return false;
    }
    return (n_removed == 4 || is_wrong(demo, "removed another number of keys than four")) &&
           is_gone(demo, "lock") && is_gone(demo, "any bytes");
}

/* clang-format off */
static const struct {
    const char *name;
    bool (*check)(struct demo *demo);
} k_checks[] = {
    {"set",       check_set},
    {"get",       check_get},
    {"miss",      check_miss},
    {"exists",    check_exists},
    {"binary",    check_binary},
    {"ttl",       check_ttl},
    {"touch",     check_touch},
    {"expiry",    check_expiry},
    {"add",       check_add},
    {"increment", check_increment},
    {"many",      check_many},
    {"delete",    check_delete},
    {"clear",     check_clear},
};
/* clang-format on */

/* --- The figures and the report --------------------------------------------------------------- */

struct report {
    struct cli_json json;
    bool is_json;
    bool is_ok;
};

static void run_checks(struct demo *demo, struct report *report)
{
    if (report->is_json) {
        cli_json_open(&report->json, "checks", '[');
    }
    for (size_t i = 0; i < CLI_COUNT(k_checks); i++) {
        demo->err = (fac_error){.status = FAC_OK};
        bool is_ok = k_checks[i].check(demo);
        const char *detail = is_ok ? "" : demo->err.message;
        report->is_ok = report->is_ok && is_ok;
        if (report->is_json) {
            cli_json_open(&report->json, NULL, '{');
            cli_json_string(&report->json, "name", k_checks[i].name);
            cli_json_bool(&report->json, "ok", is_ok);
            cli_json_string(&report->json, "detail", detail);
            cli_json_close(&report->json, '}');
        } else {
            cli_printf("  %-10s %s", k_checks[i].name, is_ok ? "ok" : "FAILED  ");
            cli_put_shown(fac_str(detail));
            cli_puts("\n");
        }
        if (!is_ok) {
            cli_complain("%s: %s", k_checks[i].name, detail);
        }
    }
    if (report->is_json) {
        cli_json_close(&report->json, ']');
    }
}

static void measure(const struct cli *cli, enum cli_bench_op op, const char *name,
                    struct report *report)
{
    /* `cli` without its --json: the load must not print an object of its own. */
    struct cli quiet = *cli;
    quiet.is_json = false;
    struct cli_load load = {
        .cli = &quiet, .op = op, .n_threads = 1, .duration_ms = LOAD_MS, .value_bytes = 100};
    struct cli_load_result result;
    memset(&result, 0, sizeof(result));
    bool is_ok = cli_load_run(&load, &result) == CLI_DONE && result.n_errors == 0 &&
                 result.n_wrong == 0;
    report->is_ok = report->is_ok && is_ok;
    if (result.n_errors > 0) {
        cli_complain("%s: %s", name, result.first_error.message);
    }
    if (report->is_json) {
        cli_json_open(&report->json, name, '{');
        cli_json_bool(&report->json, "ok", is_ok);
        cli_json_fixed(&report->json, "per_second", cli_load_per_second(&result));
        cli_report_latency_json(&report->json, &result.histogram);
        cli_json_close(&report->json, '}');
    } else {
        cli_printf("  %-10s %8.0f /s   ", name, cli_load_per_second(&result));
        cli_report_latency(&result.histogram);
        cli_puts(is_ok ? "\n" : "  FAILED\n");
    }
}

static void put_head(const struct cli *cli, const fac_health *health, struct report *report)
{
    if (report->is_json) {
        cli_json_open(&report->json, NULL, '{');
        if (cli->label != NULL) {
            cli_json_string(&report->json, "label", cli->label);
        } else {
            cli_json_null(&report->json, "label");
        }
        cli_report_server_json(&report->json, health);
        return;
    }
    if (cli->label != NULL) {
        cli_put_shown(fac_str(cli->label));
        cli_puts(": ");
    }
    cli_report_server(health);
    cli_puts("\n");
}

static void put_foot(struct report *report)
{
    if (report->is_json) {
        cli_json_bool(&report->json, "ok", report->is_ok);
        cli_json_close(&report->json, '}');
    } else {
        cli_puts(report->is_ok ? "  every answer was right\n" : "  FAILED\n");
    }
}

int cli_run_demo(struct cli *cli)
{
    char prefix[CLI_SETTING_BYTES];
    int code = cli_own_prefix(cli, "faciliter-demo", prefix, sizeof(prefix));
    if (code == CLI_DONE) {
        code = cli_open(cli);
    }
    if (code != CLI_DONE) {
        return code;
    }
    struct demo demo = {.cache = cli->cache};
    struct report report = {.is_json = cli->is_json, .is_ok = true};
    fac_health health;
    if (fac_cache_health(cli->cache, NULL, &health, sizeof(health), &demo.err) < 0) {
        return cli_fail(cli, &demo.err);
    }
    put_head(cli, &health, &report);
    run_checks(&demo, &report);
    measure(cli, CLI_BENCH_GET, "get", &report);
    measure(cli, CLI_BENCH_SET, "set", &report);
    uint64_t n_removed = 0;
    if (clear_all(&demo, &n_removed) < 0) {
        report.is_ok = false;
        cli_complain("clear: %s", demo.err.message);
    }
    put_foot(&report);
    return report.is_ok ? CLI_DONE : CLI_FAILED;
}
