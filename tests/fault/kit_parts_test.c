/* SPDX-License-Identifier: MIT */
/* The laboratory's smaller parts: values that say whose they are, the ledger, the watcher. */
#include "kit/kit.h"
#include "kit/ledger.h"
#include "kit/procwatch.h"
#include "kit/selfvalue.h"
#include "kit/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- Values ---------------------------------------------------------------------------------- */

static void test_selfvalue__says_whose_it_is(void **state)
{
    (void)state;
    static unsigned char bytes[1000 + KIT_SELF_EXTRA_BYTES];
    for (size_t len = 0; len <= 1000; len = len * 3 / 2 + 1) {
        struct kit_self self = {7, len + 1, len};
        struct kit_self got = {0};
        size_t n = kit_self_make(bytes, fac_str("key"), &self);
        assert_int_equal(n, len + KIT_SELF_EXTRA_BYTES);
        assert_null(kit_self_check(fac_mem(bytes, n), fac_str("key"), &got));
        assert_memory_equal(&got, &self, sizeof(got));
        assert_string_equal(kit_self_check(fac_mem(bytes, n), fac_str("kez"), &got),
                            "of another key");
        assert_non_null(kit_self_check(fac_mem(bytes, n - 1), fac_str("key"), &got));
    }
}

static void test_selfvalue__notices_each_changed_byte(void **state)
{
    (void)state;
    unsigned char bytes[100 + KIT_SELF_EXTRA_BYTES];
    struct kit_self self = {1, 2, 100};
    struct kit_self got = {0};
    size_t n = kit_self_make(bytes, fac_str("key"), &self);
    for (size_t i = 0; i < n; i++) {
        for (unsigned bit = 1; bit < 256; bit *= 2) {
            bytes[i] ^= (unsigned char)bit;
            assert_non_null(kit_self_check(fac_mem(bytes, n), fac_str("key"), &got));
            bytes[i] ^= (unsigned char)bit;
        }
    }
    /* Two values of one key, cut together in the middle. */
    unsigned char other[sizeof(bytes)];
    self.seq = 3;
    (void)kit_self_make(other, fac_str("key"), &self);
    memcpy(other, bytes, n / 2);
    assert_string_equal(kit_self_check(fac_mem(other, n), fac_str("key"), &got), "not whole");
    assert_non_null(kit_self_check(fac_str(NULL), fac_str("key"), &got));
}

static void test_selfvalue__draws_every_magnitude(void **state)
{
    (void)state;
    enum {
        MAX = 1024 * 1024
    };
    static const size_t k_edges[] = {0, 1, 16383, 16384, 16385, 65535, 65536, 65537, MAX};
    size_t n_of_edge[KIT_COUNT(k_edges)] = {0};
    size_t n_of_bits[22] = {0};
    uint64_t random = kit_seed();
    for (size_t i = 0; i < 20000; i++) {
        size_t drawn = kit_self_draw(&random, MAX);
        size_t bits = 0;
        assert_true(drawn <= MAX);
        for (size_t j = 0; j < KIT_COUNT(k_edges); j++) {
            n_of_edge[j] += drawn == k_edges[j] ? 1 : 0;
        }
        while (drawn >> bits != 0) {
            bits++;
        }
        n_of_bits[bits]++;
        assert_true(kit_self_draw(&random, 100) <= 100);
        assert_int_equal(kit_self_draw(&random, 0), 0);
    }
    for (size_t i = 0; i < KIT_COUNT(n_of_bits); i++) {
        assert_true(n_of_bits[i] > 300); /* of about 800 */
    }
    for (size_t i = 0; i < KIT_COUNT(k_edges); i++) {
        assert_true(n_of_edge[i] > 100); /* of about 300 */
    }
}

/* --- Ledger ---------------------------------------------------------------------------------- */

static void test_ledger__maps_each_status_to_one_outcome(void **state)
{
    (void)state;
    static const struct {
        fac_status status;
        enum kit_outcome want;
    } k_rows[] = {
        {FAC_OK, KIT_OUTCOME_OK},
        {FAC_MISS, KIT_OUTCOME_MISS},
        {FAC_EXISTS, KIT_OUTCOME_OK},
        {FAC_SMALL, KIT_OUTCOME_OK},
        {FAC_E_INVALID, KIT_OUTCOME_BAD},
        {FAC_E_CONFIG, KIT_OUTCOME_BAD},
        {FAC_E_UNAVAILABLE, KIT_OUTCOME_NOT_SENT},
        {FAC_E_TIMEOUT, KIT_OUTCOME_TIMEOUT},
        {FAC_E_BUSY, KIT_OUTCOME_QUEUE_FULL},
        {FAC_E_AUTH, KIT_OUTCOME_SERVER_ERROR},
        {FAC_E_SERVER, KIT_OUTCOME_SERVER_ERROR},
        {FAC_E_PROTOCOL, KIT_OUTCOME_SERVER_ERROR},
        {FAC_E_TOO_LARGE, KIT_OUTCOME_SERVER_ERROR},
        {FAC_E_NOMEM, KIT_OUTCOME_NOT_SENT},
        {FAC_E_CLOSED, KIT_OUTCOME_CLOSED},
        {FAC_E_UNSUPPORTED, KIT_OUTCOME_BAD},
    };
    for (size_t i = 0; i < KIT_COUNT(k_rows); i++) {
        fac_error err = {.status = k_rows[i].status};
        assert_int_equal(kit_outcome_of(k_rows[i].status, &err), k_rows[i].want);
        assert_int_equal(kit_outcome_of(k_rows[i].status, NULL), k_rows[i].want);
        err.maybe_applied = true;
        assert_int_equal(kit_outcome_of(k_rows[i].status, &err),
                         k_rows[i].status < 0 ? KIT_OUTCOME_UNKNOWN : k_rows[i].want);
    }
}

