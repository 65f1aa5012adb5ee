/* SPDX-License-Identifier: MIT */
/* fault/late.h — how late calls return, next to how late this machine wakes plain threads that
 * wait for a condition in the same process at the same time. */
#ifndef FAC_FAULT_LATE_H
#define FAC_FAULT_LATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* A busy machine makes a call late at random, the library does it each time: where only the
     * finer bars are missed, the measurement is made again, so often at most. */
    LATE_ROUNDS = 6
};

/* Microseconds on the monotonic clock. */
int64_t late_now_us(void);

/* Let time pass: the length of an experiment, never a way to wait for something. */
void late_pass_ms(int64_t ms);

/* --- Records -------------------------------------------------------------------------------- */

/* Times in microseconds. Any thread may add; beyond its room only the greatest is kept. */
struct late {
    size_t cap;
    atomic_int *us;
    atomic_size_t n;
    atomic_int max_us;
};

void late_init(struct late *late, size_t cap);
void late_fini(struct late *late);
void late_clear(struct late *late);
void late_add(struct late *late, int64_t us);

/* The value that so many of a thousand do not exceed; 0 for an empty record. */
int64_t late_permille(struct late *late, unsigned permille);
int64_t late_max(const struct late *late);

/* How long the calling thread has stood in line for a processor since it began, in microseconds:
 * the machine's share of its lateness, as the kernel counts it. 0 where it does not. */
int64_t late_queued_us(void);

/* The same of another process's main thread. */
int64_t late_queued_of_us(int pid);

/* Lateness in full, and without what the thread itself stood in line meanwhile. */
struct lateness {
    struct late full;
    struct late own;
    atomic_int pulse_us; /* of control threads: see late_control_start() */
};

void lateness_init(struct lateness *lateness, size_t cap);
void lateness_fini(struct lateness *lateness);
void lateness_clear(struct lateness *lateness);
void lateness_add(struct lateness *lateness, int64_t us, int64_t queued_us);

/* Add all of another record that nobody writes to any more. */
void lateness_add_all(struct lateness *lateness, const struct lateness *other);

/* --- The machine ---------------------------------------------------------------------------- */

struct late_control;

/* Start threads that wait `wait_ms` for a condition that never comes, again and again. Next to
 * them one thread on each processor wakes every millisecond: a processor may be away for long
 * between two wake-ups of the others, or where none of them is. */
struct late_control *late_control_start(size_t n, uint32_t wait_ms);

/* The greatest lateness so far, of those too. */
int64_t late_control_max_us(const struct late_control *control);

/* End them and add their lateness to `out`. */
void late_control_stop(struct late_control *control, struct lateness *out);

/* --- The bars ------------------------------------------------------------------------------- */

/*
 * True when the finer bars hold: p99.9 at most 5 ms beyond the control's, the greatest at most
 * 10 ms; in full, or without the time that each thread stood in line. When the control says that
 * the machine is crowded, lateness in full says nothing, and the greatest belong to threads that
 * waited for a lock whose holder stood in line: then p99 of the latter has to be at most 5 ms
 * beyond the control's. Asserts the coarse bar, 50 ms (500 ms under a sanitizer) beyond the latest
 * thread of the control on any processor, unless it is crowded. Prints all of it.
 */
bool late_is_within_bars(const char *what, struct lateness *calls, struct lateness *control);

#endif
