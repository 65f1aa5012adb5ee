/* SPDX-License-Identifier: MIT */
/* bench/instructions.c — the instructions of one GET in user space, by valgrind's callgrind.
 *
 * This program runs itself below valgrind, once with few calls and once with many: the difference,
 * divided, is free of what starting costs. It does not depend on what else the machine does. */
#include "instructions.h"

#include "cell.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    N_FEW = 1000,
    N_MANY = 5000,
    EXIT_NO_PROGRAM = 127,
};

static const char k_group[] = "instructions";

int bench_instructions_probe(const char *side, const char *unix_socket, const char *count)
{
    const struct bench_endpoint endpoint = {
        .server = "probe", .transport = "unix", .unix_socket = unix_socket};
    const struct bench_driver *driver = strcmp(side, "ours") == 0 ? &k_ours_get_into
                                                                  : &k_hiredis_get;
    struct bench_peer peer = {.n_threads = 1, .max_connections = 1};
    bench_data_init();
    if (!driver->open(&peer, &endpoint)) {
        return 1;
    }
    size_t at = 0;
    bool is_ok = driver->run(&peer, 0, &at, (uint32_t)strtoul(count, NULL, 10));
    driver->close(&peer);
    return is_ok ? 0 : 1;
}

static _Noreturn void exec_valgrind(const char *side, const char *unix_socket, uint32_t count,
                                    int out_fd)
{
    char self[512] = "";
    char count_text[16];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    (void)snprintf(count_text, sizeof(count_text), "%u", count);
    (void)dup2(out_fd, STDERR_FILENO);
    if (n > 0) {
        (void)execlp("valgrind", "valgrind", "--tool=callgrind",
                     "--callgrind-out-file=/dev/null", self, "--instructions-probe", side,
                     unix_socket, count_text, (char *)NULL);
    }
    _exit(EXIT_NO_PROGRAM);
}

/* What callgrind says last: "==123== Collected : 4567". */
static bool read_collected(int fd, double *out)
{
    char text[8192];
    size_t used = 0;
    ssize_t n = 1;
    while (n > 0 && used < sizeof(text) - 1) {
        n = read(fd, text + used, sizeof(text) - 1 - used);
        used += n > 0 ? (size_t)n : 0;
    }
    text[used] = '\0';
    static const char k_word[] = "Collected : ";
    const char *at = strstr(text, k_word);
    *out = at == NULL ? 0 : strtod(at + sizeof(k_word) - 1, NULL);
    return *out > 0;
}

/* *out_is_there is false when valgrind is not installed. */
static bool collect(const char *side, const char *unix_socket, uint32_t count, double *out,
                    bool *out_is_there)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        return bench_broke("no pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        exec_valgrind(side, unix_socket, count, report[1]);
    }
    (void)close(report[1]);
    bool is_read = pid > 0 && read_collected(report[0], out);
    (void)close(report[0]);
    int outcome = -1;
    if (pid > 0) {
        (void)waitpid(pid, &outcome, 0);
    }
    *out_is_there = !(WIFEXITED(outcome) && WEXITSTATUS(outcome) == EXIT_NO_PROGRAM);
    return !*out_is_there || (is_read && outcome == 0) || bench_broke("callgrind failed");
}

static bool count_side(const char *side, const char *unix_socket, double *out,
                       bool *out_is_there)
{
    double few = 0;
    double many = 0;
    if (!collect(side, unix_socket, N_FEW, &few, out_is_there)) {
        return false;
    }
    if (*out_is_there && !collect(side, unix_socket, N_MANY, &many, out_is_there)) {
        return false;
    }
    *out = (many - few) / (N_MANY - N_FEW);
    return true;
}

static bool add_row(struct bench_report *report, const char *name, const char *what,
                    double value, double bar)
{
    return bench_report_add_value(report, k_group, name, "callgrind",
                                  &(struct bench_value){BENCH_COUNT, what, value, bar});
}

bool bench_group_instructions(const struct bench_plan *plan, struct bench_report *report)
{
    if (plan->n_servers == 0) {
        return true;
    }
    const struct bench_server *server = &plan->servers[0];
    double ours = 0;
    double base = 0;
    bool is_there = true;
    bench_data_size(BENCH_SMALL_BYTES);
    if (!bench_server_empty(&server->local) || !bench_server_fill(&server->local) ||
        !count_side("ours", server->unix_socket, &ours, &is_there) ||
        (is_there && !count_side("hiredis", server->unix_socket, &base, &is_there))) {
        return false;
    }
    if (!is_there) {
        bench_report_note(report, "instructions: valgrind is not installed, not counted");
        return true;
    }
    return add_row(report, "get", "instructions of fac_cache_get_into, 100 bytes", ours,
                   base) &&
           add_row(report, "hiredis get", "instructions of redisCommandArgv + freeReplyObject",
                   base, -1);
}
