/* SPDX-License-Identifier: MIT */
/* Rows G3 to G5: system calls fail, transfers come in pieces, signals interrupt, and the process
 * runs out of what the system has. Nothing crashes, leaks, hangs or is answered wrongly, and a
 * handle works again as soon as the system does. */
#include "fault/talk.h"
#include "kit/kit.h"
#include "kit/procwatch.h"
#include "kit/sysfault.h"
#include "kit/workdir.h"
#include "live/live.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    FAULTED_TIMEOUT_MS = 300, /* of a handle while calls fail: some failures are waits */
    FAULTED_CALL_MS = 30,
    LARGE_BYTES = 40000,
    N_RUNS = 700 /* the row's 20,000 at a scale of 3000 */
};

/* --- G3 -------------------------------------------------------------------------------------- */

enum way {
    BY_NUMBER,
    BY_UNIX_SOCKET,
    BY_NAME_AND_FILE, /* a name to look up, a password to read from a file */
    N_WAYS
};

struct scene {
    struct live live;
    struct kit_workdir dir;
    char password_path[KIT_WORKDIR_PATH_BYTES + 16];
    size_t n_fds; /* with no handle open */
    uint64_t random;
    size_t n_calls[N_WAYS][KIT_SYS_COUNT]; /* of one undisturbed run */
};

