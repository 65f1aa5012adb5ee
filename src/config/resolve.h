/* SPDX-License-Identifier: MIT */
/* config/resolve.h — one family's settings, and where each came from. Inside the room only. */
#ifndef FACI_CONFIG_RESOLVE_H
#define FACI_CONFIG_RESOLVE_H

#include "config/env.h"
#include "config/settings.h"
#include "config/url.h"

struct faci_origin {
    fac_source source;
    const char *variable; /* a constant; "" when none decided */
};

/* What everything is resolved from. */
struct faci_inputs {
    fac_options options; /* in our layout, each field checked */
    struct faci_env env;
    fac_allocator alloc;
    bool has_url; /* options.url is set */
    struct faci_url url;
};

/* How a config came about; for describe. Of the first choice. */
struct faci_account {
    struct faci_origin origins[FACI_SETTING_COUNT];
    char url[FACI_URL_REDACTED_BYTES]; /* "" when no URL decided */
};

/* faci_config_resolve(), with an account unless NULL. */
fac_status faci_config_resolve_account(const fac_options *options, struct faci_config **out,
                                       struct faci_account *account, fac_error *err);

/*
 * Fill `out` (zeroed) with the settings of `family`. On failure the caller still ends it with
 * faci_settings_fini().
 * FAC_OK, FAC_E_CONFIG, FAC_E_UNSUPPORTED, FAC_E_NOMEM.
 */
fac_status faci_settings_resolve(const struct faci_inputs *inputs, fac_provider family,
                                 struct faci_settings *out, struct faci_account *account,
                                 fac_error *err);

/* Free the strings, secrets overwritten; half-filled settings are fine. */
void faci_settings_fini(const fac_allocator *alloc, struct faci_settings *settings);

#endif
