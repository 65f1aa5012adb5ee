/* SPDX-License-Identifier: MIT */
/* engine/engine.c — attempts.
 *
 * Design notes. A job gets at most three attempts, all within one deadline. A job of reads whose
 * answer may be waited for again gets half of the time for its first attempt. After an attempt
 * that lost its connection the next one connects anew: where one idle connection was stale, all
 * of them may be. What was certainly not sent may always be tried again; what was sent goes again
 * only as its retry class allows. */
#include "engine/engine.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <string.h>

enum {
    ATTEMPTS_MAX = 3
};

struct faci_engine {
    struct faci_engine_config config;
    struct faci_pool pool;
    atomic_ullong n_retries;
    atomic_uint n_in_flight;
};

fac_status faci_engine_open(const struct faci_engine_config *config, struct faci_engine **out,
                            fac_error *err)
{
    struct faci_engine *engine = faci_mem_zalloc(config->alloc, sizeof(*engine));
    if (engine == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    engine->config = *config;
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
    struct faci_conn *conn = NULL;
    fac_status st = faci_pool_checkout(&engine->pool, FACI_CHECKOUT_ANY, faci_clock_now_ns(),
                                       deadline_ns, &conn, err);
    if (st == FAC_OK) {
        faci_pool_give_back(&engine->pool, conn);
    }
    return st;
}

/* --- Attempts ------------------------------------------------------------------------------- */

struct attempt {
    bool has_conn; /* a connection was had */
    bool has_sent; /* bytes of this attempt were given to the kernel */
    bool has_died; /* the connection ended */
};

/* What an attempt had when it may be made again; the rest of the time otherwise. */
static int64_t attempt_deadline(const struct faci_engine *engine, const struct faci_job *job,
                                int64_t now_ns, int64_t deadline_ns)
{
    bool may_repeat = engine->config.retry_on_timeout && job->retry == FACI_RETRY_READ &&
                      job->n_attempts == 0 && deadline_ns != FACI_NEVER_NS;
    if (!may_repeat) {
        return deadline_ns;
    }
    return now_ns + (deadline_ns - now_ns) / 2;
}

static enum faci_checkout how_to_check_out(const struct faci_job *job)
{
    if (job->n_attempts > 0) {
        return FACI_CHECKOUT_NEW;
    }
    return job->retry == FACI_RETRY_NEVER ? FACI_CHECKOUT_CHECKED : FACI_CHECKOUT_ANY;
}

static fac_status attempt_once(struct faci_engine *engine, struct faci_job *job,
                               int64_t deadline_ns, struct attempt *attempt, fac_error *err)
{
    *attempt = (struct attempt){0};
    int64_t now_ns = faci_clock_now_ns();
    int64_t until_ns = attempt_deadline(engine, job, now_ns, deadline_ns);
    struct faci_conn *conn = NULL;
    fac_status st = faci_pool_checkout(&engine->pool, how_to_check_out(job), now_ns, until_ns,
                                       &conn, err);
    job->n_attempts++;
    if (st < 0) {
        return st;
    }
    attempt->has_conn = true;
    uint64_t n_sent = conn->n_sent;
    atomic_fetch_add_explicit(&engine->n_in_flight, 1U, memory_order_relaxed);
    st = job->run(conn, job->context, until_ns, err);
    atomic_fetch_sub_explicit(&engine->n_in_flight, 1U, memory_order_relaxed);
    attempt->has_sent = conn->n_sent != n_sent;
    attempt->has_died = conn->is_dead;
    faci_assert(conn->is_dead || conn->first == conn->next);
    faci_pool_give_back(&engine->pool, conn);
    return st;
}

static bool may_try_again(struct faci_engine *engine, const struct faci_job *job,
                          const struct attempt *attempt, fac_status st)
{
    if (job->n_attempts >= ATTEMPTS_MAX) {
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

/* What only the server can say: it has read the command, and refused it. */
static bool is_answer(fac_status st)
{
    return st == FAC_E_SERVER || st == FAC_E_AUTH || st == FAC_E_CONFIG;
}

/* What the connection knows of its end does not say whose call it ended. */
static void name_command(const struct faci_job *job, fac_error *err)
{
    fac_error why = *err;
    (void)faci_fail(err, why.status, why.os_errno, "%s (arguments: %zu): %s", job->name,
                    job->n_args, why.message);
    memcpy(err->server_code, why.server_code, sizeof(err->server_code));
}

fac_status faci_engine_run(struct faci_engine *engine, struct faci_job *job,
                           int64_t deadline_ns, fac_error *err)
{
    job->n_attempts = 0;
    job->was_resent = false;
    bool is_unknown = false; /* some attempt may have been applied */
    for (;;) {
        fac_error why;
        faci_error_clear(&why);
        struct attempt attempt;
        fac_status st = attempt_once(engine, job, deadline_ns, &attempt, &why);
        is_unknown = is_unknown || (attempt.has_sent && attempt.has_died && !is_answer(st));
        if (st == FAC_OK) {
            return FAC_OK;
        }
        bool is_late = faci_clock_left_ns(deadline_ns) == 0;
        if (faci_pool_is_closed(&engine->pool) && (attempt.has_died || !attempt.has_conn)) {
            st = faci_fail(&why, FAC_E_CLOSED, 0, "the cache was closed during the call");
        } else if (!is_late && may_try_again(engine, job, &attempt, st)) {
            job->was_resent = is_unknown;
            atomic_fetch_add_explicit(&engine->n_retries, 1U, memory_order_relaxed);
            continue;
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

struct single {
    const struct faci_request *request;
    struct faci_slot *out;
};

static fac_status run_single(struct faci_conn *conn, void *context, int64_t deadline_ns,
                             fac_error *err)
{
    struct single *single = context;
    return faci_mux_call(conn, single->request, deadline_ns, single->out, err);
}

fac_status faci_engine_call(struct faci_engine *engine, const struct faci_request *request,
                            int64_t deadline_ns, struct faci_slot *out, bool *out_resent,
                            fac_error *err)
{
    struct single single = {request, out};
    struct faci_job job = {.name = request->command->name,
                           .n_args = request->n_args - 1,
                           .retry = request->command->retry,
                           .is_write = request->command->is_write,
                           .run = run_single,
                           .context = &single};
    fac_status st = faci_engine_run(engine, &job, deadline_ns, err);
    if (out_resent != NULL) {
        *out_resent = job.was_resent;
    }
    return st;
}

void faci_engine_stats(struct faci_engine *engine, struct faci_engine_stats *out)
{
    faci_pool_count(&engine->pool, &out->pool);
    out->retries = atomic_load_explicit(&engine->n_retries, memory_order_relaxed);
    out->in_flight = atomic_load_explicit(&engine->n_in_flight, memory_order_relaxed);
}

void faci_engine_identity(struct faci_engine *engine, struct faci_identity *out)
{
    faci_pool_identity(&engine->pool, out);
}
