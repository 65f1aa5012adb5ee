/* SPDX-License-Identifier: MIT */
/* config/config.c — which server, and whether there is a second one to try. */
#include "config/config.h"

#include "base/error.h"
#include "base/mem.h"
#include "config/options.h"
#include "config/resolve.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- the inputs ---- */

/* Every field that is set is in its range, used or not. */
static fac_status check_fields(const fac_options *options, fac_error *err)
{
    for (size_t id = 0; id < FACI_SETTING_COUNT; id++) {
        struct faci_setting_value value;
        if (!faci_setting_from_options(&k_faci_settings[id], options, &value)) {
            continue;
        }
        fac_status st = faci_setting_check(&k_faci_settings[id], &value, err);
        if (st < 0) {
            return st;
        }
    }
    if (options->open != FAC_OPEN_CONNECT && options->open != FAC_OPEN_LAZY) {
        return faci_fail(err, FAC_E_CONFIG, 0,
                         "options.open: %d is not allowed; it must be FAC_OPEN_CONNECT or "
                         "FAC_OPEN_LAZY",
                         (int)options->open);
    }
    return FAC_OK;
}

static fac_status check_exclusive(const fac_options *options, fac_error *err)
{
    const char *first = NULL;
    const char *second = NULL;
    const struct {
        const char *value;
        const char *name;
    } endpoints[] = {{options->url, "options.url"},
                     {options->unix_socket, "options.unix_socket"},
                     {options->host, "options.host"}};
    for (size_t i = 0; i < 3; i++) {
        if (endpoints[i].value != NULL && first == NULL) {
            first = endpoints[i].name;
        } else if (endpoints[i].value != NULL) {
            second = endpoints[i].name;
        }
    }
    if (second == NULL) {
        return FAC_OK;
    }
    return faci_fail(err, FAC_E_CONFIG, 0, "%s and %s are both set: they exclude each other",
                     first, second);
}

static fac_status gather(const fac_options *options, struct faci_inputs *in, fac_error *err)
{
    fac_status st = faci_options_read(options, &in->options, err);
    if (st < 0) {
        return st;
    }
    const fac_allocator *alloc = in->options.allocator;
    if (alloc != NULL &&
        (alloc->allocate == NULL || alloc->reallocate == NULL || alloc->release == NULL)) {
        return faci_fail(err, FAC_E_INVALID, 0, "options.allocator lacks a function");
    }
    in->alloc = alloc != NULL ? *alloc : k_faci_libc;
    st = check_fields(&in->options, err);
    if (st == FAC_OK) {
        st = check_exclusive(&in->options, err);
    }
    if (st == FAC_OK && in->options.password_fn != NULL &&
        (in->options.password != NULL || in->options.password_file != NULL)) {
        st = faci_fail(err, FAC_E_CONFIG, 0,
                       "options.password_fn excludes options.password and password_file");
    }
    if (st == FAC_OK && in->options.url != NULL) {
        in->has_url = true;
        st = faci_url_parse(in->options.url, "options.url", &in->url, err);
    }
    if (st == FAC_OK) {
        faci_env_read(&in->env, in->options.ignore_environment);
    }
    return st;
}

/* ---- the provider ---- */

static fac_status provider_from_env(const struct faci_inputs *in, fac_provider *out,
                                    struct faci_origin *origin, fac_error *err)
{
    const struct faci_setting_row *row = &k_faci_settings[FACI_SETTING_PROVIDER];
    const char *variable = row->variables[FACI_FAMILY_CACHE];
    const char *text = in->env.values[FACI_FAMILY_CACHE][FACI_SETTING_PROVIDER];
    *out = FAC_AUTO;
    *origin = (struct faci_origin){FAC_SOURCE_DEFAULT, ""};
    if (text == NULL) {
        return FAC_OK;
    }
    struct faci_setting_value value;
    fac_status st = faci_setting_parse(row, text, variable, &value, err);
    if (st == FAC_OK) {
        *out = (fac_provider)value.number;
        *origin = (struct faci_origin){FAC_SOURCE_ENVIRONMENT, variable};
    }
    return st;
}

/* The scheme of an explicit URL decides where no provider was asked for, and may not contradict
 * one that was. redis:// and valkey:// are the same protocol, so they never contradict. */
