/* SPDX-License-Identifier: MIT */
/* engine/conn.h — one connection: its stream, its buffers, and the slots of the requests that are
 * under way on it. Owned by one caller at a time (the pool sees to that); only faci_conn_shut()
 * may come from any thread. */
#ifndef FACI_ENGINE_CONN_H
#define FACI_ENGINE_CONN_H

#include "base/buf.h"
#include "base/log.h"
#include "engine/command.h"
#include "net/stream.h"
#include "resp/reader.h"

#include <faciliter/alloc.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FACI_CONN_SLOTS = 128,            /* requests under way on one connection */
    FACI_CONN_RX_BYTES = 16 * 1024,   /* what one receive takes at first */
    FACI_CONN_RX_MAX_BYTES = 1 << 18, /* and at most, while large replies come */
    FACI_CONN_COPY_BYTES = 64 * 1024, /* larger arguments are sent from the caller's memory */
    FACI_CONN_SHRINK_AFTER = 16,      /* users without a large reply: rx becomes small again */
    FACI_CONN_TEXT_BYTES = 160,       /* kept of an error's or a status' text */
};

/* What a server told of itself when the connection was set up. */
struct faci_identity {
    char server[24];
    char version[24];
    char role[16];
    uint32_t protocol; /* 2 or 3 */
};

/* One engine's settings. Strings are borrowed from whoever made the engine. */
struct faci_engine_config {
    const fac_allocator *alloc;
    struct faci_log log;
    const char *unix_socket; /* NULL: TCP */
    const char *host;
    uint16_t port;
    uint32_t db;
    const char *username;      /* NULL: none */
    const char *password;      /* NULL: none */
    const char *password_file; /* NULL: none */
    uint32_t max_connections;
    uint32_t timeout_ms;
    bool retry_on_timeout;
    uint32_t max_retries; /* attempts beyond the first */
    bool has_breaker;
    uint32_t breaker_open_ms;  /* the first step; the cap is five times that */
    uint32_t reconnect_max_ms; /* longest pause between attempts to connect; 0: the gate's */
    uint32_t integrity_every;  /* commands between two checks; 0: none */
    uint64_t max_value_bytes;  /* of one bulk string in a reply */
};

/*
 * A request under way. Slots belong to the connection and are recycled; the caller holds one from
 * submit to release.
 *
 *   FREE --submit--> WAITING --reply complete--> DONE --release--> FREE
 *                       `-- connection dies: stays WAITING, wait() fails for it
 */
struct faci_slot {
    enum {
        FACI_SLOT_FREE,
        FACI_SLOT_WAITING,
        FACI_SLOT_DONE
    } state;
    const struct faci_command *command;
    struct faci_sink *sink; /* where the reply goes, NULL: nowhere */
    uint64_t max_reply_bytes;
    fac_reply_type type; /* of the reply itself */
    int64_t number;      /* its integer, or its count */
    size_t text_len;     /* of an ERROR or a STATUS, cut to fit */
    char text[FACI_CONN_TEXT_BYTES];
};

struct faci_conn {
    const struct faci_engine_config *config;
    struct faci_stream stream;
    struct faci_reader reader;
    struct faci_identity identity;

    struct faci_buf tx; /* frames not yet sent */
    unsigned char *rx;
    size_t rx_cap;
    bool is_roomy;      /* this user needed more than FACI_CONN_RX_BYTES of rx */
    unsigned n_cramped; /* users in a row who did not, while rx was larger */

    /* A ring: slots[first % n] is the oldest not released, next is where a new one goes; the
     * oldest WAITING one is `due`. first <= due <= next. */
    struct faci_slot slots[FACI_CONN_SLOTS];
    size_t first;
    size_t due;
    size_t next;

    bool is_ready;    /* the handshake is over */
    bool is_dead;     /* the stream's position is in doubt, or it ended: nothing is matched */
    uint64_t n_sent;  /* bytes given to the kernel */
    fac_status death; /* why: valid when is_dead */
    int death_errno;  /* the same */
    const char *death_text;

    /* The pool's. */
    struct faci_conn *prev;
    struct faci_conn *next_all;
    struct faci_conn *next_idle;
    int64_t used_at_ns; /* when it was lent last */
};

/* A connection that is not connected. NULL: no memory. */
struct faci_conn *faci_conn_new(const struct faci_engine_config *config);

/* Closes what is open. NULL is fine. */
void faci_conn_free(struct faci_conn *conn);

/* Nothing more is matched on it. Allocates nothing, takes no lock. `text` is a constant. */
void faci_conn_poison(struct faci_conn *conn, fac_status death, int os_errno, const char *text);

/* Report why it is dead. */
fac_status faci_conn_fail(const struct faci_conn *conn, fac_error *err);

/* Whether another caller may have it: alive, nothing under way, between two replies. */
bool faci_conn_is_reusable(const struct faci_conn *conn);

/* The end of one user's turn: memory that large requests took is given back, and what large
 * replies took once it was of no use for some turns. */
void faci_conn_shrink(struct faci_conn *conn);

#endif
