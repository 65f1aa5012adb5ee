/* SPDX-License-Identifier: MIT */
/* cli/number.h — numbers of the command line: strict, without a locale, nothing cut or rounded. */
#ifndef FAC_CLI_NUMBER_H
#define FAC_CLI_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits, nothing else, `min` to `max`. False: `*out` untouched. */
bool cli_number_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* An optional '-' before them; the whole range. */
bool cli_number_i64(const char *text, int64_t *out);

/* Seconds, with up to three digits after a point, as milliseconds from 1 to `max_ms`. */
bool cli_number_seconds(const char *text, uint64_t max_ms, uint64_t *out_ms);

#endif
