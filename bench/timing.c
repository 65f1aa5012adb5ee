/* SPDX-License-Identifier: MIT */
/* bench/timing.c — slices, pairs, medians. Knows no library.
 *
 * The two sides of a pair run right after one another, and the order swaps from pair to pair: what
 * drifts slowly (the processor's clock, other programs) touches both alike and leaves the ratio. */
#include "timing.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct worker {
    struct bench_side *side;
    pthread_barrier_t *start;
    uint64_t length_ns;
    uint64_t started_ns;
    uint64_t ended_ns;
    uint64_t cpu_ns;
    uint64_t n_ops;
    uint32_t index;
    bool is_ok;
};

static volatile sig_atomic_t s_is_interrupted;

static void on_signal(int number)
{
    (void)number;
    s_is_interrupted = 1;
}

bool bench_watch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    return sigaction(SIGINT, &action, NULL) == 0 && sigaction(SIGTERM, &action, NULL) == 0;
}

static uint64_t read_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

double bench_median(double *values, uint32_t n)
{
    qsort(values, n, sizeof(*values), compare_doubles);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Counts on the stack: neighbours must not share a cache line while they run. */
static void work(struct worker *worker)
{
    struct bench_side *side = worker->side;
    const struct bench_driver *driver = side->driver;
    size_t at = (size_t)worker->index * 61 % BENCH_KEYS;
    uint64_t n_ops = 0;
    bool is_ok = true;
    const uint64_t cpu_ns = read_ns(CLOCK_THREAD_CPUTIME_ID);
    const uint64_t started_ns = bench_now_ns();
    const uint64_t end_ns = started_ns + worker->length_ns;
    uint64_t now_ns = started_ns;
    while (is_ok && now_ns < end_ns) {
        is_ok = driver->run(&side->peer, worker->index, &at);
        n_ops += driver->batch;
        now_ns = bench_now_ns();
    }
    worker->started_ns = started_ns;
    worker->ended_ns = now_ns;
    worker->cpu_ns = read_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
    worker->n_ops = n_ops;
    worker->is_ok = is_ok;
}

static void *work_thread(void *argument)
{
    struct worker *worker = argument;
    (void)pthread_barrier_wait(worker->start);
    work(worker);
    return NULL;
}

/* When a thread cannot be made, those that wait at the barrier can never pass it: the process
 * has to end, and the servers end with it. */
static void run_threads(struct worker *workers, uint32_t n)
{
    pthread_barrier_t start;
    pthread_t threads[BENCH_MAX_THREADS];
    if (pthread_barrier_init(&start, NULL, n) != 0) {
        (void)bench_broke("no barrier");
        abort();
    }
    for (uint32_t i = 0; i < n; i++) {
        workers[i].start = &start;
        if (pthread_create(&threads[i], NULL, work_thread, &workers[i]) != 0) {
            (void)bench_broke("no thread");
            abort();
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    (void)pthread_barrier_destroy(&start);
}

bool bench_slice(struct bench_side *side, double seconds, struct bench_rate *out)
{
    const uint32_t n = side->peer.n_threads;
    struct worker workers[BENCH_MAX_THREADS] = {0};
    for (uint32_t i = 0; i < n; i++) {
        workers[i] = (struct worker){
            .side = side, .index = i, .length_ns = (uint64_t)(seconds * 1e9)};
    }
    if (n == 1) {
        work(&workers[0]);
    } else {
        run_threads(workers, n);
    }
    uint64_t first_ns = workers[0].started_ns;
    uint64_t last_ns = workers[0].ended_ns;
    uint64_t cpu_ns = 0;
    uint64_t n_ops = 0;
    bool is_ok = true;
    for (uint32_t i = 0; i < n; i++) {
        first_ns = workers[i].started_ns < first_ns ? workers[i].started_ns : first_ns;
        last_ns = workers[i].ended_ns > last_ns ? workers[i].ended_ns : last_ns;
        cpu_ns += workers[i].cpu_ns;
        n_ops += workers[i].n_ops;
        is_ok = is_ok && workers[i].is_ok;
    }
    if (s_is_interrupted != 0) {
        return bench_broke("interrupted");
    }
    if (is_ok) {
        out->per_s = (double)n_ops * 1e9 / (double)(last_ns - first_ns);
        out->cpu_us = (double)cpu_ns / 1e3 / (double)n_ops;
    }
    return is_ok;
}

static double median_of(const struct bench_rate *rates, uint32_t n, bool is_cpu)
{
    double values[BENCH_MAX_PAIRS] = {0};
    for (uint32_t i = 0; i < n; i++) {
        values[i] = is_cpu ? rates[i].cpu_us : rates[i].per_s;
    }
    return bench_median(values, n);
}

bool bench_compare(struct bench_side *ours, struct bench_side *base,
                   const struct bench_method *method, struct bench_pairs *out)
{
    struct bench_rate ours_rates[BENCH_MAX_PAIRS] = {0};
    struct bench_rate base_rates[BENCH_MAX_PAIRS] = {0};
    double ratios[BENCH_MAX_PAIRS] = {0};
    const uint32_t n = method->n_pairs;
    for (uint32_t i = 0; i < n; i++) {
        const bool is_ours_first = i % 2 == 0;
        if (is_ours_first && !bench_slice(ours, method->slice_s, &ours_rates[i])) {
            return false;
        }
        if (!bench_slice(base, method->slice_s, &base_rates[i])) {
            return false;
        }
        if (!is_ours_first && !bench_slice(ours, method->slice_s, &ours_rates[i])) {
            return false;
        }
        ratios[i] = ours_rates[i].per_s / base_rates[i].per_s;
    }
    out->ours_rate = median_of(ours_rates, n, false);
    out->base_rate = median_of(base_rates, n, false);
    out->ours_cpu_us = median_of(ours_rates, n, true);
    out->base_cpu_us = median_of(base_rates, n, true);
    out->ratio = bench_median(ratios, n); /* Sorts. */
    out->ratio_low = ratios[n / 4];
    out->ratio_high = ratios[n - 1 - n / 4];
    return true;
}
