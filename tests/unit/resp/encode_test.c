/* SPDX-License-Identifier: MIT */
/* Commands on the wire: known frames, the measured length, and a round trip through a reader of
 * requests that shares no code with the library. */
#include "kit/guard.h"
#include "kit/kit.h"
#include "unit/resp/request.h"

#include "base/bytes.h"
#include "resp/encode.h"

#include <string.h>

enum {
    ROOM_BYTES = 256 * 1024,
    ARGS_MAX = 64
};

/* Encodes against the end of a guarded page, so one byte too many is a fault. */
static const unsigned char *encode(struct kit_guard *guard, const struct faci_arg *args,
                                   size_t n_args, size_t *out_len)
{
    size_t len = 0;
    assert_true(faci_resp_frame_bytes(args, n_args, &len));
    assert_true(len <= ROOM_BYTES);
    unsigned char *to = guard->end - len;
    assert_ptr_equal(faci_resp_put_frame(to, args, n_args), guard->end);
    *out_len = len;
    return to;
}

static void test_encode__known_frames(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *parts[6]; size_t n_args; const char *want; } k_cases[] = {
        {{NULL}, 0, "*0\r\n"},
        {{"PING", ""}, 1, "*1\r\n$4\r\nPING\r\n"},
        {{"GET", "", "cache:", "user"}, 2, "*2\r\n$3\r\nGET\r\n$10\r\ncache:user\r\n"},
        {{"SET", "", "", "k", "a\r\nb", ""}, 3, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n"},
        {{"", ""}, 1, "*1\r\n$0\r\n\r\n"},
        {{"$3\r\n", "x\r\n"}, 1, "*1\r\n$7\r\n$3\r\nx\r\n\r\n"},
    };
    /* clang-format on */
    struct kit_guard guard;
    kit_guard_init(&guard, ROOM_BYTES);
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_arg args[3];
        for (size_t j = 0; j < k_cases[i].n_args; j++) {
            args[j] = (struct faci_arg){fac_str(k_cases[i].parts[2 * j]),
                                        fac_str(k_cases[i].parts[2 * j + 1])};
        }
        size_t len = 0;
        const unsigned char *frame = encode(&guard, args, k_cases[i].n_args, &len);
        assert_int_equal(len, strlen(k_cases[i].want));
        assert_memory_equal(frame, k_cases[i].want, len);
    }
    kit_guard_fini(&guard);
}

static void test_encode__headers(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { size_t number; const char *want; } k_cases[] = {
        {0, "$0\r\n"}, {9, "$9\r\n"}, {10, "$10\r\n"}, {99, "$99\r\n"}, {100, "$100\r\n"},
        {65536, "$65536\r\n"}, {1234567890, "$1234567890\r\n"},
    };
    /* clang-format on */
    unsigned char room[FACI_RESP_HEADER_MAX_BYTES];
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        unsigned char *end = faci_resp_put_header(room, '$', k_cases[i].number);
        assert_int_equal(end - room, strlen(k_cases[i].want));
        assert_memory_equal(room, k_cases[i].want, strlen(k_cases[i].want));
    }
    assert_true(faci_resp_put_header(room, '*', SIZE_MAX) - room <= (ptrdiff_t)sizeof(room));
    assert_int_equal(room[0], '*');
}

static void test_encode__parts_make_the_frame(void **state)
{
    (void)state;
    const struct faci_arg args[] = {{fac_str("MGET"), fac_str("")},
                                    {fac_str("p:"), fac_str("a")},
                                    {fac_str("p:"), fac_str("")}};
    unsigned char whole[128];
    unsigned char parts[128];
    unsigned char *whole_end = faci_resp_put_frame(whole, args, KIT_COUNT(args));
    unsigned char *at = faci_resp_put_header(parts, '*', KIT_COUNT(args));
    for (size_t i = 0; i < KIT_COUNT(args); i++) {
        at = faci_resp_put_arg(at, &args[i]);
    }
    assert_int_equal(at - parts, whole_end - whole);
    assert_memory_equal(whole, parts, (size_t)(at - parts));
}

static void test_encode__lengths_that_do_not_fit(void **state)
{
    (void)state;
    static const char k_byte = 'x';
    /* clang-format off */
    const struct faci_arg cases[][2] = {
        {{fac_mem(&k_byte, SIZE_MAX), fac_mem(&k_byte, 1)}, {fac_str(""), fac_str("")}},
        {{fac_mem(&k_byte, SIZE_MAX), fac_mem(&k_byte, 0)}, {fac_str(""), fac_str("")}},
        {{fac_mem(&k_byte, SIZE_MAX / 2), fac_str("")}, {fac_mem(&k_byte, SIZE_MAX / 2), fac_str("")}},
        {{fac_mem(&k_byte, SIZE_MAX - 20), fac_str("")}, {fac_str(""), fac_str("")}},
    };
    /* clang-format on */
    for (size_t i = 0; i < KIT_COUNT(cases); i++) {
        size_t len = 77;
        assert_false(faci_resp_frame_bytes(cases[i], 2, &len));
        assert_int_equal(len, 77);
    }
    struct faci_arg most = {fac_mem(&k_byte, SIZE_MAX - 64), fac_str("")};
    size_t len = 0;
    assert_true(faci_resp_frame_bytes(&most, 1, &len));
    assert_true(len == SIZE_MAX - 64 + 4 + 1 + 20 + 2 + 2);
}

static void test_encode__round_trip_of_random_commands(void **state)
{
    (void)state;
    uint64_t seed = kit_seed();
    struct kit_guard guard;
    kit_guard_init(&guard, ROOM_BYTES);
    static unsigned char bytes[4096];
    for (size_t round = 0; round < kit_scaled(5000); round++) {
        /* Bytes that look like RESP are the ones that could be taken for it. */
        static const char k_alphabet[] = "\r\n$*0123456789-+:\0\xff";
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (unsigned char)k_alphabet[kit_random(&seed) % sizeof(k_alphabet)];
        }
        struct faci_arg args[ARGS_MAX];
        size_t n_args = kit_random(&seed) % (ARGS_MAX + 1);
        for (size_t i = 0; i < n_args; i++) {
            size_t head = kit_random(&seed) % 1200;
            size_t tail = kit_random(&seed) % 3 == 0 ? 0 : kit_random(&seed) % 1200;
            args[i].head = fac_mem(head == 0 ? NULL : bytes, head);
            args[i].tail = fac_mem(tail == 0 ? NULL : bytes + head, tail);
        }
        size_t len = 0;
        const unsigned char *frame = encode(&guard, args, n_args, &len);
        fac_bytes got[ARGS_MAX];
        size_t n_got = 0;
        assert_true(request_parse(frame, len, got, ARGS_MAX, &n_got));
        assert_int_equal(n_got, n_args);
        for (size_t i = 0; i < n_args; i++) {
            size_t head = args[i].head.len;
            assert_int_equal(got[i].len, head + args[i].tail.len);
            fac_bytes first = fac_mem(got[i].data, head);
            fac_bytes second = fac_mem((const unsigned char *)got[i].data + head,
                                       args[i].tail.len);
            assert_true(faci_bytes_equal(first, args[i].head));
            assert_true(faci_bytes_equal(second, args[i].tail));
        }
    }
    kit_guard_fini(&guard);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_encode__known_frames),
    KIT_TEST(test_encode__headers),
    KIT_TEST(test_encode__parts_make_the_frame),
    KIT_TEST(test_encode__lengths_that_do_not_fit),
    KIT_TEST(test_encode__round_trip_of_random_commands),
};
KIT_MAIN(k_tests)
