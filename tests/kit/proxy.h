/* SPDX-License-Identifier: MIT */
/* kit/proxy.h — a proxy in this process that stands before a real server and does to the bytes
 * what a test tells it to: late, in crumbs, cut, held, changed, byte for byte. One thread of its
 * own; every function here may be called from any thread but that one.
 *
 * What the client sends is read by the strict reader of kit/frame.h before any fault is done to
 * it, what the server answers is cut into replies. kit_proxy_stop() fails the test when a client
 * sent a malformed frame or the proxy met what it could not do.
 *
 * Faults speak of one connection and are counted from the moment they are set on it: for a new
 * connection that is its first byte. */
#ifndef FAC_KIT_PROXY_H
#define FAC_KIT_PROXY_H

#include "kit/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kit_direction {
    KIT_UP,   /* from the client to the server */
    KIT_DOWN, /* from the server to the client */
};

/* The end of a connection. */
enum kit_cut {
    KIT_CUT_NONE,
    KIT_CUT_FIN,  /* both peers see an orderly end */
    KIT_CUT_RST,  /* both peers see a reset */
    KIT_CUT_HALF, /* the receiver of this direction sees an orderly end; the other flows on */
    KIT_CUT_ANY,  /* one of the three, by chance */
};

enum kit_reply_fault {
    KIT_REPLY_PASS,
    KIT_REPLY_INSERT, /* `inserted` before the reply */
    KIT_REPLY_DROP,
    KIT_REPLY_TWICE,
};

enum kit_accept {
    KIT_ACCEPT,
    KIT_ACCEPT_CLOSE, /* accept, then close */
    KIT_ACCEPT_RESET, /* accept, then reset */
    KIT_REFUSE,       /* connect() fails; the port stays the proxy's */
};

/* Of one direction. All zero: bytes pass at once. "By chance" counts are uniform around the mean
 * and drawn anew each time. */
struct kit_flow_faults {
    /* Each byte is sent on so long after it came, or a quarter of that later, 0.1 ms at most; any
     * number is under way. */
    uint64_t delay_ns;
    uint64_t jitter_ns; /* and up to so much more, by chance; bytes never overtake each other */
    size_t chop_bytes;  /* at most so many bytes in one segment; 0: as they came */
    bool is_chop_random; /* 1 to chop_bytes, by chance */
    bool is_held;        /* nothing is sent on; read up to the proxy's buffer_bytes */
    size_t pace_bytes; /* at most so many bytes each pace_ns: a trickle, a bandwidth; 0: all */
    uint64_t pace_ns;

    enum kit_cut cut; /* after cut_after bytes, or by chance with the mean cut_mean */
    uint64_t cut_after;
    uint64_t cut_mean;

    unsigned char
        corrupt_xor; /* 0: none; the byte behind the first corrupt_after, or by chance */
    uint64_t corrupt_after;
    uint64_t corrupt_mean;
};

struct kit_faults {
    struct kit_flow_faults flow[2]; /* by kit_direction */
    enum kit_accept accept;

    /* At a byte by chance, in a direction by chance, after so many replies on the mean. */
    enum kit_cut reply_cut;
    uint64_t reply_cut_mean;

    /* To the reply behind the first reply_after, once; or by chance, again and again. */
    enum kit_reply_fault reply;
    uint64_t reply_after;
    uint64_t reply_mean;
    const char *inserted; /* must live on; NULL: "$8\r\ninserted\r\n" */
};

/* One request of a client, as it came in, on the proxy's thread. It must not assert or call the
 * proxy. `connection` is the number in the order of accepting. */
typedef void kit_request_fn(void *context, size_t connection, const struct kit_frame *frame);

struct kit_proxy_options {
    uint16_t to_port;      /* of a server on 127.0.0.1; or */
    const char *to_unix;   /* its socket: cheaper. Must live on. */
    const char *unix_path; /* listen here too; NULL: on TCP only. Must live on. */
    uint64_t seed;
    size_t buffer_bytes;      /* of one direction of one connection; 0: 4 MiB */
    bool is_opaque;           /* the bytes are no RESP: neither requests nor replies are read */
    bool allows_malformed;    /* the client sends malformed frames on purpose */
    struct kit_faults faults; /* at the start */
    kit_request_fn *on_request; /* or NULL */
    void *context;
};

struct kit_proxy_counts {
    size_t n_accepted; /* connections, those that were closed at once included */
    size_t n_live;
    size_t n_cut;          /* by a fault or by kit_proxy_kill(), half ones included */
    size_t n_unreachable;  /* the server was not there */
    uint64_t bytes_in[2];  /* by kit_direction: as they came */
    uint64_t bytes_out[2]; /* as they were sent on */
    uint64_t n_sends[2];   /* in so many pieces */
    uint64_t n_requests;   /* whole ones */
    uint64_t n_replies;    /* pushes not counted */
    uint64_t n_pushes;
    uint64_t n_malformed; /* at most one a connection: nothing behind it is read as frames */
    uint64_t n_corrupted; /* bytes */
    uint64_t n_reply_faults;
    uint64_t cpu_ns;     /* of its thread */
    char malformed[160]; /* the first one */
};

struct kit_proxy;

/* Asserts that it works. */
struct kit_proxy *kit_proxy_start(const struct kit_proxy_options *options);

/* End its thread and all connections, free; then assert as said above. NULL is fine. */
void kit_proxy_stop(struct kit_proxy *proxy);

uint16_t kit_proxy_port(const struct kit_proxy *proxy);

/* Faults of every connection, the new ones and those there are. In force when this returns. */
void kit_proxy_set(struct kit_proxy *proxy, const struct kit_faults *faults);

/* Of one connection, by its number from 0 in the order of accepting; false when it is gone. */
bool kit_proxy_set_one(struct kit_proxy *proxy, size_t index, const struct kit_faults *faults);

/* Do a fault to the next reply on whatever connection it comes. */
void kit_proxy_inject(struct kit_proxy *proxy, enum kit_reply_fault fault);

/* End every connection now, or one. Done when this returns; says how many. HALF cuts KIT_DOWN. */
size_t kit_proxy_kill(struct kit_proxy *proxy, enum kit_cut how);
bool kit_proxy_kill_one(struct kit_proxy *proxy, size_t index, enum kit_cut how);

struct kit_proxy_counts kit_proxy_counts(struct kit_proxy *proxy);

#endif
