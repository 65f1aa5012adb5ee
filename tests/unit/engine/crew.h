/* SPDX-License-Identifier: MIT */
/* What the tests of shared connections use: a peer that does what the test says, one connection to
 * it, and callers on threads of their own. */
#ifndef FAC_UNIT_ENGINE_CREW_H
#define FAC_UNIT_ENGINE_CREW_H

#include "base/clock.h"
#include "engine/conn.h"
#include "engine/connect.h"
#include "engine/mux.h"

#include "kit/kit.h"
#include "kit/memory.h"
#include "kit/stub.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    CREW_LONG_MS = 15000, /* of what is not about time */
    CREW_SHORT_MS = 80,   /* of what shall run out */
    CREW_KEYS_MAX = 256,
};

struct crew {
    struct kit_memory memory;
    struct kit_stub *stub;
    struct faci_engine_config config;
    struct faci_resolver *resolver;
    struct faci_tally tally;
    struct faci_conn *conn;
    struct kit_gate gates[3]; /* for the peer */
    /* The peer's: the last word of each command it read, in order. */
    char keys[CREW_KEYS_MAX][24];
    size_t n_read;
    size_t n_answered;
};

/* --- The peer -------------------------------------------------------------------------------- */

static inline bool crew_peer_read(struct crew *crew, struct kit_stub_conn *conn, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct kit_frame *frame = kit_stub_next(conn);
        if (frame == NULL) {
            return false;
        }
        fac_bytes key = frame->args[frame->n_args - 1];
        char *to = crew->keys[crew->n_read++ % CREW_KEYS_MAX];
        size_t len = key.len < sizeof(crew->keys[0]) ? key.len : sizeof(crew->keys[0]) - 1;
        memcpy(to, key.data, len);
        to[len] = '\0';
    }
    return true;
}

/* Each with the word it asked for. */
static inline bool crew_peer_answer(struct crew *crew, struct kit_stub_conn *conn, size_t n)
{
    bool goes_on = true;
    for (size_t i = 0; i < n && goes_on; i++) {
        const char *key = crew->keys[crew->n_answered++ % CREW_KEYS_MAX];
        char text[64];
        (void)snprintf(text, sizeof(text), "$%zu\r\n%s\r\n", strlen(key), key);
        goes_on = kit_stub_say(conn, text);
    }
    return goes_on;
}

static inline void crew_peer_serve(struct crew *crew, struct kit_stub_conn *conn)
{
    bool goes_on = crew_peer_answer(crew, conn, crew->n_read - crew->n_answered);
    while (goes_on && crew_peer_read(crew, conn, 1)) {
        goes_on = crew_peer_answer(crew, conn, 1);
    }
}

/* Read the first; once gate 0 is open, serve. */
static inline void crew_peer_gated(struct kit_stub_conn *conn, void *context)
{
    struct crew *crew = context;
    if (crew_peer_read(crew, conn, 1) && kit_stub_await(conn, &crew->gates[0])) {
        crew_peer_serve(crew, conn);
    }
}

static inline void crew_peer_silent(struct kit_stub_conn *conn, void *context)
{
    (void)context;
    while (kit_stub_next(conn) != NULL) {
    }
}

/* --- The connection -------------------------------------------------------------------------- */

static inline void crew_begin(struct crew *crew, kit_stub_fn *fn, uint32_t timeout_ms)
{
    memset(crew, 0, sizeof(*crew));
    kit_memory_init(&crew->memory);
    for (size_t i = 0; i < KIT_COUNT(crew->gates); i++) {
        kit_gate_init(&crew->gates[i]);
    }
    struct kit_stub_options options = {.fn = fn, .context = crew};
    crew->stub = kit_stub_start(&options);
    crew->config = (struct faci_engine_config){.alloc = &crew->memory.hook,
                                               .host = "127.0.0.1",
                                               .port = kit_stub_port(crew->stub),
                                               .max_connections = 4,
                                               .timeout_ms = CREW_LONG_MS,
                                               .max_value_bytes = (uint64_t)64 << 20};
    fac_error err;
    assert_status(faci_resolver_new(&crew->memory.hook, crew->config.host, crew->config.port,
                                    &crew->resolver, &err),
                  FAC_OK, &err);
    crew->conn = faci_conn_new(&crew->config, &crew->tally);
    assert_non_null(crew->conn);
    int64_t until_ns = faci_clock_after_ms(faci_clock_now_ns(), CREW_LONG_MS);
    assert_status(faci_connect(crew->conn, crew->resolver, until_ns, &err), FAC_OK, &err);
    crew->config.timeout_ms = timeout_ms;
    faci_mux_begin(crew->conn, faci_clock_now_ns());
    atomic_store(&crew->conn->users, 8);
}

static inline void crew_end(struct crew *crew)
{
    faci_conn_free(crew->conn);
    for (size_t i = 0; i < KIT_COUNT(crew->gates); i++) {
        kit_gate_open(&crew->gates[i]);
    }
    kit_stub_stop(crew->stub);
    faci_resolver_free(crew->resolver);
    kit_memory_assert_empty(&crew->memory);
    for (size_t i = 0; i < KIT_COUNT(crew->gates); i++) {
        kit_gate_fini(&crew->gates[i]);
    }
}

