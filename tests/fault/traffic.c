/* SPDX-License-Identifier: MIT */
/* fault/traffic.c — the threads of the load: what they ask, and how they judge the answers. */
#include "fault/traffic.h"

#include "fault/traffic_keys.h"
#include "kit/kit.h"
#include "kit/selfvalue.h"
#include "kit/wait.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_MAX = 8,
    KEY_BYTES = 48,
    COUNTERS = 2,   /* of each thread */
    PATIENT_OF = 8, /* one call in so many has the cache's whole timeout */
    TTL_MS = 3600000
};

struct traffic {
    struct traffic_options options;
    struct kit_ledger *ledger;
    struct kit_threads *threads;
    int64_t begun_at_ms;
    _Atomic uint64_t *n_shared;   /* writes begun of each shared key */
    atomic_uint_least64_t n_left; /* operations, when they are counted */
    atomic_uint_least64_t n_wrong;
    atomic_uint_least64_t n_stale;
    atomic_uint_least64_t n_timeouts;
    atomic_uint_least64_t n_read_bytes;
    pthread_mutex_t lock; /* guards the text */
    char first_wrong[256];
};

/* One thread. */
struct worker {
    struct traffic *traffic;
    size_t index;
    uint64_t random;
    struct own_key *own;
    struct own_counter counters[COUNTERS];
    unsigned char *bytes; /* BATCH_MAX values */
    size_t value_bytes;   /* of one */
    const fac_call *call; /* of the operation under way, or NULL */
    fac_call within;
    fac_error err;
};

/* One key of an operation. */
struct target {
    char text[KEY_BYTES];
    fac_bytes key;
    bool is_own;
    size_t place;
    uint64_t seq; /* of a write */
    uint64_t id;  /* in the ledger */
};

static uint64_t draw(struct worker *worker, uint64_t n)
{
    return kit_random(&worker->random) % n;
}

static void complain(struct worker *worker, const struct target *target, const char *op,
                     const char *what, uint64_t number)
{
    struct traffic *traffic = worker->traffic;
    (void)pthread_mutex_lock(&traffic->lock);
    if (atomic_fetch_add(&traffic->n_wrong, 1U) == 0) {
        (void)snprintf(traffic->first_wrong, sizeof(traffic->first_wrong),
                       "thread %zu, %s %.*s: %s (%" PRIu64 ")", worker->index, op,
                       (int)target->key.len, target->text, what, number);
    }
    (void)pthread_mutex_unlock(&traffic->lock);
}

static void judge(struct worker *worker, const struct target *target, const char *op,
                  enum verdict verdict, uint64_t number)
{
    if (verdict == VERDICT_STALE) {
        (void)atomic_fetch_add(&worker->traffic->n_stale, 1U);
    } else if (verdict == VERDICT_WRONG) {
        complain(worker, target, op, "an answer that cannot be", number);
    }
}

/* --- Keys ------------------------------------------------------------------------------------ */

static void aim_at(struct worker *worker, struct target *target, bool is_own, size_t place)
{
    uint64_t run = worker->traffic->options.seed;
    int len = is_own ? snprintf(target->text, sizeof(target->text), "o:%" PRIx64 ":%zu:%zu",
                                run, worker->index, place)
                     : snprintf(target->text, sizeof(target->text), "s:%" PRIx64 ":%zu", run,
                                place);
    target->key = fac_mem(target->text, (size_t)len);
    target->is_own = is_own;
    target->place = place;
}

/* `n` different keys, half of the time one's own. */
static void aim(struct worker *worker, struct target *targets, size_t n)
{
    const struct traffic_options *options = &worker->traffic->options;
    bool is_own = draw(worker, 2) == 0;
    size_t all = is_own ? options->n_own_keys : options->n_shared_keys;
    size_t first = (size_t)draw(worker, all);
    for (size_t i = 0; i < n; i++) {
        aim_at(worker, &targets[i], is_own, (first + i) % all);
    }
}

static void begin_write(struct worker *worker, struct target *target)
{
    target->seq = target->is_own
                      ? ++worker->own[target->place].n_begun
                      : atomic_fetch_add(&worker->traffic->n_shared[target->place], 1U) + 1;
}

/* Make the value of a write in the i-th part of the buffer. */
static fac_bytes make_value(struct worker *worker, const struct target *target, size_t i)
{
    unsigned char *at = worker->bytes + i * worker->value_bytes;
    struct kit_self self = {.writer = worker->index,
                            .seq = target->seq,
                            .payload_bytes = kit_self_draw(
                                &worker->random, worker->value_bytes - KIT_SELF_EXTRA_BYTES)};
    return fac_mem(at, kit_self_make(at, target->key, &self));
}

