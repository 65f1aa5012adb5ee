/* SPDX-License-Identifier: MIT */
/* What policy lets through to a backend, and in which form, over a backend that only takes notes. */
#include "notes.h"

#include <stdlib.h>

/* --- Keys, values, times to live ------------------------------------------------------------ */

static void test_policy__keys_to_the_last_byte(void **state)
{
    (void)state;
    static char name[FACI_KEY_MAX_BYTES + 1];
    memset(name, 'k', sizeof(name));
    size_t prefix_len = strlen(first_prefix);
    size_t most = FACI_KEY_MAX_BYTES - prefix_len;
    const struct {
        fac_bytes name;
        fac_status want;
    } cases[] = {
        {fac_mem(name, 0), FAC_E_INVALID},        {fac_mem(name, 1), FAC_OK},
        {fac_mem(name, most - 1), FAC_OK},        {fac_mem(name, most), FAC_OK},
        {fac_mem(name, most + 1), FAC_E_INVALID}, {fac_mem(name, SIZE_MAX), FAC_E_INVALID},
        {fac_mem(NULL, 5), FAC_E_INVALID},        {fac_mem("\0\n", 2), FAC_OK},
    };
    for (size_t verb = 0; verb < KIT_COUNT(k_verbs); verb++) {
        for (size_t i = 0; i < KIT_COUNT(cases); i++) {
            struct notes notes = new_notes();
            fac_error err;
            assert_status(do_verb(&notes, verb, cases[i].name, 1000, &k_call, &err),
                          cases[i].want, &err);
            assert_int_equal(notes.n_asked, cases[i].want == FAC_OK);
            /* What is wrong with the arguments is told without a server. */
            assert_int_equal(notes.n_prepared, cases[i].want == FAC_OK);
            if (cases[i].want == FAC_OK) {
                assert_string_equal(notes.verb, k_verbs[verb]);
                assert_key(&notes, first_prefix, cases[i].name);
            } else {
                assert_int_equal(err.status, cases[i].want);
            }
        }
    }
}

static void test_policy__values_to_the_last_byte(void **state)
{
    (void)state;
    /* Nothing reads them. */
    const struct {
        fac_bytes value;
        fac_status want;
    } cases[] = {
        {fac_mem(NULL, 0), FAC_OK},
        {fac_mem("", 0), FAC_OK},
        {fac_mem("v", FACI_VALUE_MAX_BYTES - 1), FAC_OK},
        {fac_mem("v", FACI_VALUE_MAX_BYTES), FAC_OK},
        {fac_mem("v", (size_t)FACI_VALUE_MAX_BYTES + 1), FAC_E_TOO_LARGE},
        {fac_mem("v", SIZE_MAX), FAC_E_TOO_LARGE},
        {fac_mem(NULL, 1), FAC_E_INVALID},
    };
    for (size_t i = 0; i < KIT_COUNT(cases); i++) {
        struct notes notes = new_notes();
        fac_error err;
        assert_status(faci_policy_set(&notes.backend, fac_str("k"), cases[i].value, 1,
                                      FACI_SET_IF_ABSENT, &k_call, &err),
                      cases[i].want, &err);
        assert_int_equal(notes.n_asked, cases[i].want == FAC_OK);
        assert_int_equal(notes.n_prepared, cases[i].want == FAC_OK);
        if (cases[i].want == FAC_OK) {
            assert_int_equal(notes.value.len, cases[i].value.len);
            assert_int_equal(notes.mode, FACI_SET_IF_ABSENT);
        }
    }
}

