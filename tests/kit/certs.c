/* SPDX-License-Identifier: MIT */
/* kit/certs.c — where certs.sh put what it made. */
#include "kit/certs.h"

#include "kit/kit.h"

#include <stdio.h>
#include <unistd.h>

struct kit_cert kit_cert(const char *file)
{
    struct kit_cert cert;
    (void)snprintf(cert.path, sizeof(cert.path), "%s/%s", KIT_CERTS_DIR, file);
    if (access(cert.path, R_OK) != 0) {
        fail_msg("no file %s: tests/kit/certs.sh makes it", cert.path);
    }
    return cert;
}
