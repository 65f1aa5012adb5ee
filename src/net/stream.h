/* SPDX-License-Identifier: MIT */
/* net/stream.h — a connected stream of bytes over TCP or a Unix socket, with absolute deadlines, and
 * whatever stands on it: nothing, TLS, or HTTP. One thread at a time reads it, one at a time writes it; any thread may shut it. Never raises
 * SIGPIPE. */
#ifndef FACI_NET_STREAM_H
#define FACI_NET_STREAM_H

#include "base/sync.h"
#include "net/address.h"

#include <faciliter/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct faci_stream;

/* What a stream does otherwise than a socket. Deadlines, errno and ends as below. */
struct faci_layer;
struct faci_layer_ops {
    ssize_t (*send_some)(struct faci_stream *stream, const struct iovec *parts, int n_parts);
    ssize_t (*receive_some)(struct faci_stream *stream, void *buf, size_t cap);
    ssize_t (*receive)(struct faci_stream *stream, void *buf, size_t cap, int64_t deadline_ns);
    unsigned (*wait)(struct faci_stream *stream, unsigned wants, int64_t deadline_ns);
    fac_status (*why)(const struct faci_stream *stream, fac_error *err);
    void (*shut)(struct faci_layer *layer); /* NULL: that of the socket is enough */
    void (*free)(struct faci_layer *layer); /* says nothing to the peer */
    void (*lock)(struct faci_layer *layer); /* around a fork */
    void (*unlock)(struct faci_layer *layer);
};
struct faci_layer {
    const struct faci_layer_ops *ops;
};

struct faci_stream {
    struct faci_mutex lock;   /* of fd against close, and of is_shut */
    int fd;                   /* -1: not open; changed by the owner, under lock */
    bool is_shut;             /* guarded by lock */
    int64_t backstop_ns;      /* the socket's own receive timeout; 0: none set */
    struct faci_layer *layer; /* NULL: the socket alone; changed by the owner, under lock */
};

void faci_stream_init(struct faci_stream *stream);

/* Closes it. Fine on a stream that was never connected. */
void faci_stream_fini(struct faci_stream *stream);

/*
 * Connect to the first address that accepts. All together have until `deadline_ns`; each gets its
 * share of what is left. `timeout_ms` is the usual wait for an answer: the socket's own timeout is
 * made from it, and a peer that acknowledges nothing for as long is given up by the kernel.
 * FAC_OK, FAC_E_UNAVAILABLE, FAC_E_TIMEOUT, FAC_E_CLOSED (shut meanwhile).
 */
fac_status faci_stream_connect(struct faci_stream *stream,
                               const struct faci_addresses *addresses, uint32_t timeout_ms,
                               int64_t deadline_ns, fac_error *err);

/* Take what the kernel takes now. Bytes taken, or -1 with errno (EAGAIN: none now). */
ssize_t faci_stream_send_some(struct faci_stream *stream, const struct iovec *parts,
                              int n_parts);

/* Bytes received, 0 at the end of the stream, -1 with errno (EAGAIN: none now). */
ssize_t faci_stream_receive_some(struct faci_stream *stream, void *buf, size_t cap);

/* As above, but waits until the deadline: -1 with ETIME. One system call in the usual case. */
ssize_t faci_stream_receive(struct faci_stream *stream, void *buf, size_t cap,
                            int64_t deadline_ns);

enum faci_ready {
    FACI_READY_LATE = 0, /* the deadline passed first */
    FACI_READY_READ = 1,
    FACI_READY_WRITE = 2,
};

/* Wait until it can be read or written, as `wants` says: both are sets of enum faci_ready. Errors of
 * the stream count as readable, asked for or not, and show at the next receive. */
unsigned faci_stream_wait(struct faci_stream *stream, unsigned wants, int64_t deadline_ns);

/* What the layer knows of an end that errno cannot tell (EPROTO): its status and a sentence. FAC_OK:
 * nothing. */
fac_status faci_stream_why(const struct faci_stream *stream, fac_error *err);

/* In a child of fork(): close our copy of the descriptor, and leave what another thread of the parent
 * may have been in the middle of changing. */
void faci_stream_abandon(struct faci_stream *stream);

/* Hold and free its locks around a fork. */
void faci_stream_lock(struct faci_stream *stream);
void faci_stream_unlock(struct faci_stream *stream);

/* End it for both directions: waiting calls return. Any thread, at any time in its life. */
void faci_stream_shut(struct faci_stream *stream);

#endif
