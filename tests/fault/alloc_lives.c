/* SPDX-License-Identifier: MIT */
/* fault/alloc_lives.c — opening, closing, waiting, the facade, and several threads, as scenarios.
 * Each opens what it needs and leaves nothing. */
#include "fault/alloc_scenarios.h"
#include "kit/kit.h"
#include "kit/sysfault.h"

#include <faciliter/facade.h>

#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CALLERS = 4
};

/* The worse of two: an error that is no lack of memory before one that is, before none. */
static fac_status worse(fac_status a, fac_status b)
{
    if (a >= 0 || b >= 0) {
        return a < b ? a : b;
    }
    return a == FAC_E_NOMEM ? b : a;
}

static fac_status put_and_get(fac_cache *cache, const char *key, const char *value,
                              fac_error *err)
{
    fac_status st = fac_cache_set(cache, fac_str(key), fac_str(value), 60000, NULL, err);
    if (st < 0) {
        return st;
    }
    fac_value *got = NULL;
    st = fac_cache_get(cache, fac_str(key), NULL, &got, err);
    if (st == FAC_OK && (fac_value_bytes(got).len != strlen(value) ||
                         memcmp(fac_value_bytes(got).data, value, strlen(value)) != 0)) {
        abort(); /* a wrong value, on any thread */
    }
    fac_value_unref(got);
    return st;
}

/* Open, use once, close. */
static fac_status use_once(const fac_options *options, fac_error *err)
{
    fac_cache *cache = NULL;
    fac_status st = fac_cache_open(options, &cache, err);
    assert_int_equal(cache != NULL, st == FAC_OK);
    if (st == FAC_OK) {
        st = put_and_get(cache, "once", "upon a time", err);
        fac_cache_close(cache);
    }
    return st;
}

static fac_status run_open(struct alloc_scene *scene, fac_error *err)
{
    return use_once(&scene->live.options, err);
}

static fac_status run_open_lazy(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    options.open = FAC_OPEN_LAZY;
    return use_once(&options, err);
}

static fac_status run_open_unref(struct alloc_scene *scene, fac_error *err)
{
    fac_cache *cache = NULL;
    fac_status st = fac_cache_open(&scene->live.options, &cache, err);
    fac_cache_unref(fac_cache_ref(cache));
    fac_cache_unref(cache);
    return st;
}

static fac_status run_open_prefix(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    options.prefix = "a longer prefix than usual, with blanks: ";
    return use_once(&options, err);
}

static fac_status open_url(struct alloc_scene *scene, const char *user, const char *tail,
                           fac_error *err)
{
    char url[160];
    fac_options options = scene->live.options;
    options.host = NULL;
    options.port = 0;
    (void)snprintf(url, sizeof(url), "redis://%s127.0.0.1:%u%s", user,
                   (unsigned)kit_server_port(scene->live.server), tail);
    options.url = url;
    options.provider = FAC_REDIS;
    return use_once(&options, err);
}

static fac_status run_open_url(struct alloc_scene *scene, fac_error *err)
{
    return open_url(scene, "", "/2", err);
}

static fac_status run_open_url_user(struct alloc_scene *scene, fac_error *err)
{
    return open_url(scene, "tester:pass-word@", "", err);
}

static fac_status run_open_url_wrong(struct alloc_scene *scene, fac_error *err)
{
    return open_url(scene, "", "/not-a-number", err);
}

static fac_status run_open_unix(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    options.host = NULL;
    options.port = 0;
    options.unix_socket = kit_server_socket(scene->live.server);
    return use_once(&options, err);
}

static fac_status run_open_name(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    options.host = "127.1"; /* looked up by libc, which asks nobody */
    return use_once(&options, err);
}

static fac_status run_open_unknown_name(struct alloc_scene *scene, fac_error *err)
{
    static const struct kit_sysfault k_fault = {.calls = KIT_SYS_BIT(KIT_SYS_GETADDRINFO),
                                                .error = EAI_NONAME,
                                                .nth = 1,
                                                .and_on = true};
    fac_options options = scene->live.options;
    options.host = "127.1";
    kit_sysfault_arm(&k_fault);
    fac_status st = use_once(&options, err);
    kit_sysfault_lift();
    return st;
}

static fac_status run_open_password(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    options.username = "tester";
    options.password = "pass-word";
    return use_once(&options, err);
}

