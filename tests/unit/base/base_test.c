/* SPDX-License-Identifier: MIT */
/* The smallest parts: numbers, buffers, values, errors. */
#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/value.h"

#include "kit/kit.h"
#include "kit/memory.h"
#include "kit/procwatch.h"

#include <stdio.h>
#include <string.h>

static void test_number__parses_what_servers_write(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *text; bool is_ok; int64_t want; } k_cases[] = {
        {"0", true, 0}, {"7", true, 7}, {"-1", true, -1}, {"1234567890", true, 1234567890},
        {"9223372036854775807", true, INT64_MAX}, {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0}, {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0}, {"", false, 0}, {"-", false, 0}, {"-0", false, 0},
        {"+1", false, 0}, {"01", false, 0}, {"00", false, 0}, {" 1", false, 0}, {"1 ", false, 0},
        {"1a", false, 0}, {"--1", false, 0}, {"0x1", false, 0},
    };
    /* clang-format on */
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        int64_t got = 77;
        assert_int_equal(faci_number_parse_i64(fac_str(k_cases[i].text), &got),
                         k_cases[i].is_ok);
        assert_true(got == (k_cases[i].is_ok ? k_cases[i].want : 77));
    }
}

static void test_number__formats_and_parses_back(void **state)
{
    (void)state;
    static const int64_t k_numbers[] = {0, 1, -1, 9, 10, -10, INT64_MAX, INT64_MIN, INT32_MIN};
    for (size_t i = 0; i < KIT_COUNT(k_numbers); i++) {
        char text[FACI_I64_TEXT_BYTES];
        size_t len = faci_number_format_i64(k_numbers[i], text);
        int64_t back = 0;
        assert_true(faci_number_parse_i64(fac_mem(text, len), &back));
        assert_true(back == k_numbers[i]);
    }
}

static void test_buf__keeps_order_while_growing(void **state)
{
    (void)state;
    struct kit_memory memory;
    kit_memory_init(&memory);
    struct faci_buf buf;
    faci_buf_init(&buf, &memory.hook);
    unsigned char next_in = 0;
    unsigned char next_out = 0;
    for (size_t round = 0; round < 3000; round++) {
        assert_true(faci_buf_reserve(&buf, 7));
        for (int i = 0; i < 7; i++) {
            buf.data[buf.end++] = next_in++;
        }
        for (int i = 0; i < 5; i++) {
            assert_int_equal(buf.data[buf.begin], next_out++);
            faci_buf_consume(&buf, 1);
        }
    }
    assert_int_equal(faci_buf_len(&buf), 6000);
    faci_buf_consume(&buf, 6000);
    faci_buf_shrink(&buf, 0);
    kit_memory_assert_empty(&memory);
    kit_memory_fail(&memory, 1, false);
    assert_false(faci_buf_reserve(&buf, 1));
    assert_false(faci_buf_reserve(&buf, SIZE_MAX));
    faci_buf_fini(&buf);
    kit_memory_assert_empty(&memory);
}

static void test_buf__leaves_no_secret_behind(void **state)
{
    (void)state;
    static const char k_secret[] = "a-rare-pass-word";
    struct kit_memory memory;
    kit_memory_init(&memory);
    memory.watched = k_secret;
    struct faci_buf buf;
    faci_buf_init(&buf, &memory.hook);
    buf.is_secret = true;
    for (size_t times = 1; times <= 2; times++) {
        assert_true(faci_buf_reserve(&buf, sizeof(k_secret)));
        memcpy(buf.data + buf.end, k_secret, sizeof(k_secret));
        buf.end += sizeof(k_secret);
        assert_true(faci_buf_reserve(&buf, buf.cap)); /* it moves */
    }
    assert_int_equal(faci_buf_len(&buf), 2 * sizeof(k_secret));
    assert_memory_equal(buf.data + sizeof(k_secret), k_secret, sizeof(k_secret));
    faci_buf_fini(&buf);
    assert_int_equal(atomic_load(&memory.n_watched_freed), 0);
    kit_memory_assert_empty(&memory);
}

static void test_value__outlives_its_allocator_struct(void **state)
{
    (void)state;
    struct kit_memory memory;
    kit_memory_init(&memory);
    fac_allocator passing = memory.hook;
    for (size_t len = 0; len < 40; len++) {
        fac_value *value = faci_value_new(&passing, len);
        assert_non_null(value);
        memset(faci_value_data(value), 'x', len);
        assert_ptr_equal(fac_value_ref(value), value);
        fac_value_unref(value);
        memset(&passing, 0, sizeof(passing));
        fac_bytes bytes = fac_value_bytes(value);
        assert_int_equal(bytes.len, len);
        assert_int_equal(((const char *)bytes.data)[len], 0);
        fac_value_unref(value);
        passing = memory.hook;
    }
    kit_memory_assert_empty(&memory);
    assert_null(faci_value_new(&memory.hook, SIZE_MAX - 8));
    assert_int_equal(fac_value_bytes(NULL).len, 0);
    fac_value_unref(NULL);
}

static void test_error__cuts_and_cleans_the_message(void **state)
{
    (void)state;
    char text[400];
    memset(text, 'm', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    text[3] = '\n';
    fac_error err;
    memset(&err, 0x55, sizeof(err));
    assert_int_equal(faci_fail(&err, FAC_E_SERVER, 5, "%s", text), FAC_E_SERVER);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
    assert_int_equal(err.message[3], '?');
    assert_int_equal(err.os_errno, 5);
    assert_false(err.maybe_applied);
    assert_string_equal(err.server_code, "");
    assert_int_equal(faci_fail(NULL, FAC_E_TIMEOUT, 0, "x"), FAC_E_TIMEOUT);
    faci_error_clear(&err);
    assert_int_equal(err.status, FAC_OK);
    faci_error_clear(NULL);
}

/* From its first page to its last; and when it is given back, they are pages as any. */
static void test_mem__undumped_until_it_is_given_back(void **state)
{
    (void)state;
    enum {
        BYTES = 64 * 1024 + 100
    };
    char *block = faci_mem_alloc_undumped(BYTES);
    assert_non_null(block);
    memset(block, 'x', BYTES);
    assert_true(kit_is_left_out_of_core_files(block));
    assert_true(kit_is_left_out_of_core_files(block + BYTES - 1));
    faci_mem_free_wiped(block);
    char *later = faci_mem_alloc(&k_faci_libc, BYTES);
    assert_non_null(later);
    assert_false(kit_is_left_out_of_core_files(later));
    assert_false(kit_is_left_out_of_core_files(later + BYTES - 1));
    faci_mem_free_wiped(later);
    faci_mem_free_wiped(NULL);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_number__parses_what_servers_write),
    KIT_TEST(test_number__formats_and_parses_back),
    KIT_TEST(test_buf__keeps_order_while_growing),
    KIT_TEST(test_buf__leaves_no_secret_behind),
    KIT_TEST(test_value__outlives_its_allocator_struct),
    KIT_TEST(test_mem__undumped_until_it_is_given_back),
    KIT_TEST(test_error__cuts_and_cleans_the_message),
};

KIT_MAIN(k_tests)
