/* SPDX-License-Identifier: MIT */
/* The reader's limits: depth, elements, lines, strings, whole replies. The last value within a
 * limit passes; the next one is refused, at the same byte however the wire was cut. */
#include "kit/kit.h"
#include "unit/resp/drive.h"

#include <string.h>

static char wire[DRIVE_ROOM_BYTES];
static size_t wire_len;

static void add(const char *text)
{
    size_t len = strlen(text);
    assert_true(wire_len + len < sizeof(wire));
    memcpy(wire + wire_len, text, len + 1);
    wire_len += len;
}

static void add_times(const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        add(text);
    }
}

static void check(struct drive *drive, enum faci_read_result result, size_t offset)
{
    static const size_t k_pieces[] = {1, 2, 3, 7, 4096, DRIVE_ROOM_BYTES};
    for (size_t i = 0; i < KIT_COUNT(k_pieces); i++) {
        drive_wire(drive, wire, wire_len, 0, k_pieces[i]);
        assert_int_equal(drive->result, result);
        assert_int_equal(drive->offset, offset);
    }
}

static void test_limits__depth(void **state)
{
    (void)state;
    struct drive drive;
    drive_init(&drive);
    static const char *const k_openers[] = {"*1\r\n", "~1\r\n", "%1\r\n"};
    for (size_t i = 0; i < KIT_COUNT(k_openers); i++) {
        bool is_map = k_openers[i][0] == '%';
        wire_len = 0;
        add_times(k_openers[i], FACI_READ_DEPTH_MAX);
        add(":1\r\n");
        add_times(":2\r\n", is_map ? FACI_READ_DEPTH_MAX : 0); /* each map's value */
        check(&drive, FACI_READ_REPLY, wire_len);
        wire_len = 0;
        add_times(k_openers[i], FACI_READ_DEPTH_MAX + 1);
        check(&drive, FACI_READ_TOO_LARGE, wire_len);
        kit_assert_contains(drive.reader.error_text, "deep", __FILE__, __LINE__);
    }
    wire_len = 0; /* an empty one is a level too */
    add_times("*1\r\n", FACI_READ_DEPTH_MAX);
    add("*0\r\n");
    check(&drive, FACI_READ_TOO_LARGE, wire_len);
    wire_len = 0; /* a null is none */
    add_times("*1\r\n", FACI_READ_DEPTH_MAX);
    add("*-1\r\n");
    check(&drive, FACI_READ_REPLY, wire_len);
    wire_len = 0; /* pushes and attributes count as what they are */
    add(">1\r\n");
    add_times("*1\r\n", FACI_READ_DEPTH_MAX);
    check(&drive, FACI_READ_TOO_LARGE, wire_len);
    wire_len = 0;
    add_times("*1\r\n", FACI_READ_DEPTH_MAX);
    add("|1\r\n");
    check(&drive, FACI_READ_TOO_LARGE, wire_len);
    drive_fini(&drive);
}

static void test_limits__elements(void **state)
{
    (void)state;
    struct drive drive;
    drive_init(&drive);
    static const char *const k_most[] = {"*1048576\r\n", "~1048576\r\n", "%524288\r\n",
                                         "|524288\r\n", ">1048576\r\n"};
    for (size_t i = 0; i < KIT_COUNT(k_most); i++) {
        wire_len = 0;
        add(k_most[i]);
        check(&drive, FACI_READ_MORE, wire_len);
    }
    drive_fini(&drive);
}

static void test_limits__the_largest_array_is_read_to_its_end(void **state)
{
    (void)state;
    struct record record;
    record_init(&record);
    struct faci_reader reader;
    faci_reader_init(&reader, 1024, UINT64_MAX);
    static const unsigned char k_head[] = "%524288\r\n";
    static const unsigned char k_child[] = "#t\r\n";
    const unsigned char *in = k_head;
    assert_int_equal(faci_reader_feed(&reader, &in, k_head + 9, &record.sink), FACI_READ_MORE);
    for (size_t i = 0; i < FACI_READ_ELEMENTS_MAX; i++) {
        in = k_child;
        enum faci_read_result want = i + 1 < FACI_READ_ELEMENTS_MAX ? FACI_READ_MORE
                                                                    : FACI_READ_REPLY;
        assert_int_equal(faci_reader_feed(&reader, &in, k_child + 4, &record.sink), want);
    }
    assert_true(faci_reader_is_between(&reader));
    record_fini(&record);
}

