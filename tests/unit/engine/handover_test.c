/* SPDX-License-Identifier: MIT */
/* Who reads and who sends, under all schedules: the real mux, intake and slots; what they sleep, lock,
 * send and receive with is defined here and asks the scheduler (schedules.h) who goes on.
 *
 * The peer answers what it has whole, at once and in order. Rare things that a run may do: a time
 * that is over though the reply is here, a receive that brings one reply of several, a send that
 * the kernel takes in part. */
#include "schedules.h"

#include "base/clock.h"
#include "base/wait.h"
#include "engine/conn.h"
#include "engine/mux.h"

#include "kit/kit.h"
#include "kit/memory.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum {
    CALLS_MAX = 2, /* of one caller, one behind the other */
    FRAME_BYTES = 21,
    REPLY_BYTES = 8,
    FRAMES_MAX = 32,
    SHORT_MS = 10,
    HORIZON_MS = 100,
    LONG_MS = 10000,
    STALL_MS = 60000,
    SILENT_MS = 50,
};

#define NOBODY UINT32_MAX

struct sink {
    struct faci_sink base; /* first */
    bool is_over;          /* its caller has returned */
    unsigned n_begun;
    unsigned n_ended;
    size_t len;
    char text[8];
};

struct sleeper {
    const struct faci_wait_word *word; /* NULL: not asleep */
    uint32_t bits;
    bool is_woken;
};

/* What a plan is about. */
struct setting {
    bool is_near;
    bool can_send_in_part;
    bool can_be_slow;   /* a receive may bring one reply of several */
    unsigned n_calls;   /* of each caller */
    unsigned hasty;     /* bits: callers whose first call has little time */
    unsigned n_answers; /* the peer is silent after so many; 0: never */
};

static struct world {
    const struct setting *setting;
    struct kit_memory memory;
    struct faci_engine_config config;
    struct faci_tally tally;
    struct faci_conn *conn;
    unsigned owner; /* of the connection's lock */
    struct sleeper sleepers[SCHED_CALLERS_MAX];
    unsigned char wire[FRAMES_MAX * FRAME_BYTES]; /* all that was sent */
    size_t n_wire;
    size_t n_seen; /* frames of it */
    size_t n_received;
    bool is_full; /* the kernel takes nothing until somebody waits for that */
    bool is_shut;
    struct sink sinks[SCHED_CALLERS_MAX][CALLS_MAX];
    bool was_refused[SCHED_CALLERS_MAX][CALLS_MAX]; /* said not to be sent */
    unsigned n_late;                                /* sent, and their callers have left */
    unsigned n_failed;
} w;

/* --- What the engine stands on --------------------------------------------------------------- */

int64_t faci_clock_now_ns(void)
{
    return sched_now_ns();
}

int64_t faci_clock_boot_ms(void)
{
    return sched_now_ns() / FACI_NS_PER_MS;
}

int64_t faci_clock_after_ms(int64_t now_ns, uint64_t ms)
{
    return now_ns + (int64_t)ms * FACI_NS_PER_MS;
}

int64_t faci_clock_left_ns(int64_t at_ns)
{
    return at_ns > sched_now_ns() ? at_ns - sched_now_ns() : 0;
}

/* Who looks again and again while nothing comes does so once here: the time for it is over then. */
int sched_yield(void)
{
    sched_point("yield");
    sched_pass_ns(FACI_NS_PER_MS / 10);
    return 0;
}

void faci_mutex_init(struct faci_mutex *mutex)
{
    (void)mutex;
}

void faci_mutex_fini(struct faci_mutex *mutex)
{
    (void)mutex;
}

static bool is_unlocked(const void *context)
{
    (void)context;
    return w.owner == NOBODY;
}

void faci_mutex_lock(struct faci_mutex *mutex) FACI_NO_LOCK_ANALYSIS
{
    (void)mutex; /* there is but one */
    (void)sched_block("lock", is_unlocked, NULL, INT64_MAX, false);
    w.owner = sched_caller();
}

