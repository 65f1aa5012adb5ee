/* SPDX-License-Identifier: MIT */
/* fault/owner_peer.c — accept, read frames, compare owners, answer. */
#include "fault/owner_peer.h"

#include "kit/frame.h"
#include "kit/keyvalue.h"
#include "kit/kit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNS_MAX = 1024,
    IN_BYTES = 64 * 1024,
    OWNER_BYTES = 32,
    KEY_BYTES = 128,
    VALUE_BYTES = 200
};

struct conn {
    int fd;
    char owner[OWNER_BYTES]; /* "" before the first key */
    size_t len;
    unsigned char in[IN_BYTES];
};

struct owner_peer {
    int listen_fd;
    int stop_fds[2];
    uint16_t port;
    pthread_t thread;
    struct conn *conns[CONNS_MAX];
    size_t n_conns;
    struct kit_frame frame;
    atomic_size_t n_accepted;
    atomic_size_t n_commands;
    char problem[256]; /* the first one; read after the join */
};

static void blame(struct owner_peer *peer, const char *what, const char *a, const char *b)
{
    if (peer->problem[0] == '\0') {
        (void)snprintf(peer->problem, sizeof(peer->problem), "%s: %s, %s", what, a, b);
    }
}

/* Everything fits into a socket's buffer: nobody is late to read. */
static void say(const struct conn *conn, const char *bytes, size_t len)
{
    (void)!send(conn->fd, bytes, len, MSG_NOSIGNAL);
}

static void answer_key(struct owner_peer *peer, struct conn *conn,
                       const struct kit_frame *frame)
{
    char key[KEY_BYTES] = "";
    char owner[OWNER_BYTES] = "";
    size_t len = frame->args[1].len < sizeof(key) - 1 ? frame->args[1].len : sizeof(key) - 1;
    memcpy(key, frame->args[1].data, len);
    (void)sscanf(key, "%31[^:]", owner);
    if (conn->owner[0] == '\0') {
        memcpy(conn->owner, owner, sizeof(owner));
    } else if (strcmp(conn->owner, owner) != 0) {
        blame(peer, "two owners on one connection", conn->owner, owner);
    }
    (void)atomic_fetch_add(&peer->n_commands, 1U);
    if (kit_frame_says(frame, 0, "GET")) {
        char reply[VALUE_BYTES + 16];
        int n = snprintf(reply, sizeof(reply), "$%d\r\n", (int)VALUE_BYTES);
        kit_keyvalue_make(reply + n, VALUE_BYTES, key, 7);
        memcpy(reply + n + VALUE_BYTES, "\r\n", 2);
        say(conn, reply, (size_t)n + VALUE_BYTES + 2);
    } else {
        say(conn, "+OK\r\n", 5);
    }
}

static void answer(struct owner_peer *peer, struct conn *conn, const struct kit_frame *frame)
{
    static const char k_hello[] = "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n";
    if (kit_frame_says(frame, 0, "HELLO")) {
        say(conn, k_hello, sizeof(k_hello) - 1);
    } else if (kit_frame_says(frame, 0, "CLIENT") || kit_frame_says(frame, 0, "SELECT")) {
        say(conn, "+OK\r\n", 5);
    } else if (frame->n_args >= 2) {
        answer_key(peer, conn, frame);
    } else {
        say(conn, "+PONG\r\n", 7);
    }
}

/* False when the connection is over. */
static bool serve(struct owner_peer *peer, struct conn *conn)
{
    ssize_t n = recv(conn->fd, conn->in + conn->len, sizeof(conn->in) - conn->len, 0);
    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    conn->len += (size_t)n;
    size_t used = 0;
    for (;;) {
        enum kit_frame_result result = kit_frame_parse(&peer->frame, conn->in + used,
                                                       conn->len - used);
        if (result == KIT_FRAME_MALFORMED) {
            blame(peer, "a malformed frame", peer->frame.problem, conn->owner);
            return false;
        }
        if (result == KIT_FRAME_MORE) {
            break;
        }
        answer(peer, conn, &peer->frame);
        used += peer->frame.bytes;
    }
    conn->len -= used;
    memmove(conn->in, conn->in + used, conn->len);
    return true;
}

static void take_one(struct owner_peer *peer)
{
    int fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct conn *conn = fd >= 0 && peer->n_conns < CONNS_MAX ? calloc(1, sizeof(*conn)) : NULL;
    if (conn == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    conn->fd = fd;
    peer->conns[peer->n_conns++] = conn;
    (void)atomic_fetch_add(&peer->n_accepted, 1U);
}

static void end_conn(struct owner_peer *peer, size_t i)
{
    (void)close(peer->conns[i]->fd);
    free(peer->conns[i]);
    peer->conns[i] = peer->conns[--peer->n_conns];
}

static void *run_peer(void *context)
{
    struct owner_peer *peer = context;
    static struct pollfd fds[CONNS_MAX + 2];
    for (;;) {
        fds[0] = (struct pollfd){.fd = peer->stop_fds[0], .events = POLLIN};
        fds[1] = (struct pollfd){.fd = peer->listen_fd, .events = POLLIN};
        for (size_t i = 0; i < peer->n_conns; i++) {
            fds[i + 2] = (struct pollfd){.fd = peer->conns[i]->fd, .events = POLLIN};
        }
        if (poll(fds, (nfds_t)peer->n_conns + 2, -1) < 0) {
            continue;
        }
        if (fds[0].revents != 0) {
            return NULL;
        }
        for (size_t i = peer->n_conns; i-- > 0;) {
            if (fds[i + 2].revents != 0 && !serve(peer, peer->conns[i])) {
                end_conn(peer, i); /* what takes its place has been served */
            }
        }
        if (fds[1].revents != 0) {
            take_one(peer);
        }
    }
}

struct owner_peer *owner_peer_start(void)
{
    struct owner_peer *peer = calloc(1, sizeof(*peer));
    assert_non_null(peer);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(pipe2(peer->stop_fds, O_CLOEXEC), 0);
    peer->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(peer->listen_fd >= 0);
    assert_int_equal(bind(peer->listen_fd, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(peer->listen_fd, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(listen(peer->listen_fd, 512), 0);
    peer->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&peer->thread, NULL, run_peer, peer), 0);
    return peer;
}

uint16_t owner_peer_port(const struct owner_peer *peer)
{
    return peer->port;
}

size_t owner_peer_n_connections(struct owner_peer *peer)
{
    return atomic_load(&peer->n_accepted);
}

size_t owner_peer_n_commands(struct owner_peer *peer)
{
    return atomic_load(&peer->n_commands);
}

void owner_peer_stop(struct owner_peer *peer)
{
    (void)close(peer->stop_fds[1]);
    assert_int_equal(pthread_join(peer->thread, NULL), 0);
    while (peer->n_conns > 0) {
        end_conn(peer, 0);
    }
    (void)close(peer->stop_fds[0]);
    (void)close(peer->listen_fd);
    kit_frame_fini(&peer->frame);
    char problem[sizeof(peer->problem)];
    memcpy(problem, peer->problem, sizeof(problem));
    free(peer);
    if (problem[0] != '\0') {
        fail_msg("%s", problem);
    }
}
