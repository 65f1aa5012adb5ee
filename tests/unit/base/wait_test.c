/* SPDX-License-Identifier: MIT */
/* Sleeping and waking, in whichever room the program was built with. The argument `shared` says
 * that a wake-up may reach others than those it is for. */
#include "base/clock.h"
#include "base/wait.h"

#include "kit/kit.h"
#include "kit/wait.h"

#include <sys/wait.h>
#include <unistd.h>

enum {
    LONG_MS = 20000,
    N_RUNNERS = 6,
};

static int64_t in_ms(uint64_t ms)
{
    return faci_clock_after_ms(faci_clock_now_ns(), ms);
}

static void test_wait__a_wake_between_look_and_sleep_is_not_lost(void **state)
{
    (void)state;
    struct faci_wait_word word = {0};
    for (unsigned bit = 0; bit < 32; bit++) {
        uint32_t seen = faci_wait_look(&word);
        faci_wait_wake(&word, UINT32_C(1) << bit);
        assert_int_not_equal(faci_wait_look(&word), seen);
        assert_true(faci_wait_sleep(&word, seen, UINT32_C(1) << bit, in_ms(LONG_MS)));
    }
}

static void test_wait__ends_at_its_time(void **state)
{
    (void)state;
    struct faci_wait_word word = {0};
    for (unsigned i = 0; i < 3; i++) {
        int64_t until_ns = in_ms(40);
        bool is_in_time = true;
        while (is_in_time) {
            is_in_time = faci_wait_sleep(&word, faci_wait_look(&word), 1, until_ns);
        }
        assert_true(faci_clock_now_ns() >= until_ns);
    }
    /* What has passed already does not sleep at all; zero is a moment, not "without end". */
    assert_false(faci_wait_sleep(&word, faci_wait_look(&word), 1, faci_clock_now_ns()));
    assert_false(faci_wait_sleep(&word, faci_wait_look(&word), 1, 0));
}

/* A token goes round; who has it passes it on. `n_late`: sleeps that nobody ended. */
struct round {
    struct faci_wait_word word;
    atomic_size_t token;
    size_t n_rounds;
    uint64_t seed;
    atomic_size_t n_late;
};

static void pass_on(size_t index, void *context)
{
    struct round *round = context;
    uint64_t random = round->seed + index;
    for (size_t turn = index; turn < round->n_rounds; turn += N_RUNNERS) {
        for (;;) {
            uint32_t seen = faci_wait_look(&round->word);
            if (atomic_load(&round->token) == turn) {
                break;
            }
            /* The window in which a wake-up could be lost, longer at times. */
            for (uint64_t i = kit_random(&random) % 64; i > 0; i--) {
                (void)faci_wait_look(&round->word);
            }
            if (!faci_wait_sleep(&round->word, seen, UINT32_C(1) << index, in_ms(LONG_MS))) {
                atomic_fetch_add(&round->n_late, 1);
                return;
            }
        }
        atomic_store(&round->token, turn + 1);
        faci_wait_wake(&round->word, UINT32_C(1) << ((index + 1) % N_RUNNERS));
    }
}

static void test_wait__no_wake_is_lost_among_threads(void **state)
{
    (void)state;
    struct round round = {.n_rounds = kit_scaled(12000), .seed = kit_seed()};
    struct kit_threads *threads = kit_threads_start(N_RUNNERS, pass_on, &round);
    kit_threads_join(threads);
    assert_int_equal(atomic_load(&round.n_late), 0);
    assert_int_equal(atomic_load(&round.token), round.n_rounds);
}

/* Sleepers with a bit each, on one word. */
struct dormitory {
    struct faci_wait_word word;
    atomic_bool may_go[N_RUNNERS];
    atomic_size_t n_asleep;
    atomic_size_t n_up;
    atomic_size_t n_in_vain; /* woken, and it was not for them */
    atomic_size_t n_late;
};

