/* SPDX-License-Identifier: MIT */
/* bench/timing.c — slices, pairs, medians. Knows no library.
 *
 * The two sides of a pair run right after one another, and the order swaps from pair to pair: what
 * drifts slowly (the processor's clock, other programs) touches both alike and leaves the ratio. */
#include "timing.h"

#include "calls.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum {
    CLOCK_EVERY = 32,  /* One thread alone looks at the clock after so many operations. */
    CACHE_LINE = 128,  /* Two lines: the processor fetches them in pairs. */
    RAMP_PERCENT = 15, /* Of a slice, before its count begins. */
    SLICE_TRIES = 200, /* A very short slice in which nothing ended goes on, this often. */
};

/* What several workers share. */
struct slice {
    struct bench_side *side;
    pthread_barrier_t start;
    atomic_bool is_over;
    bool is_counting;
};

/* Counts that only ever grow, of one thread. */
struct meter {
    uint64_t cpu_ns;
    uint64_t n_switches;
    uint64_t n_calls;
};

/* Neighbours must not share a cache line while they run. */
struct worker {
    _Alignas(CACHE_LINE) atomic_uint_fast64_t n_done;
    struct slice *slice;
    uint32_t index;
    bool is_ok;
    struct meter used;
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

bool bench_is_interrupted(void)
{
    return s_is_interrupted != 0 && !bench_broke("interrupted");
}

void bench_wait_until(uint64_t at_ns)
{
    const struct timespec at = {.tv_sec = (time_t)(at_ns / 1000000000U),
                                .tv_nsec = (long)(at_ns % 1000000000U)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR &&
           s_is_interrupted == 0) {
    }
}

/* Of the calling thread. The calls are read last at the begin and first at the end, so that all
 * that is in between are those of the work, and one: the second reading itself. */
static struct meter read_meter(void)
{
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_THREAD, &usage);
    return (struct meter){.cpu_ns = read_ns(CLOCK_THREAD_CPUTIME_ID),
                          .n_switches = (uint64_t)(usage.ru_nvcsw + usage.ru_nivcsw)};
}

static struct meter begin_meter(int counter)
{
    struct meter meter = read_meter();
    meter.n_calls = bench_calls_read(counter);
    return meter;
}

static struct meter end_meter(const struct meter *begin, int counter)
{
    const uint64_t n_calls = bench_calls_read(counter);
    struct meter meter = read_meter();
    meter.cpu_ns -= begin->cpu_ns;
    meter.n_switches -= begin->n_switches;
    meter.n_calls = counter < 0 ? 0 : n_calls - begin->n_calls - 1;
    return meter;
}

static size_t first_entry(const struct worker *worker)
{
    return (size_t)worker->index * 61 % BENCH_KEYS;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct slice *slice = worker->slice;
    const struct bench_driver *driver = slice->side->driver;
    size_t at = first_entry(worker);
    uint64_t n_done = 0;
    const int counter = slice->is_counting ? bench_calls_open() : -1;
    (void)pthread_barrier_wait(&slice->start);
    const struct meter begin = begin_meter(counter);
    while (!atomic_load_explicit(&slice->is_over, memory_order_relaxed)) {
        if (!driver->run(&slice->side->peer, worker->index, &at, driver->unit)) {
            worker->is_ok = false;
            break;
        }
        n_done += driver->unit;
        atomic_store_explicit(&worker->n_done, n_done, memory_order_relaxed);
    }
    worker->used = end_meter(&begin, counter);
    bench_calls_close(counter);
    return NULL;
}

static uint64_t count_done(struct worker *workers, uint32_t n)
{
    uint64_t n_done = 0;
    for (uint32_t i = 0; i < n; i++) {
        n_done += atomic_load_explicit(&workers[i].n_done, memory_order_relaxed);
    }
    return n_done;
}

/* When a thread cannot be made, those that wait at the barrier can never pass it: the process
 * has to end, and the servers end with it. */
static void start_workers(struct slice *slice, struct worker *workers, pthread_t *threads,
                          uint32_t n)
{
    if (pthread_barrier_init(&slice->start, NULL, n + 1) != 0) {
        (void)bench_broke("no barrier");
        abort();
    }
    for (uint32_t i = 0; i < n; i++) {
        workers[i].slice = slice;
        workers[i].index = i;
        workers[i].is_ok = true;
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) {
            (void)bench_broke("no thread");
            abort();
        }
    }
    (void)pthread_barrier_wait(&slice->start);
}

