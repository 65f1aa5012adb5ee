/* SPDX-License-Identifier: MIT */
/* Who a server says it is: from HELLO and from INFO, however it says so. */
#include "engine/identity.h"
#include "tree.h"

static struct faci_identity from_hello(const char *wire)
{
    struct faci_identity identity = {{0}, {0}, {0}, 0};
    fac_reply *hello = tree_of(wire);
    faci_identity_from_hello(hello, &identity);
    fac_reply_free(hello);
    return identity;
}

static struct faci_identity from_info(const char *text)
{
    struct faci_identity identity = {{0}, {0}, {0}, 0};
    faci_identity_from_info(fac_str(text), &identity);
    return identity;
}

static void assert_identity(const struct faci_identity *got, const char *server,
                            const char *version, const char *role, uint32_t protocol)
{
    assert_string_equal(got->server, server);
    assert_string_equal(got->version, version);
    assert_string_equal(got->role, role);
    assert_int_equal(got->protocol, protocol);
}

static void test_identity__hello_of_redis(void **state)
{
    (void)state;
    struct faci_identity got = from_hello(
        "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n"
        "$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:12\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n"
        "$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
    assert_identity(&got, "redis", "7.2.4", "master", 3);
}

static void test_identity__hello_of_valkey(void **state)
{
    (void)state;
    struct faci_identity got = from_hello(
        "%5\r\n+server\r\n+valkey\r\n+version\r\n+8.1.0\r\n+proto\r\n:3\r\n+role\r\n+slave\r\n"
        "+availability_zone\r\n$0\r\n\r\n");
    assert_identity(&got, "valkey", "8.1.0", "replica", 3);
}

static void test_identity__hello_as_pairs_in_an_array(void **state)
{
    (void)state;
    struct faci_identity got = from_hello("*6\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n"
                                          ":2\r\n$4\r\nrole\r\n$5\r\nslave\r\n");
    assert_identity(&got, "redis", "", "replica", 2);
}

static void test_identity__hello_of_strange_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        uint32_t protocol;
    } k_cases[] = {
        {"%0\r\n", 0},
        {"*0\r\n", 0},
        {"*1\r\n$6\r\nserver\r\n", 0}, /* a name without a value */
        {"%1\r\n:1\r\n:2\r\n", 0},
        {"%1\r\n+server\r\n:5\r\n", 0},
        {"%1\r\n+server\r\n*1\r\n+a\r\n", 0},
        {"%1\r\n+server\r\n_\r\n", 0},
        {"%1\r\n+proto\r\n$1\r\n3\r\n", 2},
        {"%1\r\n+proto\r\n:4\r\n", 2},
        {"%1\r\n+SERVER\r\n+x\r\n", 0},
        {"%1\r\n+serve\r\n+x\r\n", 0},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_identity got = from_hello(k_cases[i].wire);
        assert_identity(&got, "", "", "", k_cases[i].protocol);
    }
}

static void test_identity__is_cut_and_cleaned(void **state)
{
    (void)state;
    struct faci_identity got = from_hello(
        "%3\r\n$6\r\nserver\r\n$30\r\nabcdefghijklmnopqrstuvwxyz0123\r\n"
        "$7\r\nversion\r\n$10\r\n7\r\n0 \x1b[31m\r\n$4\r\nrole\r\n$4\r\n\x7f\xc3\xa9m\r\n");
    assert_identity(&got, "abcdefghijklmnopqrstuvw", "7??0??[31m", "???m", 0);
}

static void test_identity__fits_to_the_last_byte(void **state)
{
    (void)state;
    struct faci_identity got = from_hello(
        "%2\r\n$6\r\nserver\r\n$23\r\nabcdefghijklmnopqrstuvw\r\n"
        "$4\r\nrole\r\n$16\r\nabcdefghijklmnop\r\n");
    assert_identity(&got, "abcdefghijklmnopqrstuvw", "", "abcdefghijklmno", 0);
}

static void test_identity__info_of_redis(void **state)
{
    (void)state;
    struct faci_identity got = from_info(
        "# Server\r\nredis_version:6.0.16\r\nredis_git_sha1:0\r\n"
        "\r\n# Replication\r\nrole:master\r\n");
    assert_identity(&got, "redis", "6.0.16", "master", 0);
}

/* Valkey gives a redis_version too, for clients that know no other name: in either order. */
static void test_identity__info_of_valkey(void **state)
{
    (void)state;
    static const char *const k_texts[] = {
        "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\nrole:slave\r\n",
        "valkey_version:8.0.1\r\nredis_version:7.2.4\r\nrole:slave\r\n",
    };
    for (size_t i = 0; i < KIT_COUNT(k_texts); i++) {
        struct faci_identity got = from_info(k_texts[i]);
        assert_identity(&got, "valkey", "8.0.1", "replica", 0);
    }
}

static void test_identity__info_leaves_what_it_lacks(void **state)
{
    (void)state;
    struct faci_identity identity = {"valkey", "8.0.1", "master", 2};
    faci_identity_from_info(fac_str("# Replication\r\nrole:slave\r\nredis_version:7.2.4\r\n"),
                            &identity);
    assert_identity(&identity, "valkey", "8.0.1", "replica", 2);
}

static void test_identity__info_of_strange_shapes(void **state)
{
    (void)state;
    static const char *const k_texts[] = {
        "",        "\n",      "\r\n\r\n", ":", ":::\r\n", "role", "redis_version",
        " role:x", "xrole:x", "#role:x",
    };
    for (size_t i = 0; i < KIT_COUNT(k_texts); i++) {
        struct faci_identity got = from_info(k_texts[i]);
        assert_identity(&got, "", "", "", 0);
    }
    struct faci_identity got = from_info("redis_version:a:b\nrole:ma\x01ster");
    assert_identity(&got, "redis", "a:b", "ma?ster", 0);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_identity__hello_of_redis),
    KIT_TEST(test_identity__hello_of_valkey),
    KIT_TEST(test_identity__hello_as_pairs_in_an_array),
    KIT_TEST(test_identity__hello_of_strange_shapes),
    KIT_TEST(test_identity__is_cut_and_cleaned),
    KIT_TEST(test_identity__fits_to_the_last_byte),
    KIT_TEST(test_identity__info_of_redis),
    KIT_TEST(test_identity__info_of_valkey),
    KIT_TEST(test_identity__info_leaves_what_it_lacks),
    KIT_TEST(test_identity__info_of_strange_shapes),
};

KIT_MAIN(k_tests)
