/* SPDX-License-Identifier: MIT */
/* bench/latency.c — how long a call takes when calls come at a rate of their own (open loop).
 *
 * The moments at which calls are due are drawn before a slice, the same ones for both sides, with
 * exponential gaps. Each thread takes the next moment, waits for it, calls, and books the time from
 * the moment it was due, not from when a thread was free for it: a side that falls behind pays for
 * every call that had to wait (no coordinated omission). */
#include "cell.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>

enum {
    N_THREADS = 64,
    LATE_FACTOR = 3, /* A slice that takes so many times its length is given up. */
    MAX_PAIRS = 9,
    MAX_RATE_SLICES = 5,
};

static const char k_group[] = "latency";
static const double k_slice_s = 0.7;
static const double k_quick_slice_s = 0.05;

struct schedule {
    uint64_t *due_ns;     /* From the slice's begin, ascending. */
    double *latencies_us; /* One for each. */
    size_t n;
};

struct slice {
    struct bench_side *side;
    const struct schedule *schedule;
    pthread_barrier_t start;
    uint64_t began_ns;
    uint64_t give_up_ns;
    atomic_size_t next;
    atomic_bool is_broken;
};

struct worker {
    struct slice *slice;
    uint32_t index;
};

static bool schedule_init(struct schedule *schedule, size_t n)
{
    schedule->n = n;
    schedule->due_ns = calloc(n, sizeof(*schedule->due_ns));
    schedule->latencies_us = calloc(n, sizeof(*schedule->latencies_us));
    return (schedule->due_ns != NULL && schedule->latencies_us != NULL) ||
           bench_broke("no memory for %zu calls", n);
}

static void schedule_fini(struct schedule *schedule)
{
    free(schedule->due_ns);
    free(schedule->latencies_us);
}

/* The sequence is the same in every run: numbered by `turn`. */
static void draw(struct schedule *schedule, double per_s, uint32_t turn)
{
    uint64_t random = 88172645463325252U + turn; /* The start of xorshift's own paper. */
    double at_ns = 0;
    for (size_t i = 0; i < schedule->n; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        const double uniform = ((double)(random >> 11) + 1) / 9007199254740993.0; /* 2^53 + 1 */
        at_ns += -log(uniform) * 1e9 / per_s;
        schedule->due_ns[i] = (uint64_t)at_ns;
    }
}

/* Calls that are late when the slice is given up are booked with what they waited until then. */
static void call_when_due(struct slice *slice, uint32_t thread, size_t i, size_t *at)
{
    const uint64_t due_ns = slice->began_ns + slice->schedule->due_ns[i];
    uint64_t now_ns = bench_now_ns();
    if (now_ns < due_ns) {
        bench_wait_until(due_ns);
    }
    if (now_ns < slice->give_up_ns &&
        !slice->side->driver->run(&slice->side->peer, thread, at, 1)) {
        atomic_store(&slice->is_broken, true);
    }
    now_ns = bench_now_ns();
    slice->schedule->latencies_us[i] = (double)(now_ns - due_ns) / 1e3;
}

static void *work(void *argument)
{
    const struct worker *worker = argument;
    struct slice *slice = worker->slice;
    /* The kernel would round a wait by 50 us, which is more than a round trip. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    size_t at = (size_t)worker->index * 61 % BENCH_KEYS;
    (void)pthread_barrier_wait(&slice->start); /* All are here: */
    (void)pthread_barrier_wait(&slice->start); /* the begin is set. */
    size_t i = atomic_fetch_add(&slice->next, 1U);
    while (i < slice->schedule->n && !atomic_load(&slice->is_broken)) {
        call_when_due(slice, worker->index, i, &at);
        i = atomic_fetch_add(&slice->next, 1U);
    }
    return NULL;
}

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

static bool run_slice(struct bench_side *side, struct schedule *schedule,
                      struct bench_tail *out)
{
    struct slice slice = {.side = side, .schedule = schedule};
    struct worker workers[N_THREADS];
    pthread_t threads[N_THREADS];
    /* As in timing.c: threads that wait at the barrier for one that cannot be made end with us. */
    if (pthread_barrier_init(&slice.start, NULL, N_THREADS + 1) != 0) {
        (void)bench_broke("no barrier");
        abort();
    }
    for (uint32_t i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker){.slice = &slice, .index = i};
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) {
            (void)bench_broke("no thread");
            abort();
        }
    }
    (void)pthread_barrier_wait(&slice.start);
    slice.began_ns = bench_now_ns() + 1000000U; /* Until all have passed the barrier. */
    slice.give_up_ns = slice.began_ns + LATE_FACTOR * schedule->due_ns[schedule->n - 1];
    (void)pthread_barrier_wait(&slice.start);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    (void)pthread_barrier_destroy(&slice.start);
    if (bench_is_interrupted() || atomic_load(&slice.is_broken)) {
        return false;
    }
    const size_t n = schedule->n;
    qsort(schedule->latencies_us, n, sizeof(double), compare_doubles);
    out->p50_us = schedule->latencies_us[n / 2];
    out->p99_us = schedule->latencies_us[n * 99 / 100];
    out->p999_us = schedule->latencies_us[n * 999 / 1000];
    return true;
}

