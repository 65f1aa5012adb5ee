/* SPDX-License-Identifier: MIT */
/* kit/wait.h — waiting for something that another thread or process does: always for a condition,
 * never for a time; and running a few threads at once. */
#ifndef FAC_KIT_WAIT_H
#define FAC_KIT_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds on the monotonic clock. */
int64_t kit_now_ms(void);

/* Give the processor away for about a millisecond. Only between two looks at a condition. */
void kit_nap(void);

/* Assert that `condition` comes to hold within `within_ms`. A statement. */
#define KIT_WAIT_FOR(within_ms, condition)                          \
    do {                                                            \
        int64_t kit_give_up_at_ms = kit_now_ms() + (within_ms);     \
        while (!(condition)) {                                      \
            if (kit_now_ms() > kit_give_up_at_ms) {                 \
                kit_waited_in_vain(#condition, __FILE__, __LINE__); \
            }                                                       \
            kit_nap();                                              \
        }                                                           \
    } while (0)
void kit_waited_in_vain(const char *condition, const char *file, int line);

/* How much later than its deadline a call may return: what a thread may wait for a processor, or a
 * server for one, on a machine that others use. How late calls really are is measured against plain
 * threads (fault/late.h). */
int64_t kit_margin_ms(void);

/* Whether AddressSanitizer or ThreadSanitizer watches, under which all takes many times as long. */
bool kit_is_sanitized(void);

/* A door that starts closed. Any thread. */
struct kit_gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_open;
};

void kit_gate_init(struct kit_gate *gate);
void kit_gate_fini(struct kit_gate *gate);
void kit_gate_open(struct kit_gate *gate);
bool kit_gate_is_open(struct kit_gate *gate);

/* A function that runs on a thread of its own. It must not assert: cmocka knows one thread. It
 * writes what it saw where the test looks after the join. */
typedef void kit_thread_fn(size_t index, void *context);

struct kit_threads;

/* Start `n` threads, indexes 0 to n - 1, which begin together; join ends and frees them. */
struct kit_threads *kit_threads_start(size_t n, kit_thread_fn *fn, void *context);
void kit_threads_join(struct kit_threads *threads);

#endif
