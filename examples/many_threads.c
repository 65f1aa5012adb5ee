/* SPDX-License-Identifier: MIT */
/* examples/many_threads.c — many threads on one handle, each call with the time its request has
 * left, values read into the thread's own buffer: nothing is allocated, nothing waits for long.
 * Usage: many_threads [threads] [reads each] [milliseconds for a call] */
#include <faciliter/cache.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    N_KEYS = 100,
    MAX_THREADS = 256,
};

struct worker {
    pthread_t thread;
    fac_cache *cache;
    uint32_t call_ms;
    long n_reads;
    long n_hits;
    long n_misses;
    long n_errors;
};

/* Keys 0, 2, 4 … are stored by main(), so half of the reads hit. */
static void make_key(char *key, size_t cap, long i)
{
    snprintf(key, cap, "many:%ld", i % N_KEYS);
}

static void *read_many(void *argument)
{
    struct worker *worker = argument;
    for (long i = 0; i < worker->n_reads; i++) {
        char key[32];
        make_key(key, sizeof(key), i);

        char buf[256];
        size_t len = 0;
        fac_call call = fac_call_within(worker->call_ms);
        fac_status st = fac_cache_get_into(worker->cache, fac_str(key), &call, buf, sizeof(buf),
                                           &len, NULL);
        worker->n_hits += st == FAC_OK;
        worker->n_misses += st == FAC_MISS;
        worker->n_errors += st < 0; /* the request goes on without the cache */
    }
    return NULL;
}

static int store_keys(fac_cache *cache, fac_error *err)
{
    for (long i = 0; i < N_KEYS; i += 2) {
        char key[32];
        make_key(key, sizeof(key), i);
        if (fac_cache_set(cache, fac_str(key), fac_str("value"), 60000, NULL, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Returns the reads that failed, and prints the sums. */
static long run(fac_cache *cache, long n_threads, long n_reads, uint32_t call_ms)
{
    static struct worker workers[MAX_THREADS];
    long n_started = 0;
    for (; n_started < n_threads; n_started++) {
        struct worker *worker = &workers[n_started];
        worker->cache = cache;
        worker->call_ms = call_ms;
        worker->n_reads = n_reads;
        if (pthread_create(&worker->thread, NULL, read_many, worker) != 0) {
            break;
        }
    }
    long n_hits = 0;
    long n_misses = 0;
    long n_errors = 0;
    for (long i = 0; i < n_started; i++) {
        pthread_join(workers[i].thread, NULL);
        n_hits += workers[i].n_hits;
        n_misses += workers[i].n_misses;
        n_errors += workers[i].n_errors;
    }
    printf("%ld threads: %ld hits, %ld misses, %ld errors\n", n_started, n_hits, n_misses,
           n_errors);
    return n_errors;
}

int main(int argc, char **argv)
{
    long n_threads = argc > 1 ? strtol(argv[1], NULL, 10) : 16;
    long n_reads = argc > 2 ? strtol(argv[2], NULL, 10) : 1000;
    long call_ms = argc > 3 ? strtol(argv[3], NULL, 10) : 500;
    if (n_threads < 1 || n_threads > MAX_THREADS || n_reads < 1 || call_ms < 1 ||
        call_ms > 60000) {
        fprintf(stderr, "usage: %s [threads, 1 to %d] [reads each] [ms for a call, to 60000]\n",
                argv[0], MAX_THREADS);
        return 1;
    }
    fac_error err;
    fac_cache *cache = NULL;
    if (fac_cache_open(NULL, &cache, &err) < 0) {
        fprintf(stderr, "no cache: %s\n", err.message);
        return 1;
    }
    long n_errors = 1;
    if (store_keys(cache, &err) == 0) {
        n_errors = run(cache, n_threads, n_reads, (uint32_t)call_ms);
    } else {
        fprintf(stderr, "not stored: %s\n", err.message);
    }
    fac_cache_close(cache);
    return n_errors == 0 ? 0 : 1;
}
