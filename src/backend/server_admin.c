/* SPDX-License-Identifier: MIT */
/* backend/server_admin.c — what is not about single keys: clearing a prefix, health, counters, and
 * the caller's own commands. */
#include "backend/server.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/number.h"
#include "engine/identity.h"
#include "resp/reply.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static fac_status call_tree(struct faci_server *server, const struct faci_request *request,
                            const struct faci_limits *limits, fac_reply **out, fac_error *err)
{
    struct faci_reply_sink sink;
    faci_reply_sink_init(&sink, &server->config->alloc);
    struct faci_request with_sink = *request;
    with_sink.sink = &sink.sink;
    struct faci_answer slot;
    fac_status st = faci_engine_call(faci_server_engine(server), &with_sink,
                                     limits->deadline_ns, &slot, NULL, err);
    if (st == FAC_OK) {
        *out = faci_reply_sink_take(&sink);
        if (*out == NULL) {
            st = faci_fail(err, FAC_E_NOMEM, 0, "no memory for the reply");
        }
    }
    faci_reply_sink_fini(&sink);
    return st;
}

/* --- clear ---------------------------------------------------------------------------------- */

enum {
    SCAN_COUNT = 1000
}; /* looked at by the server in one command: under a millisecond */

/* Keys of 64 KiB, as many as were asked for; a server that sends more is wrong. */
enum {
    SCAN_REPLY_BYTES = 128 * 1024 * 1024,
    INFO_REPLY_BYTES = 1 << 20
};

/* "prefix*" with every character that a glob gives a meaning taken literally. */
static fac_status make_pattern(struct faci_buf *pattern, fac_bytes prefix, fac_error *err)
{
    if (!faci_buf_reserve(pattern, prefix.len * 2 + 1)) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    const char *at = prefix.data;
    for (size_t i = 0; i < prefix.len; i++) {
        if (strchr("*?[]\\", at[i]) != NULL && at[i] != '\0') {
            pattern->data[pattern->end++] = '\\';
        }
        pattern->data[pattern->end++] = (unsigned char)at[i];
    }
    pattern->data[pattern->end++] = '*';
    return FAC_OK;
}

static fac_status scan(struct faci_server *server, const struct faci_buf *pattern,
                       uint64_t cursor, const struct faci_limits *limits, fac_reply **out,
                       fac_error *err)
{
    char cursor_text[FACI_I64_TEXT_BYTES];
    char count_text[FACI_I64_TEXT_BYTES];
    const struct faci_arg args[] = {
        faci_arg_text("SCAN"),
        faci_arg_bytes(fac_mem(cursor_text, faci_number_format_u64(cursor, cursor_text))),
        faci_arg_text("MATCH"),
        faci_arg_bytes(fac_mem(pattern->data, faci_buf_len(pattern))),
        faci_arg_text("COUNT"),
        faci_arg_bytes(fac_mem(count_text, faci_number_format_u64(SCAN_COUNT, count_text)))};
    struct faci_request request = {.command = &k_faci_scan,
                                   .args = args,
                                   .n_args = FACI_COUNT(args),
                                   .max_reply_bytes = SCAN_REPLY_BYTES};
    return call_tree(server, &request, limits, out, err);
}

/* A cursor is an unsigned 64-bit number, as text. */
static bool parse_cursor(const fac_reply *reply, uint64_t *out)
{
    fac_bytes text = fac_reply_bytes(reply);
    uint64_t cursor = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = ((const char *)text.data)[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(cursor, 10U, &cursor) ||
            __builtin_add_overflow(cursor, (uint64_t)(c - '0'), &cursor)) {
            return false;
        }
    }
    *out = cursor;
    return text.len > 0;
}

