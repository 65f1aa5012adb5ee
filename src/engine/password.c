/* SPDX-License-Identifier: MIT */
/* engine/password.c — one password for one handshake, and when the next is due. */
#include "engine/password.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/ask.h"
#include "engine/mux.h"
#include "engine/pipeline.h"

#include <errno.h>
#include <string.h>

enum {
    RETRY_MS = 1000, /* after one that failed */
};

static fac_status fail_file(enum faci_file_fault fault, const char *path, fac_error *err)
{
    char text[96];
    int os_errno = errno;
    switch (fault) {
    case FACI_FILE_NOMEM:
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    case FACI_FILE_EXPOSED:
        return faci_fail(err, FAC_E_CONFIG, 0,
                         "others can read the password file %s: it must be its owner's alone "
                         "(chmod 600)",
                         path);
    case FACI_FILE_LONG:
        return faci_fail(err, FAC_E_CONFIG, 0,
                         "the password file %s is longer than %d bytes or holds a NUL", path,
                         (int)FACI_PASSWORD_MAX_BYTES);
    case FACI_FILE_ERRNO:
    case FACI_FILE_OK:
        break;
    }
    return faci_fail(err, faci_file_status(os_errno), os_errno,
                     "cannot read the password file %s: %s", path,
                     faci_errno_text(os_errno, text, sizeof(text)));
}

static fac_status read_file(const char *path, struct faci_password *out, fac_error *err)
{
    struct faci_secret *secret = NULL;
    enum faci_file_fault fault = faci_file_read(path, FACI_PASSWORD_MAX_BYTES + 2, true,
                                                &secret);
    if (fault != FACI_FILE_OK) {
        return fail_file(fault, path, err);
    }
    const char *text = faci_secret_reveal(secret);
    size_t len = faci_secret_len(secret);
    if (len > 0 && text[len - 1] == '\n') {
        len--;
        len -= len > 0 && text[len - 1] == '\r' ? 1U : 0U;
        faci_secret_set_len(secret, len);
    }
    if (len > FACI_PASSWORD_MAX_BYTES || memchr(text, '\0', len) != NULL) {
        faci_secret_free(secret);
        return fail_file(FACI_FILE_LONG, path, err);
    }
    out->owned = secret;
    out->text = secret;
    return FAC_OK;
}

fac_status faci_password_get(struct faci_password *out, const struct faci_engine_config *config,
                             int64_t deadline_ns, fac_error *err)
{
    *out = (struct faci_password){.text = config->password, .expires_ns = FACI_NEVER_NS};
    if (config->asker != NULL) {
        fac_status st = faci_ask(config->asker, deadline_ns, &out->owned, &out->expires_ns,
                                 err);
        out->text = out->owned;
        return st;
    }
    return config->password_file != NULL ? read_file(config->password_file, out, err) : FAC_OK;
}

void faci_password_fini(struct faci_password *password)
{
    faci_secret_free(password->owned);
    *password = (struct faci_password){.text = NULL};
}

/* --- Again ------------------------------------------------------------------------------------ */

/* After three quarters of its time: the rest is for attempts that fail. */
void faci_note_expiry(struct faci_conn *conn, int64_t now_ns, int64_t expires_ns)
{
    int64_t at_ns = expires_ns;
    if (expires_ns != FACI_NEVER_NS) {
        at_ns = expires_ns > now_ns ? now_ns + (expires_ns - now_ns) / 4 * 3 : now_ns;
    }
    atomic_store_explicit(&conn->reauth_at_ns, at_ns, memory_order_relaxed);
}

static fac_status send_auth(struct faci_conn *conn, const struct faci_secret *password,
                            bool is_shared, int64_t now_ns, int64_t deadline_ns, fac_error *err)
{
    struct faci_arg args[3];
    size_t n = 0;
    args[n++] = (struct faci_arg){fac_str("AUTH"), {NULL, 0}};
    if (conn->config->username != NULL) {
        args[n++] = (struct faci_arg){fac_str(conn->config->username), {NULL, 0}};
    }
    args[n++] = (struct faci_arg){
        fac_mem(faci_secret_reveal(password), faci_secret_len(password)), {NULL, 0}};
    struct faci_request request = {.command = &k_faci_auth, .args = args, .n_args = n};
    struct faci_answer answer;
    bool was_sent = false;
    if (is_shared) {
        return faci_mux_call(conn, &request, now_ns, deadline_ns, &answer, &was_sent, err);
    }
    fac_status st = faci_pipeline_call(conn, &request, deadline_ns, &answer, err);
    faci_buf_cleanse(&conn->tx);
    return st;
}

void faci_reauthenticate(struct faci_conn *conn, bool is_shared, int64_t now_ns,
                         int64_t deadline_ns)
{
    int64_t due_ns = atomic_load_explicit(&conn->reauth_at_ns, memory_order_relaxed);
    if (now_ns < due_ns || conn->config->asker == NULL) {
        return;
    }
    /* One caller does it, the others go on as they are. */
    if (!atomic_compare_exchange_strong(&conn->reauth_at_ns, &due_ns,
                                        faci_clock_after_ms(now_ns, RETRY_MS))) {
        return;
    }
    /* Its own call shall not be lost over this: half of its time is left for it. */
    int64_t until_ns = deadline_ns == FACI_NEVER_NS ? FACI_NEVER_NS
                                                    : now_ns + (deadline_ns - now_ns) / 2;
    struct faci_password password;
    fac_error err;
    fac_status st = faci_password_get(&password, conn->config, until_ns, &err);
    if (st == FAC_OK) {
        st = send_auth(conn, password.text, is_shared, now_ns, until_ns, &err);
    }
    if (st == FAC_OK) {
        faci_note_expiry(conn, faci_clock_now_ns(), password.expires_ns);
    } else {
        faci_log(&conn->config->log, FAC_LOG_WARN, "cannot authenticate anew: %s", err.message);
    }
    faci_password_fini(&password);
}