static void check_value(struct worker *worker, const struct target *target, const char *op,
                        fac_bytes value)
{
    struct traffic *traffic = worker->traffic;
    struct kit_self self = {0};
    const char *problem = kit_self_check(value, target->key, &self);
    (void)atomic_fetch_add_explicit(&traffic->n_read_bytes, value.len, memory_order_relaxed);
    if (problem != NULL) {
        complain(worker, target, op, problem, value.len);
    } else if (target->is_own) {
        if (self.writer != worker->index) {
            complain(worker, target, op, "of another writer", self.writer);
        } else {
            judge(worker, target, op, own_key_read(&worker->own[target->place], self.seq),
                  self.seq);
        }
    } else if (self.writer >= traffic->options.n_threads || self.seq == 0 ||
               self.seq > atomic_load(&traffic->n_shared[target->place])) {
        complain(worker, target, op, "from a write nobody began", self.seq);
    }
}

static void check_miss(struct worker *worker, const struct target *target, const char *op)
{
    if (target->is_own) {
        judge(worker, target, op, own_key_seen(&worker->own[target->place], false), 0);
    }
}

/* --- The ends of operations ------------------------------------------------------------------ */

/* A call that failed at once must not take the processor from the server that is to come back. */
static void note_call(struct worker *worker, fac_status st)
{
    if (st == FAC_E_TIMEOUT) {
        (void)atomic_fetch_add(&worker->traffic->n_timeouts, 1U);
    } else if (st == FAC_E_UNAVAILABLE || st == FAC_E_BUSY) {
        kit_nap();
    }
}

static void begin_all(struct worker *worker, struct target *targets, size_t n)
{
    uint32_t most_ms = worker->traffic->options.deadline_max_ms;
    worker->call = NULL;
    if (most_ms > 0 && draw(worker, PATIENT_OF) != 0) {
        worker->within = fac_call_within(1 + (uint32_t)draw(worker, most_ms));
        worker->call = &worker->within;
    }
    worker->err = (fac_error){.status = FAC_OK};
    for (size_t i = 0; i < n; i++) {
        targets[i].id = kit_ledger_begin(worker->traffic->ledger, worker->index);
    }
}

static enum kit_outcome end(struct worker *worker, const struct target *target, fac_status st,
                            const fac_error *err)
{
    enum kit_outcome outcome = kit_outcome_of(st, err);
    if (st > FAC_MISS) {
        outcome = KIT_OUTCOME_BAD; /* no operation here can end so */
    }
    kit_ledger_end(worker->traffic->ledger, worker->index, target->id, outcome);
    return outcome;
}

/* An item of a batch: what the call's error says holds for the items without an answer. */
static enum kit_outcome end_item(struct worker *worker, const struct target *target,
                                 fac_status st, fac_status item)
{
    return end(worker, target, item, st < 0 && item == st ? &worker->err : NULL);
}

/* --- Operations ------------------------------------------------------------------------------ */

static size_t op_get(struct worker *worker)
{
    struct target target;
    fac_value *value = NULL;
    aim(worker, &target, 1);
    begin_all(worker, &target, 1);
    fac_status st = fac_cache_get(worker->traffic->options.cache, target.key, worker->call,
                                  &value, &worker->err);
    (void)end(worker, &target, st, &worker->err);
    note_call(worker, st);
    if (st == FAC_OK) {
        check_value(worker, &target, "get", fac_value_bytes(value));
        fac_value_unref(value);
    } else if (st == FAC_MISS) {
        check_miss(worker, &target, "get");
    }
    return 1;
}

static size_t op_get_into(struct worker *worker)
{
    struct target target;
    size_t len = 0;
    aim(worker, &target, 1);
    begin_all(worker, &target, 1);
    fac_status st = fac_cache_get_into(worker->traffic->options.cache, target.key, worker->call,
                                       worker->bytes, worker->value_bytes, &len, &worker->err);
    (void)end(worker, &target, st, &worker->err);
    note_call(worker, st);
    if (st == FAC_OK) {
        check_value(worker, &target, "get_into", fac_mem(worker->bytes, len));
    } else if (st == FAC_MISS) {
        check_miss(worker, &target, "get_into");
    }
    return 1;
}

static void end_write(struct worker *worker, const struct target *target,
                      enum kit_outcome outcome)
{
    if (target->is_own) {
        own_key_wrote(&worker->own[target->place], target->seq, outcome);
    }
}

