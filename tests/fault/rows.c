/* SPDX-License-Identifier: MIT */
/* fault/rows.c — one table of rows, one way to run them. */
#include "fault/rows.h"

#include "kit/certs.h"
#include "kit/kit.h"
#include "kit/wait.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

enum {
    THREADS = 64,
    CONNECTIONS = 4,
    REPLY_BYTES = 1000,       /* of the usual traffic, on the mean, as TLS carries them */
    HANDSHAKES_BYTES = 16384, /* of TLS, several: most of them must get through */
    SHORT_OPS = 24000,
    BATCH = 8,          /* items of one call that can be sent again */
    TIMEOUT_MS = 30000, /* a busy machine is no failure */
    HEAL_MS = 20000
};

static const struct row_traits {
    const char *name;
    bool is_direct;
    unsigned replies_a_death; /* on the mean; 0: none */
    bool has_deadlines;
} k_rows[ROWS] = {
    [ROW_A1] = {"A1", false, 0, false},
    [ROW_A1_DIRECT] = {"A1 direct", true, 0, false},
    [ROW_A2] = {"A2", false, 1000, false},
    [ROW_A3] = {"A3", false, 0, true},
    [ROW_A123] = {"A1+A2+A3", false, 100, true}, /* calls that end early make fewer replies */
};

const char *row_name(enum row row)
{
    return k_rows[row].name;
}

/* A short round has its deaths in proportion. */
static uint64_t replies_a_death(const struct row_round *round)
{
    uint64_t mean = k_rows[round->row].replies_a_death;
    bool is_short = round->n_ops > 0 && round->n_ops < SHORT_OPS;
    return is_short && mean > 0 ? 1 + mean * round->n_ops / SHORT_OPS : mean;
}

static struct kit_proxy *start_proxy(const struct row_round *round)
{
    const struct row_traits *traits = &k_rows[round->row];
    struct kit_proxy_options options = {.seed = round->seed, .is_opaque = round->is_tls};
    if (round->is_tls) {
        options.to_port = kit_server_port(round->server);
    } else {
        options.to_unix = kit_server_socket(round->server);
    }
    if (traits->replies_a_death > 0 && round->is_tls) {
        /* Rounds over TLS are short: A2 has deaths often enough that none is without one. */
        uint64_t bytes = replies_a_death(round) * REPLY_BYTES;
        for (size_t i = 0; i < 2; i++) {
            options.faults.flow[i].cut = KIT_CUT_ANY;
            uint64_t mean = traits->has_deadlines ? 2 * bytes : bytes / 4;
            options.faults.flow[i].cut_mean = mean > HANDSHAKES_BYTES ? mean : HANDSHAKES_BYTES;
        }
    } else if (traits->replies_a_death > 0) {
        options.faults.reply_cut = KIT_CUT_ANY;
        options.faults.reply_cut_mean = replies_a_death(round);
    }
    if (traits->has_deadlines) {
        options.faults.flow[KIT_UP].jitter_ns = 1000000;
        options.faults.flow[KIT_DOWN].jitter_ns = 1000000;
    }
    return traits->is_direct ? NULL : kit_proxy_start(&options);
}

static fac_cache *open_cache(const struct row_round *round, const struct kit_proxy *proxy)
{
    fac_options options;
    fac_error err;
    fac_cache *cache = NULL;
    fac_options_init(&options);
    options.ignore_environment = true;
    options.provider = FAC_REDIS;
    options.host = "127.0.0.1";
    options.port = proxy != NULL ? kit_proxy_port(proxy) : kit_server_port(round->server);
    options.max_connections = (uint32_t)(round->n_connections > 0 ? round->n_connections
                                                                  : CONNECTIONS);
    options.timeout_ms = TIMEOUT_MS;
    options.retry_on_timeout = FAC_NO;
    options.open = FAC_OPEN_LAZY;
    struct kit_cert ca = {""};
    if (round->is_tls) {
        ca = kit_cert("ca.pem");
        options.tls = FAC_YES;
        options.tls_ca_file = ca.path;
    }
    options.reconnect_max_ms = 50;
    traffic_turn_breaker_off(&options);
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    /* A server that was never reached is tried again after 1 s, and every 30 s at last; one that was,
     * soon. Without that a first handshake that dies, or that no short deadline leaves time for, would
     * have all the calls of the row refused. */
    const struct row_traits *traits = &k_rows[round->row];
    if (traits->replies_a_death > 0 || traits->has_deadlines) {
        KIT_WAIT_FOR(HEAL_MS, fac_cache_exists(cache, fac_str("begun"), NULL, &err) >= 0);
    }
    return cache;
}

