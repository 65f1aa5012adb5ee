/* SPDX-License-Identifier: MIT */
/* What the reader refuses, and at which byte: a table of wrong values, each in every context a
 * value can stand in, whole, byte by byte and at every split. */
#include "kit/kit.h"
#include "unit/resp/drive.h"

#include <string.h>

#define M FACI_READ_MALFORMED
#define T FACI_READ_TOO_LARGE

/* clang-format off */
static const struct bad_case {
    const char *wire;
    size_t offset; /* of the refused byte; behind the header for an announced size (T) */
    enum faci_read_result result;
} k_bad[] = {
    /* type bytes */
    {"x", 0, M}, {"\r\n", 0, M}, {"\n", 0, M}, {" +OK\r\n", 0, M}, {"HTTP/1.1 400 Bad\r\n", 0, M},
    {"SSH-2.0-x\r\n", 0, M}, {".\r\n", 0, M}, {";4\r\n", 0, M}, {"\x15\x03\x01", 0, M},
    /* integers */
    {":\r\n", 1, M}, {":+1\r\n", 1, M}, {":-\r\n", 2, M}, {":-0\r\n", 2, M}, {":-01\r\n", 2, M},
    {":00\r\n", 2, M}, {":01\r\n", 2, M}, {": 1\r\n", 1, M}, {":1 \r\n", 2, M}, {":1a\r\n", 2, M},
    {":--1\r\n", 2, M}, {":1.0\r\n", 2, M}, {":9223372036854775808\r\n", 19, M},
    {":-9223372036854775809\r\n", 20, M}, {":99999999999999999999\r\n", 19, M},
    {":-99999999999999999999\r\n", 20, M}, {":1\n", 2, M}, {":1\rx", 3, M}, {":1\r\r\n", 3, M},
    {":0\n", 2, M}, {":0\r+", 3, M}, {":12\n", 3, M},
    /* bulk strings */
    {"$\r\n", 1, M}, {"$+5\r\nhello\r\n", 1, M}, {"$-\r\n", 2, M}, {"$-2\r\n", 2, M},
    {"$-0\r\n", 2, M}, {"$-11\r\n", 3, M}, {"$-1\n", 3, M}, {"$-1x\r\n", 3, M}, {"$-1\r\r\n", 4, M},
    {"$05\r\nhello\r\n", 2, M}, {"$00\r\n\r\n", 2, M}, {"$?\r\n", 1, M}, {"$5\nhello\r\n", 2, M},
    {"$5\rhello\r\n", 3, M}, {"$ 5\r\n", 1, M}, {"$5a\r\n", 2, M}, {"$0x1\r\n", 2, M},
    {"$9223372036854775808\r\n", 19, M}, {"$99999999999999999999\r\n", 19, M},
    {"$1\r\nab\r\n", 5, M}, {"$1\r\na\n", 5, M}, {"$1\r\na\rb", 6, M}, {"$1\r\na\r\r\n", 6, M},
    {"$0\r\n\n", 4, M}, {"$0\r\nx", 4, M}, {"$0\r\n\r\r\n", 5, M}, {"$3\r\nab\r\n\r\n", 7, M},
    {"$1048577\r\n", 10, T}, {"$9223372036854775807\r\n", 22, T}, {"$1000000000000\r\n", 16, T},
    /* bulk errors */
    {"!\r\n", 1, M}, {"!-1\r\n", 1, M}, {"!?\r\n", 1, M}, {"!3\r\nERRx", 7, M}, {"!03\r\n", 2, M},
    {"!3\r\nERR\rx", 8, M}, {"!1048577\r\n", 10, T},
    /* verbatim strings */
    {"=\r\n", 1, M}, {"=0\r\n\r\n", 1, M}, {"=3\r\nabc\r\n", 2, M}, {"=1\r\na\r\n", 2, M},
    {"=-1\r\n", 1, M}, {"=4\r\ntxtx\r\n", 7, M}, {"=8\r\ntxt-abcd\r\n", 7, M}, {"=?\r\n", 1, M},
    {"=5\r\ntxt:ab\r\n", 9, M}, {"=5\r\ntxt:a\n", 9, M}, {"=4\r\ntxt:x", 8, M},
    {"=4\ntxt:\r\n", 2, M}, {"=04\r\ntxt:\r\n", 1, M}, {"=1048581\r\n", 10, T},
    {"=9223372036854775807\r\n", 22, T},
    /* lines */
    {"+OK\n", 3, M}, {"+OK\rx", 4, M}, {"+a\r\r\n", 3, M}, {"+\n", 1, M}, {"+\rx", 2, M},
    {"-ERR\n", 4, M}, {"-ERR\r-", 5, M}, {"-\n", 1, M}, {"-a\nb\r\n", 2, M},
    /* doubles */
    {",\r\n", 1, M}, {",1.\r\n", 3, M}, {",.5\r\n", 1, M}, {",-.5\r\n", 2, M}, {",1e\r\n", 3, M},
    {",1e+\r\n", 4, M}, {",1e-x\r\n", 4, M}, {",1.5.2\r\n", 4, M}, {",1e5e1\r\n", 4, M},
    {",1e5.0\r\n", 4, M}, {",1.e5\r\n", 3, M}, {",+inf\r\n", 2, M}, {",infx\r\n", 4, M},
    {",infinity\r\n", 4, M}, {",nano\r\n", 4, M}, {",-nan\r\n", 2, M}, {",NaN\r\n", 1, M},
    {",Inf\r\n", 1, M}, {",0x1p3\r\n", 2, M}, {",1,5\r\n", 2, M}, {", 1\r\n", 1, M},
    {",1 \r\n", 2, M}, {",1\n", 2, M}, {",in\r\n", 3, M}, {",na\r\n", 3, M}, {",i\r\n", 2, M},
    {",n\r\n", 2, M}, {",--1\r\n", 2, M}, {",+-1\r\n", 2, M}, {",1.5\rx", 5, M}, {",-\r\n", 2, M},
    {",+\r\n", 2, M}, {",ianf\r\n", 2, M},
    /* big numbers */
    {"(\r\n", 1, M}, {"(-\r\n", 2, M}, {"(+\r\n", 2, M}, {"(1.5\r\n", 2, M}, {"(1e5\r\n", 2, M},
    {"(12a\r\n", 3, M}, {"( 1\r\n", 1, M}, {"(1\n", 2, M}, {"(0x1f\r\n", 2, M}, {"(--1\r\n", 2, M},
    {"(1\r1", 3, M}, {"(1-\r\n", 2, M},
    /* booleans and null */
    {"#\r\n", 1, M}, {"#x\r\n", 1, M}, {"#T\r\n", 1, M}, {"#1\r\n", 1, M}, {"#true\r\n", 2, M},
    {"#t\n", 2, M}, {"#t\rx", 3, M}, {"#f \r\n", 2, M}, {"_x\r\n", 1, M}, {"_\n", 1, M},
    {"_\rx", 2, M}, {"_0\r\n", 1, M}, {"_-1\r\n", 1, M},
    /* aggregates */
    {"*\r\n", 1, M}, {"*-2\r\n", 2, M}, {"*-11\r\n", 3, M}, {"*+1\r\n", 1, M}, {"*01\r\n", 2, M},
    {"* 1\r\n", 1, M}, {"*1\n", 2, M}, {"*1\r:1\r\n", 3, M}, {"*?\r\n", 1, M}, {"*1a\r\n", 2, M},
    {"*9223372036854775808\r\n", 19, M}, {"*9223372036854775807\r\n", 22, T},
    {"*1048577\r\n", 10, T}, {"*4294967297\r\n", 13, T},
    {"%\r\n", 1, M}, {"%-1\r\n", 1, M}, {"%+1\r\n", 1, M}, {"%01\r\n", 2, M}, {"%?\r\n", 1, M},
    {"%1\n", 2, M}, {"%9223372036854775808\r\n", 19, M}, {"%9223372036854775807\r\n", 22, T},
    {"%4611686018427387905\r\n", 22, T}, {"%2147483649\r\n", 13, T}, {"%524289\r\n", 9, T},
    {"~\r\n", 1, M}, {"~-1\r\n", 1, M}, {"~01\r\n", 2, M}, {"~?\r\n", 1, M}, {"~1\rx", 3, M},
    {"~9223372036854775808\r\n", 19, M}, {"~9223372036854775807\r\n", 22, T},
    {"~1048577\r\n", 10, T},
    {"|\r\n", 1, M}, {"|-1\r\n", 1, M}, {"|01\r\n", 2, M}, {"|?\r\n", 1, M}, {"|1\n", 2, M},
    {"|9223372036854775808\r\n", 19, M}, {"|9223372036854775807\r\n", 22, T},
    {"|4611686018427387905\r\n", 22, T}, {"|524289\r\n", 9, T},
    /* wrong values inside others */
    {"*2\r\n:1\r\n:x\r\n", 9, M}, {"%1\r\n+k\r\nx", 8, M}, {"*1\r\n>1\r\n+x\r\n", 4, M},
    {"|1\r\n+k\r\n>1\r\n", 8, M}, {"*1\r\n|1\r\n+a\r\n+b\r\n>1\r\n", 16, M},
    {"~1\r\n$1\r\nab\r\n", 9, M}, {"%1\r\n*1\r\n:1\r\n\r\n", 12, M},
};

