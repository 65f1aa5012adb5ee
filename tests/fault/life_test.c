/* SPDX-License-Identifier: MIT */
/* Row J: fork, exec, exit and signals amid traffic. The parent and the child never share a
 * connection, no descriptor is handed on, nothing of the process is changed. */
#include "fault/owner_peer.h"
#include "fault/talk.h"
#include "kit/keyvalue.h"
#include "kit/kit.h"
#include "kit/stub.h"
#include "kit/workdir.h"
#include "live/live.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TALKERS = 32,
    CHILD_WITHIN_MS = 60000,
    OUTPUT_BYTES = 65536
};

static fac_cache *open_at(uint16_t port, fac_error *err)
{
    fac_options options;
    fac_cache *cache = NULL;
    live_point_at(&options, port);
    options.prefix = "";
    options.max_connections = 4;
    return fac_cache_open(&options, &cache, err) == FAC_OK ? cache : NULL;
}

/* A set and a get; whether both did what they should. On any thread, and in a child. */
static bool is_answered(fac_cache *cache, const char *key)
{
    fac_error err;
    fac_value *value = NULL;
    bool is_set = fac_cache_set(cache, fac_str(key), fac_str(key), 60000, NULL, &err) == FAC_OK;
    bool is_got = fac_cache_get(cache, fac_str(key), NULL, &value, &err) == FAC_OK &&
                  kit_keyvalue_is_of(fac_value_bytes(value), key);
    fac_value_unref(value);
    return is_set && is_got;
}

/* --- Traffic of the parent ------------------------------------------------------------------- */

struct traffic {
    fac_cache *cache;
    atomic_bool is_over;
    atomic_size_t n_rounds;
    atomic_size_t n_bad;
};

static void go_on(size_t index, void *context)
{
    struct traffic *traffic = context;
    char key[32];
    (void)snprintf(key, sizeof(key), "parent:%zu", index);
    while (!atomic_load(&traffic->is_over)) {
        if (!is_answered(traffic->cache, key)) {
            (void)atomic_fetch_add(&traffic->n_bad, 1U);
        }
        (void)atomic_fetch_add(&traffic->n_rounds, 1U);
    }
}

static int wait_for_child(pid_t pid)
{
    int status = 0;
    int64_t give_up_at_ms = kit_now_ms() + CHILD_WITHIN_MS;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (kit_now_ms() > give_up_at_ms) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            fail_msg("a child did not end");
        }
        kit_nap();
    }
    return status;
}

/* --- fork ------------------------------------------------------------------------------------ */

enum {
    CHILDREN = 4 /* at a time */
};

/* The parent's calls are not the child's. */
static bool has_none_in_flight(fac_cache *cache)
{
    fac_error err;
    fac_stats stats;
    return fac_cache_stats(cache, NULL, &stats, sizeof(stats), &err) == FAC_OK &&
           stats.calls_in_flight == 0;
}

static pid_t fork_one(fac_cache *cache, uint64_t number)
{
    pid_t pid = fork();
    if (pid == 0) {
        char key[32];
        (void)snprintf(key, sizeof(key), "child%d:k", (int)getpid());
        bool is_good = number % 3 == 0 || is_answered(cache, key);
        is_good = is_good && has_none_in_flight(cache);
        if (number % 5 == 0) {
            fac_cache_close(cache);
        }
        _exit(is_good ? 0 : 1);
    }
    assert_true(pid > 0);
    return pid;
}

static void test_life__fork_amid_traffic(void **state)
{
    (void)state;
    struct owner_peer *peer = owner_peer_start();
    fac_error err;
    static struct traffic traffic;
    memset(&traffic, 0, sizeof(traffic));
    traffic.cache = open_at(owner_peer_port(peer), &err);
    assert_non_null(traffic.cache);
    struct kit_threads *threads = kit_threads_start(TALKERS, go_on, &traffic);
    uint64_t random = kit_seed();
    size_t n_forks = kit_scaled(300); /* the row's 10^4 at a scale of 3400 */
    for (size_t done = 0; done < n_forks; done += CHILDREN) {
        pid_t pids[CHILDREN];
        for (size_t i = 0; i < CHILDREN; i++) {
            pids[i] = fork_one(traffic.cache, kit_random(&random));
        }
        for (size_t i = 0; i < CHILDREN; i++) {
            assert_int_equal(wait_for_child(pids[i]), 0);
        }
        size_t n_before = atomic_load(&traffic.n_rounds);
        KIT_WAIT_FOR(LIVE_HEAL_MS, atomic_load(&traffic.n_rounds) > n_before);
    }
    atomic_store(&traffic.is_over, true);
    kit_threads_join(threads);
    assert_int_equal(atomic_load(&traffic.n_bad), 0);
    fac_stats stats = live_stats(traffic.cache);
    assert_int_equal(stats.errors, 0);
    assert_int_equal(stats.disconnects, 0);
    (void)printf("%zu forks, %zu rounds of the parent, %zu connections\n", n_forks,
                 atomic_load(&traffic.n_rounds), owner_peer_n_connections(peer));
    fac_cache_close(traffic.cache);
    owner_peer_stop(peer);
}

