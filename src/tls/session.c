/* SPDX-License-Identifier: MIT */
/* tls/session.c — one connection through OpenSSL, which sees two ends of memory and no socket. Its
 * error queue is emptied before each call, and after each failure. */
#include "tls/session.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

#include <faciliter/version.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define TEXT_OF(number) #number
#define DOTTED(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)
#define VERSION_TEXT    DOTTED(FAC_VERSION_MAJOR, FAC_VERSION_MINOR, FAC_VERSION_PATCH)

/* --- The two ends ----------------------------------------------------------------------------- */

static int bio_write(BIO *bio, const char *bytes, int len)
{
    struct faci_tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (len <= 0) {
        return 0;
    }
    ssize_t n = session->send(session->send_context, bytes, (size_t)len);
    if (n < 0 && errno == EAGAIN) {
        BIO_set_retry_write(bio);
    }
    return (int)n;
}

static int bio_read(BIO *bio, char *buf, int cap)
{
    struct faci_tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t there = session->end - session->begin;
    if (cap <= 0) {
        return 0;
    }
    if (there == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = there < (size_t)cap ? there : (size_t)cap;
    memcpy(buf, session->room + session->begin, n);
    session->begin += n;
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0; /* nothing is kept back */
}

static BIO_METHOD *bio_method; /* made once, for the life of the process */

static void make_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "faciliter");
    if (method != NULL) {
        (void)BIO_meth_set_write(method, bio_write);
        (void)BIO_meth_set_read(method, bio_read);
        (void)BIO_meth_set_ctrl(method, bio_ctrl);
    }
    bio_method = method;
}

/* --- Life ------------------------------------------------------------------------------------- */

/* Quietly: nothing is sent, and the tickets that came on it stay good. */
static void session_free(struct faci_tls_session *session)
{
    if (session == NULL) {
        return;
    }
    faci_tls_clear_errors();
    if (session->ssl != NULL) {
        SSL_set_shutdown(session->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(session->ssl);
    }
    const fac_allocator *alloc = session->context->options.alloc;
    faci_tls_context_unref(session->context);
    explicit_bzero(session->room, sizeof(session->room));
    faci_mem_free(alloc, session);
    faci_tls_clear_errors();
}

static bool attach_ends(struct faci_tls_session *session)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_bio_method);
    BIO *bio = bio_method != NULL ? BIO_new(bio_method) : NULL;
    if (bio == NULL) {
        return false;
    }
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    return true;
}

/* A name is told to the server (RFC 6066, 3); an address may not be. */
static bool tell_name(struct faci_tls_session *session)
{
    const char *name = session->context->options.name;
    /* What SSL_set_tlsext_host_name() is, which casts the const away; it copies. */
    return faci_tls_is_address(name) ||
           SSL_ctrl(session->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)name) == 1;
}

static bool offer_ticket(struct faci_tls_session *session)
{
    SSL_SESSION *ticket = faci_tls_take_ticket(session->context);
    bool is_set = ticket == NULL || SSL_set_session(session->ssl, ticket) == 1;
    SSL_SESSION_free(ticket);
    return is_set;
}

