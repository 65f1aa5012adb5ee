/* SPDX-License-Identifier: MIT */
/* backend/memory.c — the cache in this process's own memory: the store, seen as a backend. Nothing
 * here waits, so deadlines need no attention. */
#include "backend/backend.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stdio.h>

enum {
    STEP = 1024 /* entries between two looks at the clock, and at whether the cache is closed */
};

/* That of the setting. */
static const uint64_t k_max_bytes = UINT64_C(1) << 40;

struct memory {
    struct faci_backend backend; /* first */
    const struct faci_config *config;
    struct faci_store *store;
    atomic_bool is_closed;
};

static struct memory *of(struct faci_backend *backend)
{
    return (struct memory *)(void *)backend;
}

static fac_status check_open(struct faci_backend *backend, fac_error *err)
{
    if (atomic_load_explicit(&of(backend)->is_closed, memory_order_relaxed)) {
        return faci_fail(err, FAC_E_CLOSED, 0, "the cache is closed");
    }
    return FAC_OK;
}

/* Now and then in a long batch, before item i. */
static fac_status check_item(struct faci_backend *backend, size_t i, fac_error *err)
{
    return i % STEP == STEP - 1 ? check_open(backend, err) : FAC_OK;
}

static int64_t to_store_ttl(int64_t ttl_ms)
{
    return ttl_ms == FAC_TTL_NONE ? FACI_STORE_NO_EXPIRY : ttl_ms;
}

static fac_status memory_prepare(struct faci_backend *backend, int64_t deadline_ns,
                                 fac_error *err)
{
    (void)deadline_ns;
    return check_open(backend, err);
}

static const struct faci_settings *memory_settings(struct faci_backend *backend)
{
    return &of(backend)->config->choices[0];
}

static fac_status memory_get(struct faci_backend *backend, const struct faci_key *key,
                             const struct faci_limits *limits, fac_value **out, fac_error *err)
{
    (void)limits;
    (void)err;
    return faci_store_get(of(backend)->store, key, out);
}

static fac_status memory_get_into(struct faci_backend *backend, const struct faci_key *key,
                                  const struct faci_limits *limits, void *buf, size_t cap,
                                  size_t *out_len, fac_error *err)
{
    (void)limits;
    (void)err;
    return faci_store_get_into(of(backend)->store, key, buf, cap, out_len);
}

static fac_status memory_set(struct faci_backend *backend, const struct faci_key *key,
                             fac_bytes value, int64_t ttl_ms, enum faci_set_mode mode,
                             const struct faci_limits *limits, fac_error *err)
{
    (void)limits;
    return faci_store_set(of(backend)->store, key, value, to_store_ttl(ttl_ms),
                          mode == FACI_SET_IF_ABSENT ? FACI_STORE_ADD : FACI_STORE_SET, err);
}

static fac_status memory_remove(struct faci_backend *backend, const struct faci_key *key,
                                const struct faci_limits *limits, fac_error *err)
{
    (void)limits;
    (void)err;
    return faci_store_delete(of(backend)->store, key);
}

static fac_status memory_exists(struct faci_backend *backend, const struct faci_key *key,
                                const struct faci_limits *limits, fac_error *err)
{
    (void)limits;
    (void)err;
    return faci_store_exists(of(backend)->store, key);
}

static fac_status memory_ttl(struct faci_backend *backend, const struct faci_key *key,
                             const struct faci_limits *limits, int64_t *out_ttl_ms,
                             fac_error *err)
{
    (void)limits;
    (void)err;
    int64_t left_ms = 0;
    fac_status st = faci_store_ttl(of(backend)->store, key, &left_ms);
    if (st == FAC_OK) {
        *out_ttl_ms = left_ms == FACI_STORE_NO_EXPIRY ? FAC_TTL_NONE : left_ms;
    }
    return st;
}

static fac_status memory_touch(struct faci_backend *backend, const struct faci_key *key,
                               int64_t ttl_ms, const struct faci_limits *limits, fac_error *err)
{
    (void)limits;
    (void)err;
    return faci_store_touch(of(backend)->store, key, to_store_ttl(ttl_ms));
}

static fac_status memory_increment(struct faci_backend *backend, const struct faci_key *key,
                                   int64_t delta, int64_t ttl_ms,
                                   const struct faci_limits *limits, int64_t *out,
                                   fac_error *err)
{
    (void)limits;
    return faci_store_increment(of(backend)->store, key, delta, to_store_ttl(ttl_ms), out, err);
}

static struct faci_key key_at(const struct faci_batch *batch, size_t i)
{
    fac_bytes name = batch->keys != NULL ? batch->keys[i] : batch->items[i].key;
    return (struct faci_key){batch->prefix, name};
}

static fac_status memory_get_many(struct faci_backend *backend, const struct faci_batch *batch,
                                  const struct faci_limits *limits, fac_error *err)
{
    uint64_t total = 0;
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->statuses[i] != FACI_PENDING) {
            continue;
        }
        fac_status st = check_item(backend, i, err);
        if (st < 0) {
            return st;
        }
        struct faci_key key = key_at(batch, i);
        fac_value *value = NULL;
        st = faci_store_get(of(backend)->store, &key, &value);
        total += fac_value_bytes(value).len;
        if (total > limits->max_reply_bytes) {
            fac_value_unref(value);
            return faci_fail(err, FAC_E_TOO_LARGE, 0, "the values are larger than %llu bytes",
                             (unsigned long long)limits->max_reply_bytes);
        }
        batch->statuses[i] = st;
        batch->values[i] = value;
    }
    return FAC_OK;
}

