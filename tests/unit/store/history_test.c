/* SPDX-License-Identifier: MIT */
/* Linearizability: few keys, many threads, and each history of a key has an order in which a plain
 * register gives the same answers. Values say who wrote them and when; a reader never goes back. */
#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum {
    N_THREADS = 4,
    N_KEYS = 3,
    ROUND_OPS = 4, /* of each thread: 16 operations in all are searched for an order */
    MAX_OPS = N_THREADS * ROUND_OPS,
};

enum verb {
    GET,
    SET,
    ADD,
    DELETE,
    INCREMENT,
    N_VERBS,
};

/* One call as its caller saw it. `began` and `ended` are places in one count of all threads. */
struct call {
    enum verb verb;
    size_t key;
    uint64_t began;
    uint64_t ended;
    int64_t argument; /* written, or added */
    int64_t answer;   /* read, or the sum */
    fac_status status;
};

struct crowd {
    struct fixture fx;
    pthread_barrier_t barrier;
    atomic_ullong clock;
    size_t n_rounds;
    struct call calls[N_THREADS][ROUND_OPS];
};

struct worker {
    struct crowd *crowd;
    size_t index;
    uint64_t random;
    pthread_t thread;
};

static void do_call(struct crowd *crowd, struct call *call)
{
    char text[32];
    char buf[32] = "";
    size_t len = 0;
    struct faci_key key = numbered_key(text, sizeof(text), "k:", call->key);
    (void)snprintf(buf, sizeof(buf), "%lld", (long long)call->argument);
    call->began = atomic_fetch_add(&crowd->clock, 1U);
    switch (call->verb) {
    case GET:
        memset(buf, 0, sizeof(buf));
        call->status = faci_store_get_into(crowd->fx.store, &key, buf, sizeof(buf) - 1, &len);
        call->answer = strtoll(buf, NULL, 10);
        break;
    case SET:
    case ADD:
        call->status = faci_store_set(crowd->fx.store, &key, fac_str(buf), FACI_STORE_NO_EXPIRY,
                                      call->verb == SET ? FACI_STORE_SET : FACI_STORE_ADD,
                                      NULL);
        break;
    case DELETE:
        call->status = faci_store_delete(crowd->fx.store, &key);
        break;
    case INCREMENT:
    case N_VERBS:
        call->status = faci_store_increment(crowd->fx.store, &key, call->argument,
                                            FACI_STORE_NO_EXPIRY, &call->answer, NULL);
        break;
    }
    call->ended = atomic_fetch_add(&crowd->clock, 1U);
}

/* Others run at each allocation: wherever the store allocates between a look and an act, somebody
 * gets in. */
static void yield_once(void *observer, size_t bytes)
{
    (void)observer;
    (void)bytes;
    (void)sched_yield();
}

static void open_yielding(struct crowd *crowd)
{
    fixture_init(&crowd->fx, MIB);
    crowd->fx.memory.before_allocate = yield_once;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct crowd *crowd = worker->crowd;
    for (size_t round = 0; round < crowd->n_rounds; round++) {
        (void)pthread_barrier_wait(&crowd->barrier); /* the round begins */
        for (size_t i = 0; i < ROUND_OPS; i++) {
            struct call *call = &crowd->calls[worker->index][i];
            uint64_t any = kit_random(&worker->random);
            *call = (struct call){.verb = (enum verb)((any >> 8) % N_VERBS),
                                  .key = (size_t)(any >> 16) % N_KEYS,
                                  .argument = (int64_t)(any >> 40)};
            do_call(crowd, call);
        }
        (void)pthread_barrier_wait(&crowd->barrier); /* and is judged by the main thread */
    }
    return NULL;
}

struct reg {
    bool is_set;
    int64_t value;
};

/* What a register in this state would have answered, and then be. */
static bool agrees(const struct call *call, struct reg *reg)
{
    switch (call->verb) {
    case GET:
        return reg->is_set ? call->status == FAC_OK && call->answer == reg->value
                           : call->status == FAC_MISS;
    case ADD:
        if (reg->is_set) {
            return call->status == FAC_EXISTS;
        }
        *reg = (struct reg){true, call->argument};
        return call->status == FAC_OK;
    case DELETE: {
        bool was_set = reg->is_set;
        reg->is_set = false;
        return call->status == (was_set ? FAC_OK : FAC_MISS);
    }
    case SET:
        *reg = (struct reg){true, call->argument};
        return call->status == FAC_OK;
    case INCREMENT:
    case N_VERBS:
        break;
    }
    int64_t sum = (reg->is_set ? reg->value : 0) + call->argument;
    *reg = (struct reg){true, sum};
    return call->status == FAC_OK && call->answer == sum;
}

