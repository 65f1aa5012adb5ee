/* SPDX-License-Identifier: MIT */
/* fault_soak: the rows A1, A2, A3 and all of them at once, over both servers and both protocols,
 * round after round with fresh seeds; what it counted is added to a record. `./dev soak` runs it.
 *
 *   fault_soak MINUTES RECORD DATE COMMIT ROOMS
 *
 * ROOMS names the state of the code under test: counts add up over runs with the same. A run that
 * ends with an assertion is recorded too, as "failed". */
#include "fault/rows.h"
#include "kit/kit.h"
#include "kit/raw.h"
#include "kit/wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SERVERS = 4,
    ROUND_MAX_MS = 20000,
    ROUND_MIN_MS = 2000,
    LARGE_EACH = 8, /* one cycle in so many has values up to 1 MiB */
    SMALL_BYTES = 512,
    LARGE_BYTES = 1024 * 1024
};

struct total {
    size_t n_rounds;
    double seconds;
    uint64_t n_ops;
    uint64_t n_wrong;
    uint64_t n_stale;
    uint64_t n_deaths;
    uint64_t n_abandoned;
    uint64_t n_malformed;
    uint64_t n[KIT_OUTCOMES];
};

static const enum row k_soaked[] = {ROW_A1, ROW_A2, ROW_A3, ROW_A123};

static struct soak {
    char **args; /* RECORD DATE COMMIT ROOMS */
    uint64_t seed;
    struct total totals[ROWS];
    struct row_report report; /* of the round under way */
    enum row row;
    bool is_under_way;
} soak;

static void add_up(void)
{
    struct total *total = &soak.totals[soak.row];
    const struct row_report *report = &soak.report;
    total->n_rounds++;
    total->seconds += report->traffic.seconds;
    total->n_ops += report->traffic.ledger.n_ended;
    total->n_wrong += report->traffic.n_wrong;
    total->n_stale += report->traffic.n_stale;
    total->n_deaths += report->stats.disconnects;
    total->n_abandoned += report->traffic.n_timeouts;
    total->n_malformed += report->proxy.n_malformed;
    for (size_t i = 0; i < KIT_OUTCOMES; i++) {
        total->n[i] += report->traffic.ledger.n[i];
    }
}

/* At exit, however it came to that. */
static void record(void)
{
    bool has_failed = soak.is_under_way;
    if (has_failed) {
        add_up();
    }
    FILE *file = fopen(soak.args[0], "ae");
    if (file == NULL) {
        perror(soak.args[0]);
        return;
    }
    for (size_t i = 0; i < KIT_COUNT(k_soaked); i++) {
        const struct total *total = &soak.totals[k_soaked[i]];
        if (total->n_rounds == 0) {
            continue;
        }
        (void)fprintf(file, "%s,%s,%s,0x%016" PRIx64 ",%s,%s", soak.args[1], soak.args[2],
                      soak.args[3], soak.seed, row_name(k_soaked[i]),
                      has_failed && soak.row == k_soaked[i] ? "failed" : "held");
        (void)fprintf(file,
                      ",%zu,%.0f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
                      total->n_rounds, total->seconds, total->n_ops, total->n_wrong,
                      total->n_malformed, total->n_deaths, total->n_abandoned);
        for (size_t j = 0; j < KIT_OUTCOME_BAD; j++) {
            (void)fprintf(file, ",%" PRIu64, total->n[j]);
        }
        (void)fprintf(file, ",%" PRIu64 "\n", total->n_stale);
    }
    (void)fclose(file);
}

static void print_totals(void)
{
    struct total all = {0};
    for (size_t i = 0; i < KIT_COUNT(k_soaked); i++) {
        const struct total *total = &soak.totals[k_soaked[i]];
        all.n_rounds += total->n_rounds;
        all.seconds += total->seconds;
        all.n_ops += total->n_ops;
        all.n_wrong += total->n_wrong;
        all.n_deaths += total->n_deaths;
        all.n_abandoned += total->n_abandoned;
        all.n_malformed += total->n_malformed;
    }
    (void)printf("this run: %zu rounds, %" PRIu64 " operations in %.0f s (%.0f/s), %" PRIu64
                 " wrong, %" PRIu64 " malformed, %" PRIu64 " deaths, %" PRIu64 " abandoned\n",
                 all.n_rounds, all.n_ops, all.seconds, (double)all.n_ops / all.seconds,
                 all.n_wrong, all.n_malformed, all.n_deaths, all.n_abandoned);
}

