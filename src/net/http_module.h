/* SPDX-License-Identifier: MIT */
/* net/http_module.h — what the module for https:// offers. */
#ifndef FACI_NET_HTTP_MODULE_H
#define FACI_NET_HTTP_MODULE_H

enum {
    FACI_HTTP_ABI = 1, /* of this header: a module with another one is not used */
};

/* The one symbol of a module. */
#define FACI_HTTP_SYMBOL "faci_http_module"

struct faci_http_module {
    unsigned abi;
    const char *version; /* of this library that it was built with */
};

#endif
