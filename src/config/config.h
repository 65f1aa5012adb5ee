/* SPDX-License-Identifier: MIT */
/* config/config.h — options, environment and defaults, resolved into what is really used. Pure
 * but for reading the environment; knows nothing of sockets. */
#ifndef FACI_CONFIG_CONFIG_H
#define FACI_CONFIG_CONFIG_H

#include "base/secret.h"

#include <faciliter/alloc.h>
#include <faciliter/error.h>
#include <faciliter/options.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every setting of one choice, resolved. Strings are owned by the config and never NULL, but for
 * the ones that say so. */
struct faci_settings {
    fac_provider family; /* FAC_REDIS, FAC_VALKEY or FAC_MEMORY */

    char *unix_socket; /* NULL: TCP */
    char *host;        /* IPv6 addresses without brackets */
    uint16_t port;
    uint32_t db;

    char *username;               /* NULL: none */
    struct faci_secret *password; /* NULL: none */
    char *password_file;          /* NULL: none; excludes password */
    struct faci_secret *api_key;  /* NULL: none */

    char *http_base; /* NULL: RESP; else the path behind the host, "" or "/base" */
    bool tls;        /* what follows is unset without it */
    char *tls_ca_file;
    char *tls_ca_dir;
    char *tls_cert_file;
    char *tls_key_file;
    char *tls_server_name;    /* NULL: the host */
    uint32_t tls_min_version; /* fac_tls_version */
    bool tls_insecure;

    char *prefix;   /* may be "" */
    int64_t ttl_ms; /* 1 .. ten years, or FAC_TTL_NONE */

    uint32_t max_connections;
    uint32_t timeout_ms;
    bool retry_on_timeout;
    uint32_t max_retries;
    bool breaker; /* whether there is one */
    uint32_t breaker_open_ms;
    uint32_t reconnect_max_ms;
    uint32_t integrity_check; /* commands; 0: off */
    uint64_t memory_bytes;
};

struct faci_config {
    fac_allocator alloc;
    fac_provider provider;        /* as asked: FAC_AUTO, FAC_REDIS, FAC_VALKEY, FAC_MEMORY */
    fac_password_fn *password_fn; /* NULL: none; excludes what the choices say */
    void *password_context;
    unsigned n_choices; /* 1; 2 when FAC_AUTO has another endpoint to try at open */
    struct faci_settings choices[2];
};

/*
 * Resolve. `options` NULL: the environment alone. The result is owned by the caller. Reads the
 * environment (once each variable) unless options->ignore_environment.
 * FAC_OK, FAC_E_CONFIG (names variable or option, value and range), FAC_E_UNSUPPORTED (a URL
 * scheme that is not built; options of a newer header), FAC_E_INVALID, FAC_E_NOMEM.
 */
fac_status faci_config_resolve(const fac_options *options, struct faci_config **out,
                               fac_error *err);

/* NULL is fine. Zeroes the passwords. */
void faci_config_free(struct faci_config *config);

/* Whether two configs say the same: the test behind a second set_cache(NULL). */
bool faci_config_equal(const struct faci_config *a, const struct faci_config *b);

/* "host:port", "[v6]:port", "unix:/path" or "https://host:port/base", cut to fit; never a secret. */
void faci_settings_endpoint(const struct faci_settings *settings, char *buf, size_t cap);

#endif
