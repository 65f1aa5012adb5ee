/* SPDX-License-Identifier: MIT */
/* net/address.c — numbers inline, names on a detached thread.
 *
 * Design notes. A lookup is a job, counted by its thread, by the resolver and by each caller that
 * waits for it; whoever lets go last frees it. So a caller leaves at its deadline and a resolver
 * is freed while the thread still hangs in getaddrinfo. Jobs use malloc, not the cache's hook: the
 * thread may outlive the cache. Lock order: resolver, then job. After a fork the thread of a job
 * is gone in the child: a job of another process is not waited for. */
#include "net/address.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/sync.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    LOOKUP_STACK_BYTES = 256 * 1024, /* getaddrinfo and the modules behind it */
    PORT_TEXT_BYTES = 8,
};

struct job {
    struct faci_mutex lock;
    struct faci_cond ended;
    unsigned refs;  /* guarded by lock */
    bool has_ended; /* guarded by lock */
    pid_t pid;
    int gai_error;
    int os_errno;
    struct faci_addresses result;
    char port[PORT_TEXT_BYTES];
    char host[];
};

struct faci_resolver {
    const fac_allocator *alloc;
    struct faci_mutex lock;
    struct job *job; /* the last one; guarded by lock */
    atomic_bool is_closed;
    uint16_t port;
    char host[];
};

static void job_unref(struct job *job)
{
    faci_mutex_lock(&job->lock);
    unsigned left = --job->refs;
    faci_mutex_unlock(&job->lock);
    if (left == 0) {
        faci_mutex_fini(&job->lock);
        faci_cond_fini(&job->ended);
        faci_mem_free(&k_faci_libc, job);
    }
}

static void append(struct faci_addresses *list, const void *address, socklen_t len)
{
    if (list->n < FACI_ADDRESSES_MAX && len <= sizeof(list->list[0].storage)) {
        memcpy(&list->list[list->n].storage, address, len);
        list->list[list->n].len = len;
        list->n++;
    }
}

static void *run_job(void *context)
{
    struct job *job = context;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(job->host, job->port, &hints, &found);
    int os_errno = rc == EAI_SYSTEM ? errno : 0;

    faci_mutex_lock(&job->lock);
    job->gai_error = rc;
    job->os_errno = os_errno;
    if (rc == 0) {
        for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
            append(&job->result, at->ai_addr, at->ai_addrlen);
        }
    }
    job->has_ended = true;
    faci_cond_broadcast(&job->ended);
    faci_mutex_unlock(&job->lock);

    if (found != NULL) {
        freeaddrinfo(found);
    }
    job_unref(job);
    return NULL;
}

/* The thread runs with every signal blocked: they belong to the application's threads. */
static int start_thread(struct job *job)
{
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (rc != 0) {
        return rc;
    }
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attr, LOOKUP_STACK_BYTES);
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    rc = pthread_create(&thread, &attr, run_job, job);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return rc;
}

static struct job *job_new(const struct faci_resolver *resolver)
{
    size_t host_bytes = strlen(resolver->host) + 1;
    struct job *job = faci_mem_zalloc(&k_faci_libc, sizeof(*job) + host_bytes);
    if (job != NULL) {
        faci_mutex_init(&job->lock);
        faci_cond_init(&job->ended);
        job->pid = getpid();
        (void)faci_number_format_u64(resolver->port, job->port);
        memcpy(job->host, resolver->host, host_bytes);
    }
    return job;
}

/* The lookup under way, with a reference of the caller's; NULL when there is none to wait for. */
static struct job *join_running_locked(struct faci_resolver *resolver)
    FACI_REQUIRES(&resolver->lock)
{
    struct job *job = resolver->job;
    if (job == NULL) {
        return NULL;
    }
    faci_mutex_lock(&job->lock);
    bool is_running = !job->has_ended && job->pid == getpid();
    if (is_running) {
        job->refs++;
    }
    faci_mutex_unlock(&job->lock);
    return is_running ? job : NULL;
}

