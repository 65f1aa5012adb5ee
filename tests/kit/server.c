/* SPDX-License-Identifier: MIT */
/* kit/server.c — server processes: start, readiness, signals, clean-up.
 *
 * Readiness is asked on the Unix socket in the private directory, so no other test's server can
 * answer. A server binds its port before it makes that socket, so both are there. The port is
 * chosen below the range that the kernel gives to outgoing connections, and a socket of this
 * process holds it until the server is stopped: between a kill and the restart nobody else can be
 * given it by chance. */
#include "kit/server.h"

#include "kit/certs.h"
#include "kit/kit.h"
#include "kit/raw.h"
#include "kit/wait.h"
#include "kit/workdir.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READY_WITHIN_MS = 20000,
    END_WITHIN_MS = 5000,
    PORT_TRIES = 20,
    PORT_FIRST = 12000, /* free of well-known services, below 32768 */
    PORT_COUNT = 20000,
    PATH_BYTES = 100, /* fits a sun_path */
};

struct kit_server {
    struct kit_server_options options;
    char program[512];
    struct kit_workdir dir;
    char socket_path[PATH_BYTES];
    char config_path[PATH_BYTES];
    char log_path[PATH_BYTES];
    char **config; /* copies of the options' lines */
    uint16_t port;
    int port_fd; /* bound to it and not listening: nobody else is given the port meanwhile */
    pid_t pid;   /* 0: not running */
    struct kit_server *next;
};

/* Every server not yet stopped; touched on the main thread only. */
static struct kit_server *all_servers;

static const char *const k_programs[] = {
    [KIT_REDIS] = "redis-server", [KIT_VALKEY] = "valkey-server"};
static const char *const k_variables[] = {
    [KIT_REDIS] = "FAC_REDIS_SERVER", [KIT_VALKEY] = "FAC_VALKEY_SERVER"};

/* --- Finding the program --------------------------------------------------------------------- */

static bool find_program(enum kit_server_kind kind, char *out, size_t cap)
{
    const char *named = getenv(k_variables[kind]);
    if (named != NULL && *named != '\0') {
        (void)snprintf(out, cap, "%s", named);
        return access(out, X_OK) == 0;
    }
    const char *path = getenv("PATH");
    while (path != NULL && *path != '\0') {
        size_t len = strcspn(path, ":");
        (void)snprintf(out, cap, "%.*s/%s", (int)len, path, k_programs[kind]);
        if (access(out, X_OK) == 0) {
            return true;
        }
        path += len + (path[len] == ':' ? 1 : 0);
    }
    return false;
}

static void require_program(struct kit_server *server)
{
    enum kit_server_kind kind = server->options.kind;
    if (find_program(kind, server->program, sizeof(server->program))) {
        return;
    }
    const char *allow = getenv("FAC_TEST_ALLOW_MISSING_SERVERS");
    free(server);
    (void)fprintf(stderr, "%s not found: install the package %s, or set %s\n", k_programs[kind],
                  k_programs[kind], k_variables[kind]);
    if (allow != NULL && strcmp(allow, "1") == 0) {
        (void)fprintf(stderr, "skipped, since FAC_TEST_ALLOW_MISSING_SERVERS is 1\n");
        skip();
    }
    fail_msg("%s is missing", k_programs[kind]);
}

/* --- Ports ----------------------------------------------------------------------------------- */

