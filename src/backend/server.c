/* SPDX-License-Identifier: MIT */
/* backend/server.c — the cache on Redis or Valkey: choosing the server, and the verbs of one key
 * as commands. */
#include "backend/server.h"

#include "backend/value_sink.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/number.h"

#include <string.h>

/* No value of ours is longer; one of another program's that is gives FAC_E_TOO_LARGE. */
enum {
    MAX_VALUE_BYTES = 64 * 1024 * 1024
};

/* --- Choosing ------------------------------------------------------------------------------- */

struct faci_engine *faci_server_engine(struct faci_server *server)
{
    unsigned chosen = atomic_load_explicit(&server->chosen, memory_order_acquire);
    return server->engines[chosen < server->config->n_choices ? chosen : 0];
}

const struct faci_settings *faci_server_settings(struct faci_backend *backend)
{
    struct faci_server *server = faci_server_of(backend);
    unsigned chosen = atomic_load_explicit(&server->chosen, memory_order_acquire);
    return &server->config->choices[chosen < server->config->n_choices ? chosen : 0];
}

static void log_choice(const struct faci_server *server, unsigned chosen)
{
    const struct faci_settings *settings = &server->config->choices[chosen];
    char endpoint[160];
    if (chosen > 0) {
        faci_settings_endpoint(&server->config->choices[0], endpoint, sizeof(endpoint));
        faci_log(&server->log, FAC_LOG_WARN, "%s did not answer: the second choice is taken",
                 endpoint);
    }
    struct faci_identity identity;
    faci_engine_identity(server->engines[chosen], &identity);
    faci_settings_endpoint(settings, endpoint, sizeof(endpoint));
    const char *asked = settings->family == FAC_VALKEY ? "valkey" : "redis";
    bool is_other = server->config->provider != FAC_AUTO && identity.server[0] != '\0' &&
                    strcmp(identity.server, asked) != 0;
    faci_log(&server->log, is_other ? FAC_LOG_WARN : FAC_LOG_INFO,
             "connected to %s %s at %s (RESP%u)%s%s",
             identity.server[0] != '\0' ? identity.server : "an unknown server",
             identity.version, endpoint, identity.protocol, is_other ? ", asked for " : "",
             is_other ? asked : "");
}

/* The other endpoint is for a server that is not there: not for one that refuses us. */
static bool is_absent(fac_status st)
{
    return st == FAC_E_UNAVAILABLE || st == FAC_E_TIMEOUT;
}

/* Both were tried: tell of both. */
static fac_status fail_both(fac_status st, const fac_error *first, fac_error *err)
{
    if (err != NULL) {
        fac_error second = *err;
        (void)faci_fail(err, st, second.os_errno, "%.110s; then %.110s", first->message,
                        second.message);
        memcpy(err->server_code, second.server_code, sizeof(err->server_code));
    }
    return st;
}

/* The first of two choices may hang: it gets half of the time. */
static fac_status connect_choice(struct faci_server *server, unsigned i, int64_t deadline_ns,
                                 fac_error *err)
{
    int64_t until_ns = deadline_ns;
    if (i + 1 < server->config->n_choices) {
        until_ns = faci_clock_now_ns() + faci_clock_left_ns(deadline_ns) / 2;
    }
    fac_status st = faci_engine_connect(server->engines[i], until_ns, err);
    unsigned none = server->config->n_choices;
    if (st == FAC_OK && atomic_compare_exchange_strong(&server->chosen, &none, i)) {
        log_choice(server, i);
    }
    return st;
}

static fac_status server_prepare(struct faci_backend *backend, int64_t deadline_ns,
                                 fac_error *err)
{
    struct faci_server *server = faci_server_of(backend);
    const unsigned n_choices = server->config->n_choices;
    if (atomic_load_explicit(&server->chosen, memory_order_acquire) < n_choices) {
        return FAC_OK;
    }
    fac_error first;
    fac_status st = connect_choice(server, 0, deadline_ns, &first);
    if (st == FAC_OK) {
        return FAC_OK;
    }
    if (n_choices == 1 || !is_absent(st)) {
        if (err != NULL) {
            *err = first;
        }
        return st;
    }
    st = connect_choice(server, 1, deadline_ns, err);
    return is_absent(st) ? fail_both(st, &first, err) : st;
}

static bool server_is_down(struct faci_backend *backend)
{
    return faci_engine_is_down(faci_server_engine(faci_server_of(backend)));
}

/* --- Commands of one key -------------------------------------------------------------------- */

