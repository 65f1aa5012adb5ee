/* SPDX-License-Identifier: MIT */
/* base/file.c — what is read may be secret, so it goes nowhere but to a secret. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes read, at most `cap`; -1 with errno. */
static ssize_t read_all(int fd, char *buf, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t n = read(fd, buf + len, cap - len);
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        if (n == 0) {
            break;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)len;
}

/* Root may keep it for a group, as orchestrators do; whoever else owns it keeps it for himself. */
static bool is_exposed(const struct stat *info)
{
    mode_t others = info->st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
    return (info->st_mode & others) != 0;
}

static enum faci_file_fault read_open(int fd, size_t max_bytes, bool is_private,
                                      struct faci_secret **out)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return FACI_FILE_ERRNO;
    }
    if (!S_ISREG(info.st_mode)) {
        errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
        return FACI_FILE_ERRNO;
    }
    if (is_private && is_exposed(&info)) {
        return FACI_FILE_EXPOSED;
    }
    if (info.st_size > (off_t)max_bytes) {
        return FACI_FILE_LONG;
    }
    /* It may grow meanwhile: one byte more than it has shows that. */
    size_t cap = (size_t)(info.st_size > 0 ? info.st_size : 0) + 1;
    struct faci_secret *secret = faci_secret_new_empty(cap);
    if (secret == NULL) {
        return FACI_FILE_NOMEM;
    }
    ssize_t len = read_all(fd, faci_secret_room(secret), cap);
    if (len < 0 || (size_t)len == cap) {
        int read_errno = len < 0 ? errno : EAGAIN;
        faci_secret_free(secret);
        errno = read_errno;
        return FACI_FILE_ERRNO;
    }
    faci_secret_set_len(secret, (size_t)len);
    *out = secret;
    return FACI_FILE_OK;
}

fac_status faci_file_status(int os_errno)
{
    bool is_short = os_errno == EMFILE || os_errno == ENFILE || os_errno == ENOMEM;
    return is_short ? FAC_E_UNAVAILABLE : FAC_E_CONFIG;
}

enum faci_file_fault faci_file_read(const char *path, size_t max_bytes, bool is_private,
                                    struct faci_secret **out)
{
    int fd = -1;
    do {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return FACI_FILE_ERRNO;
    }
    enum faci_file_fault fault = read_open(fd, max_bytes, is_private, out);
    int read_errno = errno;
    (void)close(fd);
    errno = read_errno;
    return fault;
}
