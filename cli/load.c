/* SPDX-License-Identifier: MIT */
/* cli/load.c — many calls at once, and whether their values are right.
 *
 * The main thread fills the keys, starts the workers together, shows progress, stops them and
 * adds up. Each worker has counts and a histogram of its own; the main thread reads them after
 * the join, but for `n_calls`, which is atomic. Values of different keys are different windows of
 * one random block, so a value under the wrong key is seen.
 */
#include "load.h"

#include "input.h"
#include "output.h"
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    KEYS_MAX = 1000,
    VALUES_BYTES = 16 * 1024 *
                   1024, /* of all keys together: within the memory backend's budget */
    KEY_BYTES = 32,
    KEY_TTL_MS = 600000, /* what a killed run leaves behind goes by itself */
    TICK_NS = 200000000, /* between two lines of progress */
};

struct run {
    const struct cli_load *load;
    size_t n_keys;
    struct cli_blob values; /* value_bytes + n_keys bytes */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* is_started, n_running */
    bool is_started;        /* guarded by lock */
    size_t n_running;       /* guarded by lock */
    atomic_bool is_stopped;

    struct cli_blob memory; /* the workers */
    struct worker *workers;
    size_t n_workers; /* that were made */
    uint64_t started_at_ns;
    uint64_t elapsed_ns;
};

struct worker {
    struct run *run;
    pthread_t thread;
    uint64_t quota; /* calls to make; UINT64_MAX: until stopped */
    uint64_t random;
    struct cli_blob buf; /* value_bytes, for get */

    _Atomic uint64_t n_calls;
    uint64_t n_misses;
    uint64_t n_wrong;
    uint64_t n_errors_of[CLI_LOAD_STATUSES];
    fac_error first_error;
    struct cli_histogram histogram; /* of the calls without an error */
};

static fac_bytes key_of(size_t index, char *buf)
{
    int n = snprintf(buf, KEY_BYTES, "key:%zu", index);
    return fac_mem(buf, (size_t)n);
}

static fac_bytes value_of(const struct run *run, size_t index)
{
    return fac_mem(run->values.data + index, (size_t)run->load->value_bytes);
}

/* xorshift64* (Vigna): which key is next needs no better. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1dU;
}

/* --- A worker --------------------------------------------------------------------------------- */

static fac_status call_get(struct worker *worker, size_t index, fac_error *err)
{
    char text[KEY_BYTES];
    fac_bytes want = value_of(worker->run, index);
    size_t len = 0;
    fac_status st = fac_cache_get_into(worker->run->load->cli->cache, key_of(index, text), NULL,
                                       worker->buf.data, want.len, &len, err);
    if (st == FAC_MISS) {
        worker->n_misses++;
    } else if (st == FAC_SMALL ||
               (st == FAC_OK &&
                (len != want.len || memcmp(worker->buf.data, want.data, len) != 0))) {
        worker->n_wrong++;
    }
    return st;
}

static fac_status call_set(struct worker *worker, size_t index, fac_error *err)
{
    char text[KEY_BYTES];
    return fac_cache_set(worker->run->load->cli->cache, key_of(index, text),
                         value_of(worker->run, index), KEY_TTL_MS, NULL, err);
}

static bool next_is_set(enum cli_bench_op op, uint64_t random)
{
    return op == CLI_BENCH_SET || (op == CLI_BENCH_MIX && (random >> 32) % 10 == 0);
}

