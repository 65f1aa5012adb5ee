/* SPDX-License-Identifier: MIT */
/* Addresses that need no lookup: numbers, localhost, paths of sockets. */
#include "base/clock.h"
#include "net/address.h"

#include "kit/kit.h"
#include "kit/memory.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static struct faci_addresses look_up(const char *host, uint16_t port)
{
    struct kit_memory memory;
    kit_memory_init(&memory);
    struct faci_resolver *resolver = NULL;
    struct faci_addresses found;
    fac_error err;
    assert_status(faci_resolver_new(&memory.hook, host, port, &resolver, &err), FAC_OK, &err);
    /* No time is needed. */
    assert_status(faci_resolver_lookup(resolver, faci_clock_now_ns(), &found, &err), FAC_OK,
                  &err);
    faci_resolver_free(resolver);
    kit_memory_assert_empty(&memory);
    return found;
}

static void assert_address(const struct faci_address *address, int family, const char *text,
                           uint16_t port)
{
    char got[INET6_ADDRSTRLEN] = "";
    assert_int_equal(address->storage.ss_family, family);
    if (family == AF_INET) {
        struct sockaddr_in in;
        assert_int_equal(address->len, sizeof(in));
        memcpy(&in, &address->storage, sizeof(in));
        assert_non_null(inet_ntop(AF_INET, &in.sin_addr, got, sizeof(got)));
        assert_int_equal(ntohs(in.sin_port), port);
    } else {
        struct sockaddr_in6 in6;
        assert_int_equal(address->len, sizeof(in6));
        memcpy(&in6, &address->storage, sizeof(in6));
        assert_non_null(inet_ntop(AF_INET6, &in6.sin6_addr, got, sizeof(got)));
        assert_int_equal(ntohs(in6.sin6_port), port);
    }
    assert_string_equal(got, text);
}

static void test_address__of_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int family;
        const char *text;
        uint16_t port;
    } k_cases[] = {
        {"127.0.0.1", AF_INET, "127.0.0.1", 6379},
        {"255.255.255.255", AF_INET, "255.255.255.255", 65535},
        {"0.0.0.0", AF_INET, "0.0.0.0", 1},
        {"::1", AF_INET6, "::1", 6379},
        {"2001:DB8::00ff", AF_INET6, "2001:db8::ff", 256},
        {"::ffff:10.0.0.1", AF_INET6, "::ffff:10.0.0.1", 6380},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_addresses found = look_up(k_cases[i].host, k_cases[i].port);
        assert_int_equal(found.n, 1);
        assert_address(&found.list[0], k_cases[i].family, k_cases[i].text, k_cases[i].port);
    }
}

static void test_address__of_localhost_is_both_loopbacks(void **state)
{
    (void)state;
    static const char *const k_hosts[] = {"localhost", "LocalHost"};
    for (size_t i = 0; i < KIT_COUNT(k_hosts); i++) {
        struct faci_addresses found = look_up(k_hosts[i], 6379);
        assert_int_equal(found.n, 2);
        assert_address(&found.list[0], AF_INET, "127.0.0.1", 6379);
        assert_address(&found.list[1], AF_INET6, "::1", 6379);
    }
}

static void test_address__of_a_socket_to_the_last_byte(void **state)
{
    (void)state;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
    memset(path, 'p', sizeof(path));
    path[0] = '/';
    fac_error err;
    struct faci_addresses found;
    path[107] = '\0'; /* 107 bytes and a NUL fill the field on Linux */
    assert_int_equal(sizeof(path), 109);
    assert_status(faci_address_of_unix(path, &found, &err), FAC_OK, &err);
    assert_int_equal(found.n, 1);
    struct sockaddr_un un;
    assert_in_range(found.list[0].len, 1, sizeof(un));
    memcpy(&un, &found.list[0].storage, sizeof(un));
    assert_int_equal(un.sun_family, AF_UNIX);
    assert_string_equal(un.sun_path, path);

    path[107] = 'p';
    path[108] = '\0';
    assert_status(faci_address_of_unix(path, &found, &err), FAC_E_CONFIG, &err);
    assert_contains(err.message, "108 bytes long, at most 107");
}

static void test_address__without_memory(void **state)
{
    (void)state;
    struct kit_memory memory;
    kit_memory_init(&memory);
    kit_memory_fail(&memory, 1, false);
    struct faci_resolver *resolver = NULL;
    fac_error err;
    assert_status(faci_resolver_new(&memory.hook, "a.host", 1, &resolver, &err), FAC_E_NOMEM,
                  &err);
    assert_null(resolver);
    faci_resolver_free(NULL);
    kit_memory_assert_empty(&memory);
}

static void test_address__closed_refuses_numbers_too(void **state)
{
    (void)state;
    struct kit_memory memory;
    kit_memory_init(&memory);
    struct faci_resolver *resolver = NULL;
    struct faci_addresses found;
    fac_error err;
    assert_status(faci_resolver_new(&memory.hook, "127.0.0.1", 1, &resolver, &err), FAC_OK,
                  &err);
    faci_resolver_close(resolver);
    assert_status(faci_resolver_lookup(resolver, FACI_NEVER_NS, &found, &err), FAC_E_CLOSED,
                  &err);
    faci_resolver_free(resolver);
    kit_memory_assert_empty(&memory);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_address__of_numbers),
    KIT_TEST(test_address__of_localhost_is_both_loopbacks),
    KIT_TEST(test_address__of_a_socket_to_the_last_byte),
    KIT_TEST(test_address__without_memory),
    KIT_TEST(test_address__closed_refuses_numbers_too),
};

KIT_MAIN(k_tests)
