/* SPDX-License-Identifier: MIT */
/* cli/output.h — everything the command prints: text, JSON, complaints. Knows nothing of caches
 * but their errors. Main thread only. */
#ifndef FAC_CLI_OUTPUT_H
#define FAC_CLI_OUTPUT_H

#include "cli.h"

/* Standard output, buffered. After a failed write the rest is dropped; cli_finish() tells. */
void cli_put(const void *data, size_t len);
void cli_puts(const char *text);
void cli_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Text for people: bytes that could steer a terminal are shown as \xNN. */
void cli_put_shown(fac_bytes text);

/* Write out what is buffered. Returns `code`, or CLI_FAILED, with a complaint unless the reader
 * of a pipe simply left, when standard output could not be written. */
int cli_finish(int code);

bool cli_is_output_terminal(void);
bool cli_is_error_terminal(void);

/* "faciliter: …" on standard error, made safe for a terminal. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A remark that only people need: on standard error, only when both streams are a terminal. */
void cli_remark(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Progress on one line of standard error that the next call overwrites; "" wipes it. Nothing
 * when standard error is no terminal. */
void cli_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A mistake in the command line: complains, points at the help, returns CLI_USAGE. */
int cli_usage(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The message of a failed call, and whether it may have been applied. */
void cli_complain_of(const fac_error *err);

/* A failed call of the library: complains, with --json also prints an object with "error", and
 * returns the exit code that belongs to the status. */
int cli_fail(const struct cli *cli, const fac_error *err);

/* The exit code that belongs to a status. */
int cli_exit_of(fac_status status);

/* How many bytes the UTF-8 sequence at `bytes` has (RFC 3629: shortest form, no surrogates, up to
 * U+10FFFF); 0 when there is none. `len` is at least 1. */
size_t cli_utf8_len(const unsigned char *bytes, size_t len);

/* JSON, one object on one line. `name` is NULL for the root and inside arrays. */
struct cli_json {
    bool needs_comma;
    unsigned depth;
};

void cli_json_open(struct cli_json *json, const char *name, char bracket);
void cli_json_close(struct cli_json *json, char bracket);

/* Valid UTF-8 as `name`; anything else in base64 as `name_base64`. Never an array's element. */
void cli_json_bytes(struct cli_json *json, const char *name, fac_bytes bytes);
void cli_json_string(struct cli_json *json, const char *name, const char *text);
void cli_json_int(struct cli_json *json, const char *name, int64_t number);
void cli_json_uint(struct cli_json *json, const char *name, uint64_t number);
void cli_json_bool(struct cli_json *json, const char *name, bool value);
void cli_json_null(struct cli_json *json, const char *name);

/* The member "error" that every failure has. */
void cli_json_error(struct cli_json *json, const fac_error *err);

/* With three digits after the point. */
void cli_json_fixed(struct cli_json *json, const char *name, double number);

#endif