/* What stands before the wrong value. */
static const char *const k_contexts[] = {
    "",
    "*2\r\n:1\r\n",
    "%1\r\n$1\r\nk\r\n",
    "~1\r\n*1\r\n",
    "|1\r\n+k\r\n",
    "|1\r\n+k\r\n+v\r\n",
    ">1\r\n",
    "+OK\r\n",
    ">1\r\n+x\r\n",
};

/* Where a push may stand, it can be wrong too. */
static const struct bad_case k_bad_pushes[] = {
    {">\r\n", 1, M}, {">-1\r\n", 1, M}, {">01\r\n", 2, M}, {">?\r\n", 1, M}, {">1\n", 2, M},
    {">1\rx", 3, M}, {">9223372036854775808\r\n", 19, M}, {">9223372036854775807\r\n", 22, T},
    {">1048577\r\n", 10, T}, {">1\r\n>1\r\n", 4, M}, {">2\r\n:1\r\n>1\r\n", 8, M},
    {">1\r\n$1048577\r\n", 14, T}, {">1\r\n%1\r\n+k\r\n:x", 13, M},
};
/* clang-format on */

static void check_bad(const struct drive *drive, const char *wire, size_t offset,
                      enum faci_read_result result)
{
    if (drive->result != result || drive->offset != offset) {
        print_error("result %d, want %d; offset %zu, want %zu; wire: %s\n", (int)drive->result,
                    (int)result, drive->offset, offset, wire);
    }
    assert_int_equal(drive->result, result);
    assert_int_equal(drive->offset, offset);
    assert_true(drive->reader.error_text[0] != '\0');
    assert_false(faci_reader_is_between(&drive->reader));
}

