/* SPDX-License-Identifier: MIT */
/* bench/servers.h — private servers: children of this process, on a free port and a socket of
 * their own, in a directory of their own, gone when it ends. */
#ifndef FAC_BENCH_SERVERS_H
#define FAC_BENCH_SERVERS_H

#include "driver.h"

#include <stdbool.h>
#include <sys/types.h>

struct bench_server {
    pid_t pid; /* 0: not running. */
    char dir[32];
    char unix_socket[64];
    char name[48]; /* "Redis 7.0.15" */
    struct bench_endpoint tcp;
    struct bench_endpoint local;
};

enum bench_start {
    BENCH_STARTED = 0,
    BENCH_NOT_INSTALLED = 1,
    BENCH_START_FAILED = 2, /* Said on standard error. */
};

/* Starts `program` ("redis-server", "valkey-server") from PATH and waits until it answers. */
enum bench_start bench_server_start(struct bench_server *server, const char *program,
                                    bool is_valkey);

/* Ends it by its pid, waits for it, and removes its directory. Does nothing when not running. */
void bench_server_stop(struct bench_server *server);

#endif