static void test_ledger__notices_what_does_not_add_up(void **state)
{
    (void)state;
    struct kit_ledger *ledger = kit_ledger_new(2);
    uint64_t first = kit_ledger_begin(ledger, 0);
    uint64_t second = kit_ledger_begin(ledger, 0);
    uint64_t other = kit_ledger_begin(ledger, 1);
    kit_ledger_end(ledger, 0, second, KIT_OUTCOME_OK);
    kit_ledger_end(ledger, 0, first, KIT_OUTCOME_MISS);
    struct kit_ledger_sum sum = kit_ledger_sum(ledger);
    assert_int_equal(sum.n_begun, 3);
    assert_int_equal(sum.n_ended, 2);
    kit_ledger_end(ledger, 1, other, KIT_OUTCOME_UNKNOWN);
    kit_ledger_assert_whole(ledger);
    char text[128];
    sum = kit_ledger_sum(ledger);
    kit_ledger_print(&sum, text, sizeof(text));
    assert_string_equal(text, "OK 1, MISS 1, UNKNOWN 1");
    kit_ledger_end(ledger, 1, other, KIT_OUTCOME_OK); /* twice */
    kit_ledger_end(ledger, 0, 99, KIT_OUTCOME_OK);    /* never begun */
    sum = kit_ledger_sum(ledger);
    assert_int_equal(sum.n_misused, 2);
    assert_int_equal(sum.n_ended, 3);
    /* One that never ends is noticed when its place is needed again. */
    (void)kit_ledger_begin(ledger, 0);
    for (size_t i = 0; i < KIT_LEDGER_OPEN_MAX; i++) {
        uint64_t id = kit_ledger_begin(ledger, 0);
        kit_ledger_end(ledger, 0, id, KIT_OUTCOME_OK);
    }
    assert_int_equal(kit_ledger_sum(ledger).n_misused, 3);
    kit_ledger_free(ledger);
}

/* --- The watcher ----------------------------------------------------------------------------- */

struct stays {
    struct kit_gate gate;
};

static void stay(size_t index, void *context)
{
    struct stays *stays = context;
    (void)index;
    while (!kit_gate_is_open(&stays->gate)) {
        kit_nap();
    }
}

static void test_procwatch__sees_descriptors_threads_and_memory(void **state)
{
    (void)state;
    enum {
        BYTES = 64 * 1024 * 1024
    };
    struct stays stays;
    kit_gate_init(&stays.gate);
    struct kit_procwatch before = kit_procwatch_take();
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct kit_threads *threads = kit_threads_start(3, stay, &stays);
    unsigned char *bytes = malloc(BYTES);
    assert_non_null(bytes);
    memset(bytes, (int)kit_seed(), BYTES);
    struct kit_procwatch within = kit_procwatch_take();
    assert_int_equal(within.n_fds, before.n_fds + 1);
    assert_int_equal(within.n_threads, before.n_threads + 3);
    assert_true(within.rss_bytes >= before.rss_bytes + BYTES / 2);
    assert_int_equal(bytes[BYTES - 1], bytes[0]);
    free(bytes);
    kit_gate_open(&stays.gate);
    kit_threads_join(threads);
    assert_return_code(close(fd), errno);
    /* Sanitizers keep what was freed for long. */
    kit_procwatch_assert_back(&before, SIZE_MAX / 2);
    kit_gate_fini(&stays.gate);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_selfvalue__says_whose_it_is),
    KIT_TEST(test_selfvalue__notices_each_changed_byte),
    KIT_TEST(test_selfvalue__draws_every_magnitude),
    KIT_TEST(test_ledger__maps_each_status_to_one_outcome),
    KIT_TEST(test_ledger__notices_what_does_not_add_up),
    KIT_TEST(test_procwatch__sees_descriptors_threads_and_memory),
};

KIT_MAIN(k_tests)
