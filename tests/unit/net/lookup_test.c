/* SPDX-License-Identifier: MIT */
/* Looking up names, with a getaddrinfo() of the test's own that answers what it is told, and not
 * before it is told to. */
#include "base/clock.h"
#include "net/address.h"

#include "kit/kit.h"
#include "kit/memory.h"
#include "kit/wait.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* --- The system's lookup -------------------------------------------------------------------- */

static struct {
    struct kit_gate gate; /* no answer before it is open */
    atomic_uint n_calls;
    atomic_uint n_freed;
    atomic_bool takes_signals; /* some call came on a thread that would take one */
    int answer;                /* of getaddrinfo() */
    unsigned n_addresses;
} fake;

static void take_note_of_signals(void)
{
    sigset_t blocked;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    static const int k_signals[] = {SIGINT, SIGTERM, SIGALRM, SIGUSR1, SIGCHLD, SIGPIPE};
    for (size_t i = 0; i < KIT_COUNT(k_signals); i++) {
        if (sigismember(&blocked, k_signals[i]) == 0) {
            atomic_store(&fake.takes_signals, true);
        }
    }
}

/* 10.0.0.1, 10.0.0.2 and so on; each a block of its own with its address behind it. */
static struct addrinfo *make_list(unsigned n, uint16_t port)
{
    struct addrinfo *list = NULL;
    for (unsigned i = n; i > 0; i--) {
        struct addrinfo *one = calloc(1, sizeof(*one) + sizeof(struct sockaddr_in));
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
        if (one == NULL) {
            abort();
        }
        in.sin_addr.s_addr = htonl(0x0a000000U + i);
        one->ai_family = AF_INET;
        one->ai_addr = (struct sockaddr *)(void *)(one + 1);
        one->ai_addrlen = sizeof(in);
        memcpy(one + 1, &in, sizeof(in));
        one->ai_next = list;
        list = one;
    }
    return list;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
    (void)atomic_fetch_add(&fake.n_calls, 1U);
    take_note_of_signals();
    while (!kit_gate_is_open(&fake.gate)) {
        kit_nap();
    }
    if (node == NULL || service == NULL || hints == NULL || hints->ai_socktype != SOCK_STREAM) {
        return EAI_FAIL;
    }
    if (fake.answer != 0) {
        errno = ECONNREFUSED;
        return fake.answer;
    }
    *found = make_list(fake.n_addresses, (uint16_t)strtoul(service, NULL, 10));
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
    (void)atomic_fetch_add(&fake.n_freed, 1U);
}

/* --- Scenes --------------------------------------------------------------------------------- */

struct scene {
    struct kit_memory memory;
    struct faci_resolver *resolver;
};

static void begin(struct scene *scene, int answer, unsigned n_addresses)
{
    kit_memory_init(&scene->memory);
    kit_gate_init(&fake.gate);
    fake.answer = answer;
    fake.n_addresses = n_addresses;
    fac_error err;
    assert_status(
        faci_resolver_new(&scene->memory.hook, "cache.internal", 6379, &scene->resolver, &err),
        FAC_OK, &err);
}

static size_t count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    size_t n = 0;
    if (tasks != NULL) {
        while (readdir(tasks) != NULL) {
            n++;
        }
        (void)closedir(tasks);
    }
    return n;
}

/* The threads of lookups are nobody's to join: the scene ends when they have. */
static void end(struct scene *scene, size_t n_threads)
{
    faci_resolver_free(scene->resolver);
    kit_memory_assert_empty(&scene->memory);
    kit_gate_open(&fake.gate);
    KIT_WAIT_FOR(20000, count_threads() <= n_threads);
    kit_gate_fini(&fake.gate);
}

static fac_status look_up(struct scene *scene, int64_t within_ms, struct faci_addresses *out,
                          fac_error *err)
{
    return faci_resolver_lookup(scene->resolver,
                                faci_clock_after_ms(faci_clock_now_ns(), (uint64_t)within_ms),
                                out, err);
}

