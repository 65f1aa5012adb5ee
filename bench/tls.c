/* SPDX-License-Identifier: MIT */
/* bench/tls.c — the group over TLS: rates against hiredis with its own TLS, and handshakes. The
 * servers are those of the tests' kit, with its certificates: their socket stays plain, and is what
 * the data is put in and looked at through. */
#include "cell.h"
#include "handshake.h"

#ifdef FAC_BENCH_HAS_TLS_PEER
#    include "tls_peer.h"
#endif

#include <kit/certs.h>
#include <kit/server.h>

/* --- hiredis ---------------------------------------------------------------------------------- */

static void *s_hiredis_context; /* what its connections share, while the group runs */

#ifdef FAC_BENCH_HAS_TLS_PEER
static void hiredis_close(struct bench_peer *peer)
{
    for (uint32_t i = 0; i < peer->n_threads; i++) {
        bench_tls_peer_close(peer->handles[i]);
        peer->handles[i] = NULL;
    }
}

static bool hiredis_open(struct bench_peer *peer, const struct bench_endpoint *endpoint)
{
    for (uint32_t i = 0; i < peer->n_threads; i++) {
        char why[160] = "";
        peer->handles[i] = bench_tls_peer_open(s_hiredis_context, endpoint->port, why,
                                               sizeof(why));
        if (peer->handles[i] == NULL) {
            hiredis_close(peer);
            return bench_broke("hiredis cannot connect over TLS: %s", why);
        }
    }
    return true;
}

static bool hiredis_run(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct bench_entry *entry = bench_next(at);
        void *reply = NULL;
        size_t len = 0;
        const char *value = bench_tls_peer_get(peer->handles[thread], entry->full_key,
                                               entry->full_len, &len, &reply);
        const bool is_right = value != NULL && bench_is_value(entry, value, len);
        bench_tls_peer_end(reply);
        if (!is_right) {
            return bench_broke("hiredis over TLS, GET %s: a wrong reply", entry->full_key);
        }
    }
    return true;
}

static const struct bench_driver k_hiredis_tls_get = {
    .name = "redisCommandArgv + freeReplyObject, over its TLS",
    .unit = 1,
    .open = hiredis_open,
    .run = hiredis_run,
    .close = hiredis_close,
};

static bool begin_hiredis(const char *ca_file, struct bench_report *report)
{
    const char *why = NULL;
    s_hiredis_context = bench_tls_peer_context_new(ca_file, &why);
    bench_report_note(report,
                      "tls: against hiredis %s with its own TLS (" BENCH_TLS_PEER_FROM ")",
                      bench_tls_peer_version());
    return s_hiredis_context != NULL || bench_broke("hiredis has no TLS context: %s", why);
}

static void end_hiredis(void)
{
    bench_tls_peer_context_free(s_hiredis_context);
    s_hiredis_context = NULL;
}

static bool run_cell(const struct bench_plan *plan, const struct bench_endpoint *endpoint,
                     const struct bench_endpoint *direct, uint32_t n_threads, bool is_noise,
                     struct bench_report *report)
{
    struct bench_cell cell = {
        .group = "tls",
        .ours = is_noise ? &k_hiredis_tls_get : &k_ours_get_into,
        .base = &k_hiredis_tls_get,
        .n_threads = n_threads,
        .max_connections = n_threads > 1 ? 4 : 1,
        .value_bytes = BENCH_SMALL_BYTES,
        .bar = is_noise ? 0 : 1,
        .method = plan->method,
    };
    (void)snprintf(cell.name, sizeof(cell.name), is_noise ? "a/a get %u" : "get %u", n_threads);
    return bench_cell_run(plan, &cell, endpoint, direct, bench_cell_compare, report);
}

static bool run_cells(const struct bench_plan *plan, const struct bench_endpoint *endpoint,
                      const struct bench_endpoint *direct, struct bench_report *report)
{
    return run_cell(plan, endpoint, direct, 1, true, report) &&
           run_cell(plan, endpoint, direct, 1, false, report) &&
           run_cell(plan, endpoint, direct, 64, true, report) &&
           run_cell(plan, endpoint, direct, 64, false, report);
}
#else
static bool begin_hiredis(const char *ca_file, struct bench_report *report)
{
    (void)ca_file;
    bench_report_note(report,
                      "tls: no hiredis with TLS was built: nothing is compared over TLS");
    return true;
}

static void end_hiredis(void)
{
}

static bool run_cells(const struct bench_plan *plan, const struct bench_endpoint *endpoint,
                      const struct bench_endpoint *direct, struct bench_report *report)
{
    (void)plan;
    (void)endpoint;
    (void)direct;
    (void)report;
    return true;
}
#endif

/* --- The group -------------------------------------------------------------------------------- */

static bool run_server(const struct bench_plan *plan, const struct bench_server *like,
                       const char *ca_file, bool has_handshakes, struct bench_report *report)
{
    const struct kit_server_options options = {
        .kind = like->tcp.is_valkey ? KIT_VALKEY : KIT_REDIS, .is_tls = true};
    struct kit_server *server = kit_server_start(&options);
    const struct bench_endpoint endpoint = {
        .server = like->name,
        .transport = "tls",
        .port = kit_server_port(server),
        .is_valkey = like->tcp.is_valkey,
        .ca_file = ca_file,
    };
    const struct bench_endpoint direct = {
        .server = like->name,
        .transport = "unix",
        .unix_socket = kit_server_socket(server),
        .is_valkey = like->tcp.is_valkey,
    };
    bool is_ok = run_cells(plan, &endpoint, &direct, report) &&
                 (!has_handshakes ||
                  bench_handshake_run(plan, &endpoint, &direct, s_hiredis_context, report));
    kit_server_stop(server);
    return is_ok;
}

bool bench_group_tls(const struct bench_plan *plan, struct bench_report *report)
{
    const struct kit_cert ca = kit_cert("ca.pem");
    bool is_ok = begin_hiredis(ca.path, report);
    for (uint32_t i = 0; i < bench_plan_n_servers(plan) && is_ok; i++) {
        is_ok = run_server(plan, &plan->servers[i], ca.path, i == 0, report);
    }
    end_hiredis();
    return is_ok;
}
