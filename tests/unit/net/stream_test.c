/* SPDX-License-Identifier: MIT */
/* Sockets: connecting, deadlines, signals, and being shut by another thread. */
#include "base/clock.h"
#include "net/stream.h"

#include "kit/kit.h"
#include "kit/procwatch.h"
#include "kit/server.h"
#include "kit/stub.h"
#include "kit/workdir.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    SOON_MS = 20000 /* of what is not about time */
};

static int64_t in_ms(int64_t ms)
{
    return faci_clock_after_ms(faci_clock_now_ns(), (uint64_t)ms);
}

static void add_loopback(struct faci_addresses *to, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&to->list[to->n].storage, &in, sizeof(in));
    to->list[to->n].len = sizeof(in);
    to->n++;
}

static struct kit_stub *start(kit_stub_fn *fn, void *context)
{
    struct kit_stub_options options = {.fn = fn, .context = context, .is_bare = true};
    return kit_stub_start(&options);
}

static void open_stream(struct faci_stream *stream, const struct kit_stub *stub,
                        uint32_t timeout_ms)
{
    struct faci_addresses addresses = {.n = 0};
    add_loopback(&addresses, kit_stub_port(stub));
    faci_stream_init(stream);
    fac_error err;
    assert_status(faci_stream_connect(stream, &addresses, timeout_ms, in_ms(SOON_MS), &err),
                  FAC_OK, &err);
}

static void say_nothing(struct kit_stub_conn *conn, void *context)
{
    (void)context;
    kit_stub_drain(conn);
}

/* --- A port that takes connections and never accepts one ------------------------------------ */

struct full_port {
    int listener;
    int fillers[8];
    uint16_t port;
};

/* Fill the queue behind listen() until a further connect() stays under way: the next one hangs. */
static void full_port_begin(struct full_port *full)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof(in);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    full->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(full->listener, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(full->listener, 0), 0);
    assert_int_equal(getsockname(full->listener, (struct sockaddr *)&in, &len), 0);
    full->port = ntohs(in.sin_port);
    for (size_t i = 0; i < KIT_COUNT(full->fillers); i++) {
        full->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(full->fillers[i], (struct sockaddr *)&in, len);
    }
}

static void full_port_end(struct full_port *full)
{
    for (size_t i = 0; i < KIT_COUNT(full->fillers); i++) {
        (void)close(full->fillers[i]);
    }
    (void)close(full->listener);
}

/* --- Connecting ----------------------------------------------------------------------------- */

static void test_stream__refused(void **state)
{
    (void)state;
    uint16_t port = 0;
    int holder = kit_port_without_listener(&port);
    struct faci_addresses addresses = {.n = 0};
    add_loopback(&addresses, port);
    add_loopback(&addresses, port);
    struct faci_stream stream;
    faci_stream_init(&stream);
    fac_error err;
    assert_status(faci_stream_connect(&stream, &addresses, 1000, in_ms(SOON_MS), &err),
                  FAC_E_UNAVAILABLE, &err);
    assert_int_equal(err.os_errno, ECONNREFUSED);
    assert_int_equal(stream.fd, -1);
    faci_stream_fini(&stream);
    kit_port_give_back(holder);
}

static void test_stream__without_any_address(void **state)
{
    (void)state;
    struct faci_addresses addresses = {.n = 0};
    struct faci_stream stream;
    faci_stream_init(&stream);
    fac_error err;
    assert_status(faci_stream_connect(&stream, &addresses, 1000, in_ms(SOON_MS), &err),
                  FAC_E_UNAVAILABLE, &err);
    faci_stream_fini(&stream);
}

static void test_stream__takes_the_first_address_that_accepts(void **state)
{
    (void)state;
    struct kit_stub *stub = start(say_nothing, NULL);
    uint16_t port = 0;
    int holder = kit_port_without_listener(&port);
    struct faci_addresses addresses = {.n = 0};
    add_loopback(&addresses, port);
    add_loopback(&addresses, kit_stub_port(stub));
    add_loopback(&addresses, port);
    struct faci_stream stream;
    faci_stream_init(&stream);
    fac_error err;
    assert_status(faci_stream_connect(&stream, &addresses, 1000, in_ms(SOON_MS), &err), FAC_OK,
                  &err);
    struct sockaddr_in peer;
    socklen_t len = sizeof(peer);
    assert_int_equal(getpeername(stream.fd, (struct sockaddr *)&peer, &len), 0);
    assert_int_equal(ntohs(peer.sin_port), kit_stub_port(stub));
    faci_stream_fini(&stream);
    kit_port_give_back(holder);
    kit_stub_stop(stub);
}

