/* SPDX-License-Identifier: MIT */
/* config/settings.c — the table of settings, and each kind's text form. */
#include "config/settings.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "config/options.h"
#include "config/url.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char k_faci_masked[] = "********";

/* Enums have the type of uint32_t or one like it with the compilers supported. */
#define TYPE_OF(type, field) \
    _Generic(((type *)0)->field,           \
             const char * : FACI_FIELD_TEXT, \
             char * : FACI_FIELD_TEXT,     \
             struct faci_secret * : FACI_FIELD_SECRET, \
             bool : FACI_FIELD_BOOL,       \
             uint16_t : FACI_FIELD_U16,    \
             int32_t : FACI_FIELD_I32,     \
             int64_t : FACI_FIELD_I64,     \
             uint64_t : FACI_FIELD_U64,    \
             default : FACI_FIELD_U32)

/* NOLINTBEGIN(bugprone-macro-parentheses): these arguments are initialisers. */
/* clang-format off */
#define ENV_SERVER(suffix)        {"REDIS_" suffix, "VALKEY_" suffix, NULL}
#define ENV_CACHE(suffix)         {NULL, NULL, "CACHE_" suffix}
#define ENV_BOTH(server, cache)   {"REDIS_" server, "VALKEY_" server, "CACHE_" cache}
#define DEFAULT_NONE              .default_text = NULL
#define DEFAULT_TEXT(text)        .default_text = (text)
#define DEFAULT_NUMBER(number)    .default_number = (number)
#define SELECTOR(id, name_, field_, variables_, kind_, default_, min_, max_, secret_, help_)   \
    [FACI_SETTING_##id] = {                                                                    \
        .name = (name_), .field = #field_, .variables = variables_, .kind = (kind_), default_, \
        .min = (min_), .max = (max_), .is_secret = (secret_), .help = (help_),                 \
        .option_type = TYPE_OF(fac_options, field_),                                           \
        .option_offset = offsetof(fac_options, field_),                                        \
        .option_bytes = sizeof(((fac_options *)0)->field_),                                    \
        .target_offset = SIZE_MAX},
#define SETTING(id, name_, field_, variables_, kind_, default_, min_, max_, secret_, help_)    \
    [FACI_SETTING_##id] = {                                                                    \
        .name = (name_), .field = #field_, .variables = variables_, .kind = (kind_), default_, \
        .min = (min_), .max = (max_), .is_secret = (secret_), .help = (help_),                 \
        .option_type = TYPE_OF(fac_options, field_),                                           \
        .option_offset = offsetof(fac_options, field_),                                        \
        .option_bytes = sizeof(((fac_options *)0)->field_),                                    \
        .target_type = TYPE_OF(struct faci_settings, field_),                                  \
        .target_offset = offsetof(struct faci_settings, field_)},

const struct faci_setting_row k_faci_settings[FACI_SETTING_COUNT] = {
#include "config/settings.def"
};
/* clang-format on */
/* NOLINTEND(bugprone-macro-parentheses) */

#undef DEFAULT_NONE
#undef DEFAULT_TEXT
#undef DEFAULT_NUMBER
#undef SELECTOR
#undef SETTING

/* Every default is one that a user could have set. */
#define DEFAULT_NONE           INT64_MIN
#define DEFAULT_TEXT(text)     ((int64_t)sizeof(text) - 1)
#define DEFAULT_NUMBER(number) ((int64_t)(number))
#define CHECK(id, name, field, variables, kind, default_, min, max, secret, help)           \
    _Static_assert((default_) == INT64_MIN || ((min) <= (default_) && (default_) <= (max)), \
                   name ": default out of range");
#define SELECTOR CHECK
#define SETTING  CHECK
#include "config/settings.def"
#undef SELECTOR
#undef SETTING

struct word {
    const char *text;
    int64_t number;
};