static void call_once(struct worker *worker)
{
    struct run *run = worker->run;
    uint64_t random = next_random(&worker->random);
    size_t index = (size_t)((random & 0xffffffffU) % run->n_keys);
    fac_error err;
    uint64_t start_ns = cli_now_ns();
    fac_status st = next_is_set(run->load->op, random) ? call_set(worker, index, &err)
                                                       : call_get(worker, index, &err);
    if (st >= 0) {
        cli_histogram_add(&worker->histogram, cli_now_ns() - start_ns);
        return;
    }
    if (worker->first_error.status == FAC_OK) {
        worker->first_error = err;
    }
    size_t slot = (size_t)-st;
    worker->n_errors_of[slot < CLI_LOAD_STATUSES ? slot : 0]++;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct run *run = worker->run;
    (void)pthread_mutex_lock(&run->lock);
    while (!run->is_started) {
        (void)pthread_cond_wait(&run->changed, &run->lock);
    }
    (void)pthread_mutex_unlock(&run->lock);

    for (uint64_t i = 0; i < worker->quota; i++) {
        if (atomic_load_explicit(&run->is_stopped, memory_order_relaxed)) {
            break;
        }
        call_once(worker);
        atomic_store_explicit(&worker->n_calls, i + 1, memory_order_relaxed);
    }

    (void)pthread_mutex_lock(&run->lock);
    run->n_running--;
    (void)pthread_cond_broadcast(&run->changed);
    (void)pthread_mutex_unlock(&run->lock);
    return NULL;
}

/* --- The keys --------------------------------------------------------------------------------- */

static bool make_values(struct run *run)
{
    uint64_t size = run->load->value_bytes;
    uint64_t n_keys = VALUES_BYTES / (size > 0 ? size : 1);
    run->n_keys = n_keys > KEYS_MAX ? KEYS_MAX : (size_t)(n_keys > 0 ? n_keys : 1);
    run->values.len = (size_t)size + run->n_keys;
    if (!cli_blob_reserve(&run->values, run->values.len)) {
        cli_complain("no memory for the values");
        return false;
    }
    uint64_t random = cli_now_ns() | 1;
    for (size_t i = 0; i < run->values.len; i++) {
        run->values.data[i] = (char)(next_random(&random) >> 56);
    }
    return true;
}

/* Each key one by one: a batch of large values may well be over a limit or the deadline. */
static int fill_keys(struct run *run)
{
    for (size_t i = 0; i < run->n_keys; i++) {
        char text[KEY_BYTES];
        fac_error err;
        if (fac_cache_set(run->load->cli->cache, key_of(i, text), value_of(run, i), KEY_TTL_MS,
                          NULL, &err) < 0) {
            return cli_fail(run->load->cli, &err);
        }
    }
    return CLI_DONE;
}

/* Not fac_cache_clear(), which looks at every key of a server. What stays behind expires. */
static void remove_keys(struct run *run)
{
    char texts[KEYS_MAX][KEY_BYTES];
    fac_bytes keys[KEYS_MAX];
    fac_status statuses[KEYS_MAX];
    for (size_t i = 0; i < run->n_keys; i++) {
        keys[i] = key_of(i, texts[i]);
    }
    fac_error err;
    if (fac_cache_delete_many(run->load->cli->cache, keys, run->n_keys, NULL, statuses, &err) <
        0) {
        cli_complain("the keys of this run stay for ten minutes: %s", err.message);
    }
}

/* --- The run ---------------------------------------------------------------------------------- */

static bool prepare_worker(struct run *run, struct worker *worker, size_t index)
{
    size_t size = (size_t)run->load->value_bytes;
    if (!cli_blob_reserve(&worker->buf, size > 0 ? size : 1)) {
        return false;
    }
    uint64_t n_threads = run->load->n_threads;
    uint64_t n_calls = run->load->n_calls;
    worker->run = run;
    worker->random = 0x9e3779b97f4a7c15U * (index + 1);
    worker->quota = n_calls == 0 ? UINT64_MAX
                                 : n_calls / n_threads + (index < n_calls % n_threads ? 1 : 0);
    return true;
}

/* Threads that wait for the start. False after a complaint; those that exist are counted. */
static bool make_workers(struct run *run)
{
    size_t n = run->load->n_threads;
    if (!cli_blob_reserve(&run->memory, n * sizeof(struct worker))) {
        cli_complain("no memory for %zu threads", n);
        return false;
    }
    memset(run->memory.data, 0, n * sizeof(struct worker));
    run->workers = (struct worker *)(void *)run->memory.data;
    for (size_t i = 0; i < n; i++) {
        struct worker *worker = &run->workers[i];
        if (!prepare_worker(run, worker, i)) {
            cli_complain("no memory for the values of %zu threads", n);
            return false;
        }
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
            cli_complain("the system gives no more than %zu threads", i);
            return false;
        }
        run->n_workers++;
    }
    return true;
}