static fac_status memory_set_many(struct faci_backend *backend, const struct faci_batch *batch,
                                  const struct faci_limits *limits, fac_error *err)
{
    (void)limits;
    bool has_failed = false;
    for (size_t i = 0; i < batch->n; i++) {
        fac_status st = check_item(backend, i, err);
        if (st < 0) {
            return st;
        }
        if (batch->statuses[i] == FACI_PENDING) {
            const fac_item *item = &batch->items[i];
            int64_t ttl_ms = item->ttl_ms == FAC_TTL_DEFAULT ? batch->default_ttl_ms
                                                             : item->ttl_ms;
            struct faci_key key = key_at(batch, i);
            batch->statuses[i] = faci_store_set(of(backend)->store, &key, item->value,
                                                to_store_ttl(ttl_ms), FACI_STORE_SET,
                                                has_failed ? NULL : err);
            has_failed = has_failed || batch->statuses[i] < 0;
        }
    }
    return FAC_OK;
}

static fac_status memory_remove_many(struct faci_backend *backend,
                                     const struct faci_batch *batch,
                                     const struct faci_limits *limits, fac_error *err)
{
    (void)limits;
    for (size_t i = 0; i < batch->n; i++) {
        fac_status st = check_item(backend, i, err);
        if (st < 0) {
            return st;
        }
        if (batch->statuses[i] == FACI_PENDING) {
            struct faci_key key = key_at(batch, i);
            batch->statuses[i] = faci_store_delete(of(backend)->store, &key);
        }
    }
    return FAC_OK;
}

static fac_status memory_clear(struct faci_backend *backend, fac_bytes prefix,
                               const struct faci_limits *limits, fac_clear_progress *progress,
                               fac_error *err)
{
    fac_status st = FAC_OK;
    do {
        faci_store_clear(of(backend)->store, prefix, STEP, &progress->cursor,
                         &progress->n_scanned, &progress->n_removed);
        if (progress->cursor == 0) {
            return FAC_OK;
        }
        st = check_open(backend, err);
    } while (st == FAC_OK && faci_clock_left_ns(limits->deadline_ns) > 0);
    return st < 0 ? st
                  : faci_fail(err, FAC_E_TIMEOUT, 0, "not all keys were looked at in time");
}

static fac_status memory_health(struct faci_backend *backend, const struct faci_limits *limits,
                                fac_health *out, fac_error *err)
{
    (void)limits;
    (void)snprintf(out->server, sizeof(out->server), "memory");
    (void)snprintf(out->version, sizeof(out->version), "%s", fac_version());
    (void)snprintf(out->role, sizeof(out->role), "master");
    (void)snprintf(out->endpoint, sizeof(out->endpoint), "memory");
    out->provider = FAC_MEMORY;
    return check_open(backend, err);
}

static void memory_stats(struct faci_backend *backend, fac_stats *out)
{
    struct faci_store_stats stats;
    faci_store_stats(of(backend)->store, &stats);
    out->memory_entries = stats.n_entries;
    out->memory_bytes = stats.bytes;
    out->memory_evicted = stats.n_evicted;
    out->memory_expired = stats.n_expired;
    out->memory_replaced = stats.n_replaced;
    out->memory_budget = stats.budget_bytes;
}

static fac_status memory_set_memory(struct faci_backend *backend, uint64_t bytes,
                                    fac_error *err)
{
    if (bytes > k_max_bytes) {
        return faci_fail(err, FAC_E_INVALID, 0, "memory_bytes is larger than 1 TiB");
    }
    return faci_store_set_budget(of(backend)->store, bytes, err);
}

static fac_status memory_command(struct faci_backend *backend, const fac_bytes *args, size_t n,
                                 const struct faci_limits *limits, fac_reply **out,
                                 fac_error *err)
{
    (void)backend;
    (void)args;
    (void)n;
    (void)limits;
    (void)out;
    return faci_fail(err, FAC_E_UNSUPPORTED, 0, "the memory backend has no server commands");
}

static bool memory_is_down(struct faci_backend *backend)
{
    (void)backend;
    return false;
}

static void memory_close(struct faci_backend *backend)
{
    atomic_store_explicit(&of(backend)->is_closed, true, memory_order_relaxed);
}

static void memory_free(struct faci_backend *backend)
{
    struct memory *memory = of(backend);
    faci_store_free(memory->store);
    faci_mem_free(&memory->config->alloc, memory);
}

static const struct faci_backend_ops k_memory_ops = {
    .prepare = memory_prepare,
    .settings = memory_settings,
    .get = memory_get,
    .get_into = memory_get_into,
    .set = memory_set,
    .remove = memory_remove,
    .exists = memory_exists,
    .ttl = memory_ttl,
    .touch = memory_touch,
    .increment = memory_increment,
    .get_many = memory_get_many,
    .set_many = memory_set_many,
    .remove_many = memory_remove_many,
    .clear = memory_clear,
    .health = memory_health,
    .stats = memory_stats,
    .set_memory = memory_set_memory,
    .command = memory_command,
    .is_down = memory_is_down,
    .close = memory_close,
    .free = memory_free,
};

static int64_t boot_ms(void *clock)
{
    (void)clock;
    return faci_clock_boot_ms();
}

fac_status faci_backend_open_memory(const struct faci_config *config, struct faci_backend **out,
                                    fac_error *err)
{
    struct memory *memory = faci_mem_zalloc(&config->alloc, sizeof(*memory));
    if (memory == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    memory->backend.ops = &k_memory_ops;
    memory->config = config;
    struct faci_store_config store = {.budget_bytes = config->choices[0].memory_bytes,
                                      .alloc = &config->alloc,
                                      .now_ms = boot_ms,
                                      .seed = faci_random_seed()};
    fac_status st = faci_store_open(&store, &memory->store, err);
    if (st < 0) {
        faci_mem_free(&config->alloc, memory);
        return st;
    }
    *out = &memory->backend;
    return FAC_OK;
}
