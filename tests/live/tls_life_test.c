/* SPDX-License-Identifier: MIT */
/* What TLS is set up with and goes through: files that are not as they should be, files that change,
 * tickets, what is said to the server, what is told of it, errors of others on the same thread. */
#include "live/live.h"

#include "kit/kit.h"
#include "kit/stub.h"
#include "kit/tlsfront.h"
#include "kit/wait.h"
#include "kit/workdir.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void copy_file(const char *from, const char *to)
{
    char bytes[16384];
    char aside[256];
    FILE *in = fopen(from, "re");
    (void)snprintf(aside, sizeof(aside), "%s.new", to);
    FILE *out = fopen(aside, "we");
    assert_non_null(in);
    assert_non_null(out);
    size_t n = fread(bytes, 1, sizeof(bytes), in);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(rename(aside, to), 0);
}

/* --- At open ---------------------------------------------------------------------------------- */

static void expect_config_error(const fac_options *options, const char *says)
{
    for (int mode = 0; mode < 2; mode++) {
        fac_options copy = *options;
        copy.open = mode == 0 ? FAC_OPEN_CONNECT : FAC_OPEN_LAZY;
        fac_cache *cache = NULL;
        fac_error err;
        assert_status(fac_cache_open(&copy, &cache, &err), FAC_E_CONFIG, &err);
        assert_contains(err.message, says);
        assert_null(cache);
    }
}

static void test_tls_life__files_that_are_not_right_fail_open(void **state)
{
    (void)state;
    static const struct {
        const char *ca_file;
        const char *ca_dir;
        const char *cert;
        const char *key;
        const char *says;
    } k_cases[] = {
        {"/nonexistent/ca.pem", NULL, NULL, NULL,
         "cannot read the CA file /nonexistent/ca.pem"},
        {"nothing.pem", NULL, NULL, NULL, "holds no certificate"},
        {"junk.pem", NULL, NULL, NULL, "holds no certificate"},
        {"server.key", NULL, NULL, NULL, "holds no certificate"},
        {"empty", NULL, NULL, NULL, "Is a directory"},
        {NULL, "/nonexistent", NULL, NULL, "cannot read the CA directory /nonexistent"},
        {NULL, "empty", NULL, NULL, "holds no certificate"},
        {"ca.pem", NULL, "/nonexistent/c.pem", "client.key", "cannot read the certificate"},
        {"ca.pem", NULL, "junk.pem", "client.key", "cannot be used"},
        {"ca.pem", NULL, "client.pem", "/nonexistent/c.key", "cannot read the key"},
        {"ca.pem", NULL, "client.pem", "junk.pem", "cannot be used"},
        {"ca.pem", NULL, "client.pem", "second_client.key", "cannot be used"},
    };
    struct live live;
    live_start(&live, NULL);
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        const char *const names[] = {k_cases[i].ca_file, k_cases[i].ca_dir, k_cases[i].cert,
                                     k_cases[i].key};
        struct kit_cert paths[4];
        const char *use[4] = {NULL};
        for (size_t j = 0; j < 4; j++) {
            if (names[j] != NULL && names[j][0] != '/') {
                paths[j] = kit_cert(names[j]);
                use[j] = paths[j].path;
            } else {
                use[j] = names[j];
            }
        }
        fac_options options = live.options;
        options.tls_ca_file = use[0];
        options.tls_ca_dir = use[1];
        options.tls_cert_file = use[2];
        options.tls_key_file = use[3];
        expect_config_error(&options, k_cases[i].says);
    }
    live_end(&live);
}

static void test_tls_life__key_that_others_can_read_fails_open(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    struct kit_cert cert = kit_cert("client.pem");
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/key", kit_server_dir(live.server));
    copy_file(kit_cert("client.key").path, path);
    assert_int_equal(chmod(path, 0644), 0);
    live.options.tls_cert_file = cert.path;
    live.options.tls_key_file = path;
    expect_config_error(&live.options, "others can read the key");
    assert_int_equal(chmod(path, 0600), 0);
    live_open(&live);
    live_end(&live);
}

static void test_tls_life__directory_of_authorities(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    struct kit_cert dir = kit_cert("authorities");
    live.options.tls_ca_file = NULL;
    live.options.tls_ca_dir = dir.path;
    live_open(&live);
    live_set(live.cache, fac_str("k"), "v");
    live_end(&live);
}

/* --- Insecure --------------------------------------------------------------------------------- */

struct notes {
    char text[2048];
};

static void note(void *context, fac_log_level level, const char *message)
{
    struct notes *notes = context;
    size_t len = strlen(notes->text);
    (void)snprintf(notes->text + len, sizeof(notes->text) - len, "%d %s\n", (int)level,
                   message);
}

