/* SPDX-License-Identifier: MIT */
/* bench/handshake.c — from connect() until TLS stands: whole, with a ticket of the connection before
 * it, and hiredis's, which keeps no tickets.
 *
 * The library's own streams are used, since through a cache a command would be in the figure. Tickets
 * come behind the handshake (TLS 1.3): who reads nothing gets none, and the next handshake is whole.
 * Before each measurement the server has answered on another connection, so that it is idle. */
#include "handshake.h"

#ifdef FAC_BENCH_HAS_TLS_PEER
#    include "tls_peer.h"
#endif

#include "base/clock.h"
#include "base/mem.h"
#include "net/tls.h"

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <string.h>

enum {
    N_WARM = 3,
    N_TURNS = 150,
    N_QUICK_TURNS = 15,
    TIMEOUT_MS = 5000,
    N_SIDES = 3,
};

static const char k_group[] = "tls";

enum side {
    WHOLE,
    RESUMED,
    HIREDIS,
};

struct bout {
    struct faci_tls *tls[2]; /* WHOLE, RESUMED: tickets belong to one of these */
    struct faci_addresses address;
    redisContext *direct;
    void *hiredis_context;
    int port;
};

static void set_address(struct bout *bout, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bout->address.n = 1;
    bout->address.list[0].len = sizeof(address);
    memcpy(&bout->address.list[0].storage, &address, sizeof(address));
}

/* One answer over TLS: tickets came before it. */
static bool read_tickets(struct faci_stream *stream, int64_t deadline_ns)
{
    static const char k_ping[] = "PING\r\n";
    const struct iovec part = {.iov_base = (void *)(uintptr_t)k_ping,
                               .iov_len = sizeof(k_ping) - 1};
    char answer[64];
    return faci_stream_send_some(stream, &part, 1) == (ssize_t)part.iov_len &&
           faci_stream_receive(stream, answer, sizeof(answer), deadline_ns) > 0;
}

static bool time_ours(struct bout *bout, enum side side, double *out_us)
{
    struct faci_stream stream;
    fac_error err = {0};
    faci_stream_init(&stream);
    const int64_t deadline_ns = faci_clock_now_ns() + (int64_t)TIMEOUT_MS * FACI_NS_PER_MS;
    const uint64_t began_ns = bench_now_ns();
    bool is_ok = faci_stream_connect(&stream, &bout->address, TIMEOUT_MS, deadline_ns, &err) ==
                     FAC_OK &&
                 faci_tls_secure(bout->tls[side], &stream, deadline_ns, &err) == FAC_OK;
    *out_us = (double)(bench_now_ns() - began_ns) / 1e3;
    is_ok = is_ok && (side == WHOLE || read_tickets(&stream, deadline_ns));
    faci_stream_fini(&stream);
    return is_ok || bench_broke("handshake: %s", err.message);
}

static bool time_hiredis(struct bout *bout, double *out_us)
{
#ifdef FAC_BENCH_HAS_TLS_PEER
    char why[160] = "";
    const uint64_t began_ns = bench_now_ns();
    void *peer = bench_tls_peer_open(bout->hiredis_context, bout->port, why, sizeof(why));
    *out_us = (double)(bench_now_ns() - began_ns) / 1e3;
    bench_tls_peer_close(peer);
    return peer != NULL || bench_broke("handshake of hiredis: %s", why);
#else
    (void)bout;
    (void)out_us;
    return bench_broke("no hiredis with TLS");
#endif
}

static bool await_idle(struct bout *bout)
{
    redisReply *reply = redisCommand(bout->direct, "PING");
    if (reply != NULL) {
        freeReplyObject(reply);
    }
    return reply != NULL || bench_broke("PING: %s", bout->direct->errstr);
}

