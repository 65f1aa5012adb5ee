/* SPDX-License-Identifier: MIT */
/* kit/server.h — a real Redis or Valkey of a test's own: a child process on a free port, in a
 * directory of its own, gone with the test. Started and ended on the test's main thread. */
#ifndef FAC_KIT_SERVER_H
#define FAC_KIT_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kit_server_kind {
    KIT_REDIS,  /* redis-server from PATH, or FAC_REDIS_SERVER */
    KIT_VALKEY, /* valkey-server from PATH, or FAC_VALKEY_SERVER */
};

struct kit_server_options {
    enum kit_server_kind kind;
    const char *bind;          /* NULL: 127.0.0.1 */
    const char *const *config; /* further lines of its configuration, then NULL; or NULL */
    bool
        is_tls; /* its port speaks TLS, with server.pem of kit/certs.h; its socket stays plain */
};

struct kit_server;

/* Start, and wait until it answers. Asserts that it does; prints its log when it does not. A
 * missing program fails the test, or skips it when FAC_TEST_ALLOW_MISSING_SERVERS is 1. */
struct kit_server *kit_server_start(const struct kit_server_options *options);

/* End the process (SIGTERM, then SIGKILL), remove the directory, free. NULL is fine. What a failed
 * test leaves is stopped at exit. */
void kit_server_stop(struct kit_server *server);

uint16_t kit_server_port(const struct kit_server *server);
const char *kit_server_socket(const struct kit_server *server); /* its Unix socket */
const char *kit_server_dir(const struct kit_server *server);
int kit_server_pid(const struct kit_server *server);

/* SIGKILL, and wait for the end. The port stays its own for a restart. */
void kit_server_kill(struct kit_server *server);

/* Start again with the same port and configuration; ends it first when it runs. */
void kit_server_restart(struct kit_server *server);

/* SIGSTOP: connections stay and nothing answers; SIGCONT. */
void kit_server_pause(struct kit_server *server);
void kit_server_resume(struct kit_server *server);

/* A loopback port that is taken but refuses connections, until kit_port_give_back(). */
int kit_port_without_listener(uint16_t *out_port);
void kit_port_give_back(int holder);

/* Whether this machine has an IPv6 loopback. */
bool kit_has_ipv6(void);

#endif