void faci_mutex_unlock(struct faci_mutex *mutex) FACI_NO_LOCK_ANALYSIS
{
    (void)mutex;
    w.owner = NOBODY;
    sched_point("unlock");
}

static bool is_woken(const void *context)
{
    return ((const struct sleeper *)context)->is_woken;
}

bool faci_wait_sleep(struct faci_wait_word *word, uint32_t seen, uint32_t bits,
                     int64_t until_ns)
{
    sched_point("sleep");
    if (faci_wait_look(word) != seen) {
        return true;
    }
    struct sleeper *me = &w.sleepers[sched_caller()];
    *me = (struct sleeper){.word = word, .bits = bits};
    bool is_in_time = sched_block("asleep", is_woken, me, until_ns, true);
    me->word = NULL;
    return is_in_time;
}

void faci_wait_wake(struct faci_wait_word *word, uint32_t bits)
{
    sched_point("wake");
    atomic_fetch_add(&word->value, 1U);
    for (size_t i = 0; i < KIT_COUNT(w.sleepers); i++) {
        struct sleeper *sleeper = &w.sleepers[i];
        sleeper->is_woken = sleeper->is_woken ||
                            (sleeper->word == word && (sleeper->bits & bits) != 0);
    }
    sched_point("woke"); /* they may look before the waker goes on */
}

/* --- The stream and its peer ----------------------------------------------------------------- */

static const char k_frame[] = "*2\r\n$3\r\nGET\r\n$2\r\n";

static void look_at_frames(void)
{
    while (w.n_wire >= (w.n_seen + 1) * FRAME_BYTES) {
        const unsigned char *frame = w.wire + w.n_seen * FRAME_BYTES;
        if (memcmp(frame, k_frame, sizeof(k_frame) - 1) != 0) {
            sched_fail("the peer cannot read what was sent");
        }
        w.n_seen++;
    }
}

static size_t n_replies(void)
{
    size_t n = w.setting->n_answers == 0 || w.n_seen < w.setting->n_answers
                   ? w.n_seen
                   : w.setting->n_answers;
    return n - w.n_received;
}

void faci_stream_init(struct faci_stream *stream)
{
    stream->fd = -1;
}

void faci_stream_fini(struct faci_stream *stream)
{
    (void)stream;
}

void faci_stream_shut(struct faci_stream *stream)
{
    (void)stream;
    w.is_shut = true;
}

ssize_t faci_stream_send_some(struct faci_stream *stream, const struct iovec *parts,
                              int n_parts)
{
    (void)stream;
    sched_point("send");
    if (w.is_shut || w.is_full) {
        errno = w.is_shut ? EPIPE : EAGAIN;
        return -1;
    }
    size_t n = n_parts > 0 ? parts->iov_len : 0;
    if (w.setting->can_send_in_part && sched_choose(2) > 0) {
        w.is_full = true;
        n = n > FRAME_BYTES ? FRAME_BYTES + 1 : 1; /* and a byte of the next one */
    }
    if (w.n_wire + n > sizeof(w.wire)) {
        sched_fail("more is sent than was asked for");
    }
    memcpy(w.wire + w.n_wire, parts->iov_base, n);
    w.n_wire += n;
    look_at_frames();
    return (ssize_t)n;
}

ssize_t faci_stream_receive_some(struct faci_stream *stream, void *buf, size_t cap)
{
    (void)stream;
    size_t n = n_replies();
    if (w.is_shut || n == 0) {
        errno = EAGAIN;
        return w.is_shut ? 0 : -1;
    }
    n = n > 1 && w.setting->can_be_slow && sched_choose(2) > 0 ? 1 : n;
    char *to = buf;
    for (size_t i = 0; i < n && (i + 1) * REPLY_BYTES <= cap; i++) {
        const unsigned char *key = w.wire + w.n_received++ * FRAME_BYTES + sizeof(k_frame) - 1;
        memcpy(to, "$2\r\n", 4);
        memcpy(to + 4, key, 4);
        to += REPLY_BYTES;
    }
    return to - (char *)buf;
}

