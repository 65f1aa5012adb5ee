/* SPDX-License-Identifier: MIT */
/**
 * @file error.h
 * @brief What a call can answer, and the detail of a failure.
 *
 * Negative is an error, zero is OK, positive is another ordinary outcome: `if (st < 0)` is the
 * only error test a caller needs. A miss is not an error.
 */
#ifndef FACILITER_ERROR_H
#define FACILITER_ERROR_H

#include <faciliter/export.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The outcome of a call. Errors are named by what the caller can do about them. */
typedef enum fac_status {
    FAC_OK = 0,

    FAC_MISS = 1,   /**< The key is not there. */
    FAC_EXISTS = 2, /**< fac_cache_add(): the key was there already; nothing was written. */
    FAC_SMALL = 3,  /**< fac_cache_get_into(): the buffer is too small; the length is set. */

    FAC_E_INVALID = -1,     /**< An argument is wrong. Fix the call. */
    FAC_E_CONFIG = -2,      /**< A setting is wrong. Fix the environment or the options. */
    FAC_E_UNAVAILABLE = -3, /**< No server can be reached now. Go on without; it may heal. */
    FAC_E_TIMEOUT = -4,     /**< The deadline passed first. */
    FAC_E_BUSY = -5,        /**< Too many calls wait already. Shed load. */
    FAC_E_AUTH = -6,   /**< The server refused us, or its certificate is not to be believed. */
    FAC_E_SERVER = -7, /**< The server refused the command; see server_code. */
    FAC_E_PROTOCOL = -8,  /**< The peer does not speak RESP as agreed. */
    FAC_E_TOO_LARGE = -9, /**< A value or a reply is over its limit. (A key: FAC_E_INVALID.) */
    FAC_E_NOMEM = -10,    /**< No memory; nothing changed on this side. */
    FAC_E_CLOSED = -11,   /**< The cache was closed, before or during the call. */
    FAC_E_UNSUPPORTED = -12, /**< This build or this backend cannot do it. */
} fac_status;

/** The detail of a failure. The caller's own memory: nothing to free, copied by assignment. */
typedef struct fac_error {
    fac_status status; /**< What the call returned; FAC_OK when nothing failed. */
    int os_errno;      /**< The system's error number, or 0. */

    /**
     * False: the command has certainly not been applied. True: bytes of a writing command were
     * sent and no answer was read, so it may have been applied, or may yet be.
     */
    bool maybe_applied;

    char server_code[24]; /**< First word of the server's error ("WRONGTYPE"), or "". */
    char message[256];    /**< One sentence, NUL-terminated, never a secret, never a value. */
} fac_error;

/**
 * The name of a status as written in this header, such as "FAC_E_TIMEOUT".
 *
 * Ownership: a constant of the library; "unknown status" for a number that is none.
 * Threads: any. Never blocks.
 *
 * @param status  Any value.
 */
FAC_API const char *fac_status_name(fac_status status);

/**
 * Whether the same call may succeed later although nothing is changed: FAC_E_UNAVAILABLE,
 * FAC_E_TIMEOUT and FAC_E_BUSY. Says nothing of whether a write was applied: see
 * fac_error.maybe_applied.
 *
 * Threads: any. Never blocks.
 *
 * @param status  Any value.
 */
FAC_API bool fac_status_is_retryable(fac_status status);

#ifdef __cplusplus
}
#endif
#endif