static void sleep_with_a_bit(size_t index, void *context)
{
    struct dormitory *house = context;
    uint32_t seen = faci_wait_look(&house->word);
    atomic_fetch_add(&house->n_asleep, 1);
    while (!atomic_load(&house->may_go[index])) {
        if (!faci_wait_sleep(&house->word, seen, UINT32_C(1) << index, in_ms(LONG_MS))) {
            atomic_fetch_add(&house->n_late, 1);
            return;
        }
        if (!atomic_load(&house->may_go[index])) {
            atomic_fetch_add(&house->n_in_vain, 1);
        }
        seen = faci_wait_look(&house->word);
    }
    atomic_fetch_add(&house->n_up, 1);
}

static void test_wait__a_wake_is_for_its_bits(void **state)
{
    (void)state;
    struct dormitory house = {0};
    struct kit_threads *threads = kit_threads_start(N_RUNNERS, sleep_with_a_bit, &house);
    KIT_WAIT_FOR(LONG_MS, atomic_load(&house.n_asleep) == N_RUNNERS);
    for (size_t i = 0; i < N_RUNNERS / 2; i++) {
        atomic_store(&house.may_go[i], true);
        faci_wait_wake(&house.word, UINT32_C(1) << i);
        KIT_WAIT_FOR(LONG_MS, atomic_load(&house.n_up) == i + 1);
    }
    /* A look before the first wake, and not asleep yet: each may find the word changed, once. */
    size_t may_be = kit_arg(0) == NULL ? N_RUNNERS : SIZE_MAX;
    assert_true(atomic_load(&house.n_in_vain) <= may_be);
    for (size_t i = 0; i < N_RUNNERS; i++) {
        atomic_store(&house.may_go[i], true);
    }
    faci_wait_wake(&house.word, FACI_WAIT_ALL);
    kit_threads_join(threads);
    assert_int_equal(atomic_load(&house.n_up), N_RUNNERS);
    assert_int_equal(atomic_load(&house.n_late), 0);
}

struct traffic {
    struct faci_wait_word words[4];
    atomic_bool is_over;
};

static void sleep_and_wake(size_t index, void *context)
{
    struct traffic *traffic = context;
    while (!atomic_load(&traffic->is_over)) {
        struct faci_wait_word *word = &traffic->words[index % 2];
        (void)faci_wait_sleep(word, faci_wait_look(word), 1, in_ms(1));
        faci_wait_wake(&traffic->words[(index + 1) % 2], FACI_WAIT_ALL);
    }
}

/* In the child: what slept in the parent is not there, and no lock is held for ever. */
static int use_in_child(struct traffic *traffic)
{
    for (size_t i = 0; i < KIT_COUNT(traffic->words); i++) {
        struct faci_wait_word *word = &traffic->words[i];
        uint32_t seen = faci_wait_look(word);
        faci_wait_wake(word, FACI_WAIT_ALL);
        faci_wait_wake(word, 1);
        if (!faci_wait_sleep(word, seen, 1, in_ms(LONG_MS))) {
            return 1;
        }
        if (faci_wait_sleep(word, faci_wait_look(word), 1, in_ms(1))) {
            return 2;
        }
    }
    return 0;
}

static void test_wait__a_child_of_fork_can_use_it(void **state)
{
    (void)state;
    struct traffic traffic = {0};
    struct kit_threads *threads = kit_threads_start(4, sleep_and_wake, &traffic);
    for (size_t i = 0; i < kit_scaled(40); i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            _exit(use_in_child(&traffic));
        }
        int status = 0;
        pid_t ended = 0;
        KIT_WAIT_FOR(LONG_MS, (ended = waitpid(pid, &status, WNOHANG)) != 0);
        assert_int_equal(ended, pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    atomic_store(&traffic.is_over, true);
    kit_threads_join(threads);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_wait__a_wake_between_look_and_sleep_is_not_lost),
    KIT_TEST(test_wait__ends_at_its_time),
    KIT_TEST(test_wait__no_wake_is_lost_among_threads),
    KIT_TEST(test_wait__a_wake_is_for_its_bits),
    KIT_TEST(test_wait__a_child_of_fork_can_use_it),
};

KIT_MAIN(k_tests)
