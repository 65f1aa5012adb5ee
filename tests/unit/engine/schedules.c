/* SPDX-License-Identifier: MIT */
/* The scheduler's choices and coroutines (schedules.h). */
#include "schedules.h"

#include "kit/kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

enum {
    STACK_BYTES = 256 * 1024, /* the sanitizers' frames are large */
    STACKS_APART = 4 << 20,   /* nearer ones are large frames to valgrind */
    CHOICES_MAX = 4096,
    EVENTS_MAX = 8192, /* a run with more of them does not end */
    NOBODY = SCHED_CALLERS_MAX,
    RANDOM_ODDS = 6, /* one point in so many is no ordinary one */
};

struct caller {
    ucontext_t context;
    bool is_done;
    bool is_late;          /* it goes on because its time is over */
    sched_ready_fn *ready; /* NULL: it does not wait */
    const void *ready_context;
    int64_t until_ns;
    bool is_late_anyway;
};

/* Who goes on next, and what that takes. */
struct option {
    unsigned caller;
    bool is_late;
    bool is_surprise;
};

struct choice {
    unsigned taken;
    unsigned n;
};

static struct {
    const struct sched_plan *plan;
    ucontext_t home;
    struct caller callers[SCHED_CALLERS_MAX];
    unsigned running;
    unsigned n_left;
    bool is_over; /* nothing is chosen any more */
    unsigned n_preemptions;
    unsigned n_surprises;
    int64_t now_ns;
    uint64_t random;
    struct choice choices[CHOICES_MAX];
    size_t n_choices; /* taken in this run */
    size_t n_known;   /* to be taken again */
    struct {
        unsigned caller;
        const char *what;
    } events[EVENTS_MAX];
    size_t n_events;
    char failure[256];
} g;

static void note(const char *what)
{
    if (g.n_events == EVENTS_MAX) {
        sched_fail("it does not end");
    }
    g.events[g.n_events].caller = g.running;
    g.events[g.n_events++].what = what;
}

void sched_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(g.failure, sizeof(g.failure), format, args);
    va_end(args);
    (void)setcontext(&g.home);
    abort();
}

/* --- Choices -------------------------------------------------------------------------------- */

static unsigned choose(unsigned n)
{
    if (n == 1) {
        return 0;
    }
    if (g.plan->seed != 0) {
        return (unsigned)(kit_random(&g.random) % n);
    }
    if (g.n_choices == CHOICES_MAX) {
        sched_fail("too many choices in one run");
    }
    struct choice *choice = &g.choices[g.n_choices];
    if (g.n_choices >= g.n_known) {
        *choice = (struct choice){.taken = 0, .n = n};
    } else if (choice->n != n) {
        sched_fail("a run does not repeat itself: this is an error of the test");
    }
    g.n_choices++;
    return choice->taken;
}

/* False: every choice has been tried. */
static bool next_choices(void)
{
    while (g.n_choices > 0) {
        struct choice *last = &g.choices[g.n_choices - 1];
        if (last->taken + 1 < last->n) {
            last->taken++;
            g.n_known = g.n_choices;
            return true;
        }
        g.n_choices--;
    }
    return false;
}

/* With a seed, most of what could be rare is not done. */
static bool is_ordinary(void)
{
    return g.is_over || (g.plan->seed != 0 && kit_random(&g.random) % RANDOM_ODDS != 0);
}

unsigned sched_choose(unsigned n)
{
    if (g.n_surprises == 0 || is_ordinary()) {
        return 0;
    }
    unsigned taken = choose(n);
    if (taken > 0) {
        g.n_surprises--;
        note("(a surprise)");
    }
    return taken;
}

/* --- Who goes on ---------------------------------------------------------------------------- */

static bool is_ready(const struct caller *caller)
{
    return !caller->is_done && (caller->ready == NULL || caller->ready(caller->ready_context));
}

static bool can_be_late(const struct caller *caller)
{
    return !caller->is_done && caller->ready != NULL && caller->until_ns != INT64_MAX &&
           (caller->is_late_anyway || !is_ready(caller));
}

/* Those who can go on, from `first` on, then those whose time may pass. */
static unsigned list_options(unsigned first, struct option *list)
{
    unsigned n = 0;
    unsigned n_callers = g.plan->n_callers;
    for (unsigned i = 0; i < n_callers; i++) {
        unsigned id = (first + i) % n_callers;
        if (is_ready(&g.callers[id])) {
            list[n++] = (struct option){id, false, false};
        }
    }
    bool is_stuck = n == 0;
    for (unsigned i = 0; i < n_callers; i++) {
        unsigned id = (first + i) % n_callers;
        const struct caller *caller = &g.callers[id];
        bool is_free = caller->until_ns <= g.now_ns || is_stuck;
        bool is_near = caller->until_ns <= g.plan->horizon_ns;
        if (can_be_late(caller) && (is_stuck || (is_near && (is_free || g.n_surprises > 0)))) {
            list[n++] = (struct option){id, true, !is_free};
        }
    }
    if (is_stuck && (n == 0 || !g.plan->needs_time)) {
        sched_fail("nobody can go on, and nobody will wake them");
    }
    return n;
}

