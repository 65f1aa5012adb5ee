/* SPDX-License-Identifier: MIT */
/* store_bench/main.c — fac_bench_store: the memory store beside what else holds a million entries.
 *
 * 16-byte keys, 100-byte values, keys drawn by Zipf's law with an exponent of 0.99. The cells that are
 * compared run in turn, a slice each, over and over; a figure is the median of its slices, a ratio the
 * median of the ratios of slices that lie next to each other. Every value that comes is checked. */
#include "side.h"

#include <faciliter/cache.h>

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    N_DRAWN = 1 << 22, /* keys drawn beforehand: a power of two */
    MAX_SLICES = 15,
    MAX_RUNS = 8,
    BATCH = 1000, /* calls between two looks at the clock */
    MIXED_SET_PERCENT = 10,
};

static const uint64_t k_all_bytes = UINT64_C(512) << 20; /* more than they need */
static uint32_t *drawn;
static char value_text[VALUE_BYTES];

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t mix(uint64_t x)
{
    x = (x + 0x9e3779b97f4a7c15U) * 0xbf58476d1ce4e5b9U;
    return x ^ x >> 31;
}

/* The key's number, spread, in 14 hexadecimal digits: made in a few nanoseconds and without a
 * table, whose cache misses would be measured too. An odd factor loses no number. */
static void make_key(char *key, uint32_t number)
{
    uint64_t bits = (uint64_t)number * 0x9e3779b97f4a7bU;
    key[0] = 'k';
    key[1] = ':';
    for (int i = PREFIX_BYTES; i < KEY_BYTES; i++, bits >>= 4) {
        key[i] = "0123456789abcdef"[bits & 15];
    }
}

/* A value tells its key: its first 16 bytes are the key's. */
static void make_value(char *value, const char *key)
{
    memcpy(value, value_text, VALUE_BYTES);
    memcpy(value, key, KEY_BYTES);
}

static bool draw_keys(void)
{
    double *sums = malloc(N_ENTRIES * sizeof(*sums));
    drawn = malloc(N_DRAWN * sizeof(*drawn));
    double sum = 0;
    for (int i = 0; i < N_ENTRIES && sums != NULL; i++) {
        sum += pow(i + 1, -0.99);
        sums[i] = sum;
    }
    for (uint32_t i = 0; i < N_DRAWN && sums != NULL && drawn != NULL; i++) {
        const double at = (double)(mix(i) >> 11) / 9007199254740992.0 * sum;
        int low = 0;
        int high = N_ENTRIES - 1;
        while (low < high) {
            const int middle = low + (high - low) / 2;
            if (sums[middle] < at) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        /* Ranks are spread over the order of insertion: an odd factor again. */
        drawn[i] = (uint32_t)((uint64_t)low * 7919 % N_ENTRIES);
    }
    const bool is_ok = sums != NULL && drawn != NULL;
    free(sums);
    return is_ok;
}

/* --- A slice -------------------------------------------------------------------------------- */

struct run {
    const char *name;
    const struct side *side;
    void *
        caches[MAX_THREADS]; /* the same one twice, or one for each thread: nothing is shared */
    unsigned n_threads;
    bool is_mixed;
    double rates[MAX_SLICES];
};

struct worker {
    const struct run *run;
    unsigned index;
    double seconds;
    uint32_t at;
    double rate;
    bool is_wrong;
    pthread_t thread;
};

static bool one_call(const struct run *run, unsigned thread, uint32_t at)
{
    char key[KEY_BYTES];
    char value[VALUE_BYTES];
    void *cache = run->caches[thread];
    make_key(key, drawn[at]);
    if (run->is_mixed && mix(at) % 100 < MIXED_SET_PERCENT) {
        make_value(value, key);
        return run->side->set(cache, thread, key, value);
    }
    if (!run->side->get(cache, thread, key, value)) {
        return run->is_mixed; /* evicted */
    }
    return memcmp(value, key, KEY_BYTES) == 0;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    const double start = now_s();
    double passed = 0;
    uint64_t n = 0;
    while (passed < worker->seconds) {
        for (int i = 0; i < BATCH; i++) {
            worker->at = (worker->at + 1) & (N_DRAWN - 1);
            worker->is_wrong = !one_call(worker->run, worker->index, worker->at) ||
                               worker->is_wrong;
        }
        n += BATCH;
        passed = now_s() - start;
    }
    worker->rate = (double)n / passed;
    return NULL;
}

static bool slice(const struct run *run, double seconds, uint32_t at, double *out)
{
    struct worker workers[MAX_THREADS];
    bool is_ok = true;
    *out = 0;
    for (unsigned i = 0; i < run->n_threads; i++) {
        workers[i] = (struct worker){
            .run = run, .index = i, .seconds = seconds, .at = at + i * (N_DRAWN / 2)};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            abort();
        }
    }
    for (unsigned i = 0; i < run->n_threads; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        *out += workers[i].rate;
        is_ok = is_ok && !workers[i].is_wrong;
    }
    if (!is_ok) {
        (void)fprintf(stderr, "%s: a wrong answer\n", run->name);
    }
    return is_ok;
}

