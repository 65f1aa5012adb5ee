/* SPDX-License-Identifier: MIT */
/* backend/backend.h — one table of functions over every place a cache can be: this process's
 * memory, or a server. Keys are full, times to live are checked, deadlines are moments. */
#ifndef FACI_BACKEND_BACKEND_H
#define FACI_BACKEND_BACKEND_H

#include "base/bytes.h"
#include "base/log.h"
#include "config/config.h"

#include <faciliter/cache.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct faci_backend;

/* What one call may use. */
struct faci_limits {
    int64_t deadline_ns;      /* monotonic */
    uint64_t max_reply_bytes; /* of get_many and command */
};

/* An item of a batch that has no answer yet: no status of the public list. */
#define FACI_PENDING ((fac_status)100)

/* Items of a batch. The backend looks only at those whose status is FACI_PENDING, and leaves those
 * that it could not finish so. */
struct faci_batch {
    fac_bytes prefix;
    const fac_bytes *keys; /* get_many, delete_many */
    const fac_item *items; /* set_many */
    int64_t default_ttl_ms;
    size_t n;
    fac_value **values; /* get_many */
    fac_status *statuses;
};

enum faci_set_mode {
    FACI_SET_ALWAYS,
    FACI_SET_IF_ABSENT,
};

/* Statuses and out-parameters as the verbs of cache.h. ttl_ms is 1 or more, or FAC_TTL_NONE. */
struct faci_backend_ops {
    bool can_wait; /* false: nothing here takes time, deadlines are not looked at */

    /* Make sure that settings() is final: a server has been chosen. */
    fac_status (*prepare)(struct faci_backend *backend, int64_t deadline_ns, fac_error *err);

    /* The settings in use. */
    const struct faci_settings *(*settings)(struct faci_backend *backend);

    fac_status (*get)(struct faci_backend *backend, const struct faci_key *key,
                      const struct faci_limits *limits, fac_value **out, fac_error *err);
    fac_status (*get_into)(struct faci_backend *backend, const struct faci_key *key,
                           const struct faci_limits *limits, void *buf, size_t cap,
                           size_t *out_len, fac_error *err);
    fac_status (*set)(struct faci_backend *backend, const struct faci_key *key, fac_bytes value,
                      int64_t ttl_ms, enum faci_set_mode mode, const struct faci_limits *limits,
                      fac_error *err);
    fac_status (*remove)(struct faci_backend *backend, const struct faci_key *key,
                         const struct faci_limits *limits, fac_error *err);
    fac_status (*exists)(struct faci_backend *backend, const struct faci_key *key,
                         const struct faci_limits *limits, fac_error *err);
    fac_status (*ttl)(struct faci_backend *backend, const struct faci_key *key,
                      const struct faci_limits *limits, int64_t *out_ttl_ms, fac_error *err);
    fac_status (*touch)(struct faci_backend *backend, const struct faci_key *key,
                        int64_t ttl_ms, const struct faci_limits *limits, fac_error *err);
    fac_status (*increment)(struct faci_backend *backend, const struct faci_key *key,
                            int64_t delta, int64_t ttl_ms, const struct faci_limits *limits,
                            int64_t *out, fac_error *err);

    /* FAC_OK when no item is pending any more. */
    fac_status (*get_many)(struct faci_backend *backend, const struct faci_batch *batch,
                           const struct faci_limits *limits, fac_error *err);
    fac_status (*set_many)(struct faci_backend *backend, const struct faci_batch *batch,
                           const struct faci_limits *limits, fac_error *err);
    fac_status (*remove_many)(struct faci_backend *backend, const struct faci_batch *batch,
                              const struct faci_limits *limits, fac_error *err);

    /* Remove what is under the prefix, from progress->cursor on. */
    fac_status (*clear)(struct faci_backend *backend, fac_bytes prefix,
                        const struct faci_limits *limits, fac_clear_progress *progress,
                        fac_error *err);

    /* Ask, and fill what is known; `limits` NULL: do not ask. `size` and is_healthy are the
     * caller's business. */
    fac_status (*health)(struct faci_backend *backend, const struct faci_limits *limits,
                         fac_health *out, fac_error *err);
    void (*stats)(struct faci_backend *backend, fac_stats *out);

    /* Another budget, where there is one. FAC_OK, FAC_E_INVALID, FAC_E_UNSUPPORTED. */
    fac_status (*set_memory)(struct faci_backend *backend, uint64_t bytes, fac_error *err);

    fac_status (*command)(struct faci_backend *backend, const fac_bytes *args, size_t n,
                          const struct faci_limits *limits, fac_reply **out, fac_error *err);

    /* Whether calls now would only be told that no server can be reached. */
    bool (*is_down)(struct faci_backend *backend);

    /* Calls in flight and later ones end with FAC_E_CLOSED. */
    void (*close)(struct faci_backend *backend);

    /* No call may be in flight. */
    void (*free)(struct faci_backend *backend);
};

/* First member of every backend. */
struct faci_backend {
    const struct faci_backend_ops *ops;
};

/* `config` is borrowed until the backend is freed. Neither connects. FAC_OK, FAC_E_NOMEM. */
fac_status faci_backend_open_memory(const struct faci_config *config, struct faci_backend **out,
                                    fac_error *err);
fac_status faci_backend_open_server(const struct faci_config *config, struct faci_log log,
                                    struct faci_backend **out, fac_error *err);

#endif
