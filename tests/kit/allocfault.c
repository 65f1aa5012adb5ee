/* SPDX-License-Identifier: MIT */
/* kit/allocfault.c — wrappers of base/mem.h that count, remember places and fail. */
#include "kit/allocfault.h"

#include "kit/client.h"

#include <faciliter/alloc.h>

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SITES_MAX = 1024 /* a power of two */
};

static atomic_size_t countdown;  /* allocations until the first failure; 0: it is over */
static atomic_uintptr_t awaited; /* the place that fails next; 0: any */
static atomic_bool goes_on;
static atomic_uint chance; /* in a thousand */
static atomic_uint_fast64_t random_state;
static atomic_size_t n_now;
static atomic_size_t n_failed;
static atomic_size_t n_calls;
static atomic_uintptr_t sites[SITES_MAX];
static atomic_size_t n_sites;
static atomic_bool is_recording;
static atomic_size_t n_recorded;
static uintptr_t records[KIT_ALLOCFAULT_LOG_MAX];

/* The linker's name.
 * NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,readability-identifier-naming) */
extern const char __executable_start[];

static void note_site(uintptr_t site)
{
    for (size_t i = (size_t)(site * UINT64_C(0x9e3779b97f4a7c15) >> 40);; i++) {
        uintptr_t found = 0;
        if (atomic_compare_exchange_strong(&sites[i % SITES_MAX], &found, site)) {
            (void)atomic_fetch_add(&n_sites, 1U);
            return;
        }
        if (found == site) {
            return;
        }
    }
}

static bool is_due(uintptr_t site)
{
    uintptr_t place = site;
    if (atomic_load(&awaited) == site && atomic_compare_exchange_strong(&awaited, &place, 0)) {
        atomic_store(&countdown, atomic_load(&goes_on) ? 1U : 0U);
        return true;
    }
    size_t left = atomic_load(&countdown);
    while (left > 0) {
        if (left == 1 && atomic_load(&goes_on)) {
            return true;
        }
        if (atomic_compare_exchange_weak(&countdown, &left, left - 1)) {
            return left == 1;
        }
    }
    unsigned in_thousand = atomic_load(&chance);
    if (in_thousand == 0) {
        return false;
    }
    /* splitmix64: one atomic step gives each thread a number of its own */
    uint64_t z = atomic_fetch_add(&random_state, UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z >> 33) % 1000 < in_thousand;
}

static bool fails(const void *address)
{
    if (!kit_client_is_inside()) {
        return false;
    }
    uintptr_t site = (uintptr_t)address - (uintptr_t)__executable_start;
    (void)atomic_fetch_add(&n_calls, 1U);
    if (atomic_load(&is_recording)) {
        size_t at = atomic_fetch_add(&n_recorded, 1U);
        if (at < KIT_ALLOCFAULT_LOG_MAX) {
            records[at] = site;
        }
    }
    if (!is_due(site)) {
        return false;
    }
    (void)atomic_fetch_add(&n_now, 1U);
    (void)atomic_fetch_add(&n_failed, 1U);
    note_site(site);
    return true;
}

static void arm(size_t n, bool and_on, unsigned in_thousand)
{
    atomic_store(&is_recording, false);
    atomic_store(&n_now, 0U);
    atomic_store(&goes_on, and_on);
    atomic_store(&chance, in_thousand);
    atomic_store(&awaited, 0);
    atomic_store(&countdown, n);
}

void kit_allocfault_arm(size_t n, bool and_on)
{
    arm(n, and_on, 0);
}

void kit_allocfault_arm_place(uintptr_t place, bool and_on)
{
    arm(0, and_on, 0);
    atomic_store(&awaited, place);
}

void kit_allocfault_arm_chance(unsigned in_thousand, uint64_t seed)
{
    atomic_store(&random_state, seed);
    arm(0, false, in_thousand);
}

void kit_allocfault_lift(void)
{
    atomic_store(&chance, 0U);
    atomic_store(&awaited, 0);
    atomic_store(&countdown, 0U);
    atomic_store(&is_recording, false);
}

size_t kit_allocfault_n_now(void)
{
    return atomic_load(&n_now);
}

size_t kit_allocfault_n_failed(void)
{
    return atomic_load(&n_failed);
}

size_t kit_allocfault_n_calls(void)
{
    return atomic_load(&n_calls);
}

void kit_allocfault_record(void)
{
    kit_allocfault_lift();
    atomic_store(&n_recorded, 0U);
    atomic_store(&is_recording, true);
}

size_t kit_allocfault_recorded(const uintptr_t **out)
{
    size_t n = atomic_load(&n_recorded);
    *out = records;
    return n < KIT_ALLOCFAULT_LOG_MAX ? n : KIT_ALLOCFAULT_LOG_MAX;
}

size_t kit_allocfault_n_sites(void)
{
    return atomic_load(&n_sites);
}

void kit_allocfault_report(void)
{
    const char *path = getenv("FAC_TEST_SITES"); /* NOLINT(concurrency-mt-unsafe) */
    FILE *file = path != NULL ? fopen(path, "ae") : NULL;
    if (file == NULL) {
        return;
    }
    for (size_t i = 0; i < SITES_MAX; i++) {
        uintptr_t site = atomic_load(&sites[i]);
        if (site != 0) {
            (void)fprintf(file, "%" PRIxPTR "\n", site);
        }
    }
    (void)fclose(file);
}

/* --- The wrappers ---------------------------------------------------------------------------- */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c): the linker gives these names */
#define WRAPPED(type, name, parameters) \
    type __real_##name parameters;      \
    type __wrap_##name parameters;      \
    type __wrap_##name parameters

#define HERE __builtin_return_address(0)

WRAPPED(void *, faci_mem_alloc, (const fac_allocator *alloc, size_t bytes))
{
    return fails(HERE) ? NULL : __real_faci_mem_alloc(alloc, bytes);
}

WRAPPED(void *, faci_mem_zalloc, (const fac_allocator *alloc, size_t bytes))
{
    return fails(HERE) ? NULL : __real_faci_mem_zalloc(alloc, bytes);
}

WRAPPED(void *, faci_mem_zalloc_array, (const fac_allocator *alloc, size_t count, size_t each))
{
    return fails(HERE) ? NULL : __real_faci_mem_zalloc_array(alloc, count, each);
}

WRAPPED(void *, faci_mem_realloc, (const fac_allocator *alloc, void *block, size_t bytes))
{
    return fails(HERE) ? NULL : __real_faci_mem_realloc(alloc, block, bytes);
}

WRAPPED(char *, faci_mem_copy_string,
        (const fac_allocator *alloc, const char *bytes, size_t len))
{
    return fails(HERE) ? NULL : __real_faci_mem_copy_string(alloc, bytes, len);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c) */
