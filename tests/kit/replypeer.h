/* SPDX-License-Identifier: MIT */
/* kit/replypeer.h — a server that keeps its keys in memory, on one thread for all connections, and
 * shows a test each reply before it is sent: to cut, delay, drop, double or replace it, or to send
 * something around it. Requests are read strictly; a malformed one fails the test at the stop. */
#ifndef FAC_KIT_REPLYPEER_H
#define FAC_KIT_REPLYPEER_H

#include "kit/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What becomes of a connection behind a reply. */
enum kit_reply_then {
    KIT_REPLY_GO_ON,
    KIT_REPLY_FIN,
    KIT_REPLY_RST,
    KIT_REPLY_STALL, /* nothing is answered any more */
};

/* One reply about to be sent. What the hook sets is sent as
 *     before, the first `keep` bytes of the reply, instead, after
 * and all of that `times` times. Bytes are copied before the hook is called again. */
struct kit_reply {
    const struct kit_frame *frame; /* the request */
    size_t conn;                   /* 0 for the first connection of the peer */
    size_t number;                 /* on its connection, 0 for the first */
    bool is_setup;                 /* of HELLO, AUTH, SELECT, CLIENT, INFO or PING */
    fac_bytes bytes;               /* the right reply */

    fac_bytes before;
    size_t keep; /* all of it */
    fac_bytes instead;
    fac_bytes after;
    unsigned times;    /* 1; 0: nothing is sent */
    size_t pause_at;   /* bytes that go out at once; the others, and all further replies, */
    uint32_t pause_ms; /* this much later; 0: no pause */
    enum kit_reply_then then;
};

/* Runs on the peer's thread, under its lock: it must not call the peer. */
typedef void kit_reply_fn(struct kit_reply *reply, void *context);

struct kit_replypeer_options {
    kit_reply_fn *fn; /* NULL: every reply is sent as it is */
    void *context;
    const char *password; /* NULL: none is asked for */
    bool is_resp2;        /* HELLO is an unknown command */
    /* A key that nobody has set has its own name as its value, but for names that begin with
     * "none": so a test knows the right answer of every key. */
    bool is_mirror;
};

struct kit_replypeer;

struct kit_replypeer *kit_replypeer_start(const struct kit_replypeer_options *options);

/* End all; asserts that nothing malformed came. NULL is fine. */
void kit_replypeer_stop(struct kit_replypeer *peer);

uint16_t kit_replypeer_port(const struct kit_replypeer *peer);

/* Accepted so far, and open now. */
size_t kit_replypeer_connections(struct kit_replypeer *peer);
size_t kit_replypeer_open(struct kit_replypeer *peer);

/* Application's commands answered so far. */
size_t kit_replypeer_commands(struct kit_replypeer *peer);

/* Send bytes on every connection, behind what it has been answered. */
void kit_replypeer_push(struct kit_replypeer *peer, const void *bytes, size_t len);

/* End every connection (FIN). */
void kit_replypeer_kick(struct kit_replypeer *peer);

/* Whether `key` was set and holds `value` now. */
bool kit_replypeer_holds(struct kit_replypeer *peer, const char *key, const char *value);

/* For hooks: make the test fail at the stop. The text is copied; the first one counts. */
void kit_replypeer_blame(struct kit_replypeer *peer, const char *what);

#endif
