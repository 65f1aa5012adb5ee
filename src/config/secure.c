/* SPDX-License-Identifier: MIT */
/* config/secure.c — TLS and keys: who says them, and that nobody contradicts. What is said of TLS
 * while the server is spoken to in plain text is an error, never ignored: somebody believes that
 * the connection is safe. */
#include "config/secure.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct review {
    const struct faci_inputs *inputs;
    const struct faci_account *account;
    const struct faci_url *url; /* that names the server; NULL: none */
    struct faci_settings *out;
    fac_error *err;
};

/* As a message names it. */
static const char *name_of(const struct review *r, enum faci_setting_id id, char *buf,
                           size_t cap)
{
    const struct faci_origin *origin = &r->account->origins[id];
    const char *field = k_faci_settings[id].field;
    if (origin->variable[0] != '\0') {
        return origin->variable;
    }
    (void)snprintf(buf, cap, "options.%s", field);
    return buf;
}

/* Whether somebody said it of this server. What Redis's variables say is no word on a server that
 * only a URL of Valkey's names. */
static bool is_said(const struct review *r, enum faci_setting_id id)
{
    const struct faci_origin *origin = &r->account->origins[id];
    if (origin->source != FAC_SOURCE_ENVIRONMENT) {
        return origin->source != FAC_SOURCE_DEFAULT;
    }
    const struct faci_origin *url = &r->account->origins[FACI_SETTING_URL];
    bool is_others = strncmp(url->variable, "VALKEY_", 7) == 0 &&
                     strncmp(origin->variable, "REDIS_", 6) == 0;
    return !is_others;
}

static fac_status refuse(const struct review *r, enum faci_setting_id id, const char *why)
{
    char buf[48];
    return faci_fail(r->err, FAC_E_CONFIG, 0, "%s: %s", name_of(r, id, buf, sizeof(buf)), why);
}

static bool is_set(const struct review *r, enum faci_setting_id id)
{
    const struct faci_setting_row *row = &k_faci_settings[id];
    if (row->target_type == FACI_FIELD_TEXT) {
        return faci_setting_target_text(row, r->out) != NULL;
    }
    if (row->target_type == FACI_FIELD_SECRET) {
        return faci_setting_target_secret(row, r->out) != NULL;
    }
    return r->account->origins[id].source != FAC_SOURCE_DEFAULT &&
           faci_setting_target_number(row, r->out) != row->default_number;
}

static void unset(const struct review *r, enum faci_setting_id id)
{
    const struct faci_setting_row *row = &k_faci_settings[id];
    if (row->target_type == FACI_FIELD_TEXT) {
        faci_mem_free(&r->inputs->alloc, faci_setting_target_text(row, r->out));
        faci_setting_to_target_text(row, NULL, r->out);
    } else if (row->target_type == FACI_FIELD_SECRET) {
        faci_secret_free(faci_setting_target_secret(row, r->out));
        faci_setting_to_target_secret(row, NULL, r->out);
    } else {
        faci_setting_to_target(row, row->default_number, r->out);
    }
}

/* Settings that do not go with the transport: an error when said of this server. */
static fac_status refuse_each(const struct review *r, const enum faci_setting_id *ids, size_t n,
                              const char *why)
{
    for (size_t i = 0; i < n; i++) {
        if (is_set(r, ids[i])) {
            if (is_said(r, ids[i])) {
                return refuse(r, ids[i], why);
            }
            unset(r, ids[i]);
        }
    }
    return FAC_OK;
}

static fac_status decide_tls(const struct review *r)
{
    bool says_tls = r->out->tls;
    bool is_word = r->account->origins[FACI_SETTING_TLS].source != FAC_SOURCE_DEFAULT;
    if (r->out->unix_socket != NULL) {
        return says_tls ? refuse(r, FACI_SETTING_TLS, "there is no TLS on a Unix socket")
                        : FAC_OK;
    }
    if (r->url == NULL) {
        return FAC_OK;
    }
    if (is_word && says_tls != r->url->is_tls) {
        return refuse(r, FACI_SETTING_TLS,
                      says_tls ? "it says TLS, and the URL says plain text"
                               : "it says plain text, and the URL says TLS");
    }
    r->out->tls = r->url->is_tls;
    return FAC_OK;
}

static fac_status check_tls(const struct review *r)
{
    static const enum faci_setting_id k_of_tls[] = {
        FACI_SETTING_TLS_CA_FILE,  FACI_SETTING_TLS_CA_DIR,      FACI_SETTING_TLS_CERT_FILE,
        FACI_SETTING_TLS_KEY_FILE, FACI_SETTING_TLS_SERVER_NAME, FACI_SETTING_TLS_MIN_VERSION,
        FACI_SETTING_TLS_INSECURE,
    };
    static const enum faci_setting_id k_of_verification[] = {
        FACI_SETTING_TLS_CA_FILE, FACI_SETTING_TLS_CA_DIR, FACI_SETTING_TLS_SERVER_NAME};
    const struct faci_settings *out = r->out;
    if (!out->tls) {
        return refuse_each(
            r, k_of_tls, FACI_COUNT(k_of_tls),
            "it is set, and TLS is not: set tls, or let the URL say rediss:// or "
            "valkeys://");
    }
    if ((out->tls_cert_file == NULL) != (out->tls_key_file == NULL)) {
        return refuse(r,
                      out->tls_cert_file != NULL ? FACI_SETTING_TLS_CERT_FILE
                                                 : FACI_SETTING_TLS_KEY_FILE,
                      "a certificate needs its key, and a key its certificate");
    }
    if (out->tls_insecure) {
        return refuse_each(r, k_of_verification, FACI_COUNT(k_of_verification),
                           "it says what to verify, and tls_insecure says not to");
    }
    return FAC_OK;
}

static fac_status check_http(const struct review *r)
{
    static const enum faci_setting_id k_of_resp[] = {FACI_SETTING_DB, FACI_SETTING_USERNAME,
                                                     FACI_SETTING_PASSWORD,
                                                     FACI_SETTING_PASSWORD_FILE};
    static const enum faci_setting_id k_of_http[] = {FACI_SETTING_API_KEY};
    if (r->url == NULL || r->url->scheme != FACI_URL_HTTP) {
        return refuse_each(r, k_of_http, FACI_COUNT(k_of_http),
                           "it is set, and the server is not behind an https:// URL");
    }
    if (r->inputs->options.password_fn != NULL) {
        return faci_fail(r->err, FAC_E_CONFIG, 0,
                         "options.password_fn: an https:// server takes api_key");
    }
    r->out->http_base = faci_mem_copy_string(&r->inputs->alloc, r->url->path.data,
                                             r->url->path.len);
    if (r->out->http_base == NULL) {
        return faci_fail(r->err, FAC_E_NOMEM, 0, "out of memory");
    }
    return refuse_each(r, k_of_resp, FACI_COUNT(k_of_resp),
                       "an https:// server has no databases and no users; its key is api_key");
}

fac_status faci_settings_secure(const struct faci_inputs *inputs,
                                const struct faci_account *account, const struct faci_url *url,
                                struct faci_settings *out, fac_error *err)
{
    const struct review r = {inputs, account, url, out, err};
    fac_status st = decide_tls(&r);
    if (st == FAC_OK) {
        st = check_tls(&r);
    }
    return st == FAC_OK ? check_http(&r) : st;
}
