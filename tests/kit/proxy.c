/* SPDX-License-Identifier: MIT */
/* kit/proxy.c — the proxy's thread, its doors, and what tests ask of it from outside. */
#include "kit/kit.h"
#include "kit/proxy_inside.h"
#include "kit/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256,
    BACKLOG = 1024,
    GATHER_NS = 100000
};

uint64_t proxy_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void *proxy_grow(void *memory, size_t *cap, size_t need, size_t one_bytes)
{
    if (need <= *cap) {
        return memory;
    }
    size_t more = *cap * 2 > need ? *cap * 2 : need;
    more = more > 64 ? more : 64;
    memory = realloc(memory, more * one_bytes);
    if (memory == NULL) {
        abort();
    }
    *cap = more;
    return memory;
}

uint64_t proxy_draw(struct proxy_conn *conn, uint64_t mean)
{
    return mean <= 1 ? 1 : 1 + kit_random(&conn->random) % (2 * mean - 1);
}

/* What the thread cannot go on from; told by kit_proxy_stop(). */
static void note_problem(struct kit_proxy *proxy, const char *what)
{
    if (proxy->problem[0] == '\0') {
        (void)snprintf(proxy->problem, sizeof(proxy->problem), "%s: %s", what, strerror(errno));
    }
}

/* Not all the time: a Unix socket would tell each time its peer has read something. */
void proxy_side_watch(struct proxy_side *side, bool waits_to_write)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = side};
    event.events |= waits_to_write ? EPOLLOUT : 0;
    side->waits_to_write = waits_to_write;
    if (epoll_ctl(side->conn->proxy->epoll_fd, EPOLL_CTL_MOD, side->fd, &event) != 0) {
        note_problem(side->conn->proxy, "epoll_ctl");
    }
}

static void watch(struct kit_proxy *proxy, int fd, uint32_t events, void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};
    if (epoll_ctl(proxy->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        note_problem(proxy, "epoll_ctl");
    }
}

/* --- Connections ----------------------------------------------------------------------------- */

static int dial(struct kit_proxy *proxy)
{
    const char *path = proxy->options.to_unix;
    int fd = socket(path != NULL ? AF_UNIX : AF_INET,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        note_problem(proxy, "socket");
        return -1;
    }
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in inet = {.sin_family = AF_INET,
                               .sin_port = htons(proxy->options.to_port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int result = 0;
    if (path != NULL) {
        (void)snprintf(local.sun_path, sizeof(local.sun_path), "%s", path);
        result = connect(fd, (const struct sockaddr *)&local, sizeof(local));
    } else {
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        result = connect(fd, (const struct sockaddr *)&inet, sizeof(inet));
    }
    if (result != 0 && errno != EINPROGRESS) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void drop(int fd, bool is_reset)
{
    struct linger now = {1, 0};
    if (is_reset) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    (void)close(fd);
}

static void welcome(struct kit_proxy *proxy, int client_fd)
{
    size_t index = proxy->counts.n_accepted++;
    if (proxy->faults.accept != KIT_ACCEPT) {
        drop(client_fd, proxy->faults.accept == KIT_ACCEPT_RESET);
        return;
    }
    int server_fd = dial(proxy);
    if (server_fd < 0) {
        proxy->counts.n_unreachable++;
        drop(client_fd, true);
        return;
    }
    struct proxy_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        abort();
    }
    int on = 1;
    (void)setsockopt(client_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    conn->proxy = proxy;
    conn->index = index;
    conn->random = proxy->options.seed ^ ((uint64_t)index + 1) * 0x9e3779b97f4a7c15U;
    for (size_t i = 0; i < 2; i++) {
        conn->side[i].conn = conn;
        conn->side[i].fd = i == 0 ? client_fd : server_fd;
        conn->side[i].waits_to_write = true; /* the first time tells that it is connected */
    }
    proxy_conn_set(conn, &proxy->faults);
    proxy->conns = proxy_grow(proxy->conns, &proxy->cap_conns, proxy->n_conns + 1,
                              sizeof(struct proxy_conn *));
    proxy->conns[proxy->n_conns++] = conn;
    for (size_t i = 0; i < 2; i++) {
        watch(proxy, conn->side[i].fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
              &conn->side[i]);
    }
}

static void accept_all(struct kit_proxy *proxy, int listen_fd)
{
    while (!proxy->is_refusing) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
                note_problem(proxy, "accept");
            }
            return;
        }
        welcome(proxy, fd);
    }
}

/* --- The thread ------------------------------------------------------------------------------ */

