/* SPDX-License-Identifier: MIT */
/* base/fork.c — counts forks between this process and the one that loaded the library. */
#include "base/fork.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_uint generation;

static void in_child(void)
{
    atomic_fetch_add_explicit(&generation, 1U, memory_order_relaxed);
}

static void arm(void)
{
    (void)pthread_atfork(NULL, NULL, in_child);
}

unsigned faci_fork_generation(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, arm);
    return atomic_load_explicit(&generation, memory_order_relaxed);
}