static void test_policy__times_to_live_to_the_last_millisecond(void **state)
{
    (void)state;
    static const struct {
        int64_t ttl_ms;
        fac_status want;
        int64_t effective_ms;
    } k_cases[] = {
        {FAC_TTL_DEFAULT, FAC_OK, SETTINGS_TTL_MS},
        {FAC_TTL_NONE, FAC_OK, FAC_TTL_NONE},
        {(int64_t)FAC_TTL_DEFAULT - 1, FAC_E_INVALID, 0},
        {(int64_t)FAC_TTL_NONE + 1, FAC_E_INVALID, 0},
        {INT64_MIN, FAC_E_INVALID, 0},
        {-1, FAC_E_INVALID, 0},
        {0, FAC_E_INVALID, 0},
        {1, FAC_OK, 1},
        {2, FAC_OK, 2},
        {FACI_TTL_MAX_MS - 1, FAC_OK, FACI_TTL_MAX_MS - 1},
        {FACI_TTL_MAX_MS, FAC_OK, FACI_TTL_MAX_MS},
        {FACI_TTL_MAX_MS + 1, FAC_E_INVALID, 0},
        {INT64_MAX, FAC_E_INVALID, 0},
    };
    for (size_t verb = FIRST_WITH_TTL; verb < KIT_COUNT(k_verbs); verb++) {
        for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
            struct notes notes = new_notes();
            fac_error err;
            assert_status(do_verb(&notes, verb, fac_str("k"), k_cases[i].ttl_ms, &k_call, &err),
                          k_cases[i].want, &err);
            assert_int_equal(notes.n_asked, k_cases[i].want == FAC_OK);
            assert_int_equal(notes.n_prepared, k_cases[i].want == FAC_OK);
            assert_int_equal(notes.ttl_ms, k_cases[i].effective_ms);
        }
    }
}

static void test_policy__a_default_of_none_is_none(void **state)
{
    (void)state;
    struct notes notes = new_notes();
    notes.settings[0].ttl_ms = FAC_TTL_NONE;
    fac_error err;
    for (size_t verb = FIRST_WITH_TTL; verb < KIT_COUNT(k_verbs); verb++) {
        notes.ttl_ms = 0;
        assert_status(do_verb(&notes, verb, fac_str("k"), FAC_TTL_DEFAULT, &k_call, &err),
                      FAC_OK, &err);
        assert_int_equal(notes.ttl_ms, FAC_TTL_NONE);
    }
}

/* --- Deadlines ------------------------------------------------------------------------------ */

/* Between the moments before and after a call, `ms` later. */
static void assert_moment(int64_t at_ns, int64_t before_ns, uint64_t ms)
{
    assert_true(at_ns >= faci_clock_after_ms(before_ns, ms));
    assert_true(at_ns <= faci_clock_after_ms(faci_clock_now_ns(), ms));
}

static void test_policy__the_deadline_given_to_the_backend(void **state)
{
    (void)state;
    static const struct {
        uint32_t deadline_ms;
        uint32_t want_ms;
    } k_cases[] = {{0, TIMEOUT_MS}, {1, 1}, {250, 250}, {100000, 100000}};
    fac_error err;
    for (size_t verb = 0; verb < KIT_COUNT(k_verbs); verb++) {
        for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
            struct notes notes = new_notes();
            const struct faci_call call = {.deadline_ms = k_cases[i].deadline_ms};
            int64_t before_ns = faci_clock_now_ns();
            assert_status(do_verb(&notes, verb, fac_str("k"), 1, &call, &err), FAC_OK, &err);
            assert_moment(notes.limits.deadline_ns, before_ns, k_cases[i].want_ms);
            /* One moment for all of it: choosing a server takes from the same time. */
            assert_int_equal(notes.prepare_deadline_ns, notes.limits.deadline_ns);
        }
    }
}

static void test_policy__a_backend_that_cannot_wait_has_no_deadline(void **state)
{
    (void)state;
    struct notes notes = new_notes();
    struct faci_backend_ops no_wait = ops;
    no_wait.can_wait = false;
    notes.backend.ops = &no_wait;
    const struct faci_call call = {.deadline_ms = 1};
    fac_error err;
    assert_status(do_verb(&notes, 0, fac_str("k"), 1, &call, &err), FAC_OK, &err);
    assert_true(notes.limits.deadline_ns == FACI_NEVER_NS);
    /* But clear is long work there, too. */
    fac_clear_progress progress = {.size = sizeof(progress)};
    int64_t before_ns = faci_clock_now_ns();
    assert_status(faci_policy_clear(&notes.backend, &call, &progress, &err), FAC_OK, &err);
    assert_moment(notes.limits.deadline_ns, before_ns, 1);
}