fac_status faci_server_call(struct faci_backend *backend, const struct faci_request *request,
                            const struct faci_limits *limits, struct faci_answer *out,
                            bool *out_resent, fac_error *err)
{
    return faci_engine_call(faci_server_engine(faci_server_of(backend)), request,
                            limits->deadline_ns, out, out_resent, err);
}

static fac_status server_get(struct faci_backend *backend, const struct faci_key *key,
                             const struct faci_limits *limits, fac_value **out, fac_error *err)
{
    const struct faci_arg args[] = {faci_arg_text("GET"), faci_arg_key(key)};
    struct faci_value_sink sink;
    faci_value_sink_init(&sink, &faci_server_of(backend)->config->alloc);
    struct faci_answer slot;
    struct faci_request request = {
        .command = &k_faci_get, .args = args, .n_args = 2, .sink = &sink.sink};
    fac_status st = faci_server_call(backend, &request, limits, &slot, NULL, err);
    if (st == FAC_OK && slot.type == FAC_REPLY_NULL) {
        st = FAC_MISS;
    } else if (st == FAC_OK && sink.value == NULL) {
        st = faci_fail(err, FAC_E_NOMEM, 0, "no memory for the value");
    } else if (st == FAC_OK) {
        *out = faci_value_sink_take(&sink);
    }
    faci_value_sink_fini(&sink);
    return st;
}

static fac_status server_get_into(struct faci_backend *backend, const struct faci_key *key,
                                  const struct faci_limits *limits, void *buf, size_t cap,
                                  size_t *out_len, fac_error *err)
{
    const struct faci_arg args[] = {faci_arg_text("GET"), faci_arg_key(key)};
    struct faci_into_sink sink;
    faci_into_sink_init(&sink, buf, cap);
    struct faci_answer slot;
    struct faci_request request = {
        .command = &k_faci_get, .args = args, .n_args = 2, .sink = &sink.sink};
    fac_status st = faci_server_call(backend, &request, limits, &slot, NULL, err);
    if (st != FAC_OK) {
        return st;
    }
    if (slot.type == FAC_REPLY_NULL) {
        return FAC_MISS;
    }
    *out_len = sink.want;
    return sink.want > cap ? FAC_SMALL : FAC_OK;
}

size_t faci_server_set_args(const struct faci_key *key, fac_bytes value, int64_t ttl_ms,
                            enum faci_set_mode mode, struct faci_arg args[FACI_SET_ARGS_MAX],
                            char *text)
{
    size_t n = 0;
    args[n++] = faci_arg_text("SET");
    args[n++] = faci_arg_key(key);
    args[n++] = faci_arg_bytes(value);
    if (ttl_ms != FAC_TTL_NONE) {
        args[n++] = faci_arg_text("PX");
        args[n++] = faci_arg_bytes(fac_mem(text, faci_number_format_i64(ttl_ms, text)));
    }
    if (mode == FACI_SET_IF_ABSENT) {
        args[n++] = faci_arg_text("NX");
    }
    return n;
}

static fac_status server_set(struct faci_backend *backend, const struct faci_key *key,
                             fac_bytes value, int64_t ttl_ms, enum faci_set_mode mode,
                             const struct faci_limits *limits, fac_error *err)
{
    struct faci_arg args[FACI_SET_ARGS_MAX];
    char text[FACI_I64_TEXT_BYTES];
    size_t n = faci_server_set_args(key, value, ttl_ms, mode, args, text);
    const struct faci_command *command = mode == FACI_SET_ALWAYS ? &k_faci_set : &k_faci_add;
    struct faci_answer slot;
    struct faci_request request = {.command = command, .args = args, .n_args = n};
    fac_status st = faci_server_call(backend, &request, limits, &slot, NULL, err);
    return st == FAC_OK && slot.type == FAC_REPLY_NULL ? FAC_EXISTS : st;
}

static fac_status server_remove(struct faci_backend *backend, const struct faci_key *key,
                                const struct faci_limits *limits, fac_error *err)
{
    const struct faci_arg args[] = {faci_arg_text("DEL"), faci_arg_key(key)};
    struct faci_answer slot;
    bool was_resent = false;
    struct faci_request request = {.command = &k_faci_del, .args = args, .n_args = 2};
    fac_status st = faci_server_call(backend, &request, limits, &slot, &was_resent, err);
    return faci_server_found(st, &slot, was_resent);
}

