/* SPDX-License-Identifier: MIT */
/* URLs: what is read out of a good one, and why a bad one is refused. */
#include "config/url.h"

#include "base/mem.h"

#include "kit/guard.h"
#include "kit/kit.h"
#include "kit/memory.h"

#include <stdio.h>
#include <string.h>

static const char *part(const struct kit_memory *memory, fac_bytes bytes, char **keep)
{
    *keep = NULL;
    if (bytes.data == NULL) {
        return "-";
    }
    *keep = faci_url_decode(&memory->hook, bytes);
    assert_non_null(*keep);
    return *keep;
}

/* "scheme user password host path port db", "-" for what is absent. */
static void say(const struct kit_memory *memory, const struct faci_url *url, char *buf,
                size_t cap)
{
    char *keep[3];
    char host[300] = "-";
    if (url->host.data != NULL) {
        (void)snprintf(host, sizeof(host), "%.*s", (int)url->host.len,
                       (const char *)url->host.data);
    }
    (void)snprintf(buf, cap, "%d %s %s %s %s %d %d", (int)url->scheme,
                   part(memory, url->username, &keep[0]), part(memory, url->password, &keep[1]),
                   host, part(memory, url->path, &keep[2]), (int)url->port, (int)url->db);
    for (size_t i = 0; i < 3; i++) {
        faci_mem_free(&memory->hook, keep[i]);
    }
}

static void test_url__reads_every_part(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        const char *text;
        const char *want;
        const char *redacted;
    } k_cases[] = {
        {"redis://h", "0 - - h - -1 -1", "redis://h"},
        {"redis://h/", "0 - - h - -1 -1", "redis://h/"},
        {"redis://h?", "0 - - h - -1 -1", "redis://h?"},
        {"redis://h/?", "0 - - h - -1 -1", "redis://h/?"},
        {"redis://h:1", "0 - - h - 1 -1", "redis://h:1"},
        {"redis://h:65535/1000000?", "0 - - h - 65535 1000000", "redis://h:65535/1000000?"},
        {"Redis://H:6379/0", "0 - - H - 6379 0", "redis://H:6379/0"},
        {"valkey://a.b-c_d", "1 - - a.b-c_d - -1 -1", "valkey://a.b-c_d"},
        {"valkey://127.0.0.1/2", "1 - - 127.0.0.1 - -1 2", "valkey://127.0.0.1/2"},
        {"redis://[::1]", "0 - - ::1 - -1 -1", "redis://[::1]"},
        {"redis://:p@[fe80::1]:7/3", "0 - p fe80::1 - 7 3", "redis://********@[fe80::1]:7/3"},
        {"redis://:p@h", "0 - p h - -1 -1", "redis://********@h"},
        {"redis://u:p@h", "0 u p h - -1 -1", "redis://********@h"},
        {"redis://u:@h", "0 u  h - -1 -1", "redis://********@h"},
        {"redis://:@h", "0 -  h - -1 -1", "redis://********@h"},
        {"redis://u:a:b@h", "0 u a:b h - -1 -1", "redis://********@h"},
        {"redis://%75%3A:%40%2f%3F%23%25@h", "0 u: @/?#% h - -1 -1", "redis://********@h"},
        {"unix:///s", "2 - - - /s -1 -1", "unix:///s"},
        {"unix:///a/b%20c%3f?db=5", "2 - - - /a/b c? -1 5", "unix:///a/b%20c%3f?db=5"},
        {"unix:///s?", "2 - - - /s -1 -1", "unix:///s?"},
        {"unix://u:p@/s?db=0", "2 u p - /s -1 0", "unix://********@/s?db=0"},
        {"memory://", "3 - - - - -1 -1", "memory://"},
        {"https://h", "4 - - h  443 -1", "https://h"},
        {"HTTPS://[::1]:8443//", "4 - - ::1  8443 -1", "https://[::1]:8443//"},
        {"https://h/a-1/b%20c(~)/", "4 - - h /a-1/b c(~) 443 -1", "https://h/a-1/b%20c(~)/"},
        {"http://127.0.0.1", "4 - - 127.0.0.1  80 -1", "http://127.0.0.1"},
    };
    /* clang-format on */
    struct kit_memory memory;
    kit_memory_init(&memory);
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_url url;
        fac_error err = {.message = ""};
        char got[400];
        assert_status(faci_url_parse(k_cases[i].text, "it", &url, &err), FAC_OK, &err);
        say(&memory, &url, got, sizeof(got));
        assert_string_equal(got, k_cases[i].want);
        faci_url_redact(&url, got, sizeof(got));
        assert_string_equal(got, k_cases[i].redacted);
    }
    kit_memory_assert_empty(&memory);
}

