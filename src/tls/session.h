/* SPDX-License-Identifier: MIT */
/* tls/session.h — what the files of this room share: a context, a session, and reading OpenSSL's
 * errors. */
#ifndef FACI_TLS_SESSION_H
#define FACI_TLS_SESSION_H

#include "base/sync.h"
#include "net/tls_module.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum {
    FACI_TLS_TICKETS = 4,      /* kept of one server: as many connections may resume at once */
    FACI_TLS_ROOM = 32 * 1024, /* two of the largest records */
};

/* A file as it was when it was loaded. */
struct faci_tls_file {
    const char *path; /* NULL: none */
    struct stat was;
};

struct faci_tls_context {
    atomic_uint refs;
    struct faci_tls_options options;
    SSL_CTX *ssl;
    struct faci_tls_file files[4]; /* CA file, CA directory, certificate, key */
    int64_t expires_at_s;

    struct faci_mutex lock; /* of what follows */
    SSL_SESSION *tickets[FACI_TLS_TICKETS];
    unsigned n_tickets;
};

struct faci_tls_session {
    struct faci_tls_context *context;
    SSL *ssl;
    faci_tls_send_fn *send;
    void *send_context;
    bool is_over;   /* an error that cannot be read past */
    bool was_asked; /* for a certificate, and there is none */
    bool has_peer;  /* a first byte has come */
    unsigned char first_byte;
    bool is_starved;  /* read() wants bytes that have not arrived */
    bool wants_write; /* read() has to send first */
    fac_error why;
    size_t begin; /* of what arrived and was not taken yet */
    size_t end;
    unsigned char room[FACI_TLS_ROOM];
};

/* How names are compared: wildcards only as a whole label, and never the common name. */
#define FACI_TLS_NAME_FLAGS \
    (X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

bool faci_tls_is_address(const char *name);

/* context.c: the newest ticket, which the caller owns; NULL: none. */
SSL_SESSION *faci_tls_take_ticket(struct faci_tls_context *context);
void faci_tls_forget_tickets(struct faci_tls_context *context);
struct faci_tls_context *faci_tls_context_ref(struct faci_tls_context *context);

fac_status faci_tls_context_new(const struct faci_tls_options *options,
                                struct faci_tls_context **out, fac_error *err);
void faci_tls_context_unref(struct faci_tls_context *context);
bool faci_tls_context_is_current(const struct faci_tls_context *context);
int64_t faci_tls_context_expiry(const struct faci_tls_context *context);

/* The rules on a context that somebody else made, for https: the same, but for tickets. FAC_OK,
 * FAC_E_CONFIG, FAC_E_NOMEM. */
fac_status faci_tls_configure(SSL_CTX *ssl, const struct faci_tls_options *options,
                              fac_error *err);

/* trust.c: who is believed, and how we show who we are. FAC_OK, FAC_E_CONFIG, FAC_E_NOMEM. */
fac_status faci_tls_load_trust(SSL_CTX *ssl, const struct faci_tls_options *options,
                               fac_error *err);
fac_status faci_tls_load_own(SSL_CTX *ssl, const struct faci_tls_options *options,
                             int64_t *out_expires_at_s, fac_error *err);

/* The thread's error queue, empty: looked at first, since that is cheaper. */
static inline void faci_tls_clear_errors(void)
{
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
}

/* failure.c: whether a call that failed did so for the socket, not for the protocol. `os_errno` is what
 * errno was then: OpenSSL 3.0 leaves it at that, later ones have it in their queue. */
bool faci_tls_was_the_socket(int *os_errno);

/* failure.c: what OpenSSL's error queue holds, emptied. */
fac_status faci_tls_failure(const struct faci_tls_session *session, fac_error *err);

/* The newest reason in words; is_memory: memory was what lacked. The queue is emptied. */
const char *faci_tls_reason(char *buf, size_t cap, bool *out_is_memory);

/* session.c: the ops on sessions. */
extern const struct faci_tls_module k_faci_tls_openssl;

#endif