static fac_status server_exists(struct faci_backend *backend, const struct faci_key *key,
                                const struct faci_limits *limits, fac_error *err)
{
    const struct faci_arg args[] = {faci_arg_text("EXISTS"), faci_arg_key(key)};
    struct faci_answer slot;
    struct faci_request request = {.command = &k_faci_exists, .args = args, .n_args = 2};
    fac_status st = faci_server_call(backend, &request, limits, &slot, NULL, err);
    return faci_server_found(st, &slot, false);
}

static fac_status server_ttl(struct faci_backend *backend, const struct faci_key *key,
                             const struct faci_limits *limits, int64_t *out_ttl_ms,
                             fac_error *err)
{
    const struct faci_arg args[] = {faci_arg_text("PTTL"), faci_arg_key(key)};
    struct faci_answer slot;
    struct faci_request request = {.command = &k_faci_pttl, .args = args, .n_args = 2};
    fac_status st = faci_server_call(backend, &request, limits, &slot, NULL, err);
    if (st != FAC_OK) {
        return st;
    }
    if (slot.number == -2) {
        return FAC_MISS;
    }
    if (slot.number == -1) {
        *out_ttl_ms = FAC_TTL_NONE;
    } else {
        *out_ttl_ms = slot.number > 0 ? slot.number : 1; /* 0: less than a millisecond */
    }
    return FAC_OK;
}

/* --- Life ----------------------------------------------------------------------------------- */

static void server_close(struct faci_backend *backend)
{
    struct faci_server *server = faci_server_of(backend);
    for (unsigned i = 0; i < server->config->n_choices; i++) {
        faci_engine_close(server->engines[i]);
    }
}

static void server_free(struct faci_backend *backend)
{
    struct faci_server *server = faci_server_of(backend);
    for (size_t i = 0; i < FACI_COUNT(server->engines); i++) {
        faci_engine_free(server->engines[i]);
        faci_server_close_security(server, (unsigned)i);
    }
    faci_mem_free(&server->config->alloc, server);
}

static const struct faci_backend_ops k_server_ops = {
    .can_wait = true,
    .prepare = server_prepare,
    .settings = faci_server_settings,
    .get = server_get,
    .get_into = server_get_into,
    .set = server_set,
    .remove = server_remove,
    .exists = server_exists,
    .ttl = server_ttl,
    .touch = faci_server_touch,
    .increment = faci_server_increment,
    .get_many = faci_server_get_many,
    .set_many = faci_server_set_many,
    .remove_many = faci_server_remove_many,
    .clear = faci_server_clear,
    .health = faci_server_health,
    .stats = faci_server_stats,
    .set_memory = faci_server_set_memory,
    .command = faci_server_command,
    .is_down = server_is_down,
    .close = server_close,
    .free = server_free,
};

static struct faci_engine_config engine_config(const struct faci_server *server, unsigned i)
{
    const struct faci_settings *settings = &server->config->choices[i];
    return (struct faci_engine_config){
        .alloc = &server->config->alloc,
        .log = server->log,
        .unix_socket = settings->unix_socket,
        .host = settings->host,
        .port = settings->port,
        .db = settings->db,
        .username = settings->username,
        .password = settings->password,
        .password_file = settings->password_file,
        .asker = server->askers[i],
        .tls = server->tls[i],
        .http = server->http[i],
        .max_connections = settings->max_connections,
        .timeout_ms = settings->timeout_ms,
        .retry_on_timeout = settings->retry_on_timeout,
        .max_retries = settings->max_retries,
        .has_breaker = settings->breaker,
        .breaker_open_ms = settings->breaker_open_ms,
        .reconnect_max_ms = settings->reconnect_max_ms,
        .integrity_every = settings->integrity_check,
        .max_value_bytes = MAX_VALUE_BYTES,
    };
}

static fac_status open_choice(struct faci_server *server, unsigned i, fac_error *err)
{
    fac_status st = faci_server_open_security(server, i, err);
    if (st == FAC_OK) {
        struct faci_engine_config engine = engine_config(server, i);
        st = faci_engine_open(&engine, &server->engines[i], err);
    }
    return st;
}

fac_status faci_backend_open_server(const struct faci_config *config, struct faci_log log,
                                    struct faci_backend **out, fac_error *err)
{
    struct faci_server *server = faci_mem_zalloc(&config->alloc, sizeof(*server));
    if (server == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    server->backend.ops = &k_server_ops;
    server->config = config;
    server->log = log;
    atomic_init(&server->chosen, config->n_choices);
    for (unsigned i = 0; i < config->n_choices; i++) {
        fac_status st = open_choice(server, i, err);
        if (st < 0) {
            server_free(&server->backend);
            return st;
        }
    }
    *out = &server->backend;
    return FAC_OK;
}
