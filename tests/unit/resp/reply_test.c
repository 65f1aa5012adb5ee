/* SPDX-License-Identifier: MIT */
/* The tree behind fac_reply: what it holds, what it costs, and what happens without memory. */
#include "kit/kit.h"
#include "kit/memory.h"

#include "resp/reader.h"
#include "resp/reply.h"

#include <faciliter/reply.h>

#include <stdio.h>
#include <string.h>

static const char k_every_type[] =
    "*12\r\n$5\r\nhello\r\n$0\r\n\r\n+OK\r\n-ERR no\r\n:-7\r\n_\r\n#t\r\n,1.5\r\n(123\r\n"
    "=7\r\ntxt:abc\r\n%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n~9\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n"
    ":8\r\n*1\r\n!3\r\nE x\r\n";

/* Feed `wire` in pieces to a sink. Returns the last result. */
static enum faci_read_result feed(struct faci_reply_sink *sink, const char *wire, size_t len,
                                  size_t piece)
{
    struct faci_reader reader;
    faci_reader_init(&reader, UINT64_C(1) << 40, UINT64_C(1) << 40);
    enum faci_read_result result = FACI_READ_MORE;
    for (size_t at = 0; at < len && result == FACI_READ_MORE; at += piece) {
        const unsigned char *in = (const unsigned char *)wire + at;
        const unsigned char *end = in + (piece < len - at ? piece : len - at);
        result = faci_reader_feed(&reader, &in, end, &sink->sink);
    }
    return result;
}

static fac_reply *parse(struct kit_memory *memory, const char *wire, size_t piece)
{
    struct faci_reply_sink sink;
    faci_reply_sink_init(&sink, &memory->hook);
    assert_int_equal(feed(&sink, wire, strlen(wire), piece), FACI_READ_REPLY);
    return faci_reply_sink_take(&sink);
}

static void check_bytes(const fac_reply *reply, fac_reply_type type, const char *want)
{
    assert_int_equal(fac_reply_kind(reply), type);
    fac_bytes bytes = fac_reply_bytes(reply);
    assert_int_equal(bytes.len, strlen(want));
    assert_string_equal(bytes.data, want); /* NUL behind it included */
    assert_int_equal(fac_reply_count(reply), 0);
    assert_int_equal(fac_reply_integer(reply), 0);
}

static void check_number(const fac_reply *reply, fac_reply_type type, int64_t want)
{
    assert_int_equal(fac_reply_kind(reply), type);
    assert_true(fac_reply_integer(reply) == want);
    assert_int_equal(fac_reply_bytes(reply).len, 0);
    assert_int_equal(fac_reply_count(reply), 0);
}

static void check_every_type(const fac_reply *root)
{
    assert_int_equal(fac_reply_kind(root), FAC_REPLY_ARRAY);
    assert_int_equal(fac_reply_count(root), 12);
    check_bytes(fac_reply_child(root, 0), FAC_REPLY_STRING, "hello");
    check_bytes(fac_reply_child(root, 1), FAC_REPLY_STRING, "");
    check_bytes(fac_reply_child(root, 2), FAC_REPLY_STATUS, "OK");
    check_bytes(fac_reply_child(root, 3), FAC_REPLY_ERROR, "ERR no");
    check_number(fac_reply_child(root, 4), FAC_REPLY_INTEGER, -7);
    check_number(fac_reply_child(root, 5), FAC_REPLY_NULL, 0);
    check_number(fac_reply_child(root, 6), FAC_REPLY_BOOLEAN, 1);
    check_bytes(fac_reply_child(root, 7), FAC_REPLY_DOUBLE, "1.5");
    check_bytes(fac_reply_child(root, 8), FAC_REPLY_BIG_NUMBER, "123");
    check_bytes(fac_reply_child(root, 9), FAC_REPLY_VERBATIM, "abc");
    const fac_reply *map = fac_reply_child(root, 10);
    assert_int_equal(fac_reply_kind(map), FAC_REPLY_MAP);
    assert_int_equal(fac_reply_count(map), 4);
    check_bytes(fac_reply_child(map, 2), FAC_REPLY_STATUS, "b");
    assert_int_equal(fac_reply_kind(fac_reply_child(map, 3)), FAC_REPLY_ARRAY);
    assert_int_equal(fac_reply_count(fac_reply_child(map, 3)), 0);
    const fac_reply *set = fac_reply_child(root, 11);
    assert_int_equal(fac_reply_kind(set), FAC_REPLY_SET);
    assert_int_equal(fac_reply_count(set), 9);
    for (size_t i = 0; i < 8; i++) {
        check_number(fac_reply_child(set, i), FAC_REPLY_INTEGER, (int64_t)i + 1);
    }
    check_bytes(fac_reply_child(fac_reply_child(set, 8), 0), FAC_REPLY_ERROR, "E x");
    assert_null(fac_reply_child(root, 12));
    assert_null(fac_reply_child(map, SIZE_MAX));
    assert_null(fac_reply_child(fac_reply_child(root, 0), 0));
}

