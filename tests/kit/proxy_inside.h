/* SPDX-License-Identifier: MIT */
/* kit/proxy_inside.h — what the files of the proxy share. Everything here is guarded by the
 * proxy's lock; its thread holds it but while it waits. */
#ifndef FAC_KIT_PROXY_INSIDE_H
#define FAC_KIT_PROXY_INSIDE_H

#include "kit/proxy.h"
#include "kit/reply_cut.h"

#include <pthread.h>

#define KIT_NEVER UINT64_MAX /* of a moment in nanoseconds, or of a place in a stream */

enum {
    KIT_PROXY_READ_BYTES = 65536
};

struct proxy_conn;

/* One of the two sockets of a connection; side[d] is where direction d comes from. */
struct proxy_side {
    struct proxy_conn *conn;
    int fd; /* -1: closed */
    bool can_read;
    bool can_write;      /* false too while connect() is under way */
    bool waits_to_write; /* the kernel is asked to tell when it can */
    bool is_hung_up;     /* the peer has ended: what is left to read ends with 0 */
};

/* The bytes before place `upto` may go on at `due_at_ns`. */
struct proxy_mark {
    uint64_t upto;
    uint64_t due_at_ns;
};

/* One direction. Places count bytes from the start of the connection. */
struct proxy_flow {
    struct kit_flow_faults faults;
    uint64_t random;
    unsigned char *buf; /* from place n_out to n_in, starting at `at` */
    size_t at;
    size_t cap;
    struct proxy_mark *marks; /* a ring */
    size_t mark_first;
    size_t n_marks;
    size_t mark_cap;
    uint64_t n_in;
    uint64_t n_due; /* may go on, by its age */
    uint64_t n_out;
    uint64_t cut_at;
    enum kit_cut cut_how;
    uint64_t corrupt_at;
    size_t pace_left;
    uint64_t pace_at_ns; /* pace_left is filled up then */
    bool has_ended;      /* the sender ended; to be told at end_at_ns */
    uint64_t end_at_ns;
    bool is_shut; /* the receiver was told; what still comes is thrown away */
};

struct proxy_conn {
    struct kit_proxy *proxy;
    size_t index;
    uint64_t random;
    struct proxy_side side[2]; /* the client, the server */
    struct proxy_flow flow[2]; /* by kit_direction */
    bool is_ready;             /* an event came */
    bool is_draining;          /* both peers were told the end: read until they end too */
    bool is_dead;              /* closed; freed at the end of the round */
    enum kit_cut kill;         /* asked for by another thread */
    uint64_t wake_at_ns;

    unsigned char *frame_bytes; /* the beginning of a frame */
    size_t frame_len;
    size_t frame_cap;
    bool is_malformed;

    struct kit_reply_cut cut;
    uint64_t n_replies;
    enum kit_cut reply_cut;
    uint64_t reply_cut_at; /* by n_replies */
    uint64_t reply_cut_mean;
    enum kit_reply_fault reply; /* of the next ones */
    uint64_t reply_at;
    uint64_t reply_mean;
    const char *inserted;
    enum kit_reply_fault doing; /* to the reply under way */
    unsigned char *twice;       /* a copy of it */
    size_t twice_len;
    size_t twice_cap;
};

struct kit_proxy {
    struct kit_proxy_options options;
    int listen_fd;
    int unix_fd; /* -1: none */
    int epoll_fd;
    int wake_fd; /* an eventfd */
    uint16_t port;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t round_ended;
    struct kit_faults faults;
    bool is_refusing;
    bool is_over;
    size_t n_kills; /* asked for and not yet done */
    enum kit_reply_fault inject;
    struct proxy_conn **conns;
    size_t n_conns;
    size_t cap_conns;
    struct kit_proxy_counts counts;
    struct kit_frame frame;
    char problem[160]; /* of the proxy itself */
    unsigned char read_buf[KIT_PROXY_READ_BYTES];
};

/* --- proxy.c ---------------------------------------------------------------------------------- */

uint64_t proxy_now_ns(void);

/* Make room for `need` bytes in all. */
void *proxy_grow(void *memory, size_t *cap, size_t need, size_t one_bytes);

/* A number around the mean, at least 1. */
uint64_t proxy_draw(struct proxy_conn *conn, uint64_t mean);

/* Ask to be told when a side can be written to, or no longer. */
void proxy_side_watch(struct proxy_side *side, bool waits_to_write);

/* --- proxy_pump.c ----------------------------------------------------------------------------- */

/* Put the faults on a connection; counts begin here. */
void proxy_conn_set(struct proxy_conn *conn, const struct kit_faults *faults);

/* Do all that can be done now; sets wake_at_ns. */
void proxy_conn_pump(struct proxy_conn *conn, uint64_t now_ns);

/* End it; `direction` is that of a half cut. */
void proxy_conn_cut(struct proxy_conn *conn, enum kit_cut how, enum kit_direction direction);

/* Close both sockets. */
void proxy_conn_close(struct proxy_conn *conn, bool is_reset);

void proxy_conn_free(struct proxy_conn *conn);

/* --- proxy_look.c ----------------------------------------------------------------------------- */

/* Read requests in what a client sent. */
void proxy_look_up(struct proxy_conn *conn, const unsigned char *bytes, size_t len);

/* Cut what a server answered into replies, do the faults on them, and append what goes on. */
void proxy_look_down(struct proxy_conn *conn, const unsigned char *bytes, size_t len,
                     uint64_t now_ns);

/* Append bytes to a direction. */
void proxy_flow_append(struct proxy_flow *flow, const unsigned char *bytes, size_t len,
                       uint64_t now_ns);

#endif
