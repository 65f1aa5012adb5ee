/* SPDX-License-Identifier: MIT */
/* kit/kit.c — running one test of a table, seeds and scale. */
#include "kit/kit.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

static char **test_args;
static size_t n_test_args;

int kit_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n_tests)
{
    (void)umask(077); /* files of passwords and keys are nobody else's */
    if (argc > 2) {
        test_args = argv + 2;
        n_test_args = (size_t)argc - 2;
    }
    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < n_tests; i++) {
            (void)printf("%s\n", tests[i].name);
        }
        return 0;
    }
    if (argc < 2) {
        return _cmocka_run_group_tests("all", tests, n_tests, NULL, NULL);
    }
    for (size_t i = 0; i < n_tests; i++) {
        if (strcmp(tests[i].name, argv[1]) == 0) {
            return _cmocka_run_group_tests(argv[1], &tests[i], 1, NULL, NULL);
        }
    }
    (void)fprintf(stderr, "no test named %s\n", argv[1]);
    return 2;
}

const char *kit_arg(size_t index)
{
    return index < n_test_args ? test_args[index] : NULL;
}

static uint64_t seed_value;

static void choose_seed(void)
{
    const char *text = getenv("FAC_TEST_SEED");
    if (text != NULL && *text != '\0') {
        seed_value = strtoull(text, NULL, 0);
    } else if (getrandom(&seed_value, sizeof(seed_value), 0) != (ssize_t)sizeof(seed_value)) {
        abort();
    }
    (void)fprintf(stderr, "seed: FAC_TEST_SEED=0x%016" PRIx64 "\n", seed_value);
}

uint64_t kit_seed(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, choose_seed);
    return seed_value;
}

uint64_t kit_random(uint64_t *state)
{
    /* xorshift64* (Vigna 2016): another family than the library's own generator. */
    uint64_t x = *state == 0 ? 0x9e3779b97f4a7c15U : *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1dU;
}

size_t kit_scaled(size_t count)
{
    const char *text = getenv("FAC_TEST_SCALE");
    size_t percent = text != NULL && *text != '\0' ? strtoul(text, NULL, 10) : 100;
    size_t scaled = count * percent / 100;
    return scaled > 0 ? scaled : 1;
}

void kit_assert_status(fac_status got, fac_status want, const fac_error *err, const char *file,
                       int line)
{
    if (got != want) {
        (void)fprintf(stderr, "got %s, want %s%s%s\n", fac_status_name(got),
                      fac_status_name(want), err != NULL ? ": " : "",
                      err != NULL ? err->message : "");
        _fail(file, line);
    }
}

void kit_assert_contains(const char *text, const char *part, const char *file, int line)
{
    if (text == NULL || strstr(text, part) == NULL) {
        (void)fprintf(stderr, "\"%s\" does not contain \"%s\"\n",
                      text == NULL ? "(null)" : text, part);
        _fail(file, line);
    }
}
