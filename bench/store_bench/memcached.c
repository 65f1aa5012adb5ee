/* SPDX-License-Identifier: MIT */
/* store_bench/memcached.c — a memcached of its own on a Unix socket, and libmemcached's client. */
#include "side.h"

#include <libmemcached/memcached.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_NO_PROGRAM = 127,
    CONNECT_TRIES = 200,
};

struct server {
    pid_t pid;
    char dir[32];
    char path[64];
    memcached_st *clients[MAX_THREADS]; /* one for each thread: a client is not shared */
};

bool memcached_is_there(void)
{
    (void)fflush(stdout); /* else the child says it once more */
    pid_t pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "we", stdout) == NULL) {
            _exit(1);
        }
        (void)execlp("memcached", "memcached", "-V", (char *)NULL);
        _exit(EXIT_NO_PROGRAM);
    }
    int status = -1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void close_memcached(void *opened)
{
    struct server *server = opened;
    for (int i = 0; i < MAX_THREADS; i++) {
        if (server->clients[i] != NULL) {
            memcached_free(server->clients[i]);
        }
    }
    if (server->pid > 0) {
        (void)kill(server->pid, SIGTERM);
        (void)waitpid(server->pid, NULL, 0);
    }
    (void)unlink(server->path);
    (void)rmdir(server->dir);
    free(server);
}

static _Noreturn void exec_memcached(const char *path, uint64_t bytes)
{
    char mebibytes[16];
    (void)snprintf(mebibytes, sizeof(mebibytes), "%u", (unsigned)(bytes >> 20));
    (void)execlp("memcached", "memcached", "-s", path, "-m", mebibytes, "-u",
                 geteuid() == 0 ? "nobody" : "", "-a", "0777", (char *)NULL);
    _exit(EXIT_NO_PROGRAM);
}

static bool connect_client(struct server *server, int i)
{
    char value[VALUE_BYTES] = {0};
    server->clients[i] = memcached_create(NULL);
    if (server->clients[i] == NULL ||
        memcached_server_add_unix_socket(server->clients[i], server->path) !=
            MEMCACHED_SUCCESS) {
        return false;
    }
    (void)memcached_behavior_set(server->clients[i], MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 0);
    for (int n = 0; n < CONNECT_TRIES; n++) {
        if (k_memcached.set(server, (unsigned)i, "k:00000000000000", value)) {
            return true;
        }
        memcached_quit(server->clients[i]);
        const struct timespec pause = {.tv_nsec = 10000000};
        (void)nanosleep(&pause, NULL); /* until the child listens */
    }
    return false;
}

static void *open_memcached(uint64_t bytes)
{
    struct server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return NULL;
    }
    (void)snprintf(server->dir, sizeof(server->dir), "/tmp/fac-bench-XXXXXX");
    if (mkdtemp(server->dir) == NULL || chmod(server->dir, 0777) != 0) {
        free(server);
        return NULL;
    }
    (void)snprintf(server->path, sizeof(server->path), "%s/socket", server->dir);
    server->pid = fork();
    if (server->pid == 0) {
        exec_memcached(server->path, bytes);
    }
    for (int i = 0; i < MAX_THREADS; i++) {
        if (!connect_client(server, i)) {
            (void)fprintf(stderr, "memcached: no connection\n");
            close_memcached(server);
            return NULL;
        }
    }
    return server;
}

static bool get_memcached(void *opened, unsigned thread, const char *key, char *value)
{
    const struct server *server = opened;
    size_t len = 0;
    uint32_t flags = 0;
    memcached_return_t rc = MEMCACHED_FAILURE;
    char *got = memcached_get(server->clients[thread], key, KEY_BYTES, &len, &flags, &rc);
    const bool is_there = got != NULL && len == VALUE_BYTES;
    if (is_there) {
        memcpy(value, got, len);
    }
    free(got);
    return is_there;
}

static bool set_memcached(void *opened, unsigned thread, const char *key, const char *value)
{
    const struct server *server = opened;
    return memcached_set(server->clients[thread], key, KEY_BYTES, value, VALUE_BYTES, 0, 0) ==
           MEMCACHED_SUCCESS;
}

const struct side k_memcached = {"memcached, libmemcached", open_memcached, get_memcached,
                                 set_memcached, close_memcached};