static fac_status apply_url_scheme(const struct faci_inputs *in, fac_provider *provider,
                                   struct faci_origin *origin, fac_error *err)
{
    bool is_memory = in->url.scheme == FACI_URL_MEMORY;
    bool is_explicit = origin->source == FAC_SOURCE_OPTION && *provider != FAC_AUTO;
    if (is_explicit && is_memory != (*provider == FAC_MEMORY)) {
        return faci_fail(err, FAC_E_CONFIG, 0,
                         "options.provider and options.url contradict each other: only one of "
                         "them is memory");
    }
    if (is_explicit) {
        return FAC_OK;
    }
    if (in->url.scheme == FACI_URL_UNIX && *provider != FAC_MEMORY) {
        return FAC_OK;
    }
    static const fac_provider k_providers[] = {
        [FACI_URL_REDIS] = FAC_REDIS, [FACI_URL_VALKEY] = FAC_VALKEY,
        [FACI_URL_UNIX] = FAC_AUTO,   [FACI_URL_MEMORY] = FAC_MEMORY,
        [FACI_URL_HTTP] = FAC_VALKEY, /* whose settings fall back to Redis's */
    };
    *provider = k_providers[in->url.scheme];
    *origin = (struct faci_origin){FAC_SOURCE_URL, ""};
    return FAC_OK;
}

static fac_status choose_provider(const struct faci_inputs *in, fac_provider *out,
                                  struct faci_origin *origin, fac_error *err)
{
    fac_status st = FAC_OK;
    if (in->options.provider != FAC_PROVIDER_INHERIT) {
        *out = in->options.provider;
        *origin = (struct faci_origin){FAC_SOURCE_OPTION, ""};
    } else {
        st = provider_from_env(in, out, origin, err);
    }
    if (st == FAC_OK && in->has_url) {
        st = apply_url_scheme(in, out, origin, err);
    }
    return st;
}

/* The family that FAC_AUTO tries first. Where no server is named, any VALKEY_* setting is a hint
 * that Valkey is meant: its prefix and password then count. */
static fac_provider first_family(const struct faci_env *env)
{
    if (faci_env_names_endpoint(env, FACI_FAMILY_VALKEY)) {
        return FAC_VALKEY;
    }
    if (faci_env_names_endpoint(env, FACI_FAMILY_REDIS)) {
        return FAC_REDIS;
    }
    return faci_env_names_any(env, FACI_FAMILY_VALKEY) ? FAC_VALKEY : FAC_REDIS;
}

static bool text_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_endpoint(const struct faci_settings *a, const struct faci_settings *b)
{
    return text_equal(a->unix_socket, b->unix_socket) &&
           text_equal(a->http_base, b->http_base) && a->tls == b->tls && a->port == b->port &&
           strcasecmp(a->host, b->host) == 0;
}

/* Whether FAC_AUTO has a second server to try: only one that the environment names. */
static bool has_second(const struct faci_inputs *in, fac_provider first)
{
    bool is_explicit = in->has_url || in->options.host != NULL ||
                       in->options.unix_socket != NULL;
    return !is_explicit && first == FAC_VALKEY &&
           faci_env_names_endpoint(&in->env, FACI_FAMILY_VALKEY) &&
           faci_env_names_endpoint(&in->env, FACI_FAMILY_REDIS);
}

static fac_status fill(const struct faci_inputs *in, struct faci_config *config,
                       struct faci_account *account, fac_error *err)
{
    fac_provider first = config->provider;
    if (first == FAC_AUTO) {
        first = first_family(&in->env);
    }
    config->n_choices = 1;
    fac_status st = faci_settings_resolve(in, first, &config->choices[0], account, err);
    if (st < 0 || config->provider != FAC_AUTO || !has_second(in, first)) {
        return st;
    }
    config->n_choices = 2;
    st = faci_settings_resolve(in, FAC_REDIS, &config->choices[1], NULL, err);
    if (st == FAC_OK && config->choices[0].tls && !config->choices[1].tls) {
        return faci_fail(
            err, FAC_E_CONFIG, 0,
            "Valkey's settings say TLS and Redis's do not: the second choice would be "
            "a fall-back to plain text; set CACHE_BACKEND to one of them");
    }
    if (st == FAC_OK && same_endpoint(&config->choices[0], &config->choices[1])) {
        faci_settings_fini(&config->alloc, &config->choices[1]);
        config->n_choices = 1;
    }
    return st;
}

/* ---- the contract ---- */

