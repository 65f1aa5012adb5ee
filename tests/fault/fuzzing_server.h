/* SPDX-License-Identifier: MIT */
/* fault/fuzzing_server.h — a server in this process whose replies are right, or nearly right, by a
 * seed. A few threads serve a connection each, one after the other, so that a session costs no
 * thread. What a client sends is read strictly: a malformed request is a finding. */
#ifndef FAC_FAULT_FUZZING_SERVER_H
#define FAC_FAULT_FUZZING_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct fuzzing_server;

/* Listen on a free loopback port. `is_honest`: never a wrong word, never late. */
struct fuzzing_server *fuzzing_server_start(bool is_honest);

/* End all threads. Returns what the first malformed request was, or NULL; a constant. */
const char *fuzzing_server_stop(struct fuzzing_server *server);

uint16_t fuzzing_server_port(const struct fuzzing_server *server);

/* Connections accepted from now on draw from this seed. */
void fuzzing_server_reseed(struct fuzzing_server *server, uint64_t seed);

/* Commands answered, and connections accepted, since the start. */
uint64_t fuzzing_server_commands(struct fuzzing_server *server);
uint64_t fuzzing_server_connections(struct fuzzing_server *server);

#endif
