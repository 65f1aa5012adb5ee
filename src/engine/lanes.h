/* SPDX-License-Identifier: MIT */
/* engine/lanes.h — the connections that are shared, and which of them a call goes on. Few calls
 * get a connection each, which costs them no hand-over; more fold onto few, so that their frames
 * travel together. Guarded by the pool's lock. */
#ifndef FACI_ENGINE_LANES_H
#define FACI_ENGINE_LANES_H

#include "engine/conn.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FACI_LANES_MAX = 4
};

/* What faci_conn.users holds beside the number of callers. */
#define FACI_CONN_ENDED  (UINT32_C(1) << 31) /* the last caller to leave frees it */
#define FACI_CONN_WANTED (UINT32_C(1) << 30) /* somebody waits to have it alone */

struct faci_lanes {
    struct faci_conn *list[FACI_LANES_MAX];
    unsigned n;
};

static inline uint32_t faci_conn_callers(const struct faci_conn *conn)
{
    return atomic_load_explicit(&conn->users, memory_order_acquire) &
           ~(FACI_CONN_ENDED | FACI_CONN_WANTED);
}

/* Callers on all of them. */
uint32_t faci_lanes_callers(const struct faci_lanes *lanes);

/* How many there should be for one more caller. */
unsigned faci_lanes_wanted(uint32_t n_callers);

/* The best for one more caller: NULL when there is none, or none that makes progress.
 * `since_ns`: only those that have shown since then that they work; 0: any. `may_look`: or that
 * nobody is on, so that they can be looked at. */
struct faci_conn *faci_lanes_pick(const struct faci_lanes *lanes, int64_t now_ns,
                                  int64_t since_ns, bool may_look);

/* One whose callers have all left, and whose oldest request has waited too long; NULL: none. */
struct faci_conn *faci_lanes_stalled(const struct faci_lanes *lanes, int64_t now_ns);

/* One that nobody is on, to be had alone; NULL: none. */
struct faci_conn *faci_lanes_unused(const struct faci_lanes *lanes);

/* The one with the fewest callers; NULL: none at all. */
struct faci_conn *faci_lanes_least(const struct faci_lanes *lanes);

/* There must be room. */
void faci_lanes_add(struct faci_lanes *lanes, struct faci_conn *conn);

/* Fine when it is not among them. */
void faci_lanes_remove(struct faci_lanes *lanes, const struct faci_conn *conn);

#endif
