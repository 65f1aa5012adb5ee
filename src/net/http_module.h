/* SPDX-License-Identifier: MIT */
/* net/http_module.h — what the module for https:// offers: RESP in, RESP out, and requests of HTTP in
 * between. Whoever reads drives it; the others only put frames. */
#ifndef FACI_NET_HTTP_MODULE_H
#define FACI_NET_HTTP_MODULE_H

#include "base/secret.h"
#include "net/tls_module.h"

#include <faciliter/alloc.h>
#include <faciliter/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    FACI_HTTP_ABI = 1, /* of this header: a module with another one is not used */
};

/* The one symbol of a module. */
#define FACI_HTTP_SYMBOL "faci_http_module"

/* Everything is borrowed for the life of the sessions. */
struct faci_http_options {
    const fac_allocator *alloc;
    const char *host;
    uint16_t port;
    const char *base;                   /* "" or "/base" */
    const struct faci_secret *api_key;  /* NULL: none is sent */
    const struct faci_tls_options *tls; /* NULL: http:// */
    uint64_t max_reply_bytes;           /* of one answer, as it comes */
};

struct faci_http_session; /* one connection */

struct faci_http_module {
    unsigned abi;
    const char *version; /* of this library that it was built with */
    const char *library; /* whose HTTP it is, and which version */

    /* FAC_OK, FAC_E_CONFIG, FAC_E_UNSUPPORTED, FAC_E_NOMEM. Connects nothing. */
    fac_status (*session_new)(const struct faci_http_options *options,
                              struct faci_http_session **out, fac_error *err);
    void (*session_free)(struct faci_http_session *session);

    /* Take whole and partial frames. False: no memory. Under the session's lock. */
    bool (*put)(struct faci_http_session *session, const void *bytes, size_t len);

    /* The reader's, under the lock: begin what was put when nothing is under way. */
    void (*begin)(struct faci_http_session *session);

    /* The reader's, without the lock: work on what is under way, for at most so long. */
    void (*drive)(struct faci_http_session *session, int wait_ms);

    /* Make drive() return. Any thread. */
    void (*wake)(struct faci_http_session *session);

    /* The reader's, under the lock: bytes of replies; -1 with EAGAIN, or EPROTO and why() tells;
     * 0: the peer has gone. */
    ssize_t (*take)(struct faci_http_session *session, void *buf, size_t cap);

    fac_status (*why)(const struct faci_http_session *session, fac_error *err);
};

#endif
