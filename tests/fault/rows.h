/* SPDX-License-Identifier: MIT */
/* fault/rows.h — the rows A1, A2, A3 and all of them at once: one round of traffic each, with what
 * must hold in it. The tests run short rounds, the soak long ones. */
#ifndef FAC_FAULT_ROWS_H
#define FAC_FAULT_ROWS_H

#include "fault/traffic.h"
#include "kit/procwatch.h"
#include "kit/proxy.h"
#include "kit/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum row {
    ROW_A1,        /* through the proxy, which does nothing but read along */
    ROW_A1_DIRECT, /* without it */
    ROW_A2,        /* connections die, each after 1,000 replies on the mean */
    ROW_A3,        /* replies come late, by up to 1 ms each way; deadlines of 1 to 4 ms */
    ROW_A123,      /* both, and ten times the deaths */
    ROWS
};

const char *row_name(enum row row);

struct row_round {
    enum row row;
    struct kit_server *server;
    size_t n_threads;     /* 0: 64 */
    size_t n_connections; /* 0: 4 */
    uint64_t n_ops;       /* 0: for duration_ms */
    uint32_t duration_ms;
    size_t value_max_bytes; /* 0: as traffic.h says */
    uint64_t seed;
    bool is_tls; /* the server's port speaks TLS: the proxy sees bytes, and no replies */
};

struct row_report {
    struct traffic_result traffic;
    struct kit_proxy_counts proxy; /* zero without one */
    fac_stats stats;               /* of the cache, when all threads were done */
    struct kit_procwatch before;   /* before the cache was opened */
    struct kit_procwatch after;    /* after it was closed */
};

/* Run one round; asserts all that must hold, and says with what seed. */
void row_run(const struct row_round *round, struct row_report *out);

#endif