static bool is_readable(const void *context)
{
    (void)context;
    return w.is_shut || n_replies() > 0;
}

ssize_t faci_stream_receive(struct faci_stream *stream, void *buf, size_t cap,
                            int64_t deadline_ns)
{
    if (!sched_block("receive", is_readable, NULL, deadline_ns, true)) {
        errno = ETIME;
        return -1;
    }
    return faci_stream_receive_some(stream, buf, cap);
}

unsigned faci_stream_wait(struct faci_stream *stream, unsigned wants, int64_t deadline_ns)
{
    (void)stream;
    (void)deadline_ns;
    sched_point("wait");
    w.is_full = false; /* somebody waits for it: now it comes to pass */
    unsigned ready = (wants & FACI_READY_WRITE) | (is_readable(NULL) ? wants : 0U);
    return w.is_shut ? ready | FACI_READY_READ : ready;
}

/* --- Callers --------------------------------------------------------------------------------- */

static void on_begin(struct faci_sink *base, fac_reply_type type, int64_t number,
                     unsigned depth)
{
    (void)type;
    (void)number;
    (void)depth;
    struct sink *sink = (struct sink *)(void *)base;
    if (sink->is_over) {
        sched_fail("a caller's memory is touched after it has returned");
    }
    sink->n_begun++;
}

static void on_data(struct faci_sink *base, const void *bytes, size_t len)
{
    struct sink *sink = (struct sink *)(void *)base;
    if (sink->is_over || sink->len + len >= sizeof(sink->text)) {
        sched_fail("a caller's memory is touched after it has returned, or twice");
    }
    memcpy(sink->text + sink->len, bytes, len);
    sink->len += len;
}

static void on_end(struct faci_sink *base)
{
    ((struct sink *)(void *)base)->n_ended++;
}

static const struct faci_sink_ops k_ops = {on_begin, on_data, on_end};

/* A reply is the caller's own, whole and there once; a time is over only when it is. */
static void look_at_result(const struct sink *sink, const char *key, fac_status st,
                           int64_t deadline_ns)
{
    bool is_own = sink->n_begun == 1 && sink->n_ended == 1 && strcmp(sink->text, key) == 0;
    if (st == FAC_OK && !is_own) {
        sched_fail("%s got '%s', begun %u times", key, sink->text, sink->n_begun);
    }
    if (st == FAC_E_TIMEOUT && !faci_conn_is_poisoned(w.conn) && sched_now_ns() < deadline_ns) {
        sched_fail("%s gave up before its time", key);
    }
    if (st != FAC_OK && st != FAC_E_TIMEOUT) {
        sched_fail("%s failed: %s", key, fac_status_name(st));
    }
}

static void call(unsigned caller, unsigned index, bool is_hasty)
{
    struct sink *sink = &w.sinks[caller][index];
    *sink = (struct sink){.base = {&k_ops}};
    const char key[3] = {(char)('a' + (char)caller), (char)('0' + (char)index), '\0'};
    const struct faci_arg args[] = {{{NULL, 0}, fac_str("GET")}, {{NULL, 0}, fac_str(key)}};
    struct faci_request request = {
        .command = &k_faci_get, .args = args, .n_args = 2, .sink = &sink->base};
    int64_t now_ns = sched_now_ns();
    int64_t deadline_ns = faci_clock_after_ms(now_ns, is_hasty ? SHORT_MS : LONG_MS);
    struct faci_answer answer;
    bool was_sent = false;
    fac_error err;
    atomic_fetch_add(&w.conn->users, 1U);
    fac_status st = faci_mux_call(w.conn, &request, now_ns, deadline_ns, &answer, &was_sent,
                                  &err);
    atomic_fetch_sub(&w.conn->users, 1U);
    sink->is_over = true;
    look_at_result(sink, key, st, deadline_ns);
    w.n_failed += st != FAC_OK ? 1U : 0U;
    w.n_late += st == FAC_E_TIMEOUT && was_sent ? 1U : 0U;
    w.was_refused[caller][index] = !was_sent;
}

