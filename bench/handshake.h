/* SPDX-License-Identifier: MIT */
/* bench/handshake.h — how long it takes until a TLS connection stands. */
#ifndef FAC_BENCH_HANDSHAKE_H
#define FAC_BENCH_HANDSHAKE_H

#include "cell.h"

/* Adds the rows of one endpoint: ours whole, ours resumed, hiredis's. `direct` is the same server
 * without TLS; `hiredis_context` is of tls_peer.h, NULL when there is none. */
bool bench_handshake_run(const struct bench_plan *plan, const struct bench_endpoint *endpoint,
                         const struct bench_endpoint *direct, void *hiredis_context,
                         struct bench_report *report);

#endif