static fac_status run_open_password_file(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    options.username = "tester";
    options.password_file = scene->password_path;
    return use_once(&options, err);
}

static fac_status run_open_no_password_file(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    options.password_file = "/nonexistent/password";
    return use_once(&options, err);
}

static fac_status run_open_wrong_password(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    options.username = "tester";
    options.password = "wrong";
    return use_once(&options, err);
}

static fac_status run_open_no_such_db(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    options.db = 9999;
    return use_once(&options, err);
}

static fac_status run_open_dead(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    options.port = scene->dead_port;
    return use_once(&options, err);
}

static fac_status run_open_bad_setting(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    options.port = 70000;
    return use_once(&options, err);
}

static void take_setting(void *context, const fac_setting *setting)
{
    *(size_t *)context += strlen(setting->name) > 0 ? 1U : 0U;
}

static fac_status run_describe(struct alloc_scene *scene, fac_error *err)
{
    size_t n = 0;
    fac_status st = fac_options_describe(&scene->live.options, take_setting, &n, err);
    assert_int_equal(n > 0, st == FAC_OK);
    return st;
}

static fac_status run_options_set(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    fac_status st = fac_options_set(&options, "timeout", "12.5", err);
    return st < 0 ? st : fac_options_set(&options, "prefix", "other:", err);
}

/* --- The facade: what it says in words is told as a status ------------------------------------ */

static fac_status facade_failed(fac_error *err)
{
    bool is_memory = strstr(cache_error(), "memory") != NULL;
    err->status = is_memory ? FAC_E_NOMEM : FAC_E_UNAVAILABLE;
    (void)snprintf(err->message, sizeof(err->message), "%.200s", cache_error());
    return err->status;
}

static fac_status facade_round(fac_error *err)
{
    if (!cache_set("facade", "a value", 60)) {
        return facade_failed(err);
    }
    char *got = cache_get("facade", NULL);
    if (got == NULL) {
        return facade_failed(err);
    }
    assert_string_equal(got, "a value");
    cache_free(got);
    got = cache_get("absent", "instead");
    if (got == NULL) {
        return facade_failed(err);
    }
    assert_string_equal(got, "instead");
    bool has_failed = cache_error()[0] != '\0';
    cache_free(got);
    if (has_failed) {
        return facade_failed(err);
    }
    return cache_exists("facade") && cache_delete("facade") ? FAC_OK : facade_failed(err);
}

static fac_status run_facade(struct alloc_scene *scene, fac_error *err)
{
    fac_status st = set_cache(&scene->live.options) ? facade_round(err) : facade_failed(err);
    close_cache();
    return st;
}

static fac_status run_facade_lent(struct alloc_scene *scene, fac_error *err)
{
    fac_status st = set_cache(&scene->live.options) ? FAC_OK : facade_failed(err);
    if (st == FAC_OK) {
        fac_cache *lent = get_cache();
        st = lent != NULL ? put_and_get(lent, "lent", "value", err) : facade_failed(err);
    }
    fac_error ignored;
    (void)(set_cache(&scene->live.options) ? FAC_OK : facade_failed(&ignored));
    close_cache();
    return st;
}

static fac_status run_facade_use(struct alloc_scene *scene, fac_error *err)
{
    fac_cache *cache = NULL;
    fac_status st = fac_cache_open(&scene->live.options, &cache, err);
    if (st == FAC_OK) {
        st = use_cache(cache) ? facade_round(err) : facade_failed(err);
        close_cache();
        fac_cache_close(cache);
    }
    return st;
}

/* --- Time, and threads ------------------------------------------------------------------------ */

static fac_status run_timeout(struct alloc_scene *scene, fac_error *err)
{
    fac_cache *cache = NULL;
    fac_status st = fac_cache_open(&scene->live.options, &cache, err);
    if (st == FAC_OK) {
        fac_call call = fac_call_within(3);
        fac_value *value = NULL;
        kit_server_pause(scene->live.server);
        st = fac_cache_get(cache, fac_str("k"), &call, &value, err);
        kit_server_resume(scene->live.server);
        assert_null(value);
        fac_cache_close(cache);
    }
    return st;
}

struct calling {
    fac_cache *cache;
    atomic_size_t n_begun;
    bool is_to_be_closed;
    fac_status got[CALLERS];
    fac_error errs[CALLERS];
};

