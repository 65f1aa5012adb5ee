/* SPDX-License-Identifier: MIT */
/* engine/gate.h — whether a connection may be tried now. Pure: the time is given. Guarded by the
 * pool's lock.
 *
 *   up ----failure----> doubtful ----failure----> down
 *    ^                      |                       |
 *    +------success---------+-------success---------+
 *
 * Up: anybody may connect. Doubtful (one failure after it was up): one attempt, at once, and the
 * others wait for it. Down (further failures, or never up): one attempt at each moment of the
 * back-off, and the others are told at once what failed. */
#ifndef FACI_ENGINE_GATE_H
#define FACI_ENGINE_GATE_H

#include "engine/backoff.h"

#include <faciliter/error.h>

#include <stdbool.h>
#include <stdint.h>

enum {
    FACI_GATE_RESTART_CAP_MS = 2000 /* for an owner that has no cap of its own */
};

struct faci_gate {
    struct faci_backoff start;   /* before the first success: 1 s doubling to 30 s */
    struct faci_backoff restart; /* after it: 50 ms doubling to the given cap */
    bool was_up;                 /* it has been reached once */
    unsigned n_failures;         /* in a row; 0: up, or not yet tried */
    bool was_cut;                /* the last failure: it answered the dial, and hung up */
    bool is_trying;              /* after a failure: somebody tries now */
    int64_t next_at_ns;          /* after a failure: no attempt before */
    int64_t failed_at_ns;        /* the last failure */
    int64_t up_since_ns;         /* the last change from down to up */
    fac_error why;               /* the last failure */
};

/* `restart_cap_ms`: no step is longer once the server has been there. */
void faci_gate_init(struct faci_gate *gate, uint32_t restart_cap_ms, uint64_t seed);

/* True: go on and try, then report how it went. False: `err` says what failed last. */
bool faci_gate_enter(struct faci_gate *gate, int64_t now_ns, fac_error *err);

/* Whether enter() would say yes. */
bool faci_gate_is_open(const struct faci_gate *gate, int64_t now_ns);

/* Whether an attempt is under way that is worth waiting for. */
bool faci_gate_is_doubtful(const struct faci_gate *gate);

/* Whether the last attempt failed, or there was none. */
bool faci_gate_is_down(const struct faci_gate *gate);

void faci_gate_succeed(struct faci_gate *gate, int64_t now_ns);

/* An attempt that began at `began_ns` failed. One that began before another's failure was noted
 * is the same event: it does not lengthen the pause. */
void faci_gate_fail(struct faci_gate *gate, int64_t began_ns, int64_t now_ns,
                    const fac_error *why);

/* The same for one that reached the server, which hung up before it was ready: of such, eight in a
 * row are tried again at once. */
void faci_gate_fail_cut(struct faci_gate *gate, int64_t began_ns, int64_t now_ns,
                        const fac_error *why);

/* A connection since `began_ns` that ended before it served anybody, and not the first: there is a
 * pause before the next attempt. */
void faci_gate_fail_useless(struct faci_gate *gate, int64_t began_ns, int64_t now_ns,
                            const fac_error *why);

/* The breaker probes: somebody may try now, whatever the pause. */
void faci_gate_hurry(struct faci_gate *gate, int64_t now_ns);

/* A connection has served many calls: the server is well, and the first step comes next. */
void faci_gate_has_served(struct faci_gate *gate);

/* An attempt that began at `began_ns` ended early for a reason of its caller's: it says nothing of
 * the server. */
void faci_gate_abandon(struct faci_gate *gate, int64_t began_ns);

#endif
