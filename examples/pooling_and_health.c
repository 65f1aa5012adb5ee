/* SPDX-License-Identifier: MIT */
/* examples/pooling_and_health.c — a handle of one's own: settings in code, one pool of
 * connections for several threads, a health report, the counters, and a clean end. */
#include <faciliter/cache.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

enum {
    N_THREADS = 8,
    N_ROUNDS = 100,
};

/* What each thread does: write and read back, on the one handle, without locking. */
static void *work(void *argument)
{
    fac_cache *cache = argument;
    for (int i = 0; i < N_ROUNDS; i++) {
        char key[32];
        snprintf(key, sizeof(key), "pooling:%d", i);

        fac_error err;
        fac_status st = fac_cache_set(cache, fac_str(key), fac_str("pooled"), 60000, NULL,
                                      &err);
        fac_value *value = NULL;
        if (st == FAC_OK) {
            st = fac_cache_get(cache, fac_str(key), NULL, &value, &err);
        }
        fac_value_unref(value);
        if (st != FAC_OK) {
            fprintf(stderr, "%s: %s\n", fac_status_name(st), err.message);
            return cache; /* anything but NULL: this thread failed */
        }
    }
    return NULL;
}

static int run_threads(fac_cache *cache)
{
    pthread_t threads[N_THREADS];
    int n_started = 0;
    while (n_started < N_THREADS &&
           pthread_create(&threads[n_started], NULL, work, cache) == 0) {
        n_started++;
    }
    int n_failed = N_THREADS - n_started;
    for (int i = 0; i < n_started; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        n_failed += result != NULL;
    }
    return n_failed;
}

static void report(fac_cache *cache)
{
    fac_error err;
    fac_health health;
    if (fac_cache_health(cache, NULL, &health, sizeof(health), &err) == FAC_OK) {
        printf("healthy: %s %s at %s, answered in %" PRIu64 " us\n", health.server,
               health.version, health.endpoint, health.latency_us);
        printf("connections: %" PRIu32 " open, %" PRIu32 " idle, at most %" PRIu32 "\n",
               health.connections_open, health.connections_idle, health.max_connections);
    } else {
        printf("not healthy: %s\n", err.message);
    }
    fac_stats stats;
    if (fac_cache_stats(cache, NULL, &stats, sizeof(stats), &err) == FAC_OK) {
        printf("%" PRIu64 " hits, %" PRIu64 " misses, %" PRIu64 " sets, %" PRIu64 " errors, "
               "%" PRIu64 " connects\n",
               stats.hits, stats.misses, stats.sets, stats.errors, stats.connects);
    }
}

int main(void)
{
    fac_options options;
    fac_options_init(&options);         /* everything from the environment … */
    options.max_connections = 4;        /* … but the size of the pool, */
    options.retry_on_timeout = FAC_YES; /* one more try for a read that got no answer, */
    options.timeout_ms = 2000;          /* and the longest that any call may take. */

    fac_error err;
    fac_cache *cache = NULL;
    if (fac_cache_open(&options, &cache, &err) < 0) {
        fprintf(stderr, "no cache: %s\n", err.message);
        return 1;
    }
    int n_failed = run_threads(cache);
    printf("%d threads, %d failed\n", N_THREADS, n_failed);
    report(cache);

    fac_cache_close(cache); /* also right while other threads are in a call */
    return n_failed == 0 ? 0 : 1;
}
