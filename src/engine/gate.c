/* SPDX-License-Identifier: MIT */
/* engine/gate.c — the pauses between attempts to connect. */
#include "engine/gate.h"

#include "base/clock.h"

enum {
    START_FIRST_MS = 1000, /* an application that starts before its cache */
    START_CAP_MS = 30000,
    RESTART_FIRST_MS = 50, /* a server that was there a moment ago */
    CUTS_FORGIVEN = 8,     /* attempts that reached the server, before there is a pause */
    HEALTHY_MS = 5000,     /* up for so long: the next failure starts with the first step */
};

void faci_gate_init(struct faci_gate *gate, uint32_t restart_cap_ms, uint64_t seed)
{
    *gate = (struct faci_gate){0};
    faci_backoff_init(&gate->start, START_FIRST_MS, START_CAP_MS, seed);
    faci_backoff_init(&gate->restart, RESTART_FIRST_MS, restart_cap_ms, ~seed);
}

bool faci_gate_is_open(const struct faci_gate *gate, int64_t now_ns)
{
    return gate->n_failures == 0 || (!gate->is_trying && now_ns >= gate->next_at_ns);
}

/* Failures in a row, after it was up, that are followed by an attempt at once. */
static unsigned forgiven(const struct faci_gate *gate)
{
    return gate->was_cut ? CUTS_FORGIVEN : 1;
}

bool faci_gate_is_doubtful(const struct faci_gate *gate)
{
    return gate->was_up && gate->n_failures > 0 && gate->n_failures <= forgiven(gate) &&
           gate->is_trying;
}

bool faci_gate_is_down(const struct faci_gate *gate)
{
    return gate->n_failures > 0 || !gate->was_up;
}

bool faci_gate_enter(struct faci_gate *gate, int64_t now_ns, fac_error *err)
{
    if (!faci_gate_is_open(gate, now_ns)) {
        if (err != NULL) {
            *err = gate->why;
        }
        return false;
    }
    gate->is_trying = gate->n_failures > 0;
    return true;
}

void faci_gate_succeed(struct faci_gate *gate, int64_t now_ns)
{
    if (faci_gate_is_down(gate)) {
        gate->up_since_ns = now_ns;
    }
    gate->was_up = true;
    gate->n_failures = 0;
    gate->is_trying = false;
}

static bool is_same_event(const struct faci_gate *gate, int64_t began_ns)
{
    return gate->n_failures > 0 && began_ns < gate->failed_at_ns;
}

static void fail(struct faci_gate *gate, int64_t now_ns, const fac_error *why)
{
    gate->is_trying = false;
    if (gate->n_failures == 0 && gate->was_up &&
        now_ns >= faci_clock_after_ms(gate->up_since_ns, HEALTHY_MS)) {
        faci_backoff_reset(&gate->restart);
    }
    gate->n_failures++;
    gate->failed_at_ns = now_ns;
    uint32_t pause_ms = 0;
    if (!gate->was_up) {
        pause_ms = faci_backoff_next_ms(&gate->start);
    } else if (gate->n_failures > forgiven(gate)) {
        pause_ms = faci_backoff_next_ms(&gate->restart);
    }
    gate->next_at_ns = faci_clock_after_ms(now_ns, pause_ms);
    gate->why = *why;
    /* To those who are told later it is not their deadline that passed. */
    if (gate->why.status == FAC_E_TIMEOUT) {
        gate->why.status = FAC_E_UNAVAILABLE;
    }
}

void faci_gate_fail(struct faci_gate *gate, int64_t began_ns, int64_t now_ns,
                    const fac_error *why)
{
    if (!is_same_event(gate, began_ns)) { /* else another attempt may be under way now */
        gate->was_cut = false;
        fail(gate, now_ns, why);
    }
}

void faci_gate_fail_cut(struct faci_gate *gate, int64_t began_ns, int64_t now_ns,
                        const fac_error *why)
{
    if (!is_same_event(gate, began_ns)) {
        gate->was_cut = true;
        fail(gate, now_ns, why);
    }
}

void faci_gate_fail_useless(struct faci_gate *gate, int64_t began_ns, int64_t now_ns,
                            const fac_error *why)
{
    if (!is_same_event(gate, began_ns)) {
        gate->was_cut = false;
        gate->n_failures = gate->n_failures > 0 ? gate->n_failures : 1;
        fail(gate, now_ns, why);
    }
}

void faci_gate_hurry(struct faci_gate *gate, int64_t now_ns)
{
    if (gate->next_at_ns > now_ns) {
        gate->next_at_ns = now_ns;
    }
}

void faci_gate_has_served(struct faci_gate *gate)
{
    faci_backoff_reset(&gate->restart);
}

void faci_gate_abandon(struct faci_gate *gate, int64_t began_ns)
{
    if (began_ns >= gate->failed_at_ns) { /* else it began while all was well: not the one */
        gate->is_trying = false;
    }
}
