/* SPDX-License-Identifier: MIT */
/* engine/ask.c — asking the application for its password, which may take for ever.
 *
 * Design notes. As a name lookup (net/address.c): a question is a job on a detached thread, counted
 * by its thread, by the asker and by each caller that waits; whoever lets go last frees it. An answer
 * that nobody waited for any more is kept for the next who asks. After a fork the thread of a job is
 * gone in the child: a job of another process is not waited for. */
#include "engine/ask.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/sync.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum {
    ASK_STACK_BYTES = 1024 * 1024, /* it is the application's code that runs there */
};

struct job {
    struct faci_mutex lock;
    struct faci_cond ended;
    unsigned refs;  /* guarded by lock */
    bool has_ended; /* guarded by lock */
    bool is_taken;  /* somebody has its answer; guarded by lock */
    pid_t pid;
    fac_password_fn *fn;
    void *context;
    uint32_t within_ms;
    struct faci_secret *answer; /* NULL: the application has none */
    int64_t expires_ns;
};

struct faci_asker {
    const fac_allocator *alloc;
    fac_password_fn *fn;
    void *context;
    struct faci_mutex lock;
    struct job *job; /* the last one; guarded by lock */
    atomic_bool is_closed;
};

static void job_unref(struct job *job)
{
    faci_mutex_lock(&job->lock);
    unsigned left = --job->refs;
    faci_mutex_unlock(&job->lock);
    if (left == 0) {
        faci_secret_free(job->answer);
        faci_mutex_fini(&job->lock);
        faci_cond_fini(&job->ended);
        faci_mem_free(&k_faci_libc, job);
    }
}

static void *run_job(void *context)
{
    struct job *job = context;
    struct faci_secret *answer = faci_secret_new_empty(FACI_PASSWORD_MAX_BYTES);
    fac_password out = {.size = sizeof(out), .text_cap = FACI_PASSWORD_MAX_BYTES + 1};
    int64_t asked_ns = faci_clock_now_ns();
    bool is_there = false;
    if (answer != NULL) {
        out.text = faci_secret_room(answer);
        is_there = job->fn(job->context, job->within_ms, &out);
    }
    faci_mutex_lock(&job->lock);
    if (is_there) {
        faci_secret_set_len(answer, strnlen(out.text, FACI_PASSWORD_MAX_BYTES));
        job->answer = answer;
        job->expires_ns = out.expires_in_ms > 0
                              ? faci_clock_after_ms(asked_ns, (uint64_t)out.expires_in_ms)
                              : FACI_NEVER_NS;
    } else {
        faci_secret_free(answer);
    }
    job->has_ended = true;
    faci_cond_broadcast(&job->ended);
    faci_mutex_unlock(&job->lock);
    job_unref(job);
    return NULL;
}

/* With every signal blocked: they belong to the application's own threads. */
static int start_thread(struct job *job)
{
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (rc != 0) {
        return rc;
    }
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attr, ASK_STACK_BYTES);
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    rc = pthread_create(&thread, &attr, run_job, job);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return rc;
}

/* The job whose answer will do, with a reference of the caller's; NULL: there is none. */
static struct job *join_locked(struct faci_asker *asker) FACI_REQUIRES(&asker->lock)
{
    struct job *job = asker->job;
    if (job == NULL) {
        return NULL;
    }
    faci_mutex_lock(&job->lock);
    bool is_fresh = !job->is_taken && job->answer != NULL &&
                    faci_clock_left_ns(job->expires_ns) > 0;
    bool will_do = job->has_ended ? is_fresh : job->pid == getpid();
    if (will_do) {
        job->refs++;
    }
    faci_mutex_unlock(&job->lock);
    return will_do ? job : NULL;
}