static void test_policy__the_limit_of_a_reply(void **state)
{
    (void)state;
    struct notes notes = new_notes();
    struct faci_call call = {0};
    fac_error err;
    assert_status(do_verb(&notes, 0, fac_str("k"), 1, &call, &err), FAC_OK, &err);
    assert_int_equal(notes.limits.max_reply_bytes, FACI_REPLY_DEFAULT_BYTES);
    call.max_reply_bytes = 1;
    assert_status(do_verb(&notes, 0, fac_str("k"), 1, &call, &err), FAC_OK, &err);
    assert_int_equal(notes.limits.max_reply_bytes, 1);
}

/* --- Choosing ------------------------------------------------------------------------------- */

static void test_policy__without_a_server_nothing_is_asked(void **state)
{
    (void)state;
    fac_error err;
    for (size_t verb = 0; verb < KIT_COUNT(k_verbs); verb++) {
        struct notes notes = new_notes();
        notes.prepare_status = FAC_E_UNAVAILABLE;
        assert_status(do_verb(&notes, verb, fac_str("k"), 1, &k_call, &err), FAC_E_UNAVAILABLE,
                      &err);
        assert_int_equal(notes.n_prepared, 1);
        assert_int_equal(notes.n_asked, 0);
    }
}

/* The settings are those of the server that was found, not of the one that was looked for. */
static void test_policy__second_choice_brings_its_prefix_and_ttl(void **state)
{
    (void)state;
    fac_error err;
    for (size_t verb = 0; verb < KIT_COUNT(k_verbs); verb++) {
        struct notes notes = new_notes();
        ops.prepare = choose_the_second;
        fac_bytes name = fac_str("k");
        assert_status(do_verb(&notes, verb, name, FAC_TTL_DEFAULT, &k_call, &err), FAC_OK,
                      &err);
        assert_key(&notes, second_prefix, name);
        assert_int_equal(notes.ttl_ms, verb < FIRST_WITH_TTL ? 0 : SETTINGS_TTL_MS + 1);
    }
    struct notes notes = new_notes();
    ops.prepare = choose_the_second;
    fac_clear_progress progress = {.size = sizeof(progress)};
    assert_status(faci_policy_clear(&notes.backend, &k_call, &progress, &err), FAC_OK, &err);
    assert_true(faci_bytes_equal(notes.prefix, fac_str(second_prefix)));
}

static void test_policy__second_choice_checks_the_key_again(void **state)
{
    (void)state;
    static char name[FACI_KEY_MAX_BYTES];
    memset(name, 'k', sizeof(name));
    fac_error err;
    for (size_t verb = 0; verb < KIT_COUNT(k_verbs); verb++) {
        struct notes notes = new_notes();
        ops.prepare = choose_the_second;
        fac_bytes fits_first = fac_mem(name, FACI_KEY_MAX_BYTES - strlen(first_prefix));
        assert_status(do_verb(&notes, verb, fits_first, 1, &k_call, &err), FAC_E_INVALID, &err);
        assert_int_equal(notes.n_asked, 0);
    }
}

/* --- clear, health, command ----------------------------------------------------------------- */

static void test_policy__clear_refuses_an_empty_prefix(void **state)
{
    (void)state;
    struct notes notes = new_notes();
    notes.settings[0].prefix = no_prefix;
    fac_clear_progress progress = {.size = sizeof(progress)};
    fac_error err;
    assert_status(faci_policy_clear(&notes.backend, &k_call, &progress, &err), FAC_E_INVALID,
                  &err);
    assert_int_equal(notes.n_asked, 0);
}

static void test_policy__health_tells_what_is_known_without_a_server(void **state)
{
    (void)state;
    struct notes notes = new_notes();
    fac_health health = {.size = sizeof(health)};
    fac_error err;
    assert_status(faci_policy_health(&notes.backend, &k_call, &health, &err), FAC_OK, &err);
    assert_true(health.is_healthy);
    assert_true(notes.has_limits);
    assert_int_equal(health.max_connections, 7);

    notes.prepare_status = FAC_E_AUTH;
    health = (fac_health){.size = sizeof(health)};
    assert_status(faci_policy_health(&notes.backend, &k_call, &health, &err), FAC_E_AUTH, &err);
    assert_int_equal(err.status, FAC_E_AUTH);
    assert_false(health.is_healthy);
    assert_int_equal(health.max_connections, 7);
    assert_false(notes.has_limits); /* and nobody is asked */
}

