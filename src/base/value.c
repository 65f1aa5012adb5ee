/* SPDX-License-Identifier: MIT */
/* base/value.c — a counted block of bytes. */
#include "base/value.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>

static size_t plain_bytes(const fac_allocator *alloc, size_t len)
{
    return sizeof(struct fac_value) + len + 1 + (faci_mem_is_libc(alloc) ? 0 : sizeof(*alloc));
}

size_t faci_value_carrying_bytes(const fac_allocator *alloc, size_t len, size_t back_bytes)
{
    return FACI_VALUE_FRONT_BYTES + plain_bytes(alloc, len) + back_bytes;
}

static void set_len(fac_value *value, const fac_allocator *alloc, size_t len, uint32_t flags)
{
    value->len_and_flags = (uint32_t)len | flags;
    value->data[len] = '\0';
    if ((flags & FACI_VALUE_HAS_HOOK) != 0) {
        memcpy(value->data + len + 1, alloc, sizeof(*alloc)); /* unaligned on purpose */
    }
}

fac_value *faci_value_new(const fac_allocator *alloc, size_t len)
{
    if (len > FACI_VALUE_MAX_LEN) {
        return NULL;
    }
    fac_value *value = faci_mem_alloc(alloc, plain_bytes(alloc, len));
    if (value != NULL) {
        atomic_init(&value->refs, 1U);
        set_len(value, alloc, len, faci_mem_is_libc(alloc) ? 0 : FACI_VALUE_HAS_HOOK);
    }
    return value;
}

fac_value *faci_value_new_carrying(const fac_allocator *alloc, size_t len, size_t back_bytes)
{
    if (len > FACI_VALUE_MAX_LEN || back_bytes > FACI_VALUE_MAX_LEN) {
        return NULL;
    }
    void *front = faci_mem_alloc(alloc, faci_value_carrying_bytes(alloc, len, back_bytes));
    if (front == NULL) {
        return NULL;
    }
    fac_value *value = faci_value_behind(front);
    atomic_init(&value->refs, 1U);
    set_len(value, alloc, len,
            FACI_VALUE_IS_CARRYING | (faci_mem_is_libc(alloc) ? 0 : FACI_VALUE_HAS_HOOK));
    return value;
}

fac_value *faci_value_resize(fac_value *value, const fac_allocator *alloc, size_t len)
{
    faci_assert((value->len_and_flags & FACI_VALUE_IS_CARRYING) == 0);
    if (len > FACI_VALUE_MAX_LEN) {
        return NULL;
    }
    fac_value *moved = faci_mem_realloc(alloc, value, plain_bytes(alloc, len));
    if (moved != NULL) {
        set_len(moved, alloc, len, moved->len_and_flags & ~FACI_VALUE_MAX_LEN);
    }
    return moved;
}

unsigned char *faci_value_data(fac_value *value)
{
    return value->data;
}

fac_bytes fac_value_bytes(const fac_value *value)
{
    return value == NULL ? fac_mem(NULL, 0) : fac_mem(value->data, faci_value_len(value));
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
    if ((value->len_and_flags & FACI_VALUE_HAS_HOOK) != 0) {
        memcpy(&alloc, value->data + faci_value_len(value) + 1, sizeof(alloc));
    }
    bool is_carrying = (value->len_and_flags & FACI_VALUE_IS_CARRYING) != 0;
    faci_mem_free(&alloc, is_carrying ? faci_value_front(value) : value);
}