static void begin(struct scene *scene)
{
    static const char *const k_config[] = {"user tester on >pass-word ~* &* +@all", NULL};
    memset(scene, 0, sizeof(*scene));
    live_start(&scene->live, k_config);
    kit_workdir_make(&scene->dir);
    (void)snprintf(scene->password_path, sizeof(scene->password_path), "%s/password",
                   scene->dir.path);
    FILE *file = fopen(scene->password_path, "we");
    assert_non_null(file);
    assert_true(fputs("pass-word\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    scene->random = kit_seed();
    scene->n_fds = kit_count_fds();
}

static void end(struct scene *scene)
{
    kit_workdir_remove(&scene->dir);
    live_end(&scene->live);
}

static fac_options options_of(struct scene *scene, enum way way)
{
    fac_options options = scene->live.options;
    options.timeout_ms = FAULTED_TIMEOUT_MS;
    if (way == BY_UNIX_SOCKET) {
        options.host = NULL;
        options.port = 0;
        options.tls = FAC_INHERIT;
        options.tls_ca_file = NULL;
        options.unix_socket = kit_server_socket(scene->live.server);
    } else if (way == BY_NAME_AND_FILE) {
        options.host =
            "127.1"; /* no address for us: libc looks it up, without asking anybody */
        options.username = "tester";
        options.password_file = scene->password_path;
        options.tls_server_name = options.tls == FAC_YES ? "127.0.0.1" : NULL;
    }
    return options;
}

static fac_cache *try_open(const fac_options *options)
{
    fac_error err;
    fac_cache *cache = NULL;
    (void)!fac_cache_open(options, &cache, &err);
    return cache;
}

/* A round without any failure, within calls that have all the time a busy machine needs. */
static bool is_sound(struct talk *talk)
{
    struct talk round = *talk;
    round.deadline_ms = LIVE_TIMEOUT_MS;
    size_t errors_before = talk_count_errors(&round);
    talk_round(&round);
    talk_assert_true_values(&round);
    talk->number = round.number;
    return talk_count_errors(&round) == errors_before;
}

/* What a failing system may be called. NOMEM: some of its errors say so. */
static const fac_status k_allowed[] = {FAC_E_UNAVAILABLE, FAC_E_TIMEOUT, FAC_E_NOMEM, FAC_OK};

/* A file that cannot be read is a wrong setting. */
static bool reads_files(const struct scene *scene, enum way way)
{
    return way == BY_NAME_AND_FILE ||
           (way != BY_UNIX_SOCKET && scene->live.options.tls == FAC_YES);
}

/* Open, talk and close while `fault` is in force; then all must be as if nothing had been. */
static void run(struct scene *scene, enum way way, const struct kit_sysfault *fault,
                const char *what)
{
    fac_options options = options_of(scene, way);
    fac_error err;
    struct talk talk = {.name = "g3",
                        .deadline_ms = FAULTED_CALL_MS,
                        .stops_at_errors = true,
                        .large_bytes = LARGE_BYTES};
    kit_sysfault_arm(fault);
    fac_status st = fac_cache_open(&options, &talk.cache, &err);
    if (st == FAC_OK) {
        talk_round(&talk);
    } else if (st != FAC_E_UNAVAILABLE && st != FAC_E_TIMEOUT && st != FAC_E_NOMEM &&
               !(st == FAC_E_CONFIG && reads_files(scene, way))) {
        fail_msg("%s: open says %s, %s", what, fac_status_name(st), err.message);
    }
    bool is_closed_faulted = kit_random(&scene->random) % 4 == 0;
    if (is_closed_faulted) {
        fac_cache_close(talk.cache);
        talk.cache = NULL;
    }
    kit_sysfault_lift();
    talk_assert_true_values(&talk);
    bool is_config = reads_files(scene, way) && talk.n_by_status[-(int)FAC_E_CONFIG] > 0;
    if (!is_config && talk_count_other(&talk, k_allowed) > 0) {
        fail_msg("%s: a call failed with what the system cannot cause: %s", what, talk.said);
    }
    if (talk.cache == NULL) {
        KIT_WAIT_FOR(LIVE_HEAL_MS, (talk.cache = try_open(&options)) != NULL);
    }
    KIT_WAIT_FOR(LIVE_HEAL_MS, is_sound(&talk));
    fac_cache_close(talk.cache);
    kit_memory_assert_empty(&scene->live.memory);
    KIT_WAIT_FOR(LIVE_HEAL_MS, kit_count_fds() == scene->n_fds); /* a lookup may be ending */
}

static void count_calls(struct scene *scene, enum way way)
{
    size_t before[KIT_SYS_COUNT];
    for (size_t i = 0; i < KIT_SYS_COUNT; i++) {
        before[i] = kit_sysfault_n_calls((enum kit_sys)i);
    }
    run(scene, way, &(struct kit_sysfault){0}, "undisturbed");
    for (size_t i = 0; i < KIT_SYS_COUNT; i++) {
        scene->n_calls[way][i] = kit_sysfault_n_calls((enum kit_sys)i) - before[i];
    }
}

/* One error number of one call, at a place of its own choice. Whether it was met. */
static bool run_error(struct scene *scene, enum way way, enum kit_sys sys, int error)
{
    struct kit_sysfault fault = {
        .calls = KIT_SYS_BIT(sys),
        .error = error,
        .nth = 1 + kit_random(&scene->random) % scene->n_calls[way][sys],
        /* A clock that always says zero is a clock that stands still. */
        .and_on = sys != KIT_SYS_CLOCK_GETTIME && kit_random(&scene->random) % 3 == 0,
        .seed = kit_random(&scene->random),
    };
    char what[96];
    (void)snprintf(what, sizeof(what), "way %d, %s number %zu%s, error %d", (int)way,
                   kit_sysfault_name(sys), fault.nth, fault.and_on ? " and on" : "", error);
    run(scene, way, &fault, what);
    return kit_sysfault_n_now() > 0;
}

static void test_syscalls__fail_with_every_error_anywhere(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    for (int way = 0; way < N_WAYS; way++) {
        count_calls(&scene, (enum way)way);
        count_calls(&scene, (enum way)way); /* the first one also loaded what libc loads once */
    }
    size_t n_met = 0;
    size_t n_wanted = kit_scaled(scene.live.options.tls == FAC_YES ? N_RUNS / 5 : N_RUNS);
    for (size_t turn = kit_random(&scene.random); n_met < n_wanted; turn++) {
        enum kit_sys sys = (enum kit_sys)(turn % KIT_SYS_COUNT);
        for (size_t i = 0; kit_sysfault_error(sys, i) != 0 && n_met < n_wanted; i++) {
            enum way way = (enum way)(kit_random(&scene.random) % N_WAYS);
            if (scene.n_calls[way][sys] > 0) {
                n_met += run_error(&scene, way, sys, kit_sysfault_error(sys, i)) ? 1U : 0U;
            }
        }
    }
    (void)printf("%zu runs met a failure, %zu failures at %zu places\n", n_met,
                 kit_sysfault_n_injected(), kit_sysfault_n_sites());
    for (size_t i = 0; i < KIT_SYS_COUNT; i++) {
        (void)printf("  %s: %zu calls\n", kit_sysfault_name((enum kit_sys)i),
                     kit_sysfault_n_calls((enum kit_sys)i));
    }
    end(&scene);
}

/* A handle in use by four threads, every call of the system failing now and then. */
static void talk_on(size_t index, void *context)
{
    struct talk *talks = context;
    for (int round = 0; round < 10; round++) {
        talk_round(&talks[index]);
    }
}

static void test_syscalls__fail_now_and_then_under_four_threads(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    fac_options options = options_of(&scene, BY_NUMBER);
    fac_cache *cache = NULL;
    KIT_WAIT_FOR(LIVE_HEAL_MS, (cache = try_open(&options)) != NULL);
    struct talk talks[4];
    memset(talks, 0, sizeof(talks));
    static const char *const k_names[] = {"t0", "t1", "t2", "t3"};
    size_t n_injected = 0;
    size_t n_repeats = kit_scaled(12);
    for (size_t repeat = 0; repeat < n_repeats || n_injected == 0; repeat++) {
        assert_true(repeat < n_repeats + 1000); /* by then one of them has been in its way */
        struct kit_sysfault fault = {.calls = ~KIT_SYS_BIT(KIT_SYS_CLOCK_GETTIME),
                                     .in_thousand = 1 + (unsigned)repeat % 40,
                                     .seed = kit_random(&scene.random)};
        for (size_t i = 0; i < KIT_COUNT(talks); i++) {
            talks[i].cache = cache;
            talks[i].name = k_names[i];
            talks[i].deadline_ms = FAULTED_CALL_MS;
        }
        kit_sysfault_arm(&fault);
        kit_threads_join(kit_threads_start(KIT_COUNT(talks), talk_on, talks));
        kit_sysfault_lift();
        n_injected += kit_sysfault_n_now();
        for (size_t i = 0; i < KIT_COUNT(talks); i++) {
            talk_assert_true_values(&talks[i]);
            assert_int_equal(talk_count_other(&talks[i], k_allowed), 0);
        }
        KIT_WAIT_FOR(LIVE_HEAL_MS, is_sound(&talks[0]));
    }
    fac_cache_close(cache);
    kit_memory_assert_empty(&scene.live.memory);
    assert_int_equal(kit_count_fds(), scene.n_fds);
    end(&scene);
}

/* --- G4 -------------------------------------------------------------------------------------- */

/* A handle of its own, `n` rounds, the same answers as ever: every call's, value by value. */
static void expect_same(struct live *live, const char *name, size_t n)
{
    fac_error err;
    struct talk talk = {.name = name, .large_bytes = LARGE_BYTES, .is_noting = true};
    assert_status(fac_cache_open(&live->options, &talk.cache, &err), FAC_OK, &err);
    for (size_t i = 0; i < n; i++) {
        talk_round(&talk);
        talk_assert_true_values(&talk);
        assert_string_equal(talk.said,
                            "set:FAC_OK;get:FAC_OK;get_into:FAC_OK;"
                            "set:FAC_OK;get:FAC_OK;get_into:FAC_OK;"
                            "add:FAC_OK;exists:FAC_OK;ttl:FAC_OK;touch:FAC_OK;delete:FAC_OK;"
                            "increment:FAC_OK;set_many:FAC_OK;get_many:FAC_OK;"
                            "delete_many:FAC_OK;command:FAC_OK;health:FAC_OK;");
    }
    fac_cache_close(talk.cache);
}

static void test_syscalls__pieces_change_no_answer(void **state)
{
    (void)state;
    static const struct kit_sysfault k_faults[] = {
        {.chop_bytes = 1},
        {.chop_bytes = KIT_SYS_STREAM_BYTES_MAX},
        {.is_stuttering = true},
        {.chop_bytes = KIT_SYS_STREAM_BYTES_MAX, .is_stuttering = true},
    };
    struct live live;
    live_start(&live, NULL);
    for (size_t i = 0; i < KIT_COUNT(k_faults); i++) {
        struct kit_sysfault fault = k_faults[i];
        fault.seed = kit_seed();
        kit_sysfault_arm(&fault);
        expect_same(&live, "pieces", kit_scaled(3));
        kit_sysfault_lift();
    }
    live_end(&live);
}

static atomic_size_t n_signals;

static void on_alarm(int number)
{
    (void)number;
    (void)atomic_fetch_add(&n_signals, 1U);
}

static void test_syscalls__signals_at_a_kilohertz_change_no_answer(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    struct sigaction action = {.sa_handler = on_alarm}; /* without SA_RESTART */
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    struct itimerval often = {{0, 1000}, {0, 1000}};
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    int64_t until_ms = kit_now_ms() + 20000;
    size_t n_wanted = kit_scaled(1000);
    while (atomic_load(&n_signals) < n_wanted) {
        expect_same(&live, "signals", 5);
        assert_true(kit_now_ms() < until_ms + (int64_t)n_wanted);
    }
    struct itimerval never = {{0, 0}, {0, 0}};
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    live_end(&live);
}

/* --- G5 -------------------------------------------------------------------------------------- */

static void test_resources__no_descriptors(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.open = FAC_OPEN_LAZY;
    live_open(&live);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {0, before.rlim_max};
    for (size_t repeat = 0; repeat < kit_scaled(3); repeat++) {
        fac_error err;
        fac_cache *second = NULL;
        live.options.open = FAC_OPEN_CONNECT;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        fac_status st = fac_cache_open(&live.options, &second, &err);
        if (repeat == 0) { /* it has no connection yet */
            fac_error lazy_err;
            assert_status(live_try_get(live.cache, "k", 0, &lazy_err), FAC_E_UNAVAILABLE,
                          &lazy_err);
            assert_int_equal(lazy_err.os_errno, EMFILE);
        }
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_status(st, FAC_E_UNAVAILABLE, &err);
        assert_int_equal(err.os_errno, EMFILE);
        assert_null(second);
        KIT_WAIT_FOR(LIVE_HEAL_MS, live_try_get(live.cache, "k", 0, &err) == FAC_MISS);
        assert_status(fac_cache_open(&live.options, &second, &err), FAC_OK, &err);
        fac_cache_close(second);
    }
    live_end(&live);
}

static rlim_t address_space_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1); /* NOLINT(cert-err34-c) */
    assert_int_equal(fclose(file), 0);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void test_resources__no_address_space(void **state)
{
    (void)state;
    enum {
        HUGE_BYTES = 16 * 1024 * 1024
    };
    struct live live;
    live_begin(&live);
    char *huge = malloc(HUGE_BYTES);
    assert_non_null(huge);
    memset(huge, 'h', HUGE_BYTES);
    live_set_bytes(live.cache, fac_str("huge"), fac_mem(huge, HUGE_BYTES));
    live_set(live.cache, fac_str("k"), "v");
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    /* What is freed goes back at once, so that the next one has to ask again. */
    assert_int_equal(mallopt(M_MMAP_THRESHOLD, 1024 * 1024), 1);
    for (size_t repeat = 0; repeat < kit_scaled(3); repeat++) {
        struct rlimit tight = {address_space_bytes() + HUGE_BYTES / 2, before.rlim_max};
        fac_error err;
        assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
        fac_status st = live_try_get(live.cache, "huge", 0, &err);
        fac_error small_err;
        fac_status small_st = live_try_get(live.cache, "k", 0, &small_err);
        assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
        assert_status(st, FAC_E_NOMEM, &err);
        assert_status(small_st, FAC_OK, &small_err);
        assert_status(live_try_get(live.cache, "huge", 0, &err), FAC_OK, &err);
    }
    free(huge);
    live_end(&live);
}

static void test_resources__no_threads(void **state)
{
    (void)state;
    struct live live;
    live_start(&live, NULL);
    live.options.host = "127.1"; /* for libc only an address: its lookup runs on a thread */
    live.options.tls_server_name = live.options.tls == FAC_YES ? "127.0.0.1" : NULL;
    struct kit_sysfault fault = {.calls = KIT_SYS_BIT(KIT_SYS_PTHREAD_CREATE),
                                 .error = EAGAIN,
                                 .nth = 1,
                                 .and_on = true};
    fac_error err;
    for (size_t repeat = 0; repeat < kit_scaled(10); repeat++) {
        fac_cache *cache = NULL;
        kit_sysfault_arm(&fault);
        fac_status st = fac_cache_open(&live.options, &cache, &err);
        kit_sysfault_lift();
        assert_status(st, FAC_E_UNAVAILABLE, &err);
        assert_int_equal(err.os_errno, EAGAIN);
        assert_status(fac_cache_open(&live.options, &cache, &err), FAC_OK, &err);
        fac_cache_close(cache);
        kit_memory_assert_empty(&live.memory);
    }
    live_end(&live);
}

static void *talk_once(void *context)
{
    talk_round(context);
    return NULL;
}

static void test_resources__small_stacks(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    pthread_attr_t attr;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, 64 * 1024), 0);
    struct talk talks[8];
    memset(talks, 0, sizeof(talks));
    pthread_t threads[KIT_COUNT(talks)];
    for (size_t i = 0; i < KIT_COUNT(talks); i++) {
        talks[i] = (struct talk){.cache = live.cache, .name = "s", .large_bytes = LARGE_BYTES};
        talks[i].name = &"s7\0s6\0s5\0s4\0s3\0s2\0s1\0s0"[i * 3];
        assert_int_equal(pthread_create(&threads[i], &attr, talk_once, &talks[i]), 0);
    }
    for (size_t i = 0; i < KIT_COUNT(talks); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        talk_assert_true_values(&talks[i]);
        assert_int_equal(talk_count_errors(&talks[i]), 0);
    }
    (void)pthread_attr_destroy(&attr);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_syscalls__fail_with_every_error_anywhere),
    KIT_TEST(test_syscalls__fail_now_and_then_under_four_threads),
    KIT_TEST(test_syscalls__pieces_change_no_answer),
    KIT_TEST(test_syscalls__signals_at_a_kilohertz_change_no_answer),
    KIT_TEST(test_resources__no_descriptors),
    KIT_TEST(test_resources__no_address_space),
    KIT_TEST(test_resources__no_threads),
    KIT_TEST(test_resources__small_stacks),
};

KIT_MAIN(k_tests)
