/* SPDX-License-Identifier: MIT */
/* base/assert.h — what must never be false. For bugs of ours only: never for the wire, the
 * environment or the caller's data. faci_assert goes away with NDEBUG; faci_check stays, and
 * stands where going on would break memory. */
#ifndef FACI_BASE_ASSERT_H
#define FACI_BASE_ASSERT_H

/* Prints the place and the condition, then aborts. */
_Noreturn void faci_assert_failed(const char *file, int line, const char *condition);

#define faci_check(condition) \
    ((condition) ? (void)0 : faci_assert_failed(__FILE__, __LINE__, #condition))

#ifdef NDEBUG
#    define faci_assert(condition) ((void)sizeof(condition))
#else
#    define faci_assert(condition) faci_check(condition)
#endif

#define FACI_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
