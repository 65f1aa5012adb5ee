/* SPDX-License-Identifier: MIT */
/* engine/breaker.h — whether a call may be tried now, or is told at once that the server is in
 * trouble. Pure: the time is given. Guarded by its owner's lock.
 *
 *            three events in a row, or too many failed calls
 *   CLOSED ---------------------------------------------------> OPEN
 *      ^                                                       |   ^
 *      |                                     the pause is over |   | the probe failed,
 *      |                                                       v   | or was abandoned
 *      +------------------- success ------------------------- PROBING
 *
 * Closed: everybody may call. Open: nobody, until the pause is over. Probing: the one caller who
 * came first after it, and nobody else.
 *
 * An event is what happened to a connection: it died, could not be made, or its oldest request
 * waited longer than the stall bound; what happens to several connections at once is one event.
 * That a caller's own short deadline passed is none. */
#ifndef FACI_ENGINE_BREAKER_H
#define FACI_ENGINE_BREAKER_H

#include "engine/backoff.h"

#include <faciliter/error.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum faci_breaker_state {
    FACI_BREAKER_CLOSED,
    FACI_BREAKER_OPEN,
    FACI_BREAKER_PROBING
};

enum {
    FACI_BREAKER_PROBE_MS = 250, /* what a probe may take: the others are refused meanwhile */
    FACI_BREAKER_WINDOW_S = 10,  /* over which calls are counted, in buckets of a second */
};

struct faci_breaker_config {
    bool is_on;           /* false: it is always closed, and counts nothing */
    uint32_t open_ms;     /* the first step */
    uint32_t open_cap_ms; /* steps double up to this one */
};

/* How calls ended in one second. */
struct faci_breaker_bucket {
    int64_t second; /* which one, of the clock */
    uint64_t n_ok;
    uint64_t n_failed;
};

struct faci_breaker {
    bool is_on;
    _Atomic(enum faci_breaker_state) state; /* changed under a lock; see is_closed() */
    struct faci_backoff steps;              /* the pause: 3/4 of the step to the step */
    unsigned n_events;                      /* in a row, without a success */
    int64_t probe_at_ns;                    /* while open: no probe before */
    int64_t well_since_ns;                  /* closed, and no event, since then */
    fac_error why;                          /* the last event, or that calls failed */
    struct faci_breaker_bucket window[FACI_BREAKER_WINDOW_S];

    uint64_t n_opens;   /* from closed to open; a probe that fails does not count again */
    uint64_t n_refused; /* calls */
};

void faci_breaker_init(struct faci_breaker *breaker, const struct faci_breaker_config *config,
                       uint64_t seed);

/* Whether everybody may enter. Needs no lock: one that opens at this moment is entered as if a
 * moment before. */
static inline bool faci_breaker_is_closed(const struct faci_breaker *breaker)
{
    return atomic_load_explicit(&breaker->state, memory_order_relaxed) == FACI_BREAKER_CLOSED;
}

/* True: go on. With `*out_is_probe` this caller is the probe: it takes FACI_BREAKER_PROBE_MS at
 * most, and reports by success(), event() or abandon(). False: `err` says that the breaker is
 * open, and what failed last. */
bool faci_breaker_enter(struct faci_breaker *breaker, int64_t now_ns, bool *out_is_probe,
                        fac_error *err);

/* Something happened to a connection. While open it changes nothing: it is of the same trouble. */
void faci_breaker_event(struct faci_breaker *breaker, int64_t now_ns, const fac_error *why);

/* The server answered. While open it changes nothing: the answer may be to an old call. */
void faci_breaker_success(struct faci_breaker *breaker, int64_t now_ns);

/* So many calls ended since the last report. 20 failed ones within the window open the breaker
 * when they are half of all, or more. */
void faci_breaker_note_calls(struct faci_breaker *breaker, int64_t now_ns, uint64_t n_ok,
                             uint64_t n_failed);

/* The probe ended for a reason of its caller's: it says nothing of the server, and the next caller
 * may probe. */
void faci_breaker_abandon(struct faci_breaker *breaker);

/* Whether enter() would refuse. */
bool faci_breaker_is_refusing(const struct faci_breaker *breaker, int64_t now_ns);

/* Closed, and no event since the last success: success() would change nothing. */
bool faci_breaker_is_quiet(const struct faci_breaker *breaker);

#endif
