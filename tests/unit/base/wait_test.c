/* SPDX-License-Identifier: MIT */
/* Sleeping and waking, in both rooms: the program is built a second time with the pthread room
 * before the library (fac_wait_test), and told which one it has. */
#include "base/wait.h"

#include "base/clock.h"

#include "kit/kit.h"
#include "kit/wait.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LIMIT_MS = 20000, /* a sleep that lasts as long was forgotten */
    N_SLEEPERS = 8,
    N_WORDS = 3,
};

static int64_t in_ms(uint64_t ms)
{
    return faci_clock_after_ms(faci_clock_now_ns(), ms);
}

/* --- No wake-up is lost ---------------------------------------------------------------------- */

struct sleeper {
    atomic_uint turn;   /* how often it was called */
    unsigned n_answers; /* its own */
};

struct dormitory {
    struct faci_wait_word words[N_WORDS];
    struct faci_wait_word answered;
    struct sleeper sleepers[N_SLEEPERS];
    atomic_uint n_missing; /* answers to this call */
    atomic_bool is_over;
    atomic_uint n_forgotten;
    uint64_t seed;
};

/* So that a wake-up falls between a look and the sleep, before, or behind. */
static void dawdle(uint64_t *seed)
{
    uint64_t n = kit_random(seed) % 2048;
    for (volatile uint64_t i = 0; i < n; i++) {
    }
    if (n % 64 == 0) {
        (void)sched_yield();
    }
}

static void answer_calls(size_t index, void *context)
{
    struct dormitory *dormitory = context;
    uint64_t seed = dormitory->seed + index;
    struct sleeper *me = &dormitory->sleepers[index];
    struct faci_wait_word *word = &dormitory->words[index % N_WORDS];
    while (!atomic_load(&dormitory->is_over)) {
        uint32_t seen = faci_wait_look(word);
        if (atomic_load_explicit(&me->turn, memory_order_relaxed) != me->n_answers) {
            me->n_answers++;
            if (atomic_fetch_sub(&dormitory->n_missing, 1U) == 1) {
                faci_wait_wake(&dormitory->answered, 1);
            }
        } else if (!atomic_load(&dormitory->is_over)) {
            dawdle(&seed);
            if (!faci_wait_sleep(word, seen, UINT32_C(1) << index, in_ms(LIMIT_MS))) {
                atomic_fetch_add(&dormitory->n_forgotten, 1U);
                return;
            }
        }
    }
}

/* False: an answer is missing for good. */
static bool call_some(struct dormitory *dormitory, uint32_t set)
{
    atomic_store(&dormitory->n_missing, (unsigned)__builtin_popcount(set));
    for (size_t w = 0; w < N_WORDS; w++) {
        uint32_t bits = 0;
        for (size_t i = w; i < N_SLEEPERS; i += N_WORDS) {
            if ((set & (UINT32_C(1) << i)) != 0) {
                bits |= UINT32_C(1) << i;
                atomic_fetch_add_explicit(&dormitory->sleepers[i].turn, 1U,
                                          memory_order_relaxed);
            }
        }
        if (bits != 0) {
            faci_wait_wake(&dormitory->words[w], bits);
        }
    }
    int64_t until_ns = in_ms(LIMIT_MS);
    bool is_in_time = true;
    while (is_in_time) {
        uint32_t seen = faci_wait_look(&dormitory->answered);
        if (atomic_load(&dormitory->n_missing) == 0) {
            return true;
        }
        is_in_time = faci_wait_sleep(&dormitory->answered, seen, 1, until_ns);
    }
    return false;
}

static void test_wait__no_wake_up_is_lost(void **state)
{
    (void)state;
    uint64_t seed = kit_seed();
    static struct dormitory dormitory;
    dormitory.seed = seed;
    struct kit_threads *threads = kit_threads_start(N_SLEEPERS, answer_calls, &dormitory);
    bool are_all_answered = true;
    for (size_t i = 0; are_all_answered && i < kit_scaled(8000); i++) {
        uint32_t set = (uint32_t)(kit_random(&seed) % ((1U << N_SLEEPERS) - 1)) + 1;
        are_all_answered = call_some(&dormitory, set);
        dawdle(&seed);
    }
    atomic_store(&dormitory.is_over, true);
    for (size_t w = 0; w < N_WORDS; w++) {
        faci_wait_wake(&dormitory.words[w], FACI_WAIT_ALL);
    }
    kit_threads_join(threads);
    assert_true(are_all_answered);
    assert_int_equal(atomic_load(&dormitory.n_forgotten), 0);
}