static void test_reply__holds_every_type_however_cut(void **state)
{
    (void)state;
    struct kit_memory memory;
    kit_memory_init(&memory);
    for (size_t piece = 1; piece <= sizeof(k_every_type); piece++) {
        fac_reply *root = parse(&memory, k_every_type, piece);
        assert_non_null(root);
        check_every_type(root);
        fac_reply_free(root);
        kit_memory_assert_empty(&memory);
    }
}

static void test_reply__null_reads_as_null(void **state)
{
    (void)state;
    check_number(NULL, FAC_REPLY_NULL, 0);
    assert_null(fac_reply_child(NULL, 0));
    fac_reply_free(NULL);
}

static void test_reply__outlives_its_allocator_struct(void **state)
{
    (void)state;
    struct kit_memory memory;
    kit_memory_init(&memory);
    fac_allocator hook = memory.hook;
    struct faci_reply_sink sink;
    faci_reply_sink_init(&sink, &hook);
    static const char k_wire[] = "*1\r\n$3\r\nabc\r\n";
    assert_int_equal(feed(&sink, k_wire, strlen(k_wire), 5), FACI_READ_REPLY);
    fac_reply *root = faci_reply_sink_take(&sink);
    memset(&hook, 0xa5, sizeof(hook));
    memset(&sink, 0xa5, sizeof(sink));
    check_bytes(fac_reply_child(root, 0), FAC_REPLY_STRING, "abc");
    fac_reply_free(root);
    kit_memory_assert_empty(&memory);
}

static void test_reply__large_text_grows_to_its_exact_length(void **state)
{
    (void)state;
    enum {
        LEN = 300000
    };
    struct kit_memory memory;
    kit_memory_init(&memory);
    static char wire[LEN + 64];
    int head = snprintf(wire, sizeof(wire), "$%d\r\n", (int)LEN);
    for (size_t i = 0; i < LEN; i++) {
        wire[(size_t)head + i] = (char)('a' + i % 23);
    }
    wire[head + LEN] = '\r';
    wire[head + LEN + 1] = '\n';
    static const size_t k_pieces[] = {1, 100, 4096, 65536, LEN, sizeof(wire)};
    for (size_t i = 0; i < KIT_COUNT(k_pieces); i++) {
        struct faci_reply_sink sink;
        faci_reply_sink_init(&sink, &memory.hook);
        size_t len = (size_t)head + LEN + 2;
        assert_int_equal(feed(&sink, wire, len, k_pieces[i]), FACI_READ_REPLY);
        fac_reply *root = faci_reply_sink_take(&sink);
        assert_int_equal(fac_reply_bytes(root).len, LEN);
        assert_memory_equal(fac_reply_bytes(root).data, wire + head, LEN);
        assert_true(atomic_load(&memory.n_bytes) < LEN + 256);
        fac_reply_free(root);
        kit_memory_assert_empty(&memory);
    }
}

static void test_reply__a_long_line_grows_with_it(void **state)
{
    (void)state;
    struct kit_memory memory;
    kit_memory_init(&memory);
    static char wire[FACI_READ_LINE_MAX_BYTES + 3];
    memset(wire, '7', sizeof(wire));
    wire[0] = '(';
    wire[sizeof(wire) - 2] = '\r';
    wire[sizeof(wire) - 1] = '\n';
    struct faci_reply_sink sink;
    faci_reply_sink_init(&sink, &memory.hook);
    assert_int_equal(feed(&sink, wire, sizeof(wire), 11), FACI_READ_REPLY);
    fac_reply *root = faci_reply_sink_take(&sink);
    assert_int_equal(fac_reply_bytes(root).len, FACI_READ_LINE_MAX_BYTES);
    assert_int_equal(strlen(fac_reply_bytes(root).data), FACI_READ_LINE_MAX_BYTES);
    fac_reply_free(root);
    kit_memory_assert_empty(&memory);
}