/* One that hangs takes its share of the time, not all of it. */
static void test_stream__an_address_that_hangs_leaves_time_for_the_next(void **state)
{
    (void)state;
    struct kit_stub *stub = start(say_nothing, NULL);
    struct full_port full;
    full_port_begin(&full);
    struct faci_addresses addresses = {.n = 0};
    add_loopback(&addresses, full.port);
    for (int i = 0; i < 9; i++) {
        add_loopback(&addresses, kit_stub_port(stub));
    }
    struct faci_stream stream;
    faci_stream_init(&stream);
    fac_error err;
    int64_t before_ms = kit_now_ms();
    assert_status(faci_stream_connect(&stream, &addresses, 1000, in_ms(10 * 300), &err), FAC_OK,
                  &err);
    assert_in_range(kit_now_ms() - before_ms, 299, 300 + kit_margin_ms());
    faci_stream_fini(&stream);
    full_port_end(&full);
    kit_stub_stop(stub);
}

static void test_stream__addresses_that_hang_share_one_deadline(void **state)
{
    (void)state;
    struct full_port full;
    full_port_begin(&full);
    struct faci_addresses addresses = {.n = 0};
    for (int i = 0; i < FACI_ADDRESSES_MAX; i++) {
        add_loopback(&addresses, full.port);
    }
    struct faci_stream stream;
    faci_stream_init(&stream);
    fac_error err;
    int64_t before_ms = kit_now_ms();
    assert_status(faci_stream_connect(&stream, &addresses, 1000, in_ms(400), &err),
                  FAC_E_TIMEOUT, &err);
    assert_in_range(kit_now_ms() - before_ms, 399, 400 + kit_margin_ms());
    assert_int_equal(stream.fd, -1);
    faci_stream_fini(&stream);
    full_port_end(&full);
}

static void test_stream__a_deadline_in_the_past_connects_to_nothing(void **state)
{
    (void)state;
    struct kit_stub *stub = start(say_nothing, NULL);
    struct faci_addresses addresses = {.n = 0};
    add_loopback(&addresses, kit_stub_port(stub));
    struct faci_stream stream;
    faci_stream_init(&stream);
    fac_error err;
    assert_status(faci_stream_connect(&stream, &addresses, 1000, faci_clock_now_ns() - 1, &err),
                  FAC_E_TIMEOUT, &err);
    assert_int_equal(kit_stub_connections(stub), 0);
    faci_stream_fini(&stream);
    kit_stub_stop(stub);
}

/* --- Receiving ------------------------------------------------------------------------------ */

/* With more time than the socket's own timeout it waits in recv(), with less in ppoll(). */
static void test_stream__receive_keeps_its_deadline(void **state)
{
    (void)state;
    static const struct {
        uint32_t timeout_ms;
        int64_t within_ms;
        bool has_backstop;
    } k_cases[] = {{20000, 60, true}, {100, 180, true},   {400, 130, true},
                   {1, 60, true},     {20000, 60, false}, {20000, 0, true}};
    struct kit_stub *stub = start(say_nothing, NULL);
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_stream stream;
        open_stream(&stream, stub, k_cases[i].timeout_ms);
        assert_true(stream.backstop_ns > 0);
        if (!k_cases[i].has_backstop) {
            stream.backstop_ns = 0;
        }
        char byte = 0;
        int64_t before_ms = kit_now_ms();
        assert_int_equal(faci_stream_receive(&stream, &byte, 1, in_ms(k_cases[i].within_ms)),
                         -1);
        assert_int_equal(errno, ETIME);
        assert_in_range(kit_now_ms() - before_ms + 1, k_cases[i].within_ms,
                        k_cases[i].within_ms + kit_margin_ms());
        faci_stream_fini(&stream);
    }
    kit_stub_stop(stub);
}

static void say_later(struct kit_stub_conn *conn, void *context)
{
    if (kit_stub_await(conn, context)) {
        (void)kit_stub_say(conn, "later");
    }
    kit_stub_drain(conn);
}