static fac_status session_new(struct faci_tls_context *context, faci_tls_send_fn *send,
                              void *send_context, struct faci_tls_session **out, fac_error *err)
{
    struct faci_tls_session *session = faci_mem_alloc(context->options.alloc, sizeof(*session));
    if (session == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    memset(session, 0, offsetof(struct faci_tls_session, room));
    session->context = faci_tls_context_ref(context);
    session->send = send;
    session->send_context = send_context;
    faci_tls_clear_errors();
    session->ssl = SSL_new(context->ssl);
    bool is_good = session->ssl != NULL && SSL_set_app_data(session->ssl, session) == 1 &&
                   attach_ends(session) && tell_name(session) && offer_ticket(session);
    if (!is_good) {
        session_free(session);
        return faci_fail(err, FAC_E_NOMEM, 0, "no memory for TLS");
    }
    SSL_set_connect_state(session->ssl);
    *out = session;
    return FAC_OK;
}

/* --- The handshake ---------------------------------------------------------------------------- */

/* How OpenSSL's refusal to go on is to be taken. */
static enum faci_tls_step step_of(struct faci_tls_session *session, int rc)
{
    switch (SSL_get_error(session->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return FACI_TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return FACI_TLS_WANTS_WRITE;
    default:
        return FACI_TLS_FAILED;
    }
}

/* That the certificate is for this name, and for servers. OpenSSL has looked at both, if it had memory:
 * SSL_new() and the verification copy what to look for, and go on without it when they cannot. So it is
 * looked at again, where a failure is one. */
static bool is_for_name(X509 *peer, const char *name)
{
    const unsigned flags = FACI_TLS_NAME_FLAGS;
    bool is_right = faci_tls_is_address(name)
                        ? X509_check_ip_asc(peer, name, flags) == 1
                        : X509_check_host(peer, name, 0, flags, NULL) == 1;
    return is_right && X509_check_purpose(peer, X509_PURPOSE_SSL_SERVER, 0) == 1;
}

/* A resumed session has no certificate on the wire; it has that of its first. */
static bool is_believed(const struct faci_tls_session *session)
{
    X509 *peer = SSL_get1_peer_certificate(session->ssl);
    bool is = peer != NULL && SSL_get_verify_result(session->ssl) == X509_V_OK &&
              is_for_name(peer, session->context->options.name);
    X509_free(peer);
    return is;
}

static enum faci_tls_step session_handshake(struct faci_tls_session *session, fac_error *err)
{
    faci_tls_clear_errors();
    errno = 0;
    int rc = SSL_do_handshake(session->ssl);
    if (rc == 1) {
        bool is_good = session->context->options.is_insecure || is_believed(session);
        faci_tls_clear_errors();
        if (is_good) {
            return FACI_TLS_DONE;
        }
        (void)faci_fail(err, FAC_E_AUTH, 0, "the server's certificate was not verified");
        return FACI_TLS_FAILED;
    }
    enum faci_tls_step step = step_of(session, rc);
    if (step == FACI_TLS_FAILED) {
        int os_errno = errno;
        if (faci_tls_was_the_socket(&os_errno)) {
            char text[96];
            (void)faci_fail(err, FAC_E_UNAVAILABLE, os_errno, "TLS: %s",
                            faci_errno_text(os_errno, text, sizeof(text)));
        } else {
            (void)faci_tls_failure(session, err);
        }
        faci_tls_forget_tickets(
            session->context); /* whatever it was, they shall not repeat it */
        faci_tls_clear_errors();
    }
    return step;
}

static void session_facts(const struct faci_tls_session *session, struct faci_tls_facts *out)
{
    const char *cipher = SSL_get_cipher_name(session->ssl);
    (void)snprintf(out->version, sizeof(out->version), "%s", SSL_get_version(session->ssl));
    (void)snprintf(out->cipher, sizeof(out->cipher), "%s", cipher != NULL ? cipher : "");
    out->is_resumed = SSL_session_reused(session->ssl) == 1;
    out->is_verified = !session->context->options.is_insecure;
}

/* --- Bytes ------------------------------------------------------------------------------------ */

/* It ends here. What could be said of it is kept; errno is EPROTO. */
static ssize_t fail(struct faci_tls_session *session)
{
    int os_errno = errno;
    session->is_over = true;
    if (faci_tls_was_the_socket(&os_errno)) {
        (void)faci_fail(&session->why, FAC_E_UNAVAILABLE, os_errno, "the connection was lost");
    } else {
        (void)faci_tls_failure(session, &session->why);
    }
    faci_tls_clear_errors();
    errno = EPROTO;
    return -1;
}

static ssize_t session_write(struct faci_tls_session *session, const void *bytes, size_t len)
{
    size_t n = 0;
    faci_tls_clear_errors();
    errno = 0;
    if (session->is_over) {
        errno = EPROTO;
        return -1;
    }
    if (SSL_write_ex(session->ssl, bytes, len, &n) == 1) {
        faci_tls_clear_errors();
        return (ssize_t)n;
    }
    int os_errno = errno;
    if (step_of(session, 0) != FACI_TLS_FAILED) {
        errno = EAGAIN;
        return -1;
    }
    if (faci_tls_was_the_socket(&os_errno) && os_errno != 0) {
        faci_tls_clear_errors();
        errno = os_errno; /* as a plain socket tells it; reading goes on */
        return -1;
    }
    return fail(session);
}

/* Whether OpenSSL and the room are both empty: then asking it costs much, and says EAGAIN. */
static bool has_nothing(const struct faci_tls_session *session)
{
    return session->begin == session->end && SSL_has_pending(session->ssl) == 0;
}

static ssize_t session_read(struct faci_tls_session *session, void *buf, size_t cap)
{
    size_t total = 0;
    if (session->is_over) {
        errno = EPROTO;
        return -1;
    }
    session->wants_write = false;
    if (session->is_starved) {
        errno = EAGAIN;
        return -1;
    }
    while (total < cap) {
        size_t n = 0;
        faci_tls_clear_errors();
        errno = 0;
        if (SSL_read_ex(session->ssl, (char *)buf + total, cap - total, &n) == 1) {
            total += n;
            faci_tls_clear_errors();
            if (has_nothing(session)) {
                session->is_starved = true;
                break;
            }
            continue;
        }
        if (SSL_get_error(session->ssl, 0) == SSL_ERROR_ZERO_RETURN) {
            faci_tls_clear_errors();
            return (ssize_t)total; /* 0: it has ended; else the next read says so */
        }
        enum faci_tls_step step = step_of(session, 0);
        session->is_starved = step == FACI_TLS_WANTS_READ;
        session->wants_write = step == FACI_TLS_WANTS_WRITE;
        if (total > 0) {
            if (step == FACI_TLS_FAILED) {
                (void)fail(session); /* what came before it counts */
            }
            return (ssize_t)total;
        }
        if (step == FACI_TLS_FAILED) {
            return fail(session);
        }
        errno = EAGAIN;
        return -1;
    }
    return (ssize_t)total;
}

static size_t session_room(struct faci_tls_session *session, void **out)
{
    if (session->begin == session->end) {
        session->begin = 0;
        session->end = 0;
    }
    *out = session->room + session->end;
    return sizeof(session->room) - session->end;
}

static void session_arrived(struct faci_tls_session *session, size_t n)
{
    if (!session->has_peer && n > 0) {
        session->has_peer = true;
        session->first_byte = session->room[session->end];
    }
    session->end += n;
    faci_assert(session->end <= sizeof(session->room));
    session->is_starved = session->is_starved && n == 0;
}

static bool session_has_input(const struct faci_tls_session *session)
{
    return !session->is_starved && (session->is_over || session->begin < session->end ||
                                    SSL_has_pending(session->ssl) == 1);
}

static bool session_wants_write(const struct faci_tls_session *session)
{
    return session->wants_write;
}

static fac_status session_why(const struct faci_tls_session *session, fac_error *err)
{
    if (session->is_over && err != NULL) {
        *err = session->why;
    }
    return session->is_over ? session->why.status : FAC_OK;
}

const struct faci_tls_module k_faci_tls_openssl = {
    .abi = FACI_TLS_ABI,
    .version = VERSION_TEXT,
    .library = OPENSSL_VERSION_TEXT,
    .context_new = faci_tls_context_new,
    .context_unref = faci_tls_context_unref,
    .context_is_current = faci_tls_context_is_current,
    .context_expiry = faci_tls_context_expiry,
    .session_new = session_new,
    .session_free = session_free,
    .handshake = session_handshake,
    .facts = session_facts,
    .write = session_write,
    .read = session_read,
    .room = session_room,
    .arrived = session_arrived,
    .has_input = session_has_input,
    .wants_write = session_wants_write,
    .why = session_why,
};
