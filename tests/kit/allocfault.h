/* SPDX-License-Identifier: MIT */
/* kit/allocfault.h — allocations of the library that fail on command, told apart by the place in
 * the code that asked. The linker's --wrap binds every call of base/mem.h from another file to a
 * wrapper, so what uses malloc instead of the cache's hook is reached, too. Only threads
 * inside the library are affected (kit/client.h). */
#ifndef FAC_KIT_ALLOCFAULT_H
#define FAC_KIT_ALLOCFAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KIT_ALLOCFAULT_LOG_MAX = 4096
};

/* Fail the n-th allocation from now (1 is the next one), and all after it when `and_on`. 0: none.
 * Any thread's count. */
void kit_allocfault_arm(size_t n, bool and_on);

/* Fail the next allocation of one place, as kit_allocfault_recorded() tells it; and all after it,
 * anywhere, when `and_on`. */
void kit_allocfault_arm_place(uintptr_t place, bool and_on);

/* Fail each with a chance of `in_thousand`; 0: none. */
void kit_allocfault_arm_chance(unsigned in_thousand, uint64_t seed);
void kit_allocfault_lift(void);

/* Failures since the last arm, and of all time; allocations of the client of all time. */
size_t kit_allocfault_n_now(void);
size_t kit_allocfault_n_failed(void);
size_t kit_allocfault_n_calls(void);

/* Remember the place of every allocation of the client from now on, in order; the count of
 * what was remembered. A place is its offset in the executable. */
void kit_allocfault_record(void);
size_t kit_allocfault_recorded(const uintptr_t **out);

/* Append the places that failed so far, one hexadecimal offset a line, to the file that
 * FAC_TEST_SITES names; nothing without it. */
void kit_allocfault_report(void);
size_t kit_allocfault_n_sites(void);

#endif