static void run(void *context, unsigned caller)
{
    (void)context;
    for (unsigned i = 0; i < w.setting->n_calls; i++) {
        call(caller, i, i == 0 && (w.setting->hasty & (1U << caller)) != 0);
    }
}

/* --- A run ----------------------------------------------------------------------------------- */

static void begin(void *context)
{
    memset(&w, 0, sizeof(w));
    w.setting = context;
    w.owner = NOBODY;
    kit_memory_init(&w.memory);
    w.config = (struct faci_engine_config){.alloc = &w.memory.hook,
                                           .timeout_ms = w.setting->n_answers > 0 ? SILENT_MS
                                                                                  : STALL_MS,
                                           .max_value_bytes = 1 << 20};
    w.conn = faci_conn_new(&w.config, &w.tally);
    if (w.conn == NULL) {
        sched_fail("no memory");
    }
    faci_mux_begin(w.conn, 0);
    atomic_store(&w.conn->users, 1U); /* others come and go */
    w.conn->timed_seq = UINT64_MAX;   /* the way is as long as the setting says */
    w.conn->round_trip_ns = w.setting->is_near ? 1 : 0;
}

/* At every point, when nobody has the lock: who waits has a reader, and there is one at most. */
static void check(void *context)
{
    (void)context;
    struct faci_conn *conn = w.conn;
    if (w.owner != NOBODY || faci_conn_is_poisoned(conn)) {
        return;
    }
    unsigned n_waiting = 0;
    unsigned n_reading = 0;
    struct faci_place place = conn->line.due;
    for (uint64_t i = conn->n_done; i < conn->n_appended; i++) {
        enum faci_slot_state state = faci_slot_state(faci_place_next(&place));
        n_waiting += state == FACI_SLOT_WAITING ? 1U : 0U;
        n_reading += state == FACI_SLOT_READING ? 1U : 0U;
    }
    if (n_reading > 1) {
        sched_fail("%u callers read", n_reading);
    }
    if (n_waiting + n_reading > 0 && !conn->has_reader) {
        sched_fail("%u callers wait, and nobody reads", n_waiting);
    }
    if (conn->n_done > conn->n_flushed || conn->n_flushed > conn->n_appended) {
        sched_fail("more is answered than was asked");
    }
}

/* What was said not to be sent was not; and the stream is in step: one more call gets its own,
 * and what came for those who had left was dropped. */
static void end(void *context)
{
    (void)context;
    if (!faci_conn_is_poisoned(w.conn) && (w.conn->has_reader || w.conn->has_sender)) {
        sched_fail("a token is lost");
    }
    for (size_t i = 0; i < w.n_seen; i++) {
        const unsigned char *key = w.wire + i * FRAME_BYTES + sizeof(k_frame) - 1;
        if (w.was_refused[key[0] - 'a'][key[1] - '0']) {
            sched_fail("%.2s was sent, and its caller was told that it was not", key);
        }
    }
    if (w.setting->n_answers == 0) {
        unsigned n_late = w.n_late;
        call(0, 0, false);
        if (atomic_load(&w.tally.late_replies) != n_late || w.sinks[0][0].n_ended != 1) {
            sched_fail("%llu late replies were counted, and %u came",
                       atomic_load(&w.tally.late_replies), n_late);
        }
    } else if (!faci_conn_is_poisoned(w.conn)) {
        sched_fail("a silent connection lives on");
    }
    faci_conn_free(w.conn);
    if (atomic_load(&w.memory.n_blocks) != 0) {
        sched_fail("memory is lost");
    }
}

/* --- Plans ----------------------------------------------------------------------------------- */

