/* SPDX-License-Identifier: MIT */
/* base/clock.c — the monotonic and the boot clock. */
#include "base/clock.h"

enum {
    NS_PER_S = 1000000000
};

static int64_t read_ns(clockid_t clock)
{
    struct timespec now = {0};
    (void)clock_gettime(clock, &now); /* fails for an unknown clock only */
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t faci_clock_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

int64_t faci_clock_boot_ms(void)
{
#ifdef CLOCK_BOOTTIME
    return read_ns(CLOCK_BOOTTIME) / FACI_NS_PER_MS;
#else
    return read_ns(CLOCK_MONOTONIC) / FACI_NS_PER_MS;
#endif
}

int64_t faci_clock_after_ms(int64_t now_ns, uint64_t ms)
{
    int64_t at_ns = 0;
    if (ms > INT64_MAX / FACI_NS_PER_MS ||
        __builtin_add_overflow(now_ns, (int64_t)ms * FACI_NS_PER_MS, &at_ns)) {
        return FACI_NEVER_NS;
    }
    return at_ns;
}

int64_t faci_clock_left_ns(int64_t at_ns)
{
    int64_t now_ns = faci_clock_now_ns();
    return at_ns > now_ns ? at_ns - now_ns : 0;
}

struct timespec faci_clock_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S),
                             .tv_nsec = (long)(ns % NS_PER_S)};
}
