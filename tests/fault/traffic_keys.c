/* SPDX-License-Identifier: MIT */
/* fault/traffic_keys.c — the model: acknowledged, unknown, refused. */
#include "fault/traffic_keys.h"

static bool is_among(const uint64_t *numbers, size_t n, uint64_t number)
{
    for (size_t i = 0; i < n; i++) {
        if (numbers[i] == number) {
            return true;
        }
    }
    return false;
}

void own_key_wrote(struct own_key *key, uint64_t seq, enum kit_outcome outcome)
{
    if (outcome == KIT_OUTCOME_OK) {
        key->held = seq;
    } else if (outcome != KIT_OUTCOME_UNKNOWN) {
        key->refused[key->n_refused++ % OWN_REFUSED_MAX] = seq;
    } else if (key->n_unknown < OWN_UNKNOWN_MAX) {
        key->unknown[key->n_unknown++] = seq;
    } else {
        key->is_wild = true;
    }
}

static bool may_hold(const struct own_key *key)
{
    return key->held > 0 || key->n_unknown > 0 || key->is_wild;
}

static bool may_miss(const struct own_key *key)
{
    return key->held == 0 || key->may_miss;
}

enum verdict own_key_deleted(struct own_key *key, enum kit_outcome outcome)
{
    enum verdict verdict = VERDICT_RIGHT;
    if (outcome == KIT_OUTCOME_UNKNOWN) {
        key->may_miss = true;
    } else if (outcome == KIT_OUTCOME_OK || outcome == KIT_OUTCOME_MISS) {
        if (outcome == KIT_OUTCOME_MISS) {
            verdict = own_key_seen(key, false);
        } else if (!may_hold(key)) {
            verdict = VERDICT_STALE; /* one that was sent again always says OK */
        }
        key->held = 0;
    }
    return verdict;
}

enum verdict own_key_read(struct own_key *key, uint64_t seq)
{
    size_t n_refused = key->n_refused < OWN_REFUSED_MAX ? key->n_refused : OWN_REFUSED_MAX;
    if (seq == 0 || seq > key->n_begun || is_among(key->refused, n_refused, seq)) {
        return VERDICT_WRONG; /* never written, from the future, or said to be not applied */
    }
    if (seq == key->held || key->is_wild || is_among(key->unknown, key->n_unknown, seq)) {
        return VERDICT_RIGHT;
    }
    key->held = seq;
    return VERDICT_STALE;
}

enum verdict own_key_seen(struct own_key *key, bool is_there)
{
    if (is_there ? may_hold(key) : may_miss(key)) {
        return VERDICT_RIGHT;
    }
    if (is_there) {
        /* Of a key never written this answers somebody else's question; else which write came
         * again is not known. */
        key->is_wild = true;
        return key->n_begun > 0 ? VERDICT_STALE : VERDICT_WRONG;
    }
    key->held = 0;
    return VERDICT_STALE;
}

enum verdict own_counter_added(struct own_counter *counter, enum kit_outcome outcome,
                               int64_t value)
{
    if (outcome == KIT_OUTCOME_UNKNOWN) {
        counter->n_unknown++;
        return VERDICT_RIGHT;
    }
    if (outcome != KIT_OUTCOME_OK) {
        return VERDICT_RIGHT;
    }
    /* Increments are never sent twice, so this bound has no exception. */
    counter->n_acked++;
    bool is_right = value >= counter->n_acked && value > counter->last &&
                    value <= counter->n_acked + counter->n_unknown;
    counter->last = value;
    return is_right ? VERDICT_RIGHT : VERDICT_WRONG;
}
