/* SPDX-License-Identifier: MIT */
/* engine/identity.h — who a server says it is. Pure. */
#ifndef FACI_ENGINE_IDENTITY_H
#define FACI_ENGINE_IDENTITY_H

#include "engine/conn.h"

#include <faciliter/reply.h>
#include <faciliter/value.h>

/* From the reply to HELLO: a map, or pairs in an array. */
void faci_identity_from_hello(const fac_reply *hello, struct faci_identity *out);

/* From the text of INFO, any sections of it; fields that it lacks stay as they are. */
void faci_identity_from_info(fac_bytes info, struct faci_identity *out);

#endif
