/* SPDX-License-Identifier: MIT */
/* tls/failure.c — OpenSSL's errors as ours. Its queue belongs to the thread: it is empty before each
 * call and after, so that nobody's stale entry ends a connection. */
#include "tls/session.h"

#include "base/assert.h"
#include "base/error.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

#include <stdio.h>

const char *faci_tls_reason(char *buf, size_t cap, bool *out_is_memory)
{
    unsigned long newest = ERR_peek_last_error();
    bool is_memory = false;
    for (unsigned long code = ERR_get_error(); code != 0; code = ERR_get_error()) {
        is_memory = is_memory || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
    }
    const char *reason = ERR_reason_error_string(newest);
    (void)snprintf(buf, cap, "%s", reason != NULL ? reason : "no reason given");
    if (out_is_memory != NULL) {
        *out_is_memory = is_memory;
    }
    return buf;
}

bool faci_tls_was_the_socket(int *os_errno)
{
    unsigned long oldest = ERR_peek_error();
    if (oldest != 0 && ERR_SYSTEM_ERROR(oldest)) {
        *os_errno = ERR_GET_REASON(oldest);
    }
    return oldest == 0 || ERR_SYSTEM_ERROR(oldest);
}

/* Alerts by which a server says that it does not want our certificate, or wants one. */
static bool is_about_our_certificate(int reason)
{
    static const int k_reasons[] = {
        SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,     SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
        SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
        SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_TLSV1_ALERT_UNKNOWN_CA,
        SSL_R_TLSV1_ALERT_ACCESS_DENIED,       SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
        SSL_R_TLSV1_ALERT_DECRYPT_ERROR,
    };
    for (size_t i = 0; i < FACI_COUNT(k_reasons); i++) {
        if (reason == k_reasons[i]) {
            return true;
        }
    }
    return false;
}

static bool is_about_the_version(int reason)
{
    return reason == SSL_R_UNSUPPORTED_PROTOCOL ||
           reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION ||
           reason == SSL_R_NO_PROTOCOLS_AVAILABLE || reason == SSL_R_WRONG_SSL_VERSION;
}

/* What every TLS record begins with: its type. */
static bool is_no_tls(const struct faci_tls_session *session)
{
    return session->has_peer && (session->first_byte < SSL3_RT_CHANGE_CIPHER_SPEC ||
                                 session->first_byte > SSL3_RT_APPLICATION_DATA);
}

static fac_status refused_certificate(const struct faci_tls_session *session, long verdict,
                                      fac_error *err)
{
    const char *what = X509_verify_cert_error_string(verdict);
    if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        return faci_fail(err, FAC_E_AUTH, 0,
                         "the server's certificate is not one for %.100s (%s)",
                         session->context->options.name, what);
    }
    return faci_fail(err, FAC_E_AUTH, 0, "the server's certificate is refused: %s", what);
}

fac_status faci_tls_failure(const struct faci_tls_session *session, fac_error *err)
{
    char text[96];
    bool is_memory = false;
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    int first = ERR_GET_REASON(ERR_peek_error());
    (void)faci_tls_reason(text, sizeof(text), &is_memory);
    long verdict = SSL_get_verify_result(session->ssl);
    bool is_refused = verdict != X509_V_OK && !session->context->options.is_insecure &&
                      (reason == SSL_R_CERTIFICATE_VERIFY_FAILED ||
                       first == SSL_R_CERTIFICATE_VERIFY_FAILED);
    if (is_memory || (is_refused && verdict == X509_V_ERR_OUT_OF_MEM)) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    if (is_refused) {
        return refused_certificate(session, verdict, err);
    }
    if (is_no_tls(session)) {
        return faci_fail(err, FAC_E_PROTOCOL, 0, "the server does not speak TLS on this port");
    }
    if (reason == SSL_R_TLSV1_ALERT_DECODE_ERROR) {
        /* What a server says that got a message in part: the way to it broke in the middle. */
        return faci_fail(err, FAC_E_UNAVAILABLE, 0, "the connection was lost (%s)", text);
    }
    bool is_denied = reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE && session->was_asked;
    if (is_denied || reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED) {
        return faci_fail(
            err, FAC_E_AUTH, 0,
            "the server asks for a certificate of ours, and tls_cert_file is not set");
    }
    if (is_about_our_certificate(reason)) {
        return faci_fail(err, FAC_E_AUTH, 0, "the server refuses our certificate (%s)", text);
    }
    if (is_about_the_version(reason)) {
        return faci_fail(err, FAC_E_PROTOCOL, 0,
                         "the server and we have no version of TLS in common (%s)", text);
    }
    return faci_fail(err, FAC_E_PROTOCOL, 0, "TLS failed: %s", text);
}
