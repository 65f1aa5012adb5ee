/* SPDX-License-Identifier: MIT */
/* net/address.c — numbers inline, names on a detached thread, one lookup for all who need it at the
 * same time. */
#include "net/address.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/single_flight.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

enum {
    LOOKUP_STACK_BYTES = 256 * 1024, /* getaddrinfo and the modules behind it */
    PORT_TEXT_BYTES = 8,
};

struct lookup {
    struct faci_flight flight;
    int gai_error;
    int os_errno;
    struct faci_addresses result;
    char port[PORT_TEXT_BYTES];
    char host[];
};

struct faci_resolver {
    const fac_allocator *alloc;
    struct faci_single_flight lookups;
    uint16_t port;
    char host[];
};

static void append(struct faci_addresses *list, const void *address, socklen_t len)
{
    if (list->n < FACI_ADDRESSES_MAX && len <= sizeof(list->list[0].storage)) {
        memcpy(&list->list[list->n].storage, address, len);
        list->list[list->n].len = len;
        list->n++;
    }
}

static void run_lookup(struct faci_flight *flight)
{
    struct lookup *lookup = (struct lookup *)flight;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(lookup->host, lookup->port, &hints, &found);
    lookup->os_errno = rc == EAI_SYSTEM ? errno : 0;
    lookup->gai_error = rc;
    if (rc == 0) {
        for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
            append(&lookup->result, at->ai_addr, at->ai_addrlen);
        }
    }
    if (found != NULL) {
        freeaddrinfo(found);
    }
}

static void free_lookup(struct faci_flight *flight)
{
    faci_mem_free(&k_faci_libc, flight);
}

static const struct faci_flight_kind k_lookup = {LOOKUP_STACK_BYTES, run_lookup, free_lookup};

/* The lookup under way, or a new one: a name is looked up again at each connect. */
static fac_status join_or_start_locked(struct faci_resolver *resolver, struct lookup **out,
                                       fac_error *err) FACI_REQUIRES(&resolver->lookups.lock)
{
    *out = (struct lookup *)faci_flight_join_locked(&resolver->lookups, NULL);
    if (*out != NULL) {
        return FAC_OK;
    }
    size_t host_bytes = strlen(resolver->host) + 1;
    struct lookup *lookup = faci_mem_zalloc(&k_faci_libc, sizeof(*lookup) + host_bytes);
    if (lookup == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    (void)faci_number_format_u64(resolver->port, lookup->port);
    memcpy(lookup->host, resolver->host, host_bytes);
    int rc = faci_flight_start_locked(&resolver->lookups, &lookup->flight, &k_lookup);
    if (rc != 0) {
        char text[96];
        return faci_fail(err, FAC_E_UNAVAILABLE, rc, "cannot start a name lookup: %s",
                         faci_errno_text(rc, text, sizeof(text)));
    }
    *out = lookup;
    return FAC_OK;
}

static fac_status wait_for(struct faci_resolver *resolver, struct lookup *lookup,
                           int64_t deadline_ns, struct faci_addresses *out, fac_error *err)
{
    faci_mutex_lock(&lookup->flight.lock);
    fac_status st = faci_flight_wait_locked(&resolver->lookups, &lookup->flight, deadline_ns);
    faci_mutex_unlock(&lookup->flight.lock);
    if (st == FAC_E_CLOSED) {
        return faci_fail(err, FAC_E_CLOSED, 0, "the cache was closed");
    }
    if (st == FAC_E_TIMEOUT) {
        return faci_fail(err, FAC_E_TIMEOUT, 0, "looking up %s took too long", resolver->host);
    }
    if (lookup->gai_error != 0) {
        return faci_fail(err, FAC_E_UNAVAILABLE, lookup->os_errno, "cannot resolve %s: %s",
                         resolver->host, gai_strerror(lookup->gai_error));
    }
    if (lookup->result.n == 0) {
        return faci_fail(err, FAC_E_UNAVAILABLE, 0, "%s has no address", resolver->host);
    }
    *out = lookup->result;
    return FAC_OK;
}

static void append_v4(struct faci_addresses *out, struct in_addr address, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    in.sin_addr = address;
    append(out, &in, sizeof(in));
}

static void append_v6(struct faci_addresses *out, const struct in6_addr *address, uint16_t port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    in6.sin6_addr = *address;
    append(out, &in6, sizeof(in6));
}

static bool lookup_inline(const char *host, uint16_t port, struct faci_addresses *out)
{
    struct in_addr v4;
    struct in6_addr v6;
    out->n = 0;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        append_v4(out, v4, port);
    } else if (inet_pton(AF_INET6, host, &v6) == 1) {
        append_v6(out, &v6, port);
    } else if (strcasecmp(host, "localhost") == 0) {
        append_v4(out, (struct in_addr){.s_addr = htonl(INADDR_LOOPBACK)}, port);
        append_v6(out, &in6addr_loopback, port);
    }
    return out->n > 0;
}

fac_status faci_resolver_new(const fac_allocator *alloc, const char *host, uint16_t port,
                             struct faci_resolver **out, fac_error *err)
{
    size_t host_bytes = strlen(host) + 1;
    struct faci_resolver *resolver = faci_mem_zalloc(alloc, sizeof(*resolver) + host_bytes);
    if (resolver == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    resolver->alloc = alloc;
    resolver->port = port;
    memcpy(resolver->host, host, host_bytes);
    faci_single_flight_init(&resolver->lookups);
    *out = resolver;
    return FAC_OK;
}

void faci_resolver_free(struct faci_resolver *resolver)
{
    if (resolver != NULL) {
        faci_single_flight_fini(&resolver->lookups);
        faci_mem_free(resolver->alloc, resolver);
    }
}

void faci_resolver_lock(struct faci_resolver *resolver)
{
    faci_single_flight_lock(&resolver->lookups);
}

void faci_resolver_unlock(struct faci_resolver *resolver)
{
    faci_single_flight_unlock(&resolver->lookups);
}

void faci_resolver_close(struct faci_resolver *resolver)
{
    faci_single_flight_close(&resolver->lookups);
}

fac_status faci_resolver_lookup(struct faci_resolver *resolver, int64_t deadline_ns,
                                struct faci_addresses *out, fac_error *err)
{
    if (atomic_load(&resolver->lookups.is_closed)) {
        return faci_fail(err, FAC_E_CLOSED, 0, "the cache was closed");
    }
    if (lookup_inline(resolver->host, resolver->port, out)) {
        return FAC_OK;
    }
    struct lookup *lookup = NULL;
    faci_mutex_lock(&resolver->lookups.lock);
    fac_status st = join_or_start_locked(resolver, &lookup, err);
    faci_mutex_unlock(&resolver->lookups.lock);
    if (st < 0) {
        return st;
    }
    st = wait_for(resolver, lookup, deadline_ns, out, err);
    faci_flight_unref(&lookup->flight);
    return st;
}

fac_status faci_address_of_unix(const char *path, struct faci_addresses *out, fac_error *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(un.sun_path)) {
        return faci_fail(err, FAC_E_CONFIG, 0, "the socket path is %zu bytes long, at most %zu",
                         len, sizeof(un.sun_path) - 1);
    }
    memcpy(un.sun_path, path, len + 1);
    out->n = 0;
    append(out, &un, sizeof(un));
    return FAC_OK;
}
