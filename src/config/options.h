/* SPDX-License-Identifier: MIT */
/* config/options.h — the caller's fac_options, whatever header it was compiled with. */
#ifndef FACI_CONFIG_OPTIONS_H
#define FACI_CONFIG_OPTIONS_H

#include <faciliter/error.h>
#include <faciliter/options.h>

/* Every field "inherit", `size` ours. */
void faci_options_inherit(fac_options *options);

/*
 * The caller's options in our own layout: what a shorter one lacks is "inherit". NULL: all of it.
 * FAC_OK; FAC_E_INVALID: `size` cannot be right; FAC_E_UNSUPPORTED: a field that we do not know
 * is set.
 */
fac_status faci_options_read(const fac_options *options, fac_options *out, fac_error *err);

#endif
