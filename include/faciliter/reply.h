/* SPDX-License-Identifier: MIT */
/**
 * @file reply.h
 * @brief What a server answered to fac_cache_command(): a tree of RESP values.
 *
 * A reply is the caller's; fac_reply_free() ends the root and everything in it. Children and
 * bytes are borrowed from the root. Reading one reply from several threads is safe. No function
 * here blocks, and each accepts NULL, which reads as FAC_REPLY_NULL.
 */
#ifndef FACILITER_REPLY_H
#define FACILITER_REPLY_H

#include <faciliter/export.h>
#include <faciliter/value.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A reply value, and everything below it. */
typedef struct fac_reply fac_reply;

/** What a reply value is. With RESP2 only the first seven occur. */
typedef enum fac_reply_type {
    FAC_REPLY_NULL = 0,
    FAC_REPLY_STRING = 1, /**< A bulk string; any bytes. */
    FAC_REPLY_STATUS = 2, /**< A simple string, such as OK. */
    FAC_REPLY_ERROR = 3,  /**< An error inside an aggregate; at the root it is FAC_E_SERVER. */
    FAC_REPLY_INTEGER = 4,
    FAC_REPLY_ARRAY = 5,
    FAC_REPLY_MAP = 6, /**< 2n children: key, value, key, value … (RESP2 sends an array). */
    FAC_REPLY_SET = 7,
    FAC_REPLY_BOOLEAN = 8,     /**< fac_reply_integer() is 0 or 1. */
    FAC_REPLY_DOUBLE = 9,      /**< fac_reply_bytes() is its text as sent. */
    FAC_REPLY_BIG_NUMBER = 10, /**< fac_reply_bytes() is its decimal text. */
    FAC_REPLY_VERBATIM = 11,   /**< fac_reply_bytes() is the text without its "txt:" mark. */
} fac_reply_type;

/** What `reply` is. @param reply  A reply, or NULL. */
FAC_API fac_reply_type fac_reply_kind(const fac_reply *reply);

/** The number of an INTEGER or BOOLEAN; 0 for every other type. @param reply  A reply, or NULL. */
FAC_API int64_t fac_reply_integer(const fac_reply *reply);

/**
 * The bytes of a STRING, STATUS, ERROR, DOUBLE, BIG_NUMBER or VERBATIM, followed by one NUL that
 * `len` does not count; an empty range for every other type. Borrowed from the root.
 *
 * @param reply  A reply, or NULL.
 */
FAC_API fac_bytes fac_reply_bytes(const fac_reply *reply);

/** The number of children: 0 but for ARRAY, SET, MAP (2n). @param reply  A reply, or NULL. */
FAC_API size_t fac_reply_count(const fac_reply *reply);

/**
 * One child. Borrowed from the root.
 *
 * @param reply  A reply, or NULL.
 * @param index  0 to fac_reply_count() - 1.
 * @return The child; NULL when `index` is out of range.
 */
FAC_API const fac_reply *fac_reply_child(const fac_reply *reply, size_t index);

/** Free a root and all below it. Never call it on a child. @param reply  A root, or NULL. */
FAC_API void fac_reply_free(fac_reply *reply);

#ifdef __cplusplus
}
#endif
#endif