/* When the faults are over the cache serves again, and holds no call any more. */
static void expect_healed(fac_cache *cache, fac_stats *out)
{
    fac_error err;
    fac_status st = FAC_OK;
    KIT_WAIT_FOR(HEAL_MS, (st = fac_cache_exists(cache, fac_str("healed"), NULL, &err)) >= 0);
    assert_status(st, FAC_MISS, &err);
    assert_status(fac_cache_stats(cache, NULL, out, sizeof(*out), &err), FAC_OK, &err);
    assert_int_equal(out->calls_waiting, 0);
    assert_int_equal(out->connects, out->disconnects + out->connections_open);
}

/* Before all else: what follows may fail because of it, and would say less. */
static void expect_none_wrong(const struct row_round *round,
                              const struct traffic_result *traffic)
{
    if (traffic->n_wrong > 0) {
        fail_msg("%s, seed 0x%016" PRIx64 ": %" PRIu64 " wrong answers; %s",
                 k_rows[round->row].name, round->seed, traffic->n_wrong, traffic->first_wrong);
    }
}

static void expect_right(const struct row_round *round, const struct row_report *report)
{
    const struct row_traits *traits = &k_rows[round->row];
    const struct traffic_result *traffic = &report->traffic;
    const uint64_t *n = traffic->ledger.n;
    /* Only what was sent again may have overwritten something newer. */
    assert_true(traffic->n_stale <= report->stats.retries * BATCH);
    assert_true(n[KIT_OUTCOME_OK] > 0 && n[KIT_OUTCOME_MISS] > 0);
    assert_int_equal(n[KIT_OUTCOME_SERVER_ERROR], 0);
    assert_int_equal(n[KIT_OUTCOME_CLOSED], 0);
    assert_int_equal(n[KIT_OUTCOME_QUEUE_FULL], 0);
    assert_true(report->stats.connections_open <=
                (round->n_connections > 0 ? round->n_connections : CONNECTIONS));
    if (traits->replies_a_death == 0 && !traits->has_deadlines) {
        assert_int_equal(n[KIT_OUTCOME_OK] + n[KIT_OUTCOME_MISS], traffic->ledger.n_begun);
        assert_int_equal(report->stats.retries, 0);
        assert_int_equal(report->stats.disconnects, 0);
    }
    if (!traits->is_direct) {
        assert_true(round->is_tls || report->proxy.n_requests > 0);
        assert_int_equal(report->proxy.n_malformed, 0);
        assert_int_equal(report->proxy.n_unreachable, 0);
    }
    if (traits->replies_a_death > 0 && !traits->has_deadlines) {
        assert_true(report->proxy.n_cut > 0 && report->stats.disconnects > 0);
    }
    if (traits->has_deadlines) {
        assert_true(traffic->n_timeouts > 0);
        assert_int_equal(report->stats.timeouts, traffic->n_timeouts);
    }
}

void row_run(const struct row_round *round, struct row_report *out)
{
    memset(out, 0, sizeof(*out));
    out->before = kit_procwatch_take();
    struct kit_proxy *proxy = start_proxy(round);
    fac_cache *cache = open_cache(round, proxy);
    struct traffic_options options = {
        .cache = cache,
        .n_threads = round->n_threads > 0 ? round->n_threads : THREADS,
        .n_ops = round->n_ops,
        .duration_ms = round->duration_ms,
        .value_max_bytes = round->value_max_bytes,
        /* A handshake of TLS alone takes longer than the shortest of the others' deadlines. */
        .deadline_max_ms = k_rows[round->row].has_deadlines ? (round->is_tls ? 40 : 4) : 0,
        .seed = round->seed,
    };
    struct traffic *traffic = traffic_start(&options);
    traffic_join(traffic, &out->traffic);
    expect_none_wrong(round, &out->traffic);
    if (proxy != NULL) {
        out->proxy = kit_proxy_counts(proxy);
        kit_proxy_set(proxy, &(struct kit_faults){.accept = KIT_ACCEPT});
    }
    expect_healed(cache, &out->stats);
    fac_cache_close(cache);
    kit_proxy_stop(proxy); /* asserts that no malformed frame went to the server: A10 */
    expect_right(round, out);
    kit_procwatch_assert_back(&out->before, SIZE_MAX / 2);
    (void)malloc_trim(0); /* what the allocator keeps of 64 threads is no leak */
    out->after = kit_procwatch_take();
}
