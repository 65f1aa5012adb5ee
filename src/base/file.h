/* SPDX-License-Identifier: MIT */
/* base/file.h — reading a small file whole: of passwords, certificates and keys. */
#ifndef FACI_BASE_FILE_H
#define FACI_BASE_FILE_H

#include "base/secret.h"

#include <faciliter/error.h>

#include <stdbool.h>
#include <stddef.h>

enum faci_file_fault {
    FACI_FILE_OK,
    FACI_FILE_ERRNO,   /* see errno */
    FACI_FILE_LONG,    /* longer than max_bytes */
    FACI_FILE_EXPOSED, /* asked to be private, and others may read or change it */
    FACI_FILE_NOMEM,
};

/*
 * The bytes of a regular file; anything else could wait for ever. A private one is its owner's: ours,
 * with no permission for anybody else; or root's, which its group may read, too.
 */
enum faci_file_fault faci_file_read(const char *path, size_t max_bytes, bool is_private,
                                    struct faci_secret **out);

/* FAC_E_CONFIG; FAC_E_UNAVAILABLE when the system lacks something just now, and the file may be good. */
fac_status faci_file_status(int os_errno);

#endif
