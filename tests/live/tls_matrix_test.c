/* SPDX-License-Identifier: MIT */
/* Every kind of certificate, each with the one answer that is right: against a real server with TLS,
 * and against a TLS front where a real one would refuse to present it. */
#include "live/live.h"

#include "kit/kit.h"
#include "kit/tlsfront.h"

#include <openssl/ssl.h>

#include <stdio.h>
#include <string.h>

struct row {
    const char *name;
    const char *cert; /* what the server presents: a file, and its key's name */
    const char *key;
    const char *ca;    /* NULL: the system's */
    const char *asked; /* tls_server_name; NULL: the host, 127.0.0.1 */
    fac_status want;
    const char *says; /* in the message */
};

static struct kit_cert keep(const char *file)
{
    return kit_cert(file);
}

/* The server presents another certificate from now on. */
static void present(struct live *live, const struct row *row)
{
    struct kit_cert cert = keep(row->cert);
    struct kit_cert key = keep(row->key);
    assert_string_equal(kit_raw_ask(live_raw(live), "CONFIG", "SET", "tls-cert-file", cert.path,
                                    "tls-key-file", key.path, NULL),
                        "OK");
}

/* Open, use, close; or be refused with what the row says. */
static void attempt(const struct row *row, const fac_options *base, uint16_t port)
{
    fac_options options = *base;
    struct kit_cert ca;
    if (row->ca != NULL) {
        ca = keep(row->ca);
    }
    options.port = port;
    options.tls_ca_file = row->ca != NULL ? ca.path : NULL;
    options.tls_server_name = row->asked;
    fac_cache *cache = NULL;
    fac_error err = {.message = ""};
    fac_status st = fac_cache_open(&options, &cache, &err);
    /* A plain port is found out in the last eighth of the time: on a crowded machine, of a longer one. */
    while (st == FAC_E_TIMEOUT && row->want != FAC_E_TIMEOUT &&
           options.timeout_ms < LIVE_TIMEOUT_MS) {
        options.timeout_ms *= 2;
        st = fac_cache_open(&options, &cache, &err);
    }
    if (st != row->want) {
        (void)fprintf(stderr, "row: %s\n", row->name);
    }
    assert_status(st, row->want, &err);
    if (st == FAC_OK) {
        live_set(cache, fac_str("k"), "v");
        live_expect(cache, fac_str("k"), "v");
        fac_cache_close(cache);
    } else {
        assert_null(cache);
        assert_contains(err.message, row->says);
    }
}

/* clang-format off */
static const struct row k_names[] = {
    {"good DNS name", "dns.pem", "dns.key", "ca.pem", "cache.example.com", FAC_OK, ""},
    {"good address", "ip.pem", "ip.key", "ca.pem", NULL, FAC_OK, ""},
    {"good wildcard", "wildcard.pem", "wildcard.key", "ca.pem", "cache.example.com", FAC_OK, ""},
    {"wrong host", "dns.pem", "dns.key", "ca.pem", "other.example.com", FAC_E_AUTH, "not one for other.example.com"},
    {"a name where an address is asked", "dns.pem", "dns.key", "ca.pem", NULL, FAC_E_AUTH, "not one for 127.0.0.1"},
    {"wrong address", "ip.pem", "ip.key", "ca.pem", "127.0.0.2", FAC_E_AUTH, "not one for 127.0.0.2"},
    {"address as a DNS name", "ip_as_dns.pem", "ip_as_dns.key", "ca.pem", NULL, FAC_E_AUTH, "not one for"},
    {"common name only", "cn_only.pem", "cn_only.key", "ca.pem", "cache.example.com", FAC_E_AUTH, "not one for"},
    {"partial wildcard", "partial.pem", "partial.key", "ca.pem", "cache.example.com", FAC_E_AUTH, "not one for"},
    {"wildcard over two levels", "wildcard.pem", "wildcard.key", "ca.pem", "a.cache.example.com", FAC_E_AUTH, "not one for"},
    {"wildcard over none", "wildcard.pem", "wildcard.key", "ca.pem", "example.com", FAC_E_AUTH, "not one for"},
    {"wildcard of a public suffix", "suffix.pem", "suffix.key", "ca.pem", "example.com", FAC_E_AUTH, "not one for"},
    {"NUL in a name", "nul.pem", "nul.key", "ca.pem", "cache.example.com", FAC_E_AUTH, "not one for"},
    {"case of the certificate", "mixed_case.pem", "mixed_case.key", "ca.pem", "cache.example.com", FAC_OK, ""},
    {"case of the setting", "dns.pem", "dns.key", "ca.pem", "CACHE.Example.COM", FAC_OK, ""},
    {"trailing dot", "dns.pem", "dns.key", "ca.pem", "cache.example.com.", FAC_OK, ""},
    {"IDN in its ASCII form", "idn.pem", "idn.key", "ca.pem", "xn--bcher-kva.example.com", FAC_OK, ""},
};

