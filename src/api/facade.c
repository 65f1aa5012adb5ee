/* SPDX-License-Identifier: MIT */
/* api/facade.c — the process-wide cache.
 *
 * Design notes. What is installed is a slot: a cache, where it came from, and a count of the
 * facade calls that are in it. Each call takes the slot under the slot lock, for a few
 * instructions, and gives it back when it ends; so a slot that was replaced ends with its last
 * call, and only then is its cache closed. A cache that get_cache() has lent stays as a closed
 * handle in the graveyard until close_cache(). Installing is serialised by the install lock, which
 * is held while a server is being reached; calls never take it. Lock order: install, slot. */
#include <faciliter/facade.h>

#include "api/cache.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/sync.h"
#include "config/options.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    HEAL_MS = 250, /* what one call spends on a server that was down a moment ago */
    ERROR_TEXT_BYTES = 320,
};

enum origin {
    FROM_ENVIRONMENT, /* set_cache(NULL) */
    FROM_OPTIONS,     /* set_cache(&options) */
    FROM_CALLER,      /* use_cache(): theirs to close */
};

struct slot {
    fac_cache *cache;
    enum origin origin;
    unsigned refs;     /* guarded by the slot lock: installed, and one for each call in it */
    bool was_lent;     /* guarded by the slot lock: get_cache() returned it */
    bool is_usable;    /* guarded by the slot lock: it was reached, or asked for as lazy */
    struct slot *next; /* in the graveyard */
};

static struct faci_mutex install_lock = {PTHREAD_MUTEX_INITIALIZER};
static struct faci_mutex slot_lock = {PTHREAD_MUTEX_INITIALIZER};
static struct slot *installed; /* guarded by slot_lock */
static struct slot *graveyard; /* guarded by slot_lock */

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

/* --- Forks ---------------------------------------------------------------------------------- */

/* The slot lock is only ever held for a moment: it is taken around the fork, so the child finds
 * the slots whole. The install lock may be held for long; in the child its holder is gone. */
static void before_fork(void) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_lock(&slot_lock);
}

static void after_fork_in_parent(void) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_unlock(&slot_lock);
}

static void after_fork_in_child(void)
{
    faci_mutex_init(&slot_lock);
    faci_mutex_init(&install_lock);
}

