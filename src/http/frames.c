/* SPDX-License-Identifier: MIT */
/* http/frames.c — RESP frames as requests.
 *
 * Commands whose arguments are text travel as JSON: one to the base URL, several in a row to
 * /pipeline, what stands between MULTI and EXEC to /multi-exec. JSON has no bytes: a command with
 * others travels alone, as the REST form has it: arguments percent-encoded in the path, the largest
 * one as the body, those behind it as the query. What belongs to setting up a connection of RESP is
 * answered here, as by a server that knows no RESP3. */
#include "http/http.h"

#include "base/bytes.h"
#include "base/number.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

bool faci_http_put(struct faci_buf *buf, const void *bytes, size_t len)
{
    if (!faci_buf_reserve(buf, len)) {
        return false;
    }
    if (len > 0) {
        memcpy(buf->data + buf->end, bytes, len);
        buf->end += len;
    }
    return true;
}

bool faci_http_put_text(struct faci_buf *buf, const char *text)
{
    return faci_http_put(buf, text, strlen(text));
}

/* --- Reading what the engine put -------------------------------------------------------------- */

/* "*3\r\n": 1 when it is there, 0 when it is not whole yet, -1 when it is something else. */
static int read_count(const char **at, const char *end, char mark, size_t max, size_t *out)
{
    const char *line_end = memchr(*at, '\n', (size_t)(end - *at));
    if (line_end == NULL) {
        return 0;
    }
    int64_t number = 0;
    if (**at != mark || line_end - *at < 3 || line_end[-1] != '\r' ||
        !faci_number_parse_i64(fac_mem(*at + 1, (size_t)(line_end - *at) - 2), &number) ||
        number < 0 || (uint64_t)number > max) {
        return -1;
    }
    *out = (size_t)number;
    *at = line_end + 1;
    return 1;
}

static int read_arg(const char **at, const char *end, fac_bytes *out)
{
    size_t len = 0;
    int rc = *at < end ? read_count(at, end, '$', SIZE_MAX / 4, &len) : 0;
    if (rc <= 0) {
        return rc;
    }
    if ((size_t)(end - *at) < len + 2) {
        return 0;
    }
    *out = fac_mem(*at, len);
    *at += len + 2;
    return 1;
}

static int read_frame(const char *at, const char *end, struct faci_http_frame *out)
{
    const char *begin = at;
    size_t n = 0;
    int rc = at < end ? read_count(&at, end, '*', FACI_HTTP_ARGS_MAX, &n) : 0;
    if (rc <= 0) {
        return rc;
    }
    out->n_args = n;
    out->args = at;
    for (size_t i = 0; i < n; i++) {
        fac_bytes arg;
        rc = read_arg(&at, end, &arg);
        if (rc <= 0) {
            return rc;
        }
    }
    out->end = at;
    out->bytes = (size_t)(at - begin);
    return n > 0 ? 1 : -1;
}

/* The next argument of a frame, which is whole. */
static fac_bytes next_arg(const struct faci_http_frame *frame, const char **at)
{
    fac_bytes arg = {NULL, 0};
    (void)read_arg(at, frame->end, &arg);
    return arg;
}

static bool is_named(const struct faci_http_frame *frame, const char *name)
{
    const char *at = frame->args;
    fac_bytes arg = next_arg(frame, &at);
    return arg.len == strlen(name) && strncasecmp(arg.data, name, arg.len) == 0;
}

/* --- Text ------------------------------------------------------------------------------------- */

/* How many bytes the character at `at` has; 0: it is none (RFC 3629). */
static size_t utf8_bytes(const unsigned char *at, size_t left)
{
    if (at[0] < 0x80) {
        return 1;
    }
    size_t n = at[0] >= 0xf0 ? 4 : (at[0] >= 0xe0 ? 3 : 2);
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < n) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool is_overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool is_surrogate = at[0] == 0xed && at[1] > 0x9f;
    bool is_beyond = at[0] == 0xf4 && at[1] > 0x8f;
    return is_overlong || is_surrogate || is_beyond ? 0 : n;
}

/* Whether JSON can carry it. A NUL is a character, but not all servers take one. */
static bool is_text(fac_bytes arg)
{
    const unsigned char *bytes = arg.data;
    for (size_t i = 0; i < arg.len;) {
        size_t n = utf8_bytes(bytes + i, arg.len - i);
        if (n == 0 || bytes[i] == '\0') {
            return false;
        }
        i += n;
    }
    return true;
}

