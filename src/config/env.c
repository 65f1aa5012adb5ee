/* SPDX-License-Identifier: MIT */
/* config/env.c — the only reader of the environment. Not while another thread changes it: that is
 * the C library's rule, and why it is read at open and never later. */
#include "config/env.h"

#include <stdlib.h>
#include <string.h>

void faci_env_read(struct faci_env *env, bool ignore)
{
    memset(env, 0, sizeof(*env));
    if (ignore) {
        return;
    }
    for (size_t family = 0; family < FACI_FAMILY_COUNT; family++) {
        for (size_t id = 0; id < FACI_SETTING_COUNT; id++) {
            const char *name = k_faci_settings[id].variables[family];
            if (name == NULL) {
                continue;
            }
            /* A program with more rights than its caller does not take the caller's servers. */
            const char *value = secure_getenv(name);
            /* An empty word is none, but on TLS: there it is a slip that nobody may be silent of. */
            bool is_of_tls = id >= FACI_SETTING_TLS && id <= FACI_SETTING_TLS_INSECURE;
            if (value != NULL && (*value != '\0' || is_of_tls)) {
                env->values[family][id] = value;
            }
        }
    }
}

bool faci_env_names_endpoint(const struct faci_env *env, enum faci_family family)
{
    const char *const *values = env->values[family];
    return values[FACI_SETTING_HOST] != NULL || values[FACI_SETTING_PORT] != NULL ||
           values[FACI_SETTING_URL] != NULL || values[FACI_SETTING_UNIX_SOCKET] != NULL;
}

bool faci_env_names_any(const struct faci_env *env, enum faci_family family)
{
    for (size_t id = 0; id < FACI_SETTING_COUNT; id++) {
        if (env->values[family][id] != NULL) {
            return true;
        }
    }
    return false;
}
