/* SPDX-License-Identifier: MIT */
/* engine/handshake.h — from a connected stream to a connection that may serve callers. */
#ifndef FACI_ENGINE_HANDSHAKE_H
#define FACI_ENGINE_HANDSHAKE_H

#include "engine/conn.h"

#include <faciliter/error.h>

#include <stdint.h>

/*
 * `password` NULL: none; `err` is not NULL. Agree on RESP3, else RESP2; authenticate; select the database; learn who answers. Every reply
 * is read and checked before this returns. Fills conn->identity.
 * FAC_OK, FAC_E_AUTH, FAC_E_CONFIG (no such database), FAC_E_UNAVAILABLE, FAC_E_TIMEOUT, FAC_E_SERVER, FAC_E_PROTOCOL, FAC_E_NOMEM.
 */
fac_status faci_handshake(struct faci_conn *conn, const char *password, int64_t deadline_ns,
                          fac_error *err);

#endif
