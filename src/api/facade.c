/* SPDX-License-Identifier: MIT */
/* api/facade.c — the process-wide cache in strings: installing it, and the verbs on it.
 *
 * Installing is serialised by the install lock; a server is reached afterwards, through a
 * reference and under no lock, so neither close_cache() nor a call ever waits for another
 * thread's connect. */
#include <faciliter/facade.h>

#include "api/cache.h"
#include "api/installed.h"

#include "base/error.h"
#include "base/mem.h"
#include "config/options.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    HEAL_MS = 250, /* what one call spends on a server that was down a moment ago */
    ERROR_TEXT_BYTES = 320,
};

static _Thread_local char last_error[ERROR_TEXT_BYTES];

/* --- Errors in words ------------------------------------------------------------------------ */

static void clear_error(void)
{
    last_error[0] = '\0';
}

static bool fail(const char *verb, const fac_error *err)
{
    (void)snprintf(last_error, sizeof(last_error), "%s: %s", verb, err->message);
    return false;
}

static bool fail_text(const char *verb, const char *text)
{
    (void)snprintf(last_error, sizeof(last_error), "%s: %s", verb, text);
    return false;
}

const char *fac_default_error(void)
{
    return last_error;
}

/* --- Installing ----------------------------------------------------------------------------- */

/* What cannot heal by itself is not kept. */
static bool can_heal(fac_status st)
{
    return st != FAC_E_CONFIG && st != FAC_E_INVALID && st != FAC_E_UNSUPPORTED &&
           st != FAC_E_NOMEM;
}

/* Reach the server of an installed cache: no lock is held, so nobody waits for this. */
static bool reach(struct faci_installed *it)
{
    fac_error err;
    faci_error_clear(&err);
    fac_status st = faci_policy_connect(it->cache->backend, &err);
    if (st == FAC_OK) {
        return faci_installed_mark_usable(it);
    }
    if (!can_heal(st)) {
        faci_installed_remove(it);
    }
    return fail("set_cache", &err);
}

static bool install_config(struct faci_config *config, struct faci_log log,
                           enum faci_origin origin, bool is_lazy, struct faci_installed **out)
{
    fac_error err;
    faci_error_clear(&err);
    fac_cache *cache = NULL;
    if (faci_cache_open(config, log, false, &cache, &err) < 0) {
        faci_installed_replace(NULL);
        return fail("set_cache", &err);
    }
    struct faci_installed *it = faci_installed_new(cache, origin, is_lazy);
    if (it == NULL) {
        fac_cache_close(cache);
        faci_installed_replace(NULL);
        return fail_text("set_cache", "out of memory");
    }
    *out = faci_installed_ref(it);
    faci_installed_replace(it);
    return true;
}

/* set_cache(NULL): what is installed may stay. `*out`: what is to be reached. */
static bool open_environment(struct faci_installed **out)
{
    struct faci_installed *it = faci_installed_acquire();
    if (it != NULL && it->origin != FACI_FROM_ENVIRONMENT) {
        *out = it;
        return true;
    }
    fac_error err;
    struct faci_config *config = NULL;
    if (faci_config_resolve(NULL, &config, &err) < 0) {
        faci_installed_release(it);
        faci_installed_replace(NULL);
        return fail("set_cache", &err);
    }
    if (it != NULL && faci_config_equal(it->cache->config, config)) {
        faci_config_free(config);
        *out = it;
        return true;
    }
    faci_installed_release(it);
    struct faci_log silent = {NULL, NULL};
    return install_config(config, silent, FACI_FROM_ENVIRONMENT, false, out);
}

static bool open_options(const fac_options *options, struct faci_installed **out)
{
    fac_error err;
    fac_options known;
    struct faci_config *config = NULL;
    fac_status st = faci_options_read(options, &known, &err);
    if (st == FAC_OK) {
        st = faci_config_resolve(&known, &config, &err);
    }
    if (st < 0) {
        faci_installed_replace(NULL);
        return fail("set_cache", &err);
    }
    struct faci_log log = {known.log, known.log_context};
    return install_config(config, log, FACI_FROM_OPTIONS, known.open == FAC_OPEN_LAZY, out);
}

bool fac_default_open(const fac_options *options)
{
    clear_error();
    int cancel_state = 0;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    struct faci_installed *it = NULL;
    faci_mutex_lock(&faci_install_lock);
    bool is_done = options == NULL ? open_environment(&it) : open_options(options, &it);
    faci_mutex_unlock(&faci_install_lock);
    bool is_usable = is_done && (faci_installed_mark_usable(it) || reach(it));
    faci_installed_release(it);
    (void)pthread_setcancelstate(cancel_state, NULL);
    return is_usable;
}

bool fac_default_use(fac_cache *cache)
{
    clear_error();
    if (cache == NULL) {
        return fail_text("use_cache", "cache is NULL");
    }
    int cancel_state = 0;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    faci_mutex_lock(&faci_install_lock);
    struct faci_installed *present = faci_installed_acquire();
    bool is_done = present != NULL && present->cache == cache; /* it is what is installed */
    if (!is_done) {
        struct faci_installed *it = faci_installed_new(fac_cache_ref(cache), FACI_FROM_CALLER,
                                                       true);
        is_done = it != NULL;
        if (is_done) {
            faci_installed_replace(it);
        } else {
            fac_cache_unref(cache);
            (void)fail_text("use_cache", "out of memory");
        }
    }
    faci_installed_release(present);
    faci_mutex_unlock(&faci_install_lock);
    (void)pthread_setcancelstate(cancel_state, NULL);
    return is_done;
}

