/* SPDX-License-Identifier: MIT */
/* engine/conn.h — one connection: its stream, its buffers, and the line of requests that are under
 * way on it.
 *
 * It is used in one of two ways. *Shared*, any number of callers put requests on it (mux.h): then
 * what stands under `lock` belongs to the lock, the reading side to whoever reads, the sending
 * side to whoever sends. *Exclusive*, one caller has all of it (pipeline.h) and needs no lock. */
#ifndef FACI_ENGINE_CONN_H
#define FACI_ENGINE_CONN_H

#include "base/buf.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/sync.h"
#include "engine/command.h"
#include "engine/slot.h"
#include "net/stream.h"
#include "resp/encode.h"
#include "resp/reader.h"

#include <faciliter/alloc.h>
#include <faciliter/error.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* Requests that one exclusive caller has under way: with fewer the server waits while the
     * caller takes replies. */
    FACI_CONN_PIPELINE_SLOTS = 512,
    FACI_CONN_SHARED_MAX = 65536, /* requests under way on a shared connection: more is BUSY */
    FACI_CONN_GATHER_BYTES = 1 << 20, /* the same, for bytes that are not sent yet */
    FACI_CONN_RX_BYTES = 16 * 1024,   /* what one receive takes at first */
    FACI_CONN_RX_MAX_BYTES = 1 << 18, /* and at most, while large replies come */
    FACI_CONN_TX_BYTES = 8 * 1024,    /* what a buffer to send keeps when no more is needed */
    FACI_CONN_COPY_BYTES = 64 * 1024, /* larger arguments are sent from the caller's memory */
    FACI_CONN_SHRINK_AFTER = 16,      /* users who did not need large buffers: they get small */
};

/* What a server told of itself when the connection was set up. */
struct faci_identity {
    char server[24];
    char version[24];
    char role[16];
    uint32_t protocol; /* 2 or 3 */
};

struct faci_asker; /* password.h */
struct faci_tls;   /* net/tls.h */
struct faci_http;  /* net/http.h */

/* What all connections of an engine count together. */
struct faci_tally {
    atomic_ullong late_replies; /* came after their caller had left */
    atomic_ullong batches;      /* sends */
    atomic_ullong batched;      /* requests in them */
};

/* One engine's settings. Strings are borrowed from whoever made the engine. */
struct faci_engine_config {
    const fac_allocator *alloc;
    struct faci_log log;
    const char *unix_socket; /* NULL: TCP */
    const char *host;
    uint16_t port;
    uint32_t db;
    const char *username;               /* NULL: none */
    const struct faci_secret *password; /* NULL: none */
    const char *password_file;          /* NULL: none */
    struct faci_asker *asker;           /* NULL: nobody is asked for it; borrowed */
    struct faci_tls *tls;               /* NULL: plain text; borrowed */
    struct faci_http *http;             /* NULL: RESP; borrowed */
    uint32_t max_connections;
    uint32_t timeout_ms;
    bool retry_on_timeout;
    uint32_t max_retries;      /* attempts beyond the first */
    bool has_breaker;          /* false: it never opens */
    uint32_t breaker_open_ms;  /* its first step; the longest is five times that */
    uint32_t reconnect_max_ms; /* the longest pause of the back-off */
    uint32_t integrity_every;  /* commands between two checks of the connection; 0: none */
    uint64_t max_value_bytes;  /* of one bulk string in a reply */
};

struct faci_request {
    const struct faci_command *command;
    const struct faci_arg
        *args; /* the command's name among them; borrowed until submit returns */
    size_t n_args;
    struct faci_sink *sink;   /* gets the reply if it is no error; lives until release or the
                                 connection's death; NULL: only the slot's own fields matter */
    uint64_t max_reply_bytes; /* 0: no limit but the reader's own */
};

/* Groups whose sleepers have to be woken, as the replies of one receive are taken in. */
struct faci_wakes {
    struct {
        struct faci_slot_group *group;
        uint32_t bits;
    } list[8];
    unsigned n;
};

struct faci_conn {
    const struct faci_engine_config *config;
    struct faci_tally *tally; /* NULL: nobody counts */
    struct faci_stream stream;
    struct faci_identity identity;
    struct faci_line line; /* the tail is the appenders', due the reader's */

    /* The reading side: the reader's. */
    struct faci_reader reader;
    unsigned char *rx;
    size_t rx_cap;
    bool is_roomy;     /* this user needed more than FACI_CONN_RX_BYTES of rx */
    unsigned n_vain;   /* times in a row that a reader looked for one, and none came */
    unsigned n_asleep; /* times that readers go to sleep at once before one looks again */
    struct faci_wakes wakes;

