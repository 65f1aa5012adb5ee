/* SPDX-License-Identifier: MIT */
/* Any environment and options: lines "NAME=value" set a variable, lines "name=value" an option.
 * What resolves is in range, equals itself and is described without its password. */
#include "config/config.h"
#include "config/settings.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

/* Only the variables of the table: the fuzzer's own environment is left alone. */
static int is_variable(const char *name)
{
    for (size_t id = 0; id < FACI_SETTING_COUNT; id++) {
        for (size_t family = 0; family < FACI_FAMILY_COUNT; family++) {
            const char *variable = k_faci_settings[id].variables[family];
            if (variable != NULL && strcmp(variable, name) == 0) {
                return 1;
            }
        }
    }
    return 0;
}

static void clear_environment(void)
{
    for (size_t id = 0; id < FACI_SETTING_COUNT; id++) {
        for (size_t family = 0; family < FACI_FAMILY_COUNT; family++) {
            const char *variable = k_faci_settings[id].variables[family];
            if (variable != NULL) {
                (void)unsetenv(variable);
            }
        }
    }
}

static void take_line(char *line, fac_options *options)
{
    char *equals = strchr(line, '=');
    if (equals == NULL) {
        return;
    }
    *equals = '\0';
    if (is_variable(line)) {
        (void)setenv(line, equals + 1, 1);
        return;
    }
    fac_options before = *options;
    fac_error err = {.message = ""};
    fac_status st = fac_options_set(options, line, equals + 1, &err);
    must(st == FAC_OK || st == FAC_E_CONFIG || st == FAC_E_UNSUPPORTED, "set's statuses");
    must(st == FAC_OK || memcmp(&before, options, sizeof(before)) == 0,
         "a failure sets nothing");
}

static void check_choice(const struct faci_settings *s)
{
    must(s->host != NULL && s->prefix != NULL && strlen(s->prefix) <= 256, "texts");
    must(s->password == NULL || s->password_file == NULL, "one source of the password");
    must(s->db <= 1000000, "db");
    must(s->ttl_ms == FAC_TTL_NONE || (s->ttl_ms >= 1 && s->ttl_ms <= INT64_C(315360000000)),
         "ttl");
    must(s->max_connections >= 1 && s->max_connections <= 10000, "max_connections");
    must(s->timeout_ms >= 1 && s->timeout_ms <= 3600000, "timeout");
    must(s->max_retries <= 10 && s->integrity_check <= 1000000, "retries and checks");
    must(s->breaker_open_ms >= 10 && s->breaker_open_ms <= 60000, "breaker_open");
    must(s->reconnect_max_ms >= 50 && s->reconnect_max_ms <= 60000, "reconnect_max");
    must(s->memory_bytes >= 65536 && s->memory_bytes <= UINT64_C(1) << 40, "memory_bytes");
    if (s->family == FAC_MEMORY) {
        return;
    }
    must(s->unix_socket != NULL ? strlen(s->unix_socket) >= 1 && strlen(s->unix_socket) <= 107
                                : strlen(s->host) >= 1 && strlen(s->host) <= 255 && s->port > 0,
         "an endpoint");
}

static void on_setting(void *context, const fac_setting *setting)
{
    size_t *n_settings = context;
    if (strcmp(setting->name, "password") == 0) {
        must(*setting->value == '\0' || strcmp(setting->value, k_faci_masked) == 0, "masked");
    }
    must(setting->variable != NULL && setting->value != NULL, "no NULL");
    (*n_settings)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    clear_environment();
    fac_options options;
    fac_options_init(&options);
    char *line = text;
    while (line != NULL) {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        take_line(line, &options);
        line = end != NULL ? end + 1 : NULL;
    }
    struct faci_config *config = NULL;
    fac_error err = {.message = ""};
    fac_status st = faci_config_resolve(&options, &config, &err);
    size_t n_settings = 0;
    must(fac_options_describe(&options, on_setting, &n_settings, NULL) == st,
         "the same status");
    if (st == FAC_OK) {
        for (unsigned i = 0; i < config->n_choices; i++) {
            check_choice(&config->choices[i]);
        }
        must(faci_config_equal(config, config), "equal to itself");
        must(n_settings > 0, "described");
    } else {
        must(err.message[0] != '\0' && n_settings == 0, "a reason");
    }
    faci_config_free(config);
    free(text);
    return 0;
}