static void arm(void)
{
    (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void arm_fork_handlers(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, arm);
}

/* --- Slots ---------------------------------------------------------------------------------- */

static struct slot *acquire(void)
{
    faci_mutex_lock(&slot_lock);
    struct slot *slot = installed;
    if (slot != NULL) {
        slot->refs++;
    }
    faci_mutex_unlock(&slot_lock);
    return slot;
}

static void end_cache(struct slot *slot)
{
    if (slot->origin == FROM_CALLER) {
        fac_cache_unref(slot->cache);
    } else {
        fac_cache_close(slot->cache);
    }
    faci_mem_free(&k_faci_libc, slot);
}

/* The last one out ends the cache; what get_cache() has lent stays valid, but closed. */
static void release(struct slot *slot)
{
    if (slot == NULL) {
        return;
    }
    faci_mutex_lock(&slot_lock);
    bool is_last = --slot->refs == 0;
    bool is_kept = is_last && slot->was_lent;
    if (is_kept) {
        slot->next = graveyard;
        graveyard = slot;
    }
    faci_mutex_unlock(&slot_lock);
    if (is_kept && slot->origin != FROM_CALLER) {
        faci_cache_stop(slot->cache);
    } else if (is_last && !is_kept) {
        end_cache(slot);
    }
}

/* Put `slot` (NULL: none) in the place of what is installed. */
static void install(struct slot *slot)
{
    faci_mutex_lock(&slot_lock);
    struct slot *old = installed;
    installed = slot;
    faci_mutex_unlock(&slot_lock);
    release(old);
}

static struct slot *slot_new(fac_cache *cache, enum origin origin, bool is_usable)
{
    struct slot *slot = faci_mem_zalloc(&k_faci_libc, sizeof(*slot));
    if (slot != NULL) {
        *slot = (struct slot){
            .cache = cache, .origin = origin, .refs = 1, .is_usable = is_usable};
    }
    return slot;
}

static bool is_down(const struct slot *slot)
{
    return slot->cache->backend->ops->is_down(slot->cache->backend);
}

static bool mark_usable(struct slot *slot)
{
    bool is_up = !is_down(slot);
    faci_mutex_lock(&slot_lock);
    slot->is_usable = slot->is_usable || is_up;
    bool is_usable = slot->is_usable;
    faci_mutex_unlock(&slot_lock);
    return is_usable;
}

/* --- Installing ----------------------------------------------------------------------------- */

/* What cannot heal by itself is not kept. */
static bool can_heal(fac_status st)
{
    return st != FAC_E_CONFIG && st != FAC_E_INVALID && st != FAC_E_UNSUPPORTED &&
           st != FAC_E_NOMEM;
}

/* Reach the server of an installed cache. */
static bool reach(struct slot *slot)
{
    fac_error err;
    faci_error_clear(&err);
    fac_status st = faci_policy_connect(slot->cache->backend, &err);
    if (st < 0) {
        return fail("set_cache", &err);
    }
    return mark_usable(slot);
}

static bool install_config(struct faci_config *config, struct faci_log log, enum origin origin,
                           bool is_lazy)
{
    fac_error err;
    faci_error_clear(&err);
    fac_cache *cache = NULL;
    fac_status st = faci_cache_open(config, log, false, &cache, &err);
    if (st == FAC_OK && !is_lazy) {
        st = faci_policy_connect(cache->backend, &err);
    }
    if (cache == NULL || (st < 0 && !can_heal(st))) {
        fac_cache_close(cache);
        install(NULL);
        return fail("set_cache", &err);
    }
    struct slot *slot = slot_new(cache, origin, st == FAC_OK);
    if (slot == NULL) {
        fac_cache_close(cache);
        install(NULL);
        return fail_text("set_cache", "out of memory");
    }
    install(slot);
    return st == FAC_OK ? true : fail("set_cache", &err);
}

/* set_cache(NULL): what is installed may stay. */
static bool open_environment(void)
{
    struct slot *slot = acquire();
    if (slot != NULL && slot->origin != FROM_ENVIRONMENT) {
        bool is_usable = mark_usable(slot);
        release(slot);
        return is_usable || fail_text("set_cache", "the installed cache cannot be reached");
    }
    fac_error err;
    struct faci_config *config = NULL;
    if (faci_config_resolve(NULL, &config, &err) < 0) {
        release(slot);
        install(NULL);
        return fail("set_cache", &err);
    }
    if (slot != NULL && faci_config_equal(slot->cache->config, config)) {
        faci_config_free(config);
        bool is_usable = mark_usable(slot) || reach(slot);
        release(slot);
        return is_usable;
    }
    release(slot);
    struct faci_log silent = {NULL, NULL};
    return install_config(config, silent, FROM_ENVIRONMENT, false);
}

static bool open_options(const fac_options *options)
{
    fac_error err;
    fac_options known;
    struct faci_config *config = NULL;
    fac_status st = faci_options_read(options, &known, &err);
    if (st == FAC_OK) {
        st = faci_config_resolve(&known, &config, &err);
    }
    if (st < 0) {
        install(NULL);
        return fail("set_cache", &err);
    }
    struct faci_log log = {known.log, known.log_context};
    return install_config(config, log, FROM_OPTIONS, known.open == FAC_OPEN_LAZY);
}

bool fac_default_open(const fac_options *options)
{
    clear_error();
    arm_fork_handlers();
    int cancel_state = 0;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    faci_mutex_lock(&install_lock);
    bool is_usable = options == NULL ? open_environment() : open_options(options);
    faci_mutex_unlock(&install_lock);
    (void)pthread_setcancelstate(cancel_state, NULL);
    return is_usable;
}

bool fac_default_use(fac_cache *cache)
{
    clear_error();
    arm_fork_handlers();
    if (cache == NULL) {
        return fail_text("use_cache", "cache is NULL");
    }
    struct slot *slot = slot_new(fac_cache_ref(cache), FROM_CALLER, true);
    if (slot == NULL) {
        fac_cache_unref(cache);
        return fail_text("use_cache", "out of memory");
    }
    faci_mutex_lock(&install_lock);
    install(slot);
    faci_mutex_unlock(&install_lock);
    return true;
}

fac_cache *fac_default_cache(void)
{
    clear_error();
    struct slot *slot = acquire();
    fac_cache *cache = NULL;
    if (slot != NULL && mark_usable(slot)) {
        faci_mutex_lock(&slot_lock);
        slot->was_lent = true;
        faci_mutex_unlock(&slot_lock);
        cache = slot->cache;
    }
    release(slot);
    return cache;
}

void fac_default_close(void)
{
    clear_error();
    faci_mutex_lock(&install_lock);
    faci_mutex_lock(&slot_lock);
    struct slot *slot = installed;
    struct slot *buried = graveyard;
    installed = NULL;
    graveyard = NULL;
    if (slot != NULL) {
        slot->was_lent = false; /* what was lent ends here */
    }
    faci_mutex_unlock(&slot_lock);
    if (slot != NULL && slot->origin != FROM_CALLER) {
        faci_cache_stop(slot->cache); /* calls in flight end now */
    }
    release(slot);
    while (buried != NULL) {
        struct slot *next = buried->next;
        end_cache(buried);
        buried = next;
    }
    faci_mutex_unlock(&install_lock);
}

/* --- The verbs ------------------------------------------------------------------------------ */

/* The installed cache, and what a call on it may take. NULL when there is none. */
static struct slot *begin(const char *verb, const char *key, fac_call *call)
{
    clear_error();
    *call = fac_call_within(0);
    if (key == NULL) {
        (void)fail_text(verb, "key is NULL");
        return NULL;
    }
    struct slot *slot = acquire();
    if (slot == NULL) {
        (void)fail_text(verb, "no cache is installed: see set_cache()");
        return NULL;
    }
    if (is_down(slot)) {
        uint32_t timeout_ms =
            slot->cache->backend->ops->settings(slot->cache->backend)->timeout_ms;
        call->deadline_ms = timeout_ms < HEAL_MS ? timeout_ms : HEAL_MS;
    }
    return slot;
}

static bool end(struct slot *slot, const char *verb, fac_status st, const fac_error *err)
{
    release(slot);
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
    struct slot *slot = begin("cache_get", key, &call);
    if (slot == NULL) {
        return NULL;
    }
    fac_error err;
    fac_value *value = NULL;
    char *string = NULL;
    fac_status st = fac_cache_get(slot->cache, fac_str(key), &call, &value, &err);
    if (end(slot, "cache_get", st, &err)) {
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
        string = faci_mem_copy_string(&k_faci_libc, fallback, strlen(fallback));
    }
    return string;
}

bool fac_default_set(const char *key, const char *value, int ttl_s)
{
    fac_call call;
    struct slot *slot = begin("cache_set", key, &call);
    if (slot == NULL) {
        return false;
    }
    fac_error err;
    if (value == NULL) {
        fac_status st = faci_null(&err, "value");
        return end(slot, "cache_set", st, &err);
    }
    bool is_number = ttl_s != FAC_TTL_DEFAULT && ttl_s != FAC_TTL_NONE;
    fac_status st = FAC_OK;
    if (is_number && ttl_s < 1) {
        st = faci_fail(&err, FAC_E_INVALID, 0,
                       "the time to live is %d s: at least 1, FAC_TTL_DEFAULT or FAC_TTL_NONE",
                       ttl_s);
        return end(slot, "cache_set", st, &err);
    }
    int64_t ttl_ms = is_number ? (int64_t)ttl_s * 1000 : ttl_s;
    st = fac_cache_set(slot->cache, fac_str(key), fac_str(value), ttl_ms, &call, &err);
    return end(slot, "cache_set", st, &err);
}

bool fac_default_delete(const char *key)
{
    fac_call call;
    struct slot *slot = begin("cache_delete", key, &call);
    if (slot == NULL) {
        return false;
    }
    fac_error err;
    fac_status st = fac_cache_delete(slot->cache, fac_str(key), &call, &err);
    return end(slot, "cache_delete", st, &err);
}

bool fac_default_exists(const char *key)
{
    fac_call call;
    struct slot *slot = begin("cache_exists", key, &call);
    if (slot == NULL) {
        return false;
    }
    fac_error err;
    fac_status st = fac_cache_exists(slot->cache, fac_str(key), &call, &err);
    return end(slot, "cache_exists", st, &err);
}

void fac_default_free(char *string)
{
    faci_mem_free(&k_faci_libc, string);
}
