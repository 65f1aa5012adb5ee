/* SPDX-License-Identifier: MIT */
/* policy/many.c — batches: each item is checked for itself, and has a status on every return. */
#include "policy/policy.h"

#include "base/assert.h"
#include "base/error.h"
#include "policy/limits.h"

/* Runs one kind of batch. */
typedef fac_status batch_fn(struct faci_backend *backend, const struct faci_batch *batch,
                            const struct faci_limits *limits, fac_error *err);

static fac_status check_item(const struct faci_batch *batch, size_t i, fac_error *err)
{
    faci_assert(batch->keys != NULL || batch->items != NULL);
    fac_bytes name = batch->keys != NULL ? batch->keys[i] : batch->items[i].key;
    struct faci_key key = {batch->prefix, name};
    fac_status st = faci_policy_check_key(&key, err);
    if (st == FAC_OK && batch->items != NULL) {
        st = faci_policy_check_value(batch->items[i].value, err);
    }
    if (st == FAC_OK && batch->items != NULL) {
        st = faci_policy_check_ttl(batch->items[i].ttl_ms, err);
    }
    return st;
}

static void set_all(const struct faci_batch *batch, fac_status from, fac_status to)
{
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->statuses[i] == from) {
            batch->statuses[i] = to;
        }
    }
}

/* The first bad item's error is kept in `first`. */
static void check_items(const struct faci_batch *batch, fac_error *first)
{
    faci_error_clear(first);
    for (size_t i = 0; i < batch->n; i++) {
        fac_error err;
        fac_status st = check_item(batch, i, &err);
        batch->statuses[i] = st == FAC_OK ? FACI_PENDING : st;
        if (st < 0 && first->status == FAC_OK) {
            *first = err;
        }
        if (batch->values != NULL) {
            batch->values[i] = NULL;
        }
    }
}

static fac_status run(struct faci_backend *backend, struct faci_batch *batch, batch_fn *fn,
                      const struct faci_call *call, fac_error *err)
{
    batch->prefix = fac_str(backend->ops->settings(backend)->prefix);
    fac_error first;
    check_items(batch, &first);
    struct faci_limits limits;
    fac_status st = faci_policy_begin(backend, call, &limits, err);
    if (st == FAC_OK) {
        const struct faci_settings *settings = backend->ops->settings(backend);
        fac_bytes prefix = fac_str(settings->prefix);
        if (!faci_bytes_equal(prefix, batch->prefix)) { /* the second choice has its own */
            batch->prefix = prefix;
            check_items(batch, &first);
        }
        batch->default_ttl_ms = settings->ttl_ms;
        st = fn(backend, batch, &limits, err);
    }
    if (st < 0) {
        set_all(batch, FACI_PENDING, st);
    } else if (first.status < 0 && err != NULL) {
        *err = first;
    }
    return st;
}

fac_status faci_policy_get_many(struct faci_backend *backend, const fac_bytes *names, size_t n,
                                const struct faci_call *call, fac_value **values,
                                fac_status *statuses, fac_error *err)
{
    struct faci_batch batch = {.keys = names, .n = n, .values = values, .statuses = statuses};
    return run(backend, &batch, backend->ops->get_many, call, err);
}

fac_status faci_policy_set_many(struct faci_backend *backend, const fac_item *items, size_t n,
                                const struct faci_call *call, fac_status *statuses,
                                fac_error *err)
{
    struct faci_batch batch = {.items = items, .n = n, .statuses = statuses};
    return run(backend, &batch, backend->ops->set_many, call, err);
}

fac_status faci_policy_remove_many(struct faci_backend *backend, const fac_bytes *names,
                                   size_t n, const struct faci_call *call, fac_status *statuses,
                                   fac_error *err)
{
    struct faci_batch batch = {.keys = names, .n = n, .statuses = statuses};
    return run(backend, &batch, backend->ops->remove_many, call, err);
}
