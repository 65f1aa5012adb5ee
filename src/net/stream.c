/* SPDX-License-Identifier: MIT */
/* net/stream.c — sockets with absolute deadlines.
 *
 * Design notes. The socket blocks, with a receive timeout (the backstop) set once: a caller with
 * more time than that waits in recv itself and needs no poll. The timeout may fire late and makes
 * recv return EINTR under SA_RESTART too; both lead back to the deadline, which is recomputed. A
 * caller with less time polls first. Sends never block. */
#include "net/stream.h"

#include "base/clock.h"
#include "base/error.h"
#include "net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

void faci_stream_init(struct faci_stream *stream)
{
    *stream = (struct faci_stream){.fd = -1};
    faci_mutex_init(&stream->lock);
}

static void close_fd(struct faci_stream *stream)
{
    faci_mutex_lock(&stream->lock);
    if (stream->fd >= 0) {
        (void)close(stream->fd);
        stream->fd = -1;
    }
    faci_mutex_unlock(&stream->lock);
}

void faci_stream_fini(struct faci_stream *stream)
{
    struct faci_layer *layer = stream->layer;
    faci_stream_abandon(stream);
    if (layer != NULL) {
        layer->ops->free(layer);
    }
}

void faci_stream_abandon(struct faci_stream *stream)
{
    close_fd(stream);
    stream->layer = NULL;
    faci_mutex_fini(&stream->lock);
}

void faci_stream_put_layer(struct faci_stream *stream, struct faci_layer *layer)
{
    faci_mutex_lock(&stream->lock);
    stream->layer = layer;
    if (stream->is_shut && layer->ops->shut != NULL) {
        layer->ops->shut(layer);
    }
    faci_mutex_unlock(&stream->lock);
}

fac_status faci_stream_why(const struct faci_stream *stream, fac_error *err)
{
    return stream->layer != NULL ? stream->layer->ops->why(stream, err) : FAC_OK;
}

void faci_stream_lock(struct faci_stream *stream) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_lock(&stream->lock);
    if (stream->layer != NULL) {
        stream->layer->ops->lock(stream->layer);
    }
}

void faci_stream_unlock(struct faci_stream *stream) FACI_NO_LOCK_ANALYSIS
{
    if (stream->layer != NULL) {
        stream->layer->ops->unlock(stream->layer);
    }
    faci_mutex_unlock(&stream->lock);
}

void faci_stream_shut(struct faci_stream *stream)
{
    faci_mutex_lock(&stream->lock);
    stream->is_shut = true;
    if (stream->fd >= 0) {
        (void)shutdown(stream->fd, SHUT_RDWR);
    }
    if (stream->layer != NULL && stream->layer->ops->shut != NULL) {
        stream->layer->ops->shut(stream->layer);
    }
    faci_mutex_unlock(&stream->lock);
}

static bool is_shut(struct faci_stream *stream)
{
    faci_mutex_lock(&stream->lock);
    bool is = stream->is_shut;
    faci_mutex_unlock(&stream->lock);
    return is;
}

/* Options that help but are not needed: a failure to set one is no failure. */
static void set_options(struct faci_stream *stream, int family, uint32_t timeout_ms)
{
    int on = 1;
    if (family != AF_UNIX) {
        (void)setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        (void)setsockopt(stream->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
#ifdef TCP_USER_TIMEOUT
        unsigned user_timeout_ms = timeout_ms;
        (void)setsockopt(stream->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms,
                         sizeof(user_timeout_ms));
#endif
    }
    /* A quarter of the usual wait: an attempt has at least half of it, so it waits in recv. */
    uint32_t backstop_ms = timeout_ms / 4 > 0 ? timeout_ms / 4 : 1;
    struct timeval backstop = {.tv_sec = (time_t)(backstop_ms / 1000),
                               .tv_usec = (suseconds_t)(backstop_ms % 1000) * 1000};
    if (setsockopt(stream->fd, SOL_SOCKET, SO_RCVTIMEO, &backstop, sizeof(backstop)) == 0) {
        stream->backstop_ns = (int64_t)backstop_ms * FACI_NS_PER_MS;
    }
}

static int open_socket(struct faci_stream *stream, int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    faci_mutex_lock(&stream->lock);
    stream->fd = fd;
    bool was_shut = stream->is_shut;
    faci_mutex_unlock(&stream->lock);
    return was_shut ? ECANCELED : 0;
}

/* 0, or the system's error number; ETIMEDOUT at the deadline. */
static int finish_connect(struct faci_stream *stream, int64_t deadline_ns)
{
    if (faci_socket_wait(stream, FACI_READY_READ | FACI_READY_WRITE, deadline_ns) ==
        FACI_READY_LATE) {
        return ETIMEDOUT;
    }
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        return errno;
    }
    return error;
}

/* A Unix socket whose queue is full says EAGAIN at once: ask again each millisecond. */
static int begin_connect(struct faci_stream *stream, const struct faci_address *address,
                         int64_t deadline_ns)
{
    static const struct timespec k_pause = {.tv_nsec = FACI_NS_PER_MS};
    while (connect(stream->fd, (const struct sockaddr *)&address->storage, address->len) != 0) {
        if (errno != EAGAIN || is_shut(stream) || faci_clock_left_ns(deadline_ns) == 0) {
            return errno;
        }
        (void)ppoll(NULL, 0, &k_pause, NULL);
    }
    return 0;
}

