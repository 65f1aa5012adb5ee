/* SPDX-License-Identifier: MIT */
/* engine/engine.h — talks to one server: finds a connection, runs the caller's requests on it,
 * and tries again where that is safe. Any thread. Knows no cache semantics. */
#ifndef FACI_ENGINE_ENGINE_H
#define FACI_ENGINE_ENGINE_H

#include "base/histogram.h"
#include "engine/conn.h"
#include "engine/pipeline.h"
#include "engine/pool.h"

#include <faciliter/error.h>

#include <stdbool.h>
#include <stdint.h>

struct faci_engine;

struct faci_engine_stats {
    struct faci_pool_counts pool;
    uint64_t retries;
    uint32_t in_flight;
    uint64_t late_replies;
    uint64_t batches;
    uint64_t batched;
    uint64_t breaker_opens;
    uint64_t breaker_refusals;
    enum faci_breaker_state breaker;
    struct faci_quantiles latency; /* of calls that were answered */
};

/* `config` is copied, the strings and the allocator in it are borrowed until the engine is freed.
 * Does not connect. FAC_OK, FAC_E_NOMEM. */
fac_status faci_engine_open(const struct faci_engine_config *config, struct faci_engine **out,
                            fac_error *err);

/* No call may be in flight. NULL is fine. */
void faci_engine_free(struct faci_engine *engine);

/* Calls in flight and later ones end with FAC_E_CLOSED. Does not wait for anybody. */
void faci_engine_close(struct faci_engine *engine);

/* Make sure that there is a connection. FAC_OK, or why there is none. */
fac_status faci_engine_connect(struct faci_engine *engine, int64_t deadline_ns, fac_error *err);

/* Whether a call now would only be told that the server is down. */
bool faci_engine_is_down(struct faci_engine *engine);

/*
 * Requests that run on one connection. `run` may be called again on another one, when the first
 * was lost and `retry` allows it: it then goes on with what has no answer yet. It returns FAC_OK,
 * an answer of the server that is an error, or what killed the connection. It leaves no slot.
 */
struct faci_job {
    const char *name; /* the command, for messages: never its arguments, only their number */
    size_t n_args;
    enum faci_retry retry;
    bool is_write;
    fac_status (*run)(struct faci_conn *conn, void *context, int64_t deadline_ns,
                      fac_error *err);
    void *context;
    const struct faci_request
        *request;               /* of a job of one request, which may be shared; or NULL */
    struct faci_answer *answer; /* the same */
    unsigned n_attempts;        /* set by faci_engine_run: how often `run` was called */
    bool was_resent;            /* set likewise: bytes of an earlier attempt may have arrived */
};

/*
 * FAC_OK; what `run` returned; FAC_E_UNAVAILABLE, FAC_E_TIMEOUT, FAC_E_BUSY, FAC_E_AUTH,
 * FAC_E_CONFIG, FAC_E_PROTOCOL, FAC_E_TOO_LARGE, FAC_E_NOMEM, FAC_E_CLOSED. err->maybe_applied is
 * set for a writing job of which bytes were sent and an answer is missing.
 */
fac_status faci_engine_run(struct faci_engine *engine, struct faci_job *job,
                           int64_t deadline_ns, fac_error *err);

/* A job of one request: on a shared connection if it is small and its answer no aggregate, and
 * values of late were not large. `out_resent` may be NULL. */
fac_status faci_engine_call(struct faci_engine *engine, const struct faci_request *request,
                            int64_t deadline_ns, struct faci_answer *out, bool *out_resent,
                            fac_error *err);

void faci_engine_stats(struct faci_engine *engine, struct faci_engine_stats *out);
void faci_engine_identity(struct faci_engine *engine, struct faci_identity *out);

#endif
