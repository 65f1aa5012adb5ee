/* SPDX-License-Identifier: MIT */
/* kit/keyvalue.h — values that say which key they belong to: a value in the wrong hands is seen
 * by whoever holds it, without a memory of what was stored. */
#ifndef FAC_KIT_KEYVALUE_H
#define FAC_KIT_KEYVALUE_H

#include <faciliter/value.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Write "<key>=<number>:" and a filling made from both, `len` bytes in all. `len` is at least
 * what key and number need. */
void kit_keyvalue_make(char *out, size_t len, const char *key, uint64_t number);

/* Whether a value is one that belongs to the key, whole and unharmed. */
bool kit_keyvalue_is_of(fac_bytes value, const char *key);

#endif