static int connect_one(struct faci_stream *stream, const struct faci_address *address,
                       uint32_t timeout_ms, int64_t deadline_ns)
{
    int error = open_socket(stream, address->storage.ss_family);
    if (error != 0) {
        return error;
    }
    error = begin_connect(stream, address, deadline_ns);
    if (error != 0) {
        if (error == EINPROGRESS || error == EINTR) {
            error = finish_connect(stream, deadline_ns);
        }
        if (error != 0) {
            return error;
        }
    }
    set_options(stream, address->storage.ss_family, timeout_ms);
    int flags = fcntl(stream->fd, F_GETFL);
    if (flags < 0 || fcntl(stream->fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
        return errno;
    }
    /* Shut while it connected: shutdown() of an unconnected socket left no trace on it. */
    return is_shut(stream) ? ECANCELED : 0;
}

fac_status faci_stream_connect(struct faci_stream *stream,
                               const struct faci_addresses *addresses, uint32_t timeout_ms,
                               int64_t deadline_ns, fac_error *err)
{
    int first_error =
        0; /* of the address that was preferred: what the others say is a sequel */
    for (size_t i = 0; i < addresses->n; i++) {
        int64_t left_ns = faci_clock_left_ns(deadline_ns);
        if (left_ns == 0) {
            first_error = first_error != 0 ? first_error : ETIMEDOUT;
            break;
        }
        int64_t share_ns = left_ns / (int64_t)(addresses->n - i);
        int error = connect_one(stream, &addresses->list[i], timeout_ms,
                                faci_clock_now_ns() + share_ns);
        if (error == 0) {
            return FAC_OK;
        }
        first_error = first_error != 0 ? first_error : error;
        close_fd(stream);
        if (is_shut(stream)) {
            return faci_fail(err, FAC_E_CLOSED, 0, "the cache was closed");
        }
    }
    char text[96];
    fac_status st = first_error == ETIMEDOUT ? FAC_E_TIMEOUT : FAC_E_UNAVAILABLE;
    return faci_fail(err, st, first_error, "cannot connect: %s",
                     faci_errno_text(first_error, text, sizeof(text)));
}

ssize_t faci_stream_send_some(struct faci_stream *stream, const struct iovec *parts,
                              int n_parts)
{
    if (stream->layer != NULL) {
        return stream->layer->ops->send_some(stream, parts, n_parts);
    }
    if (n_parts == 1) { /* the usual case, and the cheaper call */
        ssize_t sent = 0;
        do {
            sent = send(stream->fd, parts[0].iov_base, parts[0].iov_len,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
        } while (sent < 0 && errno == EINTR);
        return sent;
    }
    struct msghdr message = {0};
    message.msg_iov = (struct iovec *)(uintptr_t)parts; /* sendmsg only reads them */
    message.msg_iovlen = (size_t)n_parts;
    ssize_t n = 0;
    do {
        n = sendmsg(stream->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n;
}

ssize_t faci_stream_receive_some(struct faci_stream *stream, void *buf, size_t cap)
{
    return stream->layer != NULL ? stream->layer->ops->receive_some(stream, buf, cap)
                                 : faci_socket_receive_some(stream, buf, cap);
}

ssize_t faci_stream_receive(struct faci_stream *stream, void *buf, size_t cap,
                            int64_t deadline_ns)
{
    return stream->layer != NULL ? stream->layer->ops->receive(stream, buf, cap, deadline_ns)
                                 : faci_socket_receive(stream, buf, cap, deadline_ns);
}

unsigned faci_stream_wait(struct faci_stream *stream, unsigned wants, int64_t deadline_ns)
{
    return stream->layer != NULL ? stream->layer->ops->wait(stream, wants, deadline_ns)
                                 : faci_socket_wait(stream, wants, deadline_ns);
}

ssize_t faci_socket_receive_some(struct faci_stream *stream, void *buf, size_t cap)
{
    ssize_t n = 0;
    do {
        n = recv(stream->fd, buf, cap, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* The kernel's timer may fire an eighth late, and a tick. */
static int64_t latest_backstop_ns(const struct faci_stream *stream)
{
    return stream->backstop_ns + stream->backstop_ns / 4 + 10 * (int64_t)FACI_NS_PER_MS;
}

ssize_t faci_socket_receive(struct faci_stream *stream, void *buf, size_t cap,
                            int64_t deadline_ns)
{
    for (;;) {
        int64_t left_ns = faci_clock_left_ns(deadline_ns);
        ssize_t n = 0;
        if (stream->backstop_ns > 0 && left_ns >= latest_backstop_ns(stream)) {
            n = recv(stream->fd, buf, cap, 0);
        } else if (left_ns == 0 ||
                   faci_socket_wait(stream, FACI_READY_READ, deadline_ns) == FACI_READY_LATE) {
            errno = ETIME;
            return -1;
        } else {
            n = recv(stream->fd, buf, cap, MSG_DONTWAIT);
        }
        if (n >= 0 || (errno != EAGAIN && errno != EINTR)) {
            return n;
        }
    }
}

unsigned faci_socket_wait(struct faci_stream *stream, unsigned wants, int64_t deadline_ns)
{
    struct pollfd poll_fd = {.fd = stream->fd};
    if ((wants & FACI_READY_READ) != 0) {
        poll_fd.events |= POLLIN;
    }
    if ((wants & FACI_READY_WRITE) != 0) {
        poll_fd.events |= POLLOUT;
    }
    for (;;) {
        struct timespec left = faci_clock_timespec(faci_clock_left_ns(deadline_ns));
        int n = ppoll(&poll_fd, 1, &left, NULL);
        if (n > 0) {
            unsigned ready = 0;
            if ((poll_fd.revents & ~POLLOUT) != 0) {
                ready |= FACI_READY_READ;
            }
            if ((poll_fd.revents & POLLOUT) != 0) {
                ready |= FACI_READY_WRITE;
            }
            return ready;
        }
        if (n == 0 || errno != EINTR) {
            return n == 0 ? FACI_READY_LATE : FACI_READY_READ;
        }
    }
}