/* Every way to cut one wire ends at the same byte, and tells the sink the same. */
static void run_bad(struct drive *drive, const char *context, const struct bad_case *c)
{
    char wire[128];
    size_t len = (size_t)snprintf(wire, sizeof(wire), "%s%s", context, c->wire);
    assert_true(len < sizeof(wire));
    size_t offset = strlen(context) + c->offset;
    drive_wire(drive, wire, len, 0, len);
    check_bad(drive, wire, offset, c->result);
    char told[256];
    assert_true(drive->record.len < sizeof(told));
    memcpy(told, drive->record.text, drive->record.len + 1);
    drive_wire(drive, wire, len, 0, 1);
    check_bad(drive, wire, offset, c->result);
    assert_string_equal(drive->record.text, told);
    for (size_t split = 1; split < len; split++) {
        drive_wire(drive, wire, len, split, len);
        check_bad(drive, wire, offset, c->result);
        assert_string_equal(drive->record.text, told);
    }
}

static void test_malformed__every_case_in_every_context_at_every_split(void **state)
{
    (void)state;
    struct drive drive;
    drive_init(&drive);
    size_t n_wires = 0;
    for (size_t i = 0; i < KIT_COUNT(k_bad); i++) {
        for (size_t j = 0; j < KIT_COUNT(k_contexts); j++, n_wires++) {
            run_bad(&drive, k_contexts[j], &k_bad[i]);
        }
    }
    assert_true(n_wires >= 1500);
    drive_fini(&drive);
}

static void test_malformed__pushes_at_every_boundary(void **state)
{
    (void)state;
    static const char *const k_boundaries[] = {"", "+OK\r\n", "|1\r\n+k\r\n+v\r\n",
                                               ">1\r\n+x\r\n"};
    struct drive drive;
    drive_init(&drive);
    for (size_t i = 0; i < KIT_COUNT(k_bad_pushes); i++) {
        for (size_t j = 0; j < KIT_COUNT(k_boundaries); j++) {
            run_bad(&drive, k_boundaries[j], &k_bad_pushes[i]);
        }
    }
    drive_fini(&drive);
}

