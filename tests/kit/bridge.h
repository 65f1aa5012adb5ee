/* SPDX-License-Identifier: MIT */
/* kit/bridge.h — the REST form of Redis in front of a server of the test's: a child process that
 * rest_bridge.py is. */
#ifndef FAC_KIT_BRIDGE_H
#define FAC_KIT_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

#define KIT_BRIDGE_KEY "bridge-api-key"

struct kit_bridge;

/* In front of a Unix socket; over TLS with certificates of kit/certs.h, or without. Asserts that it
 * works. */
struct kit_bridge *kit_bridge_start(const char *unix_path, bool is_tls, const char *cert,
                                    const char *key);

/* NULL is fine. */
void kit_bridge_stop(struct kit_bridge *bridge);

uint16_t kit_bridge_port(const struct kit_bridge *bridge);

#endif
