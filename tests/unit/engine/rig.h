/* SPDX-License-Identifier: MIT */
/* What the tests of connections share: a stub, a configuration that points at it, an allocator
 * that counts, and words to make requests with. */
#ifndef FAC_UNIT_ENGINE_RIG_H
#define FAC_UNIT_ENGINE_RIG_H

#include "base/clock.h"
#include "engine/conn.h"
#include "engine/connect.h"
#include "engine/intake.h"
#include "engine/pipeline.h"
#include "engine/pool.h"

#include "kit/kit.h"
#include "kit/memory.h"
#include "kit/stub.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
    RIG_TIMEOUT_MS = 20000 /* of tests that are not about time */
};

struct rig {
    struct kit_memory memory;
    struct kit_stub *stub;
    struct faci_engine_config config;
    struct faci_resolver *resolver;
};

static inline int64_t rig_soon(void)
{
    return faci_clock_after_ms(faci_clock_now_ns(), RIG_TIMEOUT_MS);
}

static inline void rig_begin(struct rig *rig, const struct kit_stub_options *options)
{
    kit_memory_init(&rig->memory);
    rig->stub = kit_stub_start(options);
    rig->config = (struct faci_engine_config){
        .alloc = &rig->memory.hook,
        .host = "127.0.0.1",
        .port = kit_stub_port(rig->stub),
        .max_connections = 4,
        .timeout_ms = RIG_TIMEOUT_MS,
        .max_value_bytes = (uint64_t)64 << 20,
    };
    fac_error err;
    assert_status(faci_resolver_new(&rig->memory.hook, rig->config.host, rig->config.port,
                                    &rig->resolver, &err),
                  FAC_OK, &err);
}

static inline void rig_begin_fn(struct rig *rig, kit_stub_fn *fn, void *context)
{
    struct kit_stub_options options = {.fn = fn, .context = context};
    rig_begin(rig, &options);
}

static inline void rig_begin_script(struct rig *rig, const struct kit_step *script)
{
    const struct kit_step *const scripts[] = {script};
    struct kit_stub_options options = {.scripts = scripts, .n_scripts = 1};
    rig_begin(rig, &options);
}

static inline void rig_end(struct rig *rig)
{
    kit_stub_stop(rig->stub);
    faci_resolver_free(rig->resolver);
    kit_memory_assert_empty(&rig->memory);
}

static inline struct faci_conn *rig_connect(struct rig *rig)
{
    struct faci_conn *conn = faci_conn_new(&rig->config, NULL);
    assert_non_null(conn);
    fac_error err;
    assert_status(faci_connect(conn, rig->resolver, rig_soon(), &err), FAC_OK, &err);
    assert_true(faci_conn_is_reusable(conn));
    return conn;
}

/* Until poll() reports one of the events on its socket. */
static inline void rig_wait_until(struct faci_conn *conn, short events)
{
    struct pollfd fd = {.fd = conn->stream.fd, .events = events};
    assert_int_equal(poll(&fd, 1, RIG_TIMEOUT_MS), 1);
}

static inline struct faci_arg rig_arg(const char *text)
{
    return (struct faci_arg){{NULL, 0}, fac_str(text)};
}

/* How a connection is asked for. */
enum rig_checkout {
    RIG_ANY,     /* an idle one is fine; looked at first when idle for long */
    RIG_CHECKED, /* an idle one is looked at first, however short it was idle */
    RIG_NEW,     /* an attempt has just waited in vain */
};

static inline fac_status rig_checkout(struct faci_pool *pool, enum rig_checkout how,
                                      int64_t now_ns, int64_t deadline_ns,
                                      struct faci_conn **out, fac_error *err)
{
    struct faci_lease lease = {.now_ns = now_ns,
                               .began_ns = now_ns,
                               .deadline_ns = deadline_ns,
                               .since_ns = how == RIG_NEW ? now_ns : 0,
                               .is_patient = how == RIG_NEW,
                               .is_checked = how == RIG_CHECKED};
    fac_status st = faci_pool_checkout(pool, &lease, err);
    if (st == FAC_OK) {
        *out = lease.conn;
    }
    return st;
}

/* "COMMAND key" gathered on the connection. */
static inline fac_status rig_try_submit(struct faci_conn *conn,
                                        const struct faci_command *command, const char *key,
                                        struct faci_sink *sink, struct faci_slot **out,
                                        fac_error *err)
{
    const struct faci_arg args[] = {rig_arg(command->name), rig_arg(key)};
    struct faci_request request = {.command = command, .args = args, .n_args = 2, .sink = sink};
    return faci_pipeline_submit(conn, &request, rig_soon(), out, err);
}

static inline struct faci_slot *rig_submit(struct faci_conn *conn,
                                           const struct faci_command *command, const char *key,
                                           struct faci_sink *sink)
{
    struct faci_slot *slot = NULL;
    fac_error err;
    assert_status(rig_try_submit(conn, command, key, sink, &slot, &err), FAC_OK, &err);
    assert_non_null(slot);
    return slot;
}

/* A sink that keeps the bytes of one string, cut to fit. */
struct rig_text {
    struct faci_sink sink; /* first */
    unsigned n_begun;
    size_t len;
    char text[64];
};

static inline void rig_text_begin(struct faci_sink *sink, fac_reply_type type, int64_t number,
                                  unsigned depth)
{
    (void)type;
    (void)number;
    (void)depth;
    ((struct rig_text *)(void *)sink)->n_begun++;
}

static inline void rig_text_data(struct faci_sink *sink, const void *bytes, size_t len)
{
    struct rig_text *text = (struct rig_text *)(void *)sink;
    size_t room = sizeof(text->text) - 1 - text->len;
    memcpy(text->text + text->len, bytes, len < room ? len : room);
    text->len += len < room ? len : room;
    text->text[text->len] = '\0';
}

static inline void rig_text_end(struct faci_sink *sink)
{
    (void)sink;
}

static const struct faci_sink_ops k_rig_text_ops = {rig_text_begin, rig_text_data,
                                                    rig_text_end};

static inline struct rig_text rig_text(void)
{
    return (struct rig_text){.sink = {&k_rig_text_ops}};
}

/* GET key on a connection with nothing under way: the value that comes. */
static inline void rig_expect_get(struct faci_conn *conn, const char *key, const char *want)
{
    struct rig_text text = rig_text();
    struct faci_slot *slot = rig_submit(conn, &k_faci_get, key, &text.sink);
    fac_error err;
    assert_status(faci_pipeline_wait(conn, slot, rig_soon(), &err), FAC_OK, &err);
    faci_pipeline_release(conn, slot);
    assert_string_equal(text.text, want);
}

/* A stub that answers every GET with the key it asks for, and anything else with OK. */
static inline void rig_echo(struct kit_stub_conn *conn, void *context)
{
    (void)context;
    const struct kit_frame *frame = kit_stub_next(conn);
    while (frame != NULL) {
        char header[32];
        bool is_get = kit_frame_says(frame, 0, "GET") && frame->n_args == 2;
        size_t len = is_get ? frame->args[1].len : 0;
        (void)snprintf(header, sizeof(header), is_get ? "$%zu\r\n" : "+OK\r\n", len);
        bool is_sent = kit_stub_say(conn, header);
        if (is_get) {
            is_sent = is_sent && kit_stub_send(conn, frame->args[1].data, len) &&
                      kit_stub_say(conn, "\r\n");
        }
        frame = is_sent ? kit_stub_next(conn) : NULL;
    }
}

#endif
