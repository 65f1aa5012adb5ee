/* SPDX-License-Identifier: MIT */
/* outside/main.c — a program that knows the installed library only: both levels of it. */
#include <faciliter/cache.h>
#include <faciliter/facade.h>

#include <stdio.h>
#include <string.h>

static int use_handle(void)
{
    fac_options options;
    fac_options_init(&options);
    fac_error err;
    fac_cache *cache = NULL;
    if (fac_cache_open(&options, &cache, &err) < 0) {
        fprintf(stderr, "open: %s\n", err.message);
        return 1;
    }
    char buf[16];
    size_t len = 0;
    fac_status st = fac_cache_set(cache, fac_str("outside"), fac_str("value"), FAC_TTL_DEFAULT,
                                  NULL, &err);
    if (st == FAC_OK) {
        st = fac_cache_get_into(cache, fac_str("outside"), NULL, buf, sizeof(buf), &len, &err);
    }
    fac_cache_close(cache);
    if (st != FAC_OK || len != 5 || memcmp(buf, "value", 5) != 0) {
        fprintf(stderr, "handle: %s\n", fac_status_name(st));
        return 1;
    }
    return 0;
}

static int use_facade(void)
{
    if (!set_cache(NULL) || !cache_set("outside", "value", 60)) {
        fprintf(stderr, "facade: %s\n", cache_error());
        return 1;
    }
    char *value = cache_get("outside", NULL);
    int is_right = value != NULL && strcmp(value, "value") == 0;
    cache_free(value);
    close_cache();
    return is_right ? 0 : 1;
}

int main(void)
{
    printf("faciliter %s\n", fac_version());
    return use_handle() != 0 || use_facade() != 0;
}
