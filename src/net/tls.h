/* SPDX-License-Identifier: MIT */
/* net/tls.h — TLS to one server: what is loaded once, and put on each stream. Any thread. */
#ifndef FACI_NET_TLS_H
#define FACI_NET_TLS_H

#include "net/stream.h"
#include "net/tls_module.h"

#include <faciliter/error.h>

#include <stdint.h>

struct faci_tls;

struct faci_tls_report {
    uint64_t handshakes; /* that succeeded */
    uint64_t resumed;    /* of them, with an earlier one's ticket */
    struct faci_tls_facts last;
    int64_t cert_expires_at_s; /* of our own; 0: there is none */
};

/*
 * Load the module and what the options name; strings are borrowed until the end. Connects nothing.
 * FAC_OK, FAC_E_CONFIG (names the file), FAC_E_UNSUPPORTED (no module), FAC_E_NOMEM.
 */
fac_status faci_tls_open(const struct faci_tls_options *options, struct faci_tls **out,
                         fac_error *err);

/* No stream with it may be left. NULL is fine. */
void faci_tls_free(struct faci_tls *tls);

/*
 * Put TLS on a stream that is connected: from here on it sends and receives through it. Files that
 * have changed on disk are loaded first.
 * FAC_OK, FAC_E_AUTH (one side does not believe the other), FAC_E_PROTOCOL, FAC_E_UNAVAILABLE,
 * FAC_E_TIMEOUT, FAC_E_CONFIG, FAC_E_NOMEM.
 */
fac_status faci_tls_secure(struct faci_tls *tls, struct faci_stream *stream,
                           int64_t deadline_ns, fac_error *err);

void faci_tls_report(struct faci_tls *tls, struct faci_tls_report *out);

/* Hold and free its locks around a fork. */
void faci_tls_lock(struct faci_tls *tls);
void faci_tls_unlock(struct faci_tls *tls);

#endif
