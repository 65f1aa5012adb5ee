/* SPDX-License-Identifier: MIT */
/* bench/delay.c — the group with an added round trip, through the fault proxy of the tests: bytes
 * wait in it, half of the round trip in each direction, and any number of them is under way. It is
 * a thread of this process, so its share of a processor is told beside the figures. */
#include "cell.h"

#include <kit/proxy.h>
#include <unistd.h>

enum {
    MAX_PAIRS = 7,
    SHARE_MOST_PERCENT = 30, /* Above it, the figure is the proxy's too. */
};

static const char k_group[] = "delay";
static const double k_slice_s = 0.4;
static const double k_quick_slice_s = 0.05;

struct delayed {
    struct kit_proxy *proxy;
    struct bench_report *report;
};

static double cpu_ns_of(struct kit_proxy *proxy)
{
    return (double)kit_proxy_counts(proxy).cpu_ns;
}

static bool compare(const struct bench_cell *cell, struct bench_side *sides,
                    struct bench_row *row)
{
    struct delayed *delayed = cell->context;
    const double cpu_ns = cpu_ns_of(delayed->proxy);
    const uint64_t began_ns = bench_now_ns();
    if (!bench_cell_compare(cell, sides, row)) {
        return false;
    }
    const double share = (cpu_ns_of(delayed->proxy) - cpu_ns) /
                         (double)(bench_now_ns() - began_ns);
    if (!row->is_noise) {
        bench_report_note(
            delayed->report,
            "proxy: %s %s: it took %.0f %% of a processor, %.0f %% of the machine%s", row->name,
            row->where, share * 100, share * 100 / (double)sysconf(_SC_NPROCESSORS_ONLN),
            share * 100 > SHARE_MOST_PERCENT ? ": its own speed is part of the figure" : "");
    }
    return true;
}

static struct bench_method method_of(const struct bench_plan *plan)
{
    return (struct bench_method){.n_pairs = plan->is_quick ? 5 : MAX_PAIRS,
                                 .slice_s = plan->is_quick ? k_quick_slice_s : k_slice_s};
}

static bool run_cells(const struct bench_plan *plan, const struct bench_endpoint *endpoint,
                      struct delayed *delayed, struct bench_report *report)
{
    static const uint32_t k_threads[] = {8, 64};
    for (size_t i = 0; i < 2 * sizeof(k_threads) / sizeof(k_threads[0]); i++) {
        const bool is_noise = i % 2 == 0;
        struct bench_cell cell = {
            .group = k_group,
            .ours = is_noise ? &k_hiredis_get : &k_ours_get_into,
            .base = &k_hiredis_get,
            .n_threads = k_threads[i / 2],
            .value_bytes = BENCH_SMALL_BYTES,
            .bar = is_noise ? 0 : 0.95,
            .method = method_of(plan),
            .context = delayed,
        };
        (void)snprintf(cell.name, sizeof(cell.name), is_noise ? "a/a get %u" : "get %u",
                       cell.n_threads);
        if (!bench_cell_run(plan, &cell, endpoint, &plan->servers[0].tcp, compare, report)) {
            return false;
        }
    }
    return true;
}

/* What the proxy lets through when it delays nothing: the most that any cell here could show. */
static bool find_ceiling(const struct bench_plan *plan, const struct bench_endpoint *endpoint,
                         struct kit_proxy *proxy, struct bench_report *report)
{
    struct bench_side side = {.driver = &k_hiredis_get, .peer = {.n_threads = 64}};
    struct bench_rate warm;
    struct bench_rate rate;
    bench_data_size(BENCH_SMALL_BYTES);
    if (!bench_server_empty(&plan->servers[0].tcp) ||
        !bench_server_fill(&plan->servers[0].tcp) || !side.driver->open(&side.peer, endpoint)) {
        return false;
    }
    const double slice_s = method_of(plan).slice_s;
    bool is_ok = bench_slice(&side, slice_s, false, &warm);
    const double cpu_ns = cpu_ns_of(proxy);
    const uint64_t began_ns = bench_now_ns();
    is_ok = is_ok && bench_slice(&side, slice_s, false, &rate);
    const double share = (cpu_ns_of(proxy) - cpu_ns) / (double)(bench_now_ns() - began_ns);
    side.driver->close(&side.peer);
    if (is_ok) {
        bench_report_note(
            report,
            "proxy: its ceiling, without delay and with 64 threads of hiredis's, is "
            "%.0f GET per second at %.0f %% of a processor",
            rate.per_s, share * 100);
    }
    return is_ok;
}

static bool run_delay(const struct bench_plan *plan, uint64_t round_trip_us,
                      struct bench_report *report)
{
    const struct bench_server *server = &plan->servers[0];
    const struct kit_flow_faults late = {.delay_ns = round_trip_us * 1000 / 2};
    const struct kit_proxy_options options = {
        .to_unix = server->unix_socket,
        .is_opaque = true, /* Nothing is parsed that costs the processor. */
        .faults = {.flow = {[KIT_UP] = late, [KIT_DOWN] = late}},
    };
    char transport[32];
    (void)snprintf(transport, sizeof(transport), "+%.1f ms", (double)round_trip_us / 1000);
    struct delayed delayed = {.proxy = kit_proxy_start(&options), .report = report};
    struct bench_endpoint endpoint = server->tcp;
    endpoint.transport = transport;
    endpoint.port = kit_proxy_port(delayed.proxy);
    bool is_ok = round_trip_us > 0 ? run_cells(plan, &endpoint, &delayed, report)
                                   : find_ceiling(plan, &endpoint, delayed.proxy, report);
    kit_proxy_stop(delayed.proxy);
    return is_ok;
}

bool bench_group_delay(const struct bench_plan *plan, struct bench_report *report)
{
    static const uint64_t k_round_trips_us[] = {0, 200, 1000, 5000};
    for (size_t i = 0; i < sizeof(k_round_trips_us) / sizeof(k_round_trips_us[0]); i++) {
        if (plan->n_servers > 0 && !run_delay(plan, k_round_trips_us[i], report)) {
            return false;
        }
    }
    return true;
}
