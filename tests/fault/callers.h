/* SPDX-License-Identifier: MIT */
/* fault/callers.h — threads that store and fetch values whose content follows from their key,
 * until told to stop: they count every outcome once, and note how late each call returned. */
#ifndef FAC_FAULT_CALLERS_H
#define FAC_FAULT_CALLERS_H

#include "fault/late.h"

#include <faciliter/cache.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kit_threads;

/* A zeroed struct with `cache` and `deadline_ms` set is ready for callers_start(). */
struct callers {
    fac_cache *cache;
    uint32_t deadline_ms;
    bool is_reading_only;
    unsigned pause_ms; /* between two calls of one thread; 0: none */

    struct lateness late;     /* of calls that took their whole deadline, while is_recording */
    struct late busy;         /* what FAC_E_BUSY took, while is_recording */
    struct late refused;      /* what FAC_E_UNAVAILABLE took, while is_recording */
    atomic_bool is_recording; /* see callers_record() */
    atomic_bool must_stop;

    atomic_int_fast64_t cpu_us; /* of the callers' threads inside their calls */

    atomic_size_t n_calls; /* the sum of the following */
    atomic_size_t n_ok;
    atomic_size_t n_miss;
    atomic_size_t n_timeout;
    atomic_size_t n_unavailable;
    atomic_size_t n_busy;
    atomic_size_t n_auth;
    atomic_size_t n_other;
    atomic_int other;      /* the last status of n_other */
    atomic_size_t n_wrong; /* of n_ok: another value than the key's */

    atomic_bool is_watching;         /* see callers_watch() */
    atomic_int_fast64_t first_ok_us; /* when the first call succeeded since; 0: none yet */
    struct kit_threads *threads;
};

/* Where a row is about something else than the breaker. A library without one has none to turn
 * off. */
void callers_without_breaker(fac_options *options);

/* Store the value of every key; asserts that it works. */
void callers_store(fac_cache *cache);

void callers_start(struct callers *callers, size_t n);

/* Join the threads; asserts that each call had one outcome and no value was wrong. */
void callers_stop(struct callers *callers);
void callers_fini(struct callers *callers);

/* Note the lateness of calls that begin from now on, or no longer. Beginning anew clears the
 * records. */
void callers_record(struct callers *callers, bool on);

/* From now on look out for the first success. */
void callers_watch(struct callers *callers);

/* Wait for it, at most `within_ms` (asserts that); microseconds from `since_us`. */
int64_t callers_first_ok_after_us(struct callers *callers, int64_t since_us, int64_t within_ms);

/* Wait until `n` more calls have succeeded. */
void callers_wait_for_ok(struct callers *callers, size_t n);

#endif