static const struct word k_providers[] = {
    {"redis", FAC_REDIS}, {"valkey", FAC_VALKEY}, {"auto", FAC_AUTO}, {"memory", FAC_MEMORY}};

/* The first word of a number is the one that is shown. */
static const struct word k_choices[] = {{"true", FAC_YES}, {"false", FAC_NO}, {"yes", FAC_YES},
                                        {"no", FAC_NO},    {"on", FAC_YES},   {"off", FAC_NO},
                                        {"1", FAC_YES},    {"0", FAC_NO}};

static const struct word k_tls_versions[] = {{"1.2", FAC_TLS_1_2}, {"1.3", FAC_TLS_1_3}};

static const struct word k_units[] = {
    {"GiB", INT64_C(1) << 30}, {"MiB", INT64_C(1) << 20}, {"KiB", INT64_C(1) << 10}};

const struct faci_setting_row *faci_setting_find(const char *name)
{
    for (size_t id = 0; id < FACI_SETTING_COUNT; id++) {
        if (strcmp(k_faci_settings[id].name, name) == 0) {
            return &k_faci_settings[id];
        }
    }
    return NULL;
}

/* ---- text to number ---- */

static bool parse_provider(const char *text, int64_t *out)
{
    for (size_t i = 0; i < FACI_COUNT(k_providers); i++) {
        if (strcmp(text, k_providers[i].text) == 0) {
            *out = k_providers[i].number;
            return true;
        }
    }
    return false;
}

static bool parse_choice(const char *text, int64_t *out)
{
    for (size_t i = 0; i < FACI_COUNT(k_choices); i++) {
        if (strcasecmp(text, k_choices[i].text) == 0) {
            *out = k_choices[i].number;
            return true;
        }
    }
    return false;
}

static bool parse_tls_version(const char *text, int64_t *out)
{
    for (size_t i = 0; i < FACI_COUNT(k_tls_versions); i++) {
        if (strcmp(text, k_tls_versions[i].text) == 0) {
            *out = k_tls_versions[i].number;
            return true;
        }
    }
    return false;
}

static bool parse_integer(const char *text, int64_t *out)
{
    return faci_number_parse_i64(fac_str(text), out);
}

static bool parse_ttl(const char *text, int64_t *out)
{
    if (strcmp(text, "none") == 0) {
        *out = FAC_TTL_NONE;
        return true;
    }
    int64_t seconds = 0;
    if (!parse_integer(text, &seconds) || seconds < 1 ||
        __builtin_mul_overflow(seconds, 1000, &seconds)) {
        return false;
    }
    *out = seconds;
    return true;
}

/* "4", "0.25": digits, then up to three decimals. More would be cut, and nothing is cut here. */
static bool parse_seconds(const char *text, int64_t *out)
{
    size_t whole = strspn(text, "0123456789");
    int64_t ms = 0;
    if (!faci_number_parse_i64(fac_mem(text, whole), &ms) ||
        __builtin_mul_overflow(ms, 1000, &ms)) {
        return false;
    }
    if (text[whole] != '\0') {
        const char *decimals = text + whole + 1;
        size_t n = strspn(decimals, "0123456789");
        if (text[whole] != '.' || n < 1 || n > 3 || decimals[n] != '\0') {
            return false;
        }
        int64_t weight = 100;
        for (size_t i = 0; i < n; i++, weight /= 10) {
            if (__builtin_add_overflow(ms, (decimals[i] - '0') * weight, &ms)) {
                return false;
            }
        }
    }
    *out = ms;
    return true;
}

static bool parse_bytes(const char *text, int64_t *out)
{
    size_t whole = strspn(text, "0123456789");
    int64_t number = 0;
    if (!faci_number_parse_i64(fac_mem(text, whole), &number)) {
        return false;
    }
    if (text[whole] == '\0') {
        *out = number;
        return true;
    }
    for (size_t i = 0; i < FACI_COUNT(k_units); i++) {
        if (strcmp(text + whole, k_units[i].text) == 0) {
            return !__builtin_mul_overflow(number, k_units[i].number, out);
        }
    }
    return false;
}

