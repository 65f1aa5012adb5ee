/* SPDX-License-Identifier: MIT */
/* fault/talk.c — every verb once, and what may come back. */
#include "fault/talk.h"

#include "kit/keyvalue.h"
#include "kit/kit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_BYTES = 80,
    SMALL_BYTES = 200,
    BATCH = 20,
    TTL_MS = 60000
};

static void mismatch(struct talk *talk, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void mismatch(struct talk *talk, const char *format, ...)
{
    if (talk->n_mismatches++ == 0) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(talk->mismatch, sizeof(talk->mismatch), format, args);
        va_end(args);
    }
}

/* Count an answer, and write it down. */
static fac_status note(struct talk *talk, const char *verb, fac_status st, const fac_error *err)
{
    talk->n_calls++;
    int index = st < 0 ? -(int)st : 0;
    if (index < TALK_STATUSES) {
        talk->n_by_status[index]++;
    } else {
        mismatch(talk, "%s: status %d", verb, (int)st);
    }
    if (err->status != (st < 0 ? st : FAC_OK)) {
        mismatch(talk, "%s: %s, but its error says %s", verb, fac_status_name(st),
                 fac_status_name(err->status));
    }
    if (talk->is_noting) {
        int n = snprintf(talk->said + talk->said_len, sizeof(talk->said) - talk->said_len,
                         "%s:%s;", verb, fac_status_name(st));
        talk->said_len += n > 0 ? (size_t)n : 0;
        talk->said_len = talk->said_len < sizeof(talk->said) ? talk->said_len
                                                             : sizeof(talk->said) - 1;
    }
    return st;
}

/* As note(); `err` may tell the failure of an item where the call has none: see cache.h. */
static void note_many(struct talk *talk, const char *verb, fac_status st, fac_error *err)
{
    if (st >= 0) {
        err->status = FAC_OK;
    }
    (void)note(talk, verb, st, err);
}

static fac_bytes name_key(const struct talk *talk, char *key, const char *what, size_t i)
{
    (void)snprintf(key, KEY_BYTES, "%s:%s%zu", talk->name, what, i);
    return fac_str(key);
}

static void set_and_get(struct talk *talk, const fac_call *call, const char *what, size_t len)
{
    char key[KEY_BYTES];
    fac_bytes k = name_key(talk, key, what, 0);
    fac_error err;
    char *bytes = malloc(len);
    if (bytes == NULL) {
        abort();
    }
    kit_keyvalue_make(bytes, len, key, talk->number);
    (void)note(talk, "set",
               fac_cache_set(talk->cache, k, fac_mem(bytes, len), TTL_MS, call, &err), &err);
    fac_value *value = NULL;
    fac_status st = note(talk, "get", fac_cache_get(talk->cache, k, call, &value, &err), &err);
    fac_bytes got = fac_value_bytes(value);
    if ((st == FAC_OK) != (value != NULL)) {
        mismatch(talk, "get: %s and a value %p", fac_status_name(st), (void *)value);
    } else if (st == FAC_OK && !kit_keyvalue_is_of(got, key)) {
        mismatch(talk, "get %s: %.40s", key, (const char *)got.data);
    }
    fac_value_unref(value);
    size_t got_len = 0;
    memset(bytes, 0, len);
    st = note(talk, "get_into",
              fac_cache_get_into(talk->cache, k, call, bytes, len, &got_len, &err), &err);
    if (st == FAC_OK && !kit_keyvalue_is_of(fac_mem(bytes, got_len), key)) {
        mismatch(talk, "get_into %s: %.40s", key, bytes);
    }
    free(bytes);
}

static void small_verbs(struct talk *talk, const fac_call *call)
{
    char key[KEY_BYTES];
    char bytes[SMALL_BYTES];
    fac_bytes k = name_key(talk, key, "add", 0);
    fac_error err;
    kit_keyvalue_make(bytes, sizeof(bytes), key, talk->number);
    (void)note(talk, "add",
               fac_cache_add(talk->cache, k, fac_mem(bytes, sizeof(bytes)), TTL_MS, call, &err),
               &err);
    (void)note(talk, "exists", fac_cache_exists(talk->cache, k, call, &err), &err);
    int64_t left_ms = 0;
    fac_status st = note(talk, "ttl", fac_cache_ttl(talk->cache, k, call, &left_ms, &err),
                         &err);
    if (st == FAC_OK && (left_ms < 1 || left_ms > 2 * TTL_MS)) {
        mismatch(talk, "ttl %s: %" PRId64, key, left_ms);
    }
    (void)note(talk, "touch", fac_cache_touch(talk->cache, k, 2 * TTL_MS, call, &err), &err);
    (void)note(talk, "delete", fac_cache_delete(talk->cache, k, call, &err), &err);

    fac_bytes counter = name_key(talk, key, "counter", 0);
    int64_t number = INT64_MIN;
    st = note(talk, "increment",
              fac_cache_increment(talk->cache, counter, 3, TTL_MS, call, &number, &err), &err);
    if (st == FAC_OK && (number <= 0 || number % 3 != 0)) {
        mismatch(talk, "increment %s: %" PRId64, key, number);
    }
}

