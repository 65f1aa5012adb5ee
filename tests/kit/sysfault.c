/* SPDX-License-Identifier: MIT */
/* kit/sysfault.c — the wrappers behind the linker's --wrap, and who fails when.
 *
 * Design notes. What is in force is one pointer to a constant plan: a wrapper reads it once, so
 * it may be armed and lifted while other threads are inside. Everything else is an atomic counter
 * or belongs to one thread. A failed close has closed (as Linux does), and a connect that is
 * interrupted goes on; every other failed call has done nothing. */
#include "kit/sysfault.h"

#include "kit/client.h"
#include "kit/sysfault_table.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    SITES_MAX = 8192, /* a power of two */
    PIECES = 4096,    /* of one size in a call; after as many, they are twice as large */
    PLANS_MAX = 64,   /* a plan is kept while threads may still look at it */
};

static struct kit_sysfault plans[PLANS_MAX];
static size_t n_plans; /* the test's main thread arms */
static _Atomic(const struct kit_sysfault *) in_force;
static atomic_size_t countdown; /* calls until the first failure; 0: it is over */
static atomic_size_t n_now;
static atomic_size_t n_injected;
static atomic_size_t n_calls[KIT_SYS_COUNT];
static atomic_uint_fast64_t sites[SITES_MAX];
static atomic_size_t n_sites;
static atomic_uint n_threads;
static _Atomic int64_t realtime_shift_ns;
static _Atomic int64_t boottime_shift_ns;
static _Atomic int64_t monotonic_shift_ns;

/* A thread of the client's. */
static _Thread_local struct {
    uint64_t random;
    unsigned long call; /* n_pieces is of this one */
    size_t n_pieces;
    unsigned char stutter[KIT_SYS_COUNT]; /* what was said before this call so far */
    bool was_interrupted[KIT_SYS_COUNT];
} mine;

/* --- Who fails ------------------------------------------------------------------------------- */

static uint64_t draw(const struct kit_sysfault *plan)
{
    if (mine.random == 0) {
        mine.random = (plan->seed ^ (UINT64_C(0x9e3779b97f4a7c15) *
                                     (1 + (uint64_t)atomic_fetch_add(&n_threads, 1U)))) |
                      1U;
    }
    mine.random ^= mine.random >> 12; /* xorshift64*, as kit_random() */
    mine.random ^= mine.random << 25;
    mine.random ^= mine.random >> 27;
    return mine.random * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

static void note_site(enum kit_sys sys, int error, const void *site)
{
    uint64_t key = ((uint64_t)(uintptr_t)site << 16) ^ ((uint64_t)sys << 11) ^
                   (uint64_t)(error & 0x7ff);
    for (size_t i = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 40);; i++) {
        uint_fast64_t found = 0;
        if (atomic_compare_exchange_strong(&sites[i % SITES_MAX], &found, key)) {
            (void)atomic_fetch_add(&n_sites, 1U);
            return;
        }
        if (found == key) {
            return;
        }
    }
}

static int error_of(const struct kit_sysfault *plan, enum kit_sys sys)
{
    if (plan->error != 0) {
        return plan->error;
    }
    size_t n = 0;
    while (k_rows[sys].errors[n] != 0) {
        n++;
    }
    return k_rows[sys].errors[draw(plan) % n];
}

/* Whether the number of this call is one that fails. */
static bool is_due(const struct kit_sysfault *plan)
{
    size_t left = atomic_load(&countdown);
    while (left > 0) {
        if (left == 1 && plan->and_on) {
            return true;
        }
        if (atomic_compare_exchange_weak(&countdown, &left, left - 1)) {
            return left == 1;
        }
    }
    return plan->in_thousand > 0 && draw(plan) % 1000 < plan->in_thousand;
}

static int stutter(enum kit_sys sys)
{
    for (unsigned char step = mine.stutter[sys]; step < 2; step++) {
        mine.stutter[sys] = (unsigned char)(step + 1);
        if (step == 0 && k_rows[sys].can_be_interrupted) {
            return EINTR;
        }
        if (step == 1 && k_rows[sys].can_be_unready) {
            return EAGAIN;
        }
    }
    mine.stutter[sys] = 0;
    return 0;
}