static void test_policy__commands_to_the_last_argument(void **state)
{
    (void)state;
    fac_bytes *args = calloc((size_t)FACI_BATCH_MAX + 1, sizeof(*args));
    assert_non_null(args);
    args[0] = fac_str("PING");
    fac_bytes large[] = {fac_str("SET"), fac_mem("k", 1),
                         fac_mem("v", (size_t)FACI_VALUE_MAX_BYTES - 4)};
    fac_bytes empty[] = {fac_str("")};
    fac_bytes null[] = {fac_str("GET"), fac_mem(NULL, 1)};
    fac_bytes wraps[] = {fac_str("GET"), fac_mem("k", SIZE_MAX)};
    const struct {
        const fac_bytes *args;
        size_t n;
        fac_status want;
    } cases[] = {
        {args, 0, FAC_E_INVALID},       {args, 1, FAC_OK},
        {args, FACI_BATCH_MAX, FAC_OK}, {args, (size_t)FACI_BATCH_MAX + 1, FAC_E_INVALID},
        {empty, 1, FAC_E_INVALID},      {null, 2, FAC_E_INVALID},
        {wraps, 2, FAC_E_TOO_LARGE},    {large, 3, FAC_OK},
    };
    fac_reply *reply = NULL;
    fac_error err;
    for (size_t i = 0; i < KIT_COUNT(cases); i++) {
        struct notes notes = new_notes();
        assert_status(faci_policy_command(&notes.backend, cases[i].args, cases[i].n, &k_call,
                                          &reply, &err),
                      cases[i].want, &err);
        assert_int_equal(notes.n_asked, cases[i].want == FAC_OK);
    }
    struct notes notes = new_notes();
    large[2].len++;
    assert_status(faci_policy_command(&notes.backend, large, 3, &k_call, &reply, &err),
                  FAC_E_TOO_LARGE, &err);
    free(args);
}

/* --- Batches -------------------------------------------------------------------------------- */

static void test_policy__batches_check_each_item_for_itself(void **state)
{
    (void)state;
    static char name[FACI_KEY_MAX_BYTES];
    memset(name, 'k', sizeof(name));
    const fac_item items[] = {
        {.key = fac_str("a"), .value = fac_str("v"), .ttl_ms = 1},
        {.key = fac_str(""), .value = fac_str("v"), .ttl_ms = 1},
        {.key = fac_str("c"), .value = fac_mem(NULL, 1), .ttl_ms = 1},
        {.key = fac_str("d"),
         .value = fac_mem("v", (size_t)FACI_VALUE_MAX_BYTES + 1),
         .ttl_ms = 1},
        {.key = fac_str("e"), .value = fac_str("v"), .ttl_ms = 0},
        {.key = fac_mem(name, sizeof(name)), .value = fac_str("v"), .ttl_ms = 1},
        {.key = fac_str("g"), .value = fac_str("v"), .ttl_ms = FAC_TTL_DEFAULT},
    };
    static const fac_status k_want[] = {FAC_OK,          FAC_E_INVALID, FAC_E_INVALID,
                                        FAC_E_TOO_LARGE, FAC_E_INVALID, FAC_E_INVALID,
                                        FAC_OK};
    struct notes notes = new_notes();
    fac_status statuses[KIT_COUNT(items)];
    fac_error err = {0};
    assert_status(
        faci_policy_set_many(&notes.backend, items, KIT_COUNT(items), &k_call, statuses, &err),
        FAC_OK, &err);
    assert_memory_equal(statuses, k_want, sizeof(k_want));
    assert_int_equal(err.status, FAC_E_INVALID); /* the first one's */
    assert_contains(err.message, "empty");
    assert_int_equal(notes.batch.default_ttl_ms, SETTINGS_TTL_MS);
    assert_true(faci_bytes_equal(notes.batch.prefix, fac_str(first_prefix)));
}