static int bind_loopback(uint16_t port, bool is_v6)
{
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int result = is_v6 ? bind(fd, (const struct sockaddr *)&v6, sizeof(v6))
                       : bind(fd, (const struct sockaddr *)&v4, sizeof(v4));
    if (result != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* A port by chance that nobody has, bound until it is closed. */
static int hold_port(bool is_v6, uint16_t *out_port)
{
    int fd = -1;
    while (fd < 0) {
        uint32_t number = 0;
        if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
            abort();
        }
        *out_port = (uint16_t)(PORT_FIRST + number % PORT_COUNT);
        fd = bind_loopback(*out_port, is_v6);
    }
    return fd;
}

int kit_port_without_listener(uint16_t *out_port)
{
    return hold_port(false, out_port);
}

void kit_port_give_back(int holder)
{
    (void)close(holder);
}

bool kit_has_ipv6(void)
{
    int fd = bind_loopback(0, true);
    if (fd >= 0) {
        (void)close(fd);
    }
    return fd >= 0;
}

/* --- The directory --------------------------------------------------------------------------- */

static void make_dir(struct kit_server *server)
{
    kit_workdir_make(&server->dir);
    (void)snprintf(server->socket_path, PATH_BYTES, "%s/socket", server->dir.path);
    (void)snprintf(server->config_path, PATH_BYTES, "%s/config", server->dir.path);
    (void)snprintf(server->log_path, PATH_BYTES, "%s/log", server->dir.path);
}

static void write_config(const struct kit_server *server)
{
    FILE *file = fopen(server->config_path, "we");
    if (file == NULL) {
        fail_msg("no file %s: %s", server->config_path, strerror(errno));
    }
    (void)fprintf(file,
                  "port %u\nbind %s\ndir %s\nunixsocket %s\nsave \"\"\nappendonly no\n"
                  "daemonize no\nloglevel notice\nhz 100\ntcp-backlog 128\n",
                  (unsigned)server->port,
                  server->options.bind != NULL ? server->options.bind : "127.0.0.1",
                  server->dir.path, server->socket_path);
    if (server->options.is_tls) {
        (void)fprintf(file,
                      "port 0\ntls-port %u\ntls-cert-file %s\ntls-key-file %s\n"
                      "tls-ca-cert-file %s\ntls-auth-clients no\n",
                      (unsigned)server->port, kit_cert("server.pem").path,
                      kit_cert("server.key").path, kit_cert("ca.pem").path);
    }
    for (char **line = server->config; *line != NULL; line++) {
        (void)fprintf(file, "%s\n", *line);
    }
    if (fclose(file) != 0) {
        fail_msg("cannot write %s", server->config_path);
    }
}

static void print_log(const struct kit_server *server)
{
    FILE *file = fopen(server->log_path, "re");
    char line[512];
    (void)fprintf(stderr, "log of %s:\n", server->program);
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        (void)fputs(line, stderr);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

/* --- The process ----------------------------------------------------------------------------- */

/* In the child of a process that may have threads: only what is safe in a signal handler. */
static void become_server(const struct kit_server *server, char **argv, pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(126);
    }
    int log = open(server->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0) {
        _exit(126);
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)execv(server->program, argv);
    _exit(127);
}

static void spawn(struct kit_server *server)
{
    (void)unlink(server->socket_path);
    char *argv[] = {server->program, server->config_path, NULL};
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        fail_msg("fork: %s", strerror(errno));
    }
    if (pid == 0) {
        become_server(server, argv, parent);
    }
    server->pid = pid;
}

/* True when it has ended; then it is no more. */
static bool has_ended(struct kit_server *server)
{
    int status = 0;
    if (server->pid != 0 && waitpid(server->pid, &status, WNOHANG) != 0) {
        server->pid = 0;
    }
    return server->pid == 0;
}

static bool answers_ping(const struct kit_server *server)
{
    struct kit_raw *raw = kit_raw_unix(server->socket_path);
    if (raw == NULL) {
        return false;
    }
    const char *reply = kit_raw_send(raw, "*1\r\n$4\r\nPING\r\n", 14) ? kit_raw_reply(raw, NULL)
                                                                      : NULL;
    /* One that wants a password, or replicates from nobody, is as ready as it will be. */
    bool is_ready = reply != NULL && strncmp(reply, "-LOADING", 8) != 0 &&
                    strncmp(reply, "-ERR max", 8) != 0;
    kit_raw_close(raw);
    return is_ready;
}

