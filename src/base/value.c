/* SPDX-License-Identifier: MIT */
/* base/value.c — a counted block of bytes. */
#include "base/value.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct fac_value {
    atomic_uint refs;
    uint32_t has_hook; /* an allocator copy follows the data */
    size_t len;
    unsigned char data[];
};

static bool is_libc(const fac_allocator *alloc)
{
    return alloc->allocate == k_faci_libc.allocate && alloc->release == k_faci_libc.release;
}

size_t faci_value_footprint(const fac_allocator *alloc, size_t len)
{
    return sizeof(struct fac_value) + len + 1 + (is_libc(alloc) ? 0 : sizeof(*alloc));
}

static void set_len(fac_value *value, const fac_allocator *alloc, size_t len)
{
    value->len = len;
    value->data[len] = '\0';
    if (value->has_hook) {
        memcpy(value->data + len + 1, alloc, sizeof(*alloc)); /* unaligned on purpose */
    }
}

fac_value *faci_value_new(const fac_allocator *alloc, size_t len)
{
    if (len > PTRDIFF_MAX / 2) {
        return NULL;
    }
    fac_value *value = faci_mem_alloc(alloc, faci_value_footprint(alloc, len));
    if (value == NULL) {
        return NULL;
    }
    atomic_init(&value->refs, 1U);
    value->has_hook = !is_libc(alloc);
    set_len(value, alloc, len);
    return value;
}

fac_value *faci_value_resize(fac_value *value, const fac_allocator *alloc, size_t len)
{
    if (len > PTRDIFF_MAX / 2) {
        return NULL;
    }
    fac_value *moved = faci_mem_realloc(alloc, value, faci_value_footprint(alloc, len));
    if (moved != NULL) {
        set_len(moved, alloc, len);
    }
    return moved;
}

unsigned char *faci_value_data(fac_value *value)
{
    return value->data;
}

fac_bytes fac_value_bytes(const fac_value *value)
{
    return value == NULL ? fac_mem(NULL, 0) : fac_mem(value->data, value->len);
}

fac_value *fac_value_ref(fac_value *value)
{
    if (value != NULL) {
        unsigned before = atomic_fetch_add_explicit(&value->refs, 1U, memory_order_relaxed);
        faci_check(before > 0 && before < UINT32_MAX);
    }
    return value;
}

void fac_value_unref(fac_value *value)
{
    if (value == NULL) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&value->refs, 1U, memory_order_acq_rel);
    faci_check(before > 0);
    if (before > 1) {
        return;
    }
    fac_allocator alloc = k_faci_libc;
    if (value->has_hook) {
        memcpy(&alloc, value->data + value->len + 1, sizeof(alloc));
    }
    faci_mem_free(&alloc, value);
}
