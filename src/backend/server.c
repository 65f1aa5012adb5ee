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
#include "engine/server_error.h"

#include <string.h>

/* A value of ours is at most 64 MiB; another program's may be larger, up to this. */
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
    struct faci_identity identity;
    faci_settings_endpoint(settings, endpoint, sizeof(endpoint));
    faci_engine_identity(server->engines[chosen], &identity);
    if (chosen > 0) {
        faci_log(&server->log, FAC_LOG_WARN, "the first choice did not answer: using %s",
                 endpoint);
    }
    faci_log(&server->log, FAC_LOG_INFO, "connected to %s %s at %s (RESP%u)",
             identity.server[0] != '\0' ? identity.server : "an unknown server",
             identity.version, endpoint, identity.protocol);
    const char *asked = settings->family == FAC_VALKEY ? "valkey" : "redis";
    if (server->config->provider != FAC_AUTO && identity.server[0] != '\0' &&
        strcmp(identity.server, asked) != 0) {
        faci_log(&server->log, FAC_LOG_WARN, "asked for %s and found %s: it will do", asked,
                 identity.server);
    }
}

/* The other endpoint is for a server that is not there: not for one that refuses us. */
static bool is_absent(fac_status st)
{
    return st == FAC_E_UNAVAILABLE || st == FAC_E_TIMEOUT;
}

static fac_status server_prepare(struct faci_backend *backend, int64_t deadline_ns,
                                 fac_error *err)
{
    struct faci_server *server = faci_server_of(backend);
    const unsigned n_choices = server->config->n_choices;
    if (atomic_load_explicit(&server->chosen, memory_order_acquire) < n_choices) {
        return FAC_OK;
    }
    fac_status st = FAC_E_UNAVAILABLE;
    for (unsigned i = 0; i < n_choices; i++) {
        /* The first of two may hang: it gets half of the time. */
        int64_t left_ns = faci_clock_left_ns(deadline_ns);
        int64_t until_ns = i + 1 < n_choices ? faci_clock_now_ns() + left_ns / 2 : deadline_ns;
        st = faci_engine_connect(server->engines[i], until_ns, err);
        if (st == FAC_OK) {
            unsigned none = n_choices;
            if (atomic_compare_exchange_strong(&server->chosen, &none, i)) {
                log_choice(server, i);
            }
            return FAC_OK;
        }
        if (!is_absent(st)) {
            break;
        }
    }
    return st;
}

static bool server_is_down(struct faci_backend *backend)
{
    return faci_engine_is_down(faci_server_engine(faci_server_of(backend)));
}

/* --- Commands of one key -------------------------------------------------------------------- */

/* NOLINTNEXTLINE(readability-function-size): what each verb would have to spell out */
static fac_status call(struct faci_backend *backend, const struct faci_command *command,
                       const struct faci_arg *args, size_t n_args, struct faci_sink *sink,
                       const struct faci_limits *limits, struct faci_slot *out,
                       bool *out_resent, fac_error *err)
{
    struct faci_request request = {
        .command = command, .args = args, .n_args = n_args, .sink = sink};
    return faci_engine_call(faci_server_engine(faci_server_of(backend)), &request,
                            limits->deadline_ns, out, out_resent, err);
}

static fac_status server_get(struct faci_backend *backend, const struct faci_key *key,
                             const struct faci_limits *limits, fac_value **out, fac_error *err)
{
    const struct faci_arg args[] = {faci_arg_text("GET"), faci_arg_key(key)};
    struct faci_value_sink sink;
    faci_value_sink_init(&sink, &faci_server_of(backend)->config->alloc);
    struct faci_slot slot;
    fac_status st = call(backend, &k_faci_get, args, 2, &sink.sink, limits, &slot, NULL, err);
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
    struct faci_slot slot;
    fac_status st = call(backend, &k_faci_get, args, 2, &sink.sink, limits, &slot, NULL, err);
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
    struct faci_slot slot;
    fac_status st = call(backend, command, args, n, NULL, limits, &slot, NULL, err);
    return st == FAC_OK && slot.type == FAC_REPLY_NULL ? FAC_EXISTS : st;
}

/* For answers that count keys: 0 is a miss. */
static fac_status found(fac_status st, const struct faci_slot *slot, bool was_resent)
{
    if (st != FAC_OK) {
        return st;
    }
    return slot->number > 0 || was_resent ? FAC_OK : FAC_MISS;
}

static fac_status server_remove(struct faci_backend *backend, const struct faci_key *key,
                                const struct faci_limits *limits, fac_error *err)
{
    const struct faci_arg args[] = {faci_arg_text("DEL"), faci_arg_key(key)};
    struct faci_slot slot;
    bool was_resent = false;
    fac_status st = call(backend, &k_faci_del, args, 2, NULL, limits, &slot, &was_resent, err);
    return found(st, &slot, was_resent);
}

