/* SPDX-License-Identifier: MIT */
/* kit/replypeer.c — one thread, one poll() over all connections; every reply passes the hook. */
#include "kit/replypeer.h"

#include "kit/kit.h"
#include "kit/replypeer_keys.h"
#include "kit/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_BYTES = 65536,
    FDS_FIRST = 2 /* of the poll set: the listener and the wake-up pipe come before */
};

struct conn {
    int fd;
    size_t index;
    size_t n_replies;
    bool is_resp3;
    bool is_authenticated;
    unsigned char *in;
    size_t in_len;
    size_t in_cap;
    struct kit_bytes_out out;
    size_t out_sent;
    size_t hold_at;           /* bytes of `out` that may go before hold_until_ms */
    int64_t hold_until_ms;    /* 0: no pause */
    enum kit_reply_then then; /* behind `out` */
    bool is_over;             /* `then` has been done: only its end is awaited */
    struct kit_frame frame;
};

struct kit_replypeer {
    struct kit_replypeer_options options;
    int listen_fd;
    int wake_read_fd;
    int wake_write_fd;
    uint16_t port;
    pthread_t thread;

    struct kit_bytes_out reply; /* the thread's own: the right reply */
    struct pollfd *fds;

    pthread_mutex_t lock; /* guards the rest; the thread holds it but while it polls */
    struct kit_keys *keys;
    struct conn **conns;
    size_t n_conns;
    size_t n_accepted;
    size_t n_commands;
    bool is_stopping;
    bool is_kicking;
    char problem[128];
};

void kit_replypeer_blame(struct kit_replypeer *peer, const char *what)
{
    if (peer->problem[0] == '\0') {
        (void)snprintf(peer->problem, sizeof(peer->problem), "%s", what);
    }
}

/* --- The right reply ------------------------------------------------------------------------- */

static void answer_hello(struct kit_replypeer *peer, struct conn *conn)
{
    static const char k_hello[] = "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"
                                  "$5\r\n7.0.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n"
                                  "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n"
                                  "$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
    const char *password = peer->options.password;
    if (peer->options.is_resp2) {
        kit_out_text(&peer->reply, "-ERR unknown command 'HELLO'\r\n");
        return;
    }
    if (kit_frame_says(&conn->frame, 2, "AUTH")) {
        conn->is_authenticated = password != NULL && kit_frame_says(&conn->frame, 4, password);
    }
    if (!conn->is_authenticated) {
        kit_out_text(&peer->reply, "-WRONGPASS invalid username-password pair\r\n");
        return;
    }
    conn->is_resp3 = true;
    kit_out_text(&peer->reply, k_hello);
}

static bool answer_setup(struct kit_replypeer *peer, struct conn *conn)
{
    static const char k_info[] = "$67\r\n# Server\r\nredis_version:7.0.0\r\n"
                                 "redis_mode:standalone\r\nrole:master\r\n\r\n";
    _Static_assert(sizeof(k_info) == 5 + 67 + 2 + 1, "the length of the text");
    const struct kit_frame *frame = &conn->frame;
    if (kit_frame_says(frame, 0, "HELLO")) {
        answer_hello(peer, conn);
    } else if (kit_frame_says(frame, 0, "AUTH")) {
        const char *password = peer->options.password;
        conn->is_authenticated = password != NULL &&
                                 kit_frame_says(frame, frame->n_args - 1, password);
        kit_out_text(&peer->reply,
                     conn->is_authenticated ? "+OK\r\n" : "-WRONGPASS invalid password\r\n");
    } else if (kit_frame_says(frame, 0, "INFO")) {
        kit_out_text(&peer->reply, k_info);
    } else if (kit_frame_says(frame, 0, "PING")) {
        kit_out_text(&peer->reply, "+PONG\r\n");
    } else if (kit_frame_says(frame, 0, "SELECT") || kit_frame_says(frame, 0, "CLIENT")) {
        kit_out_text(&peer->reply, "+OK\r\n");
    } else {
        return false;
    }
    return true;
}

/* --- One request ----------------------------------------------------------------------------- */