static size_t op_set(struct worker *worker)
{
    struct target target;
    aim(worker, &target, 1);
    begin_write(worker, &target);
    fac_bytes value = make_value(worker, &target, 0);
    begin_all(worker, &target, 1);
    fac_status st = fac_cache_set(worker->traffic->options.cache, target.key, value, TTL_MS,
                                  worker->call, &worker->err);
    end_write(worker, &target, end(worker, &target, st, &worker->err));
    note_call(worker, st);
    return 1;
}

static size_t op_delete(struct worker *worker)
{
    struct target target;
    aim(worker, &target, 1);
    begin_all(worker, &target, 1);
    fac_status st = fac_cache_delete(worker->traffic->options.cache, target.key, worker->call,
                                     &worker->err);
    enum kit_outcome outcome = end(worker, &target, st, &worker->err);
    note_call(worker, st);
    if (target.is_own) {
        judge(worker, &target, "delete", own_key_deleted(&worker->own[target.place], outcome),
              (uint64_t)(st == FAC_OK));
    }
    return 1;
}

static size_t op_exists(struct worker *worker)
{
    struct target target;
    aim(worker, &target, 1);
    begin_all(worker, &target, 1);
    fac_status st = fac_cache_exists(worker->traffic->options.cache, target.key, worker->call,
                                     &worker->err);
    (void)end(worker, &target, st, &worker->err);
    note_call(worker, st);
    if (target.is_own && st >= 0) {
        judge(worker, &target, "exists", own_key_seen(&worker->own[target.place], st == FAC_OK),
              (uint64_t)(st == FAC_OK));
    }
    return 1;
}

static size_t op_increment(struct worker *worker)
{
    struct target target;
    int64_t number = -1;
    aim_at(worker, &target, true, worker->traffic->options.n_own_keys + draw(worker, COUNTERS));
    begin_all(worker, &target, 1);
    fac_status st = fac_cache_increment(worker->traffic->options.cache, target.key, 1, TTL_MS,
                                        worker->call, &number, &worker->err);
    enum kit_outcome outcome = end(worker, &target, st, &worker->err);
    note_call(worker, st);
    struct own_counter *counter =
        &worker->counters[target.place - worker->traffic->options.n_own_keys];
    judge(worker, &target, "increment", own_counter_added(counter, outcome, number),
          (uint64_t)number);
    return 1;
}

static size_t op_get_many(struct worker *worker)
{
    struct target targets[BATCH_MAX];
    fac_bytes keys[BATCH_MAX];
    fac_value *values[BATCH_MAX] = {NULL};
    fac_status statuses[BATCH_MAX];
    size_t n = 1 + (size_t)draw(worker, BATCH_MAX);
    aim(worker, targets, n);
    for (size_t i = 0; i < n; i++) {
        keys[i] = targets[i].key;
    }
    begin_all(worker, targets, n);
    fac_status st = fac_cache_get_many(worker->traffic->options.cache, keys, n, worker->call,
                                       values, statuses, &worker->err);
    note_call(worker, st);
    for (size_t i = 0; i < n; i++) {
        (void)end_item(worker, &targets[i], st, statuses[i]);
        if (statuses[i] == FAC_OK) {
            check_value(worker, &targets[i], "get_many", fac_value_bytes(values[i]));
            fac_value_unref(values[i]);
        } else if (statuses[i] == FAC_MISS) {
            check_miss(worker, &targets[i], "get_many");
        }
    }
    return n;
}

static size_t op_set_many(struct worker *worker)
{
    struct target targets[BATCH_MAX];
    fac_item items[BATCH_MAX];
    fac_status statuses[BATCH_MAX];
    size_t n = 1 + (size_t)draw(worker, BATCH_MAX);
    aim(worker, targets, n);
    for (size_t i = 0; i < n; i++) {
        begin_write(worker, &targets[i]);
        items[i] = (fac_item){targets[i].key, make_value(worker, &targets[i], i), TTL_MS};
    }
    begin_all(worker, targets, n);
    fac_status st = fac_cache_set_many(worker->traffic->options.cache, items, n, worker->call,
                                       statuses, &worker->err);
    note_call(worker, st);
    for (size_t i = 0; i < n; i++) {
        end_write(worker, &targets[i], end_item(worker, &targets[i], st, statuses[i]));
    }
    return n;
}

/* In how many of 100 calls. */
static const struct {
    size_t (*run)(struct worker *worker);
    unsigned share;
} k_ops[] = {
    {op_get, 32},   {op_get_into, 16}, {op_set, 20},     {op_delete, 6},
    {op_exists, 6}, {op_increment, 8}, {op_get_many, 7}, {op_set_many, 5},
};

