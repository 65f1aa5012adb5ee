/* SPDX-License-Identifier: MIT */
/* base/error.c — filling the caller's fac_error. */
#include "base/error.h"

#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void replace_control_characters(char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) {
            *text = '?';
        }
    }
}

fac_status faci_fail(fac_error *err, fac_status status, int os_errno, const char *format, ...)
{
    faci_assert(status < 0);
    if (err != NULL) {
        err->status = status;
        err->os_errno = os_errno;
        err->maybe_applied = false;
        err->server_code[0] = '\0';
        va_list args;
        va_start(args, format);
        (void)vsnprintf(err->message, sizeof(err->message), format, args);
        va_end(args);
        replace_control_characters(err->message);
    }
    return status;
}

/* strerror_r comes in two forms: GNU's returns the text, POSIX's fills the buffer. */
static const char *text_of_result(const char *text, const char *buf, size_t cap)
{
    (void)buf;
    (void)cap;
    return text;
}

static const char *text_of_status(int rc, char *buf, size_t cap)
{
    if (rc != 0) {
        (void)snprintf(buf, cap, "unknown system error");
    }
    return buf;
}

const char *faci_errno_text(int os_errno, char *buf, size_t cap)
{
    faci_assert(cap > 0);
    return _Generic(strerror_r(os_errno, buf, cap), char * : text_of_result, int : text_of_status)(
        strerror_r(os_errno, buf, cap), buf, cap);
}
