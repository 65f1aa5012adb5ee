/* SPDX-License-Identifier: MIT */
/* fault/crowd.h — thousands of threads with small stacks, and what the process holds. */
#ifndef FAC_FAULT_CROWD_H
#define FAC_FAULT_CROWD_H

#include "kit/wait.h"

#include <stddef.h>

struct crowd;

/* Start `n` threads; unlike kit_threads_start() they begin as they are made. */
struct crowd *crowd_start(size_t n, kit_thread_fn *fn, void *context);
void crowd_join(struct crowd *crowd);

/* Memory of this process, now. */
size_t crowd_resident_bytes(void);

#endif
