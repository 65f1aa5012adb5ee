/* SPDX-License-Identifier: MIT */
/* kit/stub.h — a server that does what a test tells it to, on threads of its own: scripts of
 * steps, or a function for each connection. Every frame it reads is checked strictly; what is
 * malformed or not expected fails the test when the stub is stopped.
 *
 * It answers on its own what belongs to setting up a connection (HELLO, AUTH, SELECT, CLIENT,
 * INFO, PING), so that scripts speak of the application's commands only. */
#ifndef FAC_KIT_STUB_H
#define FAC_KIT_STUB_H

#include "kit/frame.h"
#include "kit/wait.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kit_step_kind {
    KIT_END,     /* of the script: what follows is ignored until the client leaves */
    KIT_EXPECT,  /* the next command; `text` is its name, NULL for any */
    KIT_SAY,     /* send `text` */
    KIT_TRICKLE, /* send `text`, a byte at a time */
    KIT_AWAIT,   /* wait until `gate` is open */
    KIT_SHUT,    /* end the connection properly */
    KIT_RESET,   /* end it with an RST */
    KIT_STALL,   /* read nothing and say nothing until the client leaves or the stub stops */
    KIT_SERVE,   /* answer every command from now on, GET with "served" */
};

struct kit_step {
    enum kit_step_kind kind;
    const char *text;
    struct kit_gate *gate;
};

struct kit_stub;
struct kit_stub_conn;

/* One connection, on its thread. It is closed when the function returns. */
typedef void kit_stub_fn(struct kit_stub_conn *conn, void *context);

struct kit_stub_options {
    /* Scripts by connection, the last one for all further ones; or, when NULL, a function. The
     * list is copied, the steps must live as long as the stub. */
    const struct kit_step *const *scripts;
    size_t n_scripts;
    kit_stub_fn *fn;
    void *context;

    const char *unix_path; /* NULL: TCP on a free loopback port */
    bool is_ipv6;
    bool is_resp2; /* HELLO is an unknown command */
    bool is_bare;  /* nothing is answered on its own */
};

struct kit_stub *kit_stub_start(const struct kit_stub_options *options);

/* End all connections and threads; asserts that nothing unexpected came. NULL is fine. */
void kit_stub_stop(struct kit_stub *stub);

uint16_t kit_stub_port(const struct kit_stub *stub);

/* Connections accepted so far, and commands of one name (NULL: any that a script can see). */
size_t kit_stub_connections(struct kit_stub *stub);
size_t kit_stub_commands(struct kit_stub *stub, const char *name);

/* --- For functions of a connection ----------------------------------------------------------- */

size_t kit_stub_index(const struct kit_stub_conn *conn); /* 0 for the first */

/* The next command; NULL when the client has left or the stub stops. Valid until the next call. */
const struct kit_frame *kit_stub_next(struct kit_stub_conn *conn);

/* False when the client has left. */
bool kit_stub_send(struct kit_stub_conn *conn, const void *bytes, size_t len);
bool kit_stub_say(struct kit_stub_conn *conn, const char *text);

/* Return when the client has left or the stub stops; what it sends is thrown away. */
void kit_stub_drain(struct kit_stub_conn *conn);

/* Wait for the gate; false when the stub stops. */
bool kit_stub_await(struct kit_stub_conn *conn, struct kit_gate *gate);

/* Return when the client has left or the stub stops, without reading. */
void kit_stub_stall(struct kit_stub_conn *conn);

/* End the connection properly, or by an RST when the function returns. */
void kit_stub_shut(struct kit_stub_conn *conn);
void kit_stub_reset(struct kit_stub_conn *conn);

/* Make the test fail when the stub is stopped. Both texts are copied; the first call counts. */
void kit_stub_blame(struct kit_stub_conn *conn, const char *what, const char *detail);

/* Answer a command as a server that has every key and keeps none. */
bool kit_stub_answer(struct kit_stub_conn *conn, const struct kit_frame *frame);

/* Do the steps of a script; false when the client left before its end. */
bool kit_stub_run(struct kit_stub_conn *conn, const struct kit_step *steps);

#endif
