/* SPDX-License-Identifier: MIT */
/* cli/output.c — standard output and standard error of the command. Output goes through a buffer
 * of its own and not through stdio, which forgets why a write failed. */
#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    OUT_BUFFER_BYTES = 65536,
    LINE_MAX_BYTES = 2048, /* of one formatted line; no message of the library is longer */
};

static struct {
    char buf[OUT_BUFFER_BYTES];
    size_t used;
    int os_errno; /* of the first write that failed, or 0 */
} out;

static void write_out(const char *data, size_t len)
{
    while (len > 0 && out.os_errno == 0) {
        ssize_t n = write(STDOUT_FILENO, data, len);
        if (n >= 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno != EINTR) {
            out.os_errno = errno;
        }
    }
}

static void flush_out(void)
{
    write_out(out.buf, out.used);
    out.used = 0;
}

void cli_put(const void *data, size_t len)
{
    if (len == 0) {
        return;
    }
    if (len > sizeof(out.buf) - out.used) {
        flush_out();
    }
    if (len > sizeof(out.buf)) {
        write_out(data, len);
        return;
    }
    memcpy(out.buf + out.used, data, len);
    out.used += len;
}

void cli_puts(const char *text)
{
    cli_put(text, strlen(text));
}

void cli_printf(const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (n > 0) {
        cli_put(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
    }
}

/* How many bytes at `bytes` can be shown as they are: one character, but no control of ASCII's and
 * none of C1 (U+0080 to U+009F), with which a terminal could be steered. */
static size_t shown_len(const unsigned char *bytes, size_t len)
{
    bool is_control = bytes[0] < 0x20 || bytes[0] == 0x7f ||
                      (bytes[0] == 0xc2 && len > 1 && bytes[1] < 0xa0);
    return is_control ? 0 : cli_utf8_len(bytes, len);
}

/* Appends the shown form of the character at `*at` to `buf`, which has room for four bytes. */
static size_t show_one(fac_bytes text, size_t *at, char *buf)
{
    static const char k_hex[] = "0123456789abcdef";
    const unsigned char *bytes = (const unsigned char *)text.data + *at;
    size_t n = shown_len(bytes, text.len - *at);
    if (n > 0) {
        memcpy(buf, bytes, n);
        *at += n;
        return n;
    }
    buf[0] = '\\';
    buf[1] = 'x';
    buf[2] = k_hex[bytes[0] >> 4];
    buf[3] = k_hex[bytes[0] & 15];
    *at += 1;
    return 4;
}

/* The shown form of `text` in `buf`, cut to fit. Returns its length; no NUL. */
static size_t show(fac_bytes text, char *buf, size_t cap)
{
    size_t used = 0;
    for (size_t at = 0; at < text.len && used + 4 <= cap;) {
        used += show_one(text, &at, buf + used);
    }
    return used;
}

void cli_put_shown(fac_bytes text)
{
    for (size_t at = 0; at < text.len;) {
        char buf[4];
        size_t n = show_one(text, &at, buf);
        cli_put(buf, n);
    }
}

int cli_finish(int code)
{
    flush_out();
    if (out.os_errno == 0) {
        return code;
    }
    /* A pipe whose reader has left, as in `faciliter get k | head -c 1`, is no news. */
    if (out.os_errno != EPIPE) {
        /* The worker threads have ended. NOLINTNEXTLINE(concurrency-mt-unsafe) */
        cli_complain("cannot write to standard output: %s", strerror(out.os_errno));
    }
    return CLI_FAILED;
}

bool cli_is_output_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

bool cli_is_error_terminal(void)
{
    return isatty(STDERR_FILENO) == 1;
}

/* Standard error has no place to report its own failure to. */
static void write_error(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, data, len);
        if (n < 0 && errno != EINTR) {
            return;
        }
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
}

__attribute__((format(printf, 1, 0))) static void complain_args(const char *format,
                                                                va_list args)
{
    char line[LINE_MAX_BYTES];
    int n = vsnprintf(line, sizeof(line), format, args);
    if (n < 0) {
        return;
    }
    char shown[LINE_MAX_BYTES] = "faciliter: ";
    size_t used = strlen(shown);
    used += show(fac_str(line), shown + used, sizeof(shown) - used - 1);
    shown[used++] = '\n';
    write_error(shown, used); /* in one write: lines of several threads do not mix */
}

void cli_complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain_args(format, args);
    va_end(args);
}

void cli_remark(const char *format, ...)
{
    if (!cli_is_output_terminal() || !cli_is_error_terminal()) {
        return;
    }
    va_list args;
    va_start(args, format);
    complain_args(format, args);
    va_end(args);
}

void cli_progress(const char *format, ...)
{
    if (!cli_is_error_terminal()) {
        return;
    }
    char line[160] = "\r\033[K"; /* to the line's start, and wipe it */
    size_t used = strlen(line);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line + used, sizeof(line) - used, format, args);
    va_end(args);
    if (n >= 0) {
        write_error(line, strlen(line));
    }
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain_args(format, args);
    va_end(args);
    if (cli->command != NULL) {
        cli_complain("see `faciliter help %s`", cli->command->name);
    } else {
        cli_complain("see `faciliter help`");
    }
    return CLI_USAGE;
}

int cli_exit_of(fac_status status)
{
    switch (status) {
    case FAC_OK:
        return CLI_DONE;
    case FAC_MISS:
    case FAC_EXISTS:
        return CLI_MISS;
    case FAC_E_INVALID:
    case FAC_E_CONFIG:
    case FAC_E_UNSUPPORTED:
        return CLI_USAGE;
    case FAC_SMALL:
    case FAC_E_UNAVAILABLE:
    case FAC_E_TIMEOUT:
    case FAC_E_BUSY:
    case FAC_E_AUTH:
    case FAC_E_SERVER:
    case FAC_E_PROTOCOL:
    case FAC_E_TOO_LARGE:
    case FAC_E_NOMEM:
    case FAC_E_CLOSED:
    default:
        return CLI_FAILED;
    }
}

void cli_json_error(struct cli_json *json, const fac_error *err)
{
    cli_json_open(json, "error", '{');
    cli_json_string(json, "status", fac_status_name(err->status));
    cli_json_string(json, "message", err->message);
    cli_json_string(json, "server_code", err->server_code);
    cli_json_bool(json, "maybe_applied", err->maybe_applied);
    cli_json_close(json, '}');
}

void cli_complain_of(const fac_error *err)
{
    cli_complain("%s", err->message);
    if (err->maybe_applied) {
        cli_complain("the server may have applied it, or may yet");
    }
}

int cli_fail(const struct cli *cli, const fac_error *err)
{
    cli_complain_of(err);
    if (cli->is_json) {
        struct cli_json json = {0};
        cli_json_open(&json, NULL, '{');
        cli_json_error(&json, err);
        cli_json_close(&json, '}');
    }
    return cli_exit_of(err->status);
}
