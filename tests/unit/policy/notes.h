/* SPDX-License-Identifier: MIT */
/* A backend that only takes notes of what it is asked. Included once in a test. */
#ifndef FAC_UNIT_POLICY_NOTES_H
#define FAC_UNIT_POLICY_NOTES_H

#include "base/clock.h"
#include "policy/limits.h"
#include "policy/policy.h"

#include "kit/kit.h"

#include <string.h>

enum {
    TIMEOUT_MS = 4000,
    SETTINGS_TTL_MS = 3600000
};

static char first_prefix[] = "first:";
static char second_prefix[] = "the-second:";
static char no_prefix[] = "";

/* The backend: what it was asked last. */
struct notes {
    struct faci_backend backend; /* first */
    struct faci_settings settings[2];
    unsigned chosen;
    fac_status prepare_status;
    unsigned n_prepared;
    int64_t prepare_deadline_ns;

    unsigned n_asked; /* calls that came through */
    const char *verb;
    struct faci_key key;
    fac_bytes value;
    int64_t ttl_ms;
    int64_t number;
    enum faci_set_mode mode;
    struct faci_limits limits;
    bool has_limits; /* false: it was not to ask anybody */
    struct faci_batch batch;
    fac_bytes prefix;
    size_t n_args;
};

static inline struct notes *notes_of(struct faci_backend *backend)
{
    return (struct notes *)(void *)backend;
}

static inline fac_status asked(struct faci_backend *backend, const char *verb,
                               const struct faci_key *key, const struct faci_limits *limits)
{
    struct notes *notes = notes_of(backend);
    notes->n_asked++;
    notes->verb = verb;
    if (key != NULL) {
        notes->key = *key;
    }
    notes->has_limits = limits != NULL;
    notes->limits = limits != NULL ? *limits : (struct faci_limits){0};
    return FAC_OK;
}

static inline fac_status take_prepare(struct faci_backend *backend, int64_t deadline_ns,
                                      fac_error *err)
{
    struct notes *notes = notes_of(backend);
    notes->n_prepared++;
    notes->prepare_deadline_ns = deadline_ns;
    if (err != NULL) {
        err->status = notes->prepare_status;
    }
    return notes->prepare_status;
}

/* A server of the second choice is found by the first call. */
static inline fac_status choose_the_second(struct faci_backend *backend, int64_t deadline_ns,
                                           fac_error *err)
{
    notes_of(backend)->chosen = 1;
    return take_prepare(backend, deadline_ns, err);
}

static inline const struct faci_settings *give_settings(struct faci_backend *backend)
{
    struct notes *notes = notes_of(backend);
    return &notes->settings[notes->chosen];
}

static inline fac_status take_get(struct faci_backend *backend, const struct faci_key *key,
                                  const struct faci_limits *limits, fac_value **out,
                                  fac_error *err)
{
    (void)out;
    (void)err;
    return asked(backend, "get", key, limits);
}

static inline fac_status take_get_into(struct faci_backend *backend, const struct faci_key *key,
                                       const struct faci_limits *limits, void *buf, size_t cap,
                                       size_t *out_len, fac_error *err)
{
    (void)buf;
    (void)cap;
    (void)out_len;
    (void)err;
    return asked(backend, "get_into", key, limits);
}

static inline fac_status take_set(struct faci_backend *backend, const struct faci_key *key,
                                  fac_bytes value, int64_t ttl_ms, enum faci_set_mode mode,
                                  const struct faci_limits *limits, fac_error *err)
{
    (void)err;
    notes_of(backend)->value = value;
    notes_of(backend)->ttl_ms = ttl_ms;
    notes_of(backend)->mode = mode;
    return asked(backend, "set", key, limits);
}

static inline fac_status take_remove(struct faci_backend *backend, const struct faci_key *key,
                                     const struct faci_limits *limits, fac_error *err)
{
    (void)err;
    return asked(backend, "remove", key, limits);
}

static inline fac_status take_exists(struct faci_backend *backend, const struct faci_key *key,
                                     const struct faci_limits *limits, fac_error *err)
{
    (void)err;
    return asked(backend, "exists", key, limits);
}

static inline fac_status take_ttl(struct faci_backend *backend, const struct faci_key *key,
                                  const struct faci_limits *limits, int64_t *out_ttl_ms,
                                  fac_error *err)
{
    (void)out_ttl_ms;
    (void)err;
    return asked(backend, "ttl", key, limits);
}

static inline fac_status take_touch(struct faci_backend *backend, const struct faci_key *key,
                                    int64_t ttl_ms, const struct faci_limits *limits,
                                    fac_error *err)
{
    (void)err;
    notes_of(backend)->ttl_ms = ttl_ms;
    return asked(backend, "touch", key, limits);
}

