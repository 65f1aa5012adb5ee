/* SPDX-License-Identifier: MIT */
/* kit/ledger.c — lanes of counters, and a ring of the operations that are under way. */
#include "kit/ledger.h"

#include "kit/kit.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const k_names[KIT_OUTCOMES] = {
    [KIT_OUTCOME_OK] = "OK",
    [KIT_OUTCOME_MISS] = "MISS",
    [KIT_OUTCOME_SERVER_ERROR] = "SERVER_ERROR",
    [KIT_OUTCOME_NOT_SENT] = "NOT_SENT",
    [KIT_OUTCOME_UNKNOWN] = "UNKNOWN",
    [KIT_OUTCOME_TIMEOUT] = "TIMEOUT",
    [KIT_OUTCOME_CLOSED] = "CLOSED",
    [KIT_OUTCOME_QUEUE_FULL] = "QUEUE_FULL",
    [KIT_OUTCOME_BAD] = "BAD",
};

/* Written by one thread, read by any; on cache lines of its own. */
struct lane {
    _Alignas(64) _Atomic uint64_t n_begun;
    _Atomic uint64_t n[KIT_OUTCOMES];
    _Atomic uint64_t n_misused;
    uint64_t open[KIT_LEDGER_OPEN_MAX]; /* id + 1 of the operation under way there; 0: none */
};

struct kit_ledger {
    size_t n_lanes;
    struct lane *lanes;
};

const char *kit_outcome_name(enum kit_outcome outcome)
{
    return outcome < KIT_OUTCOMES ? k_names[outcome] : "?";
}

enum kit_outcome kit_outcome_of(fac_status status, const fac_error *err)
{
    if (status < 0 && err != NULL && err->maybe_applied) {
        return KIT_OUTCOME_UNKNOWN;
    }
    switch (status) {
    case FAC_OK:
    case FAC_EXISTS:
    case FAC_SMALL:
        return KIT_OUTCOME_OK;
    case FAC_MISS:
        return KIT_OUTCOME_MISS;
    case FAC_E_SERVER:
    case FAC_E_AUTH:
    case FAC_E_PROTOCOL:
    case FAC_E_TOO_LARGE:
        return KIT_OUTCOME_SERVER_ERROR;
    case FAC_E_UNAVAILABLE:
    case FAC_E_NOMEM:
        return KIT_OUTCOME_NOT_SENT;
    case FAC_E_TIMEOUT:
        return KIT_OUTCOME_TIMEOUT;
    case FAC_E_CLOSED:
        return KIT_OUTCOME_CLOSED;
    case FAC_E_BUSY:
        return KIT_OUTCOME_QUEUE_FULL;
    case FAC_E_INVALID:
    case FAC_E_CONFIG:
    case FAC_E_UNSUPPORTED:
        break;
    }
    return KIT_OUTCOME_BAD;
}

struct kit_ledger *kit_ledger_new(size_t n_lanes)
{
    struct kit_ledger *ledger = calloc(1, sizeof(*ledger));
    struct lane *lanes = aligned_alloc(_Alignof(struct lane), n_lanes * sizeof(*lanes));
    if (ledger == NULL || lanes == NULL) {
        abort();
    }
    memset(lanes, 0, n_lanes * sizeof(*lanes));
    ledger->n_lanes = n_lanes;
    ledger->lanes = lanes;
    return ledger;
}

void kit_ledger_free(struct kit_ledger *ledger)
{
    if (ledger != NULL) {
        free(ledger->lanes);
        free(ledger);
    }
}

/* One writer: no read-modify-write is needed. */
static void add_one(_Atomic uint64_t *counter)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + 1, memory_order_relaxed);
}

uint64_t kit_ledger_begin(struct kit_ledger *ledger, size_t lane_index)
{
    struct lane *lane = &ledger->lanes[lane_index];
    uint64_t id = atomic_load_explicit(&lane->n_begun, memory_order_relaxed);
    uint64_t *place = &lane->open[id % KIT_LEDGER_OPEN_MAX];
    if (*place != 0) {
        add_one(&lane->n_misused); /* one of long ago never ended */
    }
    *place = id + 1;
    add_one(&lane->n_begun);
    return id;
}

void kit_ledger_end(struct kit_ledger *ledger, size_t lane_index, uint64_t id,
                    enum kit_outcome outcome)
{
    struct lane *lane = &ledger->lanes[lane_index];
    uint64_t *place = &lane->open[id % KIT_LEDGER_OPEN_MAX];
    if (*place != id + 1) {
        add_one(&lane->n_misused);
        return;
    }
    *place = 0;
    add_one(&lane->n[outcome < KIT_OUTCOMES ? outcome : KIT_OUTCOME_BAD]);
}

struct kit_ledger_sum kit_ledger_sum(const struct kit_ledger *ledger)
{
    struct kit_ledger_sum sum = {0};
    for (size_t i = 0; i < ledger->n_lanes; i++) {
        struct lane *lane = &ledger->lanes[i];
        for (size_t j = 0; j < KIT_OUTCOMES; j++) {
            uint64_t n = atomic_load_explicit(&lane->n[j], memory_order_relaxed);
            sum.n[j] += n;
            sum.n_ended += n;
        }
        sum.n_begun += atomic_load_explicit(&lane->n_begun, memory_order_relaxed);
        sum.n_misused += atomic_load_explicit(&lane->n_misused, memory_order_relaxed);
    }
    return sum;
}

void kit_ledger_print(const struct kit_ledger_sum *sum, char *out, size_t cap)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < KIT_OUTCOMES && at < cap; i++) {
        if (sum->n[i] > 0) {
            at += (size_t)snprintf(out + at, cap - at, "%s%s %" PRIu64, at > 0 ? ", " : "",
                                   k_names[i], sum->n[i]);
        }
    }
}

void kit_ledger_assert_whole(const struct kit_ledger *ledger)
{
    struct kit_ledger_sum sum = kit_ledger_sum(ledger);
    if (sum.n_begun != sum.n_ended || sum.n_misused > 0 || sum.n[KIT_OUTCOME_BAD] > 0) {
        char text[256];
        kit_ledger_print(&sum, text, sizeof(text));
        fail_msg("%" PRIu64 " operations begun, %" PRIu64 " ended, %" PRIu64 " misused: %s",
                 sum.n_begun, sum.n_ended, sum.n_misused, text);
    }
}