/* As if the way to the server were short (frames gather) or long (each leaves at once); no
 * measurement changes that. */
static inline void crew_set_near(struct crew *crew, bool is_near)
{
    faci_mutex_lock(&crew->conn->lock);
    crew->conn->timed_seq = UINT64_MAX;
    atomic_store(&crew->conn->round_trip_ns, is_near ? 1 : 0);
    faci_mutex_unlock(&crew->conn->lock);
}

static inline bool crew_is_sending(struct crew *crew)
{
    faci_mutex_lock(&crew->conn->lock);
    bool is_sending = crew->conn->has_sender;
    faci_mutex_unlock(&crew->conn->lock);
    return is_sending;
}

/* Requests put on it so far, without those of the handshake. */
static inline uint64_t crew_appended(struct crew *crew)
{
    faci_mutex_lock(&crew->conn->lock);
    uint64_t n = crew->conn->n_appended;
    faci_mutex_unlock(&crew->conn->lock);
    return n;
}

/* --- Callers --------------------------------------------------------------------------------- */

/* A sink that keeps the beginning of a string, its length and a sum of its bytes. */
struct crew_sink {
    struct faci_sink sink; /* first */
    unsigned n_begun;
    unsigned n_ended;
    size_t len;
    uint64_t sum;
    char text[40];
};

static inline void crew_sink_begin(struct faci_sink *sink, fac_reply_type type, int64_t number,
                                   unsigned depth)
{
    (void)type;
    (void)number;
    (void)depth;
    ((struct crew_sink *)(void *)sink)->n_begun++;
}

static inline void crew_sink_data(struct faci_sink *base, const void *bytes, size_t len)
{
    struct crew_sink *sink = (struct crew_sink *)(void *)base;
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++, sink->len++) {
        sink->sum = sink->sum * 31 + at[i];
        if (sink->len < sizeof(sink->text) - 1) {
            sink->text[sink->len] = (char)at[i];
        }
    }
}

static inline void crew_sink_end(struct faci_sink *sink)
{
    ((struct crew_sink *)(void *)sink)->n_ended++;
}

static const struct faci_sink_ops k_crew_sink_ops = {crew_sink_begin, crew_sink_data,
                                                     crew_sink_end};

struct crew_call {
    struct crew *crew;
    const char *key;
    size_t key_len; /* 0: of the text */
    uint64_t within_ms;
    struct crew_sink *sink; /* NULL: its own */

    struct kit_threads *threads;
    struct crew_sink own;
    fac_status st;
    fac_error err;
    struct faci_answer answer;
    bool was_sent;
    int64_t took_ns;
};

/* The call itself, in the thread that asks for it. */
static inline void crew_do(struct crew_call *call)
{
    struct crew_sink *sink = call->sink != NULL ? call->sink : &call->own;
    *sink = (struct crew_sink){.sink = {&k_crew_sink_ops}};
    size_t len = call->key_len > 0 ? call->key_len : strlen(call->key);
    const struct faci_arg args[] = {{{NULL, 0}, fac_str("GET")},
                                    {{NULL, 0}, fac_mem(call->key, len)}};
    struct faci_request request = {
        .command = &k_faci_get, .args = args, .n_args = 2, .sink = &sink->sink};
    int64_t now_ns = faci_clock_now_ns();
    call->st = faci_mux_call(call->crew->conn, &request, now_ns,
                             faci_clock_after_ms(now_ns, call->within_ms), &call->answer,
                             &call->was_sent, &call->err);
    call->took_ns = faci_clock_now_ns() - now_ns;
}

static inline void crew_thread(size_t index, void *context)
{
    (void)index;
    crew_do(context);
}

static inline struct crew_call crew_call(struct crew *crew, const char *key, uint64_t within_ms)
{
    return (struct crew_call){.crew = crew, .key = key, .within_ms = within_ms};
}

/* On a thread; returns once its request is on the connection. */
static inline void crew_start(struct crew_call *call)
{
    uint64_t before = crew_appended(call->crew);
    call->threads = kit_threads_start(1, crew_thread, call);
    KIT_WAIT_FOR(CREW_LONG_MS, crew_appended(call->crew) > before);
}

static inline void crew_join(struct crew_call *call)
{
    kit_threads_join(call->threads);
    call->threads = NULL;
}

/* It got what it asked for. */
static inline void crew_expect_own(const struct crew_call *call)
{
    assert_status(call->st, FAC_OK, &call->err);
    assert_string_equal(call->own.text, call->key);
    assert_int_equal(call->own.n_begun, 1);
    assert_int_equal(call->own.n_ended, 1);
    assert_true(call->was_sent);
}

/* Start, join and look: one more caller gets its own. */
static inline void crew_expect_get(struct crew *crew, const char *key)
{
    struct crew_call call = crew_call(crew, key, CREW_LONG_MS);
    crew_do(&call);
    crew_expect_own(&call);
}

#endif
