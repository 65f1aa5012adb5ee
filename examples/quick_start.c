/* SPDX-License-Identifier: MIT */
/* examples/quick_start.c — the process-wide cache: set_cache, cache_get, cache_set, cache_delete,
 * cache_exists. CACHE_BACKEND, REDIS_* and VALKEY_* decide where it lives: CACHE_BACKEND=memory
 * needs no server. */
#include <faciliter/facade.h>

#include <stdio.h>

int main(void)
{
    if (!set_cache(NULL)) {
        fprintf(stderr, "no cache: %s\n", cache_error());
        return 1;
    }
    if (!cache_set("user:123", "{\"name\": \"Alice\"}", 300)) { /* for five minutes */
        fprintf(stderr, "not stored: %s\n", cache_error());
        return 1;
    }
    char *user = cache_get("user:123", NULL); /* NULL: not there */
    printf("user:123   %s\n", user != NULL ? user : "(miss)");
    cache_free(user);

    char *nobody = cache_get("user:none", "nobody"); /* a miss gives a copy of the fallback */
    printf("user:none  %s\n", nobody != NULL ? nobody : "(no memory)");
    cache_free(nobody);

    printf("deleted    %s\n", cache_delete("user:123") ? "yes" : "it was not there");
    printf("still      %s\n", cache_exists("user:123") ? "there" : "gone");
    close_cache();
    return 0;
}