static void test_stream__receive_some_does_not_wait(void **state)
{
    (void)state;
    struct kit_gate gate;
    kit_gate_init(&gate);
    struct kit_stub *stub = start(say_later, &gate);
    struct faci_stream stream;
    open_stream(&stream, stub, SOON_MS);
    char buf[8];
    assert_int_equal(faci_stream_receive_some(&stream, buf, sizeof(buf)), -1);
    assert_int_equal(errno, EAGAIN);
    kit_gate_open(&gate);
    assert_int_equal(faci_stream_wait(&stream, FACI_READY_READ, in_ms(SOON_MS)),
                     FACI_READY_READ);
    assert_int_equal(faci_stream_receive_some(&stream, buf, sizeof(buf)), 5);
    assert_memory_equal(buf, "later", 5);
    assert_int_equal(faci_stream_wait(&stream, FACI_READY_WRITE, in_ms(SOON_MS)),
                     FACI_READY_WRITE);
    assert_int_equal(faci_stream_wait(&stream, FACI_READY_READ, in_ms(0)), FACI_READY_LATE);
    faci_stream_fini(&stream);
    kit_stub_stop(stub);
    kit_gate_fini(&gate);
}

/* --- Signals -------------------------------------------------------------------------------- */

static atomic_uint n_signals;

static void on_alarm(int signo)
{
    (void)signo;
    (void)atomic_fetch_add(&n_signals, 1U);
}

static void tick_every_ms(int flags, bool is_on)
{
    struct sigaction action = {.sa_flags = flags};
    action.sa_handler = on_alarm;
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    struct itimerval tick = {{0, 0}, {0, 0}};
    if (is_on) {
        tick.it_interval.tv_usec = 1000;
        tick.it_value.tv_usec = 1000;
    }
    assert_int_equal(setitimer(ITIMER_REAL, &tick, NULL), 0);
}

static struct kit_threads *start_unsignalled(kit_thread_fn *fn, void *context)
{
    sigset_t alarms;
    (void)sigemptyset(&alarms);
    (void)sigaddset(&alarms, SIGALRM);
    (void)pthread_sigmask(SIG_BLOCK, &alarms, NULL);
    struct kit_threads *threads = kit_threads_start(1, fn, context);
    (void)pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    return threads;
}

/* Opens the gate once the other thread has been interrupted often. */
static void open_after_signals(size_t index, void *context)
{
    (void)index;
    while (atomic_load(&n_signals) < 20) {
        kit_nap();
    }
    kit_gate_open(context);
}

static void test_stream__signals_only_interrupt(void **state)
{
    (void)state;
    static const struct {
        int flags;
        uint32_t timeout_ms;
    } k_cases[] = {{0, SOON_MS}, {SA_RESTART, SOON_MS}, {0, 20}, {0, 4 * SOON_MS + 4000}};
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct kit_gate gate;
        kit_gate_init(&gate);
        sigset_t alarms;
        (void)sigemptyset(&alarms);
        (void)sigaddset(&alarms, SIGALRM);
        (void)pthread_sigmask(SIG_BLOCK, &alarms, NULL); /* the stub's threads inherit that */
        struct kit_stub *stub = start(say_later, &gate);
        struct faci_stream stream;
        open_stream(&stream, stub, k_cases[i].timeout_ms);
        KIT_WAIT_FOR(SOON_MS, kit_stub_connections(stub) == 1);
        (void)pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
        atomic_store(&n_signals, 0);
        struct kit_threads *opener = start_unsignalled(open_after_signals, &gate);
        tick_every_ms(k_cases[i].flags, true);
        char buf[8];
        ssize_t n = faci_stream_receive(&stream, buf, sizeof(buf), in_ms(SOON_MS));
        int receive_errno = errno;
        char byte = 0;
        ssize_t late = faci_stream_receive(&stream, &byte, 1, in_ms(50));
        int late_errno = errno;
        tick_every_ms(0, false);
        assert_true(atomic_load(&n_signals) >= 20);
        kit_threads_join(opener);
        if (n < 0) {
            fail_msg("receive: %s", strerror(receive_errno));
        }
        assert_int_equal(n, 5);
        assert_memory_equal(buf, "later", 5);
        assert_int_equal(late, -1);
        assert_int_equal(late_errno, ETIME);
        faci_stream_fini(&stream);
        kit_stub_stop(stub);
        kit_gate_fini(&gate);
    }
}