static void test_policy__batches_answer_every_item_of_a_failure(void **state)
{
    (void)state;
    const fac_bytes keys[] = {fac_str("a"), fac_str(""), fac_str("c")};
    fac_value *values[3];
    fac_status statuses[3];
    fac_error err;
    for (int round = 0; round < 2; round++) {
        struct notes notes = new_notes();
        struct faci_backend_ops failing = ops;
        failing.get_many = fail_batch;
        notes.backend.ops = &failing;
        notes.prepare_status = round == 0 ? FAC_OK : FAC_E_UNAVAILABLE;
        fac_status want = round == 0 ? FAC_E_TIMEOUT : FAC_E_UNAVAILABLE;
        memset(values, 0x5a, sizeof(values));
        memset(statuses, 0x5a, sizeof(statuses));
        assert_status(
            faci_policy_get_many(&notes.backend, keys, 3, &k_call, values, statuses, &err),
            want, &err);
        assert_int_equal(notes.n_asked, round == 0);
        assert_int_equal(statuses[0], want);
        assert_int_equal(statuses[1], FAC_E_INVALID);
        assert_int_equal(statuses[2], want);
        for (size_t i = 0; i < 3; i++) {
            assert_null(values[i]);
        }
    }
}

static void test_policy__batches_take_the_second_choice(void **state)
{
    (void)state;
    struct notes notes = new_notes();
    ops.prepare = choose_the_second;
    const fac_bytes keys[] = {fac_str("a")};
    fac_status status = FAC_E_INVALID;
    fac_error err;
    assert_status(faci_policy_remove_many(&notes.backend, keys, 1, &k_call, &status, &err),
                  FAC_OK, &err);
    assert_int_equal(status, FAC_OK);
    assert_true(faci_bytes_equal(notes.batch.prefix, fac_str(second_prefix)));
    assert_int_equal(notes.batch.default_ttl_ms, SETTINGS_TTL_MS + 1);
}

static void test_policy__batches_check_keys_again_for_the_second_choice(void **state)
{
    (void)state;
    static char name[FACI_KEY_MAX_BYTES];
    memset(name, 'k', sizeof(name));
    struct notes notes = new_notes();
    ops.prepare = choose_the_second;
    const fac_bytes keys[] = {
        fac_mem(name, FACI_KEY_MAX_BYTES - strlen(first_prefix)),
        fac_mem(name, FACI_KEY_MAX_BYTES - strlen(second_prefix)),
    };
    fac_status statuses[2];
    fac_error err = {0};
    assert_status(faci_policy_remove_many(&notes.backend, keys, 2, &k_call, statuses, &err),
                  FAC_OK, &err);
    assert_int_equal(statuses[0], FAC_E_INVALID);
    assert_int_equal(statuses[1], FAC_OK);
    assert_int_equal(err.status, FAC_E_INVALID);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_policy__keys_to_the_last_byte),
    KIT_TEST(test_policy__values_to_the_last_byte),
    KIT_TEST(test_policy__times_to_live_to_the_last_millisecond),
    KIT_TEST(test_policy__a_default_of_none_is_none),
    KIT_TEST(test_policy__the_deadline_given_to_the_backend),
    KIT_TEST(test_policy__a_backend_that_cannot_wait_has_no_deadline),
    KIT_TEST(test_policy__the_limit_of_a_reply),
    KIT_TEST(test_policy__without_a_server_nothing_is_asked),
    KIT_TEST(test_policy__second_choice_brings_its_prefix_and_ttl),
    KIT_TEST(test_policy__second_choice_checks_the_key_again),
    KIT_TEST(test_policy__clear_refuses_an_empty_prefix),
    KIT_TEST(test_policy__health_tells_what_is_known_without_a_server),
    KIT_TEST(test_policy__commands_to_the_last_argument),
    KIT_TEST(test_policy__batches_check_each_item_for_itself),
    KIT_TEST(test_policy__batches_answer_every_item_of_a_failure),
    KIT_TEST(test_policy__batches_take_the_second_choice),
    KIT_TEST(test_policy__batches_check_keys_again_for_the_second_choice),
};

KIT_MAIN(k_tests)