    /* The sending side: the sender's. */
    struct faci_buf out;  /* frames being sent; empty unless shared */
    atomic_bool has_rest; /* the kernel did not take all of it */

    /* Replies taken in. Written by the reader; another may look while it does. */
    _Atomic uint64_t n_done;

    /* How far the reader may go: requests whose frames were handed to the sending side. Written by
     * the sender before the first byte leaves. */
    _Atomic uint64_t n_flushed;

    /* Under the lock while shared. */
    struct faci_mutex lock;
    struct faci_buf tx;       /* frames that gather */
    uint64_t n_appended;      /* requests put on it */
    uint64_t n_answered;      /* n_done as of the reader's last look */
    struct faci_slot *newest; /* the last one appended by a caller */
    unsigned n_cancelled;     /* unsent ones whose callers have left */
    bool has_reader;          /* somebody reads, or is woken to */
    bool has_sender;          /* somebody sends */
    bool was_wordy;           /* more than FACI_CONN_TX_BYTES were sent at once of late */
    unsigned n_cramped;       /* users in a row who needed no large buffer, while one was */
    uint64_t timed_seq;       /* a round trip is measured: until n_done reaches this; 0: none */
    int64_t timed_ns;         /* since when */
    uint32_t n_unchecked;     /* requests since the last integrity check */
    int64_t watch_after_ns;   /* no watch before; 0: at any time */
    uint64_t nonce;           /* of that check */
    _Atomic int64_t progress_ns;   /* when it last began to wait, or something came */
    _Atomic int64_t heard_ns;      /* when something came last */
    _Atomic int64_t round_trip_ns; /* the shortest of late; 0: not known yet */
    int64_t round_trip_next_ns;    /* the shortest of the present period */
    int64_t round_trip_until_ns;   /* its end */

    bool is_ready;           /* the handshake is over */
    atomic_bool is_poisoned; /* the stream's position is in doubt: nothing is matched */
    atomic_bool has_verdict; /* somebody has it in hand to say why */
    atomic_bool is_dead;     /* the three below are valid */
    fac_status death;
    int death_errno;
    const char *death_text;
    uint64_t n_sent;  /* bytes given to the kernel by an exclusive user */
    uint64_t n_taken; /* of n_appended: requests that were released, or were another user's */

    /* The pool's. */
    atomic_uint users; /* callers that have a part in it, and the flags of lanes.h */
    bool is_exclusive; /* lent to one caller alone, or not ready yet */
    struct faci_conn *prev;
    struct faci_conn *next_all;
    struct faci_conn *next_idle;
    _Atomic int64_t used_at_ns; /* when it was lent last */
    int64_t ready_at_ns;
    _Atomic int64_t reauth_at_ns; /* when to authenticate anew */
    uint64_t n_greeting;          /* n_done when it was ready */
};

/* A connection that is not connected. NULL: no memory. */
struct faci_conn *faci_conn_new(const struct faci_engine_config *config,
                                struct faci_tally *tally);

/* Closes what is open. NULL is fine. */
void faci_conn_free(struct faci_conn *conn);

/* In a child of fork(): close our copy of the descriptor and forget the rest. Another thread of
 * the parent may have been in the middle of changing it. */
void faci_conn_abandon(struct faci_conn *conn);

/* Nothing more is matched on it. Allocates nothing, takes no lock. `text` is a constant. */
void faci_conn_poison(struct faci_conn *conn, fac_status death, int os_errno, const char *text);

static inline bool faci_conn_is_poisoned(const struct faci_conn *conn)
{
    return atomic_load_explicit(&conn->is_poisoned, memory_order_acquire);
}

/* Report why it is dead. */
fac_status faci_conn_fail(const struct faci_conn *conn, fac_error *err);

/* Whether somebody may have it to himself: alive, nothing under way, between two replies. Nobody
 * may be on it. */
bool faci_conn_is_reusable(const struct faci_conn *conn);

/* Whether a buffer is larger than an ordinary call needs. */
static inline bool faci_conn_is_large(const struct faci_conn *conn)
{
    return conn->rx_cap > FACI_CONN_RX_BYTES || conn->tx.cap > FACI_CONN_TX_BYTES ||
           conn->out.cap > FACI_CONN_TX_BYTES;
}

/* The end of one user's turn: memory that very large requests took is given back at once, and
 * what others took when it was of no use for some turns. The reader's, under the lock. */
void faci_conn_shrink(struct faci_conn *conn);

#endif
