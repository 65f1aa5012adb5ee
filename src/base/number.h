/* SPDX-License-Identifier: MIT */
/* base/number.h — decimal text to integers and back, strict and without a locale. */
#ifndef FACI_BASE_NUMBER_H
#define FACI_BASE_NUMBER_H

#include <faciliter/value.h>

#include <stdbool.h>
#include <stdint.h>

enum {
    FACI_I64_TEXT_BYTES = 20
}; /* "-9223372036854775808" */

/* An optional '-', then digits, nothing else, within int64. No '+', no space; no leading zero
 * but "0" itself; no "-0": the form servers write and INCR accepts. False: `*out` untouched. */
bool faci_number_parse_i64(fac_bytes text, int64_t *out);

/* Writes the shortest decimal form, no NUL. Returns its length, 1 to FACI_I64_TEXT_BYTES. */
size_t faci_number_format_i64(int64_t number, char *out);

/* As above, for numbers that are never negative. */
size_t faci_number_format_u64(uint64_t number, char *out);

#endif
