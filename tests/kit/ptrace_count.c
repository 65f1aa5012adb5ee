/* SPDX-License-Identifier: MIT */
/* kit/ptrace_count.c — a child stopped at each of its system calls. The marks are getppid calls:
 * cheap, without effect, and made by nobody else here. */
#include "kit/ptrace_count.h"

#include "kit/kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_RIGHT = 0,
    EXIT_WRONG = 1,
    EXIT_NOT_ALLOWED = 77,
    N_KINDS = 12,                 /* of system calls in a summary */
    SYSCALL_STOP = SIGTRAP | 0x80 /* with PTRACE_O_TRACESYSGOOD */
};

struct tally {
    size_t n_marks;
    size_t n_calls;
    struct {
        unsigned long long number;
        size_t n_times;
    } kinds[N_KINDS];
    size_t n_kinds;
};

void kit_syscall_mark(void)
{
    (void)syscall(SYS_getppid);
}

static void run_child(kit_traced_fn *fn, void *context)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        _exit(EXIT_NOT_ALLOWED);
    }
    (void)raise(SIGSTOP); /* the parent sets its options now */
    _exit(fn(context) ? EXIT_RIGHT : EXIT_WRONG);
}

static void count(struct tally *tally, unsigned long long number)
{
    if (number == SYS_getppid) {
        tally->n_marks++;
        return;
    }
    if (tally->n_marks != 1) {
        return;
    }
    tally->n_calls++;
    size_t i = 0;
    while (i < tally->n_kinds && tally->kinds[i].number != number) {
        i++;
    }
    if (i == tally->n_kinds && i < N_KINDS) {
        tally->kinds[i].number = number;
        tally->n_kinds++;
    }
    if (i < N_KINDS) {
        tally->kinds[i].n_times++;
    }
}

/* ptrace() takes numbers where it declares pointers. */
static void *as_pointer(size_t number)
{
    return (void *)number; /* NOLINT(performance-no-int-to-ptr) */
}

/* One stop of the child: a system call's begin is counted, a signal is passed on. */
static size_t on_stop(pid_t child, int status, struct tally *tally)
{
    int stop_signal = WSTOPSIG(status);
    if (stop_signal != SYSCALL_STOP) {
        return stop_signal == SIGTRAP ? 0 : (size_t)stop_signal;
    }
    struct __ptrace_syscall_info info;
    memset(&info, 0, sizeof(info));
    if (ptrace(PTRACE_GET_SYSCALL_INFO, child, as_pointer(sizeof(info)), &info) > 0 &&
        info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        count(tally, info.entry.nr);
    }
    return 0;
}

static pid_t wait_for(pid_t child, int *out_status)
{
    pid_t got = 0;
    do {
        got = waitpid(child, out_status, __WALL);
    } while (got < 0 && errno == EINTR);
    return got;
}

static int trace(pid_t child, struct tally *tally)
{
    int status = 0;
    size_t deliver = 0;
    assert_int_equal(wait_for(child, &status), child);
    if (WIFSTOPPED(status)) {
        void *options = as_pointer(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
        assert_int_equal(ptrace(PTRACE_SETOPTIONS, child, NULL, options), 0);
    }
    while (WIFSTOPPED(status)) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, as_pointer(deliver)), 0);
        assert_int_equal(wait_for(child, &status), child);
        deliver = WIFSTOPPED(status) ? on_stop(child, status, tally) : 0;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void summarise(const struct tally *tally, struct kit_syscalls *out)
{
    out->n_calls = tally->n_calls;
    out->summary[0] = '\0';
    size_t used = 0;
    for (size_t i = 0; i < tally->n_kinds && used < sizeof(out->summary); i++) {
        int n = snprintf(out->summary + used, sizeof(out->summary) - used,
                         "%snumber %llu %zu times", i == 0 ? "" : ", ", tally->kinds[i].number,
                         tally->kinds[i].n_times);
        used += n > 0 ? (size_t)n : 0;
    }
}

void kit_count_syscalls(kit_traced_fn *fn, void *context, struct kit_syscalls *out)
{
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        run_child(fn, context);
    }
    struct tally tally = {0};
    int code = trace(child, &tally);
    if (code == EXIT_NOT_ALLOWED) {
        (void)fprintf(stderr, "skipped: this machine lets no process trace its child\n");
        skip();
    }
    assert_int_equal(code, EXIT_RIGHT);
    assert_int_equal(tally.n_marks, 2);
    summarise(&tally, out);
}

static bool look_at_the_clock(void *context)
{
    (void)context;
    struct timespec now;
    int first = clock_gettime(CLOCK_MONOTONIC, &now);
    kit_syscall_mark();
    int second = clock_gettime(CLOCK_MONOTONIC, &now);
    kit_syscall_mark();
    return first == 0 && second == 0;
}

size_t kit_syscalls_of_a_clock(void)
{
    struct kit_syscalls calls;
    kit_count_syscalls(look_at_the_clock, NULL, &calls);
    return calls.n_calls;
}