/* --- exec ------------------------------------------------------------------------------------ */

/* Run a program; what it wrote. Its status must be 0. */
static void run_program(const char *const *argv, char *output)
{
    int fds[2];
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO), 0);
    pid_t pid = 0;
    /* posix_spawn does not write to them; its signature is older than const */
    char *const *arguments = (char *const *)(uintptr_t)argv;
    assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, arguments, environ), 0);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(fds[1]);
    size_t len = 0;
    ssize_t n = 0;
    do {
        n = read(fds[0], output + len, OUTPUT_BYTES - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    output[len] = '\0';
    (void)close(fds[0]);
    assert_int_equal(wait_for_child(pid), 0);
}

/* Handles come and go, so that there is always a descriptor that was made just now. */
static void open_and_close(size_t index, void *context)
{
    struct traffic *traffic = context;
    uint16_t port = *(const uint16_t *)(const void *)traffic->cache;
    char key[32];
    (void)snprintf(key, sizeof(key), "open%zu:k", index);
    while (!atomic_load(&traffic->is_over)) {
        fac_error err;
        fac_cache *cache = open_at(port, &err);
        if (cache == NULL || !is_answered(cache, key)) {
            (void)atomic_fetch_add(&traffic->n_bad, 1U);
        }
        fac_cache_close(cache);
    }
}

static void test_life__exec_inherits_no_descriptor(void **state)
{
    (void)state;
    static const char *const k_list[] = {"ls", "-l", "/proc/self/fd", NULL};
    struct owner_peer *peer = owner_peer_start();
    uint16_t port = owner_peer_port(peer);
    static struct traffic traffic;
    memset(&traffic, 0, sizeof(traffic));
    traffic.cache = (fac_cache *)(void *)&port;
    char *output = malloc(OUTPUT_BYTES);
    assert_non_null(output);
    struct kit_threads *threads = kit_threads_start(8, open_and_close, &traffic);
    for (size_t i = 0; i < kit_scaled(60); i++) {
        run_program(k_list, output);
        assert_contains(output, "/proc/");
        for (const char *line = output; line != NULL; line = strchr(line + 1, '\n')) {
            int fd = -1;
            const char *arrow = strstr(line, " -> ");
            const char *end = strchr(line + 1, '\n');
            if (arrow == NULL || (end != NULL && arrow > end)) {
                continue;
            }
            const char *number = arrow;
            while (number > line && number[-1] != ' ') {
                number--;
            }
            assert_int_equal(sscanf(number, "%d", &fd), 1); /* NOLINT(cert-err34-c) */
            if (fd > 2 && strncmp(arrow + 4, "socket:", 7) == 0) {
                fail_msg("inherited: %.80s", line);
            }
        }
    }
    atomic_store(&traffic.is_over, true);
    kit_threads_join(threads);
    assert_int_equal(atomic_load(&traffic.n_bad), 0);
    free(output);
    owner_peer_stop(peer);
}

/* --- Ends of a process amid traffic ---------------------------------------------------------- */

enum {
    ENDING_TALKERS = 8
};

struct ending {
    struct traffic traffic;
    size_t n_wanted;
    atomic_size_t n_ended;
};

static void *talk_for_ever(void *context)
{
    struct ending *ending = context;
    while (atomic_load(&ending->traffic.n_rounds) < ending->n_wanted) {
        (void)is_answered(ending->traffic.cache, "ending:k");
        (void)atomic_fetch_add(&ending->traffic.n_rounds, 1U);
    }
    if (atomic_fetch_add(&ending->n_ended, 1U) == ENDING_TALKERS - 1) {
        exit(0); /* a sanitizer's own thread would keep the process */
    }
    pthread_exit(NULL);
}

/* What the program is when it runs itself: traffic, and an end in the middle of it. */
static int end_amid_traffic(const char *port, const char *how, const char *after)
{
    static struct ending ending;
    fac_error err;
    ending.traffic.cache = open_at((uint16_t)strtoul(port, NULL, 10), &err);
    if (ending.traffic.cache == NULL) {
        return 3;
    }
    bool is_thread_end = strcmp(how, "pthread_exit") == 0;
    size_t wanted = strtoul(after, NULL, 10);
    ending.n_wanted = is_thread_end ? wanted : SIZE_MAX;
    for (int i = 0; i < ENDING_TALKERS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, talk_for_ever, &ending) != 0 ||
            pthread_detach(thread) != 0) {
            return 4;
        }
    }
    if (is_thread_end) {
        pthread_exit(NULL); /* the main thread's end is not the process's */
    }
    while (atomic_load(&ending.traffic.n_rounds) < wanted) {
        kit_nap();
    }
    if (strcmp(how, "_exit") == 0) {
        _exit(0);
    }
    if (strcmp(how, "close") == 0) { /* the talkers keep a reference */
        (void)fac_cache_ref(ending.traffic.cache);
        fac_cache_close(ending.traffic.cache);
    }
    return 0; /* of main: exit() */
}