/* The error that this call gets; 0: it is let through. */
static int fault_of(enum kit_sys sys, const void *site)
{
    if (!kit_client_is_inside()) {
        return 0;
    }
    (void)atomic_fetch_add_explicit(&n_calls[sys], 1U, memory_order_relaxed);
    const struct kit_sysfault *plan = atomic_load(&in_force);
    if (plan == NULL) {
        return 0;
    }
    int error = 0;
    if (plan->is_stuttering) {
        error = stutter(sys);
    } else if ((plan->calls & KIT_SYS_BIT(sys)) != 0) {
        bool is_spared = mine.was_interrupted[sys];
        mine.was_interrupted[sys] = false;
        error = !is_spared && is_due(plan) ? error_of(plan, sys) : 0;
        mine.was_interrupted[sys] = error == EINTR;
    }
    if (error != 0) {
        (void)atomic_fetch_add(&n_now, 1U);
        (void)atomic_fetch_add(&n_injected, 1U);
        note_site(sys, error, site);
    }
    return error;
}

/* True: errno is set, and the call fails. */
static bool fails(enum kit_sys sys, const void *site)
{
    int error = fault_of(sys, site);
    if (error != 0) {
        errno = error;
    }
    return error != 0;
}

/* How many of `len` bytes a transfer may move. */
static size_t chopped(size_t len)
{
    const struct kit_sysfault *plan = kit_client_is_inside() ? atomic_load(&in_force) : NULL;
    if (plan == NULL || plan->chop_bytes == 0 || len <= 1) {
        return len;
    }
    if (mine.call != kit_client_call()) {
        mine.call = kit_client_call();
        mine.n_pieces = 0;
    }
    size_t doublings = mine.n_pieces++ / PIECES;
    size_t most = (1 + (size_t)(draw(plan) % plan->chop_bytes))
                  << (doublings < 32 ? doublings : 32);
    return most < len ? most : len;
}

void kit_sysfault_arm(const struct kit_sysfault *fault)
{
    struct kit_sysfault *plan = &plans[n_plans++ % PLANS_MAX];
    *plan = *fault;
    atomic_store(&n_now, 0U);
    atomic_store(&countdown, plan->nth);
    atomic_store(&in_force, plan);
}

void kit_sysfault_lift(void)
{
    atomic_store(&in_force, NULL);
}

size_t kit_sysfault_n_now(void)
{
    return atomic_load(&n_now);
}

size_t kit_sysfault_n_injected(void)
{
    return atomic_load(&n_injected);
}

size_t kit_sysfault_n_sites(void)
{
    return atomic_load(&n_sites);
}

size_t kit_sysfault_n_calls(enum kit_sys sys)
{
    return atomic_load(&n_calls[sys]);
}

int kit_sysfault_error(enum kit_sys sys, size_t index)
{
    return index < ERRORS_MAX ? k_rows[sys].errors[index] : 0;
}

const char *kit_sysfault_name(enum kit_sys sys)
{
    return k_rows[sys].name;
}

static _Atomic int64_t *shift_of(clockid_t clock)
{
    switch (clock) {
    case CLOCK_REALTIME:
        return &realtime_shift_ns;
    case CLOCK_BOOTTIME:
        return &boottime_shift_ns;
    case CLOCK_MONOTONIC:
        return &monotonic_shift_ns;
    default:
        return NULL;
    }
}

void kit_sysfault_shift_clock(clockid_t clock, int64_t by_ns)
{
    _Atomic int64_t *shift_ns = shift_of(clock);
    if (shift_ns == NULL) {
        abort();
    }
    atomic_store(shift_ns, by_ns);
}

/* --- The wrappers ---------------------------------------------------------------------------- */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,readability-identifier-naming): the
 * linker gives these names */
#define WRAPPED(type, name, parameters) \
    type __real_##name parameters;      \
    type __wrap_##name parameters;      \
    type __wrap_##name parameters

#define HERE __builtin_return_address(0)

WRAPPED(int, socket, (int domain, int type, int protocol))
{
    return fails(KIT_SYS_SOCKET, HERE) ? -1 : __real_socket(domain, type, protocol);
}

/* EINTR and EINPROGRESS mean: it goes on without you. */
WRAPPED(int, connect, (int fd, const struct sockaddr *address, socklen_t len))
{
    int error = fault_of(KIT_SYS_CONNECT, HERE);
    if (error == 0) {
        return __real_connect(fd, address, len);
    }
    if ((error == EINTR || error == EINPROGRESS) && __real_connect(fd, address, len) != 0 &&
        errno != EINPROGRESS) {
        return -1;
    }
    errno = error;
    return -1;
}