static void test_limits__lines(void **state)
{
    (void)state;
    struct drive drive;
    drive_init(&drive);
    static const char *const k_marks[] = {"+", "-", "(", ",", ",1.", ",1e"};
    for (size_t i = 0; i < KIT_COUNT(k_marks); i++) {
        wire_len = 0;
        add(k_marks[i]);
        add_times("7", FACI_READ_LINE_MAX_BYTES - (wire_len - 1));
        size_t full = wire_len;
        add("\r\n");
        check(&drive, FACI_READ_REPLY, wire_len);
        wire_len = full;
        add("7\r\n");
        check(&drive, FACI_READ_TOO_LARGE, full);
        wire_len = full;
        add("\n");
        check(&drive, FACI_READ_MALFORMED, full);
    }
    drive_fini(&drive);
}

static void test_limits__strings(void **state)
{
    (void)state;
    struct drive drive;
    drive_init(&drive);
    static const char *const k_most[] = {"$1048576\r\n", "!1048576\r\n", "=1048580\r\n"};
    for (size_t i = 0; i < KIT_COUNT(k_most); i++) {
        wire_len = 0;
        add(k_most[i]);
        add("txt:abc");
        check(&drive, FACI_READ_MORE, wire_len);
    }
    drive_fini(&drive);
}

/* Feed `wire` with a limit on the whole reply, in pieces of every size. */
static void check_reply_limit(uint64_t max_bytes, enum faci_read_result want, size_t offset)
{
    for (size_t piece = 1; piece <= wire_len; piece++) {
        struct record record;
        record_init(&record);
        struct faci_reader reader;
        faci_reader_init(&reader, 1000, max_bytes);
        enum faci_read_result result = FACI_READ_MORE;
        size_t at = 0;
        while (at < wire_len && (result == FACI_READ_MORE || result == FACI_READ_PUSH)) {
            size_t n = piece < wire_len - at ? piece : wire_len - at;
            const unsigned char *begin = (const unsigned char *)wire + at;
            const unsigned char *in = begin;
            result = faci_reader_feed(&reader, &in, begin + n, &record.sink);
            at += (size_t)(in - begin);
        }
        assert_int_equal(result, want);
        assert_int_equal(at, offset);
        record_fini(&record);
    }
}

static void test_limits__whole_replies(void **state)
{
    (void)state;
    wire_len = 0;
    add("*2\r\n$5\r\nhello\r\n$5\r\nworld\r\n"); /* 4 + 11 + 11 */
    check_reply_limit(26, FACI_READ_REPLY, 26);
    check_reply_limit(25, FACI_READ_TOO_LARGE, 19); /* known when the length is */
    check_reply_limit(14, FACI_READ_TOO_LARGE, 8);
    check_reply_limit(3, FACI_READ_TOO_LARGE, 4);
    wire_len = 0;
    add("*2\r\n:1\r\n+hello\r\n"); /* 4 + 4 + 8: a line counts at its end */
    check_reply_limit(16, FACI_READ_REPLY, 16);
    check_reply_limit(15, FACI_READ_TOO_LARGE, 16);
    wire_len = 0;
    add("=9\r\ntxt:hello\r\n"); /* 4 + 9 + 2 */
    check_reply_limit(15, FACI_READ_REPLY, 15);
    check_reply_limit(14, FACI_READ_TOO_LARGE, 4);
    wire_len = 0; /* a push has a count of its own, an attribute counts with its reply */
    add(">1\r\n+x\r\n>1\r\n+x\r\n|1\r\n+k\r\n+v\r\n+OK\r\n");
    check_reply_limit(17, FACI_READ_REPLY, 33);
    check_reply_limit(16, FACI_READ_TOO_LARGE, 33);
    check_reply_limit(7, FACI_READ_TOO_LARGE, 8);
}

static void test_limits__a_string_that_is_there_is_one_piece(void **state)
{
    (void)state;
    struct drive drive;
    drive_init(&drive);
    wire_len = 0;
    add("$100\r\n");
    add_times("v", 100);
    add("\r\n");
    drive_wire(&drive, wire, wire_len, 0, wire_len);
    assert_int_equal(drive.result, FACI_READ_REPLY);
    assert_int_equal(drive.record.n_data, 1);
    drive_wire(&drive, wire, wire_len, 56, wire_len);
    assert_int_equal(drive.record.n_data, 2);
    drive_fini(&drive);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_limits__depth),
    KIT_TEST(test_limits__elements),
    KIT_TEST(test_limits__the_largest_array_is_read_to_its_end),
    KIT_TEST(test_limits__lines),
    KIT_TEST(test_limits__strings),
    KIT_TEST(test_limits__whole_replies),
    KIT_TEST(test_limits__a_string_that_is_there_is_one_piece),
};
KIT_MAIN(k_tests)
