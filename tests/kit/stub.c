/* SPDX-License-Identifier: MIT */
/* kit/stub.c — the scripted server: one thread accepts, one more serves each connection. */
#include "kit/stub.h"

#include "kit/kit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CONNS_MAX = 512,
    NAMES_MAX = 32,
    NAME_BYTES = 24,
    READ_BYTES = 65536,
    SHUT_WITHIN_MS = 2000
};

struct kit_stub_conn {
    struct kit_stub *stub;
    pthread_t thread;
    size_t index;
    int fd;
    unsigned char *in;
    size_t in_len;
    size_t in_cap;
    size_t in_used; /* of the frame handed out last */
    struct kit_frame frame;
};

struct kit_stub {
    struct kit_stub_options options;
    const struct kit_step **scripts; /* a copy of the options' list */
    int listen_fd;
    int stop_read_fd; /* readable at its end: the stub stops */
    int stop_write_fd;
    uint16_t port;
    pthread_t acceptor;
    struct kit_stub_conn *conns[CONNS_MAX]; /* the acceptor's, then the stopper's */

    pthread_mutex_t lock; /* guards the rest */
    size_t n_conns;
    char problem[256]; /* the first one */
    struct {
        char name[NAME_BYTES];
        size_t count;
    } names[NAMES_MAX];
    size_t n_names;
};

void kit_stub_blame(struct kit_stub_conn *conn, const char *what, const char *detail)
{
    struct kit_stub *stub = conn->stub;
    (void)pthread_mutex_lock(&stub->lock);
    if (stub->problem[0] == '\0') {
        (void)snprintf(stub->problem, sizeof(stub->problem), "connection %zu: %s%s",
                       conn->index, what, detail);
    }
    (void)pthread_mutex_unlock(&stub->lock);
}

static void note_command(struct kit_stub *stub, const struct kit_frame *frame)
{
    (void)pthread_mutex_lock(&stub->lock);
    size_t i = 0;
    while (i < stub->n_names && !kit_frame_says(frame, 0, stub->names[i].name)) {
        i++;
    }
    if (i == stub->n_names && i < NAMES_MAX && frame->args[0].len < NAME_BYTES) {
        memcpy(stub->names[i].name, frame->args[0].data, frame->args[0].len);
        stub->n_names++;
    }
    if (i < NAMES_MAX) {
        stub->names[i].count++;
    }
    (void)pthread_mutex_unlock(&stub->lock);
}

/* --- Bytes ----------------------------------------------------------------------------------- */

/* Wait for the descriptor; false when the stub stops or `within_ms` is over (-1: no bound). */
static bool wait_io(struct kit_stub_conn *conn, short events, int within_ms)
{
    struct pollfd fds[] = {{.fd = conn->fd, .events = events},
                           {.fd = conn->stub->stop_read_fd, .events = POLLIN}};
    int n = 0;
    do {
        n = poll(fds, 2, within_ms);
    } while (n < 0 && errno == EINTR);
    return n > 0 && fds[1].revents == 0;
}

/* Read once; false at the end. */
static bool read_some(struct kit_stub_conn *conn, int within_ms)
{
    if (!wait_io(conn, POLLIN, within_ms)) {
        return false;
    }
    if (conn->in_cap - conn->in_len < READ_BYTES) {
        conn->in_cap = conn->in_cap * 2 + READ_BYTES;
        conn->in = realloc(conn->in, conn->in_cap);
        if (conn->in == NULL) {
            abort();
        }
    }
    ssize_t got = recv(conn->fd, conn->in + conn->in_len, conn->in_cap - conn->in_len, 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return true;
    }
    if (got <= 0) {
        return false;
    }
    conn->in_len += (size_t)got;
    return true;
}

