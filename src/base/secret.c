/* SPDX-License-Identifier: MIT */
/* base/secret.c — one mapping for each secret. It is not wiped in a child of fork(): the child may
 * use the cache, and then needs the password to connect. */
#include "base/secret.h"

#include "base/assert.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct faci_secret {
    size_t map_bytes;
    size_t cap;
    size_t len;
    char text[];
};

struct faci_secret *faci_secret_new_empty(size_t cap)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (sizeof(struct faci_secret) + cap + 1 + page - 1) / page * page;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        return NULL;
    }
    /* Both as good as they can be had: a limit on locked memory is no reason not to work. */
    (void)mlock(map, bytes);
#ifdef MADV_DONTDUMP
    (void)madvise(map, bytes, MADV_DONTDUMP);
#endif
    struct faci_secret *secret = map;
    secret->map_bytes = bytes;
    secret->cap = cap;
    return secret;
}

struct faci_secret *faci_secret_new(const char *bytes, size_t len)
{
    struct faci_secret *secret = faci_secret_new_empty(len);
    if (secret != NULL) {
        if (len > 0) {
            memcpy(secret->text, bytes, len);
        }
        secret->len = len;
    }
    return secret;
}

char *faci_secret_room(struct faci_secret *secret)
{
    return secret->text;
}

void faci_secret_set_len(struct faci_secret *secret, size_t len)
{
    faci_check(len <= secret->cap);
    secret->len = len;
    secret->text[len] = '\0';
}

void faci_secret_free(struct faci_secret *secret)
{
    if (secret != NULL) {
        size_t bytes = secret->map_bytes;
        explicit_bzero(secret, bytes);
        (void)munmap(secret, bytes);
    }
}

const char *faci_secret_reveal(const struct faci_secret *secret)
{
    return secret != NULL ? secret->text : NULL;
}

size_t faci_secret_len(const struct faci_secret *secret)
{
    return secret != NULL ? secret->len : 0;
}

bool faci_secret_equal(const struct faci_secret *a, const struct faci_secret *b)
{
    if (a == NULL || b == NULL || a->len != b->len) {
        return a == b;
    }
    unsigned differs = 0;
    for (size_t i = 0; i < a->len; i++) {
        differs |= (unsigned)(unsigned char)(a->text[i] ^ b->text[i]);
    }
    return differs == 0;
}