static void reset_later(struct kit_stub_conn *conn, void *context)
{
    (void)kit_stub_await(conn, context);
    kit_stub_reset(conn);
}

static void test_stream__a_reset_peer_raises_no_sigpipe(void **state)
{
    (void)state;
    struct sigaction action = {.sa_flags = 0};
    action.sa_handler = SIG_DFL;
    assert_int_equal(sigaction(SIGPIPE, &action, NULL), 0);
    for (int n_parts = 1; n_parts <= 2; n_parts++) {
        struct kit_gate gate;
        kit_gate_init(&gate);
        struct kit_stub *stub = start(reset_later, &gate);
        struct faci_stream stream;
        open_stream(&stream, stub, SOON_MS);
        kit_gate_open(&gate);
        struct pollfd reset = {.fd = stream.fd, .events = 0};
        assert_int_equal(poll(&reset, 1, SOON_MS), 1);
        char bytes[] = "abc";
        struct iovec parts[2] = {{bytes, 2}, {bytes + 2, 1}};
        unsigned n_pipe = 0;
        for (int i = 0; i < 3; i++) {
            /* The first may still tell of the reset; from then on the pipe is broken. */
            assert_int_equal(faci_stream_send_some(&stream, parts, n_parts), -1);
            assert_true(errno == EPIPE || errno == ECONNRESET);
            n_pipe += errno == EPIPE ? 1U : 0U;
        }
        assert_true(n_pipe > 0); /* without the flag this process is gone by now */
        faci_stream_fini(&stream);
        kit_stub_stop(stub);
        kit_gate_fini(&gate);
    }
}

/* --- Shut by another thread ----------------------------------------------------------------- */

struct victim {
    struct faci_stream stream;
    struct faci_addresses addresses;
    atomic_bool is_about_to;
    ssize_t received;
    fac_status st;
};

static void receive_for_long(size_t index, void *context)
{
    (void)index;
    struct victim *victim = context;
    char byte = 0;
    atomic_store(&victim->is_about_to, true);
    victim->received = faci_stream_receive(&victim->stream, &byte, 1, in_ms(SOON_MS));
}

static void test_stream__shut_ends_a_receive(void **state)
{
    (void)state;
    static const uint32_t k_timeouts_ms[] = {SOON_MS, 4 * SOON_MS + 4000};
    struct kit_stub *stub = start(say_nothing, NULL);
    for (size_t i = 0; i < KIT_COUNT(k_timeouts_ms); i++) {
        struct victim victim = {.received = -2};
        open_stream(&victim.stream, stub, k_timeouts_ms[i]);
        struct kit_threads *threads = kit_threads_start(1, receive_for_long, &victim);
        KIT_WAIT_FOR(SOON_MS, atomic_load(&victim.is_about_to));
        int64_t before_ms = kit_now_ms();
        faci_stream_shut(&victim.stream);
        kit_threads_join(threads);
        assert_in_range(kit_now_ms() - before_ms, 0, SOON_MS / 2);
        assert_int_equal(victim.received, 0);
        faci_stream_fini(&victim.stream);
    }
    kit_stub_stop(stub);
}

static void connect_for_long(size_t index, void *context)
{
    (void)index;
    struct victim *victim = context;
    fac_error err;
    atomic_store(&victim->is_about_to, true);
    victim->st = faci_stream_connect(&victim->stream, &victim->addresses, SOON_MS,
                                     in_ms(SOON_MS), &err);
}

static bool has_socket(struct faci_stream *stream)
{
    faci_mutex_lock(&stream->lock);
    bool has = stream->fd >= 0;
    faci_mutex_unlock(&stream->lock);
    return has;
}