static void test_tls_life__insecure_is_logged_and_told(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    struct notes notes = {""};
    live.options.log = note;
    live.options.log_context = &notes;
    live.options.tls_ca_file = NULL;
    fac_error err;
    assert_status(fac_cache_open(&live.options, &live.cache, &err), FAC_E_AUTH, &err);
    assert_null(strstr(notes.text, "tls_insecure"));
    live.options.tls_insecure = FAC_YES;
    live_open(&live);
    assert_contains(notes.text, "2 tls_insecure: the certificate of 127.0.0.1 is not verified");
    live_set(live.cache, fac_str("k"), "v");
    fac_health health;
    assert_status(fac_cache_health(live.cache, NULL, &health, sizeof(health), &err), FAC_OK,
                  &err);
    assert_int_equal(health.security, FAC_SECURITY_TLS_INSECURE);
    live_end(&live);
}

/* --- Never in plain text ---------------------------------------------------------------------- */

/* Whatever a server says instead of TLS: not one byte of ours is more than a ClientHello, no second
 * attempt is in plain text, and the password is in none of them. */
static void record_bytes(struct kit_stub_conn *conn, void *context)
{
    (void)context;
    (void)kit_stub_say(conn, "-ERR speak plainly\r\n");
    kit_stub_drain(conn);
}

static void test_tls_life__no_fall_back(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    struct kit_stub *stub = kit_stub_start(
        &(struct kit_stub_options){.fn = record_bytes, .is_bare = true});
    live.options.port = kit_stub_port(stub);
    live.options.password = "s3cret-word";
    fac_error err;
    assert_status(fac_cache_open(&live.options, &live.cache, &err), FAC_E_PROTOCOL, &err);
    assert_contains(err.message, "does not speak TLS");
    assert_int_equal(kit_stub_connections(stub), 1);
    kit_stub_stop(stub);
    live_end(&live);
}

/* --- What the server is told ------------------------------------------------------------------ */

static void test_tls_life__server_name_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *asked; /* tls_server_name */
        const char *cert;
        const char *want;
    } k_cases[] = {
        {"localhost", NULL, "server", "localhost"},
        {"127.0.0.1", NULL, "server", ""}, /* RFC 6066: no address */
        {"127.0.0.1", "cache.example.com", "dns", "cache.example.com"},
        {"127.0.0.1", "cache.example.com.", "dns", "cache.example.com"},
    };
    struct live live;
    live_start(&live, NULL);
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        char cert[32];
        char key[32];
        (void)snprintf(cert, sizeof(cert), "%s.pem", k_cases[i].cert);
        (void)snprintf(key, sizeof(key), "%s.key", k_cases[i].cert);
        struct kit_tlsfront *front = kit_tlsfront_start(&(struct kit_tlsfront_options){
            .to_unix = kit_server_socket(live.server), .cert = cert, .key = key});
        fac_options options = live.options;
        options.host = k_cases[i].host;
        options.port = kit_tlsfront_port(front);
        options.tls_server_name = k_cases[i].asked;
        fac_cache *cache = NULL;
        fac_error err;
        assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
        char asked[256];
        kit_tlsfront_asked(front, asked, sizeof(asked));
        assert_string_equal(asked, k_cases[i].want);
        fac_cache_close(cache);
        kit_tlsfront_stop(front);
    }
    live_end(&live);
}

/* --- Tickets ---------------------------------------------------------------------------------- */

static void kill_all(struct live *live)
{
    (void)kit_raw_ask(live_raw(live), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes",
                      NULL);
}

static void test_tls_life__reconnects_resume(void **state)
{
    (void)state;
    enum {
        ROUNDS = 10
    };
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("k"), "v");
    for (int i = 0; i < ROUNDS; i++) {
        kill_all(&live);
        live_expect(live.cache, fac_str("k"), "v");
    }
    fac_stats stats = live_stats(live.cache);
    assert_true(stats.tls_handshakes >= ROUNDS + 1);
    assert_true(stats.tls_resumed >= ROUNDS);
    assert_true(stats.tls_resumed < stats.tls_handshakes); /* the first had nothing to go by */
    live_end(&live);
}

static void test_tls_life__without_tickets_it_works_as_well(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    struct kit_tlsfront *front = kit_tlsfront_start(
        &(struct kit_tlsfront_options){.to_unix = kit_server_socket(live.server),
                                       .cert = "server.pem",
                                       .has_no_tickets = true});
    live.options.port = kit_tlsfront_port(front);
    live_open(&live);
    for (int i = 0; i < 3; i++) {
        live_set(live.cache, fac_str("k"), "v");
        kill_all(&live);
    }
    assert_int_equal(live_stats(live.cache).tls_resumed, 0);
    fac_cache_unref(live.cache);
    live.cache = NULL;
    kit_tlsfront_stop(front);
    live_end(&live);
}

/* --- Files that change ------------------------------------------------------------------------ */