static void test_life__exit_amid_traffic(void **state)
{
    (void)state;
    static const char *const k_hows[] = {"exit", "_exit", "pthread_exit", "close"};
    struct owner_peer *peer = owner_peer_start();
    char port[8];
    (void)snprintf(port, sizeof(port), "%u", (unsigned)owner_peer_port(peer));
    char *output = malloc(OUTPUT_BYTES);
    assert_non_null(output);
    uint64_t random = kit_seed();
    for (size_t i = 0; i < kit_scaled(60); i++) {
        char after[8];
        (void)snprintf(after, sizeof(after), "%u", (unsigned)(kit_random(&random) % 50));
        const char *argv[] = {"/proc/self/exe", "--traffic", port, k_hows[i % 4], after, NULL};
        run_program(argv, output);
    }
    free(output);
    owner_peer_stop(peer);
}

/* --- Signals --------------------------------------------------------------------------------- */

/* Gone, with an RST, while a large value comes in. */
static void reset_amid_a_frame(struct kit_stub_conn *conn, void *context)
{
    (void)context;
    kit_stub_reset(conn);
}

static void test_life__peers_that_reset_raise_no_signal(void **state)
{
    (void)state;
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    enum {
        BYTES = 4 * 1024 * 1024
    };
    char *bytes = calloc(1, BYTES);
    assert_non_null(bytes);
    struct kit_stub_options stub_options = {.fn = reset_amid_a_frame, .is_bare = true};
    for (size_t repeat = 0; repeat < kit_scaled(2); repeat++) {
        struct kit_stub *stub = kit_stub_start(&stub_options);
        fac_options options;
        live_point_at(&options, kit_stub_port(stub));
        options.open = FAC_OPEN_LAZY;
        for (size_t i = 0; i < 60; i++) {
            fac_error err;
            fac_cache *cache = NULL;
            assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
            fac_call call = fac_call_within(200);
            fac_status st = fac_cache_set(
                cache, fac_str("k"), fac_mem(bytes, i % 2 ? BYTES : 9), 60000, &call, &err);
            assert_true(st == FAC_E_UNAVAILABLE || st == FAC_E_TIMEOUT);
            fac_cache_close(cache);
        }
        assert_true(kit_stub_connections(stub) > 0);
        kit_stub_stop(stub);
    }
    free(bytes);
}

/* A connection that was good goes away in the middle of what is sent. */
static void test_life__killed_while_sending_raises_no_signal(void **state)
{
    (void)state;
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    struct live live;
    live_begin(&live);
    enum {
        BYTES = 8 * 1024 * 1024
    };
    char *bytes = calloc(1, BYTES);
    assert_non_null(bytes);
    for (size_t i = 0; i < kit_scaled(20); i++) {
        const char *killed = kit_raw_ask(live_raw(&live), "CLIENT", "KILL", "TYPE", "normal",
                                         "SKIPME", "yes", NULL);
        assert_true(killed[0] != '-');
        live_set_bytes(live.cache, fac_str("k"), fac_mem(bytes, BYTES));
    }
    free(bytes);
    live_end(&live);
}

struct signals {
    sigset_t mask;
    struct sigaction actions[NSIG];
};

static void look_at_signals(struct signals *signals)
{
    memset(signals, 0, sizeof(*signals));
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &signals->mask), 0);
    for (int number = 1; number < NSIG; number++) {
        (void)sigaction(number, NULL, &signals->actions[number]);
    }
}

