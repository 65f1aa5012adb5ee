/* SPDX-License-Identifier: MIT */
/* fault/lookup.c — names mean what the test says. */
#include "fault/lookup.h"

#include "kit/wait.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static struct {
    pthread_mutex_t lock; /* guards the addresses */
    struct sockaddr_in addresses[LOOKUP_ADDRESSES_MAX];
    size_t n_addresses;
    atomic_bool hangs;
    atomic_size_t n_begun;
    atomic_size_t n_ended;
} names = {.lock = PTHREAD_MUTEX_INITIALIZER};

void lookup_answer(const struct sockaddr_in *addresses, size_t n)
{
    if (n > LOOKUP_ADDRESSES_MAX) {
        abort();
    }
    (void)pthread_mutex_lock(&names.lock);
    for (size_t i = 0; i < n; i++) {
        names.addresses[i] = addresses[i];
    }
    names.n_addresses = n;
    (void)pthread_mutex_unlock(&names.lock);
}

void lookup_hang(bool on)
{
    atomic_store(&names.hangs, on);
}

size_t lookup_count(void)
{
    return atomic_load(&names.n_begun);
}

size_t lookup_under_way(void)
{
    size_t n_ended = atomic_load(&names.n_ended);
    return atomic_load(&names.n_begun) - n_ended;
}

/* In the order of the answer; each a block of its own with its address behind it. */
static struct addrinfo *make_list_locked(void)
{
    struct addrinfo *list = NULL;
    for (size_t i = names.n_addresses; i > 0; i--) {
        struct addrinfo *one = calloc(1, sizeof(*one) + sizeof(struct sockaddr_in));
        if (one == NULL) {
            abort();
        }
        one->ai_family = AF_INET;
        one->ai_socktype = SOCK_STREAM;
        one->ai_addr = (struct sockaddr *)(void *)(one + 1);
        one->ai_addrlen = sizeof(struct sockaddr_in);
        memcpy(one + 1, &names.addresses[i - 1], sizeof(struct sockaddr_in));
        one->ai_next = list;
        list = one;
    }
    return list;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
    (void)node;
    (void)service;
    (void)hints;
    (void)atomic_fetch_add(&names.n_begun, 1U);
    while (atomic_load(&names.hangs)) {
        kit_nap();
    }
    (void)pthread_mutex_lock(&names.lock);
    *found = make_list_locked();
    (void)pthread_mutex_unlock(&names.lock);
    (void)atomic_fetch_add(&names.n_ended, 1U);
    return *found != NULL ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}