static bool fill(const struct side *side, void *cache, uint32_t n)
{
    char key[KEY_BYTES];
    char value[VALUE_BYTES];
    for (uint32_t i = 0; i < n; i++) {
        make_key(key, i);
        make_value(value, key);
        if (!side->set(cache, 0, key, value)) {
            return false;
        }
    }
    return true;
}

/* --- Tables --------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, int n)
{
    double sorted[MAX_SLICES];
    memcpy(sorted, values, (size_t)n * sizeof(*sorted));
    qsort(sorted, (size_t)n, sizeof(*sorted), by_size);
    return sorted[n / 2];
}

static double ratio_of(const struct run *ours, const struct run *base, int n)
{
    double ratios[MAX_SLICES];
    for (int i = 0; i < n; i++) {
        ratios[i] = ours->rates[i] / base->rates[i];
    }
    return median(ratios, n);
}

/* `bar` 0: none. */
static void put_row(const char *what, double value, const char *unit, double bar, bool is_most)
{
    (void)printf("%-52s %10.2f %-12s", what, value, unit);
    if (bar > 0) {
        (void)printf(" %s %.2f  %s", is_most ? "<=" : ">=", bar,
                     (is_most ? value <= bar : value >= bar) ? "met" : "MISS");
    }
    (void)printf("\n");
}

/* All cells in turn, `n` times. */
static bool run_all(struct run *runs, int n_runs, int n, double seconds)
{
    double warm = 0;
    for (int i = 0; i < n_runs; i++) {
        if (!slice(&runs[i], seconds, 0, &warm)) {
            return false;
        }
    }
    for (int k = 0; k < n; k++) {
        for (int i = 0; i < n_runs; i++) {
            if (!slice(&runs[i], seconds, (uint32_t)mix((uint64_t)k) & (N_DRAWN - 1),
                       &runs[i].rates[k])) {
                return false;
            }
        }
    }
    return true;
}

static void put_memory(void *cache, size_t before)
{
    fac_stats stats;
    if (fac_cache_stats(cache, NULL, &stats, sizeof(stats), NULL) == FAC_OK) {
        const double counted = (double)stats.memory_bytes;
        const double held = (double)(mallinfo2().uordblks + mallinfo2().hblkhd - before);
        put_row("overhead of an entry, by memory_bytes",
                counted / N_ENTRIES - KEY_BYTES - VALUE_BYTES, "bytes", 56, true);
        put_row("overhead of an entry, by mallinfo2",
                held / N_ENTRIES - KEY_BYTES - VALUE_BYTES, "bytes", 56, true);
        put_row("memory_bytes, of what malloc holds", counted * 100 / held, "%", 0, false);
    }
}

static bool hits(int n, double seconds)
{
    const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    void *shared = k_ours.open(k_all_bytes);
    if (shared == NULL || !fill(&k_ours, shared, N_ENTRIES)) {
        return false;
    }
    put_memory(shared, before);
    void *alone = k_ours.open(k_all_bytes);
    void *glib = k_glib.open(k_all_bytes);
    void *bare = k_bare.open(k_all_bytes);
    if (alone == NULL || bare == NULL || !fill(&k_ours, alone, N_ENTRIES) ||
        !fill(&k_glib, glib, N_ENTRIES) || !fill(&k_bare, bare, N_ENTRIES)) {
        return false;
    }
    struct run runs[] = {
        {.name = "ours, 1", .side = &k_ours, .caches = {shared}, .n_threads = 1},
        {.name = "ours, 2", .side = &k_ours, .caches = {shared, shared}, .n_threads = 2},
        {.name = "control", .side = &k_ours, .caches = {shared, alone}, .n_threads = 2},
        {.name = "glib, 1", .side = &k_glib, .caches = {glib}, .n_threads = 1},
        {.name = "glib, 2", .side = &k_glib, .caches = {glib, glib}, .n_threads = 2},
        {.name = "bare", .side = &k_bare, .caches = {bare}, .n_threads = 1},
    };
    const bool is_ok = run_all(runs, sizeof(runs) / sizeof(*runs), n, seconds);
    if (is_ok) {
        put_row("hits of get_into, 1 thread", median(runs[0].rates, n) / 1e6, "M/s", 5, false);
        put_row("hits of get_into, 2 threads", median(runs[1].rates, n) / 1e6, "M/s", 0, false);
        put_row("control: 2 threads, a cache each", median(runs[2].rates, n) / 1e6, "M/s", 0,
                false);
        put_row("2 threads, of the control", ratio_of(&runs[1], &runs[2], n), "", 0.9, false);
        put_row("GLib, 1 thread", median(runs[3].rates, n) / 1e6, "M/s", 0, false);
        put_row("GLib, 2 threads", median(runs[4].rates, n) / 1e6, "M/s", 0, false);
        put_row("1 thread, against GLib", ratio_of(&runs[0], &runs[3], n), "times", 0, false);
        put_row("2 threads, against GLib", ratio_of(&runs[1], &runs[4], n), "times", 2, false);
        put_row("a bare table without a lock, 1 thread", median(runs[5].rates, n) / 1e6, "M/s",
                0, false);
        put_row("1 thread, of the bare table", ratio_of(&runs[0], &runs[5], n), "", 0, false);
    }
    k_bare.close(bare);
    k_ours.close(shared);
    k_ours.close(alone);
    k_glib.close(glib);
    return is_ok;
}