static void print_round(size_t round, const char *server, size_t value_bytes)
{
    const struct row_report *report = &soak.report;
    char outcomes[256];
    kit_ledger_print(&report->traffic.ledger, outcomes, sizeof(outcomes));
    (void)printf("%4zu %-9s %-8s %7zu B %9" PRIu64 " ops %7.0f/s  wrong %" PRIu64
                 "  stale %" PRIu64 "  deaths %" PRIu64 "  abandoned %" PRIu64
                 "  proxy %2.0f %%  %s  RSS %zu KiB, %zu fds, %zu threads\n",
                 round, row_name(soak.row), server, value_bytes, report->traffic.ledger.n_ended,
                 (double)report->traffic.ledger.n_ended / report->traffic.seconds,
                 report->traffic.n_wrong, report->traffic.n_stale, report->stats.disconnects,
                 report->traffic.n_timeouts,
                 (double)report->proxy.cpu_ns / 1e7 / report->traffic.seconds, outcomes,
                 report->after.rss_bytes / 1024, report->after.n_fds, report->after.n_threads);
    (void)fflush(stdout);
}

static void start_servers(struct kit_server **servers)
{
    static const char *const k_resp2[] = {"rename-command HELLO \"\"", NULL};
    for (size_t i = 0; i < SERVERS; i++) {
        struct kit_server_options options = {.kind = i % 2 == 0 ? KIT_REDIS : KIT_VALKEY,
                                             .config = i >= 2 ? k_resp2 : NULL};
        servers[i] = kit_server_start(&options);
    }
}

static void empty(const struct kit_server *server)
{
    struct kit_raw *raw = kit_raw_unix(kit_server_socket(server));
    assert_non_null(raw);
    (void)kit_raw_ask(raw, "FLUSHALL", NULL);
    kit_raw_close(raw);
}

/* Rounds until the time is over; each row meets each server in turn. */
static void run_rounds(struct kit_server **servers, int64_t soak_ms)
{
    static const char *const k_names[SERVERS] = {"redis3", "valkey3", "redis2", "valkey2"};
    int64_t begun_at_ms = kit_now_ms();
    int64_t share_ms = soak_ms / (int64_t)(KIT_COUNT(k_soaked) * SERVERS);
    uint64_t random = soak.seed;
    struct kit_procwatch first = {0};
    size_t n_rounds = 0;
    for (; kit_now_ms() - begun_at_ms < soak_ms; n_rounds++) {
        size_t cycle = n_rounds / KIT_COUNT(k_soaked);
        size_t server = cycle % SERVERS;
        int64_t round_ms = share_ms < ROUND_MAX_MS ? share_ms : ROUND_MAX_MS;
        struct row_round round = {
            .row = k_soaked[n_rounds % KIT_COUNT(k_soaked)],
            .server = servers[server],
            .duration_ms = (uint32_t)(round_ms > ROUND_MIN_MS ? round_ms : ROUND_MIN_MS),
            .value_max_bytes = cycle % LARGE_EACH == LARGE_EACH - 1 ? LARGE_BYTES : SMALL_BYTES,
            .seed = kit_random(&random)};
        empty(servers[server]);
        soak.row = round.row;
        soak.is_under_way = true;
        row_run(&round, &soak.report);
        soak.is_under_way = false;
        add_up();
        print_round(n_rounds, k_names[server], round.value_max_bytes);
        if (n_rounds + 1 == KIT_COUNT(k_soaked)) {
            first = soak.report.after; /* every row has run once: what it needs, it has */
        }
    }
    (void)printf("drift since round %zu: %+ld KiB, %+ld fds, %+ld threads\n",
                 KIT_COUNT(k_soaked) - 1,
                 ((long)soak.report.after.rss_bytes - (long)first.rss_bytes) / 1024,
                 (long)soak.report.after.n_fds - (long)first.n_fds,
                 (long)soak.report.after.n_threads - (long)first.n_threads);
}

int main(int argc, char **argv)
{
    struct kit_server *servers[SERVERS];
    if (argc != 6 || strtod(argv[1], NULL) <= 0) {
        (void)fprintf(stderr, "usage: fault_soak MINUTES RECORD DATE COMMIT ROOMS\n");
        return 2;
    }
    soak.args = argv + 2;
    soak.seed = kit_seed();
    if (atexit(record) != 0) {
        return 2;
    }
    start_servers(servers);
    run_rounds(servers, (int64_t)(strtod(argv[1], NULL) * 60000));
    print_totals();
    for (size_t i = 0; i < SERVERS; i++) {
        kit_server_stop(servers[i]);
    }
    return 0;
}