/* The rate is counted from outside while all threads run: how they start and end is not in it. */
static double run_threads(struct slice *slice, struct worker *workers, uint32_t n,
                          double seconds)
{
    pthread_t threads[BENCH_MAX_THREADS];
    start_workers(slice, workers, threads, n);
    const uint64_t length_ns = (uint64_t)(seconds * 1e9);
    bench_wait_until(bench_now_ns() + length_ns * RAMP_PERCENT / 100);
    const uint64_t n_before = count_done(workers, n);
    const uint64_t began_ns = bench_now_ns();
    uint64_t n_after = n_before;
    uint64_t ended_ns = began_ns;
    for (uint32_t i = 1; i <= SLICE_TRIES && n_after == n_before; i++) {
        bench_wait_until(began_ns + i * length_ns);
        n_after = count_done(workers, n);
        ended_ns = bench_now_ns();
    }
    atomic_store(&slice->is_over, true);
    for (uint32_t i = 0; i < n; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    (void)pthread_barrier_destroy(&slice->start);
    return (double)(n_after - n_before) * 1e9 / (double)(ended_ns - began_ns);
}

/* One thread needs no second one beside it to watch the clock. */
static double run_alone(struct slice *slice, struct worker *worker, double seconds)
{
    const struct bench_driver *driver = slice->side->driver;
    const uint32_t step = driver->unit > 1 ? driver->unit : CLOCK_EVERY;
    size_t at = first_entry(worker);
    uint64_t n_done = 0;
    const int counter = slice->is_counting ? bench_calls_open() : -1;
    const struct meter begin = begin_meter(counter);
    const uint64_t began_ns = bench_now_ns();
    const uint64_t end_ns = began_ns + (uint64_t)(seconds * 1e9);
    uint64_t now_ns = began_ns;
    worker->is_ok = true;
    while (worker->is_ok && now_ns < end_ns) {
        worker->is_ok = driver->run(&slice->side->peer, 0, &at, step);
        n_done += step;
        now_ns = bench_now_ns();
    }
    worker->used = end_meter(&begin, counter);
    bench_calls_close(counter);
    atomic_store(&worker->n_done, n_done);
    return (double)n_done * 1e9 / (double)(now_ns - began_ns);
}

bool bench_slice(struct bench_side *side, double seconds, bool is_counting,
                 struct bench_rate *out)
{
    const uint32_t n = side->peer.n_threads;
    struct worker workers[BENCH_MAX_THREADS] = {0};
    struct slice slice = {.side = side, .is_counting = is_counting};
    workers[0].slice = &slice;
    out->per_s = n == 1 ? run_alone(&slice, &workers[0], seconds)
                        : run_threads(&slice, workers, n, seconds);
    struct meter used = {0};
    bool is_ok = true;
    for (uint32_t i = 0; i < n; i++) {
        used.cpu_ns += workers[i].used.cpu_ns;
        used.n_switches += workers[i].used.n_switches;
        used.n_calls += workers[i].used.n_calls;
        is_ok = is_ok && workers[i].is_ok;
    }
    const double n_done = (double)count_done(workers, n);
    if (bench_is_interrupted() || !is_ok) {
        return false;
    }
    if (n_done < 1 || out->per_s <= 0) {
        return bench_broke("%s: nothing was done in %.2f s", side->driver->name, seconds);
    }
    out->cost.cpu_us = (double)used.cpu_ns / 1e3 / n_done;
    out->cost.switches = (double)used.n_switches / n_done;
    out->cost.calls = used.n_calls > 0 ? (double)used.n_calls / n_done : -1;
    return true;
}

enum figure {
    RATE,
    CPU,
    SWITCHES,
};

static double median_of(const struct bench_rate *rates, uint32_t n, enum figure figure)
{
    double values[BENCH_MAX_PAIRS] = {0};
    for (uint32_t i = 0; i < n; i++) {
        values[i] = figure == RATE  ? rates[i].per_s
                    : figure == CPU ? rates[i].cost.cpu_us
                                    : rates[i].cost.switches;
    }
    return bench_median(values, n);
}

static bool set_cost(struct bench_side *side, double seconds, const struct bench_rate *rates,
                     uint32_t n, struct bench_cost *out)
{
    struct bench_rate counted = {0};
    if (!bench_slice(side, seconds, true, &counted)) {
        return false;
    }
    out->cpu_us = median_of(rates, n, CPU);
    out->switches = median_of(rates, n, SWITCHES);
    out->calls = counted.cost.calls;
    return true;
}

void bench_pairs_set_ratios(struct bench_pairs *pairs, double *ratios, uint32_t n)
{
    pairs->ratio = bench_median(ratios, n); /* Sorts. */
    pairs->ratio_low = ratios[n / 4];
    pairs->ratio_high = ratios[n - 1 - n / 4];
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
        if (is_ours_first && !bench_slice(ours, method->slice_s, false, &ours_rates[i])) {
            return false;
        }
        if (!bench_slice(base, method->slice_s, false, &base_rates[i])) {
            return false;
        }
        if (!is_ours_first && !bench_slice(ours, method->slice_s, false, &ours_rates[i])) {
            return false;
        }
        ratios[i] = ours_rates[i].per_s / base_rates[i].per_s;
    }
    out->ours_rate = median_of(ours_rates, n, RATE);
    out->base_rate = median_of(base_rates, n, RATE);
    bench_pairs_set_ratios(out, ratios, n);
    return set_cost(ours, method->slice_s, ours_rates, n, &out->ours_cost) &&
           set_cost(base, method->slice_s, base_rates, n, &out->base_cost);
}
