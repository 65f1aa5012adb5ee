/* SPDX-License-Identifier: MIT */
/* http/http.h — what the files of this room share: frames that wait, the request under way, and the
 * two translations between RESP and the REST form of Redis. */
#ifndef FACI_HTTP_HTTP_H
#define FACI_HTTP_HTTP_H

#include "base/buf.h"
#include "net/http_module.h"

#include <faciliter/value.h>

#include <stdbool.h>
#include <stddef.h>

enum {
    FACI_HTTP_ARGS_MAX = 1 << 20,
    FACI_HTTP_COMMANDS_MAX = 1024, /* in one request */
    FACI_HTTP_DEPTH_MAX = 32,      /* of an answer, as in RESP */
};

/* What a request is, and so what its answer looks like. */
enum faci_http_kind {
    FACI_HTTP_NONE,     /* nothing to send: not a whole frame, or all was answered here */
    FACI_HTTP_SINGLE,   /* a command, posted to the base URL; {"result": …} */
    FACI_HTTP_PIPELINE, /* several, to /pipeline; an array of these */
    FACI_HTTP_MULTI,    /* a transaction, to /multi-exec; the same */
    FACI_HTTP_PATH, /* a command with bytes that are no text, in the path; {"result": …} */
};

struct faci_http_request {
    enum faci_http_kind kind;
    size_t n_commands;    /* whose answers are due */
    bool is_ping;         /* the one command is PING, whose answer is a status and no value */
    struct faci_buf path; /* behind the base URL, NUL-terminated */
    struct faci_buf body;
};

/* One command as it stands in a buffer. */
struct faci_http_frame {
    size_t n_args;
    size_t bytes;     /* of the whole frame */
    const char *args; /* where the first length stands */
    const char *end;  /* behind the last argument */
};

/* frames.c: take whole frames from `in` and make the next request of them. What needs no server is
 * answered into `out`. False: no memory, or frames that this library does not make. */
bool faci_http_next(struct faci_buf *in, struct faci_buf *out,
                    struct faci_http_request *request);

/* answers.c: what the server answered, as RESP into `out`. FAC_OK; FAC_E_PROTOCOL, FAC_E_AUTH,
 * FAC_E_UNAVAILABLE, FAC_E_NOMEM. */
fac_status faci_http_answer(const struct faci_http_request *request, long http_status,
                            fac_bytes body, struct faci_buf *out, fac_error *err);

/* Append. False: no memory. */
bool faci_http_put(struct faci_buf *buf, const void *bytes, size_t len);
bool faci_http_put_text(struct faci_buf *buf, const char *text);

/* memory.c: once. False: libcurl cannot be used. */
bool faci_http_init_curl(void);

extern const struct faci_http_module k_faci_http_curl;

#endif
