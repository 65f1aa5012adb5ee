/* SPDX-License-Identifier: MIT */
/* tls/context.c — what all connections to one server have in common: the rules, whom to believe, who
 * we are, and the tickets with which the next connection is cheaper.
 *
 * Design notes. A ticket belongs to the context that verified the certificate it stands for, and
 * with it to one name: a context whose files have changed is replaced as a whole, tickets and all.
 * A ticket of TLS 1.3 is used once, so that nobody on the way can tell two connections to be of
 * the same client; one of TLS 1.2, which is not renewed, is kept. */
#include "tls/session.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

enum {
    SECURITY_LEVEL = 2, /* 112 bits: no RSA below 2048, no SHA-1 */
};

/* The library may be used until the process ends, by threads that outlive main(). */
static void init_openssl(void)
{
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
}

/* --- Tickets ---------------------------------------------------------------------------------- */

/* 1: the ticket is ours from here on. */
static int keep_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    struct faci_tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    faci_mutex_lock(&context->lock);
    SSL_SESSION *oldest = NULL;
    if (context->n_tickets == FACI_TLS_TICKETS) {
        oldest = context->tickets[0];
        context->n_tickets--;
        memmove(&context->tickets[0], &context->tickets[1],
                context->n_tickets * sizeof(context->tickets[0]));
    }
    context->tickets[context->n_tickets++] = ticket;
    faci_mutex_unlock(&context->lock);
    SSL_SESSION_free(oldest);
    return 1;
}

SSL_SESSION *faci_tls_take_ticket(struct faci_tls_context *context)
{
    SSL_SESSION *ticket = NULL;
    faci_mutex_lock(&context->lock);
    if (context->n_tickets > 0) {
        ticket = context->tickets[context->n_tickets - 1];
        if (SSL_SESSION_get_protocol_version(ticket) < TLS1_3_VERSION) {
            (void)SSL_SESSION_up_ref(ticket);
        } else {
            context->n_tickets--;
        }
    }
    faci_mutex_unlock(&context->lock);
    return ticket;
}

void faci_tls_forget_tickets(struct faci_tls_context *context)
{
    SSL_SESSION *tickets[FACI_TLS_TICKETS];
    faci_mutex_lock(&context->lock);
    unsigned n = context->n_tickets;
    memcpy(tickets, context->tickets, n * sizeof(tickets[0]));
    context->n_tickets = 0;
    faci_mutex_unlock(&context->lock);
    for (unsigned i = 0; i < n; i++) {
        SSL_SESSION_free(tickets[i]);
    }
}

/* --- Rules ------------------------------------------------------------------------------------ */

static int note_that_we_were_asked(SSL *ssl, X509 **cert, EVP_PKEY **key)
{
    (void)cert;
    (void)key;
    struct faci_tls_session *session = SSL_get_app_data(ssl);
    session->was_asked = true;
    return 0; /* none: what follows is the server's decision */
}

bool faci_tls_is_address(const char *name)
{
    struct in6_addr any;
    return inet_pton(AF_INET, name, &any) == 1 || inet_pton(AF_INET6, name, &any) == 1;
}

/* The name is checked by whatever verifies the chain, so that one cannot be had without the other. */
static bool set_name(SSL_CTX *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(param, FACI_TLS_NAME_FLAGS);
    if (faci_tls_is_address(name)) {
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
    }
    return name[0] != '\0' && X509_VERIFY_PARAM_set1_host(param, name, 0) == 1;
}

/* The system's policy may ask for more than we do, and is heeded then. */
static bool set_min_version(SSL_CTX *ssl, unsigned min_version)
{
    long wanted = min_version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    long is = SSL_CTX_get_min_proto_version(ssl);
    return is >= wanted || SSL_CTX_set_min_proto_version(ssl, wanted) == 1;
}