static void send_edited(struct conn *conn, const struct kit_reply *reply)
{
    size_t start = conn->out.len;
    for (unsigned i = 0; i < reply->times; i++) {
        kit_out_bytes(&conn->out, reply->before.data, reply->before.len);
        kit_out_bytes(&conn->out, reply->bytes.data,
                      reply->keep < reply->bytes.len ? reply->keep : reply->bytes.len);
        kit_out_bytes(&conn->out, reply->instead.data, reply->instead.len);
        kit_out_bytes(&conn->out, reply->after.data, reply->after.len);
    }
    if (reply->pause_ms > 0) {
        conn->hold_at = start + reply->pause_at;
        conn->hold_until_ms = kit_now_ms() + reply->pause_ms;
    }
    conn->then = reply->then;
}

static void answer(struct kit_replypeer *peer, struct conn *conn)
{
    peer->reply.len = 0;
    bool is_setup = answer_setup(peer, conn);
    if (!is_setup && !conn->is_authenticated) {
        kit_out_text(&peer->reply, "-NOAUTH Authentication required.\r\n");
        kit_replypeer_blame(peer, "a command of the application without authentication");
    } else if (!is_setup) {
        kit_keys_answer(peer->keys, &conn->frame, conn->is_resp3, &peer->reply);
        peer->n_commands++;
    }
    struct kit_reply reply = {.frame = &conn->frame,
                              .conn = conn->index,
                              .number = conn->n_replies++,
                              .is_setup = is_setup,
                              .bytes = {peer->reply.data, peer->reply.len},
                              .keep = SIZE_MAX,
                              .times = 1};
    if (peer->options.fn != NULL) {
        peer->options.fn(&reply, peer->options.context);
    }
    send_edited(conn, &reply);
}

static bool may_answer(const struct conn *conn)
{
    return conn->then == KIT_REPLY_GO_ON && conn->hold_until_ms == 0;
}

/* Answer what has come; false when it is malformed. */
static bool answer_all(struct kit_replypeer *peer, struct conn *conn)
{
    size_t used = 0;
    bool is_good = true;
    while (may_answer(conn) && is_good) {
        enum kit_frame_result got = kit_frame_parse(&conn->frame, conn->in + used,
                                                    conn->in_len - used);
        if (got == KIT_FRAME_MORE) {
            break;
        }
        is_good = got == KIT_FRAME_WHOLE;
        if (is_good) {
            answer(peer, conn);
            used += conn->frame.bytes;
        } else {
            kit_replypeer_blame(peer, conn->frame.problem);
        }
    }
    conn->in_len -= used;
    if (used > 0) { /* nothing may have come yet, and no buffer be there */
        memmove(conn->in, conn->in + used, conn->in_len);
    }
    return is_good;
}

/* --- Bytes ----------------------------------------------------------------------------------- */

static bool read_some(struct conn *conn)
{
    if (conn->in_cap - conn->in_len < READ_BYTES) {
        conn->in_cap = conn->in_cap * 2 + READ_BYTES;
        conn->in = realloc(conn->in, conn->in_cap);
        if (conn->in == NULL) {
            abort();
        }
    }
    ssize_t got = recv(conn->fd, conn->in + conn->in_len, conn->in_cap - conn->in_len, 0);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    conn->in_len += conn->is_over ? 0 : (size_t)got;
    return got > 0;
}

static size_t sendable(const struct conn *conn)
{
    size_t until = conn->hold_until_ms != 0 ? conn->hold_at : conn->out.len;
    until = until < conn->out.len ? until : conn->out.len;
    return until > conn->out_sent ? until - conn->out_sent : 0;
}

/* Send what may go, then do what comes behind it; false when the connection is to be closed. */
static bool flush(struct conn *conn)
{
    while (!conn->is_over && sendable(conn) > 0) {
        ssize_t sent = send(conn->fd, conn->out.data + conn->out_sent, sendable(conn),
                            MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return errno == EAGAIN;
        }
        conn->out_sent += (size_t)sent;
    }
    if (conn->out_sent < conn->out.len) {
        return true;
    }
    conn->out.len = 0;
    conn->out_sent = 0;
    if (conn->then == KIT_REPLY_RST) {
        struct linger now = {1, 0};
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        return false;
    }
    if (conn->then == KIT_REPLY_FIN && !conn->is_over) {
        (void)shutdown(conn->fd, SHUT_WR); /* closing with unread input would send an RST */
    }
    conn->is_over = conn->then != KIT_REPLY_GO_ON;
    return true;
}

