/* SPDX-License-Identifier: MIT */
/* tls/trust.c — reading certificates, CRLs and keys. A file that cannot be read, or holds nothing,
 * is an error that names it: nothing is ever trusted, or left unverified, for want of a file. */
#include "tls/session.h"

#include "base/error.h"
#include "base/file.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    FILE_MAX_BYTES = 16 << 20, /* a bundle of all authorities of the world is 1/4 MiB */
    PATH_BYTES = 4096 + 256,
};

struct found {
    unsigned n_certs;
    unsigned n_crls;
    bool is_memory;
};

static fac_status fail_reading(const char *what, const char *path, enum faci_file_fault fault,
                               fac_error *err)
{
    char text[96];
    int os_errno = errno;
    switch (fault) {
    case FACI_FILE_NOMEM:
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    case FACI_FILE_LONG:
        return faci_fail(err, FAC_E_CONFIG, 0, "the %s %s is longer than any is", what, path);
    case FACI_FILE_EXPOSED:
        return faci_fail(err, FAC_E_CONFIG, 0,
                         "others can read the %s %s: it must be its owner's alone (chmod 600)",
                         what, path);
    case FACI_FILE_ERRNO:
    case FACI_FILE_OK:
        break;
    }
    return faci_fail(err, faci_file_status(os_errno), os_errno, "cannot read the %s %s: %s",
                     what, path, faci_errno_text(os_errno, text, sizeof(text)));
}

static fac_status fail_openssl(const char *what, const char *path, fac_error *err)
{
    char text[96];
    bool is_memory = false;
    (void)faci_tls_reason(text, sizeof(text), &is_memory);
    if (is_memory) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    return faci_fail(err, FAC_E_CONFIG, 0, "the %s %s cannot be used: %s", what, path, text);
}

/* A file as OpenSSL reads it; `bytes` lives as long. */
static enum faci_file_fault open_bio(const char *path, bool is_private,
                                     struct faci_secret **bytes, BIO **out)
{
    enum faci_file_fault fault = faci_file_read(path, FILE_MAX_BYTES, is_private, bytes);
    if (fault == FACI_FILE_OK) {
        *out = BIO_new_mem_buf(faci_secret_reveal(*bytes), (int)faci_secret_len(*bytes));
        if (*out == NULL) {
            faci_secret_free(*bytes);
            fault = FACI_FILE_NOMEM;
        }
    }
    return fault;
}

static void close_bio(BIO *file, struct faci_secret *bytes)
{
    (void)BIO_free(file);
    faci_secret_free(bytes);
}

/* Every certificate and CRL of it goes into the store. */
static enum faci_file_fault load_file(X509_STORE *store, const char *path, struct found *found)
{
    struct faci_secret *bytes = NULL;
    BIO *file = NULL;
    enum faci_file_fault fault = open_bio(path, false, &bytes, &file);
    if (fault != FACI_FILE_OK) {
        return fault;
    }
    STACK_OF(X509_INFO) *infos = PEM_X509_INFO_read_bio(file, NULL, NULL, NULL);
    found->is_memory = found->is_memory ||
                       ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
    for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
        const X509_INFO *info = sk_X509_INFO_value(infos, i);
        if (info->x509 != NULL && X509_STORE_add_cert(store, info->x509) == 1) {
            found->n_certs++;
        }
        if (info->crl != NULL && X509_STORE_add_crl(store, info->crl) == 1) {
            found->n_crls++;
        }
    }
    sk_X509_INFO_pop_free(infos, X509_INFO_free);
    close_bio(file, bytes);
    return FACI_FILE_OK;
}

/* What in it is no regular file, or no PEM, is passed by. */
static enum faci_file_fault load_dir(X509_STORE *store, const char *path, struct found *found)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return FACI_FILE_ERRNO;
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's own */
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char name[PATH_BYTES];
        int len = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && len > 0 && (size_t)len < sizeof(name)) {
            (void)load_file(store, name, found);
        }
    }
    (void)closedir(dir);
    return FACI_FILE_OK;
}