static fac_status server_exists(struct faci_backend *backend, const struct faci_key *key,
                                const struct faci_limits *limits, fac_error *err)
{
    const struct faci_arg args[] = {faci_arg_text("EXISTS"), faci_arg_key(key)};
    struct faci_slot slot;
    fac_status st = call(backend, &k_faci_exists, args, 2, NULL, limits, &slot, NULL, err);
    return found(st, &slot, false);
}

static fac_status server_ttl(struct faci_backend *backend, const struct faci_key *key,
                             const struct faci_limits *limits, int64_t *out_ttl_ms,
                             fac_error *err)
{
    const struct faci_arg args[] = {faci_arg_text("PTTL"), faci_arg_key(key)};
    struct faci_slot slot;
    fac_status st = call(backend, &k_faci_pttl, args, 2, NULL, limits, &slot, NULL, err);
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

/* --- Commands that go together -------------------------------------------------------------- */

struct pipeline {
    const struct faci_request *requests;
    size_t n;
    struct faci_slot *slots; /* copies of the answered slots */
};

/* All requests in one round trip. The first error of the server is the result, but every reply is
 * read. */
static fac_status run_pipeline(struct faci_conn *conn, void *context, int64_t deadline_ns,
                               fac_error *err)
{
    const struct pipeline *pipeline = context;
    struct faci_slot *pending[4] = {NULL};
    faci_assert(pipeline->n <= FACI_COUNT(pending));
    fac_status st = FAC_OK;
    size_t n_submitted = 0;
    while (n_submitted < pipeline->n && st == FAC_OK) {
        st = faci_mux_submit(conn, &pipeline->requests[n_submitted], deadline_ns,
                             &pending[n_submitted], err);
        n_submitted += st == FAC_OK ? 1U : 0U;
    }
    if (st < 0) {
        /* Half a transaction must not stay behind on a connection. */
        faci_conn_poison(conn, st, 0, "a pipeline was cut short");
        return st;
    }
    for (size_t i = 0; i < pipeline->n; i++) {
        fac_status waited = faci_mux_wait(conn, pending[i], deadline_ns, err);
        if (waited < 0) {
            return waited;
        }
        pipeline->slots[i] = *pending[i];
        if (st == FAC_OK) {
            st = faci_mux_result(pending[i], err);
        }
        faci_mux_release(conn, pending[i]);
    }
    return st;
}

static fac_status call_pipeline(struct faci_backend *backend, struct pipeline *pipeline,
                                enum faci_retry retry, const struct faci_limits *limits,
                                bool *out_resent, fac_error *err)
{
    struct faci_job job = {
        .retry = retry, .is_write = true, .run = run_pipeline, .context = pipeline};
    fac_status st = faci_engine_run(faci_server_engine(faci_server_of(backend)), &job,
                                    limits->deadline_ns, err);
    *out_resent = job.was_resent;
    return st;
}

/* PERSIST answers 0 for a key without expiry and for no key: EXISTS tells which. */
static fac_status persist(struct faci_backend *backend, const struct faci_key *key,
                          const struct faci_limits *limits, fac_error *err)
{
    const struct faci_arg args[] = {faci_arg_text("PERSIST"), faci_arg_key(key)};
    const struct faci_arg exists[] = {faci_arg_text("EXISTS"), faci_arg_key(key)};
    const struct faci_request requests[] = {
        {.command = &k_faci_persist, .args = args, .n_args = 2},
        {.command = &k_faci_exists, .args = exists, .n_args = 2},
    };
    struct faci_slot slots[FACI_COUNT(requests)];
    struct pipeline pipeline = {requests, FACI_COUNT(requests), slots};
    bool was_resent = false;
    fac_status st = call_pipeline(backend, &pipeline, FACI_RETRY_READ, limits, &was_resent,
                                  err);
    if (st != FAC_OK) {
        return st;
    }
    return slots[0].number > 0 || slots[1].number > 0 || was_resent ? FAC_OK : FAC_MISS;
}

static fac_status server_touch(struct faci_backend *backend, const struct faci_key *key,
                               int64_t ttl_ms, const struct faci_limits *limits, fac_error *err)
{
    if (ttl_ms == FAC_TTL_NONE) {
        return persist(backend, key, limits, err);
    }
    char text[FACI_I64_TEXT_BYTES];
    const struct faci_arg args[] = {
        faci_arg_text("PEXPIRE"), faci_arg_key(key),
        faci_arg_bytes(fac_mem(text, faci_number_format_i64(ttl_ms, text)))};
    struct faci_slot slot;
    bool was_resent = false;
    fac_status st = call(backend, &k_faci_pexpire, args, 3, NULL, limits, &slot, &was_resent,
                         err);
    return found(st, &slot, was_resent);
}

/* What EXEC answered: an array of what its commands answered, of which only the last matters. */
struct exec_sink {
    struct faci_sink sink; /* first */
    fac_reply_type type;
    int64_t number;
    char text[FACI_CONN_TEXT_BYTES];
    size_t text_len;
};

static void exec_begin(struct faci_sink *sink, fac_reply_type type, int64_t number,
                       unsigned depth)
{
    struct exec_sink *self = (struct exec_sink *)(void *)sink;
    if (depth == 1) {
        self->type = type;
        self->number = number;
        self->text_len = 0;
    }
}

static void exec_data(struct faci_sink *sink, const void *bytes, size_t len)
{
    struct exec_sink *self = (struct exec_sink *)(void *)sink;
    size_t room = sizeof(self->text) - self->text_len;
    memcpy(self->text + self->text_len, bytes, len < room ? len : room);
    self->text_len += len < room ? len : room;
}

static void exec_end(struct faci_sink *sink)
{
    (void)sink;
}

static const struct faci_sink_ops k_exec_ops = {exec_begin, exec_data, exec_end};

static fac_status exec_result(const struct exec_sink *exec, int64_t *out, fac_error *err)
{
    if (exec->type == FAC_REPLY_ERROR) {
        return faci_server_error(err, "INCRBY", fac_mem(exec->text, exec->text_len));
    }
    if (exec->type != FAC_REPLY_INTEGER) {
        return faci_fail(err, FAC_E_PROTOCOL, 0, "INCRBY: the server answered no number");
    }
    *out = exec->number;
    return FAC_OK;
}

/* MULTI, SET key 0 PX ttl NX, INCRBY key delta, EXEC: the key never exists without its time to
 * live, whoever else writes it. */
static fac_status server_increment(struct faci_backend *backend, const struct faci_key *key,
                                   int64_t delta, int64_t ttl_ms,
                                   const struct faci_limits *limits, int64_t *out,
                                   fac_error *err)
{
    char delta_text[FACI_I64_TEXT_BYTES];
    const struct faci_arg incrby[] = {
        faci_arg_text("INCRBY"), faci_arg_key(key),
        faci_arg_bytes(fac_mem(delta_text, faci_number_format_i64(delta, delta_text)))};
    if (ttl_ms == FAC_TTL_NONE) {
        struct faci_slot slot;
        fac_status st = call(backend, &k_faci_incrby, incrby, 3, NULL, limits, &slot, NULL,
                             err);
        if (st == FAC_OK) {
            *out = slot.number;
        }
        return st;
    }
    char ttl_text[FACI_I64_TEXT_BYTES];
    struct faci_arg set[FACI_SET_ARGS_MAX];
    size_t n_set = faci_server_set_args(key, fac_str("0"), ttl_ms, FACI_SET_IF_ABSENT, set,
                                        ttl_text);
    const struct faci_arg multi = faci_arg_text("MULTI");
    const struct faci_arg exec = faci_arg_text("EXEC");
    struct exec_sink sink = {.sink = {&k_exec_ops}};
    const struct faci_request requests[] = {
        {.command = &k_faci_multi, .args = &multi, .n_args = 1},
        {.command = &k_faci_queued, .args = set, .n_args = n_set},
        {.command = &k_faci_queued, .args = incrby, .n_args = 3},
        {.command = &k_faci_exec, .args = &exec, .n_args = 1, .sink = &sink.sink},
    };
    struct faci_slot slots[FACI_COUNT(requests)];
    struct pipeline pipeline = {requests, FACI_COUNT(requests), slots};
    bool was_resent = false;
    fac_status st = call_pipeline(backend, &pipeline, FACI_RETRY_NEVER, limits, &was_resent,
                                  err);
    return st == FAC_OK ? exec_result(&sink, out, err) : st;
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
    .touch = server_touch,
    .increment = server_increment,
    .get_many = faci_server_get_many,
    .set_many = faci_server_set_many,
    .remove_many = faci_server_remove_many,
    .clear = faci_server_clear,
    .health = faci_server_health,
    .stats = faci_server_stats,
    .command = faci_server_command,
    .is_down = server_is_down,
    .close = server_close,
    .free = server_free,
};

static struct faci_engine_config engine_config(const struct faci_server *server,
                                               const struct faci_settings *settings)
{
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
        .max_connections = settings->max_connections,
        .timeout_ms = settings->timeout_ms,
        .retry_on_timeout = settings->retry_on_timeout,
        .max_value_bytes = MAX_VALUE_BYTES,
    };
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
        struct faci_engine_config engine = engine_config(server, &config->choices[i]);
        fac_status st = faci_engine_open(&engine, &server->engines[i], err);
        if (st < 0) {
            server_free(&server->backend);
            return st;
        }
    }
    *out = &server->backend;
    return FAC_OK;
}
