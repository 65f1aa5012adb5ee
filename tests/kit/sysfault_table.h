/* SPDX-License-Identifier: MIT */
/* kit/sysfault_table.h — what each call may fail with, as its page in section 2 or 3 of the
 * manual lists it (ip(7), tcp(7) and unix(7) included). For sysfault.c only. */
#ifndef FAC_KIT_SYSFAULT_TABLE_H
#define FAC_KIT_SYSFAULT_TABLE_H

#include "kit/sysfault.h"

#include <errno.h>
#include <netdb.h>

enum {
    ERRORS_MAX = 24
};

struct sys_row {
    const char *name;
    bool can_be_interrupted; /* a stutter says EINTR */
    bool can_be_unready;     /* a stutter says EAGAIN */
    int errors[ERRORS_MAX];  /* ends with 0 */
};

/* clang-format off */
static const struct sys_row k_rows[] = {
    [KIT_SYS_SOCKET] = {"socket", false, false,
        {EACCES, EAFNOSUPPORT, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTONOSUPPORT, EPERM}},
    [KIT_SYS_CONNECT] = {"connect", true, false,
        {EACCES, EPERM, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, EBADF,
         ECONNREFUSED, EFAULT, EINPROGRESS, EINTR, EISCONN, ENETUNREACH, EHOSTUNREACH, ENOTSOCK,
         EPROTOTYPE, ETIMEDOUT, ECONNRESET, ENOENT, ENOBUFS, EINVAL}},
    [KIT_SYS_GETSOCKOPT] = {"getsockopt", false, false,
        {EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK}},
    [KIT_SYS_SETSOCKOPT] = {"setsockopt", false, false,
        {EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK, EDOM, ENOMEM, EPERM}},
    [KIT_SYS_FCNTL] = {"fcntl", false, false,
        {EACCES, EAGAIN, EBADF, EINTR, EINVAL, EMFILE, EPERM}},
    [KIT_SYS_POLL] = {"poll", true, false, {EFAULT, EINTR, EINVAL, ENOMEM}},
    [KIT_SYS_RECV] = {"recv", true, true,
        {EAGAIN, EBADF, ECONNREFUSED, EFAULT, EINTR, EINVAL, ENOMEM, ENOTCONN, ENOTSOCK,
         ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH}},
    [KIT_SYS_SEND] = {"send", true, true,
        {EACCES, EAGAIN, EALREADY, EBADF, ECONNRESET, EDESTADDRREQ, EFAULT, EINTR, EINVAL,
         EISCONN, EMSGSIZE, ENOBUFS, ENOMEM, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE, EPERM,
         ETIMEDOUT, EHOSTUNREACH, ENETUNREACH}},
    [KIT_SYS_SHUTDOWN] = {"shutdown", false, false, {EBADF, EINVAL, ENOTCONN, ENOTSOCK, ENOBUFS}},
    [KIT_SYS_CLOSE] = {"close", false, false, {EBADF, EINTR, EIO, ENOSPC, EDQUOT}},
    [KIT_SYS_OPEN] = {"open", true, false,
        {EACCES, EBUSY, EDQUOT, EFAULT, EINTR, EINVAL, EISDIR, ELOOP, EMFILE, ENAMETOOLONG,
         ENFILE, ENODEV, ENOENT, ENOMEM, ENOSPC, ENOTDIR, ENXIO, EOVERFLOW, EPERM, EROFS,
         ETXTBSY, EWOULDBLOCK}},
    [KIT_SYS_READ] = {"read", true, false, {EAGAIN, EBADF, EFAULT, EINTR, EINVAL, EIO, EISDIR}},
    [KIT_SYS_FSTAT] = {"fstat", false, false, {EBADF, EFAULT, ENOMEM, EOVERFLOW, EACCES, ELOOP}},
    [KIT_SYS_GETRANDOM] = {"getrandom", true, true, {EAGAIN, EFAULT, EINTR, EINVAL, ENOSYS}},
    [KIT_SYS_PTHREAD_CREATE] = {"pthread_create", false, false, {EAGAIN, EINVAL, EPERM, ENOMEM}},
    [KIT_SYS_GETADDRINFO] = {"getaddrinfo", false, false,
        {EAI_ADDRFAMILY, EAI_AGAIN, EAI_BADFLAGS, EAI_FAIL, EAI_FAMILY, EAI_MEMORY, EAI_NODATA,
         EAI_NONAME, EAI_SERVICE, EAI_SOCKTYPE, EAI_SYSTEM}},
    [KIT_SYS_CLOCK_GETTIME] = {"clock_gettime", false, false, {EFAULT, EINVAL, ENOTSUP}},
    [KIT_SYS_SYSCALL] = {"syscall", true, true, {EINTR, EAGAIN}},
};
/* clang-format on */
_Static_assert(sizeof(k_rows) / sizeof(k_rows[0]) == KIT_SYS_COUNT, "one row for each call");

#endif
