/* SPDX-License-Identifier: MIT */
/* engine/mux_receive.h — the receiving side of a shared connection: for mux.c. */
#ifndef FACI_ENGINE_MUX_RECEIVE_H
#define FACI_ENGINE_MUX_RECEIVE_H

#include "engine/conn.h"

#include <stdint.h>
#include <sys/types.h>

/* Receive into conn->rx, for the reader. Bytes, 0 at the end of the stream, or -1: with ETIME at
 * `until_ns`, with EAGAIN when it is worth another look. Sends meanwhile what the kernel had not
 * taken. */
ssize_t faci_mux_receive(struct faci_conn *conn, int64_t until_ns);

#endif