fac_status faci_tls_load_trust(SSL_CTX *ssl, const struct faci_tls_options *options,
                               fac_error *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    struct found found = {0};
    if (options->ca_file == NULL && options->ca_dir == NULL) {
        return SSL_CTX_set_default_verify_paths(ssl) == 1
                   ? FAC_OK
                   : fail_openssl("system's", "authorities", err);
    }
    if (options->ca_file != NULL) {
        enum faci_file_fault fault = load_file(store, options->ca_file, &found);
        if (fault != FACI_FILE_OK) {
            return fail_reading("CA file", options->ca_file, fault, err);
        }
        if (found.n_certs == 0 && !found.is_memory) {
            faci_tls_clear_errors();
            return faci_fail(err, FAC_E_CONFIG, 0, "the CA file %s holds no certificate",
                             options->ca_file);
        }
    }
    if (options->ca_dir != NULL) {
        unsigned before = found.n_certs;
        enum faci_file_fault fault = load_dir(store, options->ca_dir, &found);
        if (fault != FACI_FILE_OK) {
            return fail_reading("CA directory", options->ca_dir, fault, err);
        }
        if (found.n_certs == before && !found.is_memory) {
            faci_tls_clear_errors();
            return faci_fail(err, FAC_E_CONFIG, 0, "the CA directory %s holds no certificate",
                             options->ca_dir);
        }
    }
    faci_tls_clear_errors();
    if (found.is_memory) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    if (found.n_crls > 0) {
        (void)X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    }
    return FAC_OK;
}

/* --- Our own ---------------------------------------------------------------------------------- */

/* Since 1970, also where a time_t ends in 2038. False: no memory, or no time. */
static bool seconds_of(const ASN1_TIME *at, int64_t *out)
{
    int n_days = 0;
    int n_seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool is_known = epoch != NULL && ASN1_TIME_diff(&n_days, &n_seconds, epoch, at) == 1;
    ASN1_TIME_free(epoch);
    *out = INT64_C(86400) * n_days + n_seconds;
    return is_known;
}

/* The first certificate is ours, the others lead to an authority. */
static bool use_chain(SSL_CTX *ssl, BIO *file, int64_t *out_expires_at_s)
{
    X509 *own = PEM_read_bio_X509_AUX(file, NULL, NULL, NULL);
    bool is_good = own != NULL && SSL_CTX_use_certificate(ssl, own) == 1 &&
                   seconds_of(X509_get0_notAfter(own), out_expires_at_s);
    X509_free(own);
    while (is_good) {
        X509 *next = PEM_read_bio_X509(file, NULL, NULL, NULL);
        if (next == NULL) {
            break;
        }
        is_good = SSL_CTX_add0_chain_cert(ssl, next) == 1;
        if (!is_good) {
            X509_free(next);
        }
    }
    bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    return is_good && (ERR_peek_last_error() == 0 || is_at_end);
}

/* A key that asks for a passphrase has none: nobody is there to type it. */
static int no_passphrase(char *buf, int size, int rwflag, void *context)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)context;
    return -1;
}

fac_status faci_tls_load_own(SSL_CTX *ssl, const struct faci_tls_options *options,
                             int64_t *out_expires_at_s, fac_error *err)
{
    struct faci_secret *bytes = NULL;
    BIO *file = NULL;
    enum faci_file_fault fault = open_bio(options->cert_file, false, &bytes, &file);
    if (fault != FACI_FILE_OK) {
        return fail_reading("certificate", options->cert_file, fault, err);
    }
    bool is_good = use_chain(ssl, file, out_expires_at_s);
    close_bio(file, bytes);
    if (!is_good) {
        return fail_openssl("certificate", options->cert_file, err);
    }
    faci_tls_clear_errors();
    fault = open_bio(options->key_file, true, &bytes, &file);
    if (fault != FACI_FILE_OK) {
        return fail_reading("key", options->key_file, fault, err);
    }
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
    is_good = key != NULL && SSL_CTX_use_PrivateKey(ssl, key) == 1 &&
              SSL_CTX_check_private_key(ssl) == 1;
    EVP_PKEY_free(key);
    close_bio(file, bytes);
    return is_good ? FAC_OK : fail_openssl("key", options->key_file, err);
}