/* Of more than a slot keeps without asking for memory. */
#define LONG_VALUE                                                                          \
    "a value that is long enough to be kept outside of its place in the line of requests, " \
    "when its reply is read by another caller than the one who asked for it, and of which " \
    "each caller has its own: "

static void call_often(size_t index, void *context)
{
    static const char *const k_keys[CALLERS] = {"key of 0", "key of 1", "key of 2", "key of 3"};
    static const char *const k_values[CALLERS] = {LONG_VALUE "0", LONG_VALUE "1",
                                                  LONG_VALUE "2", LONG_VALUE "3"};
    struct calling *calling = context;
    fac_status st = FAC_OK;
    (void)atomic_fetch_add(&calling->n_begun, 1U);
    for (int i = 0; i < 5 || calling->is_to_be_closed; i++) {
        fac_error err;
        fac_status now = put_and_get(calling->cache, k_keys[index], k_values[index], &err);
        if (now == FAC_E_CLOSED && calling->is_to_be_closed) {
            break;
        }
        if (worse(st, now) != st) {
            st = now;
            calling->errs[index] = err;
        }
    }
    calling->got[index] = st;
}

static fac_status run_threads(struct alloc_scene *scene, bool is_to_be_closed, fac_error *err)
{
    struct calling calling;
    memset(&calling, 0, sizeof(calling));
    fac_status st = fac_cache_open(&scene->live.options, &calling.cache, err);
    if (st < 0) {
        return st;
    }
    calling.is_to_be_closed = is_to_be_closed;
    fac_cache *ours = fac_cache_ref(calling.cache);
    struct kit_threads *threads = kit_threads_start(CALLERS, call_often, &calling);
    if (is_to_be_closed) {
        KIT_WAIT_FOR(LIVE_TIMEOUT_MS, atomic_load(&calling.n_begun) == CALLERS);
        fac_cache_close(ours);
        ours = NULL;
    }
    kit_threads_join(threads);
    fac_cache_unref(ours);
    fac_cache_unref(calling.cache);
    for (size_t i = 0; i < CALLERS; i++) {
        if (worse(st, calling.got[i]) != st) {
            st = calling.got[i];
            *err = calling.errs[i];
        }
    }
    return st;
}

static fac_status run_four_threads(struct alloc_scene *scene, fac_error *err)
{
    return run_threads(scene, false, err);
}

static fac_status run_four_threads_one_connection(struct alloc_scene *scene, fac_error *err)
{
    uint32_t before = scene->live.options.max_connections;
    scene->live.options.max_connections = 1;
    fac_status st = run_threads(scene, false, err);
    scene->live.options.max_connections = before;
    return st;
}

static fac_status run_close_in_flight(struct alloc_scene *scene, fac_error *err)
{
    return run_threads(scene, true, err);
}

/* The right password; where it ends soon, a long one behind it, which the server refuses: that costs
 * nobody his call. */
static bool tell_password(void *context, uint32_t within_ms, fac_password *out)
{
    (void)within_ms;
    atomic_uint *n_asked = context;
    bool is_first = n_asked == NULL || atomic_fetch_add(n_asked, 1U) == 0;
    (void)snprintf(out->text, out->text_cap, is_first ? "%s" : "%3000s", "pass-word");
    out->expires_in_ms = n_asked != NULL ? 1 : 0;
    return true;
}

static fac_status run_open_password_fn(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    options.username = "tester";
    options.password_fn = tell_password;
    return use_once(&options, err);
}

static fac_status run_open_password_ends(struct alloc_scene *scene, fac_error *err)
{
    static atomic_uint n_asked; /* a thread that asks may be later than the handle's end */
    atomic_store(&n_asked, 0U);
    fac_options options = scene->live.options;
    options.username = "tester";
    options.password_fn = tell_password;
    options.password_context = &n_asked;
    fac_cache *cache = NULL;
    fac_status st = fac_cache_open(&options, &cache, err);
    int64_t until_ms = kit_now_ms() + 3;
    while (st == FAC_OK && kit_now_ms() < until_ms) {
        st = put_and_get(cache, "once", "upon a time", err);
    }
    fac_cache_close(cache);
    return st;
}