WRAPPED(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len))
{
    return fails(KIT_SYS_GETSOCKOPT, HERE) ? -1
                                           : __real_getsockopt(fd, level, name, value, len);
}

WRAPPED(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len))
{
    return fails(KIT_SYS_SETSOCKOPT, HERE) ? -1
                                           : __real_setsockopt(fd, level, name, value, len);
}

WRAPPED(int, fcntl, (int fd, int command, ...))
{
    va_list args;
    va_start(args, command);
    long argument = va_arg(args, long);
    va_end(args);
    return fails(KIT_SYS_FCNTL, HERE) ? -1 : __real_fcntl(fd, command, argument);
}

WRAPPED(int, poll, (struct pollfd * fds, nfds_t n, int timeout_ms))
{
    return fails(KIT_SYS_POLL, HERE) ? -1 : __real_poll(fds, n, timeout_ms);
}

WRAPPED(int, ppoll,
        (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask))
{
    return fails(KIT_SYS_POLL, HERE) ? -1 : __real_ppoll(fds, n, timeout, mask);
}

WRAPPED(ssize_t, recv, (int fd, void *buf, size_t len, int flags))
{
    return fails(KIT_SYS_RECV, HERE) ? -1 : __real_recv(fd, buf, chopped(len), flags);
}

/* The first part that is not empty, as far as chopping allows; all of them without it. */
static int chopped_parts(const struct iovec *parts, size_t n_parts, struct iovec *out)
{
    size_t i = 0;
    while (i < n_parts && parts[i].iov_len == 0) {
        i++;
    }
    if (i == n_parts) {
        return 0;
    }
    out->iov_base = parts[i].iov_base;
    out->iov_len = chopped(parts[i].iov_len);
    return out->iov_len < parts[i].iov_len || (i + 1 < n_parts && chopped(65536) < 65536);
}

WRAPPED(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags))
{
    return fails(KIT_SYS_RECV, HERE) ? -1 : __real_recvmsg(fd, message, flags);
}

WRAPPED(ssize_t, readv, (int fd, const struct iovec *parts, int n_parts))
{
    if (fails(KIT_SYS_RECV, HERE)) {
        return -1;
    }
    struct iovec one;
    return chopped_parts(parts, (size_t)n_parts, &one) ? __real_readv(fd, &one, 1)
                                                       : __real_readv(fd, parts, n_parts);
}

WRAPPED(ssize_t, send, (int fd, const void *buf, size_t len, int flags))
{
    return fails(KIT_SYS_SEND, HERE) ? -1 : __real_send(fd, buf, chopped(len), flags);
}

WRAPPED(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags))
{
    if (fails(KIT_SYS_SEND, HERE)) {
        return -1;
    }
    struct iovec one;
    if (!chopped_parts(message->msg_iov, message->msg_iovlen, &one)) {
        return __real_sendmsg(fd, message, flags);
    }
    struct msghdr shorter = *message;
    shorter.msg_iov = &one;
    shorter.msg_iovlen = 1;
    return __real_sendmsg(fd, &shorter, flags);
}

WRAPPED(ssize_t, write, (int fd, const void *buf, size_t len))
{
    return fails(KIT_SYS_SEND, HERE) ? -1 : __real_write(fd, buf, chopped(len));
}

WRAPPED(ssize_t, writev, (int fd, const struct iovec *parts, int n_parts))
{
    if (fails(KIT_SYS_SEND, HERE)) {
        return -1;
    }
    struct iovec one;
    return chopped_parts(parts, (size_t)n_parts, &one) ? __real_writev(fd, &one, 1)
                                                       : __real_writev(fd, parts, n_parts);
}

WRAPPED(int, shutdown, (int fd, int how))
{
    return fails(KIT_SYS_SHUTDOWN, HERE) ? -1 : __real_shutdown(fd, how);
}

WRAPPED(int, close, (int fd))
{
    int error = fault_of(KIT_SYS_CLOSE, HERE);
    int rc = __real_close(fd);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return rc;
}

WRAPPED(int, open, (const char *path, int flags, ...))
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? (mode_t)va_arg(args, int) : 0;
    va_end(args);
    return fails(KIT_SYS_OPEN, HERE) ? -1 : __real_open(path, flags | O_CLOEXEC, mode);
}

WRAPPED(ssize_t, read, (int fd, void *buf, size_t len))
{
    return fails(KIT_SYS_READ, HERE) ? -1 : __real_read(fd, buf, chopped(len));
}

