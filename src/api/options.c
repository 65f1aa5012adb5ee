/* SPDX-License-Identifier: MIT */
/* api/options.c — the public functions of options.h. */
#include <faciliter/options.h>

#include "base/error.h"
#include "config/describe.h"
#include "config/options.h"
#include "config/settings.h"

#include <string.h>

void fac_options_init_size(fac_options *options, size_t size)
{
    if (options == NULL) {
        return;
    }
    fac_options inherit;
    faci_options_inherit(&inherit);
    inherit.size = size;
    memset(options, 0, size);
    memcpy(options, &inherit, size < sizeof(inherit) ? size : sizeof(inherit));
}

fac_status fac_options_set(fac_options *options, const char *name, const char *value,
                           fac_error *err)
{
    if (options == NULL || name == NULL || value == NULL) {
        return faci_fail(err, FAC_E_INVALID, 0, "%s is NULL",
                         options == NULL ? "options"
                         : name == NULL  ? "name"
                                         : "value");
    }
    fac_options full;
    fac_status st = faci_options_read(options, &full, err);
    if (st < 0) {
        return st;
    }
    const struct faci_setting_row *row = faci_setting_find(name);
    if (row == NULL || !faci_setting_is_in(row, options->size)) {
        return faci_fail(err, FAC_E_CONFIG, 0, "\"%.64s\" is no setting", name);
    }
    struct faci_setting_value parsed;
    st = faci_setting_parse(row, value, row->name, &parsed, err);
    if (st < 0) {
        return st;
    }
    faci_setting_to_options(row, &parsed, options);
    faci_error_clear(err);
    return FAC_OK;
}

fac_status fac_options_describe(const fac_options *options, fac_setting_fn *fn, void *context,
                                fac_error *err)
{
    if (fn == NULL) {
        return faci_fail(err, FAC_E_INVALID, 0, "fn is NULL");
    }
    fac_status st = faci_config_describe(options, fn, context, err);
    if (st == FAC_OK) {
        faci_error_clear(err);
    }
    return st;
}