/* Wing and Gong's search: take any call that none of the others ended before, if a register agrees,
 * and go on with the rest. `left` is a set of bits. */
static bool has_order(const struct call *const *calls, size_t n, unsigned left, struct reg reg,
                      struct reg last)
{
    if (left == 0) {
        return reg.is_set == last.is_set && (!reg.is_set || reg.value == last.value);
    }
    uint64_t first_end = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        if ((left >> i & 1U) != 0 && calls[i]->ended < first_end) {
            first_end = calls[i]->ended;
        }
    }
    for (size_t i = 0; i < n; i++) {
        struct reg after = reg;
        if ((left >> i & 1U) != 0 && calls[i]->began < first_end && agrees(calls[i], &after) &&
            has_order(calls, n, left & ~(1U << i), after, last)) {
            return true;
        }
    }
    return false;
}

/* What the store holds, seen with nobody else about. */
static struct reg look(struct crowd *crowd, size_t key)
{
    struct call call = {.verb = GET, .key = key};
    do_call(crowd, &call);
    return (struct reg){call.status == FAC_OK, call.answer};
}

static void judge(struct crowd *crowd, size_t key, struct reg *reg)
{
    const struct call *calls[MAX_OPS];
    size_t n = 0;
    for (size_t t = 0; t < N_THREADS; t++) {
        for (size_t i = 0; i < ROUND_OPS; i++) {
            if (crowd->calls[t][i].key == key) {
                calls[n++] = &crowd->calls[t][i];
            }
        }
    }
    struct reg last = look(crowd, key);
    if (!has_order(calls, n, (1U << n) - 1, *reg, last)) {
        for (size_t i = 0; i < n; i++) {
            print_message("%llu-%llu: verb %d, %lld: status %d, %lld\n",
                          (unsigned long long)calls[i]->began,
                          (unsigned long long)calls[i]->ended, (int)calls[i]->verb,
                          (long long)calls[i]->argument, (int)calls[i]->status,
                          (long long)calls[i]->answer);
        }
        fail_msg("no order of these calls explains their answers");
    }
    *reg = last;
}

static void test_history__has_an_order(void **state)
{
    (void)state;
    static struct crowd crowd;
    memset(&crowd, 0, sizeof(crowd));
    open_yielding(&crowd);
    crowd.n_rounds = kit_scaled(20000);
    struct worker workers[N_THREADS];
    struct reg regs[N_KEYS] = {{false, 0}};
    assert_int_equal(pthread_barrier_init(&crowd.barrier, NULL, N_THREADS + 1), 0);
    for (size_t i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker){
            .crowd = &crowd, .index = i, .random = kit_seed() + i * 0x9e3779b97f4a7c15U};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t round = 0; round < crowd.n_rounds; round++) {
        (void)pthread_barrier_wait(&crowd.barrier);
        (void)pthread_barrier_wait(&crowd.barrier);
        for (size_t key = 0; key < N_KEYS; key++) {
            judge(&crowd, key, &regs[key]);
        }
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    }
    (void)pthread_barrier_destroy(&crowd.barrier);
    fixture_fini(&crowd.fx);
}

/* --- Readers that hold on ------------------------------------------------------------------- */

enum {
    N_HELD = 16,
    HOLD_KEYS = 200,
    HOLD_BYTES = 500,
};

struct holder {
    struct crowd *crowd;
    uint64_t random;
    bool is_writer;
    size_t n_wrong;
    pthread_t thread;
};

static bool is_whole(const fac_value *value)
{
    fac_bytes bytes = fac_value_bytes(value);
    const unsigned char *at = bytes.data;
    for (size_t i = 1; i < bytes.len; i++) {
        if (at[i] != at[0]) {
            return false;
        }
    }
    return bytes.len == HOLD_BYTES && at[bytes.len] == 0;
}

/* Values are held over replacement, eviction, expiry, deletion and dropping; each is looked at
 * again before it is given up. `versions` of a key never go back for one reader. */
