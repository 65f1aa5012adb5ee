/* SPDX-License-Identifier: MIT */
/* What the reader tells its sink, for well-formed wires: every case whole, byte by byte and at
 * every split. Malformed wires are in malformed_test.c. */
#include "kit/kit.h"
#include "unit/resp/drive.h"

#include <string.h>

/* clang-format off */
static const struct good_case {
    const char *wire;
    const char *want;
} k_good[] = {
    /* RESP2 */
    {"+OK\r\n",                       "+-1@0(OK) ."},
    {"+\r\n",                         "+-1@0() ."},
    {"-ERR no such thing\r\n",        "--1@0(ERR no such thing) ."},
    {":0\r\n",                        ":0@0 ."},
    {":7\r\n",                        ":7@0 ."},
    {":-1\r\n",                       ":-1@0 ."},
    {":9223372036854775807\r\n",      ":9223372036854775807@0 ."},
    {":-9223372036854775808\r\n",     ":-9223372036854775808@0 ."},
    {"$5\r\nhello\r\n",               "$5@0(hello) ."},
    {"$0\r\n\r\n",                    "$0@0() ."},
    {"$6\r\na\r\nb\r\n\r\n",          "$6@0(a\r\nb\r\n) ."},
    {"$10\r\n0123456789\r\n",         "$10@0(0123456789) ."},
    {"$-1\r\n",                       "_0@0 ."},
    {"*-1\r\n",                       "_0@0 ."},
    {"*0\r\n",                        "*0@0 ."},
    {"*2\r\n$1\r\na\r\n$-1\r\n",      "*2@0 $1@1(a) _0@1 ."},
    {"*2\r\n*0\r\n*1\r\n:5\r\n",      "*2@0 *0@1 *1@1 :5@2 ."},
    {"*1\r\n*1\r\n*1\r\n+x\r\n",      "*1@0 *1@1 *1@2 +-1@3(x) ."},
    {"*3\r\n:1\r\n*-1\r\n-E\r\n",     "*3@0 :1@1 _0@1 --1@1(E) ."},
    /* RESP3 */
    {"_\r\n",                         "_0@0 ."},
    {"#t\r\n",                        "#1@0 ."},
    {"#f\r\n",                        "#0@0 ."},
    {",1\r\n",                        ",-1@0(1) ."},
    {",-1.50\r\n",                    ",-1@0(-1.50) ."},
    {",+07.5e-3\r\n",                 ",-1@0(+07.5e-3) ."},
    {",1E+20\r\n",                    ",-1@0(1E+20) ."},
    {",1e9\r\n",                      ",-1@0(1e9) ."},
    {",inf\r\n",                      ",-1@0(inf) ."},
    {",-inf\r\n",                     ",-1@0(-inf) ."},
    {",nan\r\n",                      ",-1@0(nan) ."},
    {"(12345678901234567890123\r\n",  "(-1@0(12345678901234567890123) ."},
    {"(-1\r\n",                       "(-1@0(-1) ."},
    {"(+1\r\n",                       "(-1@0(+1) ."},
    {"!5\r\nERR x\r\n",               "-5@0(ERR x) ."},
    {"!0\r\n\r\n",                    "-0@0() ."},
    {"=7\r\ntxt:abc\r\n",             "=3@0(abc) ."},
    {"=4\r\nmkd:\r\n",                "=0@0() ."},
    {"=6\r\n:::::\n\r\n",             "=2@0(:\n) ."},
    {"~2\r\n:1\r\n:2\r\n",            "~2@0 :1@1 :2@1 ."},
    {"~0\r\n",                        "~0@0 ."},
    {"%0\r\n",                        "%0@0 ."},
    {"%1\r\n+k\r\n:1\r\n",            "%2@0 +-1@1(k) :1@1 ."},
    {"%2\r\n+a\r\n%1\r\n:1\r\n#t\r\n+b\r\n_\r\n",
     "%4@0 +-1@1(a) %2@1 :1@2 #1@2 +-1@1(b) _0@1 ."},
    /* Several replies. */
    {"+a\r\n$1\r\nb\r\n:3\r\n",       "+-1@0(a) . $1@0(b) . :3@0 ."},
    {"*0\r\n*0\r\n_\r\n",             "*0@0 . *0@0 . _0@0 ."},
    /* Attributes are dropped, wherever they stand. */
    {"|1\r\n+ttl\r\n:3600\r\n$1\r\na\r\n",               "$1@0(a) ."},
    {"|0\r\n+OK\r\n",                                    "+-1@0(OK) ."},
    {"|1\r\n+k\r\n*2\r\n:1\r\n*0\r\n*1\r\n:2\r\n",       "*1@0 :2@1 ."},
    {"*2\r\n:1\r\n|1\r\n+k\r\n+v\r\n:2\r\n:9\r\n",       "*2@0 :1@1 :2@1 . :9@0 ."},
    {"*1\r\n|0\r\n|1\r\n+k\r\n$1\r\nv\r\n*1\r\n:2\r\n",  "*1@0 *1@1 :2@2 ."},
    {"|1\r\n+k\r\n|1\r\n+n\r\n+m\r\n+v\r\n+OK\r\n",      "+-1@0(OK) ."},
    {"|1\r\n|1\r\n:1\r\n:2\r\n+k\r\n+v\r\n|1\r\n+a\r\n+b\r\n:3\r\n", ":3@0 ."},
    /* Pushes stand between replies and take none's place. */
    {">2\r\n+message\r\n$1\r\nx\r\n",                    ">"},
    {">0\r\n:1\r\n",                                     "> :1@0 ."},
    {":1\r\n>1\r\n+x\r\n:2\r\n",                         ":1@0 . > :2@0 ."},
    {">2\r\n+invalidate\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n+OK\r\n", "> +-1@0(OK) ."},
    {">1\r\n%1\r\n+a\r\n~1\r\n=4\r\ntxt:\r\n>1\r\n_\r\n", "> >"},
    {"|1\r\n+k\r\n+v\r\n>1\r\n+x\r\n+OK\r\n",            "> +-1@0(OK) ."},
    {">2\r\n+x\r\n|1\r\n+k\r\n*1\r\n:1\r\n:2\r\n+OK\r\n", "> +-1@0(OK) ."},
};
/* clang-format on */

