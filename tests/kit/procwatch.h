/* SPDX-License-Identifier: MIT */
/* kit/procwatch.h — what this process holds: descriptors, threads, memory, as /proc tells it. */
#ifndef FAC_KIT_PROCWATCH_H
#define FAC_KIT_PROCWATCH_H

#include <stdbool.h>
#include <stddef.h>

struct kit_procwatch {
    size_t n_fds;
    size_t n_threads;
    size_t rss_bytes;
};

/* Open descriptors, and threads, now. Each asserts that /proc can be read. */
size_t kit_count_fds(void);
size_t kit_count_threads(void);

/* Whether the page with this address is left out of core files (VmFlags "dd"). */
bool kit_is_left_out_of_core_files(const void *address);

/* Look now. Asserts that /proc can be read. */
struct kit_procwatch kit_procwatch_take(void);

/* Assert that descriptors and threads come back to what they were within five seconds, and that
 * no more than so many bytes of memory came with them. */
void kit_procwatch_assert_back(const struct kit_procwatch *before, size_t rss_slack_bytes);

#endif
