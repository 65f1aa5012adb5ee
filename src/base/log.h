/* SPDX-License-Identifier: MIT */
/* base/log.h — one line to the application's log hook, or to nowhere. Never a secret. */
#ifndef FACI_BASE_LOG_H
#define FACI_BASE_LOG_H

#include <faciliter/options.h>

struct faci_log {
    fac_log_fn *fn; /* NULL: no log */
    void *context;
};

void faci_log(const struct faci_log *log, fac_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
