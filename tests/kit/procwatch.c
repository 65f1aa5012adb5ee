/* SPDX-License-Identifier: MIT */
/* kit/procwatch.c — /proc/self/fd counted, /proc/self/status read. */
#include "kit/procwatch.h"

#include "kit/kit.h"
#include "kit/wait.h"

#include <dirent.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    BACK_WITHIN_MS = 5000
};

static size_t count_entries(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    size_t n = 0;
    while (readdir(dir) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        n++;
    }
    (void)closedir(dir);
    return n - 2; /* itself and above */
}

bool kit_is_left_out_of_core_files(const void *address)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    assert_non_null(file);
    char line[4096 + 128];
    bool is_in = false;
    bool is_left_out = false;
    while (fgets(line, sizeof(line), file) != NULL) {
        char *end = NULL;
        uintptr_t from = (uintptr_t)strtoull(line, &end, 16);
        if (end != line && *end == '-') {
            uintptr_t to = (uintptr_t)strtoull(end + 1, NULL, 16);
            is_in = (uintptr_t)address >= from && (uintptr_t)address < to;
        } else if (is_in && strncmp(line, "VmFlags:", 8) == 0) {
            is_left_out = strstr(line, " dd") != NULL;
        }
    }
    (void)fclose(file);
    return is_left_out;
}

size_t kit_count_fds(void)
{
    return count_entries("/proc/self/fd") - 1; /* without the one that looked */
}

size_t kit_count_threads(void)
{
    return count_entries("/proc/self/task");
}

static void *note_own_number(void *argument)
{
    long *number = argument;
    *number = syscall(SYS_gettid);
    return NULL;
}

/* With the first thread of a process come things that stay: ThreadSanitizer's own thread is one. A
 * thread that was joined may be seen for a moment longer. */
static void start_the_first_thread(void)
{
    pthread_t thread;
    long number = 0;
    if (pthread_create(&thread, NULL, note_own_number, &number) == 0) {
        char path[64];
        (void)pthread_join(thread, NULL);
        (void)snprintf(path, sizeof(path), "/proc/self/task/%ld", number);
        KIT_WAIT_FOR(BACK_WITHIN_MS, access(path, F_OK) != 0);
    }
}

struct kit_procwatch kit_procwatch_take(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, start_the_first_thread);
    struct kit_procwatch watch = {.n_fds = kit_count_fds()};
    FILE *status = fopen("/proc/self/status", "re");
    assert_non_null(status);
    char line[256];
    while (fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, "Threads:", 8) == 0) {
            watch.n_threads = strtoul(line + 8, NULL, 10);
        } else if (strncmp(line, "VmRSS:", 6) == 0) {
            watch.rss_bytes = strtoul(line + 6, NULL, 10) * 1024;
        }
    }
    (void)fclose(status);
    assert_true(watch.n_threads > 0 && watch.rss_bytes > 0);
    return watch;
}

void kit_procwatch_assert_back(const struct kit_procwatch *before, size_t rss_slack_bytes)
{
    /* A thread that was joined may still be seen for a moment. */
    int64_t give_up_at_ms = kit_now_ms() + BACK_WITHIN_MS;
    struct kit_procwatch now = kit_procwatch_take();
    while ((now.n_fds > before->n_fds || now.n_threads > before->n_threads) &&
           kit_now_ms() < give_up_at_ms) {
        kit_nap();
        now = kit_procwatch_take();
    }
    if (now.n_fds != before->n_fds || now.n_threads != before->n_threads ||
        now.rss_bytes > before->rss_bytes + rss_slack_bytes) {
        fail_msg("descriptors %zu -> %zu, threads %zu -> %zu, memory %zu -> %zu KiB",
                 before->n_fds, now.n_fds, before->n_threads, now.n_threads,
                 before->rss_bytes / 1024, now.rss_bytes / 1024);
    }
}
