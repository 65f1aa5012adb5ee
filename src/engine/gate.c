/* SPDX-License-Identifier: MIT */
/* engine/gate.c — the pauses between attempts to connect. */
#include "engine/gate.h"

#include "base/clock.h"

enum {
    START_FIRST_MS = 1000, /* an application that starts before its cache */
    START_CAP_MS = 30000,
    RESTART_FIRST_MS = 50, /* a server that was there a moment ago */
    RESTART_CAP_MS = 2000,
    HEALTHY_MS = 5000, /* up for so long: the next failure starts with the first step */
};

void faci_gate_init(struct faci_gate *gate, uint64_t seed)
{
    *gate = (struct faci_gate){0};
    faci_backoff_init(&gate->start, START_FIRST_MS, START_CAP_MS, seed);
    faci_backoff_init(&gate->restart, RESTART_FIRST_MS, RESTART_CAP_MS, ~seed);
}

bool faci_gate_is_open(const struct faci_gate *gate, int64_t now_ns)
{
    return !gate->is_down || (!gate->is_trying && now_ns >= gate->next_at_ns);
}

bool faci_gate_enter(struct faci_gate *gate, int64_t now_ns, fac_error *err)
{
    if (!faci_gate_is_open(gate, now_ns)) {
        if (err != NULL) {
            *err = gate->why;
        }
        return false;
    }
    gate->is_trying = gate->is_down;
    return true;
}

void faci_gate_succeed(struct faci_gate *gate, int64_t now_ns)
{
    if (gate->is_down || !gate->was_up) {
        gate->up_since_ns = now_ns;
    }
    gate->was_up = true;
    gate->is_down = false;
    gate->is_trying = false;
}

void faci_gate_fail(struct faci_gate *gate, int64_t began_ns, int64_t now_ns,
                    const fac_error *why)
{
    gate->is_trying = false;
    if (gate->is_down && began_ns < gate->failed_at_ns) {
        return;
    }
    if (!gate->is_down && gate->was_up &&
        now_ns >= faci_clock_after_ms(gate->up_since_ns, HEALTHY_MS)) {
        faci_backoff_reset(&gate->restart);
    }
    struct faci_backoff *backoff = gate->was_up ? &gate->restart : &gate->start;
    gate->is_down = true;
    gate->failed_at_ns = now_ns;
    gate->next_at_ns = faci_clock_after_ms(now_ns, faci_backoff_next_ms(backoff));
    gate->why = *why;
    /* To those who are told later it is not their deadline that passed. */
    if (gate->why.status == FAC_E_TIMEOUT) {
        gate->why.status = FAC_E_UNAVAILABLE;
    }
}

void faci_gate_abandon(struct faci_gate *gate)
{
    gate->is_trying = false;
}
