/* SPDX-License-Identifier: MIT */
/* engine/conn.c — the life of one connection's memory, and its death. */
#include "engine/conn.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

#include <string.h>

struct faci_conn *faci_conn_new(const struct faci_engine_config *config,
                                struct faci_tally *tally)
{
    struct faci_conn *conn = faci_mem_zalloc(config->alloc, sizeof(*conn));
    if (conn == NULL) {
        return NULL;
    }
    conn->config = config;
    conn->tally = tally;
    faci_stream_init(&conn->stream);
    faci_mutex_init(&conn->lock);
    faci_buf_init(&conn->tx, config->alloc);
    faci_buf_init(&conn->out, config->alloc);
    faci_reader_init(&conn->reader, config->max_value_bytes, UINT64_MAX);
    conn->rx_cap = FACI_CONN_RX_BYTES;
    conn->rx = faci_mem_alloc(config->alloc, conn->rx_cap);
    if (!faci_line_init(&conn->line, config->alloc) || conn->rx == NULL) {
        faci_conn_free(conn);
        return NULL;
    }
    return conn;
}

void faci_conn_free(struct faci_conn *conn)
{
    if (conn != NULL) {
        faci_stream_fini(&conn->stream);
        faci_mutex_fini(&conn->lock);
        faci_buf_fini(&conn->tx);
        faci_buf_fini(&conn->out);
        faci_line_fini(&conn->line);
        faci_mem_free(conn->config->alloc, conn->rx);
        faci_mem_free(conn->config->alloc, conn);
    }
}

void faci_conn_abandon(struct faci_conn *conn)
{
    faci_stream_fini(&conn->stream);
}

void faci_conn_poison(struct faci_conn *conn, fac_status death, int os_errno, const char *text)
{
    faci_assert(death < 0);
    atomic_store_explicit(&conn->is_poisoned, true, memory_order_relaxed);
    if (!atomic_exchange_explicit(&conn->has_verdict, true, memory_order_relaxed)) {
        conn->death = death;
        conn->death_errno = os_errno;
        conn->death_text = text;
        atomic_store_explicit(&conn->is_dead, true, memory_order_release);
    }
}

fac_status faci_conn_fail(const struct faci_conn *conn, fac_error *err)
{
    faci_assert(faci_conn_is_poisoned(conn));
    if (!atomic_load_explicit(&conn->is_dead, memory_order_acquire)) {
        /* Another thread is about to say why. */
        return faci_fail(err, FAC_E_UNAVAILABLE, 0, "the connection was lost");
    }
    if (conn->death_errno == 0) {
        return faci_fail(err, conn->death, 0, "%s", conn->death_text);
    }
    char text[96];
    return faci_fail(err, conn->death, conn->death_errno, "%s: %s", conn->death_text,
                     faci_errno_text(conn->death_errno, text, sizeof(text)));
}

bool faci_conn_is_reusable(const struct faci_conn *conn)
{
    return !faci_conn_is_poisoned(conn) && conn->is_ready && conn->n_done == conn->n_appended &&
           faci_buf_len(&conn->tx) == 0 && faci_buf_len(&conn->out) == 0 &&
           faci_reader_is_between(&conn->reader);
}

static void shrink_rx(struct faci_conn *conn)
{
    if (conn->rx_cap > FACI_CONN_RX_BYTES) {
        unsigned char *smaller = faci_mem_alloc(conn->config->alloc, FACI_CONN_RX_BYTES);
        if (smaller != NULL) {
            faci_mem_free(conn->config->alloc, conn->rx);
            conn->rx = smaller;
            conn->rx_cap = FACI_CONN_RX_BYTES;
        }
    }
}

void faci_conn_shrink(struct faci_conn *conn)
{
    bool was_needed = conn->is_roomy || conn->was_wordy;
    conn->n_cramped = was_needed || !faci_conn_is_large(conn) ? 0 : conn->n_cramped + 1;
    conn->is_roomy = false;
    conn->was_wordy = false;
    faci_buf_shrink(&conn->tx, (size_t)2 * FACI_CONN_COPY_BYTES);
    if (conn->n_cramped < FACI_CONN_SHRINK_AFTER) {
        return;
    }
    conn->n_cramped = 0;
    shrink_rx(conn);
    faci_buf_shrink(&conn->tx, FACI_CONN_TX_BYTES);
    if (!conn->has_sender) {
        faci_buf_shrink(&conn->out, FACI_CONN_TX_BYTES);
    }
}
