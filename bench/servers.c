/* SPDX-License-Identifier: MIT */
/* bench/servers.c — starts and ends the private servers. */
#include "servers.h"

#include <hiredis/hiredis.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    START_TRIES = 5, /* Another program may take the port between finding and using it. */
    WAIT_STEP_MS = 10,
    WAIT_STEPS = 1000,
};

static void pause_step(void)
{
    (void)poll(NULL, 0, WAIT_STEP_MS);
}

static int free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof(address);
    int port = -1;
    if (bind(fd, (struct sockaddr *)&address, len) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        port = ntohs(address.sin_port);
    }
    (void)close(fd);
    return port;
}

/* In the child. The pipe closes on exec; when exec fails it carries the reason. */
static _Noreturn void exec_server(const struct bench_server *server, const char *program,
                                  int report_fd)
{
    char port[16];
    char log[64];
    (void)snprintf(port, sizeof(port), "%d", server->tcp.port);
    (void)snprintf(log, sizeof(log), "%s/log", server->dir);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* An interrupt from the terminal is for the parent, which then ends its children. */
    (void)setpgid(0, 0);
    const char *argv[] = {
        program,
        "--port",
        port,
        "--bind",
        "127.0.0.1",
        "--unixsocket",
        server->unix_socket,
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        server->dir,
        "--logfile",
        log,
        "--daemonize",
        "no",
        NULL,
    };
    /* execvp does not write to its arguments; its type is older than const. */
    char *arguments[sizeof(argv) / sizeof(argv[0])];
    memcpy(arguments, argv, sizeof(argv));
    (void)execvp(program, arguments);
    int reason = errno;
    ssize_t n = write(report_fd, &reason, sizeof(reason));
    (void)n;
    _exit(127);
}

/* Forks the server. Returns 0, or the errno that exec met. */
static int launch(struct bench_server *server, const char *program)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        return errno;
    }
    pid_t pid = fork();
    if (pid == 0) {
        exec_server(server, program, report[1]);
    }
    int reason = pid < 0 ? errno : 0;
    (void)close(report[1]);
    if (pid > 0) {
        int told = 0;
        if (read(report[0], &told, sizeof(told)) == (ssize_t)sizeof(told)) {
            (void)waitpid(pid, NULL, 0);
            reason = told;
        } else {
            server->pid = pid;
        }
    }
    (void)close(report[0]);
    return reason;
}

/* Copies the version behind `field` ("redis_version:") of an INFO text. */
static bool copy_version(const char *info, const char *field, char *out, size_t cap)
{
    const char *at = strstr(info, field);
    if (at == NULL) {
        return false;
    }
    at += strlen(field);
    size_t len = strcspn(at, "\r\n");
    (void)snprintf(out, cap, "%.*s", (int)(len < cap ? len : cap - 1), at);
    return true;
}

static bool learn_version(struct bench_server *server, bool is_valkey)
{
    redisContext *ctx = redisConnectUnix(server->unix_socket);
    if (ctx == NULL || ctx->err != 0) {
        if (ctx != NULL) {
            redisFree(ctx);
        }
        return false;
    }
    bool is_known = false;
    redisReply *reply = redisCommand(ctx, "INFO server");
    if (reply != NULL && reply->type == REDIS_REPLY_STRING) {
        char version[24] = "";
        is_known = copy_version(reply->str,
                                is_valkey ? "valkey_version:" : "redis_version:", version,
                                sizeof(version));
        (void)snprintf(server->name, sizeof(server->name), "%s %s",
                       is_valkey ? "Valkey" : "Redis", version);
    }
    if (reply != NULL) {
        freeReplyObject(reply);
    }
    redisFree(ctx);
    return is_known;
}

/* True once it answers; false when it ended, or did not answer in time. */
static bool await(struct bench_server *server, bool is_valkey)
{
    for (int i = 0; i < WAIT_STEPS; i++) {
        if (learn_version(server, is_valkey)) {
            return true;
        }
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return false;
        }
        pause_step();
    }
    return false;
}

static void remove_directory(struct bench_server *server)
{
    char log[64];
    (void)snprintf(log, sizeof(log), "%s/log", server->dir);
    (void)unlink(log);
    (void)unlink(server->unix_socket);
    (void)rmdir(server->dir);
}

enum bench_start bench_server_start(struct bench_server *server, const char *program,
                                    bool is_valkey)
{
    memset(server, 0, sizeof(*server));
    (void)snprintf(server->dir, sizeof(server->dir), "/tmp/fac_bench.XXXXXX");
    if (mkdtemp(server->dir) == NULL) {
        (void)bench_broke("no directory below /tmp");
        return BENCH_START_FAILED;
    }
    (void)snprintf(server->unix_socket, sizeof(server->unix_socket), "%s/socket", server->dir);
    server->tcp = (struct bench_endpoint){
        .server = server->name, .transport = "tcp", .is_valkey = is_valkey};
    server->local = (struct bench_endpoint){.server = server->name,
                                            .transport = "unix",
                                            .unix_socket = server->unix_socket,
                                            .is_valkey = is_valkey};
    for (int i = 0; i < START_TRIES; i++) {
        server->tcp.port = free_port();
        int reason = launch(server, program);
        if (reason != 0) {
            remove_directory(server);
            if (reason == ENOENT) {
                return BENCH_NOT_INSTALLED;
            }
            (void)bench_broke("%s: cannot be run (error %d)", program, reason);
            return BENCH_START_FAILED;
        }
        if (await(server, is_valkey)) {
            return BENCH_STARTED;
        }
        if (server->pid != 0) {
            break;
        }
    }
    (void)bench_broke("%s does not start", program);
    bench_server_stop(server);
    remove_directory(server);
    return BENCH_START_FAILED;
}

void bench_server_stop(struct bench_server *server)
{
    if (server->pid == 0) {
        return;
    }
    (void)kill(server->pid, SIGTERM);
    bool is_gone = false;
    for (int i = 0; i < WAIT_STEPS && !is_gone; i++) {
        is_gone = waitpid(server->pid, NULL, WNOHANG) == server->pid;
        if (!is_gone) {
            pause_step();
        }
    }
    if (!is_gone) {
        (void)kill(server->pid, SIGKILL);
        (void)waitpid(server->pid, NULL, 0);
    }
    server->pid = 0;
    remove_directory(server);
}