static size_t run_one(struct worker *worker)
{
    unsigned number = (unsigned)draw(worker, 100);
    size_t i = 0;
    while (number >= k_ops[i].share) {
        number -= k_ops[i].share;
        i++;
    }
    return k_ops[i].run(worker);
}

/* --- Threads --------------------------------------------------------------------------------- */

static bool has_seen_all(struct traffic *traffic)
{
    struct kit_ledger_sum sum = kit_ledger_sum(traffic->ledger);
    return sum.n[KIT_OUTCOME_OK] > 0 && sum.n[KIT_OUTCOME_MISS] > 0 &&
           (traffic->options.deadline_max_ms == 0 || atomic_load(&traffic->n_timeouts) > 0);
}

static bool goes_on(struct traffic *traffic)
{
    int64_t passed_ms = kit_now_ms() - traffic->begun_at_ms;
    if (traffic->options.n_ops == 0) {
        return passed_ms < traffic->options.duration_ms;
    }
    return atomic_load_explicit(&traffic->n_left, memory_order_relaxed) > 0 ||
           (passed_ms < TRAFFIC_PATIENCE_MS && !has_seen_all(traffic));
}

static void take_off(struct traffic *traffic, uint64_t n)
{
    uint64_t left = atomic_load_explicit(&traffic->n_left, memory_order_relaxed);
    while (left > 0 &&
           !atomic_compare_exchange_weak(&traffic->n_left, &left, left > n ? left - n : 0)) {
    }
}

static void work(size_t index, void *context)
{
    struct traffic *traffic = context;
    struct worker worker = {.traffic = traffic, .index = index};
    worker.random = traffic->options.seed ^ (index + 1) * 0x9e3779b97f4a7c15U;
    worker.value_bytes = traffic->options.value_max_bytes + KIT_SELF_EXTRA_BYTES;
    worker.bytes = malloc(BATCH_MAX * worker.value_bytes);
    worker.own = calloc(traffic->options.n_own_keys, sizeof(*worker.own));
    if (worker.bytes == NULL || worker.own == NULL) {
        abort();
    }
    while (goes_on(traffic)) {
        uint64_t n = run_one(&worker);
        take_off(traffic, n);
    }
    free(worker.own);
    free(worker.bytes);
}

void traffic_turn_breaker_off(fac_options *options)
{
    fac_error err;
    fac_status st = fac_options_set(options, "breaker", "off", &err);
    assert_true(st == FAC_OK || st == FAC_E_CONFIG);
}

struct traffic *traffic_start(const struct traffic_options *options)
{
    struct traffic *traffic = calloc(1, sizeof(*traffic));
    assert_non_null(traffic);
    traffic->options = *options;
    struct traffic_options *ours = &traffic->options;
    ours->n_own_keys = ours->n_own_keys > 0 ? ours->n_own_keys : BATCH_MAX;
    ours->n_shared_keys = ours->n_shared_keys > 0 ? ours->n_shared_keys : 64;
    ours->value_max_bytes = ours->value_max_bytes > 0 ? ours->value_max_bytes : 2048;
    assert_true(ours->n_own_keys >= BATCH_MAX && ours->n_shared_keys >= BATCH_MAX);
    traffic->n_shared = calloc(ours->n_shared_keys, sizeof(*traffic->n_shared));
    assert_non_null(traffic->n_shared);
    traffic->ledger = kit_ledger_new(ours->n_threads);
    (void)pthread_mutex_init(&traffic->lock, NULL);
    atomic_init(&traffic->n_left, ours->n_ops);
    traffic->begun_at_ms = kit_now_ms();
    traffic->threads = kit_threads_start(ours->n_threads, work, traffic);
    return traffic;
}

uint64_t traffic_ended(const struct traffic *traffic)
{
    return kit_ledger_sum(traffic->ledger).n_ended;
}

void traffic_join(struct traffic *traffic, struct traffic_result *out)
{
    kit_threads_join(traffic->threads);
    out->seconds = (double)(kit_now_ms() - traffic->begun_at_ms) / 1000;
    kit_ledger_assert_whole(traffic->ledger);
    out->ledger = kit_ledger_sum(traffic->ledger);
    out->n_wrong = atomic_load(&traffic->n_wrong);
    out->n_stale = atomic_load(&traffic->n_stale);
    out->n_timeouts = atomic_load(&traffic->n_timeouts);
    out->n_read_bytes = atomic_load(&traffic->n_read_bytes);
    memcpy(out->first_wrong, traffic->first_wrong, sizeof(out->first_wrong));
    kit_ledger_free(traffic->ledger);
    (void)pthread_mutex_destroy(&traffic->lock);
    free(traffic->n_shared);
    free(traffic);
}
