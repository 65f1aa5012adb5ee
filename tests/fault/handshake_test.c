/* SPDX-License-Identifier: MIT */
/* Row A7: the handshake cut, held up or replaced by an error at every byte of every one of its
 * replies; when a handle opens, and when it connects again under a call. No byte of a handshake is
 * ever anybody's answer, and every call ends: with its own answer, or a typed error. */
#include "fault/states.h"
#include "kit/kit.h"
#include "kit/replypeer.h"
#include "kit/wait.h"
#include "live/live.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    WORKERS = 12,  /* most of a case is waiting */
    SHORT_MS = 60, /* for what nothing ends but the deadline */
    PAUSE_MS = 3,  /* of a delay that the deadline outlives */
    NOTE_BYTES = 500,
};

enum fault {
    CUT,
    CUT_BY_RST,
    STALL,
    DELAY,
    ERROR,
    N_FAULTS
};
static const char *const k_fault_names[N_FAULTS] = {"cut", "reset", "stall", "delay", "error"};

struct mode {
    const char *name;
    bool is_resp2;
    const char *password;
    int db;
};

static const struct mode k_plain3 = {"RESP3", false, NULL, 0};
static const struct mode k_auth3 = {"RESP3 with AUTH", false, "secret", 2};
static const struct mode k_plain2 = {"RESP2", true, NULL, 0};
static const struct mode k_auth2 = {"RESP2 with AUTH", true, "secret", 2};

/* What one peer does: its next connection's handshake is hit once. */
struct worker {
    const struct mode *mode;
    struct kit_replypeer *peer;
    struct shared *shared;
    fac_options options;

    pthread_mutex_t lock; /* of what follows up to the counters: the peer's thread reads it */
    bool is_armed;
    enum fault fault;
    size_t at;           /* the byte of the handshake where it is hit */
    size_t conn;         /* whose handshake it is, plus one; 0: the next one's */
    size_t n_bytes;      /* of that handshake so far */
    bool has_auth;       /* AUTH was among it */
    size_t refused_conn; /* plus one: a vital reply was an error, no command may follow */

    size_t n_ok;
    size_t n_typed;
    size_t n_hit;
    char wrong[NOTE_BYTES];
};

struct shared {
    size_t n_bytes; /* of a whole handshake */
    atomic_size_t next_case;
    atomic_size_t n_wrong;
};

/* With RESP2 what came along with the refused HELLO is asked again behind AUTH. */
static bool is_vital(const struct worker *worker, const struct kit_frame *frame)
{
    bool is_first = kit_frame_says(frame, 0, "HELLO") || kit_frame_says(frame, 0, "SELECT");
    return kit_frame_says(frame, 0, "AUTH") ||
           (is_first && (!worker->mode->is_resp2 || worker->has_auth));
}

static void hit(struct worker *worker, struct kit_reply *reply, size_t at)
{
    worker->n_hit++;
    reply->keep = at;
    switch (worker->fault) {
    case CUT:
        reply->then = KIT_REPLY_FIN;
        break;
    case CUT_BY_RST:
        reply->then = KIT_REPLY_RST;
        break;
    case STALL:
        reply->then = KIT_REPLY_STALL;
        break;
    case DELAY:
        reply->keep = SIZE_MAX;
        reply->pause_at = at;
        reply->pause_ms = PAUSE_MS;
        break;
    case ERROR:
        reply->instead = fac_str("-ERR injected\r\n");
        if (at == 0 && is_vital(worker, reply->frame)) {
            worker->refused_conn = reply->conn + 1;
        }
        break;
    case N_FAULTS:
        break;
    }
}

static void edit_locked(struct worker *worker, struct kit_reply *reply)
{
    if (!reply->is_setup) {
        if (worker->refused_conn == reply->conn + 1) {
            kit_replypeer_blame(worker->peer, "a command behind a refused handshake");
        }
        /* The end of a connection, so that the next call needs another. */
        if (kit_frame_says(reply->frame, 1, "bye")) {
            reply->then = KIT_REPLY_FIN;
        }
        return;
    }
    if (reply->number == 0 && worker->conn == 0) {
        worker->conn = reply->conn + 1;
        worker->n_bytes = 0;
        worker->has_auth = false;
    }
    if (worker->conn != reply->conn + 1) {
        return;
    }
    worker->has_auth = worker->has_auth || kit_frame_says(reply->frame, 0, "AUTH");
    size_t start = worker->n_bytes;
    worker->n_bytes += reply->bytes.len;
    bool is_here = worker->at >= start && worker->at < worker->n_bytes;
    if (is_here && worker->is_armed) {
        worker->is_armed = false;
        hit(worker, reply, worker->at - start);
    }
}