/* A peer that announces much and sends nothing. */
static void test_reply__headers_alone_cost_little(void **state)
{
    (void)state;
    static const char *const k_wires[] = {
        "$1000000000000\r\n",
        "$1000000000000\r\nx",
        "=1000000000000\r\ntxt:x",
        "!1000000000000\r\nE",
        "*1048576\r\n",
        "*1048576\r\n:1\r\n",
        "%524288\r\n+k\r\n",
        "~1048576\r\n*1048576\r\n*1048576\r\n*1048576\r\n$1000000000\r\nx",
        "|524288\r\n+k\r\n",
        ">1048576\r\n$1000000000000\r\nx",
    };
    for (size_t i = 0; i < KIT_COUNT(k_wires); i++) {
        struct kit_memory memory;
        kit_memory_init(&memory);
        struct faci_reply_sink sink;
        faci_reply_sink_init(&sink, &memory.hook);
        assert_int_equal(feed(&sink, k_wires[i], strlen(k_wires[i]), 64), FACI_READ_MORE);
        assert_true(atomic_load(&memory.peak_bytes) < 131072);
        faci_reply_sink_fini(&sink);
        kit_memory_assert_empty(&memory);
    }
    struct kit_memory memory;
    kit_memory_init(&memory);
    struct faci_reply_sink sink;
    faci_reply_sink_init(&sink, &memory.hook);
    static const char k_opener[] = "*1048576\r\n";
    static char nested[FACI_READ_DEPTH_MAX * (sizeof(k_opener) - 1) + 1];
    for (size_t at = 0; at + 1 < sizeof(nested); at += sizeof(k_opener) - 1) {
        memcpy(nested + at, k_opener, sizeof(k_opener));
    }
    size_t nested_len = sizeof(nested) - 1;
    assert_int_equal(feed(&sink, nested, nested_len, nested_len), FACI_READ_MORE);
    assert_true(atomic_load(&memory.peak_bytes) < 16384);
    faci_reply_sink_fini(&sink);
    kit_memory_assert_empty(&memory);
}

/* Fail the n-th allocation, alone or with all behind it: the stream stays in step, the sink says
 * so, nothing leaks. */
static void sweep(const char *wire, size_t piece, bool and_on)
{
    for (size_t n = 1;; n++) {
        struct kit_memory memory;
        kit_memory_init(&memory);
        kit_memory_fail(&memory, n, and_on);
        struct faci_reply_sink sink;
        faci_reply_sink_init(&sink, &memory.hook);
        assert_int_equal(feed(&sink, wire, strlen(wire), piece), FACI_READ_REPLY);
        bool has_failed = kit_memory_n_failed(&memory) > 0;
        assert_int_equal(sink.is_out_of_memory, has_failed);
        fac_reply *root = faci_reply_sink_take(&sink);
        assert_int_equal(root == NULL, has_failed);
        fac_reply_free(root);
        faci_reply_sink_fini(&sink);
        kit_memory_assert_empty(&memory);
        if (!has_failed) {
            assert_true(n > 1);
            return;
        }
        assert_true(n < 1000);
    }
}

static void test_reply__without_memory_at_every_allocation(void **state)
{
    (void)state;
    static const char *const k_wires[] = {
        k_every_type, "$5\r\nhello\r\n", ":1\r\n",
        "(123456789012345678901234567890123456789012345678901234567890123456789\r\n",
        "%3\r\n+a\r\n*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n+b\r\n$1\r\nx\r\n+c\r\n~1\r\n*1\r\n,1\r\n"};
    static const size_t k_pieces[] = {1, 7, 1000};
    for (size_t i = 0; i < KIT_COUNT(k_wires); i++) {
        for (size_t j = 0; j < KIT_COUNT(k_pieces); j++) {
            sweep(k_wires[i], k_pieces[j], false);
            sweep(k_wires[i], k_pieces[j], true);
        }
    }
}

static void test_reply__dropped_at_every_byte(void **state)
{
    (void)state;
    struct kit_memory memory;
    kit_memory_init(&memory);
    for (size_t cut = 0; cut < strlen(k_every_type); cut++) {
        struct faci_reply_sink sink;
        faci_reply_sink_init(&sink, &memory.hook);
        assert_int_equal(feed(&sink, k_every_type, cut, 64), FACI_READ_MORE);
        faci_reply_sink_fini(&sink);
        faci_reply_sink_fini(&sink);
        kit_memory_assert_empty(&memory);
    }
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_reply__holds_every_type_however_cut),
    KIT_TEST(test_reply__null_reads_as_null),
    KIT_TEST(test_reply__outlives_its_allocator_struct),
    KIT_TEST(test_reply__large_text_grows_to_its_exact_length),
    KIT_TEST(test_reply__a_long_line_grows_with_it),
    KIT_TEST(test_reply__headers_alone_cost_little),
    KIT_TEST(test_reply__without_memory_at_every_allocation),
    KIT_TEST(test_reply__dropped_at_every_byte),
};
KIT_MAIN(k_tests)