static bool is_frame_text(const struct faci_http_frame *frame)
{
    const char *at = frame->args;
    for (size_t i = 0; i < frame->n_args; i++) {
        if (!is_text(next_arg(frame, &at))) {
            return false;
        }
    }
    return true;
}

static bool put_json_string(struct faci_buf *body, fac_bytes text)
{
    static const char k_hex[] = "0123456789abcdef";
    const char *bytes = text.data;
    size_t begun = 0;
    bool is_good = faci_http_put(body, "\"", 1);
    for (size_t i = 0; i < text.len && is_good; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        char escaped[6] = {'\\', 'u', '0', '0', k_hex[c >> 4], k_hex[c & 15]};
        is_good = faci_http_put(body, bytes + begun, i - begun) &&
                  faci_http_put(body, escaped, sizeof(escaped));
        begun = i + 1;
    }
    return is_good && faci_http_put(body, bytes + begun, text.len - begun) &&
           faci_http_put(body, "\"", 1);
}

static bool put_json(struct faci_buf *body, const struct faci_http_frame *frame)
{
    const char *at = frame->args;
    bool is_good = faci_http_put(body, "[", 1);
    for (size_t i = 0; i < frame->n_args && is_good; i++) {
        is_good = (i == 0 || faci_http_put(body, ",", 1)) &&
                  put_json_string(body, next_arg(frame, &at));
    }
    return is_good && faci_http_put(body, "]", 1);
}

static bool put_percent(struct faci_buf *path, fac_bytes arg)
{
    static const char k_hex[] = "0123456789ABCDEF";
    const char *bytes = arg.data;
    bool is_good = true;
    for (size_t i = 0; i < arg.len && is_good; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        char escaped[3] = {'%', k_hex[c >> 4], k_hex[c & 15]};
        is_good = is_plain ? faci_http_put(path, bytes + i, 1)
                           : faci_http_put(path, escaped, sizeof(escaped));
    }
    return is_good;
}

/* --- Requests --------------------------------------------------------------------------------- */

/* Behind the argument that is the body only SET has any, whose words have no signs in them. */
static bool put_path(struct faci_http_request *request, const struct faci_http_frame *frame)
{
    bool is_set = is_named(frame, "SET") && frame->n_args >= 3;
    size_t body_at = is_set ? 2 : SIZE_MAX;
    const char *at = frame->args;
    bool is_good = true;
    bool has_query = false;
    for (size_t i = 0; i < frame->n_args && is_good; i++) {
        fac_bytes arg = next_arg(frame, &at);
        if (i == body_at && arg.len > 0) { /* an empty body would be none */
            is_good = faci_http_put(&request->body, arg.data, arg.len);
        } else if (i > body_at && i % 2 == 0) { /* the value of the word before it: PX 1000 */
            is_good = faci_http_put(&request->path, "=", 1) && put_percent(&request->path, arg);
        } else if (i > body_at) {
            is_good = faci_http_put(&request->path, has_query ? "&" : "?", 1) &&
                      put_percent(&request->path, arg);
            has_query = true;
        } else {
            is_good = faci_http_put(&request->path, "/", 1) && put_percent(&request->path, arg);
        }
    }
    request->kind = FACI_HTTP_PATH;
    request->n_commands = 1;
    return is_good;
}

/* What a server behind REST is not asked. 1: it was answered; 0: it goes to the server. */
static int answer_here(const struct faci_http_frame *frame, struct faci_buf *out)
{
    static const char *const k_here[] = {"HELLO", "CLIENT", "AUTH", "SELECT"};
    for (size_t i = 0; i < sizeof(k_here) / sizeof(k_here[0]); i++) {
        if (is_named(frame, k_here[i])) {
            return faci_http_put_text(out, "-ERR unknown command over https\r\n") ? 1 : -1;
        }
    }
    return 0;
}

