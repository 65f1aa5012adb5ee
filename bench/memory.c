/* SPDX-License-Identifier: MIT */
/* bench/memory.c — the group of what stays in memory: hits of the memory backend, what an open
 * handle holds by the count of the allocator hook, what a process and the library's file take. */
#include "plan.h"

#include "cell.h"
#include "size.h"

#include <faciliter/cache.h>

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    LARGE_BYTES = 16 * 1024 * 1024,
    N_SMALL = 32,    /* Calls after a large one, by which the buffers have shrunk. */
    N_STEADY = 1000, /* Calls that allocate nothing. */
};

static const char k_group[] = "memory";
static const double k_handle_bar = 64.0 * 1024;
static const double k_resident_bar = 1024.0 * 1024;
static const double k_library_bar = 250.0 * 1024;

/* What the hook has given out. A block counts with what malloc really keeps for it. */
struct tally {
    atomic_size_t n_bytes; /* Live. */
    atomic_size_t n_calls; /* For memory, failed ones included. */
};

static void *allocate(void *context, size_t bytes)
{
    struct tally *tally = context;
    void *block = malloc(bytes);
    (void)atomic_fetch_add(&tally->n_calls, 1U);
    (void)atomic_fetch_add(&tally->n_bytes, malloc_usable_size(block));
    return block;
}

static void *reallocate(void *context, void *block, size_t bytes)
{
    struct tally *tally = context;
    const size_t before = malloc_usable_size(block);
    void *moved = realloc(block, bytes);
    (void)atomic_fetch_add(&tally->n_calls, 1U);
    if (moved != NULL) {
        (void)atomic_fetch_add(&tally->n_bytes, malloc_usable_size(moved));
        (void)atomic_fetch_sub(&tally->n_bytes, before);
    }
    return moved;
}

static void release(void *context, void *block)
{
    struct tally *tally = context;
    (void)atomic_fetch_sub(&tally->n_bytes, malloc_usable_size(block));
    free(block);
}

static bool add_value(struct bench_report *report, enum bench_kind kind, const char *name,
                      const char *what, double value, double bar)
{
    return bench_report_add_value(report, k_group, name, "process",
                                  &(struct bench_value){kind, what, value, bar});
}

/* The memory store alone: nothing of hiredis's compares. The median of as many slices. */
static bool run_store(const struct bench_plan *plan, uint32_t n_threads, const char *name,
                      struct bench_report *report)
{
    if (!bench_is_wanted(plan, name, "memory")) {
        return true;
    }
    bench_data_size(BENCH_SMALL_BYTES);
    struct bench_side side = {.driver = &k_store_get_into, .peer = {.n_threads = n_threads}};
    if (!side.driver->open(&side.peer, NULL)) {
        return false;
    }
    double rates[BENCH_MAX_PAIRS] = {0};
    struct bench_rate rate;
    bool is_ok = bench_slice(&side, plan->method.slice_s, false, &rate);
    for (uint32_t i = 0; i < plan->method.n_pairs && is_ok; i++) {
        is_ok = bench_slice(&side, plan->method.slice_s, false, &rate);
        rates[i] = is_ok ? rate.per_s : 0;
    }
    side.driver->close(&side.peer);
    struct bench_row *row = is_ok ? bench_report_add(report, k_group, name, "memory") : NULL;
    if (row == NULL) {
        return false;
    }
    row->kind = BENCH_RATE;
    row->ours = n_threads == 1 ? "hits of get_into, 1 thread" : "hits of get_into, 2 threads";
    row->n_threads = n_threads;
    row->method = plan->method;
    row->value = bench_median(rates, plan->method.n_pairs);
    return true;
}

static fac_cache *open_counted(const struct bench_endpoint *endpoint, struct tally *tally)
{
    const fac_allocator hook = {
        .allocate = allocate, .reallocate = reallocate, .release = release, .context = tally};
    fac_options options;
    fac_options_init(&options);
    options.ignore_environment = true;
    options.provider = endpoint->is_valkey ? FAC_VALKEY : FAC_REDIS;
    options.prefix = BENCH_PREFIX;
    options.host = "127.0.0.1";
    options.port = endpoint->port;
    options.allocator = &hook;
    fac_error err;
    fac_cache *cache = NULL;
    if (fac_cache_open(&options, &cache, &err) < 0) {
        (void)bench_broke("open: %s", err.message);
        return NULL;
    }
    return cache;
}

