/* SPDX-License-Identifier: MIT */
/* api/sweep.c — the loop around one verb whose allocations fail. */
#include "sweep.h"

#include "kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sweep_put(struct sweep *sweep, const char *key, const char *data, size_t len)
{
    fac_error err;
    assert_status(
        fac_cache_set(sweep->cache, fac_str(key), fac_mem(data, len), 60000, NULL, &err),
        FAC_OK, &err);
}

bool sweep_holds(struct sweep *sweep, const char *key, const char *data, size_t len)
{
    fac_error err;
    fac_value *value = NULL;
    fac_status st = fac_cache_get(sweep->cache, fac_str(key), NULL, &value, &err);
    assert_true(st >= 0);
    fac_bytes bytes = fac_value_bytes(value);
    bool is_equal = st == FAC_OK && bytes.len == len && memcmp(bytes.data, data, len) == 0;
    fac_value_unref(value);
    return is_equal;
}

bool sweep_is_absent(struct sweep *sweep, const char *key)
{
    fac_error err;
    fac_status st = fac_cache_exists(sweep->cache, fac_str(key), NULL, &err);
    assert_true(st >= 0);
    return st == FAC_MISS;
}

void sweep_init(struct sweep *sweep)
{
    memset(sweep, 0, sizeof(*sweep));
    sweep->backend = api_backend_of_test();
    sweep->server = api_start(&sweep->backend);
    kit_memory_init(&sweep->memory);
    api_options(&sweep->options, &sweep->backend, sweep->server);
    sweep->options.allocator = &sweep->memory.hook;
    sweep->options.prefix = "sweep:";
    sweep->large = malloc(SWEEP_LARGE_BYTES);
    assert_non_null(sweep->large);
    for (size_t i = 0; i < SWEEP_LARGE_BYTES; i++) {
        sweep->large[i] = (char)(i * 31 % 251);
    }
}

void sweep_fini(struct sweep *sweep)
{
    free(sweep->large);
    kit_server_stop(sweep->server);
}

void sweep_open(struct sweep *sweep)
{
    fac_error err;
    sweep->cache = NULL;
    assert_status(fac_cache_open(&sweep->options, &sweep->cache, &err), FAC_OK, &err);
}

void sweep_close(struct sweep *sweep)
{
    fac_cache_close(sweep->cache);
    sweep->cache = NULL;
    kit_memory_assert_empty(&sweep->memory);
}

/* A server keeps what is prepared while the handle is replaced by one that has no connection. */
static void become_cold(struct sweep *sweep)
{
    sweep_close(sweep);
    sweep->options.open = FAC_OPEN_LAZY;
    sweep_open(sweep);
    sweep->options.open = FAC_OPEN_CONNECT;
}

/* One attempt whose n-th allocation fails; true when none failed any more. */
static bool attempt(struct sweep *sweep, const struct sweep_verb *verb, size_t n, bool and_on)
{
    fac_error err;
    memset(&err, 0, sizeof(err));
    kit_memory_fail(&sweep->memory, n, and_on);
    fac_status st = verb->run(sweep, &err);
    size_t n_failed = kit_memory_n_failed(&sweep->memory);
    kit_memory_fail(&sweep->memory, 0, false);
    if (st < 0 && (st != FAC_E_NOMEM || err.status != FAC_E_NOMEM || n_failed == 0)) {
        fail_msg("%s, allocation %zu%s: %s, %s", verb->name, n, and_on ? " and on" : "",
                 fac_status_name(st), err.message);
    }
    if (verb->check != NULL) {
        verb->check(sweep, st, err.maybe_applied);
    }
    api_put(sweep->cache, "probe", "alive");
    api_assert_value(sweep->cache, "probe", "alive");
    return n_failed == 0;
}

static void run_mode(struct sweep *sweep, const struct sweep_verb *verb, bool is_cold,
                     bool and_on)
{
    sweep_open(sweep);
    size_t n = 0;
    bool is_through = false;
    while (!is_through) {
        n++;
        assert_true(n < SWEEP_MAX_ALLOCATIONS);
        verb->prepare(sweep);
        if (is_cold) {
            become_cold(sweep);
        }
        is_through = attempt(sweep, verb, n, and_on);
    }
    sweep_close(sweep);
    (void)fprintf(stderr, "%s, %s, %s: %zu allocations\n", verb->name,
                  is_cold ? "cold" : "warm", and_on ? "n-th and on" : "n-th", n - 1);
}

void sweep_run(const struct sweep_verb *verb)
{
    struct sweep sweep;
    sweep_init(&sweep);
    for (int mode = 0; mode < 4; mode++) {
        bool is_cold = mode >= 2;
        if (is_cold && sweep.backend.is_memory) {
            break; /* another handle is another store */
        }
        run_mode(&sweep, verb, is_cold, mode % 2 == 1);
    }
    sweep_fini(&sweep);
}