static void take_event(struct kit_proxy *proxy, const struct epoll_event *event)
{
    if (event->data.ptr == &proxy->listen_fd || event->data.ptr == &proxy->unix_fd) {
        accept_all(proxy, *(const int *)event->data.ptr);
        return;
    }
    if (event->data.ptr == &proxy->wake_fd) {
        uint64_t count = 0;
        (void)!read(proxy->wake_fd, &count, sizeof(count));
        return;
    }
    struct proxy_side *side = event->data.ptr;
    uint32_t is_end = event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    side->can_read = side->can_read || (event->events & EPOLLIN) != 0 || is_end != 0;
    side->is_hung_up = side->is_hung_up || is_end != 0;
    if ((event->events & EPOLLOUT) != 0) {
        side->can_write = true;
        if (side->waits_to_write) {
            proxy_side_watch(side, false);
        }
    }
    side->conn->is_ready = true;
}

/* Pump whoever has something to do; returns when the next one has. */
static uint64_t pump_all(struct kit_proxy *proxy)
{
    uint64_t now_ns = proxy_now_ns();
    uint64_t wake_at_ns = KIT_NEVER;
    size_t kept = 0;
    for (size_t i = 0; i < proxy->n_conns; i++) {
        struct proxy_conn *conn = proxy->conns[i];
        if (conn->kill != KIT_CUT_NONE) {
            proxy_conn_cut(conn, conn->kill, KIT_DOWN);
            conn->kill = KIT_CUT_NONE;
            conn->is_ready = true;
            proxy->n_kills--;
        }
        if (!conn->is_dead && (conn->is_ready || conn->wake_at_ns <= now_ns)) {
            proxy_conn_pump(conn, now_ns);
        }
        if (conn->is_dead) {
            proxy_conn_free(conn);
            continue;
        }
        wake_at_ns = conn->wake_at_ns < wake_at_ns ? conn->wake_at_ns : wake_at_ns;
        proxy->conns[kept++] = conn;
    }
    proxy->n_conns = kept;
    return wake_at_ns;
}

/* While bytes grow old, rounds are gathered: a wake-up for each segment of each connection would
 * take over half a processor from those who are tested. The price is a quarter of the delay, at
 * most 0.1 ms, by which a segment may be later. */
static uint64_t gather_until_locked(const struct kit_proxy *proxy)
{
    const struct kit_flow_faults *up = &proxy->faults.flow[KIT_UP];
    const struct kit_flow_faults *down = &proxy->faults.flow[KIT_DOWN];
    uint64_t up_ns = up->delay_ns + up->jitter_ns / 2;
    uint64_t down_ns = down->delay_ns + down->jitter_ns / 2;
    uint64_t gather_ns = (up_ns > down_ns ? up_ns : down_ns) / 4;
    return proxy_now_ns() + (gather_ns < GATHER_NS ? gather_ns : GATHER_NS);
}

static void nap_until(uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000U),
                             .tv_nsec = (long)(until_ns % 1000000000U)};
    if (until_ns > proxy_now_ns()) {
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
}

/* Wait for an event until a moment, to the nanosecond as far as the machine can. */
static int wait_events(struct kit_proxy *proxy, struct epoll_event *events, uint64_t wake_at_ns)
{
    struct timespec left = {0, 0};
    if (wake_at_ns != KIT_NEVER) {
        uint64_t now_ns = proxy_now_ns();
        uint64_t left_ns = wake_at_ns > now_ns ? wake_at_ns - now_ns : 0;
        left.tv_sec = (time_t)(left_ns / 1000000000U);
        left.tv_nsec = (long)(left_ns % 1000000000U);
    }
    int n = epoll_pwait2(proxy->epoll_fd, events, EVENTS_MAX,
                         wake_at_ns == KIT_NEVER ? NULL : &left, NULL);
    return n > 0 ? n : 0;
}

