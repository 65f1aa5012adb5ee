/* SPDX-License-Identifier: MIT */
/* base/assert.c — the end of a process that found a bug of ours. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void faci_assert_failed(const char *file, int line, const char *condition)
{
    (void)fprintf(stderr, "libfaciliter: bug at %s:%d: %s\n", file, line, condition);
    abort();
}