static fac_status start_locked(struct faci_asker *asker, int64_t deadline_ns, struct job **out,
                               fac_error *err) FACI_REQUIRES(&asker->lock)
{
    struct job *job = faci_mem_zalloc(&k_faci_libc, sizeof(*job));
    if (job == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    faci_mutex_init(&job->lock);
    faci_cond_init(&job->ended);
    job->pid = getpid();
    job->fn = asker->fn;
    job->context = asker->context;
    int64_t left_ms = faci_clock_left_ns(deadline_ns) / FACI_NS_PER_MS;
    job->within_ms = left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX;
    job->refs = 3; /* thread, asker, caller: before any of them can let go */
    int rc = start_thread(job);
    if (rc != 0) {
        char text[96];
        job->refs = 1;
        job_unref(job);
        return faci_fail(err, FAC_E_UNAVAILABLE, rc, "cannot ask for the password: %s",
                         faci_errno_text(rc, text, sizeof(text)));
    }
    if (asker->job != NULL) {
        job_unref(asker->job);
    }
    asker->job = job;
    *out = job;
    return FAC_OK;
}

static fac_status take_locked(struct job *job, struct faci_secret **out,
                              int64_t *out_expires_ns, fac_error *err) FACI_REQUIRES(&job->lock)
{
    job->is_taken = true;
    if (job->answer == NULL) {
        return faci_fail(err, FAC_E_AUTH, 0, "the application has no password now");
    }
    *out = faci_secret_new(faci_secret_reveal(job->answer), faci_secret_len(job->answer));
    *out_expires_ns = job->expires_ns;
    return *out != NULL ? FAC_OK : faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
}

fac_status faci_ask(struct faci_asker *asker, int64_t deadline_ns, struct faci_secret **out,
                    int64_t *out_expires_ns, fac_error *err)
{
    fac_status st = FAC_OK;
    faci_mutex_lock(&asker->lock);
    struct job *job = join_locked(asker);
    if (job == NULL) {
        st = start_locked(asker, deadline_ns, &job, err);
    }
    faci_mutex_unlock(&asker->lock);
    if (st < 0) {
        return st;
    }
    faci_assert(job != NULL);
    bool is_in_time = true;
    faci_mutex_lock(&job->lock);
    while (!job->has_ended && is_in_time && !atomic_load(&asker->is_closed)) {
        is_in_time = faci_cond_wait_until(&job->ended, &job->lock, deadline_ns);
    }
    if (atomic_load(&asker->is_closed)) {
        st = faci_fail(err, FAC_E_CLOSED, 0, "the cache was closed");
    } else if (!job->has_ended) {
        st = faci_fail(err, FAC_E_TIMEOUT, 0,
                       "the application did not tell the password in time");
    } else {
        st = take_locked(job, out, out_expires_ns, err);
    }
    faci_mutex_unlock(&job->lock);
    job_unref(job);
    return st;
}

/* --- Life ------------------------------------------------------------------------------------- */

fac_status faci_asker_new(const fac_allocator *alloc, fac_password_fn *fn, void *context,
                          struct faci_asker **out, fac_error *err)
{
    struct faci_asker *asker = faci_mem_zalloc(alloc, sizeof(*asker));
    if (asker == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    asker->alloc = alloc;
    asker->fn = fn;
    asker->context = context;
    faci_mutex_init(&asker->lock);
    atomic_init(&asker->is_closed, false);
    *out = asker;
    return FAC_OK;
}

void faci_asker_free(struct faci_asker *asker)
{
    if (asker != NULL) {
        if (asker->job != NULL) {
            job_unref(asker->job);
        }
        faci_mutex_fini(&asker->lock);
        faci_mem_free(asker->alloc, asker);
    }
}

void faci_asker_lock(struct faci_asker *asker) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_lock(&asker->lock);
    if (asker->job != NULL) {
        faci_mutex_lock(&asker->job->lock);
    }
}

void faci_asker_unlock(struct faci_asker *asker) FACI_NO_LOCK_ANALYSIS
{
    if (asker->job != NULL) {
        faci_mutex_unlock(&asker->job->lock);
    }
    faci_mutex_unlock(&asker->lock);
}

void faci_asker_close(struct faci_asker *asker)
{
    atomic_store(&asker->is_closed, true);
    faci_mutex_lock(&asker->lock);
    struct job *job = asker->job;
    if (job != NULL) {
        faci_mutex_lock(&job->lock);
        faci_cond_broadcast(&job->ended);
        faci_mutex_unlock(&job->lock);
    }
    faci_mutex_unlock(&asker->lock);
}
