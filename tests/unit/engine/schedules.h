/* SPDX-License-Identifier: MIT */
/* A scheduler that tries all schedules: callers are coroutines of one thread, which change places
 * at marked points only. What happens at a point is a choice; a run is the list of its choices, and
 * the next run differs in the last one that has something left to try.
 *
 * What would be too many is bounded as CHESS does it: a running caller is set aside against its
 * will at most `n_preemptions` times in a run, and the world does at most `n_surprises` things that
 * are rare. Where the running caller blocks, everyone who can go on is tried.
 *
 * The processor's reordering of memory is not tried: each step is seen by all. */
#ifndef FAC_UNIT_ENGINE_SCHEDULES_H
#define FAC_UNIT_ENGINE_SCHEDULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SCHED_CALLERS_MAX = 4
};

struct sched_plan {
    unsigned n_callers;
    unsigned n_preemptions;
    unsigned n_surprises;
    bool needs_time;    /* that nobody can go on before a deadline passes is no error */
    int64_t horizon_ns; /* deadlines behind it pass only when nobody can go on */
    size_t n_runs_max;
    uint64_t seed; /* of a random run each; 0: all schedules in order */

    void (*begin)(void *context); /* a new world */
    void (*run)(void *context, unsigned caller);
    void (*check)(void *context); /* at every point */
    void (*end)(void *context);   /* the last caller has come back; no choices from here on */
    void *context;
};

struct sched_result {
    size_t n_runs;
    bool is_all;       /* there is no other schedule within the bounds */
    char failure[256]; /* empty: none */
};

/* Runs the plan until a schedule fails, which is printed, or all were tried. */
struct sched_result sched_explore(const struct sched_plan *plan);

/* --- For those who run ---------------------------------------------------------------------- */

typedef bool sched_ready_fn(const void *context);

/* Others may go on instead. `what` is for the print of a schedule that fails. */
void sched_point(const char *what);

/* Until ready(context): true. Or until `until_ns` (INT64_MAX: never): false, and the clock has been
 * moved there. When `is_late_anyway` that may be although it is ready. */
bool sched_block(const char *what, sched_ready_fn *ready, const void *context, int64_t until_ns,
                 bool is_late_anyway);

/* One of 0 … n - 1; all but 0 are surprises. */
unsigned sched_choose(unsigned n);

/* Who runs. */
unsigned sched_caller(void);

/* The time, which nobody but these moves. */
int64_t sched_now_ns(void);
void sched_pass_ns(int64_t ns);

/* This schedule shows a bug. */
_Noreturn void sched_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