/* --- Bits ------------------------------------------------------------------------------------ */

struct bed {
    atomic_int tid;
    atomic_uint n_returns;
};

struct beds {
    struct faci_wait_word word;
    struct bed list[32];
};

/* Once: what it returns for is looked at from outside. */
static void sleep_once(size_t index, void *context)
{
    struct beds *beds = context;
    uint32_t seen = faci_wait_look(&beds->word);
    atomic_store(&beds->list[index].tid, (int)syscall(SYS_gettid));
    if (faci_wait_sleep(&beds->word, seen, UINT32_C(1) << index, in_ms(LIMIT_MS))) {
        atomic_fetch_add(&beds->list[index].n_returns, 1U);
    }
}

/* Whether it sleeps in the kernel on that very word: /proc/<pid>/task/<tid>/syscall has the call's
 * number and arguments. */
static bool is_asleep(struct beds *beds, size_t index)
{
    char path[64];
    char text[128] = {0};
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/syscall",
                   atomic_load(&beds->list[index].tid));
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    size_t n = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    const char *word = n > 0 ? strchr(text, ' ') : NULL;
    return word != NULL && strtoull(word, NULL, 16) == (uintptr_t)&beds->word;
}

static unsigned count_returns(struct beds *beds)
{
    unsigned n = 0;
    for (size_t i = 0; i < KIT_COUNT(beds->list); i++) {
        n += atomic_load(&beds->list[i].n_returns);
    }
    return n;
}

/* Every other sleeper alone, then the rest at once. True: nobody woke for another's bit. */
static bool wake_bit_by_bit(struct beds *beds, bool is_exact)
{
    bool is_right = true;
    struct kit_threads *threads = kit_threads_start(32, sleep_once, beds);
    for (size_t i = 0; i < 32; i++) {
        KIT_WAIT_FOR(LIMIT_MS,
                     atomic_load(&beds->list[i].tid) != 0 && (!is_exact || is_asleep(beds, i)));
    }
    unsigned n_before = 0;
    for (unsigned i = 0; i < 31; i += 2) {
        faci_wait_wake(&beds->word, UINT32_C(1) << i);
        KIT_WAIT_FOR(LIMIT_MS, atomic_load(&beds->list[i].n_returns) == 1);
        n_before++;
        is_right = is_right && count_returns(beds) == n_before;
    }
    faci_wait_wake(&beds->word, UINT32_C(0xAAAAAAAA)); /* a set of them in one call */
    KIT_WAIT_FOR(LIMIT_MS, count_returns(beds) == 32);
    kit_threads_join(threads);
    return is_right || !is_exact;
}

/* Who freezes the process and lets it go on (a debugger, a suspend) makes every sleeper look at its
 * word again, which has changed for others: that is not taken for a wake-up. */
static void test_wait__a_bit_wakes_who_sleeps_with_it(void **state)
{
    (void)state;
    static struct beds beds[3];
    const char *room = kit_arg(0);
    const bool is_exact = room != NULL && strcmp(room, "futex") == 0; /* and nobody else */
    bool is_right = false;
    for (size_t i = 0; i < KIT_COUNT(beds) && !is_right; i++) {
        is_right = wake_bit_by_bit(&beds[i], is_exact);
    }
    assert_true(is_right);
}

/* --- Time ------------------------------------------------------------------------------------ */

static void test_wait__a_word_that_has_changed_lets_nobody_sleep(void **state)
{
    (void)state;
    struct faci_wait_word word = {0};
    uint32_t seen = faci_wait_look(&word);
    faci_wait_wake(&word, 2); /* for somebody else: it counts all the same */
    assert_int_not_equal(faci_wait_look(&word), seen);
    int64_t before_ms = kit_now_ms();
    assert_true(faci_wait_sleep(&word, seen, 1, in_ms(LIMIT_MS)));
    assert_true(faci_wait_sleep(&word, seen, 1, FACI_NEVER_NS));
    assert_in_range(kit_now_ms() - before_ms, 0, LIMIT_MS / 2);
}

