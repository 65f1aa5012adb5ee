/* SPDX-License-Identifier: MIT */
/* engine/secret.c — reading a password file, and forgetting it. */
#include "engine/secret.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
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

static ssize_t read_file(const char *path, char *buf, size_t cap)
{
    /* A pipe or a device could wait for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return -1;
    }
    struct stat info;
    ssize_t len = -1;
    if (fstat(fd, &info) == 0 && !S_ISREG(info.st_mode)) {
        errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    } else {
        len = read_all(fd, buf, cap);
    }
    int read_errno = errno;
    (void)close(fd);
    errno = read_errno;
    return len;
}

fac_status faci_secret_load(struct faci_secret *secret, const struct faci_engine_config *config,
                            fac_error *err)
{
    *secret = (struct faci_secret){.text = config->password, .alloc = config->alloc};
    const char *path = config->password_file;
    if (path == NULL) {
        return FAC_OK;
    }
    char buf[FACI_SECRET_MAX_BYTES + 3]; /* a line end, and a byte that shows there is more */
    ssize_t got = read_file(path, buf, sizeof(buf));
    if (got < 0) {
        char text[96];
        int os_errno = errno;
        return faci_fail(err, FAC_E_CONFIG, os_errno, "cannot read the password file %s: %s",
                         path, faci_errno_text(os_errno, text, sizeof(text)));
    }
    size_t len = (size_t)got;
    if (len > 0 && buf[len - 1] == '\n') {
        len--;
        len -= len > 0 && buf[len - 1] == '\r' ? 1U : 0U;
    }
    fac_status st = FAC_OK;
    if (len > FACI_SECRET_MAX_BYTES || memchr(buf, '\0', len) != NULL) {
        st = faci_fail(err, FAC_E_CONFIG, 0,
                       "the password file %s is longer than %d bytes or holds a NUL", path,
                       (int)FACI_SECRET_MAX_BYTES);
    } else {
        secret->owned = faci_mem_copy_string(secret->alloc, buf, len);
        secret->text = secret->owned;
        if (secret->owned == NULL) {
            st = faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
        }
    }
    explicit_bzero(buf, sizeof(buf));
    return st;
}

void faci_secret_fini(struct faci_secret *secret)
{
    faci_mem_free_secret(secret->alloc, secret->owned);
    *secret = (struct faci_secret){.alloc = secret->alloc};
}