/* --- Answers -------------------------------------------------------------------------------- */

static void test_lookup__addresses_in_their_order(void **state)
{
    (void)state;
    size_t n_threads = count_threads();
    struct scene scene;
    begin(&scene, 0, 3);
    kit_gate_open(&fake.gate);
    struct faci_addresses found;
    fac_error err;
    assert_status(look_up(&scene, 20000, &found, &err), FAC_OK, &err);
    assert_int_equal(found.n, 3);
    for (unsigned i = 0; i < 3; i++) {
        struct sockaddr_in in;
        memcpy(&in, &found.list[i].storage, sizeof(in));
        assert_int_equal(found.list[i].len, sizeof(in));
        assert_int_equal(ntohl(in.sin_addr.s_addr), 0x0a000001U + i);
        assert_int_equal(ntohs(in.sin_port), 6379);
    }
    KIT_WAIT_FOR(20000, atomic_load(&fake.n_freed) == 1);
    assert_false(atomic_load(&fake.takes_signals));
    end(&scene, n_threads);
}

static void test_lookup__more_addresses_than_are_tried(void **state)
{
    (void)state;
    size_t n_threads = count_threads();
    struct scene scene;
    begin(&scene, 0, FACI_ADDRESSES_MAX + 5);
    kit_gate_open(&fake.gate);
    struct faci_addresses found;
    fac_error err;
    assert_status(look_up(&scene, 20000, &found, &err), FAC_OK, &err);
    assert_int_equal(found.n, FACI_ADDRESSES_MAX);
    end(&scene, n_threads);
}

static void test_lookup__happens_again_each_time(void **state)
{
    (void)state;
    size_t n_threads = count_threads();
    struct scene scene;
    begin(&scene, 0, 1);
    kit_gate_open(&fake.gate);
    struct faci_addresses found;
    fac_error err;
    assert_status(look_up(&scene, 20000, &found, &err), FAC_OK, &err);
    fake.n_addresses = 2;
    assert_status(look_up(&scene, 20000, &found, &err), FAC_OK, &err);
    assert_int_equal(found.n, 2);
    assert_int_equal(atomic_load(&fake.n_calls), 2);
    end(&scene, n_threads);
}

static void test_lookup__names_that_are_none(void **state)
{
    (void)state;
    static const struct {
        int answer;
        int os_errno;
    } k_cases[] = {{EAI_NONAME, 0}, {EAI_AGAIN, 0}, {EAI_SYSTEM, ECONNREFUSED}, {0, 0}};
    size_t n_threads = count_threads();
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct scene scene;
        begin(&scene, k_cases[i].answer, 0);
        kit_gate_open(&fake.gate);
        struct faci_addresses found;
        fac_error err;
        assert_status(look_up(&scene, 20000, &found, &err), FAC_E_UNAVAILABLE, &err);
        assert_contains(err.message, "cache.internal");
        assert_int_equal(err.os_errno, k_cases[i].os_errno);
        end(&scene, n_threads);
    }
}

/* --- Time ----------------------------------------------------------------------------------- */

static void test_lookup__that_hangs_holds_nobody(void **state)
{
    (void)state;
    size_t n_threads = count_threads();
    struct scene scene;
    begin(&scene, 0, 1);
    struct faci_addresses found;
    fac_error err;
    int64_t before_ms = kit_now_ms();
    assert_status(look_up(&scene, 60, &found, &err), FAC_E_TIMEOUT, &err);
    assert_in_range(kit_now_ms() - before_ms, 59, 60 + kit_margin_ms());
    assert_contains(err.message, "cache.internal");
    /* The next ones wait for the same lookup; it is not started again. */
    for (int i = 0; i < 5; i++) {
        assert_status(look_up(&scene, 1, &found, &err), FAC_E_TIMEOUT, &err);
    }
    KIT_WAIT_FOR(20000, atomic_load(&fake.n_calls) > 0);
    assert_int_equal(atomic_load(&fake.n_calls), 1);
    /* What it says at last is taken. */
    kit_gate_open(&fake.gate);
    assert_status(look_up(&scene, 20000, &found, &err), FAC_OK, &err);
    end(&scene, n_threads);
}

