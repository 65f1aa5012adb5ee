/* SPDX-License-Identifier: MIT */
/* kit/ledger.h — every operation that a test begins ends with exactly one outcome. Each thread
 * writes in a lane of its own, without locks; the sum is checked after the threads are joined. */
#ifndef FAC_KIT_LEDGER_H
#define FAC_KIT_LEDGER_H

#include <faciliter/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the statuses of the library map to it:
 *   any error with maybe_applied set                   UNKNOWN: later reads may see old or new
 *   FAC_OK, FAC_EXISTS, FAC_SMALL                      OK
 *   FAC_MISS                                           MISS
 *   FAC_E_SERVER, _AUTH, _PROTOCOL, _TOO_LARGE         SERVER_ERROR: answered, but not so
 *   FAC_E_UNAVAILABLE, _NOMEM                          NOT_SENT, or sent and known not applied
 *   FAC_E_TIMEOUT                                      TIMEOUT
 *   FAC_E_CLOSED                                       CLOSED
 *   FAC_E_BUSY                                         QUEUE_FULL
 *   FAC_E_INVALID, _CONFIG, _UNSUPPORTED, no status    BAD: the test's own mistake */
enum kit_outcome {
    KIT_OUTCOME_OK,
    KIT_OUTCOME_MISS,
    KIT_OUTCOME_SERVER_ERROR,
    KIT_OUTCOME_NOT_SENT,
    KIT_OUTCOME_UNKNOWN,
    KIT_OUTCOME_TIMEOUT,
    KIT_OUTCOME_CLOSED,
    KIT_OUTCOME_QUEUE_FULL,
    KIT_OUTCOME_BAD,
    KIT_OUTCOMES
};

const char *kit_outcome_name(enum kit_outcome outcome);

/* The outcome of a call; `err` is what it filled in, or NULL. */
enum kit_outcome kit_outcome_of(fac_status status, const fac_error *err);

enum {
    KIT_LEDGER_OPEN_MAX = 1024 /* operations of one lane that are under way */
};

struct kit_ledger;

struct kit_ledger_sum {
    uint64_t n_begun;
    uint64_t n_ended;
    uint64_t n[KIT_OUTCOMES];
    uint64_t n_misused; /* ended twice, or never begun */
};

struct kit_ledger *kit_ledger_new(size_t n_lanes);
void kit_ledger_free(struct kit_ledger *ledger);

/* Begin an operation; returns its number, unique in the lane. One thread a lane. */
uint64_t kit_ledger_begin(struct kit_ledger *ledger, size_t lane);
void kit_ledger_end(struct kit_ledger *ledger, size_t lane, uint64_t id,
                    enum kit_outcome outcome);

/* Any thread, at any time; exact once the lanes' threads are joined. */
struct kit_ledger_sum kit_ledger_sum(const struct kit_ledger *ledger);

/* "OK 12, MISS 3, …" without those that are 0. */
void kit_ledger_print(const struct kit_ledger_sum *sum, char *out, size_t cap);

/* Assert that each operation has exactly one outcome, and none is BAD. */
void kit_ledger_assert_whole(const struct kit_ledger *ledger);

#endif
