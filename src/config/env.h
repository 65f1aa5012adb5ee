/* SPDX-License-Identifier: MIT */
/* config/env.h — the environment's values of all settings, read once. */
#ifndef FACI_CONFIG_ENV_H
#define FACI_CONFIG_ENV_H

#include "config/settings.h"

/* NULL: not set, or empty. Borrowed from the environment. */
struct faci_env {
    const char *values[FACI_FAMILY_COUNT][FACI_SETTING_COUNT];
};

/* Read each variable once. `ignore`: all of them are not set. */
void faci_env_read(struct faci_env *env, bool ignore);

/* Whether the family names a server: its HOST, PORT, URL or UNIX_SOCKET is set. */
bool faci_env_names_endpoint(const struct faci_env *env, enum faci_family family);

/* Whether any variable of the family is set. */
bool faci_env_names_any(const struct faci_env *env, enum faci_family family);

#endif
