/* SPDX-License-Identifier: MIT */
/* engine/conn.c — making, checking and ending one connection. */
#include "engine/conn.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/handshake.h"
#include "engine/mux.h"
#include "engine/secret.h"

#include <string.h>

struct faci_conn *faci_conn_new(const struct faci_engine_config *config)
{
    struct faci_conn *conn = faci_mem_zalloc(config->alloc, sizeof(*conn));
    if (conn == NULL) {
        return NULL;
    }
    conn->config = config;
    faci_stream_init(&conn->stream);
    faci_buf_init(&conn->tx, config->alloc);
    conn->head_sink.ops = &k_faci_mux_sink;
    faci_reader_init(&conn->reader, config->max_value_bytes, UINT64_MAX);
    conn->rx_cap = FACI_CONN_RX_BYTES;
    conn->rx = faci_mem_alloc(config->alloc, conn->rx_cap);
    if (conn->rx == NULL) {
        faci_conn_free(conn);
        return NULL;
    }
    return conn;
}

void faci_conn_free(struct faci_conn *conn)
{
    if (conn != NULL) {
        faci_stream_fini(&conn->stream);
        faci_buf_fini(&conn->tx);
        faci_mem_free(conn->config->alloc, conn->rx);
        faci_mem_free(conn->config->alloc, conn);
    }
}

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
    struct faci_addresses addresses;
    fac_status st = config->unix_socket != NULL
                        ? faci_address_of_unix(config->unix_socket, &addresses, err)
                        : faci_resolver_lookup(resolver, deadline_ns, &addresses, err);
    if (st == FAC_OK) {
        st = faci_stream_connect(&conn->stream, &addresses, config->timeout_ms, deadline_ns,
                                 err);
    }
    return st;
}

fac_status faci_conn_open(struct faci_conn *conn, struct faci_resolver *resolver,
                          int64_t deadline_ns, fac_error *err)
{
    fac_error why;
    faci_error_clear(&why);
    struct faci_secret password;
    fac_status st = faci_secret_load(&password, conn->config, &why);
    bool is_ours = st < 0; /* nothing to do with the server */
    if (st == FAC_OK) {
        st = connect_stream(conn, resolver, deadline_ns, &why);
    }
    if (st == FAC_OK) {
        st = faci_handshake(conn, password.text, deadline_ns, &why);
    }
    faci_secret_fini(&password);
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

void faci_conn_poison(struct faci_conn *conn, fac_status death, int os_errno, const char *text)
{
    faci_assert(death < 0);
    if (!conn->is_dead) {
        conn->is_dead = true;
        conn->death = death;
        conn->death_errno = os_errno;
        conn->death_text = text;
    }
}

fac_status faci_conn_fail(const struct faci_conn *conn, fac_error *err)
{
    faci_assert(conn->is_dead);
    if (conn->death_errno == 0) {
        return faci_fail(err, conn->death, 0, "%s", conn->death_text);
    }
    char text[96];
    return faci_fail(err, conn->death, conn->death_errno, "%s: %s", conn->death_text,
                     faci_errno_text(conn->death_errno, text, sizeof(text)));
}

bool faci_conn_is_reusable(const struct faci_conn *conn)
{
    return !conn->is_dead && conn->is_ready && conn->first == conn->next &&
           faci_buf_len(&conn->tx) == 0 && faci_reader_is_between(&conn->reader);
}

bool faci_conn_is_alive(struct faci_conn *conn)
{
    faci_mux_drain(conn);
    return faci_conn_is_reusable(conn);
}

void faci_conn_shrink(struct faci_conn *conn)
{
    faci_buf_shrink(&conn->tx, FACI_CONN_COPY_BYTES);
    if (conn->rx_cap > FACI_CONN_RX_BYTES) {
        unsigned char *smaller = faci_mem_alloc(conn->config->alloc, FACI_CONN_RX_BYTES);
        if (smaller != NULL) {
            faci_mem_free(conn->config->alloc, conn->rx);
            conn->rx = smaller;
            conn->rx_cap = FACI_CONN_RX_BYTES;
        }
    }
}
