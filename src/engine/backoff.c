/* SPDX-License-Identifier: MIT */
/* engine/backoff.c — doubling steps with full jitter. */
#include "engine/backoff.h"

#include "base/random.h"

void faci_backoff_init(struct faci_backoff *backoff, uint32_t first_ms, uint32_t cap_ms,
                       uint64_t seed)
{
    *backoff = (struct faci_backoff){.first_ms = first_ms, .cap_ms = cap_ms, .dice = seed};
}

/* The step to take now; the next one is twice as long. */
static uint32_t take_step(struct faci_backoff *backoff)
{
    uint32_t step_ms = backoff->step_ms == 0 ? backoff->first_ms : backoff->step_ms;
    backoff->step_ms = step_ms > backoff->cap_ms / 2 ? backoff->cap_ms : step_ms * 2;
    return step_ms;
}

/* Uniform between 0 and `most_ms`. */
static uint32_t roll_ms(struct faci_backoff *backoff, uint32_t most_ms)
{
    return (uint32_t)(faci_random_next(&backoff->dice) % ((uint64_t)most_ms + 1));
}

uint32_t faci_backoff_next_ms(struct faci_backoff *backoff)
{
    return roll_ms(backoff, take_step(backoff));
}

uint32_t faci_backoff_next_upper_ms(struct faci_backoff *backoff)
{
    uint32_t step_ms = take_step(backoff);
    return step_ms - roll_ms(backoff, step_ms / 4);
}

void faci_backoff_reset(struct faci_backoff *backoff)
{
    backoff->step_ms = 0;
}