#ifdef FAC_HAS_TLS
static fac_status run_open_tls(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    options.port = kit_server_port(scene->tls_server);
    options.tls = FAC_YES;
    options.tls_ca_file = scene->ca.path;
    return use_once(&options, err);
}
#endif

#ifdef FAC_HAS_HTTP
static fac_status run_open_http(struct alloc_scene *scene, fac_error *err)
{
    fac_options options = scene->live.options;
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u",
                   (unsigned)kit_bridge_port(scene->bridge));
    options.host = NULL;
    options.port = 0;
    options.url = url;
    options.api_key = KIT_BRIDGE_KEY;
    return use_once(&options, err);
}
#endif

/* clang-format off */
const struct alloc_scenario k_alloc_lives[] = {
    {"open",                   ALLOC_NONE, false, FAC_OK,            NULL, run_open},
    {"open, lazy",             ALLOC_NONE, false, FAC_OK,            NULL, run_open_lazy},
    {"open, unref",            ALLOC_NONE, false, FAC_OK,            NULL, run_open_unref},
    {"open, prefix",           ALLOC_NONE, false, FAC_OK,            NULL, run_open_prefix},
    {"open, url",              ALLOC_NONE, true,  FAC_OK,            NULL, run_open_url},
    {"open, url with user",    ALLOC_NONE, true,  FAC_OK,            NULL, run_open_url_user},
    {"open, wrong url",        ALLOC_NONE, true,  FAC_E_CONFIG,      NULL, run_open_url_wrong},
    {"open, unix socket",      ALLOC_NONE, true,  FAC_OK,            NULL, run_open_unix},
    {"open, name",             ALLOC_NONE, true,  FAC_OK,            NULL, run_open_name},
    {"open, unknown name",     ALLOC_NONE, true,  FAC_E_UNAVAILABLE, NULL, run_open_unknown_name},
    {"open, password",         ALLOC_NONE, true,  FAC_OK,            NULL, run_open_password},
    {"open, password file",    ALLOC_NONE, true,  FAC_OK,            NULL, run_open_password_file},
    {"open, no password file", ALLOC_NONE, true,  FAC_E_CONFIG,      NULL, run_open_no_password_file},
    {"open, wrong password",   ALLOC_NONE, true,  FAC_E_AUTH,        NULL, run_open_wrong_password},
    {"open, password function", ALLOC_NONE, true, FAC_OK,            NULL, run_open_password_fn},
    {"open, password ends",    ALLOC_NONE, true,  FAC_OK,            NULL, run_open_password_ends},
#ifdef FAC_HAS_TLS
    {"open, tls",              ALLOC_NONE, true,  FAC_OK,            NULL, run_open_tls},
#endif
#ifdef FAC_HAS_HTTP
    {"open, http",             ALLOC_NONE | ALLOC_EVERY_NUMBER, true, FAC_OK, NULL, run_open_http},
#endif
    {"open, no such db",       ALLOC_NONE, true,  FAC_E_CONFIG,      NULL, run_open_no_such_db},
    {"open, nobody there",     ALLOC_NONE, true,  FAC_E_UNAVAILABLE, NULL, run_open_dead},
    {"open, wrong setting",    ALLOC_NONE, false, FAC_E_CONFIG,      NULL, run_open_bad_setting},
    {"describe",               ALLOC_NONE, false, FAC_OK,            NULL, run_describe},
    {"options_set",            ALLOC_NONE, false, FAC_OK,            NULL, run_options_set},
    {"facade",                 ALLOC_NONE, false, FAC_OK,            NULL, run_facade},
    {"facade, lent",           ALLOC_NONE, false, FAC_OK,            NULL, run_facade_lent},
    {"facade, in use",         ALLOC_NONE, false, FAC_OK,            NULL, run_facade_use},
    {"timeout",                ALLOC_NONE, true,  FAC_E_TIMEOUT,     NULL, run_timeout},
    {"four threads",           ALLOC_NONE, false, FAC_OK,            NULL, run_four_threads},
    {"four threads, one connection", ALLOC_NONE, false, FAC_OK, NULL, run_four_threads_one_connection},
    {"close in flight",        ALLOC_NONE, false, FAC_OK,            NULL, run_close_in_flight},
};
/* clang-format on */
const size_t k_alloc_n_lives = KIT_COUNT(k_alloc_lives);
