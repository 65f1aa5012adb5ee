/* SPDX-License-Identifier: MIT */
/* net/address.h — where a server is: socket addresses, from numbers or from a name. A name is
 * looked up on a thread of its own, because getaddrinfo knows no deadline. */
#ifndef FACI_NET_ADDRESS_H
#define FACI_NET_ADDRESS_H

#include <faciliter/alloc.h>
#include <faciliter/error.h>

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    FACI_ADDRESSES_MAX = 16
}; /* of one name; further ones are not tried */

struct faci_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

struct faci_addresses {
    size_t n;
    struct faci_address list[FACI_ADDRESSES_MAX];
};

/* Looks up one host and port, again at each call. Any thread. */
struct faci_resolver;

/* `host` is copied. FAC_OK, FAC_E_NOMEM. */
fac_status faci_resolver_new(const fac_allocator *alloc, const char *host, uint16_t port,
                             struct faci_resolver **out, fac_error *err);

/* Hold and free its locks around a fork. */
void faci_resolver_lock(struct faci_resolver *resolver);
void faci_resolver_unlock(struct faci_resolver *resolver);

/* No lookup may be in flight. A thread that hangs in getaddrinfo goes on without us. */
void faci_resolver_free(struct faci_resolver *resolver);

/* Make lookups in flight, and all later ones, return FAC_E_CLOSED. Any thread. */
void faci_resolver_close(struct faci_resolver *resolver);

/*
 * The addresses, in the order to try them. Numbers and "localhost" (always loopback: RFC 6761,
 * 6.3) are answered at once; for a name, callers at the same time share one lookup.
 * FAC_OK, FAC_E_UNAVAILABLE (no such name, or the system cannot look up), FAC_E_TIMEOUT,
 * FAC_E_CLOSED, FAC_E_NOMEM.
 */
fac_status faci_resolver_lookup(struct faci_resolver *resolver, int64_t deadline_ns,
                                struct faci_addresses *out, fac_error *err);

/* FAC_OK with the one address of a Unix socket; FAC_E_CONFIG when the path does not fit. */
fac_status faci_address_of_unix(const char *path, struct faci_addresses *out, fac_error *err);

#endif
