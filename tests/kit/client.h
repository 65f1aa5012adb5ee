/* SPDX-License-Identifier: MIT */
/* kit/client.h — which thread is inside the library now. Linked with fac_faults, every public
 * function that can allocate, wait or talk marks its thread while it runs; so faults hit the
 * client, and the test's own peers, watchers and checks never. */
#ifndef FAC_KIT_CLIENT_H
#define FAC_KIT_CLIENT_H

#include <stdbool.h>

bool kit_client_is_inside(void);

/* A number that this thread has had in no earlier call. */
unsigned long kit_client_call(void);

/* For what is no public function: a thread that the client started. Pairs may nest. */
void kit_client_enter(void);
void kit_client_leave(void);

#endif
