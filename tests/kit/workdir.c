/* SPDX-License-Identifier: MIT */
/* kit/workdir.c — directories with a lock in them, which ends with its process. */
#include "kit/workdir.h"

#include "kit/kit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "fac-test-"

enum {
    TRIES = 20
};

static const char *base_dir(void)
{
    const char *base = getenv("TMPDIR");
    bool is_usable = base != NULL && *base == '/' && strlen(base) <= 32;
    return is_usable ? base : "/tmp"; /* a longer one leaves no room for a socket's path */
}

static void remove_all(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    (void)closedir(dir);
    (void)rmdir(path);
}

static int take_lock(const char *path, int flags)
{
    char file[KIT_WORKDIR_PATH_BYTES + 8];
    (void)snprintf(file, sizeof(file), "%s/lock", path);
    int fd = open(file, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    struct stat file_now;
    /* A sweep may have had the lock between the two calls, and removed what it locked. */
    if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &file_now) != 0 ||
                    file_now.st_nlink == 0)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

/* Those whose owner was killed or crashed. One without a lock is just being made. */
static void sweep(const char *base)
{
    DIR *dir = opendir(base);
    if (dir == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[KIT_WORKDIR_PATH_BYTES];
        if (strncmp(entry->d_name, NAME, strlen(NAME)) != 0) {
            continue;
        }
        int len = snprintf(path, sizeof(path), "%s/%s", base, entry->d_name);
        int fd = len < (int)sizeof(path) ? take_lock(path, 0) : -1;
        if (fd >= 0) {
            remove_all(path);
            (void)close(fd);
        }
    }
    (void)closedir(dir);
}

void kit_workdir_make(struct kit_workdir *dir)
{
    sweep(base_dir());
    dir->lock_fd = -1;
    /* Another test's sweep may come between the making and the locking. */
    for (int i = 0; dir->lock_fd < 0; i++) {
        (void)snprintf(dir->path, sizeof(dir->path), "%s/" NAME "XXXXXX", base_dir());
        if (i == TRIES || mkdtemp(dir->path) == NULL) {
            fail_msg("no directory %s: %s", dir->path, strerror(errno));
        }
        dir->lock_fd = take_lock(dir->path, O_CREAT);
    }
}

void kit_workdir_remove(struct kit_workdir *dir)
{
    remove_all(dir->path);
    (void)close(dir->lock_fd);
}