struct batch {
    char keys[BATCH][KEY_BYTES];
    char bytes[BATCH][SMALL_BYTES];
    fac_bytes names[BATCH];
    fac_item items[BATCH];
    fac_status statuses[BATCH];
    fac_value *values[BATCH];
};

static void many_verbs(struct talk *talk, const fac_call *call)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL) {
        abort();
    }
    fac_error err;
    for (size_t i = 0; i < BATCH; i++) {
        batch->names[i] = name_key(talk, batch->keys[i], "many", i);
        kit_keyvalue_make(batch->bytes[i], SMALL_BYTES, batch->keys[i], talk->number + i);
        batch->items[i] = (fac_item){batch->names[i], fac_mem(batch->bytes[i], SMALL_BYTES),
                                     TTL_MS};
    }
    fac_status st = fac_cache_set_many(talk->cache, batch->items, BATCH, call, batch->statuses,
                                       &err);
    note_many(talk, "set_many", st, &err);
    st = fac_cache_get_many(talk->cache, batch->names, BATCH, call, batch->values,
                            batch->statuses, &err);
    note_many(talk, "get_many", st, &err);
    for (size_t i = 0; i < BATCH; i++) {
        fac_value *value = batch->values[i];
        if ((batch->statuses[i] == FAC_OK) != (value != NULL) ||
            (value != NULL && !kit_keyvalue_is_of(fac_value_bytes(value), batch->keys[i]))) {
            mismatch(talk, "get_many %s: %s", batch->keys[i],
                     fac_status_name(batch->statuses[i]));
        }
        fac_value_unref(value);
    }
    st = fac_cache_delete_many(talk->cache, batch->names, BATCH, call, batch->statuses, &err);
    note_many(talk, "delete_many", st, &err);
    free(batch);
}

static void other_verbs(struct talk *talk, const fac_call *call)
{
    char key[KEY_BYTES];
    fac_error err;
    fac_reply *reply = NULL;
    fac_bytes echo[] = {fac_str("ECHO"), name_key(talk, key, "echo", (size_t)talk->number)};
    fac_status st = note(talk, "command",
                         fac_cache_command(talk->cache, echo, 2, call, &reply, &err), &err);
    fac_bytes said = fac_reply_bytes(reply);
    if (st == FAC_OK && (said.len != echo[1].len || memcmp(said.data, key, said.len) != 0)) {
        mismatch(talk, "command %s: %.40s", key, (const char *)said.data);
    }
    fac_reply_free(reply);
    fac_health health;
    st = note(talk, "health",
              fac_cache_health(talk->cache, call, &health, sizeof(health), &err), &err);
    if (health.is_healthy != (st == FAC_OK)) {
        mismatch(talk, "health: %s, is_healthy %d", fac_status_name(st), health.is_healthy);
    }
}

static void large_verbs(struct talk *talk, const fac_call *call)
{
    if (talk->large_bytes > 0) {
        set_and_get(talk, call, "large", talk->large_bytes);
    }
}

static void small_value_verbs(struct talk *talk, const fac_call *call)
{
    set_and_get(talk, call, "small", SMALL_BYTES);
}

void talk_round(struct talk *talk)
{
    static void (*const k_parts[])(struct talk *, const fac_call *) = {
        small_value_verbs, large_verbs, small_verbs, many_verbs, other_verbs,
    };
    fac_call call = fac_call_within(talk->deadline_ms);
    size_t errors_before = talk_count_errors(talk);
    talk->said_len = 0;
    talk->number++;
    for (size_t i = 0; i < KIT_COUNT(k_parts); i++) {
        if (talk->stops_at_errors && talk_count_errors(talk) > errors_before) {
            return;
        }
        k_parts[i](talk, &call);
    }
}

size_t talk_count_errors(const struct talk *talk)
{
    return talk->n_calls - talk->n_by_status[0];
}

size_t talk_count_other(const struct talk *talk, const fac_status *allowed)
{
    size_t n = talk_count_errors(talk);
    for (; *allowed != FAC_OK; allowed++) {
        n -= talk->n_by_status[-(int)*allowed];
    }
    return n;
}

void talk_assert_true_values(const struct talk *talk)
{
    if (talk->n_mismatches > 0) {
        fail_msg("%zu mismatches, the first one: %s", talk->n_mismatches, talk->mismatch);
    }
}
