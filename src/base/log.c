/* SPDX-License-Identifier: MIT */
/* base/log.c — formats a log line and hands it to the application. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    LOG_LINE_BYTES = 512
};

void faci_log(const struct faci_log *log, fac_log_level level, const char *format, ...)
{
    if (log->fn == NULL) {
        return;
    }
    char line[LOG_LINE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    log->fn(log->context, level, line);
}