static void switch_to(unsigned id)
{
    unsigned from = g.running;
    g.running = id;
    if (from == id) {
        return;
    }
    (void)swapcontext(from == NOBODY ? &g.home : &g.callers[from].context,
                      &g.callers[id].context);
}

/* The running caller stays, or another one goes on. */
static void reschedule(bool is_forced)
{
    struct option list[2 * SCHED_CALLERS_MAX];
    unsigned first = g.running == NOBODY ? 0 : g.running;
    unsigned n = list_options(first, list);
    unsigned taken = 0;
    if (is_forced || (g.n_preemptions > 0 && !is_ordinary())) {
        taken = choose(n);
    }
    const struct option *option = &list[taken];
    struct caller *next = &g.callers[option->caller];
    g.n_preemptions -= !is_forced && option->caller != g.running ? 1U : 0U;
    g.n_surprises -= option->is_surprise ? 1U : 0U;
    next->is_late = option->is_late;
    if (option->is_late && next->until_ns > g.now_ns) {
        g.now_ns = next->until_ns;
    }
    switch_to(option->caller);
}

void sched_point(const char *what)
{
    note(what);
    g.plan->check(g.plan->context);
    if (!g.is_over) {
        reschedule(false);
    }
}

bool sched_block(const char *what, sched_ready_fn *ready, const void *context, int64_t until_ns,
                 bool is_late_anyway)
{
    struct caller *self = &g.callers[g.running];
    note(what);
    g.plan->check(g.plan->context);
    self->ready = ready;
    self->ready_context = context;
    self->until_ns = until_ns;
    self->is_late_anyway = is_late_anyway;
    self->is_late = false;
    reschedule(!is_ready(self));
    self->ready = NULL;
    if (self->is_late) {
        note("(time is over)");
    }
    return !self->is_late;
}

unsigned sched_caller(void)
{
    return g.running;
}

int64_t sched_now_ns(void)
{
    return g.now_ns;
}

void sched_pass_ns(int64_t ns)
{
    g.now_ns += ns;
}

/* --- Runs ----------------------------------------------------------------------------------- */

/* A coroutine lives through all runs: at the end of each it waits for the next. */
static void be_caller(void)
{
    for (;;) {
        unsigned id = g.running;
        g.plan->run(g.plan->context, id);
        if (g.n_left > 1) {
            g.n_left--;
            g.callers[id].is_done = true;
            note("(done)");
            reschedule(true);
        } else {
            g.is_over = true;
            g.plan->end(g.plan->context);
            g.running = NOBODY;
            (void)swapcontext(&g.callers[id].context, &g.home);
        }
    }
}

static void run_once(void)
{
    g.n_choices = 0;
    g.n_events = 0;
    g.n_preemptions = g.plan->n_preemptions;
    g.n_surprises = g.plan->n_surprises;
    g.n_left = g.plan->n_callers;
    g.is_over = false;
    g.now_ns = 0;
    g.running = NOBODY;
    for (unsigned i = 0; i < g.plan->n_callers; i++) {
        struct caller *caller = &g.callers[i];
        caller->is_done = false;
        caller->ready = NULL;
        caller->until_ns = INT64_MAX;
    }
    g.plan->begin(g.plan->context);
    reschedule(true);
}

static void print_schedule(void)
{
    (void)fprintf(stderr, "the schedule that fails, with the caller before each of its steps:");
    unsigned last = NOBODY;
    for (size_t i = 0; i < g.n_events; i++) {
        if (g.events[i].caller != last) {
            last = g.events[i].caller;
            (void)fprintf(stderr, "\n  %u:", last);
        }
        (void)fprintf(stderr, " %s", g.events[i].what);
    }
    (void)fprintf(stderr, "\n%s\n", g.failure);
}

static void make_caller(ucontext_t *context, unsigned char *stack)
{
    (void)getcontext(context);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = STACK_BYTES;
    context->uc_link = NULL;
    makecontext(context, be_caller, 0);
}

struct sched_result sched_explore(const struct sched_plan *plan)
{
    static unsigned char stacks[SCHED_CALLERS_MAX][STACKS_APART]; /* hardly touched */
    struct sched_result result = {.n_runs = 0};
    g.plan = plan;
    g.failure[0] = '\0';
    g.n_known = 0;
    g.random = plan->seed;
    for (unsigned i = 0; i < plan->n_callers; i++) {
        make_caller(&g.callers[i].context, stacks[i]);
    }
    while (!result.is_all && g.failure[0] == '\0' && result.n_runs < plan->n_runs_max) {
        run_once();
        result.n_runs++;
        result.is_all = plan->seed == 0 && g.failure[0] == '\0' && !next_choices();
    }
    if (g.failure[0] != '\0') {
        print_schedule();
        (void)snprintf(result.failure, sizeof(result.failure), "%s", g.failure);
    }
    return result;
}
