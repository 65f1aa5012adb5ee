/* SPDX-License-Identifier: MIT */
/* base/wait.h — sleeping until somebody says that a word has changed. Many threads may sleep on
 * one word, told apart by a bit, and one call wakes any set of them. Two rooms do it: wait_futex.c
 * with one system call of Linux, wait_pthread.c with what POSIX has; the build takes one. */
#ifndef FACI_BASE_WAIT_H
#define FACI_BASE_WAIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Zero to begin with. Its value has no meaning but that it changes. */
struct faci_wait_word {
    atomic_uint value;
};

/* Every sleeper. */
#define FACI_WAIT_ALL UINT32_MAX

/*
 * To sleep: look at the word, then at the condition, then sleep with what was seen. Whoever makes
 * the condition true wakes after that; so no wake-up is lost.
 */
static inline uint32_t faci_wait_look(const struct faci_wait_word *word)
{
    return atomic_load_explicit(&word->value, memory_order_acquire);
}

/* Before any of the two below, and before a fork watch whose locks are held while they are called. */
void faci_wait_init(void);

/* Sleep while the word is as `seen`, until woken by one of `bits` or until `until_ns` (monotonic;
 * FACI_NEVER_NS: without end). Returns early at times. False when `until_ns` has passed. */
bool faci_wait_sleep(struct faci_wait_word *word, uint32_t seen, uint32_t bits,
                     int64_t until_ns);

/* Change the word and wake all who sleep with one of `bits`. */
void faci_wait_wake(struct faci_wait_word *word, uint32_t bits);

#endif
