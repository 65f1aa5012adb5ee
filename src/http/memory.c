/* SPDX-License-Identifier: MIT */
/* http/memory.c — libcurl's memory. The heads of requests are in it, and with them the API key: so its
 * large blocks, which are its buffers, are left out of core files, and all is overwritten when it gives
 * it back. Beneath is malloc as ever: a program that uses libcurl itself notices nothing, and one that
 * has initialised it before us keeps its own functions. */
#include "http/http.h"

#include "base/mem.h"

#include <curl/curl.h>

#include <malloc.h>
#include <stdatomic.h>
#include <string.h>

enum {
    LARGE_BYTES = 32 * 1024, /* libcurl has 64 KiB for what it sends; 16 KiB are for answers */
    SPARE_BYTES = 64 * 1024,
};

/* One large block is kept for the next: libcurl 7 takes and gives one back for each request. */
static _Atomic(void *) spare;

static void *give_large(size_t bytes)
{
    void *block = atomic_exchange(&spare, NULL);
    if (block != NULL && malloc_usable_size(block) < bytes) {
        faci_mem_free_wiped(block);
        block = NULL;
    }
    return block != NULL ? block : faci_mem_alloc_undumped(bytes);
}

static void *give(size_t bytes)
{
    if (bytes >= LARGE_BYTES) {
        return give_large(bytes);
    }
    return k_faci_libc.allocate(k_faci_libc.context, bytes > 0 ? bytes : 1);
}

static void *give_zeros(size_t count, size_t each)
{
    size_t bytes = 0;
    void *block = __builtin_mul_overflow(count, each, &bytes) ? NULL : give(bytes);
    if (block != NULL) {
        memset(block, 0, bytes);
    }
    return block;
}

static void take_back(void *block)
{
    size_t bytes = block != NULL ? malloc_usable_size(block) : 0;
    if (bytes >= SPARE_BYTES && bytes < (size_t)2 * SPARE_BYTES) { /* give_large() made it */
        explicit_bzero(block, bytes);
        block = atomic_exchange(&spare, block);
    }
    faci_mem_free_wiped(block);
}

/* Always elsewhere: in place or not is malloc's to decide, and what it leaves is out of reach. */
static void *give_more(void *block, size_t bytes)
{
    void *larger = give(bytes);
    if (larger != NULL && block != NULL) {
        size_t had = malloc_usable_size(block);
        memcpy(larger, block, had < bytes ? had : bytes);
        take_back(block);
    }
    return larger;
}

static char *give_copy(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = give(bytes);
    if (copy != NULL) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

bool faci_http_init_curl(void)
{
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, give, take_back, give_more, give_copy,
                                give_zeros) == CURLE_OK;
}