/* clang-format off */
static const struct {
    const char *text;
    const char *reason;
} k_bad[] = {
    {"", "no scheme"}, {"redis", "no scheme"}, {"localhost:6379", "no scheme"},
    {"://h", "no scheme"}, {"redis:h", "no scheme"}, {"redis:/h", "no scheme"},
    {"r_s://h", "no scheme"}, {"mysql://h", "\"mysql\" is unknown"},
    {"tcp://h", "redis://, rediss://, valkey://, valkeys://, https://, unix:// or memory://"}, {"redi://h", "unknown"},
    {"redis+ssl://h", "unknown"},
    {"redis://", "host"}, {"redis://:1", "host"}, {"redis:///1", "host"}, {"redis://?", "host"},
    {"redis://u:p@", "host"}, {"redis://u:p@:1", "host"}, {"redis://h%41", "host"},
    {"redis://a\\b", "host"}, {"redis://a[b", "host"},
    {"redis://h\xc3\xa4", "host"},
    {"redis://h:", "port"}, {"redis://h:abc", "port"}, {"redis://h:0", "port"},
    {"redis://h:65536", "port"}, {"redis://h:-1", "port"}, {"redis://h:+1", "port"},
    {"redis://h:1:2", "port"}, {"redis://::1", "host"}, {"redis://h:01", "port"},
    {"redis://h:99999999999999999999", "port"},
    {"redis://[", "IPv6"}, {"redis://[]", "IPv6"}, {"redis://[::1", "IPv6"},
    {"redis://[::g]", "IPv6"}, {"redis://[1.2.3.4]", "IPv6"}, {"redis://[h]", "IPv6"},
    {"redis://[::1]x", "junk"}, {"redis://[::1]]", "junk"}, {"redis://[::1]:x", "port"},
    {"redis://[fe80::1%25eth0]", "IPv6"},
    {"redis://[1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111]", "IPv6"},
    {"redis://h/a", "db"}, {"redis://h/-1", "db"}, {"redis://h/1000001", "db"},
    {"redis://h/1/2", "db"}, {"redis://h//", "db"}, {"redis://h/01", "db"},
    {"redis://h?db=1", "query"}, {"redis://h/1?x", "query"}, {"redis://h/1#x", "junk"},
    {"redis://h#", "junk"}, {"redis://h?#", "query"},
    {"redis://u@h", "userinfo"}, {"redis://@h", "userinfo"}, {"redis://u:p@q@h", "two '@'"},
    {"redis://u:p@h/@", "two '@'"}, {"redis://h/@", "behind its host"},
    {"redis://u:p/q@h", "behind its host"}, {"redis://:%@h", "percent"},
    {"redis://:%4@h", "percent"}, {"redis://:%4g@h", "percent"}, {"redis://:%g4@h", "percent"},
    {"redis://:%00@h", "percent"}, {"redis://%:p@h", "percent"},
    {" redis://h", "space"}, {"redis://h ", "space"}, {"redis://h\n", "control"},
    {"redis://h\t", "control"}, {"redis://h\x7f", "control"},
    {"unix://", "unix:///path"}, {"unix://h/s", "unix:///path"}, {"unix://s", "unix:///path"},
    {"unix://u:p@s", "unix:///path"}, {"unix://u:p@", "unix:///path"},
    {"unix:///%", "percent"}, {"unix:///%00", "percent"}, {"unix:///s?x=1", "query"},
    {"unix:///s?db", "query"}, {"unix:///s?db=", "db"}, {"unix:///s?db=x", "db"},
    {"unix:///s?db=1&db=2", "db"}, {"unix:///s?db=1#", "junk"}, {"unix:///s#", "junk"},
    {"memory://h", "nothing behind"}, {"memory:///", "nothing behind"},
    {"memory://?", "nothing behind"}, {"memory:", "no scheme"},
    {"https://", "host"}, {"https://h:0", "port"}, {"https://:p@h", "api_key"},
    {"https://h?q", "query"}, {"https://h/b#f", "query"}, {"http://h", "this machine"},
    {"https://h/%", "path"}, {"https://h/%00", "path"}, {"https://h/\xff", "path"},
    {"https://h/\"", "path"}, {"https://h/a{b", "path"}, {"https://h/a\\b", "path"},
};
/* clang-format on */