typedef bool parse_fn(const char *text, int64_t *out);

/* NULL: a text. */
static parse_fn *const k_parsers[] = {
    [FACI_KIND_PROVIDER] = parse_provider,
    [FACI_KIND_URL] = NULL,
    [FACI_KIND_TEXT] = NULL,
    [FACI_KIND_HOST] = NULL,
    [FACI_KIND_INTEGER] = parse_integer,
    [FACI_KIND_TTL] = parse_ttl,
    [FACI_KIND_SECONDS] = parse_seconds,
    [FACI_KIND_CHOICE] = parse_choice,
    [FACI_KIND_BYTES] = parse_bytes,
    [FACI_KIND_TLS] = parse_tls_version,
};

/* ---- range ---- */

static bool number_fits(const struct faci_setting_row *row, int64_t number)
{
    return (number >= row->min && number <= row->max) ||
           (row->kind == FACI_KIND_TTL && number == FAC_TTL_NONE);
}

static bool text_fits(const struct faci_setting_row *row, const char *text)
{
    /* One byte beyond the limit is enough to know. */
    size_t len = strnlen(text, (size_t)row->max + 1);
    return (int64_t)len >= row->min && (int64_t)len <= row->max &&
           (row->kind != FACI_KIND_HOST || faci_host_is_valid(fac_mem(text, len)));
}

/* The value as a message may show it. A URL that was put into the wrong variable has a password
 * in it too. */
static const char *shown(const struct faci_setting_row *row, const char *text)
{
    return row->is_secret || strchr(text, '@') != NULL ? k_faci_masked : text;
}

static fac_status refuse(const struct faci_setting_row *row, const char *where,
                         const char *text, fac_error *err)
{
    char range[FACI_SETTING_RANGE_BYTES];
    faci_setting_range(row, range, sizeof(range));
    return faci_fail(err, FAC_E_CONFIG, 0, "%s: \"%.64s\" is not allowed; it must be %s", where,
                     shown(row, text), range);
}

fac_status faci_setting_parse(const struct faci_setting_row *row, const char *text,
                              const char *where, struct faci_setting_value *out, fac_error *err)
{
    struct faci_setting_value value = {.text = text};
    parse_fn *parse = k_parsers[row->kind];
    if (parse != NULL) {
        if (!parse(text, &value.number) || !number_fits(row, value.number)) {
            return refuse(row, where, text, err);
        }
    } else if (row->kind == FACI_KIND_URL) {
        struct faci_url url;
        fac_status st = faci_url_parse(text, where, &url, err);
        if (st < 0) {
            return st;
        }
    } else if (!text_fits(row, text)) {
        return refuse(row, where, text, err);
    }
    *out = value;
    return FAC_OK;
}

fac_status faci_setting_check(const struct faci_setting_row *row,
                              const struct faci_setting_value *value, fac_error *err)
{
    char where[48];
    (void)snprintf(where, sizeof(where), "options.%s", row->field);
    if (k_parsers[row->kind] == NULL) {
        struct faci_setting_value same;
        return faci_setting_parse(row, value->text, where, &same, err);
    }
    if (number_fits(row, value->number)) {
        return FAC_OK;
    }
    return faci_fail(err, FAC_E_CONFIG, 0,
                     "%s: %" PRId64 " is not allowed; it must be %" PRId64 " to %" PRId64,
                     where, value->number, row->min, row->max);
}

/* ---- number to text ---- */

static const char *word_of(const struct word *words, size_t n_words, int64_t number)
{
    for (size_t i = 0; i < n_words; i++) {
        if (words[i].number == number) {
            return words[i].text;
        }
    }
    return "";
}

