/* SPDX-License-Identifier: MIT */
/* base/error.h — the only writer of fac_error. The layer that knows the most fills it, the ones
 * above pass it on. `err` may be NULL everywhere. */
#ifndef FACI_BASE_ERROR_H
#define FACI_BASE_ERROR_H

#include <faciliter/error.h>

#include <stddef.h>

/* Record a failure and return its status. The text is cut to fit; control characters in it
 * become '?', so that what a server says cannot forge a log line. */
fac_status faci_fail(fac_error *err, fac_status status, int os_errno, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Nothing failed. Every call begins and ends with it. */
static inline void faci_error_clear(fac_error *err)
{
    if (err != NULL) {
        err->status = FAC_OK;
        err->os_errno = 0;
        err->maybe_applied = false;
        err->server_code[0] = '\0';
        err->message[0] = '\0';
    }
}

/* The system's words for an error number, thread-safe. `buf` holds `cap` bytes. Returns text
 * that lives as long as `buf`. */
const char *faci_errno_text(int os_errno, char *buf, size_t cap);

#endif