static void test_url__refuses_each_malformed_one(void **state)
{
    (void)state;
    struct kit_guard guard;
    kit_guard_init(&guard, 256);
    for (size_t i = 0; i < KIT_COUNT(k_bad); i++) {
        struct faci_url url;
        fac_error err = {.message = ""};
        const char *text = (const char *)kit_guard_place(&guard, k_bad[i].text,
                                                         strlen(k_bad[i].text) + 1);
        fac_status st = faci_url_parse(text, "REDIS_URL", &url, &err);
        if (st != FAC_E_CONFIG) {
            (void)fprintf(stderr, "accepted: %s\n", k_bad[i].text);
        }
        assert_status(st, FAC_E_CONFIG, &err);
        assert_contains(err.message, "REDIS_URL: ");
        assert_contains(err.message, k_bad[i].reason);
    }
    kit_guard_fini(&guard);
}

/* Good ones cut at every byte, against a protected page: a status, never a fault. */
static void test_url__survives_every_cut(void **state)
{
    (void)state;
    static const char *const k_urls[] = {
        "redis://us%41er:pass%2Fword@[fe80::1]:6379/12?",
        "unix://user:p%20w@/run/redis%2fx.sock?db=12",
        "https://[fe80::1]:8443/base%2fx/?",
    };
    struct kit_guard guard;
    kit_guard_init(&guard, 256);
    for (size_t i = 0; i < KIT_COUNT(k_urls); i++) {
        for (size_t len = 0; len <= strlen(k_urls[i]); len++) {
            char text[128];
            memcpy(text, k_urls[i], len);
            text[len] = '\0';
            struct faci_url url;
            fac_error err = {.message = ""};
            const char *at = (const char *)kit_guard_place(&guard, text, len + 1);
            fac_status st = faci_url_parse(at, "it", &url, &err);
            assert_true(st == FAC_OK || st == FAC_E_CONFIG);
            assert_null(strstr(err.message, "pass"));
        }
    }
    kit_guard_fini(&guard);
}

static void test_url__keeps_every_limit(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        const char *fill;
        const char *after;
        size_t max;
    } k_cases[] = {
        {"https://h/", "b", "", 199},     {"https://h", "/", "", 200},
        {"redis://", "h", "", 255},       {"unix:///", "%41", "", 106},
        {"redis://", "u", ":p@h", 256},   {"redis://:p@h", "h", ":1/2", 254},
        {"redis://", "%41", ":p@h", 256}, {"redis://:", "p", "@h", 4096 - 11},
    };
    static char text[6000];
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        for (size_t extra = 0; extra < 2; extra++) {
            size_t used = strlen(k_cases[i].before);
            memcpy(text, k_cases[i].before, used);
            for (size_t n = 0; n < k_cases[i].max + extra; n++) {
                memcpy(text + used, k_cases[i].fill, strlen(k_cases[i].fill));
                used += strlen(k_cases[i].fill);
            }
            memcpy(text + used, k_cases[i].after, strlen(k_cases[i].after) + 1);
            struct faci_url url;
            fac_error err = {.message = ""};
            assert_status(faci_url_parse(text, "it", &url, &err),
                          extra > 0 ? FAC_E_CONFIG : FAC_OK, &err);
        }
    }
}

static void test_url__decode_reports_no_memory(void **state)
{
    (void)state;
    struct kit_memory memory;
    kit_memory_init(&memory);
    kit_memory_fail(&memory, 1, false);
    assert_null(faci_url_decode(&memory.hook, fac_str("abc")));
    kit_memory_assert_empty(&memory);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_url__reads_every_part),
    KIT_TEST(test_url__refuses_each_malformed_one),
    KIT_TEST(test_url__survives_every_cut),
    KIT_TEST(test_url__keeps_every_limit),
    KIT_TEST(test_url__decode_reports_no_memory),
};

KIT_MAIN(k_tests)
