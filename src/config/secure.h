/* SPDX-License-Identifier: MIT */
/* config/secure.h — what settings say of TLS and of keys, checked against each other. Inside the
 * room only. */
#ifndef FACI_CONFIG_SECURE_H
#define FACI_CONFIG_SECURE_H

#include "config/resolve.h"

/* After every row was looked up: whether the server is spoken to over TLS, and whether all that was
 * said goes together. `url` is the one that names the server, NULL when none does. FAC_OK,
 * FAC_E_CONFIG, FAC_E_NOMEM. */
fac_status faci_settings_secure(const struct faci_inputs *inputs,
                                const struct faci_account *account, const struct faci_url *url,
                                struct faci_settings *out, fac_error *err);

#endif
