/* SPDX-License-Identifier: MIT */
/* fault/fuzzing_server.c — the fuzzing server's sockets and threads. Each worker blocks in
 * accept() and serves what it gets to its end. */
#include "fault/fuzzing_server.h"

#include "fault/fuzzing_reply.h"
#include "kit/kit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WORKERS = 16, /* more than a cache may have connections, for those that it has given up */
    INPUT_BYTES = 64 * 1024,
    LATE_MAX_MS = 12 /* beyond most deadlines of the test */
};

struct fuzzing_server {
    bool is_honest;
    int listen_fd;
    int stop_read_fd; /* readable at its end: all workers leave */
    int stop_write_fd;
    uint16_t port;
    pthread_t workers[WORKERS];
    atomic_uint_fast64_t seed;
    atomic_uint_fast64_t n_connections;
    atomic_uint_fast64_t n_commands;
    _Atomic(const char *) problem;
};

struct conn {
    struct fuzzing_server *server;
    int fd;
    struct fuzzing_voice voice;
    struct fuzzing_text out;
    struct kit_frame frame;
    unsigned char in[INPUT_BYTES];
    size_t in_len;
};

/* Wait for the socket; false when the server stops or, with POLLRDHUP, the client has left. */
static bool wait_io(struct conn *conn, short events, int within_ms)
{
    struct pollfd fds[] = {{.fd = conn->fd, .events = events},
                           {.fd = conn->server->stop_read_fd, .events = POLLIN}};
    int n = 0;
    do {
        n = poll(fds, 2, within_ms);
    } while (n < 0 && errno == EINTR);
    return fds[1].revents == 0 && (n == 0 || (fds[0].revents & (POLLERR | POLLRDHUP)) == 0);
}

static bool send_all(struct conn *conn, const unsigned char *at, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(conn->fd, at, len, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (!wait_io(conn, POLLOUT, -1)) {
                return false;
            }
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool say_reply(struct conn *conn, enum fuzzing_fate fate)
{
    const struct fuzzing_text *out = &conn->out;
    if (fate == FUZZING_LATE && !conn->server->is_honest) {
        int late_ms = 1 + (int)(kit_random(&conn->voice.random) % LATE_MAX_MS);
        if (!wait_io(conn, POLLRDHUP, late_ms)) {
            return false;
        }
    }
    if (fate != FUZZING_TRICKLE) {
        return send_all(conn, out->bytes, out->len);
    }
    for (size_t i = 0; i < out->len; i++) {
        if (!send_all(conn, out->bytes + i, 1)) {
            return false;
        }
    }
    return true;
}

/* Do what the reply's fate is; false when the connection is over. */
static bool meet_fate(struct conn *conn, enum fuzzing_fate fate)
{
    struct linger now = {1, 0};
    switch (fate) {
    case FUZZING_GO_ON:
    case FUZZING_TRICKLE:
    case FUZZING_LATE:
        return true;
    case FUZZING_RESET:
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        return false;
    case FUZZING_STALL:
        while (wait_io(conn, POLLRDHUP, -1)) {
        }
        return false;
    case FUZZING_SHUT:
        break;
    }
    return false;
}

/* Read once; false at the end. */
static bool read_some(struct conn *conn)
{
    if (!wait_io(conn, POLLIN, -1) || conn->in_len == INPUT_BYTES) {
        return false;
    }
    ssize_t got = recv(conn->fd, conn->in + conn->in_len, INPUT_BYTES - conn->in_len, 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return true;
    }
    conn->in_len += got > 0 ? (size_t)got : 0;
    return got > 0;
}

/* Answer the commands that have arrived; false when the connection is over. */
static bool answer_all(struct conn *conn)
{
    size_t used = 0;
    bool goes_on = true;
    while (goes_on) {
        enum kit_frame_result result = kit_frame_parse(&conn->frame, conn->in + used,
                                                       conn->in_len - used);
        if (result == KIT_FRAME_MORE) {
            break;
        }
        if (result == KIT_FRAME_MALFORMED) {
            const char *none = NULL;
            (void)atomic_compare_exchange_strong(&conn->server->problem, &none,
                                                 conn->frame.problem);
            return false;
        }
        used += conn->frame.bytes;
        atomic_fetch_add(&conn->server->n_commands, 1);
        enum fuzzing_fate fate = fuzzing_answer(&conn->voice, &conn->frame, &conn->out);
        goes_on = say_reply(conn, fate) && meet_fate(conn, fate);
    }
    conn->in_len -= used;
    memmove(conn->in, conn->in + used, conn->in_len);
    return goes_on;
}

static void *work(void *argument)
{
    struct fuzzing_server *server = argument;
    struct conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        abort();
    }
    conn->server = server;
    for (;;) {
        conn->fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (conn->fd < 0 && (errno == EINTR || errno == ECONNABORTED)) {
            continue;
        }
        if (conn->fd < 0) {
            break; /* the listener was shut down */
        }
        int on = 1;
        (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        uint64_t index = atomic_fetch_add(&server->n_connections, 1);
        uint64_t seed = atomic_load(&server->seed);
        fuzzing_voice_init(&conn->voice, seed ^ (index * UINT64_C(0x9e3779b97f4a7c15)),
                           server->is_honest);
        conn->in_len = 0;
        while (read_some(conn) && answer_all(conn)) {
        }
        (void)close(conn->fd);
    }
    kit_frame_fini(&conn->frame);
    free(conn);
    return NULL;
}

struct fuzzing_server *fuzzing_server_start(bool is_honest)
{
    struct fuzzing_server *server = calloc(1, sizeof(*server));
    int stop[2];
    if (server == NULL || pipe2(stop, O_CLOEXEC) != 0) {
        abort();
    }
    server->is_honest = is_honest;
    server->stop_read_fd = stop[0];
    server->stop_write_fd = stop[1];
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
    } address = {.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address.v4);
    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listen_fd < 0 || bind(server->listen_fd, &address.any, len) != 0 ||
        getsockname(server->listen_fd, &address.any, &len) != 0 ||
        listen(server->listen_fd, 128) != 0) {
        fail_msg("the fuzzing server cannot listen: %s", strerror(errno));
    }
    server->port = ntohs(address.v4.sin_port);
    for (size_t i = 0; i < WORKERS; i++) {
        if (pthread_create(&server->workers[i], NULL, work, server) != 0) {
            abort();
        }
    }
    return server;
}

const char *fuzzing_server_stop(struct fuzzing_server *server)
{
    (void)close(server->stop_write_fd);
    (void)shutdown(server->listen_fd, SHUT_RDWR); /* wakes those in accept() */
    for (size_t i = 0; i < WORKERS; i++) {
        (void)pthread_join(server->workers[i], NULL);
    }
    (void)close(server->listen_fd);
    (void)close(server->stop_read_fd);
    const char *problem = atomic_load(&server->problem);
    free(server);
    return problem;
}

uint16_t fuzzing_server_port(const struct fuzzing_server *server)
{
    return server->port;
}

void fuzzing_server_reseed(struct fuzzing_server *server, uint64_t seed)
{
    atomic_store(&server->seed, seed);
    atomic_store(&server->n_connections, 0);
}

uint64_t fuzzing_server_commands(struct fuzzing_server *server)
{
    return atomic_load(&server->n_commands);
}

uint64_t fuzzing_server_connections(struct fuzzing_server *server)
{
    return atomic_load(&server->n_connections);
}
