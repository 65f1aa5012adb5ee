/* SPDX-License-Identifier: MIT */
/* config/settings.h — the rows of settings.def, and text to value and back for each kind. Pure:
 * no environment, no allocation. */
#ifndef FACI_CONFIG_SETTINGS_H
#define FACI_CONFIG_SETTINGS_H

#include "config/config.h"

#include <faciliter/value.h>

/* Whose variables: REDIS_*, VALKEY_* or CACHE_*. */
enum faci_family {
    FACI_FAMILY_REDIS,
    FACI_FAMILY_VALKEY,
    FACI_FAMILY_CACHE,
    FACI_FAMILY_COUNT
};

enum faci_setting_id {
#define SELECTOR(id, ...) FACI_SETTING_##id,
#define SETTING(id, ...)  FACI_SETTING_##id,
#include "config/settings.def"
#undef SELECTOR
#undef SETTING
    FACI_SETTING_COUNT
};

enum faci_setting_kind {
    FACI_KIND_PROVIDER, /* redis, valkey, auto, memory */
    FACI_KIND_URL,
    FACI_KIND_TEXT,
    FACI_KIND_HOST,
    FACI_KIND_INTEGER,
    FACI_KIND_TTL,     /* whole seconds, or "none" */
    FACI_KIND_SECONDS, /* seconds with up to three decimals */
    FACI_KIND_CHOICE,  /* true, yes, on, 1, false, no, off, 0 */
    FACI_KIND_BYTES,   /* bytes, or KiB, MiB, GiB */
    FACI_KIND_TLS,     /* 1.2, 1.3 */
};

/* How a field is laid out in a struct. */
enum faci_field_type {
    FACI_FIELD_TEXT,
    FACI_FIELD_SECRET, /* in struct faci_settings only */
    FACI_FIELD_BOOL,
    FACI_FIELD_U16,
    FACI_FIELD_I32,
    FACI_FIELD_U32, /* enums too */
    FACI_FIELD_I64,
    FACI_FIELD_U64,
};

struct faci_setting_row {
    const char *name;
    const char *field;                        /* its name in fac_options */
    const char *variables[FACI_FAMILY_COUNT]; /* NULL: the family has none */
    const char *default_text;                 /* texts; NULL: none */
    int64_t default_number;                   /* numbers */
    const char *help;
    int64_t min;
    int64_t max;
    enum faci_setting_kind kind;
    enum faci_field_type option_type;
    enum faci_field_type target_type;
    bool is_secret;
    size_t option_offset; /* in fac_options */
    size_t option_bytes;
    size_t target_offset; /* in struct faci_settings; SIZE_MAX for selectors */
};

/* Indexed by enum faci_setting_id. */
extern const struct faci_setting_row k_faci_settings[FACI_SETTING_COUNT];

/* A value in memory: the text of text kinds, the number of all others (ms, bytes, enum). */
struct faci_setting_value {
    const char *text;
    int64_t number;
};

enum {
    FACI_SETTING_TEXT_BYTES = 32,   /* any formatted number */
    FACI_SETTING_RANGE_BYTES = 128, /* any range in words */
    FACI_ENV_VALUE_MAX_BYTES = 4096
};

/* What stands for a secret wherever one would be shown. */
extern const char k_faci_masked[];

/* The row of a name, NULL when there is none. */
const struct faci_setting_row *faci_setting_find(const char *name);

/*
 * Parse `text` and check its range. `where` is what the message names: a variable, or
 * "options.port". `out->text` is `text` itself for text kinds.
 * FAC_OK, FAC_E_CONFIG, FAC_E_UNSUPPORTED (URL schemes).
 */
fac_status faci_setting_parse(const struct faci_setting_row *row, const char *text,
                              const char *where, struct faci_setting_value *out,
                              fac_error *err);

/* The form that faci_setting_parse() takes, for the kinds that are numbers. */
void faci_setting_format(const struct faci_setting_row *row, int64_t number, char *buf,
                         size_t cap);

/* What is allowed, in words: "1 to 65535". */
void faci_setting_range(const struct faci_setting_row *row, char *buf, size_t cap);

/* Read a row's field. False: the field says "inherit". */
bool faci_setting_from_options(const struct faci_setting_row *row, const fac_options *options,
                               struct faci_setting_value *out);

/* Check a value that came from a field and not from text. FAC_OK, FAC_E_CONFIG,
 * FAC_E_UNSUPPORTED. */
fac_status faci_setting_check(const struct faci_setting_row *row,
                              const struct faci_setting_value *value, fac_error *err);

/* Whether options of `size` bytes hold the row's whole field. */
bool faci_setting_is_in(const struct faci_setting_row *row, size_t size);

/* Write a row's field; `options` holds the whole field. */
void faci_setting_to_options(const struct faci_setting_row *row,
                             const struct faci_setting_value *value, fac_options *options);

/* Write the number of a row that is no text. */
void faci_setting_to_target(const struct faci_setting_row *row, int64_t number,
                            struct faci_settings *settings);

/* Read and write the secret of a row that is one; the settings own it. */
struct faci_secret *faci_setting_target_secret(const struct faci_setting_row *row,
                                               const struct faci_settings *settings);
void faci_setting_to_target_secret(const struct faci_setting_row *row,
                                   struct faci_secret *secret, struct faci_settings *settings);

/* Read and write the string of a row that is a text; the settings own it. */
char *faci_setting_target_text(const struct faci_setting_row *row,
                               const struct faci_settings *settings);
void faci_setting_to_target_text(const struct faci_setting_row *row, char *text,
                                 struct faci_settings *settings);

/* The row's number in a choice, as faci_setting_format() takes it. */
int64_t faci_setting_target_number(const struct faci_setting_row *row,
                                   const struct faci_settings *settings);

#endif
