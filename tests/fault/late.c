/* SPDX-License-Identifier: MIT */
/* fault/late.c — records of lateness, and the control threads that they are compared with. */
#include "fault/late.h"

#include "kit/kit.h"
#include "kit/wait.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    CONTROL_CAP = 1 << 16,
    PULSES_MAX = 16,
    PULSE_US = 1000,
    P999_SLACK_US = 5000,
    STEADY_SLACK_US = 5000,
    MAX_SLACK_US = 10000,
    HARD_SLACK_US = 50000,
    CROWDED_US = 10000, /* the control's p99.9: plain threads wait for a processor that long */
    SANITIZED_SLACK_US = 500000,
};

int64_t late_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void late_pass_ms(int64_t ms)
{
    int64_t until_us = late_now_us() + ms * 1000;
    for (int64_t left_us = ms * 1000; left_us > 0; left_us = until_us - late_now_us()) {
        (void)poll(NULL, 0, (int)((left_us + 999) / 1000));
    }
}

/* --- Records -------------------------------------------------------------------------------- */

void late_init(struct late *late, size_t cap)
{
    late->cap = cap;
    late->us = calloc(cap, sizeof(*late->us));
    if (late->us == NULL) {
        abort();
    }
    late_clear(late);
}

void late_fini(struct late *late)
{
    free(late->us);
}

void late_clear(struct late *late)
{
    atomic_store(&late->n, 0);
    atomic_store(&late->max_us, 0);
}

static void raise_to(atomic_int *max, int value)
{
    int now = atomic_load(max);
    while (value > now && !atomic_compare_exchange_weak(max, &now, value)) {
    }
}

void late_add(struct late *late, int64_t us)
{
    int value = us > INT32_MAX ? INT32_MAX : (int)us;
    size_t i = atomic_fetch_add(&late->n, 1U);
    if (i < late->cap) {
        atomic_store_explicit(&late->us[i], value, memory_order_relaxed);
    }
    raise_to(&late->max_us, value);
}

static int compare(const void *a, const void *b)
{
    int x = *(const int *)a;
    int y = *(const int *)b;
    return (x > y) - (x < y);
}

int64_t late_permille(struct late *late, unsigned permille)
{
    size_t n = atomic_load(&late->n);
    n = n < late->cap ? n : late->cap;
    if (n == 0) {
        return 0;
    }
    int *sorted = calloc(n, sizeof(*sorted));
    if (sorted == NULL) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i] = atomic_load(&late->us[i]);
    }
    qsort(sorted, n, sizeof(*sorted), compare);
    size_t at = n * permille / 1000;
    int value = sorted[at < n ? at : n - 1];
    free(sorted);
    return value;
}

int64_t late_max(const struct late *late)
{
    return atomic_load(&late->max_us);
}

static int64_t read_queued_us(const char *path)
{
    char line[128] = "";
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(line, sizeof(line), file) == NULL) {
            line[0] = '\0';
        }
        (void)fclose(file);
    }
    char *queued = line; /* "time on a processor, time in line, slices": nanoseconds */
    (void)strtoll(line, &queued, 10);
    return strtoll(queued, NULL, 10) / 1000;
}

int64_t late_queued_us(void)
{
    return read_queued_us("/proc/thread-self/schedstat");
}

int64_t late_queued_of_us(int pid)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
    return read_queued_us(path);
}

void lateness_init(struct lateness *lateness, size_t cap)
{
    late_init(&lateness->full, cap);
    late_init(&lateness->own, cap);
    atomic_store(&lateness->pulse_us, 0);
}

void lateness_fini(struct lateness *lateness)
{
    late_fini(&lateness->full);
    late_fini(&lateness->own);
}

void lateness_clear(struct lateness *lateness)
{
    late_clear(&lateness->full);
    late_clear(&lateness->own);
    atomic_store(&lateness->pulse_us, 0);
}

void lateness_add(struct lateness *lateness, int64_t us, int64_t queued_us)
{
    late_add(&lateness->full, us);
    late_add(&lateness->own, us > queued_us ? us - queued_us : 0);
}

static void add_all(struct late *late, const struct late *other)
{
    size_t n = atomic_load(&other->n);
    for (size_t i = 0; i < n && i < other->cap; i++) {
        late_add(late, atomic_load(&other->us[i]));
    }
}

void lateness_add_all(struct lateness *lateness, const struct lateness *other)
{
    add_all(&lateness->full, &other->full);
    add_all(&lateness->own, &other->own);
    raise_to(&lateness->pulse_us, atomic_load(&other->pulse_us));
}

/* --- The machine ---------------------------------------------------------------------------- */

struct late_control {
    pthread_mutex_t lock;
    pthread_cond_t never;
    atomic_bool must_stop;
    uint32_t wait_ms;
    struct lateness late;
    struct kit_threads *threads;
    cpu_set_t processors;
    struct kit_threads *pulses;
};