/* Median over the pairs, percentile by percentile. */
static struct bench_tail middle_of(const struct bench_tail *tails, uint32_t n)
{
    double values[3][BENCH_MAX_PAIRS];
    for (uint32_t i = 0; i < n; i++) {
        values[0][i] = tails[i].p50_us;
        values[1][i] = tails[i].p99_us;
        values[2][i] = tails[i].p999_us;
    }
    return (struct bench_tail){.p50_us = bench_median(values[0], n),
                               .p99_us = bench_median(values[1], n),
                               .p999_us = bench_median(values[2], n)};
}

/* The most that hiredis does when nobody waits between calls: the median of some slices. */
static bool find_most(struct bench_side *base, double slice_s, double *out)
{
    double rates[MAX_RATE_SLICES];
    for (uint32_t i = 0; i < MAX_RATE_SLICES; i++) {
        struct bench_rate rate;
        if (!bench_slice(base, slice_s / 2, false, &rate)) {
            return false;
        }
        rates[i] = rate.per_s;
    }
    *out = bench_median(rates, MAX_RATE_SLICES);
    return true;
}

static bool run_pairs(struct bench_side *sides, struct schedule *schedule, double per_s,
                      struct bench_row *row)
{
    struct bench_tail ours[BENCH_MAX_PAIRS] = {{0}};
    struct bench_tail base[BENCH_MAX_PAIRS] = {{0}};
    double ratios[BENCH_MAX_PAIRS] = {0};
    const uint32_t n = row->method.n_pairs;
    for (uint32_t i = 0; i < n; i++) {
        draw(schedule, per_s, i);
        const uint32_t first = i % 2;
        struct bench_tail *tails[2] = {&ours[i], &base[i]};
        if (!run_slice(&sides[first], schedule, tails[first]) ||
            !run_slice(&sides[1 - first], schedule, tails[1 - first])) {
            return false;
        }
        ratios[i] = base[i].p99_us / ours[i].p99_us;
    }
    row->ours_tail = middle_of(ours, n);
    row->base_tail = middle_of(base, n);
    bench_pairs_set_ratios(&row->pairs, ratios, n);
    return true;
}

static bool compare(const struct bench_cell *cell, struct bench_side *sides,
                    struct bench_row *row)
{
    (void)cell;
    double most = 0;
    if (!find_most(&sides[1], row->method.slice_s, &most)) {
        return false;
    }
    const double per_s = most / 2;
    row->kind = BENCH_LATENCY;
    row->pairs.ours_rate = per_s;
    row->pairs.base_rate = per_s;
    struct schedule schedule;
    bool is_ok = schedule_init(&schedule, (size_t)(per_s * row->method.slice_s) + 1) &&
                 run_pairs(sides, &schedule, per_s, row);
    schedule_fini(&schedule);
    return is_ok;
}

static bool run_one(const struct bench_plan *plan, const struct bench_endpoint *endpoint,
                    bool is_noise, struct bench_report *report)
{
    struct bench_cell cell = {
        .group = k_group,
        .ours = is_noise ? &k_hiredis_get : &k_ours_get_into,
        .base = &k_hiredis_get,
        .n_threads = N_THREADS,
        .value_bytes = BENCH_SMALL_BYTES,
        .bar = is_noise ? 0 : 1,
        .method = {.n_pairs = plan->is_quick ? 5 : MAX_PAIRS,
                   .slice_s = plan->is_quick ? k_quick_slice_s : k_slice_s},
    };
    (void)snprintf(cell.name, sizeof(cell.name), is_noise ? "a/a p99 %d" : "p99 %d",
                   (int)N_THREADS);
    return bench_cell_run(plan, &cell, endpoint, endpoint, compare, report);
}

bool bench_group_latency(const struct bench_plan *plan, struct bench_report *report)
{
    for (uint32_t i = 0; i < bench_plan_n_servers(plan); i++) {
        if (!run_one(plan, &plan->servers[i].tcp, true, report) ||
            !run_one(plan, &plan->servers[i].tcp, false, report)) {
            return false;
        }
    }
    return true;
}
