/* SPDX-License-Identifier: MIT */
/* engine/server_error.h — the server's error text to a status, by a table. */
#ifndef FACI_ENGINE_SERVER_ERROR_H
#define FACI_ENGINE_SERVER_ERROR_H

#include "engine/slot.h"

#include <faciliter/error.h>
#include <faciliter/value.h>

#include <stdbool.h>

/* Record what the server answered to `command`, and return the status that it means. */
fac_status faci_server_error(fac_error *err, const char *command, fac_bytes text);

/* What a command's answer means: FAC_OK, or the server's error. */
fac_status faci_answer_status(const struct faci_command *command,
                              const struct faci_answer *answer, fac_error *err);

/* Whether the text's first word is `code`. */
bool faci_server_error_is(fac_bytes text, const char *code);

/* Whether `part` occurs in the text. */
bool faci_server_error_says(fac_bytes text, const char *part);

#endif