static void wait_in_vain(size_t index, void *context)
{
    (void)index;
    struct late_control *control = context;
    while (!atomic_load(&control->must_stop)) {
        int64_t queued_us = late_queued_us();
        int64_t until_us = late_now_us() + (int64_t)control->wait_ms * 1000;
        struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
        (void)pthread_mutex_lock(&control->lock);
        while (pthread_cond_clockwait(&control->never, &control->lock, CLOCK_MONOTONIC,
                                      &until) != ETIMEDOUT) {
        }
        (void)pthread_mutex_unlock(&control->lock);
        int64_t late_us = late_now_us() - until_us;
        lateness_add(&control->late, late_us, late_queued_us() - queued_us);
    }
}

/* On the index-th processor of those that this process may use. */
static void wake_every_ms(size_t index, void *context)
{
    struct late_control *control = context;
    cpu_set_t one;
    CPU_ZERO(&one);
    for (size_t cpu = 0, n = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &control->processors) && n++ == index) {
            CPU_SET(cpu, &one);
        }
    }
    (void)sched_setaffinity(0, sizeof(one), &one); /* else it is where it is put */
    while (!atomic_load(&control->must_stop)) {
        int64_t until_us = late_now_us() + PULSE_US;
        struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        raise_to(&control->late.pulse_us, (int)(late_now_us() - until_us));
    }
}

static size_t count_processors(struct late_control *control)
{
    CPU_ZERO(&control->processors);
    if (sched_getaffinity(0, sizeof(control->processors), &control->processors) != 0) {
        return 1;
    }
    size_t n = (size_t)CPU_COUNT(&control->processors);
    return n < PULSES_MAX ? n : PULSES_MAX;
}

struct late_control *late_control_start(size_t n, uint32_t wait_ms)
{
    struct late_control *control = calloc(1, sizeof(*control));
    if (control == NULL) {
        abort();
    }
    (void)pthread_mutex_init(&control->lock, NULL);
    (void)pthread_cond_init(&control->never, NULL);
    control->wait_ms = wait_ms;
    lateness_init(&control->late, CONTROL_CAP);
    control->threads = kit_threads_start(n, wait_in_vain, control);
    control->pulses = kit_threads_start(count_processors(control), wake_every_ms, control);
    return control;
}

int64_t late_control_max_us(const struct late_control *control)
{
    int64_t pulse_us = atomic_load(&control->late.pulse_us);
    int64_t max_us = late_max(&control->late.full);
    return pulse_us > max_us ? pulse_us : max_us;
}

void late_control_stop(struct late_control *control, struct lateness *out)
{
    atomic_store(&control->must_stop, true);
    kit_threads_join(control->threads);
    kit_threads_join(control->pulses);
    lateness_add_all(out, &control->late);
    lateness_fini(&control->late);
    (void)pthread_cond_destroy(&control->never);
    (void)pthread_mutex_destroy(&control->lock);
    free(control);
}

/* --- The bars ------------------------------------------------------------------------------- */

struct verdict {
    bool is_bearable;
    bool is_good;
    bool is_steady;
};

static struct verdict judge(const char *what, const char *how, struct late *calls,
                            struct late *control, int64_t pulse_us)
{
    int64_t p999_us = late_permille(calls, 999);
    int64_t control_p999_us = late_permille(control, 999);
    int64_t max_us = late_max(calls);
    int64_t control_max_us = late_max(control);
    (void)fprintf(stderr,
                  "%s, %s: %zu calls that ran out of time, late by p50 %lld us, p99.9 %lld us, "
                  "max %lld us; control p50 %lld us, p99.9 %lld us, max %lld us, processors "
                  "%lld us\n",
                  what, how, atomic_load(&calls->n), (long long)late_permille(calls, 500),
                  (long long)p999_us, (long long)max_us, (long long)late_permille(control, 500),
                  (long long)control_p999_us, (long long)control_max_us, (long long)pulse_us);
    int64_t hard_us = kit_is_sanitized() ? SANITIZED_SLACK_US : HARD_SLACK_US;
    hard_us += control_max_us > pulse_us ? control_max_us : pulse_us;
    return (struct verdict){
        .is_steady = late_permille(calls, 990) <= late_permille(control, 990) + STEADY_SLACK_US,
        .is_bearable = max_us <= hard_us,
        .is_good = kit_is_sanitized() ? max_us <= hard_us
                                      : p999_us <= control_p999_us + P999_SLACK_US &&
                                            max_us <= control_max_us + MAX_SLACK_US,
    };
}

bool late_is_within_bars(const char *what, struct lateness *calls, struct lateness *control)
{
    int64_t pulse_us = atomic_load(&control->pulse_us);
    struct verdict full = judge(what, "in full", &calls->full, &control->full, pulse_us);
    struct verdict own = judge(what, "own", &calls->own, &control->own, pulse_us);
    bool is_crowded = late_permille(&control->full, 999) > CROWDED_US;
    bool is_bearable = is_crowded || full.is_bearable || own.is_bearable;
    return is_bearable && (own.is_good || full.is_good || (is_crowded && own.is_steady));
}
