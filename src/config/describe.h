/* SPDX-License-Identifier: MIT */
/* config/describe.h — each setting in words: value, source, help. */
#ifndef FACI_CONFIG_DESCRIBE_H
#define FACI_CONFIG_DESCRIBE_H

#include <faciliter/error.h>
#include <faciliter/options.h>

/* As fac_options_describe(). */
fac_status faci_config_describe(const fac_options *options, fac_setting_fn *fn, void *context,
                                fac_error *err);

#endif
