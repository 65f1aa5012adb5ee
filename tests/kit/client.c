/* SPDX-License-Identifier: MIT */
/* kit/client.c — the public functions, wrapped by the linker: inside them a thread is a client's. */
#include "kit/client.h"

#include <faciliter/cache.h>
#include <faciliter/facade.h>

static _Thread_local unsigned n_inside;
static _Thread_local unsigned long n_calls;

bool kit_client_is_inside(void)
{
    return n_inside > 0;
}

unsigned long kit_client_call(void)
{
    return n_calls;
}

void kit_client_enter(void)
{
    n_calls += n_inside == 0 ? 1U : 0U;
    n_inside++;
}

void kit_client_leave(void)
{
    n_inside--;
}

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c): the linker gives these names */
#define CALL(type, name, parameters, arguments) \
    type __real_##name parameters;              \
    type __wrap_##name parameters;              \
    type __wrap_##name parameters               \
    {                                           \
        kit_client_enter();                     \
        type result = __real_##name arguments;  \
        kit_client_leave();                     \
        return result;                          \
    }
#define CALL_VOID(name, parameters, arguments) \
    void __real_##name parameters;             \
    void __wrap_##name parameters;             \
    void __wrap_##name parameters              \
    {                                          \
        kit_client_enter();                    \
        __real_##name arguments;               \
        kit_client_leave();                    \
    }

/* clang-format off */
CALL(fac_status, fac_cache_open,
     (const fac_options *options, fac_cache **out, fac_error *err),
     (options, out, err))
CALL(fac_status, fac_cache_get,
     (fac_cache *cache, fac_bytes key, const fac_call *call, fac_value **out, fac_error
      *err),
     (cache, key, call, out, err))
CALL(fac_status, fac_cache_get_into,
     (fac_cache *cache, fac_bytes key, const fac_call *call, void *buf, size_t cap, size_t
      *out_len, fac_error *err),
     (cache, key, call, buf, cap, out_len, err))
CALL(fac_status, fac_cache_set,
     (fac_cache *cache, fac_bytes key, fac_bytes value, int64_t ttl_ms, const fac_call
      *call, fac_error *err),
     (cache, key, value, ttl_ms, call, err))
CALL(fac_status, fac_cache_add,
     (fac_cache *cache, fac_bytes key, fac_bytes value, int64_t ttl_ms, const fac_call
      *call, fac_error *err),
     (cache, key, value, ttl_ms, call, err))
CALL(fac_status, fac_cache_delete,
     (fac_cache *cache, fac_bytes key, const fac_call *call, fac_error *err),
     (cache, key, call, err))
CALL(fac_status, fac_cache_exists,
     (fac_cache *cache, fac_bytes key, const fac_call *call, fac_error *err),
     (cache, key, call, err))
CALL(fac_status, fac_cache_ttl,
     (fac_cache *cache, fac_bytes key, const fac_call *call, int64_t *out_ttl_ms,
      fac_error *err),
     (cache, key, call, out_ttl_ms, err))
CALL(fac_status, fac_cache_touch,
     (fac_cache *cache, fac_bytes key, int64_t ttl_ms, const fac_call *call, fac_error
      *err),
     (cache, key, ttl_ms, call, err))
CALL(fac_status, fac_cache_increment,
     (fac_cache *cache, fac_bytes key, int64_t delta, int64_t ttl_ms, const fac_call
      *call, int64_t *out, fac_error *err),
     (cache, key, delta, ttl_ms, call, out, err))
CALL(fac_status, fac_cache_get_many,
     (fac_cache *cache, const fac_bytes *keys, size_t n, const fac_call *call, fac_value
      **values, fac_status *statuses, fac_error *err),
     (cache, keys, n, call, values, statuses, err))
CALL(fac_status, fac_cache_set_many,
     (fac_cache *cache, const fac_item *items, size_t n, const fac_call *call, fac_status
      *statuses, fac_error *err),
     (cache, items, n, call, statuses, err))
CALL(fac_status, fac_cache_delete_many,
     (fac_cache *cache, const fac_bytes *keys, size_t n, const fac_call *call, fac_status
      *statuses, fac_error *err),
     (cache, keys, n, call, statuses, err))
CALL(fac_status, fac_cache_clear,
     (fac_cache *cache, const fac_call *call, fac_clear_progress *progress, fac_error
      *err),
     (cache, call, progress, err))
CALL(fac_status, fac_cache_health,
     (fac_cache *cache, const fac_call *call, fac_health *out, size_t size, fac_error
      *err),
     (cache, call, out, size, err))
CALL(fac_status, fac_cache_stats,
     (fac_cache *cache, const fac_call *call, fac_stats *out, size_t size, fac_error
      *err),
     (cache, call, out, size, err))
CALL(fac_status, fac_cache_command,
     (fac_cache *cache, const fac_bytes *args, size_t n, const fac_call *call, fac_reply
      **out, fac_error *err),
     (cache, args, n, call, out, err))
CALL(fac_status, fac_options_describe,
     (const fac_options *options, fac_setting_fn *fn, void *context, fac_error *err),
     (options, fn, context, err))
CALL(fac_status, fac_options_set,
     (fac_options *options, const char *name, const char *value, fac_error *err),
     (options, name, value, err))
CALL(bool, fac_default_open,
     (const fac_options *options),
     (options))
CALL(bool, fac_default_use,
     (fac_cache *cache),
     (cache))
CALL(char *, fac_default_get,
     (const char *key, const char *fallback),
     (key, fallback))
CALL(bool, fac_default_set,
     (const char *key, const char *value, int ttl_s),
     (key, value, ttl_s))
CALL(bool, fac_default_delete,
     (const char *key),
     (key))
CALL(bool, fac_default_exists,
     (const char *key),
     (key))
CALL_VOID(fac_cache_unref,
     (fac_cache *cache),
     (cache))
CALL_VOID(fac_cache_close,
     (fac_cache *cache),
     (cache))
CALL_VOID(fac_default_close,
     (void),
     ())
/* clang-format on */
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c) */
