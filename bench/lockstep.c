/* SPDX-License-Identifier: MIT */
/* bench/lockstep.c — what sharing connections could save at most here: no cache, no deadline, no
 * parser, and the largest batches there are. Threads come together in groups of a connection each;
 * the last to come sends everybody's GET in one call, receives until all replies are there, and
 * wakes all in one call. What each call still costs is a sleep and a wake-up.
 *
 * A thread that waits longer than STRAGGLERS_MS goes on with those who are there: at a slice's end
 * others have left. */
#include "driver.h"

#include <arpa/inet.h>
#include <linux/futex.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    GROUP_MAX = 32,
    FRAME_MAX_BYTES = 64,
    REPLY_BYTES = 6 + BENCH_SMALL_BYTES +
                  2, /* "$100", the value, and the ends of their lines */
    STRAGGLERS_MS = 5
};

_Static_assert(BENCH_SMALL_BYTES == 100, "the reply's first line has three digits");

struct group {
    pthread_mutex_t lock;
    atomic_uint batch; /* counts up when one has been answered; who waits sleeps on it */
    uint32_t n_threads;
    uint32_t n_gathered;
    size_t n_bytes;
    bool is_broken;
    bool is_sent; /* somebody sends and receives: the next batch gathers after it */
    int fd;
    char frames[GROUP_MAX * FRAME_MAX_BYTES];
    char replies[2][GROUP_MAX * REPLY_BYTES]; /* of this batch, and of the one before */
};

static uint32_t count_groups(struct bench_peer *peer)
{
    return (peer->n_threads + GROUP_MAX - 1) / GROUP_MAX;
}

static long futex(atomic_uint *word, int operation, unsigned value, const struct timespec *time)
{
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, time, NULL, 0);
}

/* --- Opening ------------------------------------------------------------------------------------ */

static int dial(int port)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

static void close_all(struct bench_peer *peer)
{
    for (uint32_t i = 0; i < count_groups(peer); i++) {
        struct group *group = peer->handles[i];
        if (group != NULL) {
            (void)close(group->fd);
            (void)pthread_mutex_destroy(&group->lock);
            free(group);
            peer->handles[i] = NULL;
        }
    }
}

static bool open_all(struct bench_peer *peer, const struct bench_endpoint *endpoint)
{
    const uint32_t n = count_groups(peer);
    for (uint32_t i = 0; i < n; i++) {
        int fd = dial(endpoint->port);
        struct group *group = fd < 0 ? NULL : calloc(1, sizeof(*group));
        if (group == NULL) {
            close_all(peer);
            return bench_broke("lock-step: no connection");
        }
        (void)pthread_mutex_init(&group->lock, NULL);
        group->fd = fd;
        group->n_threads = peer->n_threads / n;
        peer->handles[i] = group;
    }
    return true;
}

/* --- A batch ------------------------------------------------------------------------------------ */

static bool exchange(struct group *group, char *replies, uint32_t n)
{
    if (send(group->fd, group->frames, group->n_bytes, 0) != (ssize_t)group->n_bytes) {
        return bench_broke("lock-step: cannot send");
    }
    size_t n_due = (size_t)n * REPLY_BYTES;
    for (size_t at = 0; at < n_due;) {
        ssize_t got = recv(group->fd, replies + at, n_due - at, 0);
        if (got <= 0) {
            return bench_broke("lock-step: cannot receive");
        }
        at += (size_t)got;
    }
    return true;
}

/* All that gathered, for all. With the lock held, which is let go meanwhile. */
static void lead(struct group *group)
{
    const unsigned batch = atomic_load(&group->batch);
    const uint32_t n = group->n_gathered;
    group->is_sent = true;
    (void)pthread_mutex_unlock(&group->lock);
    bool is_ok = exchange(group, group->replies[batch & 1U], n);
    (void)pthread_mutex_lock(&group->lock);
    group->is_broken = group->is_broken || !is_ok;
    group->is_sent = false;
    group->n_gathered = 0;
    group->n_bytes = 0;
    atomic_store(&group->batch, batch + 1);
    (void)futex(&group->batch, FUTEX_WAKE, GROUP_MAX, NULL);
}

/* With the lock held. */
static void wait_for(struct group *group, unsigned batch)
{
    const struct timespec patience = {.tv_nsec = STRAGGLERS_MS * 1000000L};
    while (atomic_load(&group->batch) == batch) {
        (void)pthread_mutex_unlock(&group->lock);
        (void)futex(&group->batch, FUTEX_WAIT, batch, &patience);
        const bool is_over = atomic_load(&group->batch) != batch;
        if (is_over) {
            return; /* nothing more to do under the lock */
        }
        (void)pthread_mutex_lock(&group->lock);
        if (atomic_load(&group->batch) == batch && !group->is_sent) {
            lead(group);
        }
    }
    (void)pthread_mutex_unlock(&group->lock);
}

static bool get(struct group *group, const struct bench_entry *entry)
{
    (void)pthread_mutex_lock(&group->lock);
    while (group->is_sent) { /* a straggler, after a batch has left without it */
        wait_for(group, atomic_load(&group->batch));
        (void)pthread_mutex_lock(&group->lock);
    }
    const unsigned batch = atomic_load(&group->batch);
    const uint32_t index = group->n_gathered++;
    group->n_bytes += (size_t)snprintf(group->frames + group->n_bytes, FRAME_MAX_BYTES,
                                       "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", entry->full_len,
                                       entry->full_key);
    if (group->n_gathered == group->n_threads) {
        lead(group);
    }
    wait_for(group, batch);
    const char *reply = group->replies[batch & 1U] + (size_t)index * REPLY_BYTES;
    bool is_right = memcmp(reply, "$100\r\n", 6) == 0 &&
                    bench_is_value(entry, reply + 6, BENCH_SMALL_BYTES);
    /* Who slept through a whole batch of the others finds the next one's replies: no matter. */
    return !group->is_broken && (is_right || atomic_load(&group->batch) - batch > 1);
}

static bool run_get(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    struct group *group = peer->handles[thread % count_groups(peer)];
    for (uint32_t i = 0; i < n; i++) {
        const struct bench_entry *entry = bench_next(at);
        if (!get(group, entry)) {
            return bench_broke("lock-step GET %s: a wrong reply", entry->full_key);
        }
    }
    return true;
}

const struct bench_driver k_lockstep_get = {"send and recv for all threads in lock-step",
                                            1,
                                            false,
                                            open_all,
                                            run_get,
                                            close_all,
                                            count_groups};
