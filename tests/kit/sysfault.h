/* SPDX-License-Identifier: MIT */
/* kit/sysfault.h — system calls that fail on command. The calls of the objects in the executable
 * (the static library's among them) are bound to wrappers by the linker's --wrap, so it works
 * below the sanitizers' interceptors; libc's own calls are out of reach. Only threads
 * inside the library are affected (kit/client.h), and the threads that it starts. */
#ifndef FAC_KIT_SYSFAULT_H
#define FAC_KIT_SYSFAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum kit_sys {
    KIT_SYS_SOCKET,
    KIT_SYS_CONNECT,
    KIT_SYS_GETSOCKOPT,
    KIT_SYS_SETSOCKOPT,
    KIT_SYS_FCNTL,
    KIT_SYS_POLL, /* and ppoll */
    KIT_SYS_RECV, /* and recvmsg, readv */
    KIT_SYS_SEND, /* and sendmsg, write, writev */
    KIT_SYS_SHUTDOWN,
    KIT_SYS_CLOSE,
    KIT_SYS_OPEN,
    KIT_SYS_READ,
    KIT_SYS_FSTAT,
    KIT_SYS_GETRANDOM,
    KIT_SYS_PTHREAD_CREATE,
    KIT_SYS_GETADDRINFO,
    KIT_SYS_CLOCK_GETTIME,
    KIT_SYS_SYSCALL, /* futex */
    KIT_SYS_COUNT
};

enum {
    KIT_SYS_STREAM_BYTES_MAX = 64 /* of the random chops of failures.md, row G4 */
};

#define KIT_SYS_BIT(sys) (UINT32_C(1) << (sys))

/* What happens to the calls of the client. Zero is: nothing. */
struct kit_sysfault {
    uint32_t calls;       /* KIT_SYS_BIT of those that fail */
    int error;            /* 0: one of the call's own at random */
    size_t nth;           /* the n-th of them fails, 1 is the next; 0: none by number */
    bool and_on;          /* and all after it */
    unsigned in_thousand; /* and every other with this chance */
    /* A transfer moves 1 to this many bytes, at random; 0: all of it. After 4096 pieces in one
     * call they become larger, so that a value of megabytes has an end. */
    size_t chop_bytes;
    bool is_stuttering; /* EINTR, then EAGAIN, before every call that can give them */
    uint64_t seed;
};

/* From now until lift, also of calls that other threads are in. Never two at once. An EINTR that
 * goes on for ever is no system: the call after an injected one is let through. */
void kit_sysfault_arm(const struct kit_sysfault *fault);
void kit_sysfault_lift(void);

/* Failures injected since the last arm, and of all time; places (a call in the code) times error
 * numbers that failed so far; calls of the client so far. */
size_t kit_sysfault_n_now(void);
size_t kit_sysfault_n_injected(void);
size_t kit_sysfault_n_sites(void);
size_t kit_sysfault_n_calls(enum kit_sys sys);

/* The table of error numbers: the `index`-th that the call's page lists, 0 behind the last one. */
int kit_sysfault_error(enum kit_sys sys, size_t index);
const char *kit_sysfault_name(enum kit_sys sys);

/* Add to what the client reads from a clock: CLOCK_REALTIME (gettimeofday and time, too),
 * CLOCK_BOOTTIME or CLOCK_MONOTONIC. */
void kit_sysfault_shift_clock(clockid_t clock, int64_t by_ns);

#endif