/* False when the process ended by itself: its port may have been taken. */
static bool wait_until_ready(struct kit_server *server)
{
    int64_t give_up_at_ms = kit_now_ms() + READY_WITHIN_MS;
    while (!answers_ping(server)) {
        if (has_ended(server)) {
            return false;
        }
        if (kit_now_ms() > give_up_at_ms) {
            print_log(server);
            fail_msg("%s does not answer", server->program);
        }
        kit_nap();
    }
    return true;
}

static void end_process(struct kit_server *server, bool is_gentle)
{
    if (server->pid == 0) {
        return;
    }
    (void)kill(server->pid, SIGCONT);
    (void)kill(server->pid, is_gentle ? SIGTERM : SIGKILL);
    int64_t give_up_at_ms = kit_now_ms() + END_WITHIN_MS;
    while (!has_ended(server)) {
        if (kit_now_ms() > give_up_at_ms) {
            (void)kill(server->pid, SIGKILL);
            (void)waitpid(server->pid, NULL, 0);
            server->pid = 0;
            return;
        }
        kit_nap();
    }
}

static void stop_all(void)
{
    while (all_servers != NULL) {
        kit_server_stop(all_servers);
    }
}

static void copy_config(struct kit_server *server, const char *const *lines)
{
    size_t n = 0;
    while (lines != NULL && lines[n] != NULL) {
        n++;
    }
    server->config = calloc(n + 1, sizeof(*server->config));
    for (size_t i = 0; server->config != NULL && i < n; i++) {
        server->config[i] = strdup(lines[i]);
    }
    server->options.config = NULL;
}

struct kit_server *kit_server_start(const struct kit_server_options *options)
{
    static bool is_registered;
    if (!is_registered) {
        is_registered = true;
        (void)atexit(stop_all);
    }
    struct kit_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        abort();
    }
    server->options = *options;
    server->port_fd = -1;
    require_program(server);
    make_dir(server);
    copy_config(server, options->config);
    server->next = all_servers;
    all_servers = server;
    bool is_v6 = options->bind != NULL && strchr(options->bind, ':') != NULL;
    for (int i = 0; i < PORT_TRIES; i++) {
        server->port_fd = hold_port(is_v6, &server->port);
        /* Not before, so that two cannot hold the same; now the server can bind, too. */
        int on = 1;
        (void)setsockopt(server->port_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        write_config(server);
        spawn(server);
        if (wait_until_ready(server)) {
            return server;
        }
        (void)close(server->port_fd);
        server->port_fd = -1;
    }
    print_log(server);
    fail_msg("%s does not start", server->program);
    return NULL;
}

void kit_server_stop(struct kit_server *server)
{
    if (server == NULL) {
        return;
    }
    struct kit_server **link = &all_servers;
    while (*link != NULL && *link != server) {
        link = &(*link)->next;
    }
    if (*link == server) {
        *link = server->next;
    }
    end_process(server, true);
    (void)close(server->port_fd);
    kit_workdir_remove(&server->dir);
    for (char **line = server->config; line != NULL && *line != NULL; line++) {
        free(*line);
    }
    free(server->config);
    free(server);
}

uint16_t kit_server_port(const struct kit_server *server)
{
    return server->port;
}

const char *kit_server_socket(const struct kit_server *server)
{
    return server->socket_path;
}

const char *kit_server_dir(const struct kit_server *server)
{
    return server->dir.path;
}

int kit_server_pid(const struct kit_server *server)
{
    return server->pid;
}

void kit_server_kill(struct kit_server *server)
{
    end_process(server, false);
}

void kit_server_restart(struct kit_server *server)
{
    end_process(server, true);
    spawn(server);
    if (!wait_until_ready(server)) {
        print_log(server);
        fail_msg("%s does not start again on its port", server->program);
    }
}

void kit_server_pause(struct kit_server *server)
{
    (void)kill(server->pid, SIGSTOP);
    int status = 0;
    /* Stopped for certain, not just told so. */
    if (waitpid(server->pid, &status, WUNTRACED) != server->pid || !WIFSTOPPED(status)) {
        fail_msg("%s did not stop", server->program);
    }
}

void kit_server_resume(struct kit_server *server)
{
    (void)kill(server->pid, SIGCONT);
}