/* The sides in turn, so that what drifts touches all alike. */
static bool run_turns(struct bout *bout, uint32_t n_turns, double *medians)
{
    const uint32_t n_sides = N_SIDES - (bout->hiredis_context != NULL ? 0U : 1U);
    static double times_us[N_SIDES][N_TURNS];
    for (uint32_t i = 0; i < N_WARM + n_turns; i++) {
        for (uint32_t side = 0; side < n_sides; side++) {
            double us = 0;
            if (bench_is_interrupted() || !await_idle(bout) ||
                !(side == HIREDIS ? time_hiredis(bout, &us)
                                  : time_ours(bout, (enum side)side, &us))) {
                return false;
            }
            if (i >= N_WARM) {
                times_us[side][i - N_WARM] = us;
            }
        }
    }
    for (uint32_t side = 0; side < n_sides; side++) {
        medians[side] = bench_median(times_us[side], n_turns);
    }
    return true;
}

/* That they were what they are called. */
static bool check_reports(struct bout *bout)
{
    struct faci_tls_report whole;
    struct faci_tls_report resumed;
    faci_tls_report(bout->tls[WHOLE], &whole);
    faci_tls_report(bout->tls[RESUMED], &resumed);
    return (whole.resumed == 0 && resumed.resumed == resumed.handshakes - 1) ||
           bench_broke("%llu of %llu handshakes were resumed, and %llu of %llu",
                       (unsigned long long)resumed.resumed,
                       (unsigned long long)resumed.handshakes,
                       (unsigned long long)whole.resumed, (unsigned long long)whole.handshakes);
}

static bool add_row(struct bench_report *report, const char *name, const char *where,
                    const char *what, double us, double bar)
{
    (void)fprintf(stderr, "%-10s %-16s %-22s %.0f us\n", k_group, name, where, us);
    return bench_report_add_value(report, k_group, name, where,
                                  &(struct bench_value){BENCH_TIME, what, us, bar});
}

static bool add_rows(const struct bout *bout, const char *where, const double *medians,
                     struct bench_report *report)
{
    struct faci_tls_report last;
    faci_tls_report(bout->tls[WHOLE], &last);
    bench_report_note(report, "tls: %s: %s, %s", where, last.last.version, last.last.cipher);
    return add_row(report, "whole", where, "connect and a whole handshake, ours",
                   medians[WHOLE], -1) &&
           add_row(report, "resumed", where, "connect and a handshake with a ticket, ours",
                   medians[RESUMED], medians[WHOLE]) &&
           (bout->hiredis_context == NULL ||
            add_row(report, "hiredis", where, "connect and a whole handshake, hiredis",
                    medians[HIREDIS], -1));
}

static bool open_bout(struct bout *bout, const struct bench_endpoint *endpoint,
                      const struct bench_endpoint *direct)
{
    fac_error err = {0};
    const struct faci_tls_options options = {.alloc = &k_faci_libc,
                                             .name = "127.0.0.1",
                                             .ca_file = endpoint->ca_file,
                                             .min_version = 12};
    set_address(bout, endpoint->port);
    bout->port = endpoint->port;
    bout->direct = redisConnectUnix(direct->unix_socket);
    return (bout->direct != NULL && bout->direct->err == 0 &&
            faci_tls_open(&options, &bout->tls[WHOLE], &err) == FAC_OK &&
            faci_tls_open(&options, &bout->tls[RESUMED], &err) == FAC_OK) ||
           bench_broke("handshake: %s", err.message);
}

bool bench_handshake_run(const struct bench_plan *plan, const struct bench_endpoint *endpoint,
                         const struct bench_endpoint *direct, void *hiredis_context,
                         struct bench_report *report)
{
    char where[64];
    (void)snprintf(where, sizeof(where), "%s %s", endpoint->server, endpoint->transport);
    if (!bench_is_wanted(plan, "whole resumed hiredis", where)) {
        return true;
    }
    struct bout bout = {.hiredis_context = hiredis_context};
    double medians[N_SIDES] = {0};
    bool is_ok = open_bout(&bout, endpoint, direct) &&
                 run_turns(&bout, plan->is_quick ? N_QUICK_TURNS : N_TURNS, medians) &&
                 check_reports(&bout) && add_rows(&bout, where, medians, report);
    faci_tls_free(bout.tls[WHOLE]);
    faci_tls_free(bout.tls[RESUMED]);
    if (bout.direct != NULL) {
        redisFree(bout.direct);
    }
    return is_ok;
}