/* One look at a connection; false when it is over. */
static bool serve(struct kit_replypeer *peer, struct conn *conn, short events)
{
    if (conn->hold_until_ms != 0 && kit_now_ms() >= conn->hold_until_ms) {
        conn->hold_until_ms = 0;
    }
    bool is_open = (events & (POLLIN | POLLHUP | POLLERR)) == 0 || read_some(conn);
    /* A reply that set a pause or an end leaves the rest of the input for later. */
    bool is_good = conn->is_over || answer_all(peer, conn);
    return flush(conn) && is_open && is_good;
}

/* --- The thread ------------------------------------------------------------------------------ */

static void free_conn(struct conn *conn)
{
    (void)close(conn->fd);
    kit_frame_fini(&conn->frame);
    free(conn->in);
    free(conn->out.data);
    free(conn);
}

static void accept_one(struct kit_replypeer *peer)
{
    int fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct conn *conn = calloc(1, sizeof(*conn));
    struct conn **conns = realloc(peer->conns, (peer->n_conns + 1) * sizeof(struct conn *));
    if (conn == NULL || conns == NULL) {
        abort();
    }
    conn->fd = fd;
    conn->index = peer->n_accepted++;
    conn->is_authenticated = peer->options.password == NULL;
    peer->conns = conns;
    peer->conns[peer->n_conns++] = conn;
}

/* How long nothing can happen by itself. */
static int prepare_poll(struct kit_replypeer *peer)
{
    peer->fds = realloc(peer->fds, (peer->n_conns + FDS_FIRST) * sizeof(*peer->fds));
    if (peer->fds == NULL) {
        abort();
    }
    peer->fds[0] = (struct pollfd){.fd = peer->listen_fd, .events = POLLIN};
    peer->fds[1] = (struct pollfd){.fd = peer->wake_read_fd, .events = POLLIN};
    int wait_ms = -1;
    for (size_t i = 0; i < peer->n_conns; i++) {
        struct conn *conn = peer->conns[i];
        struct pollfd *fd = &peer->fds[i + FDS_FIRST];
        *fd = (struct pollfd){.fd = conn->fd};
        bool is_waiting = conn->hold_until_ms != 0 || conn->then == KIT_REPLY_STALL;
        fd->events = (short)(is_waiting && !conn->is_over ? 0 : POLLIN);
        if (!conn->is_over && sendable(conn) > 0) {
            fd->events = (short)(fd->events | POLLOUT);
        }
        if (conn->hold_until_ms != 0) {
            int64_t left_ms = conn->hold_until_ms - kit_now_ms();
            left_ms = left_ms < 0 ? 0 : left_ms;
            wait_ms = wait_ms < 0 || left_ms < wait_ms ? (int)left_ms : wait_ms;
        }
    }
    return wait_ms;
}

static void serve_all(struct kit_replypeer *peer, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        struct conn *conn = peer->conns[i];
        short events = peer->fds[i + FDS_FIRST].revents;
        if (events == 0 && conn->hold_until_ms == 0 && sendable(conn) == 0 &&
            !peer->is_kicking) {
            continue;
        }
        if (peer->is_kicking) {
            conn->then = KIT_REPLY_FIN;
        }
        if (!serve(peer, conn, events)) {
            free_conn(conn);
            peer->conns[i] = peer->conns[--peer->n_conns];
        }
    }
    peer->is_kicking = false;
}

static void *run(void *argument)
{
    struct kit_replypeer *peer = argument;
    (void)pthread_mutex_lock(&peer->lock);
    while (!peer->is_stopping) {
        int wait_ms = prepare_poll(peer);
        size_t n = peer->n_conns;
        (void)pthread_mutex_unlock(&peer->lock);
        int n_ready = poll(peer->fds, n + FDS_FIRST, wait_ms);
        (void)pthread_mutex_lock(&peer->lock);
        if (n_ready < 0) {
            continue;
        }
        if (peer->fds[1].revents != 0) {
            char drop[64];
            (void)!read(peer->wake_read_fd, drop, sizeof(drop));
        }
        serve_all(peer, n);
        if (peer->fds[0].revents != 0) {
            accept_one(peer);
        }
    }
    (void)pthread_mutex_unlock(&peer->lock);
    return NULL;
}