bool kit_stub_send(struct kit_stub_conn *conn, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(conn->fd, at, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            if (!wait_io(conn, POLLOUT, -1)) {
                return false;
            }
            continue;
        }
        if (sent < 0 && errno == EINTR) {
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

bool kit_stub_say(struct kit_stub_conn *conn, const char *text)
{
    return kit_stub_send(conn, text, strlen(text));
}

void kit_stub_drain(struct kit_stub_conn *conn)
{
    conn->in_used = 0;
    while (read_some(conn, -1)) {
        conn->in_len = 0;
    }
}

/* FIN, then wait for the client's: closing with unread input would send an RST. */
void kit_stub_shut(struct kit_stub_conn *conn)
{
    (void)shutdown(conn->fd, SHUT_WR);
    int64_t give_up_at_ms = kit_now_ms() + SHUT_WITHIN_MS;
    while (kit_now_ms() < give_up_at_ms && read_some(conn, SHUT_WITHIN_MS)) {
        conn->in_len = 0;
    }
}

void kit_stub_reset(struct kit_stub_conn *conn)
{
    struct linger now = {1, 0};
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

bool kit_stub_await(struct kit_stub_conn *conn, struct kit_gate *gate)
{
    while (!kit_gate_is_open(gate)) {
        struct pollfd stop = {.fd = conn->stub->stop_read_fd, .events = POLLIN};
        if (poll(&stop, 1, 1) > 0) {
            return false;
        }
    }
    return true;
}

void kit_stub_stall(struct kit_stub_conn *conn)
{
    (void)wait_io(conn, POLLRDHUP, -1);
}

/* --- Commands -------------------------------------------------------------------------------- */

static bool answer_setup(struct kit_stub_conn *conn, const struct kit_frame *frame)
{
    static const char k_hello[] = "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"
                                  "$5\r\n7.0.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n"
                                  "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n"
                                  "$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
    static const char k_info[] = "$67\r\n# Server\r\nredis_version:7.0.0\r\n"
                                 "redis_mode:standalone\r\nrole:master\r\n\r\n";
    _Static_assert(sizeof(k_info) == 5 + 67 + 2 + 1, "the length of the text");
    static const struct {
        const char *name;
        const char *reply;
    } k_replies[] = {
        {"HELLO", k_hello},    {"INFO", k_info},      {"AUTH", "+OK\r\n"},
        {"SELECT", "+OK\r\n"}, {"CLIENT", "+OK\r\n"}, {"PING", "+PONG\r\n"},
    };
    for (size_t i = 0; i < KIT_COUNT(k_replies); i++) {
        if (kit_frame_says(frame, 0, k_replies[i].name)) {
            bool is_refused = i == 0 && conn->stub->options.is_resp2;
            (void)kit_stub_say(conn, is_refused ? "-ERR unknown command 'HELLO'\r\n"
                                                : k_replies[i].reply);
            return true;
        }
    }
    return false;
}

const struct kit_frame *kit_stub_next(struct kit_stub_conn *conn)
{
    for (;;) {
        if (conn->in_used > 0) {
            conn->in_len -= conn->in_used;
            memmove(conn->in, conn->in + conn->in_used, conn->in_len);
            conn->in_used = 0;
        }
        switch (kit_frame_parse(&conn->frame, conn->in, conn->in_len)) {
        case KIT_FRAME_MALFORMED:
            kit_stub_blame(conn, "malformed frame: ", conn->frame.problem);
            return NULL;
        case KIT_FRAME_MORE:
            if (!read_some(conn, -1)) {
                return NULL;
            }
            break;
        case KIT_FRAME_WHOLE:
            conn->in_used = conn->frame.bytes;
            if (!conn->stub->options.is_bare && answer_setup(conn, &conn->frame)) {
                break;
            }
            note_command(conn->stub, &conn->frame);
            return &conn->frame;
        }
    }
}

/* --- Life ------------------------------------------------------------------------------------ */

static void *serve(void *argument)
{
    struct kit_stub_conn *conn = argument;
    const struct kit_stub_options *options = &conn->stub->options;
    if (options->scripts != NULL) {
        size_t last = options->n_scripts - 1;
        (void)kit_stub_run(conn, options->scripts[conn->index < last ? conn->index : last]);
    } else {
        options->fn(conn, options->context);
    }
    (void)close(conn->fd);
    return NULL;
}

static void *accept_all(void *argument)
{
    struct kit_stub *stub = argument;
    for (;;) {
        struct pollfd fds[] = {{.fd = stub->listen_fd, .events = POLLIN},
                               {.fd = stub->stop_read_fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno == EINTR) {
            continue;
        }
        if (fds[1].revents != 0 || stub->n_conns == CONNS_MAX) {
            return NULL;
        }
        int fd = accept4(stub->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct kit_stub_conn *conn = fd >= 0 ? calloc(1, sizeof(*conn)) : NULL;
        if (conn == NULL) {
            continue;
        }
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        conn->stub = stub;
        conn->fd = fd;
        (void)pthread_mutex_lock(&stub->lock);
        conn->index = stub->n_conns;
        stub->conns[stub->n_conns++] = conn;
        (void)pthread_mutex_unlock(&stub->lock);
        if (pthread_create(&conn->thread, NULL, serve, conn) != 0) {
            abort();
        }
    }
}

static bool bind_unix(struct kit_stub *stub)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(stub->options.unix_path);
    if (len >= sizeof(address.sun_path)) {
        return false;
    }
    memcpy(address.sun_path, stub->options.unix_path, len + 1);
    stub->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return bind(stub->listen_fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool bind_tcp(struct kit_stub *stub)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t len = 0;
    if (stub->options.is_ipv6) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
        len = sizeof(address.v6);
    } else {
        address.v4.sin_family = AF_INET;
        address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        len = sizeof(address.v4);
    }
    stub->listen_fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                             0);
    if (stub->listen_fd < 0 || bind(stub->listen_fd, &address.any, len) != 0 ||
        getsockname(stub->listen_fd, &address.any, &len) != 0) {
        return false;
    }
    stub->port = ntohs(stub->options.is_ipv6 ? address.v6.sin6_port : address.v4.sin_port);
    return true;
}

/* The list only: the scripts themselves are mostly constants. */
static void copy_scripts(struct kit_stub *stub)
{
    size_t n = stub->options.n_scripts;
    if (stub->options.scripts == NULL) {
        return;
    }
    stub->scripts = calloc(n, sizeof(*stub->scripts));
    if (stub->scripts == NULL) {
        abort();
    }
    memcpy(stub->scripts, stub->options.scripts, n * sizeof(*stub->scripts));
    stub->options.scripts = stub->scripts;
}

struct kit_stub *kit_stub_start(const struct kit_stub_options *options)
{
    struct kit_stub *stub = calloc(1, sizeof(*stub));
    int stop[2];
    if (stub == NULL || pipe2(stop, O_CLOEXEC) != 0) {
        abort();
    }
    stub->options = *options;
    copy_scripts(stub);
    stub->stop_read_fd = stop[0];
    stub->stop_write_fd = stop[1];
    (void)pthread_mutex_init(&stub->lock, NULL);
    bool is_bound = options->unix_path != NULL ? bind_unix(stub) : bind_tcp(stub);
    if (!is_bound || listen(stub->listen_fd, 128) != 0) {
        fail_msg("the stub cannot listen: %s", strerror(errno));
    }
    if (pthread_create(&stub->acceptor, NULL, accept_all, stub) != 0) {
        abort();
    }
    return stub;
}

void kit_stub_stop(struct kit_stub *stub)
{
    if (stub == NULL) {
        return;
    }
    (void)close(stub->stop_write_fd);
    (void)pthread_join(stub->acceptor, NULL);
    for (size_t i = 0; i < stub->n_conns; i++) {
        struct kit_stub_conn *conn = stub->conns[i];
        (void)pthread_join(conn->thread, NULL);
        kit_frame_fini(&conn->frame);
        free(conn->in);
        free(conn);
    }
    (void)close(stub->listen_fd);
    (void)close(stub->stop_read_fd);
    (void)pthread_mutex_destroy(&stub->lock);
    char problem[sizeof(stub->problem)];
    memcpy(problem, stub->problem, sizeof(problem));
    free(stub->scripts);
    free(stub);
    if (problem[0] != '\0') {
        fail_msg("the stub saw what it should not: %s", problem);
    }
}

uint16_t kit_stub_port(const struct kit_stub *stub)
{
    return stub->port;
}

size_t kit_stub_index(const struct kit_stub_conn *conn)
{
    return conn->index;
}

size_t kit_stub_connections(struct kit_stub *stub)
{
    (void)pthread_mutex_lock(&stub->lock);
    size_t n = stub->n_conns;
    (void)pthread_mutex_unlock(&stub->lock);
    return n;
}

size_t kit_stub_commands(struct kit_stub *stub, const char *name)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&stub->lock);
    for (size_t i = 0; i < stub->n_names; i++) {
        if (name == NULL || strcasecmp(name, stub->names[i].name) == 0) {
            count += stub->names[i].count;
        }
    }
    (void)pthread_mutex_unlock(&stub->lock);
    return count;
}