fac_status faci_config_resolve_account(const fac_options *options, struct faci_config **out,
                                       struct faci_account *account, fac_error *err)
{
    struct faci_inputs in = {.has_url = false};
    fac_status st = gather(options, &in, err);
    if (st < 0) {
        return st;
    }
    struct faci_origin origin;
    fac_provider provider = FAC_AUTO;
    st = choose_provider(&in, &provider, &origin, err);
    if (st < 0) {
        return st;
    }
    if (account != NULL) {
        account->origins[FACI_SETTING_PROVIDER] = origin;
    }
    struct faci_config *config = faci_mem_zalloc(&in.alloc, sizeof(*config));
    if (config == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    config->alloc = in.alloc;
    config->provider = provider;
    config->password_fn = in.options.password_fn;
    config->password_context = in.options.password_context;
    st = fill(&in, config, account, err);
    if (st < 0) {
        faci_config_free(config);
        return st;
    }
    *out = config;
    return FAC_OK;
}

fac_status faci_config_resolve(const fac_options *options, struct faci_config **out,
                               fac_error *err)
{
    return faci_config_resolve_account(options, out, NULL, err);
}

void faci_settings_fini(const fac_allocator *alloc, struct faci_settings *settings)
{
    faci_mem_free(alloc, settings->unix_socket);
    faci_mem_free(alloc, settings->host);
    faci_mem_free(alloc, settings->username);
    faci_secret_free(settings->password);
    faci_mem_free(alloc, settings->password_file);
    faci_secret_free(settings->api_key);
    faci_mem_free(alloc, settings->http_base);
    faci_mem_free(alloc, settings->tls_ca_file);
    faci_mem_free(alloc, settings->tls_ca_dir);
    faci_mem_free(alloc, settings->tls_cert_file);
    faci_mem_free(alloc, settings->tls_key_file);
    faci_mem_free(alloc, settings->tls_server_name);
    faci_mem_free(alloc, settings->prefix);
    *settings = (struct faci_settings){.family = settings->family};
}

void faci_config_free(struct faci_config *config)
{
    if (config == NULL) {
        return;
    }
    fac_allocator alloc = config->alloc;
    for (size_t i = 0; i < 2; i++) {
        faci_settings_fini(&alloc, &config->choices[i]);
    }
    faci_mem_free(&alloc, config);
}

static bool settings_equal(const struct faci_settings *a, const struct faci_settings *b)
{
    if (a->family != b->family || !text_equal(a->http_base, b->http_base)) {
        return false;
    }
    for (size_t id = 0; id < FACI_SETTING_COUNT; id++) {
        const struct faci_setting_row *row = &k_faci_settings[id];
        bool is_equal = true;
        if (row->target_offset == SIZE_MAX) {
            continue;
        }
        if (row->target_type == FACI_FIELD_SECRET) {
            is_equal = faci_secret_equal(faci_setting_target_secret(row, a),
                                         faci_setting_target_secret(row, b));
        } else if (row->target_type == FACI_FIELD_TEXT) {
            is_equal = text_equal(faci_setting_target_text(row, a),
                                  faci_setting_target_text(row, b));
        } else {
            is_equal = faci_setting_target_number(row, a) == faci_setting_target_number(row, b);
        }
        if (!is_equal) {
            return false;
        }
    }
    return true;
}

bool faci_config_equal(const struct faci_config *a, const struct faci_config *b)
{
    if (a->provider != b->provider || a->n_choices != b->n_choices ||
        a->password_fn != b->password_fn || a->password_context != b->password_context) {
        return false;
    }
    for (unsigned i = 0; i < a->n_choices; i++) {
        if (!settings_equal(&a->choices[i], &b->choices[i])) {
            return false;
        }
    }
    return true;
}

void faci_settings_endpoint(const struct faci_settings *settings, char *buf, size_t cap)
{
    if (settings->family == FAC_MEMORY) {
        (void)snprintf(buf, cap, "memory");
    } else if (settings->unix_socket != NULL) {
        (void)snprintf(buf, cap, "unix:%s", settings->unix_socket);
    } else if (settings->http_base != NULL) {
        bool is_v6 = strchr(settings->host, ':') != NULL;
        (void)snprintf(buf, cap, "%s://%s%s%s:%u%s", settings->tls ? "https" : "http",
                       is_v6 ? "[" : "", settings->host, is_v6 ? "]" : "",
                       (unsigned)settings->port, settings->http_base);
    } else if (strchr(settings->host, ':') != NULL) {
        (void)snprintf(buf, cap, "[%s]:%u", settings->host, (unsigned)settings->port);
    } else {
        (void)snprintf(buf, cap, "%s:%u", settings->host, (unsigned)settings->port);
    }
}