/* Signal by signal: the system fills only a part of a set. */
static void assert_mask_equal(const sigset_t *a, const sigset_t *b)
{
    for (int number = 1; number < NSIG; number++) {
        assert_int_equal(sigismember(a, number), sigismember(b, number));
    }
}

static void test_life__no_signal_setting_is_touched(void **state)
{
    (void)state;
    static struct signals before;
    static struct signals after;
    struct live live;
    live_start(&live, NULL);
    live.options.host = "127.1"; /* looked up by libc, on a thread */
    look_at_signals(&before);
    live_open(&live);
    struct talk talk = {.cache = live.cache, .name = "s", .large_bytes = 100000};
    talk_round(&talk);
    talk_assert_true_values(&talk);
    kit_server_kill(live.server);
    talk_round(&talk);
    assert_true(talk_count_errors(&talk) > 0);
    look_at_signals(&after);
    assert_mask_equal(&before.mask, &after.mask);
    for (int number = 1; number < NSIG; number++) {
        assert_ptr_equal(before.actions[number].sa_handler, after.actions[number].sa_handler);
        assert_int_equal(before.actions[number].sa_flags, after.actions[number].sa_flags);
        assert_mask_equal(&before.actions[number].sa_mask, &after.actions[number].sa_mask);
    }
    kit_server_restart(live.server);
    live_end(&live);
    look_at_signals(&after);
    assert_mask_equal(&before.mask, &after.mask);
}

/* --- A program with more rights than its user ------------------------------------------------ */

static void say_prefix(void *context, const fac_setting *setting)
{
    (void)context;
    if (strcmp(setting->name, "prefix") == 0) {
        (void)printf("secure %lu prefix %s\n", getauxval(AT_SECURE), setting->value);
    }
}

static int describe(void)
{
    fac_error err;
    return fac_options_describe(NULL, say_prefix, NULL, &err) == FAC_OK ? 0 : 5;
}

/* As a user who owns nothing, with an environment that sets the prefix. Takes root, or sudo that asks
 * for no password now: tools/dev/test.sh has had it ask. */
static void run_as_nobody(const char *program, char *output)
{
    const char *argv[] = {"sudo",
                          "-n",
                          "env",
                          "REDIS_PREFIX=from-outside:",
                          "CACHE_PREFIX=from-outside:",
                          "setpriv",
                          "--reuid=65534",
                          "--clear-groups",
                          program,
                          "--describe",
                          NULL};
    run_program(geteuid() == 0 ? argv + 2 : argv, output);
}

static void test_life__setuid_program_ignores_the_environment(void **state)
{
    (void)state;
    struct kit_workdir dir;
    char program[KIT_WORKDIR_PATH_BYTES + 16];
    char *output = malloc(OUTPUT_BYTES);
    assert_non_null(output);
    kit_workdir_make(&dir);
    (void)snprintf(program, sizeof(program), "%s/program", dir.path);
    const char *copy[] = {"cp", "/proc/self/exe", program, NULL};
    char self[4096] = "";
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    copy[1] = self;
    run_program(copy, output);
    assert_int_equal(chmod(dir.path, 0755), 0);
    assert_int_equal(chmod(program, 0755), 0);
    run_as_nobody(program, output);
    assert_contains(output, "from-outside:");
    assert_int_equal(chmod(program, 04755), 0);
    run_as_nobody(program, output);
    bool is_secure = strstr(output, "secure 1") != NULL;
    bool is_ignored = strstr(output, "from-outside:") == NULL;
    kit_workdir_remove(&dir);
    free(output);
    if (!is_secure) {
        skip(); /* a file system that gives no rights */
    }
    assert_true(is_ignored);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_life__fork_amid_traffic),
    KIT_TEST(test_life__exec_inherits_no_descriptor),
    KIT_TEST(test_life__exit_amid_traffic),
    KIT_TEST(test_life__peers_that_reset_raise_no_signal),
    KIT_TEST(test_life__killed_while_sending_raises_no_signal),
    KIT_TEST(test_life__no_signal_setting_is_touched),
    KIT_TEST(test_life__setuid_program_ignores_the_environment),
};

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--traffic") == 0) {
        return end_amid_traffic(argv[2], argv[3], argv[4]);
    }
    if (argc == 2 && strcmp(argv[1], "--describe") == 0) {
        return describe();
    }
    return kit_main(argc, argv, k_tests, KIT_COUNT(k_tests));
}
