/* SPDX-License-Identifier: MIT */
/* kit/wait.c — conditions, gates and threads. */
#include "kit/wait.h"

#include "kit/kit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#        define KIT_IS_SANITIZED 1
#    endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define KIT_IS_SANITIZED 1
#endif
#if !defined(KIT_IS_SANITIZED)
#    define KIT_IS_SANITIZED 0
#endif

int64_t kit_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void kit_nap(void)
{
    (void)poll(NULL, 0, 1);
}

int64_t kit_margin_ms(void)
{
    return 4000;
}

bool kit_is_sanitized(void)
{
    return KIT_IS_SANITIZED;
}

void kit_waited_in_vain(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "waited in vain for: %s\n", condition);
    _fail(file, line);
}

void kit_gate_init(struct kit_gate *gate)
{
    (void)pthread_mutex_init(&gate->lock, NULL);
    (void)pthread_cond_init(&gate->changed, NULL);
    gate->is_open = false;
}

void kit_gate_fini(struct kit_gate *gate)
{
    (void)pthread_cond_destroy(&gate->changed);
    (void)pthread_mutex_destroy(&gate->lock);
}

void kit_gate_open(struct kit_gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    gate->is_open = true;
    (void)pthread_cond_broadcast(&gate->changed);
    (void)pthread_mutex_unlock(&gate->lock);
}

bool kit_gate_is_open(struct kit_gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    bool is_open = gate->is_open;
    (void)pthread_mutex_unlock(&gate->lock);
    return is_open;
}

struct one_thread {
    pthread_t thread;
    size_t index;
    struct kit_threads *all;
};

struct kit_threads {
    struct kit_gate start;
    kit_thread_fn *fn;
    void *context;
    size_t n;
    struct one_thread *each;
};

static void *run_one(void *argument)
{
    struct one_thread *one = argument;
    struct kit_gate *start = &one->all->start;
    (void)pthread_mutex_lock(&start->lock);
    while (!start->is_open) {
        (void)pthread_cond_wait(&start->changed, &start->lock);
    }
    (void)pthread_mutex_unlock(&start->lock);
    one->all->fn(one->index, one->all->context);
    return NULL;
}

struct kit_threads *kit_threads_start(size_t n, kit_thread_fn *fn, void *context)
{
    struct kit_threads *threads = calloc(1, sizeof(*threads));
    struct one_thread *each = calloc(n, sizeof(*each));
    if (threads == NULL || each == NULL) {
        abort();
    }
    kit_gate_init(&threads->start);
    threads->fn = fn;
    threads->context = context;
    threads->n = n;
    threads->each = each;
    for (size_t i = 0; i < n; i++) {
        each[i].index = i;
        each[i].all = threads;
        if (pthread_create(&each[i].thread, NULL, run_one, &each[i]) != 0) {
            abort();
        }
    }
    kit_gate_open(&threads->start);
    return threads;
}

void kit_threads_join(struct kit_threads *threads)
{
    for (size_t i = 0; i < threads->n; i++) {
        (void)pthread_join(threads->each[i].thread, NULL);
    }
    kit_gate_fini(&threads->start);
    free(threads->each);
    free(threads);
}
