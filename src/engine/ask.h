/* SPDX-License-Identifier: MIT */
/* engine/ask.h — the question for a password. For password.c. */
#ifndef FACI_ENGINE_ASK_H
#define FACI_ENGINE_ASK_H

#include "engine/password.h"

/* A copy of what the application answers, which the caller owns. FAC_OK, FAC_E_AUTH, FAC_E_TIMEOUT,
 * FAC_E_CLOSED, FAC_E_UNAVAILABLE (no thread), FAC_E_NOMEM. */
fac_status faci_ask(struct faci_asker *asker, int64_t deadline_ns, struct faci_secret **out,
                    int64_t *out_expires_ns, fac_error *err);

#endif