fac_cache *fac_default_cache(void)
{
    clear_error();
    struct faci_installed *it = faci_installed_acquire();
    fac_cache *cache = NULL;
    if (it != NULL && faci_installed_mark_usable(it)) {
        cache = faci_installed_lend(it);
    }
    faci_installed_release(it);
    return cache;
}

void fac_default_close(void)
{
    clear_error();
    int cancel_state = 0;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    faci_mutex_lock(&faci_install_lock);
    faci_installed_end_all();
    faci_mutex_unlock(&faci_install_lock);
    (void)pthread_setcancelstate(cancel_state, NULL);
}

/* --- The verbs ------------------------------------------------------------------------------ */

/* The installed cache, and what a call on it may take. NULL when there is none. */
static struct faci_installed *begin(const char *verb, const char *key, fac_call *call)
{
    clear_error();
    *call = fac_call_within(0);
    if (key == NULL) {
        (void)fail_text(verb, "key is NULL");
        return NULL;
    }
    struct faci_installed *it = faci_installed_acquire();
    if (it == NULL) {
        (void)fail_text(verb, "no cache is installed: see set_cache()");
        return NULL;
    }
    if (faci_installed_is_down(it)) {
        uint32_t timeout_ms = it->cache->backend->ops->settings(it->cache->backend)->timeout_ms;
        call->deadline_ms = timeout_ms < HEAL_MS ? timeout_ms : HEAL_MS;
    }
    return it;
}

static bool end(struct faci_installed *it, const char *verb, fac_status st,
                const fac_error *err)
{
    faci_installed_release(it);
    return st < 0 ? fail(verb, err) : st == FAC_OK;
}

static char *copy_string(const char *verb, fac_bytes bytes)
{
    char *copy = faci_mem_copy_string(&k_faci_libc, bytes.data, bytes.len);
    if (copy == NULL) {
        (void)fail_text(verb, "out of memory");
    }
    return copy;
}

/* The stored value as a string; NULL without one. */
static char *get_string(const char *key)
{
    fac_call call;
    struct faci_installed *it = begin("cache_get", key, &call);
    if (it == NULL) {
        return NULL;
    }
    fac_error err;
    fac_value *value = NULL;
    char *string = NULL;
    fac_status st = fac_cache_get(it->cache, fac_str(key), &call, &value, &err);
    if (end(it, "cache_get", st, &err)) {
        fac_bytes bytes = fac_value_bytes(value);
        if (memchr(bytes.data, '\0', bytes.len) != NULL) {
            (void)fail_text("cache_get",
                            "the value contains a NUL: read it with fac_cache_get()");
        } else {
            string = copy_string("cache_get", bytes);
        }
        fac_value_unref(value);
    }
    return string;
}

char *fac_default_get(const char *key, const char *fallback)
{
    char *string = get_string(key);
    if (string == NULL && fallback != NULL) {
        string = copy_string("cache_get", fac_str(fallback));
    }
    return string;
}

bool fac_default_set(const char *key, const char *value, int ttl_s)
{
    fac_call call;
    struct faci_installed *it = begin("cache_set", key, &call);
    if (it == NULL) {
        return false;
    }
    fac_error err;
    if (value == NULL) {
        fac_status st = faci_null(&err, "value");
        return end(it, "cache_set", st, &err);
    }
    bool is_number = ttl_s != FAC_TTL_DEFAULT && ttl_s != FAC_TTL_NONE;
    fac_status st = FAC_OK;
    if (is_number && ttl_s < 1) {
        st = faci_fail(&err, FAC_E_INVALID, 0,
                       "the time to live is %d s: at least 1, FAC_TTL_DEFAULT or FAC_TTL_NONE",
                       ttl_s);
        return end(it, "cache_set", st, &err);
    }
    int64_t ttl_ms = is_number ? (int64_t)ttl_s * 1000 : ttl_s;
    st = fac_cache_set(it->cache, fac_str(key), fac_str(value), ttl_ms, &call, &err);
    return end(it, "cache_set", st, &err);
}

bool fac_default_delete(const char *key)
{
    fac_call call;
    struct faci_installed *it = begin("cache_delete", key, &call);
    if (it == NULL) {
        return false;
    }
    fac_error err;
    fac_status st = fac_cache_delete(it->cache, fac_str(key), &call, &err);
    return end(it, "cache_delete", st, &err);
}

bool fac_default_exists(const char *key)
{
    fac_call call;
    struct faci_installed *it = begin("cache_exists", key, &call);
    if (it == NULL) {
        return false;
    }
    fac_error err;
    fac_status st = fac_cache_exists(it->cache, fac_str(key), &call, &err);
    return end(it, "cache_exists", st, &err);
}

void fac_default_free(char *string)
{
    faci_mem_free(&k_faci_libc, string);
}
