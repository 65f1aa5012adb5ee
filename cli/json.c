/* SPDX-License-Identifier: MIT */
/* cli/json.c — JSON on standard output: one value on one line, strings valid UTF-8 whatever a
 * cache holds. */
#include "output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Commas, and the name of a member. `suffix` is "" or "_base64". */
static void begin(struct cli_json *json, const char *name, const char *suffix)
{
    if (json->needs_comma) {
        cli_puts(",");
    }
    json->needs_comma = true;
    if (name != NULL) {
        cli_printf("\"%s%s\":", name, suffix);
    }
}

void cli_json_open(struct cli_json *json, const char *name, char bracket)
{
    begin(json, name, "");
    cli_put(&bracket, 1);
    json->needs_comma = false;
    json->depth++;
}

void cli_json_close(struct cli_json *json, char bracket)
{
    cli_put(&bracket, 1);
    json->needs_comma = true;
    json->depth--;
    if (json->depth == 0) {
        cli_puts("\n");
    }
}

size_t cli_utf8_len(const unsigned char *bytes, size_t len)
{
    /* clang-format off */
    static const struct {
        unsigned char first_min, first_max, second_min, second_max;
        size_t len;
    } k_forms[] = {
        {0x00, 0x7f, 0,    0,    1},
        {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, /* below: overlong */
        {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, /* above: surrogates */
        {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, /* below: overlong */
        {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4}, /* above: past U+10FFFF */
    };
    /* clang-format on */
    for (size_t i = 0; i < CLI_COUNT(k_forms); i++) {
        if (bytes[0] < k_forms[i].first_min || bytes[0] > k_forms[i].first_max) {
            continue;
        }
        size_t n = k_forms[i].len;
        if (n > len ||
            (n > 1 && (bytes[1] < k_forms[i].second_min || bytes[1] > k_forms[i].second_max))) {
            return 0;
        }
        for (size_t at = 2; at < n; at++) {
            if (bytes[at] < 0x80 || bytes[at] > 0xbf) {
                return 0;
            }
        }
        return n;
    }
    return 0;
}

static bool is_utf8(fac_bytes text)
{
    const unsigned char *bytes = text.data;
    for (size_t at = 0; at < text.len;) {
        size_t n = cli_utf8_len(bytes + at, text.len - at);
        if (n == 0) {
            return false;
        }
        at += n;
    }
    return true;
}

/* What stands for a byte inside a string; NULL: the byte itself. `buf` has room for \u00NN. */
static const char *escape_of(unsigned char byte, char *buf, size_t cap)
{
    switch (byte) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        break;
    }
    if (byte >= 0x20 && byte != 0x7f) {
        return NULL;
    }
    (void)snprintf(buf, cap, "\\u%04x", (unsigned)byte);
    return buf;
}

static void put_string(fac_bytes text)
{
    const unsigned char *bytes = text.data;
    size_t start = 0; /* of the run that needs no escape */
    cli_puts("\"");
    for (size_t at = 0; at < text.len; at++) {
        char buf[8];
        const char *escape = escape_of(bytes[at], buf, sizeof(buf));
        if (escape != NULL) {
            cli_put(bytes + start, at - start);
            cli_puts(escape);
            start = at + 1;
        }
    }
    if (text.len > start) {
        cli_put(bytes + start, text.len - start);
    }
    cli_puts("\"");
}

/* RFC 4648, with padding. */
static void put_base64(fac_bytes text)
{
    static const char k_digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = text.data;
    cli_puts("\"");
    for (size_t at = 0; at < text.len; at += 3) {
        size_t n = text.len - at < 3 ? text.len - at : 3;
        uint32_t group = (uint32_t)bytes[at] << 16;
        group |= n > 1 ? (uint32_t)bytes[at + 1] << 8 : 0;
        group |= n > 2 ? (uint32_t)bytes[at + 2] : 0;
        char quad[4] = {k_digits[group >> 18], k_digits[(group >> 12) & 63],
                        k_digits[(group >> 6) & 63], k_digits[group & 63]};
        for (size_t pad = n + 1; pad < sizeof(quad); pad++) {
            quad[pad] = '=';
        }
        cli_put(quad, sizeof(quad));
    }
    cli_puts("\"");
}

void cli_json_bytes(struct cli_json *json, const char *name, fac_bytes bytes)
{
    bool is_text = is_utf8(bytes);
    begin(json, name, is_text ? "" : "_base64");
    if (is_text) {
        put_string(bytes);
    } else {
        put_base64(bytes);
    }
}

void cli_json_string(struct cli_json *json, const char *name, const char *text)
{
    cli_json_bytes(json, name, fac_str(text));
}

void cli_json_int(struct cli_json *json, const char *name, int64_t number)
{
    begin(json, name, "");
    cli_printf("%" PRId64, number);
}

void cli_json_uint(struct cli_json *json, const char *name, uint64_t number)
{
    begin(json, name, "");
    cli_printf("%" PRIu64, number);
}

void cli_json_bool(struct cli_json *json, const char *name, bool value)
{
    begin(json, name, "");
    cli_puts(value ? "true" : "false");
}

void cli_json_null(struct cli_json *json, const char *name)
{
    begin(json, name, "");
    cli_puts("null");
}

void cli_json_fixed(struct cli_json *json, const char *name, double number)
{
    begin(json, name, "");
    cli_printf("%.3f", number);
}
