/* SPDX-License-Identifier: MIT */
/* api/kit_count_test.c — the counter of system calls counts what is between its marks, whoever
 * makes the calls, and nothing else. */
#include "kit/kit.h"
#include "kit/ptrace_count.h"

#include <stdint.h>
#include <unistd.h>

static bool pass_bytes(void *context)
{
    size_t n = *(const size_t *)context;
    int ends[2];
    if (pipe(ends) != 0) {
        return false;
    }
    bool is_right = true;
    kit_syscall_mark();
    for (size_t i = 0; i < n; i++) {
        char byte = 'b';
        is_right = is_right && write(ends[1], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1;
    }
    kit_syscall_mark();
    return is_right && close(ends[0]) == 0 && close(ends[1]) == 0;
}

static void test_kit_count__counts_between_the_marks(void **state)
{
    (void)state;
    for (size_t n = 0; n < 40; n += 13) {
        struct kit_syscalls calls;
        kit_count_syscalls(pass_bytes, &n, &calls);
        assert_int_equal(calls.n_calls, 2 * n);
    }
}

static void test_kit_count__names_what_it_counted(void **state)
{
    (void)state;
    size_t n = 7;
    struct kit_syscalls calls;
    kit_count_syscalls(pass_bytes, &n, &calls);
    assert_contains(calls.summary, "7 times, number");
}

/* clang-format off */
static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_kit_count__counts_between_the_marks),
    KIT_TEST(test_kit_count__names_what_it_counted),
};
/* clang-format on */

KIT_MAIN(k_tests)
