/* SPDX-License-Identifier: MIT */
/* kit/guard.c — a buffer against a protected page. */
#include "kit/guard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void kit_guard_init(struct kit_guard *guard, size_t max_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t usable = (max_bytes + page) / page * page;
    guard->map_bytes = usable + page;
    guard->map = mmap(NULL, guard->map_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guard->map == MAP_FAILED) {
        abort();
    }
    guard->end = guard->map + usable;
    if (mprotect(guard->end, page, PROT_NONE) != 0) {
        abort();
    }
}

void kit_guard_fini(struct kit_guard *guard)
{
    (void)munmap(guard->map, guard->map_bytes);
}

const unsigned char *kit_guard_place(struct kit_guard *guard, const void *bytes, size_t len)
{
    if (len > (size_t)(guard->end - guard->map)) {
        abort();
    }
    if (len > 0) {
        memcpy(guard->end - len, bytes, len);
    }
    return guard->end - len;
}