/* The glob is the server's business; that no other key is removed is ours. */
static fac_status unlink_found(struct faci_server *server, fac_bytes prefix,
                               const fac_reply *keys, const struct faci_limits *limits,
                               fac_clear_progress *progress, fac_error *err)
{
    size_t n_keys = fac_reply_count(keys);
    if (n_keys == 0) {
        return FAC_OK;
    }
    const fac_allocator *alloc = &server->config->alloc;
    struct faci_arg *args = faci_mem_zalloc_array(alloc, n_keys + 1, sizeof(*args));
    if (args == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    size_t n_args = 0;
    args[n_args++] = faci_arg_text("UNLINK");
    for (size_t i = 0; i < n_keys; i++) {
        fac_bytes key = fac_reply_bytes(fac_reply_child(keys, i));
        if (faci_bytes_start_with(key, prefix)) {
            args[n_args++] = faci_arg_bytes(key);
        }
    }
    fac_status st = FAC_OK;
    if (n_args > 1) {
        struct faci_request request = {
            .command = &k_faci_unlink, .args = args, .n_args = n_args};
        struct faci_answer slot;
        st = faci_engine_call(faci_server_engine(server), &request, limits->deadline_ns, &slot,
                              NULL, err);
        progress->n_removed += st == FAC_OK ? (uint64_t)slot.number : 0U;
    }
    progress->n_scanned += st == FAC_OK ? n_keys : 0U;
    faci_mem_free(alloc, args);
    return st;
}

static fac_status clear_step(struct faci_server *server, fac_bytes prefix,
                             const struct faci_buf *pattern, const struct faci_limits *limits,
                             fac_clear_progress *progress, fac_error *err)
{
    fac_reply *page = NULL;
    fac_status st = scan(server, pattern, progress->cursor, limits, &page, err);
    if (st < 0) {
        return st;
    }
    uint64_t cursor = 0;
    if (fac_reply_count(page) != 2 || !parse_cursor(fac_reply_child(page, 0), &cursor)) {
        st = faci_fail(err, FAC_E_PROTOCOL, 0, "SCAN: the reply has not its two parts");
    } else {
        st = unlink_found(server, prefix, fac_reply_child(page, 1), limits, progress, err);
    }
    if (st == FAC_OK) {
        progress->cursor = cursor;
    }
    fac_reply_free(page);
    return st;
}

fac_status faci_server_clear(struct faci_backend *backend, fac_bytes prefix,
                             const struct faci_limits *limits, fac_clear_progress *progress,
                             fac_error *err)
{
    struct faci_server *server = faci_server_of(backend);
    struct faci_buf pattern;
    faci_buf_init(&pattern, &server->config->alloc);
    fac_status st = make_pattern(&pattern, prefix, err);
    while (st == FAC_OK) {
        st = clear_step(server, prefix, &pattern, limits, progress, err);
        if (st == FAC_OK && progress->cursor == 0) {
            break;
        }
        if (st == FAC_OK && faci_clock_left_ns(limits->deadline_ns) == 0) {
            st = faci_fail(err, FAC_E_TIMEOUT, 0, "not all keys were looked at in time");
        }
    }
    faci_buf_fini(&pattern);
    return st;
}

/* --- health, stats -------------------------------------------------------------------------- */

/* The role may have changed since the handshake. A user who may not ask keeps the old answer. */
static void refresh_role(struct faci_server *server, const struct faci_limits *limits,
                         struct faci_identity *identity)
{
    const struct faci_arg args[] = {faci_arg_text("INFO"), faci_arg_text("replication")};
    struct faci_request request = {.command = &k_faci_info,
                                   .args = args,
                                   .n_args = 2,
                                   .max_reply_bytes = INFO_REPLY_BYTES};
    fac_reply *info = NULL;
    if (call_tree(server, &request, limits, &info, NULL) == FAC_OK) {
        faci_identity_from_info(fac_reply_bytes(info), identity);
        fac_reply_free(info);
    }
}

static const fac_breaker_state k_breaker_states[] = {
    [FACI_BREAKER_CLOSED] = FAC_BREAKER_CLOSED,
    [FACI_BREAKER_OPEN] = FAC_BREAKER_OPEN,
    [FACI_BREAKER_PROBING] = FAC_BREAKER_PROBING,
};

static void fill_known(struct faci_server *server, const struct faci_identity *identity,
                       fac_health *out)
{
    const struct faci_settings *settings = faci_server_settings(&server->backend);
    struct faci_engine_stats stats = {0};
    faci_engine_stats(faci_server_engine(server), &stats);
    unsigned chosen = atomic_load_explicit(&server->chosen, memory_order_acquire);
    out->is_second_choice = chosen == 1 && server->config->n_choices == 2;
    out->provider = settings->family;
    (void)snprintf(out->server, sizeof(out->server), "%s", identity->server);
    (void)snprintf(out->version, sizeof(out->version), "%s", identity->version);
    (void)snprintf(out->role, sizeof(out->role), "%s", identity->role);
    faci_settings_endpoint(settings, out->endpoint, sizeof(out->endpoint));
    out->protocol = identity->protocol;
    out->connections_open = stats.pool.open;
    out->connections_idle = stats.pool.idle;
    out->max_connections = settings->max_connections;
    out->breaker_state = k_breaker_states[stats.breaker];
}

fac_status faci_server_health(struct faci_backend *backend, const struct faci_limits *limits,
                              fac_health *out, fac_error *err)
{
    struct faci_server *server = faci_server_of(backend);
    const struct faci_arg ping = faci_arg_text("PING");
    struct faci_request request = {.command = &k_faci_ping, .args = &ping, .n_args = 1};
    struct faci_answer slot;
    struct faci_identity identity;
    if (limits == NULL) {
        faci_engine_identity(faci_server_engine(server), &identity);
        fill_known(server, &identity, out);
        faci_server_tell_security(server, out);
        return FAC_OK;
    }
    fac_status st = faci_engine_connect(faci_server_engine(server), limits->deadline_ns, err);
    int64_t began_ns = faci_clock_now_ns();
    if (st == FAC_OK) {
        st = faci_engine_call(faci_server_engine(server), &request, limits->deadline_ns, &slot,
                              NULL, err);
    }
    out->latency_us = st == FAC_OK ? (uint64_t)(faci_clock_now_ns() - began_ns) / 1000 : 0;
    faci_engine_identity(faci_server_engine(server), &identity);
    if (st == FAC_OK) {
        refresh_role(server, limits, &identity);
    }
    fill_known(server, &identity, out);
    faci_server_tell_security(server, out);
    return st;
}

/* Up: a call that took less than a microsecond took some time all the same. */
static uint64_t in_us(uint64_t ns)
{
    return ns / 1000 + (ns % 1000 != 0);
}

/* Percentiles and states of two servers make no sum. */
static void fill_in_use(const struct faci_engine_stats *stats, fac_stats *out)
{
    out->breaker_state = k_breaker_states[stats->breaker];
    out->latency_count = stats->latency.n;
    out->latency_p50_us = in_us(stats->latency.p50_ns);
    out->latency_p90_us = in_us(stats->latency.p90_ns);
    out->latency_p99_us = in_us(stats->latency.p99_ns);
    out->latency_p999_us = in_us(stats->latency.p999_ns);
    out->latency_max_us = in_us(stats->latency.max_ns);
}

fac_status faci_server_set_memory(struct faci_backend *backend, uint64_t bytes, fac_error *err)
{
    (void)backend;
    (void)bytes;
    return faci_fail(err, FAC_E_UNSUPPORTED, 0, "the memory of a server is the server's");
}

void faci_server_stats(struct faci_backend *backend, fac_stats *out)
{
    struct faci_server *server = faci_server_of(backend);
    const struct faci_engine *in_use = faci_server_engine(server);
    for (unsigned i = 0; i < server->config->n_choices; i++) {
        struct faci_engine_stats stats = {0};
        faci_engine_stats(server->engines[i], &stats);
        if (server->engines[i] == in_use) {
            fill_in_use(&stats, out);
        }
        out->retries += stats.retries;
        out->connects += stats.pool.connects;
        out->connect_failures += stats.pool.connect_failures;
        out->disconnects += stats.pool.disconnects;
        out->connections_open += stats.pool.open;
        out->connections_idle += stats.pool.idle;
        out->calls_in_flight += stats.in_flight;
        out->calls_waiting += stats.pool.waiting;
        out->late_replies += stats.late_replies;
        out->batches += stats.batches;
        out->batched_calls += stats.batched;
        out->reconnects += stats.pool.reconnects;
        out->breaker_opens += stats.breaker_opens;
        out->breaker_refusals += stats.breaker_refusals;
        out->connections_connecting += stats.pool.connecting;
        out->connections_exclusive += stats.pool.exclusive;
    }
    faci_server_count_security(server, out);
}

/* --- command -------------------------------------------------------------------------------- */

/* Commands that change what the connection is, or answer other than once. */
static const char *const k_refused[] = {
    "SELECT",     "AUTH",         "HELLO",      "RESET",        "QUIT",      "MULTI",
    "EXEC",       "DISCARD",      "WATCH",      "UNWATCH",      "SUBSCRIBE", "UNSUBSCRIBE",
    "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE", "MONITOR",   "SYNC",
    "PSYNC",      "REPLCONF",     "ASKING",     "READONLY",     "READWRITE",
};
static const char *const k_refused_client[] = {
    "CAPA",  "IMPORT-SOURCE", /* Valkey */
    "REPLY", "TRACKING",      "CACHING", "SETNAME", "SETINFO", "NO-EVICT", "NO-TOUCH",
};

static bool is_word(fac_bytes bytes, const char *word)
{
    return bytes.len == strlen(word) && strncasecmp(bytes.data, word, bytes.len) == 0;
}

static const char *find_word(fac_bytes bytes, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_word(bytes, words[i])) {
            return words[i];
        }
    }
    return NULL;
}

