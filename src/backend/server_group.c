/* SPDX-License-Identifier: MIT */
/* backend/server_group.c — verbs that need several commands: sent together, in one round trip, on
 * one connection. */
#include "backend/server.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "engine/server_error.h"

#include <string.h>

struct pipeline {
    const char *name; /* of the verb's own command, and its number of arguments */
    size_t n_args;
    const struct faci_request *requests;
    size_t n;
    struct faci_answer *answers;
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
        st = faci_pipeline_submit(conn, &pipeline->requests[n_submitted], deadline_ns,
                                  &pending[n_submitted], err);
        n_submitted += st == FAC_OK ? 1U : 0U;
    }
    if (st < 0) {
        /* Half a transaction must not stay behind on a connection. */
        faci_conn_poison(conn, st, 0, "a pipeline was cut short");
        return st;
    }
    for (size_t i = 0; i < pipeline->n; i++) {
        fac_status waited = faci_pipeline_wait(conn, pending[i], deadline_ns, err);
        if (waited < 0) {
            return waited;
        }
        pipeline->answers[i] = pending[i]->answer;
        if (st == FAC_OK) {
            st = faci_pipeline_result(pending[i], err);
        }
        faci_pipeline_release(conn, pending[i]);
    }
    return st;
}

static fac_status call_pipeline(struct faci_backend *backend, struct pipeline *pipeline,
                                enum faci_retry retry, const struct faci_limits *limits,
                                bool *out_resent, fac_error *err)
{
    struct faci_job job = {.name = pipeline->name,
                           .n_args = pipeline->n_args,
                           .retry = retry,
                           .is_write = true,
                           .run = run_pipeline,
                           .context = pipeline};
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
    struct faci_answer answers[FACI_COUNT(requests)];
    struct pipeline pipeline = {"PERSIST", 1, requests, FACI_COUNT(requests), answers};
    bool was_resent = false;
    fac_status st = call_pipeline(backend, &pipeline, FACI_RETRY_READ, limits, &was_resent,
                                  err);
    if (st != FAC_OK) {
        return st;
    }
    return answers[0].number > 0 || answers[1].number > 0 || was_resent ? FAC_OK : FAC_MISS;
}

fac_status faci_server_touch(struct faci_backend *backend, const struct faci_key *key,
                             int64_t ttl_ms, const struct faci_limits *limits, fac_error *err)
{
    if (ttl_ms == FAC_TTL_NONE) {
        return persist(backend, key, limits, err);
    }
    char text[FACI_I64_TEXT_BYTES];
    const struct faci_arg args[] = {
        faci_arg_text("PEXPIRE"), faci_arg_key(key),
        faci_arg_bytes(fac_mem(text, faci_number_format_i64(ttl_ms, text)))};
    struct faci_answer slot;
    bool was_resent = false;
    struct faci_request request = {.command = &k_faci_pexpire, .args = args, .n_args = 3};
    fac_status st = faci_server_call(backend, &request, limits, &slot, &was_resent, err);
    return faci_server_found(st, &slot, was_resent);
}

/* What EXEC answered: an array of what its commands answered, of which only the last matters. */
struct exec_sink {
    struct faci_sink sink; /* first */
    fac_reply_type type;
    int64_t number;
    char text[FACI_SLOT_TEXT_BYTES];
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
fac_status faci_server_increment(struct faci_backend *backend, const struct faci_key *key,
                                 int64_t delta, int64_t ttl_ms,
                                 const struct faci_limits *limits, int64_t *out, fac_error *err)
{
    char delta_text[FACI_I64_TEXT_BYTES];
    const struct faci_arg incrby[] = {
        faci_arg_text("INCRBY"), faci_arg_key(key),
        faci_arg_bytes(fac_mem(delta_text, faci_number_format_i64(delta, delta_text)))};
    if (ttl_ms == FAC_TTL_NONE) {
        struct faci_answer slot;
        struct faci_request request = {.command = &k_faci_incrby, .args = incrby, .n_args = 3};
        fac_status st = faci_server_call(backend, &request, limits, &slot, NULL, err);
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
    struct faci_answer answers[FACI_COUNT(requests)] = {0};
    struct pipeline pipeline = {"INCRBY", 2, requests, FACI_COUNT(requests), answers};
    bool was_resent = false;
    fac_status st = call_pipeline(backend, &pipeline, FACI_RETRY_NEVER, limits, &was_resent,
                                  err);
    bool was_refused = answers[0].type == FAC_REPLY_ERROR; /* so nothing was queued, but done */
    if (st < 0 && err != NULL && was_refused &&
        (answers[1].type == FAC_REPLY_STATUS || answers[2].type == FAC_REPLY_INTEGER)) {
        err->maybe_applied = true;
    }
    return st == FAC_OK ? exec_result(&sink, out, err) : st;
}