static void test_malformed__every_byte_that_is_no_type(void **state)
{
    (void)state;
    struct drive drive;
    drive_init(&drive);
    size_t n_refused = 0;
    for (int c = 0; c < 256; c++) {
        char wire[2] = {(char)c, 'x'};
        drive_wire(&drive, wire, sizeof(wire), 0, sizeof(wire));
        if (c != 0 && strchr("+-:$*_,#!=(%~>|", c) != NULL) {
            assert_true(drive.result != FACI_READ_MALFORMED || drive.offset == 1);
            continue;
        }
        check_bad(&drive, "one byte", 0, FACI_READ_MALFORMED);
        n_refused++;
    }
    assert_int_equal(n_refused, 256 - 15);
    drive_fini(&drive);
}

static void test_malformed__a_truncated_reply_is_not_an_error(void **state)
{
    (void)state;
    static const char *const k_wires[] = {
        "*5\r\n$5\r\nhello\r\n:-12\r\n$-1\r\n+OK\r\n-ERR x\r\n",
        "%2\r\n,1.5e-7\r\n(-123\r\n=7\r\ntxt:abc\r\n~2\r\n#t\r\n_\r\n",
        "|1\r\n+k\r\n:1\r\n*2\r\n!3\r\nERR\r\n,-inf\r\n",
        ">2\r\n+invalidate\r\n*1\r\n$1\r\na\r\n",
    };
    struct drive drive;
    drive_init(&drive);
    for (size_t i = 0; i < KIT_COUNT(k_wires); i++) {
        size_t len = strlen(k_wires[i]);
        for (size_t cut = 1; cut < len; cut++) {
            drive_wire(&drive, k_wires[i], cut, 0, cut);
            assert_int_equal(drive.result, FACI_READ_MORE);
            assert_int_equal(drive.offset, cut);
            assert_false(faci_reader_is_between(&drive.reader));
        }
        drive_wire(&drive, k_wires[i], len, 0, len);
        assert_true(drive.result == FACI_READ_REPLY || drive.result == FACI_READ_PUSH);
    }
    drive_fini(&drive);
}

static void test_malformed__nothing_is_read_after_a_refusal(void **state)
{
    (void)state;
    struct drive drive;
    drive_init(&drive);
    static const char *const k_wires[] = {":x", "*1048577\r\n"};
    for (size_t i = 0; i < KIT_COUNT(k_wires); i++) {
        drive_wire(&drive, k_wires[i], strlen(k_wires[i]), 0, 64);
        enum faci_read_result result = drive.result;
        size_t offset = drive.offset;
        size_t told = drive.record.len;
        assert_true(drive_has_failed(&drive));
        drive_feed(&drive, "+OK\r\n", 5);
        assert_int_equal(drive.result, result);
        drive_feed(&drive, "", 0);
        assert_int_equal(drive.result, result);
        assert_int_equal(drive.offset, offset);
        assert_int_equal(drive.record.len, told);
    }
    drive_fini(&drive);
}

static void test_malformed__a_reply_nobody_asked_for(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *wire; size_t offset; enum faci_read_result result; } k_cases[] = {
        {"+OK\r\n", 0, M}, {"$-1\r\n", 0, M}, {"*0\r\n", 0, M}, {">1\r\n+x\r\n:1\r\n", 8, M},
        {"|1\r\n+k\r\n+v\r\n:1\r\n", 12, M}, {"|0\r\n_\r\n", 4, M},
        {">1\r\n*1\r\n$1\r\na\r\n", 15, FACI_READ_PUSH}, {">0\r\n>0\r\n", 8, FACI_READ_PUSH},
        {"|1\r\n+k\r\n+v\r\n>1\r\n+x\r\n", 20, FACI_READ_PUSH},
        {"|1\r\n+k\r\n*1\r\n", 12, FACI_READ_MORE},
    };
    /* clang-format on */
    struct drive drive;
    drive_init(&drive);
    drive.is_unexpected = true;
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        size_t len = strlen(k_cases[i].wire);
        for (size_t piece = 1; piece <= len; piece++) {
            drive_wire(&drive, k_cases[i].wire, len, 0, piece);
            assert_int_equal(drive.result, k_cases[i].result);
            assert_int_equal(drive.offset, k_cases[i].offset);
        }
    }
    drive_fini(&drive);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_malformed__every_case_in_every_context_at_every_split),
    KIT_TEST(test_malformed__pushes_at_every_boundary),
    KIT_TEST(test_malformed__every_byte_that_is_no_type),
    KIT_TEST(test_malformed__a_truncated_reply_is_not_an_error),
    KIT_TEST(test_malformed__nothing_is_read_after_a_refusal),
    KIT_TEST(test_malformed__a_reply_nobody_asked_for),
};
KIT_MAIN(k_tests)