/* --- Life ------------------------------------------------------------------------------------ */

struct kit_replypeer *kit_replypeer_start(const struct kit_replypeer_options *options)
{
    struct kit_replypeer *peer = calloc(1, sizeof(*peer));
    int wake[2];
    if (peer == NULL || pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0) {
        abort();
    }
    peer->options = *options;
    peer->wake_read_fd = wake[0];
    peer->wake_write_fd = wake[1];
    peer->keys = kit_keys_new(options->is_mirror);
    (void)pthread_mutex_init(&peer->lock, NULL);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    peer->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(peer->listen_fd, (const struct sockaddr *)&address, len) != 0 ||
        getsockname(peer->listen_fd, (struct sockaddr *)&address, &len) != 0 ||
        listen(peer->listen_fd, 512) != 0) {
        fail_msg("the peer cannot listen: %s", strerror(errno));
    }
    peer->port = ntohs(address.sin_port);
    if (pthread_create(&peer->thread, NULL, run, peer) != 0) {
        abort();
    }
    return peer;
}

static void wake_up(struct kit_replypeer *peer)
{
    (void)!write(peer->wake_write_fd, "", 1); /* a full pipe wakes as well */
}

void kit_replypeer_stop(struct kit_replypeer *peer)
{
    if (peer == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&peer->lock);
    peer->is_stopping = true;
    (void)pthread_mutex_unlock(&peer->lock);
    wake_up(peer);
    (void)pthread_join(peer->thread, NULL);
    while (peer->n_conns > 0) {
        free_conn(peer->conns[--peer->n_conns]);
    }
    (void)close(peer->listen_fd);
    (void)close(peer->wake_read_fd);
    (void)close(peer->wake_write_fd);
    (void)pthread_mutex_destroy(&peer->lock);
    char problem[sizeof(peer->problem)];
    memcpy(problem, peer->problem, sizeof(problem));
    kit_keys_free(peer->keys);
    free(peer->reply.data);
    free(peer->conns);
    free(peer->fds);
    free(peer);
    if (problem[0] != '\0') {
        fail_msg("the peer saw what it should not: %s", problem);
    }
}

uint16_t kit_replypeer_port(const struct kit_replypeer *peer)
{
    return peer->port;
}

static size_t read_locked(struct kit_replypeer *peer, const size_t *counter)
{
    (void)pthread_mutex_lock(&peer->lock);
    size_t n = *counter;
    (void)pthread_mutex_unlock(&peer->lock);
    return n;
}

size_t kit_replypeer_connections(struct kit_replypeer *peer)
{
    return read_locked(peer, &peer->n_accepted);
}

size_t kit_replypeer_open(struct kit_replypeer *peer)
{
    return read_locked(peer, &peer->n_conns);
}

size_t kit_replypeer_commands(struct kit_replypeer *peer)
{
    return read_locked(peer, &peer->n_commands);
}

void kit_replypeer_push(struct kit_replypeer *peer, const void *bytes, size_t len)
{
    (void)pthread_mutex_lock(&peer->lock);
    for (size_t i = 0; i < peer->n_conns; i++) {
        if (peer->conns[i]->then == KIT_REPLY_GO_ON) {
            kit_out_bytes(&peer->conns[i]->out, bytes, len);
        }
    }
    (void)pthread_mutex_unlock(&peer->lock);
    wake_up(peer);
}

void kit_replypeer_kick(struct kit_replypeer *peer)
{
    (void)pthread_mutex_lock(&peer->lock);
    peer->is_kicking = true;
    (void)pthread_mutex_unlock(&peer->lock);
    wake_up(peer);
}

bool kit_replypeer_holds(struct kit_replypeer *peer, const char *key, const char *value)
{
    (void)pthread_mutex_lock(&peer->lock);
    fac_bytes got;
    bool is_there = kit_keys_find(peer->keys, fac_str(key), &got);
    bool holds = is_there && got.len == strlen(value) && memcmp(got.data, value, got.len) == 0;
    (void)pthread_mutex_unlock(&peer->lock);
    return holds;
}
