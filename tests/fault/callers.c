/* SPDX-License-Identifier: MIT */
/* fault/callers.c — callers that know what they must get. */
#include "fault/callers.h"

#include "kit/kit.h"
#include "kit/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    N_KEYS = 64,
    TEXT_BYTES = 128,
    LATE_CAP = 1 << 18,
    PATIENCE_MS = 30000,
    WRITE_EVERY = 4
};

/* Values differ in length, too. */
static size_t make_value(size_t number, char text[TEXT_BYTES])
{
    int len = snprintf(text, TEXT_BYTES, "the value of %zu%.*s", number, (int)(number % 61),
                       "-------------------------------------------------------------");
    return (size_t)len;
}

static fac_bytes make_key(size_t number, char text[TEXT_BYTES])
{
    int len = snprintf(text, TEXT_BYTES, "key %zu", number);
    return fac_mem(text, (size_t)len);
}

void callers_without_breaker(fac_options *options)
{
    fac_error err;
    fac_status st = fac_options_set(options, "breaker", "off", &err);
    assert_true(st == FAC_OK || st == FAC_E_CONFIG);
}

void callers_store(fac_cache *cache)
{
    for (size_t i = 0; i < N_KEYS; i++) {
        char key[TEXT_BYTES];
        char value[TEXT_BYTES];
        fac_error err;
        assert_status(fac_cache_set(cache, make_key(i, key),
                                    fac_mem(value, make_value(i, value)), FAC_TTL_NONE, NULL,
                                    &err),
                      FAC_OK, &err);
    }
}

static fac_status call_once(struct callers *callers, size_t number, bool is_write)
{
    char key_text[TEXT_BYTES];
    char want[TEXT_BYTES];
    fac_bytes key = make_key(number, key_text);
    size_t want_len = make_value(number, want);
    fac_call call = fac_call_within(callers->deadline_ms);
    if (is_write) {
        return fac_cache_set(callers->cache, key, fac_mem(want, want_len), FAC_TTL_NONE, &call,
                             NULL);
    }
    fac_value *value = NULL;
    fac_status st = fac_cache_get(callers->cache, key, &call, &value, NULL);
    if (st == FAC_OK) {
        fac_bytes got = fac_value_bytes(value);
        if (got.len != want_len || memcmp(got.data, want, want_len) != 0) {
            (void)atomic_fetch_add(&callers->n_wrong, 1U);
        }
        fac_value_unref(value);
    }
    return st;
}

static atomic_size_t *counter_of(struct callers *callers, fac_status st)
{
    switch ((int)st) {
    case FAC_OK:
        return &callers->n_ok;
    case FAC_MISS:
        return &callers->n_miss;
    case FAC_E_TIMEOUT:
        return &callers->n_timeout;
    case FAC_E_UNAVAILABLE:
        return &callers->n_unavailable;
    case FAC_E_BUSY:
        return &callers->n_busy;
    case FAC_E_AUTH:
        return &callers->n_auth;
    default:
        atomic_store(&callers->other, (int)st);
        return &callers->n_other;
    }
}

/* One call of one thread. */
struct one_call {
    fac_status status;
    bool is_recorded;  /* it began while calls were recorded */
    int64_t queued_us; /* see late_queued_us(): meanwhile, if it is recorded */
    int64_t took_us;
    int64_t ended_us;
};

static void note(struct callers *callers, const struct one_call *call)
{
    fac_status st = call->status;
    int64_t took_us = call->took_us;
    (void)atomic_fetch_add(&callers->n_calls, 1U);
    (void)atomic_fetch_add(counter_of(callers, st), 1U);
    int64_t late_us = took_us - (int64_t)callers->deadline_ms * 1000;
    if (call->is_recorded && atomic_load(&callers->is_recording)) {
        if (late_us >= 0) {
            lateness_add(&callers->late, late_us, call->queued_us);
        }
        if (st == FAC_E_BUSY) {
            late_add(&callers->busy, took_us);
        }
        if (st == FAC_E_UNAVAILABLE) {
            late_add(&callers->refused, took_us);
        }
    }
    if (st >= 0 && atomic_load(&callers->is_watching)) {
        int_fast64_t none = 0;
        (void)atomic_compare_exchange_strong(&callers->first_ok_us, &none, call->ended_us);
    }
    if (st < 0 && late_us < 0) { /* sixty threads that spin would measure the machine only */
        kit_nap();
    }
}