static bool get_small(fac_cache *cache, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const struct bench_entry *entry = bench_next(&at);
        char buf[BENCH_SMALL_BYTES];
        size_t len = 0;
        fac_error err;
        fac_status st = fac_cache_get_into(cache, entry->key, NULL, buf, sizeof(buf), &len,
                                           &err);
        if (st != FAC_OK || !bench_is_value(entry, buf, len)) {
            return bench_broke("get_into %s: %s", entry->full_key, fac_status_name(st));
        }
    }
    return true;
}

/* Stores a large value and fetches it, as a value and into a buffer of the caller's. */
static bool move_large(fac_cache *cache)
{
    const fac_bytes key = fac_str("large");
    char *sent = malloc(LARGE_BYTES);
    char *got = calloc(1, LARGE_BYTES);
    fac_value *value = NULL;
    size_t len = 0;
    fac_error err = {0};
    bool is_right = sent != NULL && got != NULL;
    if (is_right) {
        memset(sent, 'x', LARGE_BYTES);
        is_right = fac_cache_set(cache, key, fac_mem(sent, LARGE_BYTES), BENCH_TTL_MS, NULL,
                                 &err) == FAC_OK &&
                   fac_cache_get(cache, key, NULL, &value, &err) == FAC_OK &&
                   fac_cache_get_into(cache, key, NULL, got, LARGE_BYTES, &len, &err) == FAC_OK;
    }
    if (is_right) {
        const fac_bytes bytes = fac_value_bytes(value);
        is_right = bytes.len == LARGE_BYTES && memcmp(bytes.data, sent, LARGE_BYTES) == 0 &&
                   len == LARGE_BYTES && memcmp(got, sent, LARGE_BYTES) == 0;
    }
    fac_value_unref(value);
    free(sent);
    free(got);
    return is_right || bench_broke("a value of 16 MiB: %s", err.message);
}

static bool count_handle(fac_cache *cache, struct tally *tally, struct bench_report *report)
{
    if (!get_small(cache, N_SMALL)) {
        return false;
    }
    const size_t n_before = atomic_load(&tally->n_calls);
    if (!get_small(cache, N_STEADY)) {
        return false;
    }
    const double n_calls = (double)(atomic_load(&tally->n_calls) - n_before);
    const double idle = (double)atomic_load(&tally->n_bytes);
    if (!move_large(cache) || !get_small(cache, N_SMALL)) {
        return false;
    }
    const double after = (double)atomic_load(&tally->n_bytes);
    return add_value(report, BENCH_COUNT, "allocations", "in 1000 calls of get_into", n_calls,
                     0) &&
           add_value(report, BENCH_BYTES, "idle handle", "live in the hook, one connection",
                     idle, k_handle_bar) &&
           add_value(report, BENCH_BYTES, "shrunk handle",
                     "the same after 16 MiB in and out and 32 small calls", after,
                     k_handle_bar);
}

static bool run_handle(const struct bench_plan *plan, struct bench_report *report)
{
    if (plan->n_servers == 0 || !bench_is_wanted(plan, "handle", "process")) {
        return true;
    }
    const struct bench_endpoint *endpoint = &plan->servers[0].tcp;
    struct tally tally = {0};
    bench_data_size(BENCH_SMALL_BYTES);
    if (!bench_server_empty(endpoint) || !bench_server_fill(endpoint)) {
        return false;
    }
    fac_cache *cache = open_counted(endpoint, &tally);
    bool is_ok = cache != NULL && count_handle(cache, &tally, report);
    fac_cache_close(cache);
    if (is_ok && atomic_load(&tally.n_bytes) != 0) {
        return bench_broke("%zu bytes are left after close", atomic_load(&tally.n_bytes));
    }
    return is_ok;
}

static bool run_sizes(const struct bench_plan *plan, struct bench_report *report)
{
    double bytes = 0;
    if (plan->n_servers > 0 && bench_is_wanted(plan, "resident", "process") &&
        (!bench_resident_bytes(plan->servers[0].tcp.port, &bytes) ||
         !add_value(report, BENCH_BYTES, "resident",
                    "open TCP cache, nothing stored, above bare", bytes, k_resident_bar))) {
        return false;
    }
    const char *what = NULL;
    return !bench_is_wanted(plan, "library", "file") ||
           (bench_library_bytes(&bytes, &what) &&
            add_value(report, BENCH_BYTES, "library", what, bytes, k_library_bar));
}

bool bench_group_memory(const struct bench_plan *plan, struct bench_report *report)
{
    return run_store(plan, 1, "memory 1", report) && run_store(plan, 2, "memory 2", report) &&
           run_handle(plan, report) && run_sizes(plan, report);
}