static void *hold(void *arg)
{
    struct holder *holder = arg;
    struct crowd *crowd = holder->crowd;
    fac_value *held[N_HELD] = {NULL};
    unsigned char bytes[HOLD_BYTES];
    for (size_t n = 0; n < crowd->n_rounds; n++) {
        uint64_t any = kit_random(&holder->random);
        char text[32];
        struct faci_key key = numbered_key(text, sizeof(text), "k:", (size_t)any % HOLD_KEYS);
        fac_value **place = &held[(any >> 32) % N_HELD];
        if (holder->is_writer) {
            memset(bytes, (int)(any >> 40 & 0xff), sizeof(bytes));
            (void)faci_store_set(crowd->fx.store, &key, fac_mem(bytes, sizeof(bytes)),
                                 any % 3 == 0 ? 1000 : FACI_STORE_NO_EXPIRY, FACI_STORE_SET,
                                 NULL);
            if (n % 5000 == 4999) {
                faci_store_drop_all(crowd->fx.store);
            } else if (n % 100 == 99) {
                (void)faci_store_delete(crowd->fx.store, &key);
            }
        } else {
            holder->n_wrong += *place != NULL && !is_whole(*place);
            fac_value_unref(*place);
            *place = NULL;
            (void)faci_store_get(crowd->fx.store, &key, place);
        }
    }
    (void)pthread_barrier_wait(&crowd->barrier); /* the store is freed, */
    (void)pthread_barrier_wait(&crowd->barrier); /* and what is held stays */
    for (size_t i = 0; i < N_HELD; i++) {
        holder->n_wrong += held[i] != NULL && !is_whole(held[i]);
        fac_value_unref(held[i]);
    }
    return NULL;
}

static void test_history__what_is_held_stays(void **state)
{
    (void)state;
    static struct crowd crowd;
    memset(&crowd, 0, sizeof(crowd));
    fixture_init(&crowd.fx, 64 * KIB); /* about half of the keys */
    crowd.n_rounds = kit_scaled(100000);
    struct holder holders[N_THREADS];
    assert_int_equal(pthread_barrier_init(&crowd.barrier, NULL, N_THREADS + 1), 0);
    for (size_t i = 0; i < N_THREADS; i++) {
        holders[i] = (struct holder){
            .crowd = &crowd, .random = kit_seed() + i, .is_writer = i % 2 == 0};
        assert_int_equal(pthread_create(&holders[i].thread, NULL, hold, &holders[i]), 0);
    }
    (void)pthread_barrier_wait(&crowd.barrier);
    assert_true(stats_of(&crowd.fx).n_evicted > 0 || kit_scaled(100) < 100);
    faci_store_free(crowd.fx.store);
    (void)pthread_barrier_wait(&crowd.barrier);
    for (size_t i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(holders[i].thread, NULL), 0);
        assert_int_equal(holders[i].n_wrong, 0);
    }
    (void)pthread_barrier_destroy(&crowd.barrier);
    kit_memory_assert_empty(&crowd.fx.memory);
}

/* One writer counts up, readers never see a lower number than before. */
static void *never_back(void *arg)
{
    struct worker *worker = arg;
    struct crowd *crowd = worker->crowd;
    int64_t last = 0;
    uintptr_t n_wrong = 0;
    for (size_t n = 0; n < crowd->n_rounds; n++) {
        struct call call = {.verb = worker->index == 0 ? SET : GET, .argument = (int64_t)n};
        do_call(crowd, &call);
        if (call.verb == GET && call.status == FAC_OK) {
            n_wrong += call.answer < last;
            last = call.answer;
        }
    }
    return (void *)n_wrong; /* NOLINT(performance-no-int-to-ptr): a count */
}

static void test_history__no_reader_goes_back(void **state)
{
    (void)state;
    static struct crowd crowd;
    memset(&crowd, 0, sizeof(crowd));
    fixture_init(&crowd.fx, MIB);
    crowd.n_rounds = kit_scaled(200000);
    struct worker workers[N_THREADS];
    for (size_t i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker){.crowd = &crowd, .index = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, never_back, &workers[i]), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        void *n_wrong = NULL;
        assert_int_equal(pthread_join(workers[i].thread, &n_wrong), 0);
        assert_null(n_wrong);
    }
    fixture_fini(&crowd.fx);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_history__has_an_order),
    KIT_TEST(test_history__what_is_held_stays),
    KIT_TEST(test_history__no_reader_goes_back),
};

KIT_MAIN(k_tests)