/* From MULTI to EXEC, once all of it is there: 1; 0: not yet; -1. */
static int take_transaction(struct faci_buf *in, struct faci_buf *out,
                            struct faci_http_request *request)
{
    const char *begin = (const char *)in->data + in->begin;
    const char *end = (const char *)in->data + in->end;
    const char *at = begin;
    struct faci_http_frame frame;
    bool is_all_text = true;
    for (size_t n = 0;; n++) {
        int rc = read_frame(at, end, &frame);
        if (rc <= 0) {
            return rc;
        }
        at += frame.bytes;
        if (n > 0 && is_named(&frame, "EXEC")) {
            break;
        }
        is_all_text = is_all_text && is_frame_text(&frame);
    }
    size_t bytes = (size_t)(at - begin);
    request->kind = FACI_HTTP_MULTI;
    bool is_good = faci_http_put_text(&request->path, "/multi-exec") &&
                   faci_http_put(&request->body, "[", 1);
    (void)read_frame(begin, end, &frame);
    for (at = begin + frame.bytes; is_good; at += frame.bytes) {
        (void)read_frame(at, end, &frame);
        if (is_named(&frame, "EXEC")) {
            break;
        }
        is_good = (request->n_commands == 0 || faci_http_put(&request->body, ",", 1)) &&
                  put_json(&request->body, &frame);
        request->n_commands++;
    }
    is_good = is_good && faci_http_put(&request->body, "]", 1);
    if (is_good && !is_all_text) { /* bytes that JSON has not: no way to send it whole */
        static const char k_refusal[] = "-ERR a key that is no text, in a transaction, cannot "
                                        "travel over https\r\n";
        for (size_t i = 0; i < request->n_commands + 2 && is_good; i++) {
            is_good = faci_http_put_text(out, k_refusal);
        }
        request->kind = FACI_HTTP_NONE;
    }
    faci_buf_consume(in, bytes);
    return is_good ? 1 : -1;
}

/* Commands of text in a row: 1; -1. There is one at least. */
static int take_row(struct faci_buf *in, struct faci_http_request *request)
{
    const char *at = (const char *)in->data + in->begin;
    const char *end = (const char *)in->data + in->end;
    size_t bytes = 0;
    bool is_good = faci_http_put(&request->body, "[", 1);
    struct faci_http_frame frame;
    while (is_good && request->n_commands < FACI_HTTP_COMMANDS_MAX &&
           read_frame(at + bytes, end, &frame) == 1 && is_frame_text(&frame) &&
           !is_named(&frame, "MULTI") && !is_named(&frame, "CLIENT") && !request->is_ping &&
           (request->n_commands == 0 || !is_named(&frame, "PING"))) {
        request->is_ping = is_named(&frame, "PING");
        is_good = (request->n_commands == 0 || faci_http_put(&request->body, ",", 1)) &&
                  put_json(&request->body, &frame);
        request->n_commands++;
        bytes += frame.bytes;
    }
    is_good = is_good && faci_http_put(&request->body, "]", 1);
    request->kind = FACI_HTTP_PIPELINE;
    if (is_good && request->n_commands == 1) { /* without the outer array */
        request->body.begin++;
        request->body.end--;
        request->kind = FACI_HTTP_SINGLE;
    } else if (is_good) {
        is_good = faci_http_put_text(&request->path, "/pipeline");
    }
    faci_buf_consume(in, bytes);
    return is_good ? 1 : -1;
}

bool faci_http_next(struct faci_buf *in, struct faci_buf *out,
                    struct faci_http_request *request)
{
    request->kind = FACI_HTTP_NONE;
    request->n_commands = 0;
    request->is_ping = false;
    faci_buf_consume(&request->path, faci_buf_len(&request->path));
    faci_buf_consume(&request->body, faci_buf_len(&request->body));
    int rc = 1;
    while (rc == 1 && request->kind == FACI_HTTP_NONE) {
        const char *at = (const char *)in->data + in->begin;
        struct faci_http_frame frame;
        rc = faci_buf_len(in) > 0 ? read_frame(at, (const char *)in->data + in->end, &frame)
                                  : 0;
        if (rc <= 0) {
            break;
        }
        int here = answer_here(&frame, out);
        if (here != 0) {
            faci_buf_consume(in, frame.bytes);
            rc = here;
        } else if (is_named(&frame, "MULTI")) {
            rc = take_transaction(in, out, request);
        } else if (is_frame_text(&frame)) {
            rc = take_row(in, request);
        } else {
            rc = put_path(request, &frame) ? 1 : -1;
            faci_buf_consume(in, frame.bytes);
        }
    }
    return rc >= 0 && faci_http_put(&request->path, "", 1); /* its NUL */
}
