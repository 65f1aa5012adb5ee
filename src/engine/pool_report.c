/* SPDX-License-Identifier: MIT */
/* engine/pool_report.c — what the breaker says of a call, and is told of its end. */
#include "base/clock.h"
#include "engine/pool.h"
#include "engine/pool_lists.h"

enum {
    NOTE_EVERY_MS = 1000, /* successes are told to the breaker */
};

fac_status faci_pool_enter_breaker(struct faci_pool *pool, struct faci_lease *lease,
                                   fac_error *err)
{
    if (faci_breaker_is_closed(&pool->breaker)) {
        return FAC_OK;
    }
    faci_mutex_lock(&pool->lock);
    bool may_enter = pool->is_closed ||
                     faci_breaker_enter(&pool->breaker, lease->now_ns, &lease->is_probe, err);
    if (lease->is_probe) {
        faci_gate_hurry(&pool->gate, lease->now_ns); /* one pause is enough */
    }
    faci_mutex_unlock(&pool->lock);
    lease->is_refused = !may_enter;
    if (lease->is_probe) {
        int64_t cap_ns = faci_clock_after_ms(lease->now_ns, FACI_BREAKER_PROBE_MS);
        lease->deadline_ns = cap_ns < lease->deadline_ns ? cap_ns : lease->deadline_ns;
    }
    return may_enter ? FAC_OK : FAC_E_UNAVAILABLE;
}

static void note_calls_locked(struct faci_pool *pool, int64_t now_ns, uint64_t n_failed)
    FACI_REQUIRES(&pool->lock)
{
    uint64_t n_worked = atomic_load_explicit(&pool->n_worked, memory_order_relaxed);
    faci_breaker_note_calls(&pool->breaker, now_ns, n_worked - pool->n_worked_noted, n_failed);
    pool->n_worked_noted = n_worked;
    atomic_store_explicit(&pool->noted_ns, now_ns, memory_order_relaxed);
}

static void report_success(struct faci_pool *pool, const struct faci_lease *lease)
{
    atomic_fetch_add_explicit(&pool->n_worked, 1U, memory_order_relaxed);
    int64_t noted_ns = atomic_load_explicit(&pool->noted_ns, memory_order_relaxed);
    bool is_uneasy = atomic_load_explicit(&pool->is_uneasy, memory_order_relaxed);
    bool is_note_due = lease->now_ns > faci_clock_after_ms(noted_ns, NOTE_EVERY_MS);
    if (!lease->is_probe && !is_uneasy && !is_note_due) {
        return;
    }
    int64_t now_ns = faci_clock_now_ns();
    faci_mutex_lock(&pool->lock);
    note_calls_locked(pool, now_ns, 0);
    /* While it probes, a late answer of an older call shows nothing: the probe tells. */
    if (lease->is_probe || (is_uneasy && pool->breaker.state != FACI_BREAKER_PROBING)) {
        faci_breaker_success(&pool->breaker, now_ns);
        atomic_store_explicit(&pool->is_uneasy, !faci_breaker_is_quiet(&pool->breaker),
                              memory_order_relaxed);
    }
    faci_mutex_unlock(&pool->lock);
}

/* It ended for a reason of ours, which says nothing of the server. */
static void report_nothing(struct faci_pool *pool, const struct faci_lease *lease)
{
    faci_mutex_lock(&pool->lock);
    if (lease->is_probe && pool->breaker.state == FACI_BREAKER_PROBING) {
        faci_breaker_abandon(&pool->breaker);
    }
    faci_mutex_unlock(&pool->lock);
}

void faci_pool_report(struct faci_pool *pool, const struct faci_lease *lease, fac_status st,
                      bool is_late, const fac_error *why)
{
    bool is_fault = st == FAC_E_UNAVAILABLE || st == FAC_E_TIMEOUT || st == FAC_E_PROTOCOL;
    if (st == FAC_OK) {
        report_success(pool, lease);
        return;
    }
    if (!is_fault) {
        report_nothing(pool, lease);
        return;
    }
    int64_t now_ns = faci_clock_now_ns();
    bool had_its_time = now_ns >= faci_clock_after_ms(lease->began_ns, FACI_BREAKER_PROBE_MS);
    faci_mutex_lock(&pool->lock);
    if (lease->is_probe && pool->breaker.state == FACI_BREAKER_PROBING) {
        if (!is_late || had_its_time) {
            faci_breaker_event(&pool->breaker, now_ns, why);
        } else {
            faci_breaker_abandon(&pool->breaker);
        }
    }
    atomic_store_explicit(&pool->is_uneasy, !faci_breaker_is_quiet(&pool->breaker),
                          memory_order_relaxed);
    faci_mutex_unlock(&pool->lock);
}

void faci_pool_note_failure(struct faci_pool *pool, int64_t now_ns)
{
    faci_mutex_lock(&pool->lock);
    note_calls_locked(pool, now_ns, 1);
    faci_mutex_unlock(&pool->lock);
}