static void format_ms(int64_t ms, char *buf, size_t cap)
{
    int length = snprintf(buf, cap, "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
    size_t end = length > 0 && (size_t)length < cap ? (size_t)length : 0;
    while (end > 0 && buf[end - 1] == '0') {
        end--;
    }
    if (end > 0 && buf[end - 1] == '.') {
        end--;
    }
    buf[end] = '\0';
}

static void format_bytes(int64_t number, char *buf, size_t cap)
{
    for (size_t i = 0; i < FACI_COUNT(k_units); i++) {
        if (number >= k_units[i].number && number % k_units[i].number == 0) {
            (void)snprintf(buf, cap, "%" PRId64 "%s", number / k_units[i].number,
                           k_units[i].text);
            return;
        }
    }
    (void)snprintf(buf, cap, "%" PRId64, number);
}

void faci_setting_format(const struct faci_setting_row *row, int64_t number, char *buf,
                         size_t cap)
{
    faci_assert(k_parsers[row->kind] != NULL && cap >= FACI_SETTING_TEXT_BYTES);
    if (row->kind == FACI_KIND_PROVIDER) {
        (void)snprintf(buf, cap, "%s", word_of(k_providers, FACI_COUNT(k_providers), number));
    } else if (row->kind == FACI_KIND_CHOICE) {
        (void)snprintf(buf, cap, "%s", word_of(k_choices, FACI_COUNT(k_choices), number));
    } else if (row->kind == FACI_KIND_TLS) {
        (void)snprintf(buf, cap, "%s",
                       word_of(k_tls_versions, FACI_COUNT(k_tls_versions), number));
    } else if (row->kind == FACI_KIND_TTL && number == FAC_TTL_NONE) {
        (void)snprintf(buf, cap, "none");
    } else if (row->kind == FACI_KIND_TTL || row->kind == FACI_KIND_SECONDS) {
        format_ms(number, buf, cap);
    } else if (row->kind == FACI_KIND_BYTES) {
        format_bytes(number, buf, cap);
    } else {
        (void)snprintf(buf, cap, "%" PRId64, number);
    }
}

void faci_setting_range(const struct faci_setting_row *row, char *buf, size_t cap)
{
    char least[FACI_SETTING_TEXT_BYTES];
    switch (row->kind) {
    case FACI_KIND_PROVIDER:
        (void)snprintf(buf, cap, "redis, valkey, auto or memory");
        break;
    case FACI_KIND_URL:
        (void)snprintf(buf, cap, "%s", k_faci_url_schemes);
        break;
    case FACI_KIND_TEXT:
        (void)snprintf(buf, cap, "%" PRId64 " to %" PRId64 " bytes", row->min, row->max);
        break;
    case FACI_KIND_HOST:
        (void)snprintf(buf, cap,
                       "a name or address of %" PRId64 " to %" PRId64
                       " bytes, without port or brackets",
                       row->min, row->max);
        break;
    case FACI_KIND_INTEGER:
        (void)snprintf(buf, cap, "%" PRId64 " to %" PRId64, row->min, row->max);
        break;
    case FACI_KIND_TTL:
        (void)snprintf(buf, cap, "1 to %" PRId64 " whole seconds, or none", row->max / 1000);
        break;
    case FACI_KIND_SECONDS:
        format_ms(row->min, least, sizeof(least));
        (void)snprintf(buf, cap, "%s to %" PRId64 " seconds, with at most three decimals",
                       least, row->max / 1000);
        break;
    case FACI_KIND_CHOICE:
        (void)snprintf(buf, cap, "true, false, yes, no, on, off, 1 or 0");
        break;
    case FACI_KIND_BYTES:
        (void)snprintf(buf, cap,
                       "%" PRId64 " to %" PRId64 " bytes, as a number or with KiB, MiB or GiB",
                       row->min, row->max);
        break;
    case FACI_KIND_TLS:
        (void)snprintf(buf, cap, "1.2 or 1.3");
        break;
    }
}