static fac_status start_job_locked(struct faci_resolver *resolver, struct job **out,
                                   fac_error *err) FACI_REQUIRES(&resolver->lock)
{
    struct job *job = job_new(resolver);
    if (job == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    job->refs = 3; /* thread, resolver, caller: before any of them can let go */
    int rc = start_thread(job);
    if (rc != 0) {
        char text[96];
        job->refs = 1;
        job_unref(job);
        return faci_fail(err, FAC_E_UNAVAILABLE, rc, "cannot start a name lookup: %s",
                         faci_errno_text(rc, text, sizeof(text)));
    }
    if (resolver->job != NULL) {
        job_unref(resolver->job);
    }
    resolver->job = job;
    *out = job;
    return FAC_OK;
}

static fac_status wait_for_job(struct faci_resolver *resolver, struct job *job,
                               int64_t deadline_ns, struct faci_addresses *out, fac_error *err)
{
    bool is_in_time = true;
    faci_mutex_lock(&job->lock);
    while (!job->has_ended && is_in_time && !atomic_load(&resolver->is_closed)) {
        is_in_time = faci_cond_wait_until(&job->ended, &job->lock, deadline_ns);
    }
    bool has_ended = job->has_ended;
    faci_mutex_unlock(&job->lock);

    if (atomic_load(&resolver->is_closed)) {
        return faci_fail(err, FAC_E_CLOSED, 0, "the cache was closed");
    }
    if (!has_ended) {
        return faci_fail(err, FAC_E_TIMEOUT, 0, "looking up %s took too long", resolver->host);
    }
    if (job->gai_error != 0) {
        return faci_fail(err, FAC_E_UNAVAILABLE, job->os_errno, "cannot resolve %s: %s",
                         resolver->host, gai_strerror(job->gai_error));
    }
    if (job->result.n == 0) {
        return faci_fail(err, FAC_E_UNAVAILABLE, 0, "%s has no address", resolver->host);
    }
    *out = job->result;
    return FAC_OK;
}

static void append_v4(struct faci_addresses *out, struct in_addr address, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    in.sin_addr = address;
    append(out, &in, sizeof(in));
}

static void append_v6(struct faci_addresses *out, const struct in6_addr *address, uint16_t port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    in6.sin6_addr = *address;
    append(out, &in6, sizeof(in6));
}

static bool lookup_inline(const char *host, uint16_t port, struct faci_addresses *out)
{
    struct in_addr v4;
    struct in6_addr v6;
    out->n = 0;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        append_v4(out, v4, port);
    } else if (inet_pton(AF_INET6, host, &v6) == 1) {
        append_v6(out, &v6, port);
    } else if (strcasecmp(host, "localhost") == 0) {
        append_v4(out, (struct in_addr){.s_addr = htonl(INADDR_LOOPBACK)}, port);
        append_v6(out, &in6addr_loopback, port);
    }
    return out->n > 0;
}

fac_status faci_resolver_new(const fac_allocator *alloc, const char *host, uint16_t port,
                             struct faci_resolver **out, fac_error *err)
{
    size_t host_bytes = strlen(host) + 1;
    struct faci_resolver *resolver = faci_mem_zalloc(alloc, sizeof(*resolver) + host_bytes);
    if (resolver == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    resolver->alloc = alloc;
    resolver->port = port;
    memcpy(resolver->host, host, host_bytes);
    faci_mutex_init(&resolver->lock);
    atomic_init(&resolver->is_closed, false);
    *out = resolver;
    return FAC_OK;
}

void faci_resolver_free(struct faci_resolver *resolver)
{
    if (resolver != NULL) {
        if (resolver->job != NULL) {
            job_unref(resolver->job);
        }
        faci_mutex_fini(&resolver->lock);
        faci_mem_free(resolver->alloc, resolver);
    }
}

void faci_resolver_lock(struct faci_resolver *resolver) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_lock(&resolver->lock);
    if (resolver->job != NULL) {
        faci_mutex_lock(&resolver->job->lock);
    }
}

void faci_resolver_unlock(struct faci_resolver *resolver) FACI_NO_LOCK_ANALYSIS
{
    if (resolver->job != NULL) {
        faci_mutex_unlock(&resolver->job->lock);
    }
    faci_mutex_unlock(&resolver->lock);
}

void faci_resolver_close(struct faci_resolver *resolver)
{
    atomic_store(&resolver->is_closed, true);
    faci_mutex_lock(&resolver->lock);
    struct job *job = resolver->job;
    if (job != NULL) {
        faci_mutex_lock(&job->lock);
        faci_cond_broadcast(&job->ended);
        faci_mutex_unlock(&job->lock);
    }
    faci_mutex_unlock(&resolver->lock);
}

fac_status faci_resolver_lookup(struct faci_resolver *resolver, int64_t deadline_ns,
                                struct faci_addresses *out, fac_error *err)
{
    if (atomic_load(&resolver->is_closed)) {
        return faci_fail(err, FAC_E_CLOSED, 0, "the cache was closed");
    }
    if (lookup_inline(resolver->host, resolver->port, out)) {
        return FAC_OK;
    }
    struct job *job = NULL;
    fac_status st = FAC_OK;
    faci_mutex_lock(&resolver->lock);
    job = join_running_locked(resolver);
    if (job == NULL) {
        st = start_job_locked(resolver, &job, err);
    }
    faci_mutex_unlock(&resolver->lock);
    if (st < 0) {
        return st;
    }
    faci_assert(job != NULL);
    st = wait_for_job(resolver, job, deadline_ns, out, err);
    job_unref(job);
    return st;
}

fac_status faci_address_of_unix(const char *path, struct faci_addresses *out, fac_error *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(un.sun_path)) {
        return faci_fail(err, FAC_E_CONFIG, 0, "the socket path is %zu bytes long, at most %zu",
                         len, sizeof(un.sun_path) - 1);
    }
    memcpy(un.sun_path, path, len + 1);
    out->n = 0;
    append(out, &un, sizeof(un));
    return FAC_OK;
}