/* Deadlines are moments of the monotonic clock: on another one they are long past, or far away. */
static void test_wait__returns_at_its_moment(void **state)
{
    (void)state;
    struct faci_wait_word word = {0};
    uint32_t seen = faci_wait_look(&word);
    static const uint64_t k_lengths_ms[] = {0, 1, 30};
    for (size_t i = 0; i < KIT_COUNT(k_lengths_ms); i++) {
        int64_t until_ns = in_ms(k_lengths_ms[i]);
        bool is_in_time = true;
        while (is_in_time) { /* early at times */
            is_in_time = faci_wait_sleep(&word, seen, 1, until_ns);
            assert_true(is_in_time || faci_clock_now_ns() >= until_ns);
        }
        assert_true(faci_clock_now_ns() - until_ns <= kit_margin_ms() * FACI_NS_PER_MS);
    }
    assert_false(faci_wait_sleep(&word, seen, 1, in_ms(0) - 1));
}

/* --- fork ------------------------------------------------------------------------------------ */

enum {
    N_FORKS = 100,
    N_BUSY = 4,
    N_PLACES = 64, /* more than the pthread room has, a cache line apart */
};

struct busy {
    struct {
        struct faci_wait_word word;
        char rest[60];
    } words[N_PLACES];
    atomic_bool is_over;
};

/* Two sleep and two wake, all over the place. */
static void be_busy(size_t index, void *context)
{
    struct busy *busy = context;
    for (size_t i = index; !atomic_load(&busy->is_over); i++) {
        struct faci_wait_word *word = &busy->words[i % N_PLACES].word;
        if (index % 2 == 0) {
            (void)faci_wait_sleep(word, faci_wait_look(word), 1,
                                  faci_clock_now_ns() + FACI_NS_PER_MS / 4);
        } else {
            faci_wait_wake(word, 1);
        }
    }
}

#if !defined(__SANITIZE_THREAD__)
static void wake_back(size_t index, void *context)
{
    (void)index;
    struct busy *busy = context;
    for (size_t i = 0; i < N_PLACES; i++) {
        faci_wait_wake(&busy->words[i].word, 1);
    }
    atomic_store(&busy->is_over, true);
}
#endif

/* In a child, whose parent's sleepers do not exist. 0: all is well. */
static int use_in_child(struct busy *busy)
{
    for (size_t i = 0; i < N_PLACES; i++) {
        struct faci_wait_word *word = &busy->words[i].word;
        uint32_t seen = faci_wait_look(word);
        faci_wait_wake(word, 1);
        if (!faci_wait_sleep(word, seen, 1, in_ms(LIMIT_MS))) {
            return 1;
        }
        (void)faci_wait_sleep(word, faci_wait_look(word), 1, in_ms(0));
    }
#if !defined(__SANITIZE_THREAD__) /* which has no threads after such a fork */
    uint32_t seen[N_PLACES];
    for (size_t i = 0; i < N_PLACES; i++) {
        seen[i] = faci_wait_look(&busy->words[i].word);
    }
    struct kit_threads *threads = kit_threads_start(1, wake_back, busy);
    for (size_t i = 0; i < N_PLACES; i++) {
        if (!faci_wait_sleep(&busy->words[i].word, seen[i], 1, in_ms(LIMIT_MS))) {
            return 2;
        }
    }
    kit_threads_join(threads);
#endif
    return 0;
}

static void test_wait__a_child_of_fork_sleeps_and_wakes(void **state)
{
    (void)state;
    static struct busy busy;
    struct kit_threads *threads = kit_threads_start(N_BUSY, be_busy, &busy);
    int n_bad = 0;
    for (size_t i = 0; i < kit_scaled(N_FORKS) && n_bad == 0; i++) {
        pid_t child = fork();
        if (child == 0) {
            (void)alarm(LIMIT_MS / 1000); /* one that hangs is one that fails */
            _exit(use_in_child(&busy));
        }
        int status = -1;
        assert_true(child > 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        n_bad += status != 0 ? 1 : 0;
    }
    atomic_store(&busy.is_over, true);
    kit_threads_join(threads);
    assert_int_equal(n_bad, 0);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_wait__no_wake_up_is_lost),
    KIT_TEST(test_wait__a_bit_wakes_who_sleeps_with_it),
    KIT_TEST(test_wait__a_word_that_has_changed_lets_nobody_sleep),
    KIT_TEST(test_wait__returns_at_its_moment),
    KIT_TEST(test_wait__a_child_of_fork_sleeps_and_wakes),
};

KIT_MAIN(k_tests)
