/* SPDX-License-Identifier: MIT */
/* The table of commands, row by row: which replies each may get, and what may be sent again. */
#include "engine/command.h"

#include "kit/kit.h"

#include <stdio.h>

enum {
    N_TYPES = FAC_REPLY_VERBATIM + 1
};

static const struct {
    const struct faci_command *command;
    const char *name;
    enum faci_retry retry;
    bool is_write;
    fac_reply_type types[5]; /* ended by ERROR, which every command can get */
} k_rows[] = {
    /* clang-format off */
    {&k_faci_get, "GET", FACI_RETRY_READ, false, {FAC_REPLY_STRING, FAC_REPLY_NULL, FAC_REPLY_ERROR}},
    {&k_faci_mget, "MGET", FACI_RETRY_READ, false, {FAC_REPLY_ARRAY, FAC_REPLY_ERROR}},
    {&k_faci_set, "SET", FACI_RETRY_WRITE, true, {FAC_REPLY_STATUS, FAC_REPLY_ERROR}},
    {&k_faci_add, "SET", FACI_RETRY_NEVER, true, {FAC_REPLY_STATUS, FAC_REPLY_NULL, FAC_REPLY_ERROR}},
    {&k_faci_del, "DEL", FACI_RETRY_WRITE, true, {FAC_REPLY_INTEGER, FAC_REPLY_ERROR}},
    {&k_faci_unlink, "UNLINK", FACI_RETRY_WRITE, true, {FAC_REPLY_INTEGER, FAC_REPLY_ERROR}},
    {&k_faci_exists, "EXISTS", FACI_RETRY_READ, false, {FAC_REPLY_INTEGER, FAC_REPLY_ERROR}},
    {&k_faci_pttl, "PTTL", FACI_RETRY_READ, false, {FAC_REPLY_INTEGER, FAC_REPLY_ERROR}},
    {&k_faci_pexpire, "PEXPIRE", FACI_RETRY_READ, true, {FAC_REPLY_INTEGER, FAC_REPLY_ERROR}},
    {&k_faci_persist, "PERSIST", FACI_RETRY_READ, true, {FAC_REPLY_INTEGER, FAC_REPLY_ERROR}},
    {&k_faci_incrby, "INCRBY", FACI_RETRY_NEVER, true, {FAC_REPLY_INTEGER, FAC_REPLY_ERROR}},
    {&k_faci_multi, "MULTI", FACI_RETRY_NEVER, true, {FAC_REPLY_STATUS, FAC_REPLY_ERROR}},
    {&k_faci_queued, "INCRBY", FACI_RETRY_NEVER, true,
     {FAC_REPLY_STATUS, FAC_REPLY_INTEGER, FAC_REPLY_NULL, FAC_REPLY_ERROR}},
    {&k_faci_exec, "INCRBY", FACI_RETRY_NEVER, true, {FAC_REPLY_ARRAY, FAC_REPLY_NULL, FAC_REPLY_ERROR}},
    {&k_faci_scan, "SCAN", FACI_RETRY_READ, false, {FAC_REPLY_ARRAY, FAC_REPLY_ERROR}},
    {&k_faci_ping, "PING", FACI_RETRY_READ, false, {FAC_REPLY_STATUS, FAC_REPLY_ERROR}},
    {&k_faci_info, "INFO", FACI_RETRY_READ, false, {FAC_REPLY_STRING, FAC_REPLY_VERBATIM, FAC_REPLY_ERROR}},
    {&k_faci_hello, "HELLO", FACI_RETRY_NEVER, false, {FAC_REPLY_MAP, FAC_REPLY_ARRAY, FAC_REPLY_ERROR}},
    {&k_faci_auth, "AUTH", FACI_RETRY_NEVER, false, {FAC_REPLY_STATUS, FAC_REPLY_ERROR}},
    {&k_faci_select, "SELECT", FACI_RETRY_NEVER, false, {FAC_REPLY_STATUS, FAC_REPLY_ERROR}},
    {&k_faci_client, "CLIENT", FACI_RETRY_NEVER, false, {FAC_REPLY_STATUS, FAC_REPLY_ERROR}},
    /* clang-format on */
};

static void test_command__gets_the_replies_it_can_get(void **state)
{
    (void)state;
    for (size_t i = 0; i < KIT_COUNT(k_rows); i++) {
        bool is_allowed[N_TYPES] = {false};
        for (size_t t = 0; t == 0 || k_rows[i].types[t - 1] != FAC_REPLY_ERROR; t++) {
            is_allowed[k_rows[i].types[t]] = true;
        }
        for (int type = 0; type < N_TYPES; type++) {
            if (faci_command_can_get(k_rows[i].command, (fac_reply_type)type) !=
                is_allowed[type]) {
                fail_msg("row %zu, %s: type %d", i, k_rows[i].name, type);
            }
        }
    }
}

static void test_command__of_the_caller_gets_anything(void **state)
{
    (void)state;
    for (int type = 0; type < N_TYPES; type++) {
        assert_true(faci_command_can_get(&k_faci_any, (fac_reply_type)type));
    }
    /* Nothing is known of it: it may write, and goes once. */
    assert_int_equal(k_faci_any.retry, FACI_RETRY_NEVER);
    assert_true(k_faci_any.is_write);
}

static void test_command__name_and_retry(void **state)
{
    (void)state;
    for (size_t i = 0; i < KIT_COUNT(k_rows); i++) {
        assert_string_equal(k_rows[i].command->name, k_rows[i].name);
        assert_int_equal(k_rows[i].command->retry, k_rows[i].retry);
        assert_int_equal(k_rows[i].command->is_write, k_rows[i].is_write);
    }
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_command__gets_the_replies_it_can_get),
    KIT_TEST(test_command__of_the_caller_gets_anything),
    KIT_TEST(test_command__name_and_retry),
};

KIT_MAIN(k_tests)
