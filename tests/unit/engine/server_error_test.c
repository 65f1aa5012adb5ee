/* SPDX-License-Identifier: MIT */
/* What a server's refusal means to the caller, and that its words stay in their place. */
#include "engine/server_error.h"

#include "kit/kit.h"

#include <string.h>

static void test_server_error__status_of_each(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        fac_status status;
        const char *code;
    } k_cases[] = {
        /* clang-format off */
        {"NOAUTH Authentication required.", FAC_E_AUTH, "NOAUTH"},
        {"WRONGPASS invalid username-password pair or user is disabled.", FAC_E_AUTH, "WRONGPASS"},
        {"NOPERM this user has no permissions to run the 'get' command", FAC_E_AUTH, "NOPERM"},
        {"DENIED Redis is running in protected mode", FAC_E_AUTH, "DENIED"},
        {"LOADING Redis is loading the dataset in memory", FAC_E_UNAVAILABLE, "LOADING"},
        {"MASTERDOWN Link with MASTER is down", FAC_E_UNAVAILABLE, "MASTERDOWN"},
        {"CLUSTERDOWN The cluster is down", FAC_E_UNAVAILABLE, "CLUSTERDOWN"},
        {"TRYAGAIN Multiple keys request during rehashing of slot", FAC_E_UNAVAILABLE, "TRYAGAIN"},
        {"BUSY Redis is busy running a script.", FAC_E_UNAVAILABLE, "BUSY"},
        {"ERR max number of clients reached", FAC_E_UNAVAILABLE, "ERR"},
        {"ERR max number of clients + cluster connections reached", FAC_E_UNAVAILABLE, "ERR"},
        {"ERR DB index is out of range", FAC_E_CONFIG, "ERR"},
        {"ERR invalid DB index", FAC_E_CONFIG, "ERR"},
        {"ERR AUTH <password> called without any password configured for the default user", FAC_E_AUTH, "ERR"},
        {"ERR Client sent AUTH, but no password is set", FAC_E_AUTH, "ERR"},
        {"ERR invalid password", FAC_E_AUTH, "ERR"},
        {"WRONGTYPE Operation against a key holding the wrong kind of value", FAC_E_SERVER, "WRONGTYPE"},
        {"OOM command not allowed when used memory > 'maxmemory'.", FAC_E_SERVER, "OOM"},
        {"READONLY You can't write against a read only replica.", FAC_E_SERVER, "READONLY"},
        {"MOVED 3999 127.0.0.1:6381", FAC_E_SERVER, "MOVED"},
        {"ERR value is not an integer or out of range", FAC_E_SERVER, "ERR"},
        {"ERR unknown command 'FOO'", FAC_E_SERVER, "ERR"},
        /* A code is the whole first word, and nothing else is. */
        {"LOADING", FAC_E_UNAVAILABLE, "LOADING"},
        {"LOADINGX now", FAC_E_SERVER, "LOADINGX"},
        {"LOADIN now", FAC_E_SERVER, "LOADIN"},
        {"loading now", FAC_E_SERVER, "loading"},
        {"BUSYKEY Target key name already exists.", FAC_E_SERVER, "BUSYKEY"},
        {"ERR LOADING", FAC_E_SERVER, "ERR"},
        {" LOADING", FAC_E_SERVER, ""},
        {"", FAC_E_SERVER, ""},
        {" ", FAC_E_SERVER, ""},
        /* 23 bytes are a code, 24 do not fit and are none. */
        {"ABCDEFGHIJKLMNOPQRSTUVW x", FAC_E_SERVER, "ABCDEFGHIJKLMNOPQRSTUVW"},
        {"ABCDEFGHIJKLMNOPQRSTUVWX x", FAC_E_SERVER, ""},
        /* clang-format on */
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        fac_error err;
        memset(&err, 'x', sizeof(err));
        fac_status st = faci_server_error(&err, "GET", fac_str(k_cases[i].text));
        assert_status(st, k_cases[i].status, &err);
        assert_int_equal(err.status, st);
        assert_string_equal(err.server_code, k_cases[i].code);
        assert_contains(err.message, "GET: the server said: ");
        assert_contains(err.message, k_cases[i].text);
        assert_false(err.maybe_applied);
        assert_int_equal(err.os_errno, 0);
        assert_int_equal(faci_server_error(NULL, "GET", fac_str(k_cases[i].text)),
                         k_cases[i].status);
    }
}

static void test_server_error__text_that_is_absent(void **state)
{
    (void)state;
    fac_error err;
    assert_status(faci_server_error(&err, "SET", fac_mem(NULL, 0)), FAC_E_SERVER, &err);
    assert_string_equal(err.server_code, "");
    assert_string_equal(err.message, "SET: the server said: ");
    assert_false(faci_server_error_says(fac_mem(NULL, 0), "x"));
    assert_false(faci_server_error_is(fac_mem(NULL, 0), "ERR"));
}

/* RESP3 has errors with a length, which may hold any byte. */
static void test_server_error__cannot_forge_a_line(void **state)
{
    (void)state;
    static const char k_texts[][24] = {
        "ERR a\r\nINFO all well",
        "ERR\r\nINFO all well",
        "\r\nERR a",
        "ERR\x1b[31m red",
        "E\tR R",
        "ERR\x7f b",
    };
    for (size_t i = 0; i < KIT_COUNT(k_texts); i++) {
        fac_error err;
        assert_status(faci_server_error(&err, "GET", fac_str(k_texts[i])), FAC_E_SERVER, &err);
        assert_null(strpbrk(err.message, "\r\n\t\x1b\x7f"));
        assert_null(strpbrk(err.server_code, "\r\n\t\x1b\x7f"));
    }
}

static void test_server_error__long_text_is_cut(void **state)
{
    (void)state;
    static char text[4000];
    memset(text, 'e', sizeof(text));
    fac_error err;
    assert_status(faci_server_error(&err, "GET", fac_mem(text, sizeof(text))), FAC_E_SERVER,
                  &err);
    assert_string_equal(err.server_code, "");
    assert_int_equal(strlen(err.message), strlen("GET: the server said: ") + 200);
}

static void test_server_error__looks_no_further_than_its_text(void **state)
{
    (void)state;
    assert_false(faci_server_error_is(fac_mem("LOADING", 6), "LOADING"));
    assert_true(faci_server_error_is(fac_mem("LOADINGX", 7), "LOADING"));
    assert_false(faci_server_error_says(fac_mem("unknown command", 14), "unknown command"));
    assert_true(faci_server_error_says(fac_mem("an unknown commandX", 18), "unknown command"));
    fac_error err;
    assert_status(faci_server_error(&err, "GET", fac_mem("ERR secret", 3)), FAC_E_SERVER, &err);
    assert_string_equal(err.message, "GET: the server said: ERR");
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_server_error__status_of_each),
    KIT_TEST(test_server_error__text_that_is_absent),
    KIT_TEST(test_server_error__cannot_forge_a_line),
    KIT_TEST(test_server_error__long_text_is_cut),
    KIT_TEST(test_server_error__looks_no_further_than_its_text),
};

KIT_MAIN(k_tests)