static int64_t thread_cpu_us(void)
{
    struct timespec used;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

static void call_until_told(size_t index, void *context)
{
    struct callers *callers = context;
    uint64_t random = kit_seed() + index * 2 + 1;
    while (!atomic_load(&callers->must_stop)) {
        size_t number = kit_random(&random) % N_KEYS;
        bool is_write = !callers->is_reading_only &&
                        (kit_random(&random) >> 32U) % WRITE_EVERY == 0;
        struct one_call call = {.is_recorded = atomic_load(&callers->is_recording)};
        int64_t queued_us = call.is_recorded ? late_queued_us() : 0;
        int64_t cpu_us = thread_cpu_us();
        int64_t began_us = late_now_us();
        call.status = call_once(callers, number, is_write);
        call.ended_us = late_now_us();
        call.took_us = call.ended_us - began_us;
        (void)atomic_fetch_add(&callers->cpu_us, thread_cpu_us() - cpu_us);
        call.queued_us = call.is_recorded ? late_queued_us() - queued_us : 0;
        note(callers, &call);
        if (callers->pause_ms > 0) {
            late_pass_ms(callers->pause_ms);
        }
    }
}

void callers_start(struct callers *callers, size_t n)
{
    lateness_init(&callers->late, LATE_CAP);
    late_init(&callers->busy, LATE_CAP);
    late_init(&callers->refused, LATE_CAP);
    (void)kit_seed();
    callers->threads = kit_threads_start(n, call_until_told, callers);
}

void callers_stop(struct callers *callers)
{
    atomic_store(&callers->must_stop, true);
    kit_threads_join(callers->threads);
    (void)fprintf(stderr,
                  "%zu calls: %zu ok, %zu miss, %zu timeout, %zu unavailable, %zu busy, "
                  "%zu auth, %zu other (%s)\n",
                  atomic_load(&callers->n_calls), atomic_load(&callers->n_ok),
                  atomic_load(&callers->n_miss), atomic_load(&callers->n_timeout),
                  atomic_load(&callers->n_unavailable), atomic_load(&callers->n_busy),
                  atomic_load(&callers->n_auth), atomic_load(&callers->n_other),
                  fac_status_name((fac_status)atomic_load(&callers->other)));
    assert_int_equal(atomic_load(&callers->n_wrong), 0);
}

void callers_fini(struct callers *callers)
{
    lateness_fini(&callers->late);
    late_fini(&callers->busy);
    late_fini(&callers->refused);
}

void callers_record(struct callers *callers, bool on)
{
    if (on) {
        lateness_clear(&callers->late);
        late_clear(&callers->busy);
        late_clear(&callers->refused);
    }
    atomic_store(&callers->is_recording, on);
}

void callers_watch(struct callers *callers)
{
    atomic_store(&callers->first_ok_us, 0);
    atomic_store(&callers->is_watching, true);
}

int64_t callers_first_ok_after_us(struct callers *callers, int64_t since_us, int64_t within_ms)
{
    KIT_WAIT_FOR(within_ms, atomic_load(&callers->first_ok_us) != 0);
    atomic_store(&callers->is_watching, false);
    return (int64_t)atomic_load(&callers->first_ok_us) - since_us;
}

void callers_wait_for_ok(struct callers *callers, size_t n)
{
    size_t want = atomic_load(&callers->n_ok) + n;
    KIT_WAIT_FOR(PATIENCE_MS, atomic_load(&callers->n_ok) >= want);
}