static fac_status check_command(const fac_bytes *args, size_t n, fac_error *err)
{
    const char *refused = find_word(args[0], k_refused, FACI_COUNT(k_refused));
    if (refused != NULL) {
        return faci_fail(err, FAC_E_UNSUPPORTED, 0,
                         "%s changes the state of a shared connection", refused);
    }
    if (n > 1 && is_word(args[0], "CLIENT")) {
        refused = find_word(args[1], k_refused_client, FACI_COUNT(k_refused_client));
        if (refused != NULL) {
            return faci_fail(err, FAC_E_UNSUPPORTED, 0,
                             "CLIENT %s changes the state of a shared connection", refused);
        }
    }
    return FAC_OK;
}

fac_status faci_server_command(struct faci_backend *backend, const fac_bytes *args, size_t n,
                               const struct faci_limits *limits, fac_reply **out,
                               fac_error *err)
{
    struct faci_server *server = faci_server_of(backend);
    fac_status st = check_command(args, n, err);
    if (st < 0) {
        return st;
    }
    const fac_allocator *alloc = &server->config->alloc;
    struct faci_arg *bulk = faci_mem_zalloc_array(alloc, n, sizeof(*bulk));
    if (bulk == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        bulk[i] = faci_arg_bytes(args[i]);
    }
    struct faci_request request = {.command = &k_faci_any,
                                   .args = bulk,
                                   .n_args = n,
                                   .max_reply_bytes = limits->max_reply_bytes};
    st = call_tree(server, &request, limits, out, err);
    faci_mem_free(alloc, bulk);
    return st;
}
