/* SPDX-License-Identifier: MIT */
/* engine/backoff.h — when to try again. Pure: the time and the dice are given. One owner. */
#ifndef FACI_ENGINE_BACKOFF_H
#define FACI_ENGINE_BACKOFF_H

#include <stdint.h>

struct faci_backoff {
    uint32_t first_ms; /* the first step */
    uint32_t cap_ms;   /* no step is longer */
    uint32_t step_ms;  /* the next one; 0 before any failure */
    uint64_t dice;     /* state of the jitter */
};

void faci_backoff_init(struct faci_backoff *backoff, uint32_t first_ms, uint32_t cap_ms,
                       uint64_t seed);

/* A failure: how long to wait now. Uniform between 0 and the step (full jitter: Brooker, AWS
 * Architecture Blog 2015), so that many processes do not come back as one; then the step doubles. */
uint32_t faci_backoff_next_ms(struct faci_backoff *backoff);

/* The same with the pause between three quarters of the step and the step: where those who wait are
 * told how long it takes at least, and one of them tries alone. */
uint32_t faci_backoff_next_upper_ms(struct faci_backoff *backoff);

/* It has been well for long enough: start from the first step. */
void faci_backoff_reset(struct faci_backoff *backoff);

#endif
