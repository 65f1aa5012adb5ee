/* SPDX-License-Identifier: MIT */
/* fault/owner_peer.h — a server that knows whose a connection is: the part of a key before ":"
 * names its owner, the first key on a connection decides, and another's key on it is counted. One
 * thread for any number of connections. GET answers a value of the key, all else OK. */
#ifndef FAC_FAULT_OWNER_PEER_H
#define FAC_FAULT_OWNER_PEER_H

#include <stddef.h>
#include <stdint.h>

struct owner_peer;

struct owner_peer *owner_peer_start(void);
uint16_t owner_peer_port(const struct owner_peer *peer);
size_t owner_peer_n_connections(struct owner_peer *peer); /* accepted so far */
size_t owner_peer_n_commands(struct owner_peer *peer);    /* with a key */

/* Ends it; asserts that no connection carried two owners' keys or a malformed frame. */
void owner_peer_stop(struct owner_peer *peer);

#endif
