/* SPDX-License-Identifier: MIT */
/* config/describe.c — what a config says and who said it, without its secrets. */
#include "config/describe.h"

#include "config/resolve.h"

/* Of the memory backend only what it uses; of servers all but its budget. */
static bool is_relevant(const struct faci_setting_row *row, fac_provider family)
{
    bool is_memory = family == FAC_MEMORY;
    return is_memory
               ? row->variables[FACI_FAMILY_CACHE] != NULL
               : row->variables[FACI_FAMILY_REDIS] != NULL || row->kind == FACI_KIND_PROVIDER;
}

static const char *value_of(enum faci_setting_id id, const struct faci_config *config,
                            const struct faci_account *account, char *buf, size_t cap)
{
    const struct faci_setting_row *row = &k_faci_settings[id];
    const struct faci_settings *settings = &config->choices[0];
    if (id == FACI_SETTING_PROVIDER) {
        faci_setting_format(row, (int64_t)config->provider, buf, cap);
        return buf;
    }
    if (id == FACI_SETTING_URL) {
        return account->url;
    }
    if (row->target_type == FACI_FIELD_SECRET) {
        return faci_setting_target_secret(row, settings) != NULL ? k_faci_masked : "";
    }
    if (row->target_type == FACI_FIELD_TEXT) {
        const char *text = faci_setting_target_text(row, settings);
        return text != NULL ? text : "";
    }
    if (id == FACI_SETTING_PORT && settings->unix_socket != NULL) {
        return "";
    }
    faci_setting_format(row, faci_setting_target_number(row, settings), buf, cap);
    return buf;
}

fac_status faci_config_describe(const fac_options *options, fac_setting_fn *fn, void *context,
                                fac_error *err)
{
    struct faci_config *config = NULL;
    struct faci_account account = {.url = ""};
    fac_status st = faci_config_resolve_account(options, &config, &account, err);
    if (st < 0) {
        return st;
    }
    for (size_t i = 0; i < FACI_SETTING_COUNT; i++) {
        enum faci_setting_id id = (enum faci_setting_id)i;
        const struct faci_setting_row *row = &k_faci_settings[id];
        if (!is_relevant(row, config->choices[0].family)) {
            continue;
        }
        char buf[FACI_SETTING_TEXT_BYTES];
        fac_setting setting = {
            .name = row->name,
            .value = value_of(id, config, &account, buf, sizeof(buf)),
            .source = account.origins[id].source,
            .variable = account.origins[id].variable,
            .help = row->help,
        };
        fn(context, &setting);
    }
    faci_config_free(config);
    return FAC_OK;
}