struct caller {
    struct scene *scene;
    int64_t within_ms;
    atomic_uint n_with[2]; /* OK, and anything else */
    fac_status last;
};

static void call(size_t index, void *context)
{
    (void)index;
    struct caller *caller = context;
    struct faci_addresses found;
    fac_error err;
    fac_status st = look_up(caller->scene, caller->within_ms, &found, &err);
    (void)atomic_fetch_add(&caller->n_with[st == FAC_OK ? 0 : 1], 1U);
    if (st != FAC_OK) {
        caller->last = st;
    }
}

static void test_lookup__is_shared_by_callers_at_the_same_time(void **state)
{
    (void)state;
    size_t n_threads = count_threads();
    struct scene scene;
    begin(&scene, 0, 1);
    struct caller caller = {.scene = &scene, .within_ms = 50};
    kit_threads_join(kit_threads_start(8, call, &caller));
    assert_int_equal(atomic_load(&caller.n_with[1]), 8);
    KIT_WAIT_FOR(20000, atomic_load(&fake.n_calls) > 0);
    assert_int_equal(atomic_load(&fake.n_calls), 1);
    /* Those who wait when it ends all have it. */
    caller.within_ms = 20000;
    struct kit_threads *threads = kit_threads_start(4, call, &caller);
    kit_gate_open(&fake.gate);
    kit_threads_join(threads);
    assert_int_equal(atomic_load(&caller.n_with[0]), 4);
    end(&scene, n_threads);
}

static void test_lookup__close_wakes_who_waits(void **state)
{
    (void)state;
    size_t n_threads = count_threads();
    struct scene scene;
    begin(&scene, 0, 1);
    struct caller caller = {.scene = &scene, .within_ms = 20000};
    struct kit_threads *threads = kit_threads_start(1, call, &caller);
    KIT_WAIT_FOR(20000, atomic_load(&fake.n_calls) == 1);
    int64_t before_ms = kit_now_ms();
    faci_resolver_close(scene.resolver);
    kit_threads_join(threads);
    assert_in_range(kit_now_ms() - before_ms, 0, 10000);
    assert_int_equal(caller.last, FAC_E_CLOSED);
    struct faci_addresses found;
    fac_error err;
    assert_status(look_up(&scene, 20000, &found, &err), FAC_E_CLOSED, &err);
    end(&scene, n_threads);
}

/* end() frees the resolver before the lookup has ended: the thread goes on without it. */
static void test_lookup__outlives_its_resolver(void **state)
{
    (void)state;
    size_t n_threads = count_threads();
    struct scene scene;
    begin(&scene, 0, 2);
    struct faci_addresses found;
    fac_error err;
    assert_status(look_up(&scene, 1, &found, &err), FAC_E_TIMEOUT, &err);
    KIT_WAIT_FOR(20000, atomic_load(&fake.n_calls) == 1);
    end(&scene, n_threads);
    assert_int_equal(atomic_load(&fake.n_freed), 1);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_lookup__addresses_in_their_order),
    KIT_TEST(test_lookup__more_addresses_than_are_tried),
    KIT_TEST(test_lookup__happens_again_each_time),
    KIT_TEST(test_lookup__names_that_are_none),
    KIT_TEST(test_lookup__that_hangs_holds_nobody),
    KIT_TEST(test_lookup__is_shared_by_callers_at_the_same_time),
    KIT_TEST(test_lookup__close_wakes_who_waits),
    KIT_TEST(test_lookup__outlives_its_resolver),
};

KIT_MAIN(k_tests)
