/* SPDX-License-Identifier: MIT */
/* http/answers.c — what a REST interface answers, as RESP2: null, integers, strings in base64, arrays
 * of them, and errors. Anything else is no answer, and ends the connection. */
#include "http/http.h"

#include "base/error.h"
#include "base/number.h"

#include <jansson.h>

#include <stdint.h>
#include <string.h>

static const unsigned char k_values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,
    ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
    ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
    ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
    ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
    ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
    ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
    ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
    ['/'] = 64,
};

static bool put_header(struct faci_buf *out, char mark, int64_t number)
{
    char text[FACI_I64_TEXT_BYTES];
    size_t len = faci_number_format_i64(number, text);
    return faci_http_put(out, &mark, 1) && faci_http_put(out, text, len) &&
           faci_http_put(out, "\r\n", 2);
}

/* How many bytes it stands for; -1: it is no base64 (RFC 4648, 4, with its padding). */
static int64_t decoded_len(const char *text, size_t len)
{
    if (len % 4 != 0) {
        return -1;
    }
    size_t n_padding = 0;
    while (n_padding < 2 && n_padding < len && text[len - 1 - n_padding] == '=') {
        n_padding++;
    }
    for (size_t i = 0; i < len - n_padding; i++) {
        if (k_values[(unsigned char)text[i]] == 0) {
            return -1;
        }
    }
    return (int64_t)(len / 4 * 3 - n_padding);
}

static void decode(const char *text, size_t len, unsigned char *to, size_t to_len)
{
    for (size_t i = 0; i < len; i += 4) {
        uint32_t bits = 0;
        for (size_t j = 0; j < 4; j++) {
            unsigned value = k_values[(unsigned char)text[i + j]];
            bits = bits << 6 | (value > 0 ? value - 1 : 0);
        }
        for (size_t j = 0; j < 3 && to_len > 0; j++, to_len--) {
            *to++ = (unsigned char)(bits >> (16 - 8 * j));
        }
    }
}

/* "OK" is the one word that is not in base64: two characters are none. */
static bool put_string(struct faci_buf *out, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (strcmp(text, "OK") == 0) {
        return faci_http_put_text(out, "+OK\r\n");
    }
    int64_t bytes = decoded_len(text, len);
    if (bytes < 0 || !put_header(out, '$', bytes) ||
        !faci_buf_reserve(out, (size_t)bytes + 2)) {
        return false;
    }
    decode(text, len, out->data + out->end, (size_t)bytes);
    out->end += (size_t)bytes;
    return faci_http_put(out, "\r\n", 2);
}

/* One line, whatever the server put in it. */
static bool put_error(struct faci_buf *out, const char *text)
{
    bool is_good = faci_http_put(out, "-", 1);
    for (; *text != '\0' && is_good; text++) {
        char c = *text >= ' ' ? *text : ' ';
        is_good = faci_http_put(out, &c, 1);
    }
    return is_good && faci_http_put(out, "\r\n", 2);
}

static bool put_value(struct faci_buf *out, const json_t *value, unsigned depth)
{
    if (json_is_null(value)) {
        return faci_http_put_text(out, "$-1\r\n");
    }
    if (json_is_integer(value)) {
        return put_header(out, ':', (int64_t)json_integer_value(value));
    }
    if (json_is_string(value)) {
        return put_string(out, value);
    }
    if (!json_is_array(value) || depth >= FACI_HTTP_DEPTH_MAX) {
        return false;
    }
    bool is_good = put_header(out, '*', (int64_t)json_array_size(value));
    for (size_t i = 0; i < json_array_size(value) && is_good; i++) {
        is_good = put_value(out, json_array_get(value, i), depth + 1); /* NOLINT: bounded */
    }
    return is_good;
}

/* {"result": …} or {"error": "…"} */
static bool put_outcome(struct faci_buf *out, const json_t *outcome)
{
    const json_t *error = json_object_get(outcome, "error");
    const json_t *result = json_object_get(outcome, "result");
    if (json_is_string(error)) {
        return put_error(out, json_string_value(error));
    }
    return result != NULL && put_value(out, result, 0);
}

static bool put_outcomes(struct faci_buf *out, const json_t *list, size_t n)
{
    if (!json_is_array(list) || json_array_size(list) != n) {
        return false;
    }
    bool is_good = true;
    for (size_t i = 0; i < n && is_good; i++) {
        is_good = put_outcome(out, json_array_get(list, i));
    }
    return is_good;
}

/* Of a transaction the engine expects what a server says to MULTI, to each command, and to EXEC. */
static bool put_transaction(struct faci_buf *out, const struct faci_http_request *request,
                            const json_t *answer)
{
    bool is_good = faci_http_put_text(out, "+OK\r\n");
    for (size_t i = 0; i < request->n_commands && is_good; i++) {
        is_good = faci_http_put_text(out, "+QUEUED\r\n");
    }
    if (is_good && json_is_object(answer)) {
        return put_outcome(out, answer);
    }
    return is_good && put_header(out, '*', (int64_t)request->n_commands) &&
           put_outcomes(out, answer, request->n_commands);
}

static bool put_all(struct faci_buf *out, const struct faci_http_request *request,
                    const json_t *answer)
{
    if (request->kind == FACI_HTTP_MULTI) {
        return put_transaction(out, request, answer);
    }
    if (request->kind == FACI_HTTP_PIPELINE && json_is_array(answer)) {
        return put_outcomes(out, answer, request->n_commands);
    }
    if (request->is_ping && json_is_string(json_object_get(answer, "result"))) {
        return faci_http_put_text(out, "+PONG\r\n");
    }
    bool is_good = json_is_object(answer); /* an error of a whole pipeline is each command's */
    for (size_t i = 0; i < request->n_commands && is_good; i++) {
        is_good = put_outcome(out, answer);
    }
    return is_good && (request->n_commands == 1 || json_object_get(answer, "error") != NULL);
}

/* A server that refuses the key refuses everything: as RESP has it. */
static bool put_refusals(struct faci_buf *out, const struct faci_http_request *request,
                         long http_status)
{
    size_t n = request->n_commands + (request->kind == FACI_HTTP_MULTI ? 2 : 0);
    bool is_good = true;
    for (size_t i = 0; i < n && is_good; i++) {
        is_good = put_error(out, http_status == 401
                                     ? "WRONGPASS the api_key is refused (HTTP 401)"
                                     : "WRONGPASS the api_key is refused (HTTP 403)");
    }
    return is_good;
}

fac_status faci_http_answer(const struct faci_http_request *request, long http_status,
                            fac_bytes body, struct faci_buf *out, fac_error *err)
{
    if (http_status == 401 || http_status == 403) {
        return put_refusals(out, request, http_status)
                   ? FAC_OK
                   : faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    if (http_status == 429 || http_status >= 500) {
        return faci_fail(err, FAC_E_UNAVAILABLE, 0, "the server answers HTTP %ld", http_status);
    }
    if (http_status != 200 && http_status != 400) {
        return faci_fail(err, FAC_E_PROTOCOL, 0,
                         "the server answers HTTP %ld: is this the URL of a REST interface?",
                         http_status);
    }
    json_error_t why;
    json_t *answer = json_loadb(body.data != NULL ? body.data : "", body.len, 0, &why);
    if (answer == NULL) {
        return faci_fail(err, FAC_E_PROTOCOL, 0, "the answer is no JSON (line %d)", why.line);
    }
    bool is_good = put_all(out, request, answer);
    json_decref(answer);
    return is_good ? FAC_OK
                   : faci_fail(err, FAC_E_PROTOCOL, 0, "the answer is none to these commands");
}