WRAPPED(int, fstat, (int fd, struct stat *info))
{
    return fails(KIT_SYS_FSTAT, HERE) ? -1 : __real_fstat(fd, info);
}

WRAPPED(ssize_t, getrandom, (void *buf, size_t len, unsigned flags))
{
    return fails(KIT_SYS_GETRANDOM, HERE) ? -1 : __real_getrandom(buf, chopped(len), flags);
}

struct start {
    void *(*fn)(void *argument);
    void *argument;
};

static void *run_marked(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    kit_client_enter();
    return start.fn(start.argument);
}

WRAPPED(int, pthread_create,
        (pthread_t * thread, const pthread_attr_t *attr, void *(*fn)(void *), void *argument))
{
    if (!kit_client_is_inside()) {
        return __real_pthread_create(thread, attr, fn, argument);
    }
    int error = fault_of(KIT_SYS_PTHREAD_CREATE, HERE);
    struct start *start = error == 0 ? malloc(sizeof(*start)) : NULL;
    if (start == NULL) {
        return error != 0 ? error : EAGAIN;
    }
    *start = (struct start){fn, argument};
    int rc = __real_pthread_create(thread, attr, run_marked, start);
    if (rc != 0) {
        free(start);
    }
    return rc;
}

struct addrinfo;
WRAPPED(int, getaddrinfo,
        (const char *host, const char *service, const struct addrinfo *hints,
         struct addrinfo **out))
{
    int error = fault_of(KIT_SYS_GETADDRINFO, HERE);
    if (error == EAI_SYSTEM) {
        errno = EIO;
    }
    return error != 0 ? error : __real_getaddrinfo(host, service, hints, out);
}

WRAPPED(long, syscall, (long number, long a, long b, long c, long d, long e, long f))
{
    /* Only sleeping can be interrupted: the kernel fails no waking, and one left out is lost. */
    bool is_wake = number == SYS_futex && (b & FUTEX_CMD_MASK) == FUTEX_WAKE_BITSET;
    return !is_wake && fails(KIT_SYS_SYSCALL, HERE) ? -1
                                                    : __real_syscall(number, a, b, c, d, e, f);
}

static void add_ns(struct timespec *at, int64_t ns)
{
    int64_t sum_ns = (int64_t)at->tv_nsec + ns % 1000000000;
    int64_t carry_s = sum_ns < 0 ? -1 : sum_ns / 1000000000;
    at->tv_sec += (time_t)(ns / 1000000000 + carry_s);
    at->tv_nsec = (long)(sum_ns - carry_s * 1000000000);
}

WRAPPED(int, clock_gettime, (clockid_t clock, struct timespec *out))
{
    if (fails(KIT_SYS_CLOCK_GETTIME, HERE)) {
        return -1;
    }
    int rc = __real_clock_gettime(clock, out);
    _Atomic int64_t *shift_ns = kit_client_is_inside() ? shift_of(clock) : NULL;
    if (rc == 0 && shift_ns != NULL) {
        add_ns(out, atomic_load(shift_ns));
    }
    return rc;
}

WRAPPED(int, gettimeofday, (struct timeval * out, void *zone))
{
    int rc = __real_gettimeofday(out, zone);
    if (rc == 0 && kit_client_is_inside()) {
        out->tv_sec += (time_t)(atomic_load(&realtime_shift_ns) / 1000000000);
    }
    return rc;
}

WRAPPED(time_t, time, (time_t * out))
{
    time_t now = __real_time(NULL);
    if (kit_client_is_inside()) {
        now += (time_t)(atomic_load(&realtime_shift_ns) / 1000000000);
    }
    if (out != NULL) {
        *out = now;
    }
    return now;
}

/* What the compiler makes of some of them when it checks the sizes of buffers. */
ssize_t __wrap___recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
ssize_t __wrap___recv_chk(int fd, void *buf, size_t len, size_t size, int flags)
{
    return len > size ? (abort(), -1) : __wrap_recv(fd, buf, len, flags);
}

ssize_t __wrap___read_chk(int fd, void *buf, size_t len, size_t size);
ssize_t __wrap___read_chk(int fd, void *buf, size_t len, size_t size)
{
    return len > size ? (abort(), -1) : __wrap_read(fd, buf, len);
}

int __wrap___ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                       const sigset_t *mask, size_t size);
int __wrap___ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                       const sigset_t *mask, size_t size)
{
    return n > size / sizeof(*fds) ? (abort(), -1) : __wrap_ppoll(fds, n, timeout, mask);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,readability-identifier-naming) */