static void edit(struct kit_reply *reply, void *argument)
{
    struct worker *worker = argument;
    (void)pthread_mutex_lock(&worker->lock);
    edit_locked(worker, reply);
    (void)pthread_mutex_unlock(&worker->lock);
}

/* Before a connection is made. */
static void arm(struct worker *worker, enum fault fault, size_t at)
{
    (void)pthread_mutex_lock(&worker->lock);
    worker->fault = fault;
    worker->at = at;
    worker->conn = 0;
    worker->refused_conn = 0;
    worker->is_armed = true;
    (void)pthread_mutex_unlock(&worker->lock);
}

/* --- One case -------------------------------------------------------------------------------- */

static void note_wrong(struct worker *worker, const char *form, enum fault fault, size_t at,
                       const char *what, fac_status st, const fac_error *err)
{
    (void)atomic_fetch_add(&worker->shared->n_wrong, 1U);
    (void)snprintf(worker->wrong, NOTE_BYTES, "%s, %s at byte %zu, %s: %s: %s %s",
                   worker->mode->name, k_fault_names[fault], at, form, what,
                   fac_status_name(st), st < 0 ? err->message : "");
}

static bool is_typed(fac_status st)
{
    return st == FAC_E_UNAVAILABLE || st == FAC_E_TIMEOUT || st == FAC_E_PROTOCOL ||
           st == FAC_E_AUTH || st == FAC_E_SERVER;
}

/* The peer mirrors names: the answer to a key is the key. FAC_OK with another value is
 * FAC_E_INVALID here. */
static fac_status get(fac_cache *cache, const char *key, uint32_t deadline_ms, fac_error *err)
{
    char buf[64];
    size_t len = 0;
    fac_call call = fac_call_within(deadline_ms);
    fac_status st = fac_cache_get_into(cache, fac_str(key), &call, buf, sizeof(buf), &len, err);
    bool is_other = st == FAC_OK && (len != strlen(key) || memcmp(buf, key, len) != 0);
    return is_other ? FAC_E_INVALID : st;
}

static fac_status open_handle(const struct worker *worker, uint32_t timeout_ms, fac_cache **out,
                              fac_error *err)
{
    fac_options options = worker->options;
    options.timeout_ms = timeout_ms;
    return fac_cache_open(&options, out, err);
}

static bool ends_only_by_deadline(enum fault fault)
{
    return fault == STALL || fault == ERROR;
}

/* The handshake of a handle that opens. */
static void hit_open(struct worker *worker, enum fault fault, size_t at)
{
    fac_cache *cache = NULL;
    fac_error err;
    arm(worker, fault, at);
    uint32_t timeout_ms = ends_only_by_deadline(fault) ? SHORT_MS : LIVE_TIMEOUT_MS;
    fac_status st = open_handle(worker, timeout_ms, &cache, &err);
    if (st != FAC_OK) {
        worker->n_typed++;
        if (!is_typed(st) || fault == DELAY) {
            note_wrong(worker, "open", fault, at, "open", st, &err);
        }
        return;
    }
    worker->n_ok++;
    st = get(cache, "mine", 0, &err);
    /* With the short timeout a busy machine may be late. */
    if (st != FAC_OK && !(ends_only_by_deadline(fault) && st == FAC_E_TIMEOUT)) {
        note_wrong(worker, "open", fault, at, "get", st, &err);
    }
    fac_cache_close(cache);
}

/* The handshake of a connection that a call needs, because the last one ended. */
static void hit_again(struct worker *worker, enum fault fault, size_t at)
{
    fac_cache *cache = NULL;
    fac_error err;
    fac_status st = open_handle(worker, LIVE_TIMEOUT_MS, &cache, &err);
    if (st != FAC_OK) {
        note_wrong(worker, "again", fault, at, "a good open", st, &err);
        return;
    }
    st = get(cache, "bye", 0, &err);
    if (st != FAC_OK) {
        note_wrong(worker, "again", fault, at, "a good get", st, &err);
    }
    arm(worker, fault, at);
    st = get(cache, "mine", ends_only_by_deadline(fault) ? SHORT_MS : 0, &err);
    if ((st != FAC_OK && !is_typed(st)) || (fault == DELAY && st != FAC_OK)) {
        note_wrong(worker, "again", fault, at, "get", st, &err);
    }
    worker->n_ok += st == FAC_OK ? 1U : 0U;
    worker->n_typed += st < 0 ? 1U : 0U;
    int64_t give_up_at_ms = kit_now_ms() + LIVE_HEAL_MS;
    do {
        st = get(cache, "healed", 0, &err);
    } while (st < 0 && is_typed(st) && kit_now_ms() < give_up_at_ms);
    if (st != FAC_OK) {
        note_wrong(worker, "again", fault, at, "does not heal", st, &err);
    }
    /* An OK that was really the handshake's would have stored nothing. */
    char value[64];
    (void)snprintf(value, sizeof(value), "%zu:%d", at, (int)fault);
    st = fac_cache_set(cache, fac_str("set"), fac_str(value), FAC_TTL_NONE, NULL, &err);
    if (st != FAC_OK || !kit_replypeer_holds(worker->peer, "set", value)) {
        note_wrong(worker, "again", fault, at, "set", st, &err);
    }
    fac_cache_close(cache);
}

