/* SPDX-License-Identifier: MIT */
/* engine/server_error.c — which error of a server means what to the caller. */
#include "engine/server_error.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"

#include <string.h>

/* By first word. What is not here is a refusal of this command: FAC_E_SERVER. */
/* clang-format off */
static const struct {
    const char *code;
    fac_status status;
} k_codes[] = {
    {"NOAUTH",       FAC_E_AUTH},
    {"WRONGPASS",    FAC_E_AUTH},
    {"NOPERM",       FAC_E_AUTH},
    {"DENIED",       FAC_E_AUTH},        /* protected mode */
    {"LOADING",      FAC_E_UNAVAILABLE}, /* alive, not ready */
    {"MASTERDOWN",   FAC_E_UNAVAILABLE},
    {"CLUSTERDOWN",  FAC_E_UNAVAILABLE},
    {"TRYAGAIN",     FAC_E_UNAVAILABLE},
    {"BUSY",         FAC_E_UNAVAILABLE}, /* a script runs */
};

/* By words in an error without a code of its own ("ERR …"). */
static const struct {
    const char *words;
    fac_status status;
} k_words[] = {
    {"max number of clients",            FAC_E_UNAVAILABLE},
    {"DB index is out of range",         FAC_E_CONFIG},
    {"invalid DB index",                 FAC_E_CONFIG},
    {"without any password configured",  FAC_E_AUTH},
    {"no password is set",               FAC_E_AUTH},
    {"invalid password",                 FAC_E_AUTH},
};
/* clang-format on */

static fac_bytes first_word(fac_bytes text)
{
    const void *space = text.len > 0 ? memchr(text.data, ' ', text.len) : NULL;
    if (space != NULL) {
        text.len = (size_t)((const char *)space - (const char *)text.data);
    }
    return text;
}

bool faci_server_error_is(fac_bytes text, const char *code)
{
    return faci_bytes_equal(first_word(text), fac_str(code));
}

bool faci_server_error_says(fac_bytes text, const char *part)
{
    return text.len > 0 && memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static fac_status status_of(fac_bytes text)
{
    for (size_t i = 0; i < FACI_COUNT(k_codes); i++) {
        if (faci_server_error_is(text, k_codes[i].code)) {
            return k_codes[i].status;
        }
    }
    for (size_t i = 0; i < FACI_COUNT(k_words); i++) {
        if (faci_server_error_says(text, k_words[i].words)) {
            return k_words[i].status;
        }
    }
    return FAC_E_SERVER;
}

/* Servers quote the arguments of a command they do not know: keys, values, a password. */
static fac_bytes without_arguments(fac_bytes text)
{
    static const char k_quote[] = ", with args beginning with";
    const char *quote = text.len > 0 ? memmem(text.data, text.len, k_quote, sizeof(k_quote) - 1)
                                     : NULL;
    if (quote != NULL) {
        text.len = (size_t)(quote - (const char *)text.data);
    }
    return text;
}

fac_status faci_server_error(fac_error *err, const char *command, fac_bytes text)
{
    text = without_arguments(text);
    fac_status st = faci_fail(err, status_of(text), 0, "%s: the server said: %.*s", command,
                              (int)(text.len > 200 ? 200 : text.len), (const char *)text.data);
    if (err != NULL) {
        fac_bytes code = first_word(text);
        size_t len = code.len < sizeof(err->server_code) ? code.len : 0;
        for (size_t i = 0; i < len; i++) { /* a bulk error may hold a newline */
            char c = ((const char *)code.data)[i];
            err->server_code[i] = c > ' ' && c < 0x7f ? c : '?';
        }
        err->server_code[len] = '\0';
    }
    return st;
}

fac_status faci_answer_status(const struct faci_command *command,
                              const struct faci_answer *answer, fac_error *err)
{
    if (answer->type != FAC_REPLY_ERROR) {
        return FAC_OK;
    }
    return faci_server_error(err, command->name, fac_mem(answer->text, answer->text_len));
}
