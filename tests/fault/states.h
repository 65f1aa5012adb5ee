/* SPDX-License-Identifier: MIT */
/* fault/states.h — the states of a server that row D of the laboratory knows, each with the one
 * status and the one reaction that docs/guide/server_states.md promises. */
#ifndef FAC_FAULT_STATES_H
#define FAC_FAULT_STATES_H

#include <faciliter/error.h>
#include <faciliter/options.h>

#include <stdbool.h>
#include <stddef.h>

enum state_reaction {
    STATE_ANSWERED,  /* told to this call; the connection stays, the next call asks again */
    STATE_RECONNECT, /* the connection is ended; the next call connects, with back-off */
    STATE_NO_OPEN,   /* the handshake is refused: no connection, no command */
    STATE_FALL_BACK, /* nothing is told: the handshake goes on with RESP2 */
    STATE_WAITED,    /* the call waits until its deadline, or until the state has passed */
};

struct state {
    const char *name;
    const char *reply; /* the error's text, as servers send it; NULL: there is none */
    const char *code;  /* fac_error.server_code */
    fac_status status;
    enum state_reaction reaction;
};

enum {
    STATE_COUNT = 22
};

extern const struct state k_states[STATE_COUNT];

/* By name; fails the test when there is none. */
const struct state *state_named(const char *name);

/* For rows in which connections die all the time. */
void fault_without_breaker(fac_options *options);

/* Words of the guide's table. */
const char *state_reaction_name(enum state_reaction reaction);

#endif
