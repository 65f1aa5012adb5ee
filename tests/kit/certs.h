/* SPDX-License-Identifier: MIT */
/* kit/certs.h — the certificates that certs.sh made when this was built. */
#ifndef FAC_KIT_CERTS_H
#define FAC_KIT_CERTS_H

#include <stddef.h>

enum {
    KIT_CERT_PATH_BYTES = 512
};

struct kit_cert {
    char path[KIT_CERT_PATH_BYTES];
};

/* The path of a file of certs.sh, such as "ca.pem". Asserts that it is there, unless it is "". */
struct kit_cert kit_cert(const char *file);

#endif
