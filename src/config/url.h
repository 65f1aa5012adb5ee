/* SPDX-License-Identifier: MIT */
/* config/url.h — one URL, taken apart. Pure: no allocation; the parts point into the text. */
#ifndef FACI_CONFIG_URL_H
#define FACI_CONFIG_URL_H

#include "base/secret.h"

#include <faciliter/alloc.h>
#include <faciliter/error.h>
#include <faciliter/value.h>

#include <stdbool.h>
#include <stdint.h>

/*
 *   redis://  [[user]:password@]host[:port][/[db]][?]
 *   valkey:// the same; rediss:// and valkeys:// too, over TLS
 *   https://  host[:port][/base]; http:// the same, on loopback
 *   unix://   [[user]:password@]/path[?db=n]
 *   memory://
 *
 * User, password and path may be percent-encoded; host may be an IPv6 address in brackets.
 */
enum faci_url_scheme {
    FACI_URL_REDIS,
    FACI_URL_VALKEY,
    FACI_URL_UNIX,
    FACI_URL_MEMORY,
    FACI_URL_HTTP,
};

/* Parts that are absent have data NULL; numbers that are absent are -1. */
struct faci_url {
    enum faci_url_scheme scheme;
    bool is_tls;
    fac_bytes username; /* percent-encoded; absent when empty */
    fac_bytes password; /* percent-encoded; may be empty: explicitly none */
    fac_bytes host;     /* without brackets */
    fac_bytes path;     /* percent-encoded; unix; http: as written, without a last slash */
    int32_t port;
    int32_t db;
    fac_bytes tail; /* all behind the userinfo: no secret in it */
};

/* Those that are allowed, for messages. */
extern const char k_faci_url_schemes[];

/*
 * Parse. `where` is what a message names. No message shows any part of the URL but its scheme.
 * FAC_OK; FAC_E_CONFIG.
 */
fac_status faci_url_parse(const char *text, const char *where, struct faci_url *out,
                          fac_error *err);

/* A decoded, NUL-terminated copy of a part that faci_url_parse() accepted; NULL: no memory. */
char *faci_url_decode(const fac_allocator *alloc, fac_bytes part);

/* The same for a part that is a secret. */
struct faci_secret *faci_url_decode_secret(fac_bytes part);

/* Whether a host is one: an address without brackets, or a name that could be. */
bool faci_host_is_valid(fac_bytes host);

enum {
    FACI_URL_BASE_MAX_BYTES = 200, /* the path of an https:// URL, as it stands there */
    /* Scheme, mask, and an encoded path of 107 bytes, or a host and a db or base. */
    FACI_URL_REDACTED_BYTES = 512,
};

/* The URL with its userinfo masked, for people. */
void faci_url_redact(const struct faci_url *url, char *buf, size_t cap);

#endif