static void *run(void *argument)
{
    struct kit_proxy *proxy = argument;
    struct epoll_event events[EVENTS_MAX];
    uint64_t wake_at_ns = KIT_NEVER;
    uint64_t gather_until_ns = 0;
    /* Signals are for the test's own threads. */
    sigset_t all;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
    /* Timers of other threads may be gathered by 50 us: these delays are that short. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    (void)pthread_mutex_lock(&proxy->lock);
    while (!proxy->is_over) {
        (void)pthread_mutex_unlock(&proxy->lock);
        if (wake_at_ns != KIT_NEVER) {
            nap_until(gather_until_ns);
        }
        int n = wait_events(proxy, events, wake_at_ns);
        (void)pthread_mutex_lock(&proxy->lock);
        gather_until_ns = gather_until_locked(proxy);
        for (int i = 0; i < n; i++) {
            take_event(proxy, &events[i]);
        }
        wake_at_ns = pump_all(proxy);
        (void)pthread_cond_broadcast(&proxy->round_ended);
    }
    (void)pthread_mutex_unlock(&proxy->lock);
    return NULL;
}

/* --- Doors ----------------------------------------------------------------------------------- */

static void listen_unix(struct kit_proxy *proxy)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    const char *path = proxy->options.unix_path;
    assert_true(strlen(path) < sizeof(local.sun_path));
    memcpy(local.sun_path, path, strlen(path) + 1);
    (void)unlink(path);
    proxy->unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(proxy->unix_fd >= 0);
    assert_return_code(bind(proxy->unix_fd, (const struct sockaddr *)&local, sizeof(local)),
                       errno);
}

/* Both doors at once. A TCP port that does not listen refuses, and stays ours; a Unix socket that
 * was closed refuses, and its path stays. Returns false with errno. */
static bool open_doors(struct kit_proxy *proxy)
{
    if (listen(proxy->listen_fd, BACKLOG) != 0) {
        return false;
    }
    watch(proxy, proxy->listen_fd, EPOLLIN, &proxy->listen_fd);
    if (proxy->options.unix_path != NULL) {
        if (proxy->unix_fd < 0) {
            listen_unix(proxy);
        }
        if (listen(proxy->unix_fd, BACKLOG) != 0) {
            return false;
        }
        watch(proxy, proxy->unix_fd, EPOLLIN, &proxy->unix_fd);
    }
    proxy->is_refusing = false;
    return true;
}

static void shut_doors(struct kit_proxy *proxy)
{
    (void)epoll_ctl(proxy->epoll_fd, EPOLL_CTL_DEL, proxy->listen_fd, NULL);
    (void)shutdown(proxy->listen_fd, SHUT_RDWR);
    if (proxy->unix_fd >= 0) {
        (void)close(proxy->unix_fd);
        proxy->unix_fd = -1;
    }
    proxy->is_refusing = true;
}

static void mind_doors(struct kit_proxy *proxy)
{
    bool shall_refuse = proxy->faults.accept == KIT_REFUSE;
    if (shall_refuse && !proxy->is_refusing) {
        shut_doors(proxy);
    } else if (!shall_refuse && proxy->is_refusing && !open_doors(proxy)) {
        note_problem(proxy, "listen");
    }
}