static void test_stream__shut_ends_a_connect(void **state)
{
    (void)state;
    struct full_port full;
    full_port_begin(&full);
    for (int round = 0; round < 2; round++) {
        struct victim victim = {.st = FAC_OK};
        add_loopback(&victim.addresses, full.port);
        add_loopback(&victim.addresses, full.port);
        faci_stream_init(&victim.stream);
        struct kit_threads *threads = kit_threads_start(1, connect_for_long, &victim);
        KIT_WAIT_FOR(SOON_MS, round == 0 ? has_socket(&victim.stream)
                                         : atomic_load(&victim.is_about_to));
        int64_t before_ms = kit_now_ms();
        faci_stream_shut(&victim.stream);
        kit_threads_join(threads);
        assert_in_range(kit_now_ms() - before_ms, 0, SOON_MS / 4);
        assert_int_equal(victim.st, FAC_E_CLOSED);
        assert_int_equal(victim.stream.fd, -1);
        faci_stream_fini(&victim.stream);
    }
    full_port_end(&full);
}

static void test_stream__shut_before_it_connects(void **state)
{
    (void)state;
    struct kit_stub *stub = start(say_nothing, NULL);
    struct faci_addresses addresses = {.n = 0};
    add_loopback(&addresses, kit_stub_port(stub));
    struct faci_stream stream;
    faci_stream_init(&stream);
    faci_stream_shut(&stream);
    fac_error err;
    assert_status(faci_stream_connect(&stream, &addresses, 1000, in_ms(SOON_MS), &err),
                  FAC_E_CLOSED, &err);
    faci_stream_fini(&stream);
    kit_stub_stop(stub);
}

/* --- Descriptors ---------------------------------------------------------------------------- */

static void test_stream__is_closed_on_exec(void **state)
{
    (void)state;
    struct kit_stub *stub = start(say_nothing, NULL);
    struct faci_stream stream;
    open_stream(&stream, stub, SOON_MS);
    assert_int_equal(fcntl(stream.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    faci_stream_fini(&stream);
    kit_stub_stop(stub);

    struct kit_workdir dir;
    char path[KIT_WORKDIR_PATH_BYTES + 16];
    kit_workdir_make(&dir);
    (void)snprintf(path, sizeof(path), "%s/socket", dir.path);
    struct kit_stub_options options = {.fn = say_nothing, .unix_path = path, .is_bare = true};
    stub = kit_stub_start(&options);
    struct faci_addresses addresses;
    fac_error err;
    assert_status(faci_address_of_unix(path, &addresses, &err), FAC_OK, &err);
    faci_stream_init(&stream);
    assert_status(faci_stream_connect(&stream, &addresses, 1000, in_ms(SOON_MS), &err), FAC_OK,
                  &err);
    assert_int_equal(fcntl(stream.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    faci_stream_fini(&stream);
    kit_stub_stop(stub);
    kit_workdir_remove(&dir);
}

static void test_stream__leaves_no_descriptor(void **state)
{
    (void)state;
    uint16_t port = 0;
    int holder = kit_port_without_listener(&port);
    struct full_port full;
    full_port_begin(&full);
    struct faci_addresses addresses = {.n = 0};
    add_loopback(&addresses, port);
    add_loopback(&addresses, full.port);
    add_loopback(&addresses, port);
    size_t before = kit_count_fds();
    for (int i = 0; i < 3; i++) {
        struct faci_stream stream;
        faci_stream_init(&stream);
        fac_error err;
        assert_true(faci_stream_connect(&stream, &addresses, 1000, in_ms(30), &err) < 0);
        faci_stream_fini(&stream);
    }
    assert_int_equal(kit_count_fds(), before);
    full_port_end(&full);
    kit_port_give_back(holder);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_stream__refused),
    KIT_TEST(test_stream__without_any_address),
    KIT_TEST(test_stream__takes_the_first_address_that_accepts),
    KIT_TEST(test_stream__an_address_that_hangs_leaves_time_for_the_next),
    KIT_TEST(test_stream__addresses_that_hang_share_one_deadline),
    KIT_TEST(test_stream__a_deadline_in_the_past_connects_to_nothing),
    KIT_TEST(test_stream__receive_keeps_its_deadline),
    KIT_TEST(test_stream__receive_some_does_not_wait),
    KIT_TEST(test_stream__signals_only_interrupt),
    KIT_TEST(test_stream__a_reset_peer_raises_no_sigpipe),
    KIT_TEST(test_stream__shut_ends_a_receive),
    KIT_TEST(test_stream__shut_ends_a_connect),
    KIT_TEST(test_stream__shut_before_it_connects),
    KIT_TEST(test_stream__is_closed_on_exec),
    KIT_TEST(test_stream__leaves_no_descriptor),
};

KIT_MAIN(k_tests)