/* Half of the entries fit: gets miss, sets evict. */
static bool mixed(int n, double seconds)
{
    const uint64_t bytes = UINT64_C(78) << 20;
    void *ours = k_ours.open(bytes);
    void *glib = k_glib.open(bytes);
    if (ours == NULL || !fill(&k_ours, ours, N_ENTRIES) || !fill(&k_glib, glib, N_ENTRIES)) {
        return false;
    }
    struct run runs[] = {
        {.name = "mixed", .side = &k_ours, .caches = {ours}, .n_threads = 1, .is_mixed = true},
        {.name = "mixed, 2",
         .side = &k_ours,
         .caches = {ours, ours},
         .n_threads = 2,
         .is_mixed = true},
        {.name = "mixed glib",
         .side = &k_glib,
         .caches = {glib},
         .n_threads = 1,
         .is_mixed = true},
    };
    const bool is_ok = run_all(runs, 3, n, seconds);
    if (is_ok) {
        put_row("90/10 get/set with eviction, 1 thread", median(runs[0].rates, n) / 1e6, "M/s",
                2.5, false);
        put_row("90/10 get/set with eviction, 2 threads", median(runs[1].rates, n) / 1e6, "M/s",
                0, false);
        put_row("90/10, GLib, 1 thread", median(runs[2].rates, n) / 1e6, "M/s", 0, false);
    }
    k_ours.close(ours);
    k_glib.close(glib);
    return is_ok;
}

static bool against_memcached(int n, double seconds)
{
    if (!memcached_is_there()) {
        (void)printf("memcached is not installed, not measured\n");
        return true;
    }
    void *server = k_memcached.open(k_all_bytes);
    /* As many as are asked for: the others only cost time here. */
    if (server == NULL || !fill(&k_memcached, server, N_ENTRIES)) {
        return false;
    }
    struct run runs[] = {
        {.name = "memcached", .side = &k_memcached, .caches = {server}, .n_threads = 1},
        {.name = "memcached, 2",
         .side = &k_memcached,
         .caches = {server, server},
         .n_threads = 2},
    };
    const bool is_ok = run_all(runs, 2, n, seconds);
    if (is_ok) {
        put_row("memcached over a Unix socket, 1 thread", median(runs[0].rates, n) / 1e6, "M/s",
                0, false);
        put_row("memcached over a Unix socket, 2 threads", median(runs[1].rates, n) / 1e6,
                "M/s", 0, false);
    }
    k_memcached.close(server);
    return is_ok;
}

/* Below callgrind: a small store, and so many hits. The difference of two counts is theirs. */
static int probe(const char *count)
{
    void *cache = k_ours.open(1 << 20);
    const unsigned long n = strtoul(count, NULL, 10);
    char key[KEY_BYTES];
    char value[VALUE_BYTES];
    bool is_ok = cache != NULL && fill(&k_ours, cache, 1000);
    for (unsigned long i = 0; i < n && is_ok; i++) {
        make_key(key, (uint32_t)(i % 1000));
        is_ok = k_ours.get(cache, 0, key, value);
    }
    k_ours.close(cache);
    return is_ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--probe") == 0) {
        return probe(argv[2]);
    }
    const bool is_quick = argc == 2 && strcmp(argv[1], "--quick") == 0;
    if (argc > 1 && !is_quick) {
        (void)fputs("usage: fac_bench_store [--quick]\n", stderr);
        return 2;
    }
    memset(value_text, 'v', sizeof(value_text));
    if (!draw_keys()) {
        return 1;
    }
    const int n = is_quick ? 3 : 9;
    const double seconds = is_quick ? 0.03 : 0.3;
    (void)printf(
        "a million entries, 16-byte keys, 100-byte values, Zipf 0.99; %d slices of %.2f s\n", n,
        seconds);
    return hits(n, seconds) && mixed(n, seconds) && against_memcached(3, seconds) ? 0 : 1;
}