static void work(size_t index, void *argument)
{
    struct worker *worker = &((struct worker *)argument)[index];
    struct shared *shared = worker->shared;
    for (;;) {
        size_t number = atomic_fetch_add(&shared->next_case, 1U);
        size_t at = number / (2U * N_FAULTS);
        enum fault fault = (enum fault)(number / 2 % N_FAULTS);
        if (at >= shared->n_bytes) {
            return;
        }
        if (number % 2 == 0) {
            hit_open(worker, fault, at);
        } else {
            hit_again(worker, fault, at);
        }
    }
}

/* --- All cases of a mode --------------------------------------------------------------------- */

static void start_worker(struct worker *worker, const struct mode *mode, struct shared *shared)
{
    *worker = (struct worker){.mode = mode, .shared = shared};
    (void)pthread_mutex_init(&worker->lock, NULL);
    struct kit_replypeer_options options = {.fn = edit,
                                            .context = worker,
                                            .password = mode->password,
                                            .is_resp2 = mode->is_resp2,
                                            .is_mirror = true};
    worker->peer = kit_replypeer_start(&options);
    live_point_at(&worker->options, kit_replypeer_port(worker->peer));
    worker->options.prefix = "";
    worker->options.max_connections = 1;
    worker->options.password = mode->password;
    worker->options.db = mode->db;
    fault_without_breaker(&worker->options);
}

static void run(const struct mode *mode)
{
    static struct worker workers[WORKERS];
    struct shared shared = {0};
    for (size_t i = 0; i < WORKERS; i++) {
        start_worker(&workers[i], mode, &shared);
    }
    fac_cache *cache = NULL;
    fac_error err;
    assert_status(open_handle(&workers[0], LIVE_TIMEOUT_MS, &cache, &err), FAC_OK, &err);
    fac_cache_close(cache);
    (void)pthread_mutex_lock(&workers[0].lock);
    shared.n_bytes = workers[0].n_bytes;
    (void)pthread_mutex_unlock(&workers[0].lock);
    assert_in_range(shared.n_bytes, 50, 2000);

    kit_threads_join(kit_threads_start(WORKERS, work, workers));
    size_t n_ok = 0;
    size_t n_typed = 0;
    size_t n_hit = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        if (workers[i].wrong[0] != '\0') {
            (void)fprintf(stderr, "%s\n", workers[i].wrong);
        }
        kit_replypeer_stop(workers[i].peer);
        (void)pthread_mutex_destroy(&workers[i].lock);
        n_ok += workers[i].n_ok;
        n_typed += workers[i].n_typed;
        n_hit += workers[i].n_hit;
    }
    (void)printf("%s: %zu bytes, %zu handshakes hit; the call was answered all the same %zu "
                 "times, and got a typed error %zu times\n",
                 mode->name, shared.n_bytes, n_hit, n_ok, n_typed);
    assert_int_equal(atomic_load(&shared.n_wrong), 0);
    assert_int_equal(n_ok + n_typed, shared.n_bytes * 2 * N_FAULTS);
    assert_true(n_hit * 10 >= shared.n_bytes * 2 * N_FAULTS * 9);
}

static void test_handshake__hit_at_every_byte(void **state)
{
    (void)state;
    run(&k_plain3);
}

static void test_handshake__hit_at_every_byte_with_auth(void **state)
{
    (void)state;
    run(&k_auth3);
}

static void test_handshake__hit_at_every_byte_of_resp2(void **state)
{
    (void)state;
    run(&k_plain2);
}

static void test_handshake__hit_at_every_byte_of_resp2_with_auth(void **state)
{
    (void)state;
    run(&k_auth2);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_handshake__hit_at_every_byte),
    KIT_TEST(test_handshake__hit_at_every_byte_with_auth),
    KIT_TEST(test_handshake__hit_at_every_byte_of_resp2),
    KIT_TEST(test_handshake__hit_at_every_byte_of_resp2_with_auth),
};

KIT_MAIN(k_tests)
