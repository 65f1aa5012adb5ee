/* SPDX-License-Identifier: MIT */
/* engine/engine.c — attempts.
 *
 * Design notes. A job gets a few attempts, all within one deadline. A job of reads whose answer may
 * be waited for again gets half of the time for its first attempt. After an attempt that failed the
 * next one takes only a connection that has shown since that it works, or a new one. What was
 * certainly not sent may always be tried again; what was sent goes again only as its retry class
 * allows. */
#include "engine/engine.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/mux.h"
#include "engine/password.h"

#include <stdatomic.h>
#include <string.h>

enum {
    LARGE_REPLY_BYTES = 16 * 1024, /* the average from which values travel alone */
    AVERAGE_OVER = 16,             /* replies */
};

struct faci_engine {
    struct faci_engine_config config;
    struct faci_pool pool;
    struct faci_histogram latency;
    atomic_ullong n_retries;
    atomic_uint reply_bytes; /* of late, on average */
};

fac_status faci_engine_open(const struct faci_engine_config *config, struct faci_engine **out,
                            fac_error *err)
{
    struct faci_engine *engine = faci_mem_zalloc(config->alloc, sizeof(*engine));
    if (engine == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    engine->config = *config;
    faci_histogram_init(&engine->latency);
    fac_status st = faci_pool_init(&engine->pool, &engine->config, err);
    if (st < 0) {
        faci_mem_free(config->alloc, engine);
        return st;
    }
    *out = engine;
    return FAC_OK;
}

void faci_engine_free(struct faci_engine *engine)
{
    if (engine != NULL) {
        faci_pool_fini(&engine->pool);
        faci_mem_free(engine->config.alloc, engine);
    }
}

void faci_engine_close(struct faci_engine *engine)
{
    faci_pool_close(&engine->pool);
}

bool faci_engine_is_down(struct faci_engine *engine)
{
    return faci_pool_is_down(&engine->pool);
}

fac_status faci_engine_connect(struct faci_engine *engine, int64_t deadline_ns, fac_error *err)
{
    int64_t now_ns = faci_clock_now_ns();
    struct faci_lease lease = {
        .now_ns = now_ns, .began_ns = now_ns, .deadline_ns = deadline_ns};
    fac_status st = faci_pool_checkout(&engine->pool, &lease, err);
    if (st == FAC_OK) {
        faci_pool_give_back(&engine->pool, lease.conn);
    }
    if (!lease.is_refused) {
        faci_pool_report(&engine->pool, &lease, st, st == FAC_E_TIMEOUT, err);
    }
    return st;
}

/* --- Attempts ------------------------------------------------------------------------------- */

struct attempt {
    bool has_conn;   /* a connection was had */
    bool has_sent;   /* bytes of this attempt were given to the kernel */
    bool has_died;   /* the connection ended, or was left to end */
    bool is_refused; /* the breaker is open */
    fac_status st;   /* what came of it */
};

/* What an attempt had when it may be made again; the rest of the time otherwise. */
static int64_t attempt_deadline(const struct faci_engine *engine, const struct faci_job *job,
                                int64_t now_ns, int64_t deadline_ns)
{
    bool may_repeat = engine->config.retry_on_timeout && engine->config.max_retries > 0 &&
                      job->retry == FACI_RETRY_READ && job->n_attempts == 0 &&
                      deadline_ns != FACI_NEVER_NS;
    if (!may_repeat) {
        return deadline_ns;
    }
    return now_ns + (deadline_ns - now_ns) / 2;
}

/* A connection where large values come is had alone: they would be copied twice, and hold up the
 * others' replies. */
static bool is_shareable(const struct faci_engine *engine, const struct faci_request *request)
{
    size_t bytes = 0;
    return request != NULL && faci_command_is_scalar(request->command) &&
           request->max_reply_bytes == 0 &&
           faci_resp_frame_bytes(request->args, request->n_args, &bytes) &&
           bytes <= FACI_MUX_FRAME_MAX_BYTES &&
           atomic_load_explicit(&engine->reply_bytes, memory_order_relaxed) < LARGE_REPLY_BYTES;
}

static void note_reply_bytes(struct faci_engine *engine, const struct faci_answer *answer)
{
    if (answer->type == FAC_REPLY_STRING) {
        int64_t average = atomic_load_explicit(&engine->reply_bytes, memory_order_relaxed);
        int64_t next = average + (answer->number - average) / AVERAGE_OVER;
        next = answer->number < average && next == average ? answer->number : next;
        if (next != average) {
            atomic_store_explicit(&engine->reply_bytes, (unsigned)next, memory_order_relaxed);
        }
    }
}

static fac_status run_shared(struct faci_engine *engine, struct faci_job *job,
                             struct faci_lease *lease, struct attempt *attempt, fac_error *err)
{
    fac_status st = faci_pool_join(&engine->pool, lease, err);
    if (st < 0) {
        return st;
    }
    attempt->has_conn = true;
    faci_reauthenticate(lease->conn, true, lease->now_ns, lease->deadline_ns);
    st = faci_mux_call(lease->conn, job->request, lease->now_ns, lease->deadline_ns,
                       job->answer, &attempt->has_sent, err);
    attempt->has_died = st < 0 && (faci_conn_is_poisoned(lease->conn) || st == FAC_E_TIMEOUT);
    faci_pool_leave(&engine->pool, lease->conn);
    return st;
}

static fac_status run_alone(struct faci_engine *engine, struct faci_job *job,
                            struct faci_lease *lease, struct attempt *attempt, fac_error *err)
{
    fac_status st = faci_pool_checkout(&engine->pool, lease, err);
    if (st < 0) {
        return st;
    }
    attempt->has_conn = true;
    faci_reauthenticate(lease->conn, false, lease->now_ns, lease->deadline_ns);
    uint64_t n_sent = lease->conn->n_sent;
    st = job->run(lease->conn, job->context, lease->deadline_ns, err);
    attempt->has_sent = lease->conn->n_sent != n_sent;
    attempt->has_died = faci_conn_is_poisoned(lease->conn);
    faci_pool_give_back(&engine->pool, lease->conn);
    return st;
}

/* What only the server can say: it has read the command, and refused it. */
static bool is_answer(fac_status st)
{
    return st == FAC_E_SERVER || st == FAC_E_AUTH || st == FAC_E_CONFIG;
}

/* Whether the server answered now: the same statuses come from a password file that cannot be read,
 * and from what was refused before. */
static bool has_answer(const struct attempt *attempt, fac_status st)
{
    return attempt->has_conn && !attempt->has_died && (st == FAC_OK || is_answer(st));
}

static fac_status attempt_once(struct faci_engine *engine, struct faci_job *job, int64_t now_ns,
                               int64_t deadline_ns, struct attempt *attempt, fac_error *err)
{
    bool waited_in_vain = attempt->st == FAC_E_TIMEOUT;
    *attempt = (struct attempt){0};
    struct faci_lease lease = {
        .now_ns = now_ns,
        .began_ns = now_ns,
        .deadline_ns = attempt_deadline(engine, job, now_ns, deadline_ns),
        .since_ns = job->n_attempts > 0 ? now_ns : 0,
        .is_patient = waited_in_vain,
        .is_checked = job->retry == FACI_RETRY_NEVER,
    };
    job->n_attempts++;
    atomic_fetch_add_explicit(&engine->pool.n_in_flight, 1U, memory_order_relaxed);
    fac_status st = is_shareable(engine, job->request)
                        ? run_shared(engine, job, &lease, attempt, err)
                        : run_alone(engine, job, &lease, attempt, err);
    atomic_fetch_sub_explicit(&engine->pool.n_in_flight, 1U, memory_order_relaxed);
    attempt->is_refused = lease.is_refused;
    if (!lease.is_refused) {
        /* An error that is an answer shows that the server is there. */
        bool is_late = st == FAC_E_TIMEOUT && faci_clock_left_ns(lease.deadline_ns) == 0;
        faci_pool_report(&engine->pool, &lease, has_answer(attempt, st) ? FAC_OK : st, is_late,
                         err);
    }
    attempt->st = st;
    return st;
}

static bool may_try_again(struct faci_engine *engine, const struct faci_job *job,
                          const struct attempt *attempt, fac_status st)
{
    if (job->n_attempts > engine->config.max_retries || attempt->is_refused) {
        return false;
    }
    if (!attempt->has_conn) {
        if (st == FAC_E_UNAVAILABLE) {
            return faci_pool_may_connect(&engine->pool); /* it was up: at once, once more */
        }
        /* The first half of a read's time went by before it had a connection. */
        return st == FAC_E_TIMEOUT && engine->config.retry_on_timeout &&
               job->retry == FACI_RETRY_READ && job->n_attempts == 1;
    }
    if (!attempt->has_died) {
        return false; /* an answer, or an error of ours */
    }
    if (st == FAC_E_TIMEOUT) {
        return engine->config.retry_on_timeout && job->retry == FACI_RETRY_READ;
    }
    if (st != FAC_E_UNAVAILABLE) {
        return false; /* a peer that answers nonsense will again */
    }
    return !attempt->has_sent || job->retry != FACI_RETRY_NEVER;
}

/* What the connection knows of its end does not say whose call it ended. */
static void name_command(const struct faci_job *job, fac_error *err)
{
    fac_error why = *err;
    (void)faci_fail(err, why.status, why.os_errno, "%s (arguments: %zu): %s", job->name,
                    job->n_args, why.message);
    memcpy(err->server_code, why.server_code, sizeof(err->server_code));
}

static void note_answer(struct faci_engine *engine, const struct faci_job *job,
                        int64_t began_ns)
{
    faci_histogram_add(&engine->latency, faci_clock_now_ns() - began_ns);
    if (job->answer != NULL) {
        note_reply_bytes(engine, job->answer);
    }
}

fac_status faci_engine_run(struct faci_engine *engine, struct faci_job *job,
                           int64_t deadline_ns, fac_error *err)
{
    job->n_attempts = 0;
    job->was_resent = false;
    bool is_unknown = false; /* some attempt may have been applied */
    int64_t began_ns = faci_clock_now_ns();
    int64_t now_ns = began_ns;
    struct attempt attempt = {.st = FAC_OK};
    for (;;) {
        fac_error why;
        faci_error_clear(&why);
        fac_status st = attempt_once(engine, job, now_ns, deadline_ns, &attempt, &why);
        is_unknown = is_unknown || (attempt.has_sent && attempt.has_died && !is_answer(st));
        if (attempt.has_conn && (st == FAC_OK || is_answer(st))) {
            note_answer(engine, job, began_ns);
        }
        if (st == FAC_OK) {
            return FAC_OK;
        }
        now_ns = faci_clock_now_ns();
        bool is_late = now_ns >= deadline_ns;
        if (faci_pool_is_closed(&engine->pool) && (attempt.has_died || !attempt.has_conn)) {
            st = faci_fail(&why, FAC_E_CLOSED, 0, "the cache was closed during the call");
        } else if (!is_late && may_try_again(engine, job, &attempt, st)) {
            job->was_resent = is_unknown;
            atomic_fetch_add_explicit(&engine->n_retries, 1U, memory_order_relaxed);
            continue;
        }
        bool is_answered = attempt.has_conn && !attempt.has_died;
        if ((st == FAC_E_UNAVAILABLE || st == FAC_E_PROTOCOL) && !attempt.is_refused &&
            !is_answered) {
            faci_pool_note_failure(&engine->pool, now_ns);
        }
        if (attempt.has_died && !is_answer(st)) {
            name_command(job, &why);
        }
        if (err != NULL) {
            *err = why;
            err->maybe_applied = job->is_write && is_unknown;
        }
        return st;
    }
}

/* --- One request ---------------------------------------------------------------------------- */

static fac_status run_single(struct faci_conn *conn, void *context, int64_t deadline_ns,
                             fac_error *err)
{
    const struct faci_job *job = context;
    return faci_pipeline_call(conn, job->request, deadline_ns, job->answer, err);
}

fac_status faci_engine_call(struct faci_engine *engine, const struct faci_request *request,
                            int64_t deadline_ns, struct faci_answer *out, bool *out_resent,
                            fac_error *err)
{
    struct faci_job job = {.name = request->command->name,
                           .n_args = request->n_args - 1,
                           .retry = request->command->retry,
                           .is_write = request->command->is_write,
                           .run = run_single,
                           .context = &job,
                           .request = request,
                           .answer = out};
    fac_status st = faci_engine_run(engine, &job, deadline_ns, err);
    if (out_resent != NULL) {
        *out_resent = job.was_resent;
    }
    return st;
}

/* --- About it ------------------------------------------------------------------------------- */

static uint64_t load(const atomic_ullong *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void faci_engine_stats(struct faci_engine *engine, struct faci_engine_stats *out)
{
    struct faci_pool *pool = &engine->pool;
    faci_pool_count(pool, &out->pool);
    faci_histogram_read(&engine->latency, &out->latency);
    out->retries = load(&engine->n_retries);
    out->in_flight = atomic_load_explicit(&pool->n_in_flight, memory_order_relaxed);
    out->late_replies = load(&pool->tally.late_replies);
    out->batches = load(&pool->tally.batches);
    out->batched = load(&pool->tally.batched);
    faci_mutex_lock(&pool->lock);
    out->breaker = pool->breaker.state;
    out->breaker_opens = pool->breaker.n_opens;
    out->breaker_refusals = pool->breaker.n_refused;
    faci_mutex_unlock(&pool->lock);
}

void faci_engine_identity(struct faci_engine *engine, struct faci_identity *out)
{
    faci_pool_identity(&engine->pool, out);
}
