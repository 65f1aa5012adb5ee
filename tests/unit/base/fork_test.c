/* SPDX-License-Identifier: MIT */
/* What the library does around fork(): once each, in the parent and in every child. */
#include "base/fork.h"

#include "kit/kit.h"

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LIMIT_S = 10
};

struct calls {
    unsigned n_before;
    unsigned n_after;
};

static void count_before(void *owner)
{
    ((struct calls *)owner)->n_before++;
}

static void count_after(void *owner)
{
    ((struct calls *)owner)->n_after++;
}

/* What a child of fork() finds: 0, or the first thing that is wrong. */
static int look(const struct calls *calls, unsigned n_forks, unsigned parents_generation)
{
    if (faci_fork_generation() == parents_generation) {
        return 1;
    }
    return calls->n_before == n_forks && calls->n_after == n_forks ? 0 : 2;
}

/* Forks, and the child does so too. */
static void fork_twice(const struct calls *calls, unsigned n_forks)
{
    unsigned generation = faci_fork_generation();
    (void)alarm(LIMIT_S); /* what hangs fails */
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(LIMIT_S); /* which a child does not inherit */
        int wrong = look(calls, n_forks, generation);
        unsigned own = faci_fork_generation();
        pid_t grandchild = wrong == 0 ? fork() : -1;
        if (grandchild == 0) {
            _exit(look(calls, n_forks == 0 ? 0 : n_forks + 1, own));
        }
        int status = wrong;
        if (grandchild > 0 && waitpid(grandchild, &status, 0) != grandchild) {
            status = 3;
        }
        _exit(status != 0 ? 4 : 0);
    }
    int status = -1;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)alarm(0);
    assert_int_equal(status, 0);
    assert_int_equal(faci_fork_generation(), generation);
}

/* As it is when a fork falls into a first use: the child, where that has not ended, does it again. */
static void test_fork__watched_twice_is_called_once(void **state)
{
    (void)state;
    struct calls calls = {0};
    struct calls other = {0};
    struct faci_fork_watch watch = {
        .owner = &calls, .before = count_before, .after = count_after};
    struct faci_fork_watch second = {
        .owner = &other, .before = count_before, .after = count_after};
    faci_fork_watch(&watch);
    faci_fork_watch(&second);
    faci_fork_watch(&watch);
    fork_twice(&calls, 1);
    fork_twice(&other, 2);
    faci_fork_unwatch(&watch);
    fork_twice(&other, 3);
    assert_int_equal(calls.n_before, 2);
    assert_int_equal(calls.n_after, 2);
    faci_fork_unwatch(&second);
}

static void test_fork__what_was_unwatched_is_watched_again(void **state)
{
    (void)state;
    struct calls calls = {0};
    struct faci_fork_watch watch = {
        .owner = &calls, .before = count_before, .after = count_after};
    faci_fork_watch(&watch);
    faci_fork_unwatch(&watch);
    fork_twice(&calls, 0);
    assert_int_equal(calls.n_before, 0);
    faci_fork_watch(&watch);
    fork_twice(&calls, 1);
    faci_fork_unwatch(&watch);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_fork__watched_twice_is_called_once),
    KIT_TEST(test_fork__what_was_unwatched_is_watched_again),
};

KIT_MAIN(k_tests)