static struct sched_plan plan_of(struct setting *setting, unsigned n_callers,
                                 unsigned n_preemptions, unsigned n_surprises)
{
    return (struct sched_plan){.n_callers = n_callers,
                               .n_preemptions = n_preemptions,
                               .n_surprises = n_surprises,
                               .needs_time = setting->n_answers > 0,
                               .horizon_ns = (int64_t)HORIZON_MS * FACI_NS_PER_MS,
                               .n_runs_max = SIZE_MAX,
                               .begin = begin,
                               .run = run,
                               .check = check,
                               .end = end,
                               .context = setting};
}

static void explore_all(struct setting *setting, unsigned n_callers, unsigned n_preemptions,
                        unsigned n_surprises)
{
    for (unsigned is_near = 0; is_near < 2; is_near++) {
        setting->is_near = is_near == 1;
        struct sched_plan plan = plan_of(setting, n_callers, n_preemptions, n_surprises);
        struct sched_result result = sched_explore(&plan);
        (void)printf(
            "%s: %zu schedules of %u callers, all with %u preemptions and %u surprises\n",
            setting->is_near ? "near" : "far", result.n_runs, n_callers, n_preemptions,
            n_surprises);
        assert_string_equal(result.failure, "");
        assert_true(result.is_all);
    }
}

static void test_handover__callers_come_and_go(void **state)
{
    (void)state;
    struct setting setting = {.n_calls = 1, .can_be_slow = true};
    explore_all(&setting, 3, 3, 1);
}

static void test_handover__callers_call_again(void **state)
{
    (void)state;
    struct setting setting = {.n_calls = 2, .can_be_slow = true};
    explore_all(&setting, 2, 4, 1);
}

static void test_handover__some_have_little_time(void **state)
{
    (void)state;
    static const unsigned k_hasty[] = {1, 3,
                                       7}; /* which ones does not matter: all come first */
    for (size_t i = 0; i < KIT_COUNT(k_hasty); i++) {
        struct setting setting = {.n_calls = 1, .can_be_slow = true, .hasty = k_hasty[i]};
        explore_all(&setting, 3, 2, 2);
    }
}

static void test_handover__the_kernel_takes_a_part(void **state)
{
    (void)state;
    struct setting setting = {.n_calls = 1, .can_send_in_part = true};
    explore_all(&setting, 3, 2, 1);
    setting.hasty = 1;
    explore_all(&setting, 2, 3, 2);
}

static void test_handover__a_silent_peer_lets_all_go(void **state)
{
    (void)state;
    struct setting setting = {.n_calls = 1, .n_answers = 1, .can_be_slow = true};
    explore_all(&setting, 3, 2, 0);
}

static void test_handover__a_crowd_at_random(void **state)
{
    (void)state;
    uint64_t seed = kit_seed();
    size_t n_runs = 0;
    for (unsigned kind = 0; kind < 16; kind++) {
        struct setting setting = {.n_calls = 2,
                                  .is_near = (kind & 1) != 0,
                                  .can_be_slow = (kind & 2) != 0,
                                  .can_send_in_part = (kind & 4) != 0,
                                  .hasty = (kind & 8) != 0 ? 5 : 0};
        struct sched_plan plan = plan_of(&setting, SCHED_CALLERS_MAX, UINT32_MAX, UINT32_MAX);
        plan.seed = kit_random(&seed);
        plan.n_runs_max = kit_scaled(4000);
        struct sched_result result = sched_explore(&plan);
        n_runs += result.n_runs;
        assert_string_equal(result.failure, "");
    }
    (void)printf("%zu schedules of %d callers at random\n", n_runs, SCHED_CALLERS_MAX);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_handover__callers_come_and_go),
    KIT_TEST(test_handover__callers_call_again),
    KIT_TEST(test_handover__some_have_little_time),
    KIT_TEST(test_handover__the_kernel_takes_a_part),
    KIT_TEST(test_handover__a_silent_peer_lets_all_go),
    KIT_TEST(test_handover__a_crowd_at_random),
};

KIT_MAIN(k_tests)
