/* SPDX-License-Identifier: MIT */
/* engine/conn.c — the life of one connection's memory, and its death. */
#include "engine/conn.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

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

void faci_conn_shrink(struct faci_conn *conn)
{
    faci_buf_shrink(&conn->tx, (size_t)2 * FACI_CONN_COPY_BYTES);
    if (conn->rx_cap > FACI_CONN_RX_BYTES) {
        conn->n_cramped = conn->is_roomy ? 0 : conn->n_cramped + 1;
    }
    conn->is_roomy = false;
    if (conn->rx_cap > FACI_CONN_RX_BYTES && conn->n_cramped >= FACI_CONN_SHRINK_AFTER) {
        unsigned char *smaller = faci_mem_alloc(conn->config->alloc, FACI_CONN_RX_BYTES);
        if (smaller != NULL) {
            faci_mem_free(conn->config->alloc, conn->rx);
            conn->rx = smaller;
            conn->rx_cap = FACI_CONN_RX_BYTES;
            conn->n_cramped = 0;
        }
    }
}