static const struct row k_chains[] = {
    {"expired", "expired.pem", "expired.key", "ca.pem", NULL, FAC_E_AUTH, "expired"},
    {"not yet valid", "future.pem", "future.key", "ca.pem", NULL, FAC_E_AUTH, "not yet valid"},
    {"self-signed", "self.pem", "self.key", "ca.pem", NULL, FAC_E_AUTH, "self-signed"},
    {"wrong authority", "foreign.pem", "foreign.key", "ca.pem", NULL, FAC_E_AUTH, "unable to get"},
    {"its own authority", "foreign.pem", "foreign.key", "other_ca.pem", NULL, FAC_OK, ""},
    {"the system's authorities", "server.pem", "server.key", NULL, NULL, FAC_E_AUTH, "self-signed"},
    {"missing intermediate", "below.pem", "below.key", "ca.pem", NULL, FAC_E_AUTH, "unable to get"},
    {"whole chain", "below_chain.pem", "below.key", "ca.pem", NULL, FAC_OK, ""},
    {"authority that is none", "below_no_ca_chain.pem", "below_no_ca.key", "ca.pem", NULL, FAC_E_AUTH, "CA certificate"},
    {"too deep a chain", "below_too_deep_chain.pem", "below_too_deep.key", "ca.pem", NULL, FAC_E_AUTH, "path length"},
    {"not for servers", "for_clients.pem", "for_clients.key", "ca.pem", NULL, FAC_E_AUTH, "purpose"},
    {"revoked, and nobody told", "revoked.pem", "revoked.key", "ca.pem", NULL, FAC_OK, ""},
    {"revoked", "revoked.pem", "revoked.key", "ca_crl.pem", NULL, FAC_E_AUTH, "revoked"},
    {"not revoked", "ip.pem", "ip.key", "ca_crl.pem", NULL, FAC_OK, ""},
};

static const struct row k_weak[] = {
    {"signed with SHA-1", "sha1.pem", "sha1.key", "ca.pem", NULL, FAC_E_AUTH, "too weak"},
    {"RSA of 1024 bits", "rsa1024.pem", "rsa1024.key", "ca.pem", NULL, FAC_E_AUTH, "too weak"},
};
/* clang-format on */

static void run_rows(const struct row *rows, size_t n)
{
    struct live live;
    live_start(&live, NULL);
    for (size_t i = 0; i < n; i++) {
        present(&live, &rows[i]);
        attempt(&rows[i], &live.options, kit_server_port(live.server));
    }
    live_end(&live);
}

static void test_tls_matrix__names(void **state)
{
    (void)state;
    run_rows(k_names, KIT_COUNT(k_names));
}

static void test_tls_matrix__chains(void **state)
{
    (void)state;
    run_rows(k_chains, KIT_COUNT(k_chains));
}

static void test_tls_matrix__weak_ones(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    for (size_t i = 0; i < KIT_COUNT(k_weak); i++) {
        struct kit_tlsfront *front = kit_tlsfront_start(
            &(struct kit_tlsfront_options){.to_unix = kit_server_socket(live.server),
                                           .cert = k_weak[i].cert,
                                           .key = k_weak[i].key});
        attempt(&k_weak[i], &live.options, kit_tlsfront_port(front));
        assert_int_equal(kit_tlsfront_counts(front).n_bytes, 0);
        kit_tlsfront_stop(front);
    }
    live_end(&live);
}

/* A name beyond ASCII is no host name; its xn-- form is. */
static void test_tls_matrix__name_beyond_ascii_is_refused(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.tls_server_name = "b\xc3\xbc"
                                   "cher.example.com";
    fac_error err;
    assert_status(fac_cache_open(&live.options, &live.cache, &err), FAC_E_CONFIG, &err);
    assert_contains(err.message, "options.tls_server_name");
    live_end(&live);
}

/* --- Versions, and peers that speak no TLS ---------------------------------------------------- */

static void front_row(struct live *live, const struct kit_tlsfront_options *how,
                      fac_tls_version min_version, fac_status want, const char *says)
{
    struct kit_tlsfront_options options = *how;
    options.to_unix = kit_server_socket(live->server);
    options.cert = options.cert != NULL ? options.cert : "server.pem";
    struct kit_tlsfront *front = kit_tlsfront_start(&options);
    fac_options ours = live->options;
    ours.tls_min_version = min_version;
    struct row row = {"front", NULL, NULL, "ca.pem", NULL, want, says};
    attempt(&row, &ours, kit_tlsfront_port(front));
    if (want != FAC_OK) {
        assert_int_equal(kit_tlsfront_counts(front).n_bytes, 0);
    }
    kit_tlsfront_stop(front);
}