static inline fac_status take_increment(struct faci_backend *backend,
                                        const struct faci_key *key, int64_t delta,
                                        int64_t ttl_ms, const struct faci_limits *limits,
                                        int64_t *out, fac_error *err)
{
    (void)out;
    (void)err;
    notes_of(backend)->ttl_ms = ttl_ms;
    notes_of(backend)->number = delta;
    return asked(backend, "increment", key, limits);
}

/* Finishes every item that is pending, and no other. */
static inline fac_status take_batch(struct faci_backend *backend,
                                    const struct faci_batch *batch,
                                    const struct faci_limits *limits, fac_error *err)
{
    (void)err;
    notes_of(backend)->batch = *batch;
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->statuses[i] == FACI_PENDING) {
            batch->statuses[i] = FAC_OK;
        }
    }
    return asked(backend, "batch", NULL, limits);
}

static inline fac_status fail_batch(struct faci_backend *backend,
                                    const struct faci_batch *batch,
                                    const struct faci_limits *limits, fac_error *err)
{
    (void)batch;
    if (err != NULL) {
        err->status = FAC_E_TIMEOUT;
    }
    (void)asked(backend, "batch", NULL, limits);
    return FAC_E_TIMEOUT;
}

static inline fac_status take_clear(struct faci_backend *backend, fac_bytes prefix,
                                    const struct faci_limits *limits,
                                    fac_clear_progress *progress, fac_error *err)
{
    (void)progress;
    (void)err;
    notes_of(backend)->prefix = prefix;
    return asked(backend, "clear", NULL, limits);
}

static inline fac_status take_health(struct faci_backend *backend,
                                     const struct faci_limits *limits, fac_health *out,
                                     fac_error *err)
{
    (void)err;
    out->max_connections = 7;
    return asked(backend, "health", NULL, limits);
}

static inline fac_status take_command(struct faci_backend *backend, const fac_bytes *args,
                                      size_t n, const struct faci_limits *limits,
                                      fac_reply **out, fac_error *err)
{
    (void)args;
    (void)out;
    (void)err;
    notes_of(backend)->n_args = n;
    return asked(backend, "command", NULL, limits);
}

static struct faci_backend_ops ops = {
    .can_wait = true,
    .settings = give_settings,
    .get = take_get,
    .get_into = take_get_into,
    .set = take_set,
    .remove = take_remove,
    .exists = take_exists,
    .ttl = take_ttl,
    .touch = take_touch,
    .increment = take_increment,
    .get_many = take_batch,
    .set_many = take_batch,
    .remove_many = take_batch,
    .clear = take_clear,
    .health = take_health,
    .command = take_command,
};

static inline struct notes new_notes(void)
{
    ops.prepare = take_prepare;
    struct notes notes = {.backend = {&ops}, .prepare_status = FAC_OK};
    for (size_t i = 0; i < 2; i++) {
        notes.settings[i].prefix = i == 0 ? first_prefix : second_prefix;
        notes.settings[i].ttl_ms = SETTINGS_TTL_MS + (int64_t)i;
        notes.settings[i].timeout_ms = TIMEOUT_MS;
    }
    return notes;
}

static const struct faci_call k_call = {0};

static inline void assert_key(const struct notes *notes, const char *prefix, fac_bytes name)
{
    assert_true(faci_bytes_equal(notes->key.prefix, fac_str(prefix)));
    assert_ptr_equal(notes->key.name.data, name.data);
    assert_int_equal(notes->key.name.len, name.len);
}

/* Each verb that has a key, with a time to live where it takes one. */
static inline fac_status do_verb(struct notes *notes, size_t verb, fac_bytes key,
                                 int64_t ttl_ms, const struct faci_call *call, fac_error *err)
{
    struct faci_backend *backend = &notes->backend;
    fac_value *value = NULL;
    size_t len = 0;
    int64_t number = 0;
    char buf[1];
    switch (verb) {
    case 0:
        return faci_policy_get(backend, key, call, &value, err);
    case 1:
        return faci_policy_get_into(backend, key, call, buf, sizeof(buf), &len, err);
    case 2:
        return faci_policy_remove(backend, key, call, err);
    case 3:
        return faci_policy_exists(backend, key, call, err);
    case 4:
        return faci_policy_ttl(backend, key, call, &number, err);
    case 5:
        return faci_policy_set(backend, key, fac_str("v"), ttl_ms, FACI_SET_ALWAYS, call, err);
    case 6:
        return faci_policy_touch(backend, key, ttl_ms, call, err);
    default:
        return faci_policy_increment(backend, key, 3, ttl_ms, call, &number, err);
    }
}

static const char *const k_verbs[] = {"get", "get_into", "remove", "exists",
                                      "ttl", "set",      "touch",  "increment"};
enum {
    FIRST_WITH_TTL = 5
};

#endif