static bool set_rules(SSL_CTX *ssl, const struct faci_tls_options *options)
{
    if (SSL_CTX_get_security_level(ssl) < SECURITY_LEVEL) {
        SSL_CTX_set_security_level(ssl, SECURITY_LEVEL);
    }
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    (void)SSL_CTX_clear_options(ssl, SSL_OP_LEGACY_SERVER_CONNECT |
                                         SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    SSL_CTX_set_verify(ssl, options->is_insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    return set_min_version(ssl, options->min_version) &&
           (options->is_insecure || set_name(ssl, options->name));
}

/* What is for our own sessions only. */
static void set_habits(SSL_CTX *ssl)
{
    (void)SSL_CTX_set_mode(ssl,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(ssl,
                                         SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, keep_ticket);
    SSL_CTX_set_client_cert_cb(ssl, note_that_we_were_asked);
}

static fac_status configure(SSL_CTX *ssl, const struct faci_tls_options *options,
                            int64_t *out_expires_at_s, fac_error *err)
{
    fac_status st = FAC_OK;
    if (!set_rules(ssl, options)) {
        char text[96];
        bool is_memory = false;
        (void)faci_tls_reason(text, sizeof(text), &is_memory);
        st = faci_fail(err, is_memory ? FAC_E_NOMEM : FAC_E_CONFIG, 0,
                       "TLS cannot be set up: %s", text);
    }
    if (st == FAC_OK && !options->is_insecure) {
        st = faci_tls_load_trust(ssl, options, err);
    }
    if (st == FAC_OK && options->cert_file != NULL) {
        st = faci_tls_load_own(ssl, options, out_expires_at_s, err);
    }
    faci_tls_clear_errors();
    return st;
}

fac_status faci_tls_configure(SSL_CTX *ssl, const struct faci_tls_options *options,
                              fac_error *err)
{
    int64_t expires_at_s = 0;
    faci_tls_clear_errors();
    return configure(ssl, options, &expires_at_s, err);
}

/* --- Files ------------------------------------------------------------------------------------ */

static void note_files(struct faci_tls_context *context)
{
    const struct faci_tls_options *options = &context->options;
    const char *const paths[] = {options->ca_file, options->ca_dir, options->cert_file,
                                 options->key_file};
    for (size_t i = 0; i < FACI_COUNT(paths); i++) {
        context->files[i].path = paths[i];
        if (paths[i] != NULL && stat(paths[i], &context->files[i].was) != 0) {
            memset(&context->files[i].was, 0, sizeof(context->files[i].was));
        }
    }
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

bool faci_tls_context_is_current(const struct faci_tls_context *context)
{
    for (size_t i = 0; i < FACI_COUNT(context->files); i++) {
        struct stat now;
        const struct faci_tls_file *file = &context->files[i];
        if (file->path != NULL &&
            (stat(file->path, &now) != 0 || !is_same_file(&now, &file->was))) {
            return false;
        }
    }
    return true;
}

/* --- Life ------------------------------------------------------------------------------------- */

fac_status faci_tls_context_new(const struct faci_tls_options *options,
                                struct faci_tls_context **out, fac_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_openssl);
    faci_tls_clear_errors();
    struct faci_tls_context *context = faci_mem_zalloc(options->alloc, sizeof(*context));
    if (context == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    atomic_init(&context->refs, 1U);
    context->options = *options;
    faci_mutex_init(&context->lock);
    note_files(context); /* before they are read: a change from here on is one */
    context->ssl = SSL_CTX_new(TLS_client_method());
    fac_status st = FAC_OK;
    if (context->ssl == NULL || SSL_CTX_set_app_data(context->ssl, context) != 1) {
        st = faci_fail(err, FAC_E_NOMEM, 0, "no memory for TLS");
        faci_tls_clear_errors();
    } else {
        set_habits(context->ssl);
        st = configure(context->ssl, options, &context->expires_at_s, err);
    }
    if (st < 0) {
        faci_tls_context_unref(context);
        return st;
    }
    *out = context;
    return FAC_OK;
}

struct faci_tls_context *faci_tls_context_ref(struct faci_tls_context *context)
{
    (void)atomic_fetch_add_explicit(&context->refs, 1U, memory_order_relaxed);
    return context;
}

void faci_tls_context_unref(struct faci_tls_context *context)
{
    if (context != NULL &&
        atomic_fetch_sub_explicit(&context->refs, 1U, memory_order_acq_rel) == 1) {
        faci_tls_forget_tickets(context);
        SSL_CTX_free(context->ssl);
        faci_tls_clear_errors();
        faci_mutex_fini(&context->lock);
        faci_mem_free(context->options.alloc, context);
    }
}

int64_t faci_tls_context_expiry(const struct faci_tls_context *context)
{
    return context->expires_at_s;
}
