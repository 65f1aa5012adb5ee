/* SPDX-License-Identifier: MIT */
/* examples/degrade_gracefully.c — an application that works with and without its cache. Start
 * it while no server runs, then start one: it goes on, and heals without a restart.
 * Usage: degrade_gracefully [requests], one every 100 ms; it ends early once the cache served. */
#include <faciliter/facade.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The application's own source of truth: slower than a cache, and always right. */
static const char *load_price(void)
{
    return "42.00";
}

/* Ask the cache, else the source; true when the cache had it. Nothing here depends on whether
 * there is a cache. */
static bool find_price(char *buf, size_t cap)
{
    char *cached = cache_get("degrade:price", NULL);
    if (cached != NULL) {
        snprintf(buf, cap, "%s", cached);
        cache_free(cached);
        return true;
    }
    snprintf(buf, cap, "%s", load_price());
    (void)cache_set("degrade:price", buf, 60); /* fails quietly while there is no cache */
    return false;
}

int main(int argc, char **argv)
{
    long n_requests = argc > 1 ? strtol(argv[1], NULL, 10) : 5;
    setvbuf(stdout, NULL, _IOLBF, 0);

    if (set_cache(NULL)) {
        printf("started with a cache\n");
    } else {
        printf("started without a cache: %s\n", cache_error());
    }
    (void)cache_delete("degrade:price");

    int n_hits = 0;
    for (long i = 1; i <= n_requests && n_hits < 3; i++) {
        char price[32];
        bool hit = find_price(price, sizeof(price));
        printf("request %ld: %s, from %s\n", i, price, hit ? "the cache" : "its source");
        n_hits += hit;
        nanosleep(&(struct timespec){0, 100000000}, NULL);
    }
    close_cache();
    return 0; /* the application did its work, with or without a cache */
}
