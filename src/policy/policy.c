/* SPDX-License-Identifier: MIT */
/* policy/policy.c — keys, times to live and deadlines of single calls. */
#include "policy/policy.h"

#include "base/clock.h"
#include "base/error.h"
#include "policy/limits.h"

fac_status faci_policy_begin(struct faci_backend *backend, const struct faci_call *call,
                             struct faci_limits *out, fac_error *err)
{
    out->max_reply_bytes = call->max_reply_bytes > 0 ? call->max_reply_bytes
                                                     : FACI_REPLY_DEFAULT_BYTES;
    out->deadline_ns = FACI_NEVER_NS;
    if (backend->ops->can_wait) {
        uint32_t ms = call->deadline_ms > 0 ? call->deadline_ms
                                            : backend->ops->settings(backend)->timeout_ms;
        out->deadline_ns = faci_clock_after_ms(faci_clock_now_ns(), ms);
    }
    return backend->ops->prepare(backend, out->deadline_ns, err);
}

fac_status faci_policy_check_key(const struct faci_key *key, fac_error *err)
{
    if (key->name.len == 0) {
        return faci_fail(err, FAC_E_INVALID, 0, "the key is empty");
    }
    if (key->name.data == NULL) {
        return faci_fail(err, FAC_E_INVALID, 0, "the key's data is NULL");
    }
    if (key->name.len > FACI_KEY_MAX_BYTES - key->prefix.len) {
        return faci_fail(err, FAC_E_INVALID, 0,
                         "the key is %zu bytes long with its prefix, at most %d",
                         key->name.len + key->prefix.len, (int)FACI_KEY_MAX_BYTES);
    }
    return FAC_OK;
}

fac_status faci_policy_check_value(fac_bytes value, fac_error *err)
{
    if (value.data == NULL && value.len > 0) {
        return faci_fail(err, FAC_E_INVALID, 0, "the value's data is NULL");
    }
    if (value.len > FACI_VALUE_MAX_BYTES) {
        return faci_fail(err, FAC_E_TOO_LARGE, 0, "the value is %zu bytes long, at most %d",
                         value.len, (int)FACI_VALUE_MAX_BYTES);
    }
    return FAC_OK;
}

fac_status faci_policy_check_ttl(int64_t ttl_ms, fac_error *err)
{
    if (ttl_ms == FAC_TTL_DEFAULT || ttl_ms == FAC_TTL_NONE ||
        (ttl_ms >= 1 && ttl_ms <= FACI_TTL_MAX_MS)) {
        return FAC_OK;
    }
    return faci_fail(err, FAC_E_INVALID, 0,
                     "the time to live is %lld ms: 1 to %lld, FAC_TTL_DEFAULT or FAC_TTL_NONE",
                     (long long)ttl_ms, (long long)FACI_TTL_MAX_MS);
}

/* Arguments first: what is wrong with them does not depend on a server. Then a server, then the
 * key once more: a server of the second choice may have a longer prefix. Where nothing can wait,
 * there is one choice. */
static fac_status begin_key(struct faci_backend *backend, fac_bytes name,
                            const struct faci_call *call, struct faci_key *key,
                            struct faci_limits *limits, fac_error *err)
{
    *key = (struct faci_key){fac_str(backend->ops->settings(backend)->prefix), name};
    fac_status st = faci_policy_check_key(key, err);
    if (st == FAC_OK) {
        st = faci_policy_begin(backend, call, limits, err);
    }
    if (st == FAC_OK && backend->ops->can_wait) {
        key->prefix = fac_str(backend->ops->settings(backend)->prefix);
        st = faci_policy_check_key(key, err);
    }
    return st;
}

static int64_t effective_ttl(struct faci_backend *backend, int64_t ttl_ms)
{
    return ttl_ms == FAC_TTL_DEFAULT ? backend->ops->settings(backend)->ttl_ms : ttl_ms;
}

fac_status faci_policy_get(struct faci_backend *backend, fac_bytes name,
                           const struct faci_call *call, fac_value **out, fac_error *err)
{
    struct faci_key key;
    struct faci_limits limits;
    fac_status st = begin_key(backend, name, call, &key, &limits, err);
    return st < 0 ? st : backend->ops->get(backend, &key, &limits, out, err);
}

fac_status faci_policy_get_into(struct faci_backend *backend, fac_bytes name,
                                const struct faci_call *call, void *buf, size_t cap,
                                size_t *out_len, fac_error *err)
{
    struct faci_key key;
    struct faci_limits limits;
    fac_status st = begin_key(backend, name, call, &key, &limits, err);
    return st < 0 ? st : backend->ops->get_into(backend, &key, &limits, buf, cap, out_len, err);
}

fac_status faci_policy_set(struct faci_backend *backend, fac_bytes name, fac_bytes value,
                           int64_t ttl_ms, enum faci_set_mode mode,
                           const struct faci_call *call, fac_error *err)
{
    struct faci_key key;
    struct faci_limits limits;
    fac_status st = faci_policy_check_value(value, err);
    if (st == FAC_OK) {
        st = faci_policy_check_ttl(ttl_ms, err);
    }
    if (st == FAC_OK) {
        st = begin_key(backend, name, call, &key, &limits, err);
    }
    if (st < 0) {
        return st;
    }
    return backend->ops->set(backend, &key, value, effective_ttl(backend, ttl_ms), mode,
                             &limits, err);
}