static void show_progress(const struct run *run)
{
    uint64_t n_calls = 0;
    for (size_t i = 0; i < run->n_workers; i++) {
        n_calls += atomic_load_explicit(&run->workers[i].n_calls, memory_order_relaxed);
    }
    double seconds = (double)(cli_now_ns() - run->started_at_ns) / 1e9;
    cli_progress("%.1f s  %" PRIu64 " calls  %.0f /s", seconds, n_calls,
                 seconds > 0 ? (double)n_calls / seconds : 0.0);
}

/* Wait until all workers ended, or until `until_ns` of the monotonic clock. */
static void await_locked(struct run *run, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000U),
                             .tv_nsec = (long)(until_ns % 1000000000U)};
    while (run->n_running > 0 &&
           pthread_cond_timedwait(&run->changed, &run->lock, &until) != ETIMEDOUT) {
    }
}

static void drive(struct run *run, bool is_complete)
{
    (void)pthread_mutex_lock(&run->lock);
    run->n_running = run->n_workers;
    run->is_started = true;
    run->started_at_ns = cli_now_ns();
    atomic_store(&run->is_stopped, !is_complete);
    (void)pthread_cond_broadcast(&run->changed);

    bool is_timed = run->load->n_calls == 0;
    uint64_t end_ns = run->started_at_ns + run->load->duration_ms * 1000000U;
    while (run->n_running > 0) {
        uint64_t now_ns = cli_now_ns();
        if (is_timed && now_ns >= end_ns) {
            atomic_store(&run->is_stopped, true);
        }
        uint64_t tick_ns = now_ns + TICK_NS;
        await_locked(run, is_timed && now_ns < end_ns && end_ns < tick_ns ? end_ns : tick_ns);
        show_progress(run);
    }
    run->elapsed_ns = cli_now_ns() - run->started_at_ns;
    (void)pthread_mutex_unlock(&run->lock);
    for (size_t i = 0; i < run->n_workers; i++) {
        (void)pthread_join(run->workers[i].thread, NULL);
    }
    cli_progress("%s", "");
}

static void add_worker(struct cli_load_result *sum, const struct worker *worker)
{
    cli_histogram_merge(&sum->histogram, &worker->histogram);
    sum->n_misses += worker->n_misses;
    sum->n_wrong += worker->n_wrong;
    for (size_t slot = 0; slot < CLI_LOAD_STATUSES; slot++) {
        sum->n_errors += worker->n_errors_of[slot];
        sum->n_errors_of[slot] += worker->n_errors_of[slot];
    }
    if (sum->first_error.status == FAC_OK) {
        sum->first_error = worker->first_error;
    }
}

static int run_filled(struct run *run, struct cli_load_result *out)
{
    bool is_complete = make_workers(run);
    drive(run, is_complete);
    memset(out, 0, sizeof(*out));
    out->elapsed_ns = run->elapsed_ns;
    for (size_t i = 0; i < run->n_workers; i++) {
        add_worker(out, &run->workers[i]);
    }
    /* The one that got memory but no thread, too. */
    for (size_t i = 0; run->workers != NULL && i < run->load->n_threads; i++) {
        cli_blob_fini(&run->workers[i].buf);
    }
    cli_blob_fini(&run->memory);
    return is_complete ? CLI_DONE : CLI_FAILED;
}

static void init_lock(struct run *run)
{
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&run->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&run->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

int cli_load_run(const struct cli_load *load, struct cli_load_result *out)
{
    struct run run = {.load = load};
    if (!make_values(&run)) {
        return CLI_FAILED;
    }
    init_lock(&run);
    int code = fill_keys(&run);
    if (code == CLI_DONE) {
        code = run_filled(&run, out);
        remove_keys(&run);
    }
    (void)pthread_cond_destroy(&run.changed);
    (void)pthread_mutex_destroy(&run.lock);
    cli_blob_fini(&run.values);
    return code;
}

double cli_load_per_second(const struct cli_load_result *result)
{
    double seconds = (double)result->elapsed_ns / 1e9;
    return seconds > 0 ? (double)result->histogram.n_samples / seconds : 0.0;
}