static void test_tls_matrix__versions(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    front_row(&live, &(struct kit_tlsfront_options){.max_version = TLS1_1_VERSION},
              FAC_TLS_VERSION_INHERIT, FAC_E_PROTOCOL, "no version of TLS in common");
    front_row(&live, &(struct kit_tlsfront_options){.max_version = TLS1_2_VERSION},
              FAC_TLS_VERSION_INHERIT, FAC_OK, "");
    front_row(&live, &(struct kit_tlsfront_options){.max_version = TLS1_2_VERSION}, FAC_TLS_1_3,
              FAC_E_PROTOCOL, "no version of TLS in common");
    front_row(&live, &(struct kit_tlsfront_options){.min_version = TLS1_3_VERSION}, FAC_TLS_1_3,
              FAC_OK, "");
    live_end(&live);
}

/* A plain Redis waits for the end of a line that a ClientHello has not: it is told all the same, and
 * within the deadline. */
static void test_tls_matrix__plain_port_and_plain_client(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    struct kit_server *plain = kit_server_start(&(struct kit_server_options){
        .kind = strncmp(live.variant, "redis", 5) == 0 ? KIT_REDIS : KIT_VALKEY});
    const struct row row = {"plain port",        NULL, NULL, "ca.pem", NULL, FAC_E_PROTOCOL,
                            "does not speak TLS"};
    live.options.timeout_ms = 1000;
    for (size_t i = 0; i < 3; i++) { /* what a ClientHello has at random does not matter */
        attempt(&row, &live.options, kit_server_port(plain));
    }
    kit_server_stop(plain);
    live.options.tls = FAC_INHERIT;
    live.options.tls_ca_file = NULL;
    fac_error err;
    /* A server of TLS hangs up on plain text without a word, so that much can be said. */
    assert_status(fac_cache_open(&live.options, &live.cache, &err), FAC_E_UNAVAILABLE, &err);
    assert_contains(err.message, "does this port speak TLS?");
    live_end(&live);
}

/* --- Our own certificate ---------------------------------------------------------------------- */

static void own(fac_options *options, struct kit_cert *cert, struct kit_cert *key,
                const char *name)
{
    char file[64];
    (void)snprintf(file, sizeof(file), "%s.pem", name);
    *cert = keep(file);
    (void)snprintf(file, sizeof(file), "%s.key", name);
    *key = keep(file);
    options->tls_cert_file = cert->path;
    options->tls_key_file = key->path;
}

static void test_tls_matrix__client_certificates(void **state)
{
    (void)state;
    static const struct {
        int version;
        const char *name; /* NULL: none */
        fac_status want;
        const char *says;
    } k_cases[] = {
        {TLS1_2_VERSION, NULL, FAC_E_AUTH, "asks for a certificate"},
        {TLS1_3_VERSION, NULL, FAC_E_AUTH, "asks for a certificate"},
        {TLS1_2_VERSION, "foreign_client", FAC_E_AUTH, "refuses our certificate"},
        {TLS1_3_VERSION, "foreign_client", FAC_E_AUTH, "refuses our certificate"},
        {TLS1_2_VERSION, "client", FAC_OK, ""},
        {TLS1_3_VERSION, "client", FAC_OK, ""},
    };
    struct live live;
    live_start(&live, NULL);
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        fac_options base = live.options;
        struct kit_cert cert;
        struct kit_cert key;
        if (k_cases[i].name != NULL) {
            own(&live.options, &cert, &key, k_cases[i].name);
        }
        front_row(&live,
                  &(struct kit_tlsfront_options){.client_ca = "ca.pem",
                                                 .min_version = k_cases[i].version,
                                                 .max_version = k_cases[i].version},
                  FAC_TLS_VERSION_INHERIT, k_cases[i].want, k_cases[i].says);
        live.options = base;
    }
    live_end(&live);
}

/* The real server asks, too; and health tells when our certificate ends. */
static void test_tls_matrix__mutual_with_the_server(void **state)
{
    (void)state;
    static const char *const k_asks[] = {"tls-auth-clients yes", NULL};
    struct live live;
    live_start(&live, k_asks);
    fac_error err;
    assert_status(fac_cache_open(&live.options, &live.cache, &err), FAC_E_AUTH, &err);
    struct kit_cert cert;
    struct kit_cert key;
    own(&live.options, &cert, &key, "client");
    live_open(&live);
    live_set(live.cache, fac_str("k"), "v");
    fac_health health;
    assert_status(fac_cache_health(live.cache, NULL, &health, sizeof(health), &err), FAC_OK,
                  &err);
    assert_int_equal(health.security, FAC_SECURITY_TLS);
    assert_int_equal(health.tls_cert_expires_at_s,
                     INT64_C(2524607999)); /* 2049-12-31 23:59:59 */
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_tls_matrix__names),
    KIT_TEST(test_tls_matrix__chains),
    KIT_TEST(test_tls_matrix__weak_ones),
    KIT_TEST(test_tls_matrix__name_beyond_ascii_is_refused),
    KIT_TEST(test_tls_matrix__versions),
    KIT_TEST(test_tls_matrix__plain_port_and_plain_client),
    KIT_TEST(test_tls_matrix__client_certificates),
    KIT_TEST(test_tls_matrix__mutual_with_the_server),
};

KIT_MAIN(k_tests)
