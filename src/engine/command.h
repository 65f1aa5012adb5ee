/* SPDX-License-Identifier: MIT */
/* engine/command.h — what the engine must know of each command it sends: its name, whether it may
 * be sent again, and which types of reply it can get. */
#ifndef FACI_ENGINE_COMMAND_H
#define FACI_ENGINE_COMMAND_H

#include <faciliter/reply.h>

#include <stdbool.h>
#include <stdint.h>

/* When a command whose answer was not read may be sent once more. A command that was certainly
 * not applied (no byte of it was sent) may always be. */
enum faci_retry {
    FACI_RETRY_READ,  /* after a lost connection, and after an attempt that took too long */
    FACI_RETRY_WRITE, /* after a lost connection only */
    FACI_RETRY_NEVER,
};

struct faci_command {
    const char *name;
    enum faci_retry retry;
    bool is_write;
    uint32_t reply_types; /* one bit for each fac_reply_type, beside errors */
};

extern const struct faci_command k_faci_get;
extern const struct faci_command k_faci_mget;
extern const struct faci_command k_faci_set;
extern const struct faci_command k_faci_add; /* SET … NX */
extern const struct faci_command k_faci_del;
extern const struct faci_command k_faci_unlink;
extern const struct faci_command k_faci_exists;
extern const struct faci_command k_faci_pttl;
extern const struct faci_command k_faci_pexpire;
extern const struct faci_command k_faci_persist;
extern const struct faci_command k_faci_incrby;
extern const struct faci_command k_faci_multi;
extern const struct faci_command k_faci_queued; /* behind MULTI, which may have been refused */
extern const struct faci_command k_faci_exec;
extern const struct faci_command k_faci_scan;
extern const struct faci_command k_faci_ping;
extern const struct faci_command k_faci_info;
extern const struct faci_command k_faci_hello;
extern const struct faci_command k_faci_auth;
extern const struct faci_command k_faci_select;
extern const struct faci_command k_faci_client;
extern const struct faci_command k_faci_check; /* ECHO of a number */
extern const struct faci_command k_faci_any;   /* the caller's own */

/* Whether no answer is an aggregate, and none needs the connection to itself. */
bool faci_command_is_scalar(const struct faci_command *command);

/* Whether `type` can answer `command`. Errors always can. */
bool faci_command_can_get(const struct faci_command *command, fac_reply_type type);

#endif
