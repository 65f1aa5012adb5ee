/* SPDX-License-Identifier: MIT */
/* config/fields.c — a row's field in fac_options and in struct faci_settings, read and written by
 * its offset. memcpy, so that no type is punned. */
#include "config/settings.h"

#include "base/assert.h"
#include "config/options.h"

#include <string.h>

#define LOAD(type, from, out)                  \
    do {                                       \
        type field_;                           \
        memcpy(&field_, (from), sizeof(type)); \
        (out) = (int64_t)field_;               \
    } while (0)

#define STORE(type, number, to)              \
    do {                                     \
        type field_ = (type)(number);        \
        memcpy((to), &field_, sizeof(type)); \
    } while (0)

static int64_t load_number(const void *field, enum faci_field_type type)
{
    int64_t number = 0;
    uint64_t large = 0;
    switch (type) {
    case FACI_FIELD_BOOL:
        LOAD(bool, field, number);
        break;
    case FACI_FIELD_U16:
        LOAD(uint16_t, field, number);
        break;
    case FACI_FIELD_I32:
        LOAD(int32_t, field, number);
        break;
    case FACI_FIELD_U32:
        LOAD(uint32_t, field, number);
        break;
    case FACI_FIELD_I64:
        LOAD(int64_t, field, number);
        break;
    case FACI_FIELD_U64:
        memcpy(&large, field, sizeof(large));
        /* No range reaches this far, so the check that follows refuses it either way. */
        number = large > INT64_MAX ? INT64_MAX : (int64_t)large;
        break;
    case FACI_FIELD_TEXT:
    case FACI_FIELD_SECRET:
        faci_assert(false);
        break;
    }
    return number;
}

static void store_number(void *field, enum faci_field_type type, int64_t number)
{
    switch (type) {
    case FACI_FIELD_BOOL:
        STORE(bool, number != 0, field);
        break;
    case FACI_FIELD_U16:
        STORE(uint16_t, number, field);
        break;
    case FACI_FIELD_I32:
        STORE(int32_t, number, field);
        break;
    case FACI_FIELD_U32:
        STORE(uint32_t, number, field);
        break;
    case FACI_FIELD_I64:
        STORE(int64_t, number, field);
        break;
    case FACI_FIELD_U64:
        STORE(uint64_t, number, field);
        break;
    case FACI_FIELD_TEXT:
    case FACI_FIELD_SECRET:
        faci_assert(false);
        break;
    }
}

bool faci_setting_from_options(const struct faci_setting_row *row, const fac_options *options,
                               struct faci_setting_value *out)
{
    const char *field = (const char *)options + row->option_offset;
    if (row->option_type == FACI_FIELD_TEXT) {
        const char *text = NULL;
        memcpy(&text, field, sizeof(text));
        if (text == NULL) {
            return false;
        }
        *out = (struct faci_setting_value){.text = text};
        return true;
    }
    fac_options none;
    faci_options_inherit(&none);
    int64_t inherit = load_number((const char *)&none + row->option_offset, row->option_type);
    int64_t number = load_number(field, row->option_type);
    if (number == inherit) {
        return false;
    }
    *out = (struct faci_setting_value){.number = number};
    return true;
}

bool faci_setting_is_in(const struct faci_setting_row *row, size_t size)
{
    return row->option_offset + row->option_bytes <= size;
}

void faci_setting_to_options(const struct faci_setting_row *row,
                             const struct faci_setting_value *value, fac_options *options)
{
    char *field = (char *)options + row->option_offset;
    if (row->option_type == FACI_FIELD_TEXT) {
        memcpy(field, &value->text, sizeof(value->text));
        return;
    }
    store_number(field, row->option_type, value->number);
}

void faci_setting_to_target(const struct faci_setting_row *row, int64_t number,
                            struct faci_settings *settings)
{
    faci_assert(row->target_offset != SIZE_MAX);
    int64_t stored = row->kind == FACI_KIND_CHOICE ? number == FAC_YES : number;
    store_number((char *)settings + row->target_offset, row->target_type, stored);
}

int64_t faci_setting_target_number(const struct faci_setting_row *row,
                                   const struct faci_settings *settings)
{
    faci_assert(row->target_offset != SIZE_MAX);
    int64_t number = load_number((const char *)settings + row->target_offset, row->target_type);
    if (row->kind == FACI_KIND_CHOICE) {
        return number != 0 ? FAC_YES : FAC_NO;
    }
    return number;
}

char *faci_setting_target_text(const struct faci_setting_row *row,
                               const struct faci_settings *settings)
{
    faci_assert(row->target_offset != SIZE_MAX && row->target_type == FACI_FIELD_TEXT);
    char *text = NULL;
    memcpy(&text, (const char *)settings + row->target_offset, sizeof(text));
    return text;
}

void faci_setting_to_target_text(const struct faci_setting_row *row, char *text,
                                 struct faci_settings *settings)
{
    faci_assert(row->target_offset != SIZE_MAX && row->target_type == FACI_FIELD_TEXT);
    memcpy((char *)settings + row->target_offset, &text, sizeof(text));
}

struct faci_secret *faci_setting_target_secret(const struct faci_setting_row *row,
                                               const struct faci_settings *settings)
{
    faci_assert(row->target_offset != SIZE_MAX && row->target_type == FACI_FIELD_SECRET);
    struct faci_secret *secret = NULL;
    memcpy(&secret, (const char *)settings + row->target_offset, sizeof(secret));
    return secret;
}

void faci_setting_to_target_secret(const struct faci_setting_row *row,
                                   struct faci_secret *secret, struct faci_settings *settings)
{
    faci_assert(row->target_offset != SIZE_MAX && row->target_type == FACI_FIELD_SECRET);
    memcpy((char *)settings + row->target_offset, &secret, sizeof(secret));
}
