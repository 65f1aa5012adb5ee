/* SPDX-License-Identifier: MIT */
/* net/tls_module.h — what a TLS module offers: bytes in, bytes out. It knows no socket and waits for
 * nothing: bytes that arrived are put into its room, and it hands over through a function those to
 * be sent. Whoever calls holds the session's lock. */
#ifndef FACI_NET_TLS_MODULE_H
#define FACI_NET_TLS_MODULE_H

#include <faciliter/alloc.h>
#include <faciliter/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    FACI_TLS_ABI = 1, /* of this header: a module with another one is not used */
    FACI_TLS_NAME_BYTES = 256,
};

/* The one symbol of a module. */
#define FACI_TLS_SYMBOL "faci_tls_module"

/* Strings and allocator are borrowed for the life of the context. */
struct faci_tls_options {
    const fac_allocator *alloc;
    const char *name;      /* that the certificate must have, and SNI; a name or an address */
    const char *ca_file;   /* NULL, and no ca_dir: the system's authorities */
    const char *ca_dir;    /* NULL: none */
    const char *cert_file; /* NULL: none */
    const char *key_file;  /* NULL: none */
    unsigned min_version;  /* 12, 13 */
    bool is_insecure;      /* nothing is verified */
};

struct faci_tls_context; /* settings, loaded; the tickets of earlier connections */
struct faci_tls_session; /* one connection */

enum faci_tls_step {
    FACI_TLS_DONE,
    FACI_TLS_WANTS_READ,
    FACI_TLS_WANTS_WRITE,
    FACI_TLS_FAILED, /* the error is filled */
};

/* What a handshake came to. */
struct faci_tls_facts {
    char version[16]; /* "TLSv1.3" */
    char cipher[48];
    bool is_resumed;
    bool is_verified;
};

/* Where a session's bytes go: as send() with MSG_DONTWAIT | MSG_NOSIGNAL. */
typedef ssize_t faci_tls_send_fn(void *context, const void *bytes, size_t len);

struct faci_tls_module {
    unsigned abi;
    const char *version; /* of this library that it was built with */
    const char *library; /* whose TLS it is, and which version */

    /* FAC_OK; FAC_E_CONFIG names the file that is not as it should be; FAC_E_NOMEM. */
    fac_status (*context_new)(const struct faci_tls_options *options,
                              struct faci_tls_context **out, fac_error *err);
    void (*context_unref)(
        struct faci_tls_context *context); /* sessions have a part of it, too */

    /* Whether the files on disk are the ones that were loaded. */
    bool (*context_is_current)(const struct faci_tls_context *context);

    /* When our own certificate ends, in seconds since 1970; 0: there is none. */
    int64_t (*context_expiry)(const struct faci_tls_context *context);

    /* FAC_OK, FAC_E_NOMEM. */
    fac_status (*session_new)(struct faci_tls_context *context, faci_tls_send_fn *send,
                              void *send_context, struct faci_tls_session **out,
                              fac_error *err);
    /* Sends nothing. */
    void (*session_free)(struct faci_tls_session *session);

    /* FAC_E_AUTH: one side does not believe the other; FAC_E_PROTOCOL, FAC_E_UNAVAILABLE,
     * FAC_E_NOMEM. */
    enum faci_tls_step (*handshake)(struct faci_tls_session *session, fac_error *err);
    void (*facts)(const struct faci_tls_session *session, struct faci_tls_facts *out);

    /* Bytes of the application's taken or given; 0 of read: the peer has ended it; -1 with errno:
     * EAGAIN, or EPROTO and why() tells. */
    ssize_t (*write)(struct faci_tls_session *session, const void *bytes, size_t len);
    ssize_t (*read)(struct faci_tls_session *session, void *buf, size_t cap);

    /* Where bytes from the peer go: only one thread may write there, without the lock. */
    size_t (*room)(struct faci_tls_session *session, void **out);
    void (*arrived)(struct faci_tls_session *session, size_t n);

    /* Whether read() may give something although nothing more arrives. */
    bool (*has_input)(const struct faci_tls_session *session);

    /* Whether the last read() gave EAGAIN because it has to send first. */
    bool (*wants_write)(const struct faci_tls_session *session);

    /* What EPROTO was; a status and a sentence. FAC_OK: nothing was. */
    fac_status (*why)(const struct faci_tls_session *session, fac_error *err);
};

#endif
