/* SPDX-License-Identifier: MIT */
/* kit/guard.h — input that ends where a protected page begins: one byte too far is a fault. */
#ifndef FAC_KIT_GUARD_H
#define FAC_KIT_GUARD_H

#include <stddef.h>

struct kit_guard {
    unsigned char *map;
    size_t map_bytes;
    unsigned char *end; /* the first protected byte */
};

/* Room for inputs of up to `max_bytes`. Aborts when the system has none. */
void kit_guard_init(struct kit_guard *guard, size_t max_bytes);
void kit_guard_fini(struct kit_guard *guard);

/* Copy `len` bytes so that the last one touches the protected page. Valid until the next place. */
const unsigned char *kit_guard_place(struct kit_guard *guard, const void *bytes, size_t len);

#endif
