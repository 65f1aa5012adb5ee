/* SPDX-License-Identifier: MIT */
/* kit/kit.h — what every test starts from: cmocka, one process a test, seeds, scale. */
#ifndef FAC_KIT_KIT_H
#define FAC_KIT_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

#include <faciliter/error.h>

#define KIT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A row of the table that KIT_MAIN takes. CMake reads these lines: keep one on each. */
#define KIT_TEST(function) cmocka_unit_test(function)

/* Runs the test named by argv[1], all without one; `--list` prints the names. Further arguments
 * are kit_arg(0), kit_arg(1) … */
#define KIT_MAIN(tests)                                         \
    int main(int argc, char **argv)                             \
    {                                                           \
        return kit_main(argc, argv, (tests), KIT_COUNT(tests)); \
    }

int kit_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n_tests);

/* An argument behind the test's name; NULL when there is none. */
const char *kit_arg(size_t index);

/* The seed of this run: FAC_TEST_SEED, else from the system; printed once, so that a failure can
 * be replayed. */
uint64_t kit_seed(void);

/* The next number of a sequence that starts at a seed. */
uint64_t kit_random(uint64_t *state);

/* `count` scaled by FAC_TEST_SCALE (percent, default 100), at least 1. */
size_t kit_scaled(size_t count);

/* Assert that a status is what is wanted; prints both names and the error's message. */
#define assert_status(got, want, err) \
    kit_assert_status((got), (want), (err), __FILE__, __LINE__)
void kit_assert_status(fac_status got, fac_status want, const fac_error *err, const char *file,
                       int line);

/* Assert that `text` contains `part`; prints both. */
#define assert_contains(text, part) kit_assert_contains((text), (part), __FILE__, __LINE__)
void kit_assert_contains(const char *text, const char *part, const char *file, int line);

#endif
