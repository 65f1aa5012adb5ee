/* SPDX-License-Identifier: MIT */
/* engine/connect.c — address, stream, handshake: in this order, within one deadline. */
#include "engine/connect.h"

#include "base/clock.h"
#include "base/error.h"
#include "engine/handshake.h"
#include "engine/password.h"
#include "net/http.h"
#include "net/tls.h"

#include <string.h>

/* Say which server it is that cannot be had; the rest of what is known stays. */
static fac_status name_endpoint(const struct faci_engine_config *config, fac_error *err)
{
    fac_error why = *err;
    if (config->unix_socket != NULL) {
        (void)faci_fail(err, why.status, why.os_errno, "unix:%s: %s", config->unix_socket,
                        why.message);
    } else {
        bool is_v6 = strchr(config->host, ':') != NULL;
        (void)faci_fail(err, why.status, why.os_errno, "%s%s%s:%u: %s", is_v6 ? "[" : "",
                        config->host, is_v6 ? "]" : "", (unsigned)config->port, why.message);
    }
    memcpy(err->server_code, why.server_code, sizeof(err->server_code));
    return why.status;
}

static fac_status connect_stream(struct faci_conn *conn, struct faci_resolver *resolver,
                                 int64_t deadline_ns, fac_error *err)
{
    const struct faci_engine_config *config = conn->config;
    if (config->http != NULL) {
        return faci_http_attach(config->http, &conn->stream, err);
    }
    struct faci_addresses addresses;
    fac_status st = config->unix_socket != NULL
                        ? faci_address_of_unix(config->unix_socket, &addresses, err)
                        : faci_resolver_lookup(resolver, deadline_ns, &addresses, err);
    if (st == FAC_OK) {
        st = faci_stream_connect(&conn->stream, &addresses, config->timeout_ms, deadline_ns,
                                 err);
    }
    if (st == FAC_OK && config->tls != NULL) {
        st = faci_tls_secure(config->tls, &conn->stream, deadline_ns, err);
    }
    return st;
}

/* A layer may know better: a server tells only behind the handshake that it wants a certificate. And
 * a server of TLS that was greeted in plain text hangs up without a word. */
static fac_status explain_end(struct faci_conn *conn, fac_status st, fac_error *err)
{
    fac_status why = faci_stream_why(&conn->stream, err);
    bool is_plain = conn->config->tls == NULL && conn->config->http == NULL &&
                    conn->config->unix_socket == NULL;
    if (why == FAC_OK && is_plain && st == FAC_E_UNAVAILABLE && conn->n_done == 0 &&
        conn->n_sent > 0) {
        fac_error known = *err;
        return faci_fail(err, st, known.os_errno,
                         "%s (before a word was said; does this port speak TLS?)",
                         known.message);
    }
    return why < 0 ? why : st;
}

fac_status faci_connect(struct faci_conn *conn, struct faci_resolver *resolver,
                        int64_t deadline_ns, fac_error *err)
{
    fac_error why;
    faci_error_clear(&why);
    struct faci_password password;
    fac_status st = faci_password_get(&password, conn->config, deadline_ns, &why);
    bool is_ours = st < 0; /* nothing to do with the server */
    if (st == FAC_OK) {
        st = connect_stream(conn, resolver, deadline_ns, &why);
    }
    if (st == FAC_OK) {
        st = faci_handshake(conn, faci_secret_reveal(password.text), deadline_ns, &why);
        st = st < 0 ? explain_end(conn, st, &why) : st;
    }
    if (st == FAC_OK) {
        faci_note_expiry(conn, faci_clock_now_ns(), password.expires_ns);
    }
    faci_password_fini(&password);
    if (st == FAC_OK) {
        conn->is_ready = true;
        return FAC_OK;
    }
    faci_conn_poison(conn, st, 0, "it was never ready");
    if (!is_ours) {
        st = name_endpoint(conn->config, &why);
    }
    if (err != NULL) {
        *err = why;
    }
    return st;
}
