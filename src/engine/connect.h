/* SPDX-License-Identifier: MIT */
/* engine/connect.h — from a connection in memory to one that a server answers on. */
#ifndef FACI_ENGINE_CONNECT_H
#define FACI_ENGINE_CONNECT_H

#include "engine/conn.h"
#include "net/address.h"

#include <faciliter/error.h>

#include <stdint.h>

/* Connect and shake hands; on failure the connection is dead. `resolver` may be NULL for a Unix
 * socket. FAC_OK, FAC_E_UNAVAILABLE, FAC_E_TIMEOUT, FAC_E_AUTH, FAC_E_CONFIG, FAC_E_SERVER,
 * FAC_E_PROTOCOL, FAC_E_TOO_LARGE, FAC_E_CLOSED, FAC_E_NOMEM. */
fac_status faci_connect(struct faci_conn *conn, struct faci_resolver *resolver,
                        int64_t deadline_ns, fac_error *err);

#endif