static void check_good(const struct drive *drive, const struct good_case *c)
{
    if (strcmp(drive->record.text, c->want) != 0) {
        print_error("wire: %s\n", c->wire);
    }
    assert_string_equal(drive->record.text, c->want);
    assert_false(drive_has_failed(drive));
    assert_int_equal(drive->offset, strlen(c->wire));
    assert_true(faci_reader_is_between(&drive->reader));
}

static void test_reader__every_good_case_whole_and_byte_by_byte(void **state)
{
    (void)state;
    struct drive drive;
    drive_init(&drive);
    for (size_t i = 0; i < KIT_COUNT(k_good); i++) {
        const struct good_case *c = &k_good[i];
        drive_wire(&drive, c->wire, strlen(c->wire), 0, strlen(c->wire));
        check_good(&drive, c);
        drive_wire(&drive, c->wire, strlen(c->wire), 0, 1);
        check_good(&drive, c);
    }
    drive_fini(&drive);
}

static void test_reader__every_good_case_at_every_split(void **state)
{
    (void)state;
    struct drive drive;
    drive_init(&drive);
    for (size_t i = 0; i < KIT_COUNT(k_good); i++) {
        const struct good_case *c = &k_good[i];
        for (size_t split = 1; split < strlen(c->wire); split++) {
            drive_wire(&drive, c->wire, strlen(c->wire), split, strlen(c->wire));
            check_good(&drive, c);
        }
    }
    drive_fini(&drive);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_reader__every_good_case_whole_and_byte_by_byte),
    KIT_TEST(test_reader__every_good_case_at_every_split),
};
KIT_MAIN(k_tests)