static void test_tls_life__new_files_count_at_the_next_connect(void **state)
{
    (void)state;
    static const char *const k_asks[] = {"tls-auth-clients yes", NULL};
    struct live live;
    live_start(&live, k_asks);
    char cert[256];
    char key[256];
    char ca[256];
    (void)snprintf(cert, sizeof(cert), "%s/cert", kit_server_dir(live.server));
    (void)snprintf(key, sizeof(key), "%s/key", kit_server_dir(live.server));
    (void)snprintf(ca, sizeof(ca), "%s/ca", kit_server_dir(live.server));
    copy_file(kit_cert("client.pem").path, cert);
    copy_file(kit_cert("client.key").path, key);
    copy_file(kit_cert("ca.pem").path, ca);
    live.options.tls_cert_file = cert;
    live.options.tls_key_file = key;
    live.options.tls_ca_file = ca;
    live_open(&live);
    live_set(live.cache, fac_str("k"), "v");

    copy_file(kit_cert("foreign_client.pem").path, cert);
    copy_file(kit_cert("foreign_client.key").path, key);
    live_expect(live.cache, fac_str("k"), "v"); /* what is connected stays so */
    kill_all(&live);
    fac_error err;
    assert_status(live_try_get(live.cache, "k", 0, &err), FAC_E_AUTH, &err);

    copy_file(kit_cert("second_client.pem").path, cert);
    copy_file(kit_cert("second_client.key").path, key);
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(live.cache, "k", 0, &err) == FAC_OK);

    copy_file(kit_cert("other_ca.pem").path, ca);
    kill_all(&live);
    assert_status(live_try_get(live.cache, "k", 0, &err), FAC_E_AUTH, &err);
    copy_file(kit_cert("ca.pem").path, ca);
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(live.cache, "k", 0, &err) == FAC_OK);
    live_end(&live);
}

/* --- Others on the same thread ---------------------------------------------------------------- */

/* What an application left in OpenSSL's queue of this thread is no failure of ours; and we leave
 * nothing of our own in it. */
static void test_tls_life__stale_errors_of_others(void **state)
{
    (void)state;
    struct live live;
    ERR_raise(ERR_LIB_USER, 1);
    live_begin(&live);
    for (int i = 0; i < 100; i++) {
        ERR_raise(ERR_LIB_USER, 1);
        live_set(live.cache, fac_str("k"), "v");
        ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
        live_expect(live.cache, fac_str("k"), "v");
    }
    assert_int_equal(ERR_peek_error(), 0);
    fac_stats stats = live_stats(live.cache);
    assert_int_equal(stats.disconnects, 0); /* a call that is made again would hide it */
    assert_int_equal(stats.tls_handshakes, 1);
    live_end(&live);
}

/* Replies around the size of a TLS record, and of our buffers: none is left behind in one. */
static void test_tls_life__values_around_a_record(void **state)
{
    (void)state;
    enum {
        LARGEST = 100000
    };
    static char value[LARGEST];
    struct live live;
    live_begin(&live);
    for (size_t i = 0; i < LARGEST; i++) {
        value[i] = (char)('a' + i % 23);
    }
    static const size_t k_around[] = {1, 100, 4096, 8192, 16384, 32768, 49152, 65536, 98304};
    for (size_t i = 0; i < KIT_COUNT(k_around); i++) {
        for (size_t off = 0; off < 41; off++) {
            size_t len = k_around[i] + off > 20 ? k_around[i] + off - 20 : off;
            live_set_bytes(live.cache, fac_str("k"), fac_mem(value, len));
            live_expect_bytes(live.cache, fac_str("k"), fac_mem(value, len));
        }
    }
    live_end(&live);
}

static void test_tls_life__child_says_nothing_to_the_parents_peer(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("k"), "v");
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            fac_error err;
            fac_status st = live_try_get(live.cache, "k", 0, &err);
            fac_cache_unref(live.cache);
            _exit(st == FAC_OK ? 0 : 1);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        live_expect(live.cache, fac_str("k"), "v");
    }
    fac_stats stats = live_stats(live.cache);
    assert_int_equal(stats.tls_handshakes, 1); /* the parent's connection was never touched */
    assert_int_equal(stats.disconnects, 0);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_tls_life__files_that_are_not_right_fail_open),
    KIT_TEST(test_tls_life__key_that_others_can_read_fails_open),
    KIT_TEST(test_tls_life__directory_of_authorities),
    KIT_TEST(test_tls_life__insecure_is_logged_and_told),
    KIT_TEST(test_tls_life__no_fall_back),
    KIT_TEST(test_tls_life__server_name_is_told),
    KIT_TEST(test_tls_life__reconnects_resume),
    KIT_TEST(test_tls_life__without_tickets_it_works_as_well),
    KIT_TEST(test_tls_life__new_files_count_at_the_next_connect),
    KIT_TEST(test_tls_life__stale_errors_of_others),
    KIT_TEST(test_tls_life__values_around_a_record),
    KIT_TEST(test_tls_life__child_says_nothing_to_the_parents_peer),
};

KIT_MAIN(k_tests)
