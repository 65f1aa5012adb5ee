/* SPDX-License-Identifier: MIT */
/* engine/breaker.c — counts what fails, and keeps calls away from a server in trouble. */
#include "engine/breaker.h"

#include "base/clock.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

enum {
    EVENTS_TO_OPEN = 3,
    FAILED_TO_OPEN = 20, /* so few calls that half of them failed say nothing */
    HEALTHY_MS = 5000,   /* as the gate's: well for so long, and the first step comes again */
    NS_PER_S = 1000 * FACI_NS_PER_MS,
};

void faci_breaker_init(struct faci_breaker *breaker, const struct faci_breaker_config *config,
                       uint64_t seed)
{
    *breaker = (struct faci_breaker){.is_on = config->is_on, .state = FACI_BREAKER_CLOSED};
    faci_backoff_init(&breaker->steps, config->open_ms, config->open_cap_ms, seed);
}

bool faci_breaker_is_refusing(const struct faci_breaker *breaker, int64_t now_ns)
{
    return breaker->state == FACI_BREAKER_PROBING ||
           (breaker->state == FACI_BREAKER_OPEN && now_ns < breaker->probe_at_ns);
}

bool faci_breaker_is_quiet(const struct faci_breaker *breaker)
{
    return breaker->state == FACI_BREAKER_CLOSED && breaker->n_events == 0;
}

bool faci_breaker_enter(struct faci_breaker *breaker, int64_t now_ns, bool *out_is_probe,
                        fac_error *err)
{
    if (faci_breaker_is_refusing(breaker, now_ns)) {
        breaker->n_refused++;
        (void)faci_fail(err, FAC_E_UNAVAILABLE, breaker->why.os_errno,
                        "the breaker is open: %s", breaker->why.message);
        return false;
    }
    *out_is_probe = breaker->state == FACI_BREAKER_OPEN;
    if (*out_is_probe) {
        breaker->state = FACI_BREAKER_PROBING;
    }
    return true;
}

/* Nobody enters until a pause from now is over. */
static void open_at(struct faci_breaker *breaker, int64_t now_ns)
{
    breaker->state = FACI_BREAKER_OPEN;
    breaker->probe_at_ns = faci_clock_after_ms(now_ns,
                                               faci_backoff_next_upper_ms(&breaker->steps));
}

/* The end of a time without events: was it long enough for the first step? */
static void end_health(struct faci_breaker *breaker, int64_t now_ns)
{
    if (breaker->n_events == 0 &&
        now_ns >= faci_clock_after_ms(breaker->well_since_ns, HEALTHY_MS)) {
        faci_backoff_reset(&breaker->steps);
    }
}

void faci_breaker_event(struct faci_breaker *breaker, int64_t now_ns, const fac_error *why)
{
    if (!breaker->is_on || breaker->state == FACI_BREAKER_OPEN) {
        return;
    }
    breaker->why = *why;
    if (breaker->state == FACI_BREAKER_PROBING) {
        open_at(breaker, now_ns);
        return;
    }
    end_health(breaker, now_ns);
    breaker->n_events++;
    if (breaker->n_events >= EVENTS_TO_OPEN) {
        breaker->n_opens++;
        open_at(breaker, now_ns);
    }
}

void faci_breaker_success(struct faci_breaker *breaker, int64_t now_ns)
{
    if (breaker->state == FACI_BREAKER_OPEN || faci_breaker_is_quiet(breaker)) {
        return;
    }
    if (breaker->state == FACI_BREAKER_PROBING) {
        /* What failed before it opened is paid for. */
        memset(breaker->window, 0, sizeof(breaker->window));
    }
    breaker->state = FACI_BREAKER_CLOSED;
    breaker->n_events = 0;
    breaker->well_since_ns = now_ns;
}

/* What the window holds with these calls in it. */
static struct faci_breaker_bucket count_calls(struct faci_breaker *breaker, int64_t second,
                                              uint64_t n_ok, uint64_t n_failed)
{
    struct faci_breaker_bucket *now = &breaker->window[second % FACI_BREAKER_WINDOW_S];
    if (now->second != second) {
        *now = (struct faci_breaker_bucket){.second = second};
    }
    now->n_ok += n_ok;
    now->n_failed += n_failed;
    struct faci_breaker_bucket sum = {.second = second};
    for (size_t i = 0; i < FACI_BREAKER_WINDOW_S; i++) {
        if (breaker->window[i].second > second - FACI_BREAKER_WINDOW_S) {
            sum.n_ok += breaker->window[i].n_ok;
            sum.n_failed += breaker->window[i].n_failed;
        }
    }
    return sum;
}

void faci_breaker_note_calls(struct faci_breaker *breaker, int64_t now_ns, uint64_t n_ok,
                             uint64_t n_failed)
{
    if (!breaker->is_on || breaker->state != FACI_BREAKER_CLOSED) {
        return;
    }
    struct faci_breaker_bucket sum = count_calls(breaker, now_ns / NS_PER_S, n_ok, n_failed);
    if (sum.n_failed < FAILED_TO_OPEN || sum.n_failed < sum.n_ok) {
        return;
    }
    end_health(breaker, now_ns);
    (void)faci_fail(&breaker->why, FAC_E_UNAVAILABLE, 0,
                    "%" PRIu64 " of the last %" PRIu64 " calls failed", sum.n_failed,
                    sum.n_failed + sum.n_ok);
    breaker->n_opens++;
    open_at(breaker, now_ns);
}

void faci_breaker_abandon(struct faci_breaker *breaker)
{
    if (breaker->state == FACI_BREAKER_PROBING) {
        breaker->state =
            FACI_BREAKER_OPEN; /* the pause is over: enter() lets the next one in */
    }
}
