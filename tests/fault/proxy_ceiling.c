/* SPDX-License-Identifier: MIT */
/* fault_proxy_ceiling: what the fault proxy can carry, and what it takes of the processor at the
 * round trips it is used for. A tool that prints; no test. Usage: fault_proxy_ceiling [SECONDS]
 *
 * One thread keeps so many connections busy: each sends a batch of GETs of 100 bytes, waits for
 * all replies, and begins again, not before its turn where a rate is asked for. */
#include "kit/kit.h"
#include "kit/proxy.h"
#include "kit/raw.h"
#include "kit/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 64,
    DEPTH_MAX = 256,
    REPLY_BYTES = 6 + 100 + 2,
    DEFAULT_S = 2
};

static const char k_get[] = "*2\r\n$3\r\nGET\r\n$7\r\nceiling\r\n";

struct client {
    int fd;
    size_t n_left; /* bytes of replies that are still to come; 0: its turn comes */
    uint64_t turn_at_ns;
    uint64_t begun_at_ns;
};

struct load {
    const char *what;
    uint64_t round_trip_ns; /* added by the proxy, half of it each way */
    size_t n_connections;
    size_t depth;
    uint64_t rate;  /* operations a second; 0: as many as can be */
    bool is_direct; /* without the proxy */
};

/* clang-format off */
static const struct load k_loads[] = {
    {"direct",            0,       64,   1,     0, true},
    {"ceiling, depth 1",  0,       64,   1,     0, false},
    {"direct",            0,        4, 256,     0, true},
    {"ceiling, pipeline", 0,        4, 256,     0, false},
    {"0.2 ms, alone",     200000,   1,   1,   500, false},
    {"1 ms, alone",       1000000,  1,   1,   500, false},
    {"5 ms, alone",       5000000,  1,   1,   100, false},
    {"0.2 ms",            200000,  64,   1, 20000, false},
    {"0.2 ms",            200000,  64,   1, 30000, false},
    {"1 ms",              1000000, 64,   1, 20000, false},
    {"1 ms",              1000000, 64,   1, 30000, false},
    {"5 ms",              5000000, 64,   4, 30000, false},
    {"5 ms",              5000000, 64,   8, 50000, false},
    {"1 ms, 4 of ours",   1000000,  4,  32, 50000, false},
};
/* clang-format on */

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int dial(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    assert_true(fd >= 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    assert_return_code(connect(fd, (const struct sockaddr *)&address, sizeof(address)), errno);
    return fd;
}

static void begin(struct client *client, const struct load *load, const char *batch)
{
    size_t len = load->depth * (sizeof(k_get) - 1);
    assert_int_equal(send(client->fd, batch, len, MSG_NOSIGNAL), len);
    client->n_left = load->depth * REPLY_BYTES;
    client->begun_at_ns = now_ns();
}

/* Whose turn has come begins; returns when the next one's comes, for epoll: in milliseconds,
 * rounded down so that nobody is late. */
static int begin_due(struct client *clients, const struct load *load, const char *batch)
{
    uint64_t now = now_ns();
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < load->n_connections; i++) {
        struct client *client = &clients[i];
        if (client->n_left == 0 && client->turn_at_ns <= now) {
            begin(client, load, batch);
            if (load->rate > 0) {
                client->turn_at_ns += load->n_connections * load->depth * 1000000000U /
                                      load->rate;
            }
        } else if (client->n_left == 0 && client->turn_at_ns < next) {
            next = client->turn_at_ns;
        }
    }
    return next == UINT64_MAX ? 100 : (int)((next - now) / 1000000U);
}

static void run(const struct load *load, uint16_t port, struct kit_proxy *proxy,
                unsigned seconds)
{
    struct kit_faults faults = {
        .flow = {{.delay_ns = load->round_trip_ns / 2}, {.delay_ns = load->round_trip_ns / 2}}};
    static char batch[DEPTH_MAX * sizeof(k_get)];
    static char in[65536];
    struct client clients[CONNECTIONS_MAX];
    struct epoll_event events[CONNECTIONS_MAX];
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    kit_proxy_set(proxy, &faults);
    for (size_t i = 0; i < load->depth; i++) {
        memcpy(batch + i * (sizeof(k_get) - 1), k_get, sizeof(k_get) - 1);
    }
    uint64_t start = now_ns();
    for (size_t i = 0; i < load->n_connections; i++) {
        clients[i] = (struct client){.fd = dial(port), .turn_at_ns = start};
        if (load->rate > 0) { /* spread over the first period */
            clients[i].turn_at_ns += i * load->depth * 1000000000U / load->rate;
        }
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        assert_return_code(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, clients[i].fd, &event), errno);
    }
    uint64_t cpu_before = kit_proxy_counts(proxy).cpu_ns;
    uint64_t n_done = 0;
    uint64_t sum_ns = 0;
    start = now_ns();
    while (now_ns() - start < seconds * 1000000000ULL) {
        int wait_ms = begin_due(clients, load, batch);
        int n = epoll_wait(epoll_fd, events, CONNECTIONS_MAX, wait_ms);
        for (int i = 0; i < n; i++) {
            struct client *client = &clients[events[i].data.u64];
            ssize_t got = recv(client->fd, in, sizeof(in), 0);
            assert_true(got > 0 && (size_t)got <= client->n_left);
            client->n_left -= (size_t)got;
            if (client->n_left == 0) {
                n_done += load->depth;
                sum_ns += now_ns() - client->begun_at_ns;
            }
        }
    }
    double took_s = (double)(now_ns() - start) / 1e9;
    double cpu_s = (double)(kit_proxy_counts(proxy).cpu_ns - cpu_before) / 1e9;
    double rate = (double)n_done / took_s;
    (void)printf("%-20s %4zu %6zu %10.0f %9.3f ms", load->what, load->n_connections,
                 load->depth, rate,
                 (double)sum_ns * (double)load->depth / (double)n_done / 1e6);
    if (load->is_direct) {
        (void)printf("%14s\n", "-");
    } else {
        (void)printf("%12.1f %% %8.2f us\n", 100 * cpu_s / took_s,
                     1e6 * cpu_s / (double)n_done);
    }
    for (size_t i = 0; i < load->n_connections; i++) {
        (void)close(clients[i].fd);
    }
    (void)close(epoll_fd);
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : DEFAULT_S;
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    struct kit_server_options server_options = {.kind = KIT_REDIS};
    struct kit_server *server = kit_server_start(&server_options);
    struct kit_raw *raw = kit_raw_unix(kit_server_socket(server));
    char value[101] = "";
    memset(value, 'v', 100);
    (void)kit_raw_ask(raw, "SET", "ceiling", value, NULL);
    kit_raw_close(raw);
    struct kit_proxy_options options = {.to_unix = kit_server_socket(server)};
    struct kit_proxy *proxy = kit_proxy_start(&options);
    (void)printf("%-20s %4s %6s %10s %12s %14s %11s\n", "added round trip", "conn", "depth",
                 "ops/s", "mean trip", "of one core", "per op");
    for (size_t i = 0; i < KIT_COUNT(k_loads); i++) {
        run(&k_loads[i], k_loads[i].is_direct ? kit_server_port(server) : kit_proxy_port(proxy),
            proxy, seconds > 0 ? seconds : DEFAULT_S);
    }
    kit_proxy_stop(proxy);
    kit_server_stop(server);
    return 0;
}