fac_status faci_policy_remove(struct faci_backend *backend, fac_bytes name,
                              const struct faci_call *call, fac_error *err)
{
    struct faci_key key;
    struct faci_limits limits;
    fac_status st = begin_key(backend, name, call, &key, &limits, err);
    return st < 0 ? st : backend->ops->remove(backend, &key, &limits, err);
}

fac_status faci_policy_exists(struct faci_backend *backend, fac_bytes name,
                              const struct faci_call *call, fac_error *err)
{
    struct faci_key key;
    struct faci_limits limits;
    fac_status st = begin_key(backend, name, call, &key, &limits, err);
    return st < 0 ? st : backend->ops->exists(backend, &key, &limits, err);
}

fac_status faci_policy_ttl(struct faci_backend *backend, fac_bytes name,
                           const struct faci_call *call, int64_t *out_ttl_ms, fac_error *err)
{
    struct faci_key key;
    struct faci_limits limits;
    fac_status st = begin_key(backend, name, call, &key, &limits, err);
    return st < 0 ? st : backend->ops->ttl(backend, &key, &limits, out_ttl_ms, err);
}

fac_status faci_policy_touch(struct faci_backend *backend, fac_bytes name, int64_t ttl_ms,
                             const struct faci_call *call, fac_error *err)
{
    struct faci_key key;
    struct faci_limits limits;
    fac_status st = faci_policy_check_ttl(ttl_ms, err);
    if (st == FAC_OK) {
        st = begin_key(backend, name, call, &key, &limits, err);
    }
    if (st < 0) {
        return st;
    }
    return backend->ops->touch(backend, &key, effective_ttl(backend, ttl_ms), &limits, err);
}

fac_status faci_policy_increment(struct faci_backend *backend, fac_bytes name, int64_t delta,
                                 int64_t ttl_ms, const struct faci_call *call, int64_t *out,
                                 fac_error *err)
{
    struct faci_key key;
    struct faci_limits limits;
    fac_status st = faci_policy_check_ttl(ttl_ms, err);
    if (st == FAC_OK) {
        st = begin_key(backend, name, call, &key, &limits, err);
    }
    if (st < 0) {
        return st;
    }
    return backend->ops->increment(backend, &key, delta, effective_ttl(backend, ttl_ms),
                                   &limits, out, err);
}

fac_status faci_policy_clear(struct faci_backend *backend, const struct faci_call *call,
                             fac_clear_progress *progress, fac_error *err)
{
    struct faci_limits limits;
    fac_status st = faci_policy_begin(backend, call, &limits, err);
    if (st < 0) {
        return st;
    }
    const struct faci_settings *settings = backend->ops->settings(backend);
    fac_bytes prefix = fac_str(settings->prefix);
    if (prefix.len == 0) {
        return faci_fail(err, FAC_E_INVALID, 0,
                         "the prefix is empty: clear would remove every key there is");
    }
    if (limits.deadline_ns == FACI_NEVER_NS) {
        uint32_t ms = call->deadline_ms > 0 ? call->deadline_ms : settings->timeout_ms;
        limits.deadline_ns = faci_clock_after_ms(faci_clock_now_ns(), ms);
    }
    return backend->ops->clear(backend, prefix, &limits, progress, err);
}

fac_status faci_policy_health(struct faci_backend *backend, const struct faci_call *call,
                              fac_health *out, fac_error *err)
{
    struct faci_limits limits;
    fac_error why;
    fac_status st = faci_policy_begin(backend, call, &limits, &why);
    if (st == FAC_OK) {
        st = backend->ops->health(backend, &limits, out, err);
    } else {
        /* What is known without a server is told all the same. */
        (void)backend->ops->health(backend, NULL, out, NULL);
        if (err != NULL) {
            *err = why;
        }
    }
    out->is_healthy = st == FAC_OK;
    return st;
}

fac_status faci_policy_command(struct faci_backend *backend, const fac_bytes *args, size_t n,
                               const struct faci_call *call, fac_reply **out, fac_error *err)
{
    if (n < 1 || n > FACI_BATCH_MAX) {
        return faci_fail(err, FAC_E_INVALID, 0, "a command has 1 to %d arguments",
                         (int)FACI_BATCH_MAX);
    }
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if (args[i].data == NULL && args[i].len > 0) {
            return faci_fail(err, FAC_E_INVALID, 0, "argument %zu is NULL", i);
        }
        if (args[i].len > FACI_VALUE_MAX_BYTES - total) {
            return faci_fail(err, FAC_E_TOO_LARGE, 0, "the command is larger than %d bytes",
                             (int)FACI_VALUE_MAX_BYTES);
        }
        total += args[i].len;
    }
    if (args[0].len == 0) {
        return faci_fail(err, FAC_E_INVALID, 0, "the command's name is empty");
    }
    struct faci_limits limits;
    fac_status st = faci_policy_begin(backend, call, &limits, err);
    return st < 0 ? st : backend->ops->command(backend, args, n, &limits, out, err);
}

fac_status faci_policy_connect(struct faci_backend *backend, fac_error *err)
{
    const struct faci_call call = {0};
    struct faci_limits limits;
    return faci_policy_begin(backend, &call, &limits, err);
}
