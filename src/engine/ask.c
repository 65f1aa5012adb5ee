/* SPDX-License-Identifier: MIT */
/* engine/ask.c — asking the application for its password, which may take for ever. An answer that
 * nobody waited for any more is kept for the next who asks. */
#include "engine/ask.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/single_flight.h"

#include <string.h>

enum {
    ASK_STACK_BYTES = 1024 * 1024, /* it is the application's code that runs there */
};

struct question {
    struct faci_flight flight;
    bool is_taken; /* somebody has its answer; guarded by the flight's lock */
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
    struct faci_single_flight questions;
};

static void run_question(struct faci_flight *flight)
{
    struct question *question = (struct question *)flight;
    struct faci_secret *answer = faci_secret_new_empty(FACI_PASSWORD_MAX_BYTES);
    fac_password out = {.size = sizeof(out), .text_cap = FACI_PASSWORD_MAX_BYTES + 1};
    int64_t asked_ns = faci_clock_now_ns();
    bool is_there = false;
    if (answer != NULL) {
        out.text = faci_secret_room(answer);
        is_there = question->fn(question->context, question->within_ms, &out);
    }
    if (!is_there) {
        faci_secret_free(answer);
        return;
    }
    faci_secret_set_len(answer, strnlen(out.text, FACI_PASSWORD_MAX_BYTES));
    question->answer = answer;
    question->expires_ns = out.expires_in_ms > 0
                               ? faci_clock_after_ms(asked_ns, (uint64_t)out.expires_in_ms)
                               : FACI_NEVER_NS;
}

static void free_question(struct faci_flight *flight)
{
    faci_secret_free(((struct question *)flight)->answer);
    faci_mem_free(&k_faci_libc, flight);
}

static const struct faci_flight_kind k_question = {ASK_STACK_BYTES, run_question,
                                                   free_question};

static bool is_fresh(const struct faci_flight *flight)
{
    const struct question *question = (const struct question *)flight;
    return !question->is_taken && question->answer != NULL &&
           faci_clock_left_ns(question->expires_ns) > 0;
}

static fac_status join_or_start_locked(struct faci_asker *asker, int64_t deadline_ns,
                                       struct question **out, fac_error *err)
    FACI_REQUIRES(&asker->questions.lock)
{
    *out = (struct question *)faci_flight_join_locked(&asker->questions, is_fresh);
    if (*out != NULL) {
        return FAC_OK;
    }
    struct question *question = faci_mem_zalloc(&k_faci_libc, sizeof(*question));
    if (question == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    question->fn = asker->fn;
    question->context = asker->context;
    int64_t left_ms = faci_clock_left_ns(deadline_ns) / FACI_NS_PER_MS;
    question->within_ms = left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX;
    int rc = faci_flight_start_locked(&asker->questions, &question->flight, &k_question);
    if (rc != 0) {
        char text[96];
        return faci_fail(err, FAC_E_UNAVAILABLE, rc, "cannot ask for the password: %s",
                         faci_errno_text(rc, text, sizeof(text)));
    }
    *out = question;
    return FAC_OK;
}

static fac_status take_locked(struct question *question, struct faci_secret **out,
                              int64_t *out_expires_ns, fac_error *err)
    FACI_REQUIRES(&question->flight.lock)
{
    question->is_taken = true;
    if (question->answer == NULL) {
        return faci_fail(err, FAC_E_AUTH, 0, "the application has no password now");
    }
    *out = faci_secret_new(faci_secret_reveal(question->answer),
                           faci_secret_len(question->answer));
    *out_expires_ns = question->expires_ns;
    return *out != NULL ? FAC_OK : faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
}

fac_status faci_ask(struct faci_asker *asker, int64_t deadline_ns, struct faci_secret **out,
                    int64_t *out_expires_ns, fac_error *err)
{
    struct question *question = NULL;
    faci_mutex_lock(&asker->questions.lock);
    fac_status st = join_or_start_locked(asker, deadline_ns, &question, err);
    faci_mutex_unlock(&asker->questions.lock);
    if (st < 0) {
        return st;
    }
    faci_mutex_lock(&question->flight.lock);
    st = faci_flight_wait_locked(&asker->questions, &question->flight, deadline_ns);
    if (st == FAC_E_CLOSED) {
        (void)faci_fail(err, st, 0, "the cache was closed");
    } else if (st == FAC_E_TIMEOUT) {
        (void)faci_fail(err, st, 0, "the application did not tell the password in time");
    } else {
        st = take_locked(question, out, out_expires_ns, err);
    }
    faci_mutex_unlock(&question->flight.lock);
    faci_flight_unref(&question->flight);
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
    faci_single_flight_init(&asker->questions);
    *out = asker;
    return FAC_OK;
}

void faci_asker_free(struct faci_asker *asker)
{
    if (asker != NULL) {
        faci_single_flight_fini(&asker->questions);
        faci_mem_free(asker->alloc, asker);
    }
}

void faci_asker_lock(struct faci_asker *asker)
{
    faci_single_flight_lock(&asker->questions);
}

void faci_asker_unlock(struct faci_asker *asker)
{
    faci_single_flight_unlock(&asker->questions);
}

void faci_asker_close(struct faci_asker *asker)
{
    faci_single_flight_close(&asker->questions);
}