struct kit_proxy *kit_proxy_start(const struct kit_proxy_options *options)
{
    struct kit_proxy *proxy = calloc(1, sizeof(*proxy));
    assert_non_null(proxy);
    proxy->options = *options;
    proxy->faults = options->faults;
    proxy->unix_fd = -1;
    proxy->is_refusing = true;
    (void)pthread_mutex_init(&proxy->lock, NULL);
    (void)pthread_cond_init(&proxy->round_ended, NULL);
    proxy->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    proxy->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(proxy->epoll_fd >= 0 && proxy->wake_fd >= 0);
    watch(proxy, proxy->wake_fd, EPOLLIN, &proxy->wake_fd);
    proxy->listen_fd = kit_port_without_listener(&proxy->port);
    assert_return_code(fcntl(proxy->listen_fd, F_SETFL, O_NONBLOCK), errno);
    /* To listen again while connections of before still live. */
    int on = 1;
    (void)setsockopt(proxy->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    mind_doors(proxy);
    assert_string_equal(proxy->problem, "");
    assert_int_equal(pthread_create(&proxy->thread, NULL, run, proxy), 0);
    return proxy;
}

/* --- From outside ---------------------------------------------------------------------------- */

static void wake(struct kit_proxy *proxy)
{
    uint64_t one = 1;
    (void)!write(proxy->wake_fd, &one, sizeof(one));
}

void kit_proxy_stop(struct kit_proxy *proxy)
{
    if (proxy == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&proxy->lock);
    proxy->is_over = true;
    (void)pthread_mutex_unlock(&proxy->lock);
    wake(proxy);
    (void)pthread_join(proxy->thread, NULL);
    for (size_t i = 0; i < proxy->n_conns; i++) {
        proxy_conn_close(proxy->conns[i], false);
        proxy_conn_free(proxy->conns[i]);
    }
    kit_port_give_back(proxy->listen_fd);
    if (proxy->unix_fd >= 0) {
        (void)close(proxy->unix_fd);
    }
    if (proxy->options.unix_path != NULL) {
        (void)unlink(proxy->options.unix_path);
    }
    (void)close(proxy->epoll_fd);
    (void)close(proxy->wake_fd);
    (void)pthread_cond_destroy(&proxy->round_ended);
    (void)pthread_mutex_destroy(&proxy->lock);
    bool is_bad = proxy->counts.n_malformed > 0 && !proxy->options.allows_malformed;
    char text[sizeof(proxy->problem)];
    (void)snprintf(text, sizeof(text), "%s",
                   proxy->problem[0] != '\0' ? proxy->problem : proxy->counts.malformed);
    is_bad = is_bad || proxy->problem[0] != '\0';
    kit_frame_fini(&proxy->frame);
    free(proxy->conns);
    free(proxy);
    if (is_bad) {
        fail_msg("the proxy: %s", text);
    }
}

uint16_t kit_proxy_port(const struct kit_proxy *proxy)
{
    return proxy->port;
}

void kit_proxy_set(struct kit_proxy *proxy, const struct kit_faults *faults)
{
    (void)pthread_mutex_lock(&proxy->lock);
    proxy->faults = *faults;
    mind_doors(proxy);
    for (size_t i = 0; i < proxy->n_conns; i++) {
        proxy_conn_set(proxy->conns[i], faults);
    }
    (void)pthread_mutex_unlock(&proxy->lock);
    wake(proxy);
}

static struct proxy_conn *find_conn(struct kit_proxy *proxy, size_t index)
{
    for (size_t i = 0; i < proxy->n_conns; i++) {
        if (proxy->conns[i]->index == index && !proxy->conns[i]->is_draining) {
            return proxy->conns[i];
        }
    }
    return NULL;
}

bool kit_proxy_set_one(struct kit_proxy *proxy, size_t index, const struct kit_faults *faults)
{
    (void)pthread_mutex_lock(&proxy->lock);
    struct proxy_conn *conn = find_conn(proxy, index);
    if (conn != NULL) {
        proxy_conn_set(conn, faults);
    }
    (void)pthread_mutex_unlock(&proxy->lock);
    wake(proxy);
    return conn != NULL;
}

void kit_proxy_inject(struct kit_proxy *proxy, enum kit_reply_fault fault)
{
    (void)pthread_mutex_lock(&proxy->lock);
    proxy->inject = fault;
    (void)pthread_mutex_unlock(&proxy->lock);
}

static void ask_to_kill(struct proxy_conn *conn, enum kit_cut how)
{
    conn->proxy->n_kills += conn->kill == KIT_CUT_NONE ? 1 : 0;
    conn->kill = how;
}

static void wait_for_kills_locked(struct kit_proxy *proxy)
{
    wake(proxy);
    while (proxy->n_kills > 0) {
        (void)pthread_cond_wait(&proxy->round_ended, &proxy->lock);
    }
}

size_t kit_proxy_kill(struct kit_proxy *proxy, enum kit_cut how)
{
    size_t n = 0;
    (void)pthread_mutex_lock(&proxy->lock);
    for (size_t i = 0; i < proxy->n_conns; i++) {
        if (!proxy->conns[i]->is_draining) {
            ask_to_kill(proxy->conns[i], how);
            n++;
        }
    }
    wait_for_kills_locked(proxy);
    (void)pthread_mutex_unlock(&proxy->lock);
    return n;
}

bool kit_proxy_kill_one(struct kit_proxy *proxy, size_t index, enum kit_cut how)
{
    (void)pthread_mutex_lock(&proxy->lock);
    struct proxy_conn *conn = find_conn(proxy, index);
    if (conn != NULL) {
        ask_to_kill(conn, how);
        wait_for_kills_locked(proxy);
    }
    (void)pthread_mutex_unlock(&proxy->lock);
    return conn != NULL;
}

struct kit_proxy_counts kit_proxy_counts(struct kit_proxy *proxy)
{
    clockid_t clock = 0;
    struct timespec cpu = {0, 0};
    (void)pthread_mutex_lock(&proxy->lock);
    struct kit_proxy_counts counts = proxy->counts;
    for (size_t i = 0; i < proxy->n_conns; i++) {
        counts.n_live += proxy->conns[i]->is_draining ? 0 : 1;
    }
    if (pthread_getcpuclockid(proxy->thread, &clock) == 0) {
        (void)clock_gettime(clock, &cpu);
    }
    (void)pthread_mutex_unlock(&proxy->lock);
    counts.cpu_ns = (uint64_t)cpu.tv_sec * 1000000000U + (uint64_t)cpu.tv_nsec;
    return counts;
}
