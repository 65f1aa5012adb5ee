/* SPDX-License-Identifier: MIT */
/* Row B9: what the caller lent is not looked at after the call has returned, whatever is still on
 * its way then. The pages become unreadable on return; a late touch ends the test by SIGSEGV. */
#include "fault/callers.h"
#include "fault/late.h"
#include "kit/kit.h"
#include "live/live.h"

#include <faciliter/reply.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    CALLERS = 16,
    SETS = 16, /* of pages: those of the last calls stay closed while answers still come */
    PARTS = 3, /* key, value, destination */
    PART_BYTES = 256 * 1024,
    TIMEOUTS = 3000,  /* the row's 10^6 in the soak */
    ROUND_MS = 60000, /* each 100 of scale: far more than it takes */
    DEADLINE_MAX_MS = 8,
    PATIENT_MS = 2000, /* so that answers are received, too */
    PATIENT_EVERY = 16,
    STOP_MAX_MS = 6,
    RUN_MAX_MS = 12
};

static const size_t k_sizes[] = {1, 100, 4096, 70000, PART_BYTES};

struct lending {
    fac_cache *cache;
    pid_t server;
    unsigned char *pages; /* [CALLERS][SETS][PARTS] */
    atomic_size_t n_timeouts;
    atomic_size_t n_ok;
    atomic_bool must_stop;
};

static unsigned char *part_of(struct lending *lending, size_t caller, size_t set, size_t part)
{
    return lending->pages + ((caller * SETS + set) * PARTS + part) * PART_BYTES;
}

static void protect(struct lending *lending, size_t caller, size_t set, int how)
{
    if (mprotect(part_of(lending, caller, set, 0), (size_t)PARTS * PART_BYTES, how) != 0) {
        abort();
    }
}

static fac_status call_lending(struct lending *lending, size_t caller, size_t set,
                               uint64_t random)
{
    bool is_patient = random / 1024 % PATIENT_EVERY == 0;
    fac_call call = fac_call_within(is_patient ? PATIENT_MS
                                               : (uint32_t)(1 + random % DEADLINE_MAX_MS));
    size_t size = k_sizes[random / 8 % KIT_COUNT(k_sizes)];
    char *key = (char *)part_of(lending, caller, set, 0);
    fac_bytes value = {part_of(lending, caller, set, 1), size};
    unsigned char *into = part_of(lending, caller, set, 2);
    fac_bytes name = {key, (size_t)snprintf(key, 32, "k%zu of %zu", caller, size)};
    size_t len = 0;
    fac_reply *reply = NULL;
    fac_value *values[2] = {NULL, NULL};
    fac_status statuses[2];
    switch (random / 64 % 8) {
    case 0:
    case 1:
        return fac_cache_set(lending->cache, name, value, FAC_TTL_NONE, &call, NULL);
    case 2:
        return fac_cache_add(lending->cache, name, value, FAC_TTL_NONE, &call, NULL);
    case 3: {
        fac_bytes *args = (fac_bytes *)(void *)into;
        memcpy(args, (const fac_bytes[]){fac_str("SET"), name, value}, 3 * sizeof(*args));
        fac_status st = fac_cache_command(lending->cache, args, 3, &call, &reply, NULL);
        fac_reply_free(reply);
        return st;
    }
    case 4: {
        fac_bytes *keys = (fac_bytes *)(void *)into;
        keys[0] = name;
        keys[1] = name;
        fac_status st = fac_cache_get_many(lending->cache, keys, 2, &call, values, statuses,
                                           NULL);
        fac_value_unref(values[0]);
        fac_value_unref(values[1]);
        return st;
    }
    default:
        return fac_cache_get_into(lending->cache, name, &call, into, PART_BYTES, &len, NULL);
    }
}

static void lend_and_close(size_t index, void *context)
{
    struct lending *lending = context;
    uint64_t random = kit_seed() + index * 2 + 1;
    for (size_t i = 0; !atomic_load(&lending->must_stop); i++) {
        size_t set = i % SETS;
        protect(lending, index, set, PROT_READ | PROT_WRITE);
        fac_status st = call_lending(lending, index, set, kit_random(&random) >> 8U);
        protect(lending, index, set, PROT_NONE);
        if (st == FAC_E_TIMEOUT) {
            (void)atomic_fetch_add(&lending->n_timeouts, 1U);
        } else if (st >= 0) {
            (void)atomic_fetch_add(&lending->n_ok, 1U);
        } else {
            kit_nap();
        }
    }
}

/* Stops the server and lets it go on, so that calls are left at every stage. */
static void run_lending(struct lending *lending, size_t n_timeouts)
{
    uint64_t random = kit_seed();
    int64_t until_ms = kit_now_ms() + (int64_t)kit_scaled(ROUND_MS);
    struct kit_threads *threads = kit_threads_start(CALLERS, lend_and_close, lending);
    while (atomic_load(&lending->n_timeouts) < n_timeouts && kit_now_ms() < until_ms) {
        (void)kill(lending->server, SIGSTOP);
        late_pass_ms((int64_t)(kit_random(&random) >> 32U) % STOP_MAX_MS);
        (void)kill(lending->server, SIGCONT);
        late_pass_ms((int64_t)(kit_random(&random) >> 32U) % RUN_MAX_MS);
    }
    atomic_store(&lending->must_stop, true);
    kit_threads_join(threads);
}

/* Catches: a frame that is sent from the caller's memory after it left; an answer that is received
 * into its buffer, or a value pushed to it, after it left; a retry that reads the key again. */
static void test_caller_memory__b9_pages_closed_on_return(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    callers_without_breaker(&live.options);
    live_open(&live);
    size_t map_bytes = (size_t)CALLERS * SETS * PARTS * PART_BYTES;
    struct lending lending = {.cache = live.cache, .server = kit_server_pid(live.server)};
    lending.pages = mmap(NULL, map_bytes, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(lending.pages != MAP_FAILED);
    size_t want = kit_scaled(TIMEOUTS);
    run_lending(&lending, want);
    (void)fprintf(stderr, "%zu calls ran out of time, %zu succeeded\n",
                  atomic_load(&lending.n_timeouts), atomic_load(&lending.n_ok));
    assert_true(atomic_load(&lending.n_timeouts) >= want);
    assert_true(atomic_load(&lending.n_ok) > 0);
    fac_error err;
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(live.cache, "k", 0, &err) == FAC_MISS);
    assert_int_equal(munmap(lending.pages, map_bytes), 0);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_caller_memory__b9_pages_closed_on_return),
};

KIT_MAIN(k_tests)
