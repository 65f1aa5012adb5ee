/* SPDX-License-Identifier: MIT */
/* fault/lookup.h — a getaddrinfo() of the test's own: what a name means, and when that is known.
 * A test that links lookup.c has no other one. Any thread. */
#ifndef FAC_FAULT_LOOKUP_H
#define FAC_FAULT_LOOKUP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    LOOKUP_ADDRESSES_MAX = 8
};

/* Every name means these addresses from now on, their ports included; none: it is not known. */
void lookup_answer(const struct sockaddr_in *addresses, size_t n);

/* While it hangs no lookup ends. */
void lookup_hang(bool on);

/* Lookups begun so far, and those that have not ended. */
size_t lookup_count(void);
size_t lookup_under_way(void);

#endif
