/* SPDX-License-Identifier: MIT */
/* backend/server.h — shared by the files of the server backend, and by them only. */
#ifndef FACI_BACKEND_SERVER_H
#define FACI_BACKEND_SERVER_H

#include "backend/backend.h"
#include "base/sync.h"
#include "engine/engine.h"
#include "engine/password.h"
#include "net/http.h"
#include "net/tls.h"

#include <stdatomic.h>
#include <stdbool.h>

struct faci_server {
    struct faci_backend backend; /* first */
    const struct faci_config *config;
    struct faci_log log;
    struct faci_engine *engines[2];         /* one for each choice of the config */
    struct faci_tls *tls[2];                /* NULL: plain text */
    struct faci_http *http[2];              /* NULL: RESP */
    struct faci_tls_options tls_options[2]; /* what both are made with */
    struct faci_asker *askers[2];           /* NULL: nobody is asked for the password */
    atomic_uint chosen;                     /* which; n_choices while none has answered */
};

static inline struct faci_server *faci_server_of(struct faci_backend *backend)
{
    return (struct faci_server *)(void *)backend;
}

/* The engine in use: the chosen one, the first while none is. */
struct faci_engine *faci_server_engine(struct faci_server *server);
const struct faci_settings *faci_server_settings(struct faci_backend *backend);

/* One bulk string of an argument list. */
static inline struct faci_arg faci_arg_text(const char *text)
{
    return (struct faci_arg){fac_str(text), {NULL, 0}};
}
static inline struct faci_arg faci_arg_key(const struct faci_key *key)
{
    return (struct faci_arg){key->prefix, key->name};
}
static inline struct faci_arg faci_arg_bytes(fac_bytes bytes)
{
    return (struct faci_arg){{NULL, 0}, bytes};
}

/* SET key value [PX ttl] [NX] into `args`; `text` is where the number is written. */
enum {
    FACI_SET_ARGS_MAX = 6
};
size_t faci_server_set_args(const struct faci_key *key, fac_bytes value, int64_t ttl_ms,
                            enum faci_set_mode mode, struct faci_arg args[FACI_SET_ARGS_MAX],
                            char *text);

/* One request to the engine in use. `out_resent` may be NULL. */
fac_status faci_server_call(struct faci_backend *backend, const struct faci_request *request,
                            const struct faci_limits *limits, struct faci_answer *out,
                            bool *out_resent, fac_error *err);

/* For answers that count keys: 0 is a miss, but for one that had to be sent again. */
static inline fac_status faci_server_found(fac_status st, const struct faci_answer *slot,
                                           bool was_resent)
{
    if (st != FAC_OK) {
        return st;
    }
    return slot->number > 0 || was_resent ? FAC_OK : FAC_MISS;
}

/* server_security.c: what a choice needs before its engine is opened. FAC_OK, FAC_E_CONFIG,
 * FAC_E_UNSUPPORTED, FAC_E_NOMEM. */
fac_status faci_server_open_security(struct faci_server *server, unsigned i, fac_error *err);
void faci_server_close_security(struct faci_server *server, unsigned i);
void faci_server_tell_security(struct faci_server *server, fac_health *out);
void faci_server_count_security(struct faci_server *server, fac_stats *out);

/* server_group.c */
fac_status faci_server_touch(struct faci_backend *backend, const struct faci_key *key,
                             int64_t ttl_ms, const struct faci_limits *limits, fac_error *err);
fac_status faci_server_increment(struct faci_backend *backend, const struct faci_key *key,
                                 int64_t delta, int64_t ttl_ms,
                                 const struct faci_limits *limits, int64_t *out,
                                 fac_error *err);

/* server_batch.c */
fac_status faci_server_get_many(struct faci_backend *backend, const struct faci_batch *batch,
                                const struct faci_limits *limits, fac_error *err);
fac_status faci_server_set_many(struct faci_backend *backend, const struct faci_batch *batch,
                                const struct faci_limits *limits, fac_error *err);
fac_status faci_server_remove_many(struct faci_backend *backend, const struct faci_batch *batch,
                                   const struct faci_limits *limits, fac_error *err);

/* server_admin.c */
fac_status faci_server_clear(struct faci_backend *backend, fac_bytes prefix,
                             const struct faci_limits *limits, fac_clear_progress *progress,
                             fac_error *err);
fac_status faci_server_health(struct faci_backend *backend, const struct faci_limits *limits,
                              fac_health *out, fac_error *err);
void faci_server_stats(struct faci_backend *backend, fac_stats *out);
fac_status faci_server_set_memory(struct faci_backend *backend, uint64_t bytes, fac_error *err);
fac_status faci_server_command(struct faci_backend *backend, const fac_bytes *args, size_t n,
                               const struct faci_limits *limits, fac_reply **out,
                               fac_error *err);

#endif
