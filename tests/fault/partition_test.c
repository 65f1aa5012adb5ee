/* SPDX-License-Identifier: MIT */
/* Row C5, of the soak: a link that goes down without a word. The server is in a network of its own,
 * behind a pair of virtual interfaces whose far end is taken down. Needs the right to make network
 * namespaces, and ip(8). */
#include "fault/callers.h"
#include "fault/late.h"
#include "kit/kit.h"
#include "live/live.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CALLERS = 8,
    TIMEOUT_MS = 1000,
    DEADLINE_MS = 300,
    NOTICED_US = 1500000,
    BACK_US = 2200000, /* a pause between attempts lasts up to 2 s; row C1 has the same bar */
    DOWN_MS = 3000,
    ROUNDS = 3,
    WORDS_MAX = 12
};

/* Two networks: this process's threads are in the near one, the server is in the far one. */
struct networks {
    int home_fd;
    int near_fd;
    int far_fd;
};

static void run_ip(const char *arguments)
{
    char text[160];
    char *words[WORDS_MAX] = {NULL};
    size_t n = 0;
    (void)snprintf(text, sizeof(text), "ip %s", arguments);
    for (char *at = text; *at != '\0' && n + 1 < WORDS_MAX;) {
        size_t len = strcspn(at, " ");
        words[n++] = at;
        at += len;
        if (*at == ' ') {
            *at++ = '\0';
        }
    }
    pid_t pid = 0;
    int status = 0;
    assert_int_equal(posix_spawnp(&pid, "ip", NULL, NULL, words, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int this_network(void)
{
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void go_to(int network_fd)
{
    assert_int_equal(setns(network_fd, CLONE_NEWNET), 0);
}

/* False when this machine does not let us. */
static bool make_networks(struct networks *networks)
{
    networks->home_fd = this_network();
    if (unshare(CLONE_NEWNET) != 0) {
        (void)fprintf(stderr, "no network namespaces here: %s\n", strerror(errno));
        (void)close(networks->home_fd);
        return false;
    }
    networks->far_fd = this_network();
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    networks->near_fd = this_network();
    char move[96];
    run_ip("link add near type veth peer name far");
    (void)snprintf(move, sizeof(move), "link set far netns /proc/%d/fd/%d", (int)getpid(),
                   networks->far_fd);
    run_ip(move);
    run_ip("addr add 10.77.0.1/24 dev near");
    run_ip("link set near up");
    go_to(networks->far_fd);
    run_ip("addr add 10.77.0.2/24 dev far");
    run_ip("link set lo up");
    run_ip("link set far up");
    return true;
}

static void leave_networks(struct networks *networks)
{
    go_to(networks->home_fd);
    (void)close(networks->near_fd);
    (void)close(networks->far_fd);
    (void)close(networks->home_fd);
}

static void set_far_end(const struct networks *networks, const char *how)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "link set far %s", how);
    go_to(networks->far_fd);
    run_ip(text);
    go_to(networks->near_fd);
}

static bool lose_the_link(const struct networks *networks, fac_cache *cache)
{
    struct callers callers = {.cache = cache, .deadline_ms = DEADLINE_MS, .pause_ms = 1};
    struct lateness control_late;
    lateness_init(&control_late, 1 << 16);
    callers_start(&callers, CALLERS);
    callers_wait_for_ok(&callers, CALLERS);
    uint64_t n_before = live_stats(cache).disconnects;
    struct late_control *control = late_control_start(CALLERS, DEADLINE_MS);
    callers_record(&callers, true);
    int64_t since_us = late_now_us();
    set_far_end(networks, "down");
    KIT_WAIT_FOR(LIVE_HEAL_MS, live_stats(cache).disconnects > n_before);
    int64_t noticed_us = late_now_us() - since_us;
    late_pass_ms(DOWN_MS);
    callers_record(&callers, false);
    callers_watch(&callers);
    since_us = late_now_us();
    set_far_end(networks, "up");
    int64_t back_us = callers_first_ok_after_us(&callers, since_us, LIVE_HEAL_MS);
    callers_stop(&callers);
    late_control_stop(control, &control_late);
    (void)fprintf(stderr, "noticed after %lld us, back %lld us after the link\n",
                  (long long)noticed_us, (long long)back_us);
    assert_int_equal(atomic_load(&callers.n_other) + atomic_load(&callers.n_auth), 0);
    bool is_good = late_is_within_bars("silent link", &callers.late, &control_late);
    int64_t machine_us = late_max(&control_late.full);
    int64_t slow_us = kit_is_sanitized() ? kit_margin_ms() * 1000 : 0;
    lateness_fini(&control_late);
    callers_fini(&callers);
    return is_good && noticed_us <= NOTICED_US + machine_us + slow_us &&
           back_us <= BACK_US + machine_us + slow_us;
}

/* Catches: a dead peer that is left to the kernel's retransmissions, a quarter of an hour; a new
 * connect that waits for the kernel, too; a pause that goes on when the server is there again. */
static void test_partition__c5_silent_link(void **state)
{
    (void)state;
    struct networks networks = {.near_fd = -1, .far_fd = -1};
    if (!make_networks(&networks)) {
        skip();
    }
    static const char *const k_config[] = {"protected-mode no", NULL};
    struct kit_server_options server_options = {
        .kind = KIT_REDIS, .bind = "10.77.0.2", .config = k_config};
    struct kit_server *server = kit_server_start(&server_options);
    go_to(networks.near_fd);
    fac_options options;
    live_point_at(&options, kit_server_port(server));
    options.host = "10.77.0.2";
    options.timeout_ms = TIMEOUT_MS;
    callers_without_breaker(&options);
    fac_cache *cache = NULL;
    fac_error err;
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    callers_store(cache);
    for (size_t i = 0; i < kit_scaled(ROUNDS); i++) {
        bool is_good = false;
        for (int round = 0; round < LATE_ROUNDS && !is_good; round++) {
            is_good = lose_the_link(&networks, cache);
        }
        assert_true(is_good);
    }
    fac_cache_close(cache);
    go_to(networks.far_fd);
    kit_server_stop(server);
    leave_networks(&networks);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_partition__c5_silent_link),
};

KIT_MAIN(k_tests)
