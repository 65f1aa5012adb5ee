/* SPDX-License-Identifier: MIT */
/* Passwords that change: told by the application at each connect, and again before they end; and the
 * smallest user that may use the library. */
#include "kit/kit.h"
#include "kit/procwatch.h"
#include "kit/wait.h"
#include "live/live.h"
#include "live/live_acl.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An application that tells one password after another. */
struct teller {
    atomic_uint n_asked;
    atomic_uint number; /* of the password of now: "pass-1" … */
    atomic_llong valid_ms;
    atomic_bool has_none;
    struct kit_gate gate; /* it answers when this is open */
    atomic_bool waits;
    atomic_uint within_ms; /* as it was told last */
};

static bool tell(void *context, uint32_t within_ms, fac_password *out)
{
    struct teller *teller = context;
    atomic_fetch_add(&teller->n_asked, 1U);
    atomic_store(&teller->within_ms, within_ms);
    if (atomic_load(&teller->waits)) {
        while (!kit_gate_is_open(&teller->gate)) {
            kit_nap();
        }
    }
    if (atomic_load(&teller->has_none)) {
        return false;
    }
    (void)snprintf(out->text, out->text_cap, "pass-%u", atomic_load(&teller->number));
    out->expires_in_ms = atomic_load(&teller->valid_ms);
    return true;
}

static void set_password(struct live *live, unsigned number)
{
    char rule[32];
    (void)snprintf(rule, sizeof(rule), ">pass-%u", number);
    assert_string_equal(
        kit_raw_ask(live_raw(live), "ACL", "SETUSER", "app", "resetpass", rule, NULL), "OK");
}

static const char *const k_app[] = {"user app on >pass-1 ~* &* +@all", NULL};

static void begin(struct live *live, struct teller *teller)
{
    memset(teller, 0, sizeof(*teller));
    kit_gate_init(&teller->gate);
    atomic_store(&teller->number, 1U);
    live_start(live, k_app);
    live->options.username = "app";
    live->options.password_fn = tell;
    live->options.password_context = teller;
}

static void kill_all(struct live *live)
{
    (void)kit_raw_ask(live_raw(live), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes",
                      NULL);
}

static void test_server_password__asked_at_each_connect(void **state)
{
    (void)state;
    struct live live;
    struct teller teller;
    begin(&live, &teller);
    live_open(&live);
    assert_int_equal(atomic_load(&teller.n_asked), 1);
    assert_true(atomic_load(&teller.within_ms) > 0);
    assert_true(atomic_load(&teller.within_ms) <= LIVE_TIMEOUT_MS);
    for (unsigned i = 2; i < 6; i++) {
        live_set(live.cache, fac_str("k"), "v");
        set_password(&live, i);
        atomic_store(&teller.number, i);
        kill_all(&live);
        live_expect(live.cache, fac_str("k"), "v");
        assert_int_equal(atomic_load(&teller.n_asked), i);
    }
    live_end(&live);
}

static void test_server_password__wrong_or_none_is_told(void **state)
{
    (void)state;
    struct live live;
    struct teller teller;
    begin(&live, &teller);
    atomic_store(&teller.number, 7U);
    fac_error err;
    assert_status(fac_cache_open(&live.options, &live.cache, &err), FAC_E_AUTH, &err);
    assert_null(strstr(err.message, "pass-7"));
    atomic_store(&teller.has_none, true);
    assert_status(fac_cache_open(&live.options, &live.cache, &err), FAC_E_AUTH, &err);
    assert_contains(err.message, "the application has no password now");
    live.options.password = "x";
    assert_status(fac_cache_open(&live.options, &live.cache, &err), FAC_E_CONFIG, &err);
    live_end(&live);
}

static void do_nothing(size_t index, void *context)
{
    (void)index;
    (void)context;
}

/* An application that hangs makes calls late by nothing, and a close waits for nobody. */
static void test_server_password__one_that_hangs_holds_up_nobody(void **state)
{
    (void)state;
    struct live live;
    struct teller teller;
    kit_threads_join(kit_threads_start(1, do_nothing, NULL)); /* and a sanitizer's own */
    begin(&live, &teller);
    size_t n_threads = kit_count_threads();
    atomic_store(&teller.waits, true);
    live.options.open = FAC_OPEN_LAZY;
    live_open(&live);
    fac_error err;
    for (int i = 0; i < 3; i++) {
        fac_status st = live_try_get(live.cache, "k", 30, &err);
        assert_true(st == FAC_E_TIMEOUT || st == FAC_E_UNAVAILABLE);
        /* It is asked on a thread of its own, which a busy machine may start late. */
        KIT_WAIT_FOR(LIVE_HEAL_MS, atomic_load(&teller.n_asked) > 0);
    }
    assert_int_equal(atomic_load(&teller.n_asked), 1); /* all wait for one answer */
    fac_cache_close(live.cache);
    live.cache = NULL;
    kit_gate_open(&teller.gate);
    KIT_WAIT_FOR(LIVE_HEAL_MS, kit_count_threads() <= n_threads);
    live_end(&live);
}

/* --- Before it ends --------------------------------------------------------------------------- */

enum {
    READERS = 4,
    VALID_MS = 400
};

struct reader {
    fac_cache *cache;
    atomic_bool *is_over;
    atomic_ullong *n_good;
    atomic_ullong *n_bad;
};

static void *read_on(void *context)
{
    const struct reader *reader = context;
    while (!atomic_load(reader->is_over)) {
        fac_error err;
        bool is_good = live_try_get(reader->cache, "k", 0, &err) == FAC_OK;
        atomic_fetch_add(is_good ? reader->n_good : reader->n_bad, 1U);
    }
    return NULL;
}

static size_t n_auths(struct live *live)
{
    const char *info = kit_raw_ask(live_raw(live), "INFO", "commandstats", NULL);
    static const char k_field[] = "cmdstat_auth:calls=";
    const char *at = strstr(info, k_field);
    return at != NULL ? strtoul(at + sizeof(k_field) - 1, NULL, 10) : 0;
}

/* Under traffic the connections authenticate anew, over and over: none ends, and no call fails. */
static void test_server_password__live_connections_authenticate_anew(void **state)
{
    (void)state;
    struct live live;
    struct teller teller;
    begin(&live, &teller);
    atomic_store(&teller.valid_ms, VALID_MS);
    live_open(&live);
    live_set(live.cache, fac_str("k"), "v");
    atomic_bool is_over = false;
    atomic_ullong n_good = 0;
    atomic_ullong n_bad = 0;
    struct reader reader = {live.cache, &is_over, &n_good, &n_bad};
    pthread_t threads[READERS];
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &reader), 0);
    }
    for (unsigned i = 2; i < 6; i++) {
        /* Both are good while they change, as with every token that overlaps the next. */
        char rule[32];
        (void)snprintf(rule, sizeof(rule), ">pass-%u", i);
        assert_string_equal(kit_raw_ask(live_raw(&live), "ACL", "SETUSER", "app", rule, NULL),
                            "OK");
        atomic_store(&teller.number, i);
        size_t before = n_auths(&live);
        KIT_WAIT_FOR(LIVE_HEAL_MS, n_auths(&live) > before);
    }
    atomic_store(&is_over, true);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    fac_stats stats = live_stats(live.cache);
    assert_true(atomic_load(&n_good) > 0);
    assert_int_equal(atomic_load(&n_bad), 0);
    assert_int_equal(stats.disconnects, 0);
    assert_int_equal(stats.errors, 0);
    live_end(&live);
}

/* A refusal is logged, and costs neither the call nor the connection. */
static void test_server_password__refused_anew_it_goes_on(void **state)
{
    (void)state;
    struct live live;
    struct teller teller;
    begin(&live, &teller);
    atomic_store(&teller.valid_ms, 1);
    live_open(&live);
    live_set(live.cache, fac_str("k"), "v");
    atomic_store(&teller.number, 9U); /* wrong */
    unsigned asked = atomic_load(&teller.n_asked);
    KIT_WAIT_FOR(LIVE_HEAL_MS, (live_set(live.cache, fac_str("k"), "v"),
                                atomic_load(&teller.n_asked) > asked));
    live_expect(live.cache, fac_str("k"), "v");
    assert_int_equal(live_stats(live.cache).disconnects, 0);
    live_end(&live);
}

/* --- The smallest user ------------------------------------------------------------------------ */

/* Each verb once; whether all may be called. */
static bool can_do_all(fac_cache *cache)
{
    fac_error err;
    int64_t number = 0;
    fac_value *value = NULL;
    fac_value *values[2] = {NULL, NULL};
    fac_status statuses[2];
    fac_bytes keys[2] = {fac_str("a"), fac_str("b")};
    fac_item items[2] = {{.key = fac_str("a"), .value = fac_str("1"), .ttl_ms = FAC_TTL_NONE},
                         {.key = fac_str("b"), .value = fac_str("2"), .ttl_ms = 60000}};
    fac_clear_progress progress = {.size = sizeof(progress)};
    bool is_good = fac_cache_set_many(cache, items, 2, NULL, statuses, &err) >= 0 &&
                   statuses[0] >= 0 && statuses[1] >= 0;
    is_good &= fac_cache_get_many(cache, keys, 2, NULL, values, statuses, &err) >= 0 &&
               statuses[0] >= 0 && statuses[1] >= 0;
    fac_value_unref(values[0]);
    fac_value_unref(values[1]);
    is_good &= fac_cache_get(cache, keys[0], NULL, &value, &err) >= 0;
    fac_value_unref(value);
    is_good &= fac_cache_exists(cache, keys[0], NULL, &err) >= 0;
    is_good &= fac_cache_ttl(cache, keys[0], NULL, &number, &err) >= 0;
    is_good &= fac_cache_touch(cache, keys[0], 60000, NULL, &err) >= 0;
    is_good &= fac_cache_touch(cache, keys[0], FAC_TTL_NONE, NULL, &err) >= 0;
    is_good &= fac_cache_increment(cache, keys[0], 1, FAC_TTL_NONE, NULL, &number, &err) >= 0;
    is_good &= fac_cache_increment(cache, fac_str("n"), 1, 60000, NULL, &number, &err) >= 0;
    is_good &= fac_cache_delete(cache, keys[0], NULL, &err) >= 0;
    is_good &= fac_cache_delete_many(cache, keys, 2, NULL, statuses, &err) >= 0 &&
               statuses[0] >= 0 && statuses[1] >= 0;
    is_good &= fac_cache_set(cache, keys[0], fac_str("1"), 60000, NULL, &err) >= 0;
    is_good &= fac_cache_clear(cache, NULL, &progress, &err) >= 0;
    fac_health health;
    is_good &= fac_cache_health(cache, NULL, &health, sizeof(health), &err) >= 0;
    return is_good;
}

/* With all of them everything works; without any one something does not: none is too many. */
static void test_server_password__smallest_user_is_the_smallest(void **state)
{
    (void)state;
    static const char *const k_needed[] = {"get",  "set",     "del",     "unlink", "exists",
                                           "pttl", "pexpire", "persist", "incrby", "multi",
                                           "exec", "scan",    "mget",    "ping"};
    struct live live;
    live_start(&live, NULL);
    live.options.username = "smallest";
    live.options.password = "acl-pass";
    for (size_t without = 0; without <= KIT_COUNT(k_needed); without++) {
        char minus[16];
        (void)snprintf(minus, sizeof(minus), "-%s",
                       without < KIT_COUNT(k_needed) ? k_needed[without] : "select");
        char plus[KIT_COUNT(k_needed)][16];
        struct kit_raw *raw = live_raw(&live);
        assert_string_equal(kit_raw_ask(raw, "ACL", "SETUSER", "smallest", "reset", "on",
                                        ">acl-pass", "~cache:*", "-@all", "+hello", NULL),
                            "OK");
        for (size_t i = 0; i < KIT_COUNT(k_needed); i++) {
            (void)snprintf(plus[i], sizeof(plus[i]), "+%s", k_needed[i]);
            assert_string_equal(kit_raw_ask(raw, "ACL", "SETUSER", "smallest", plus[i], NULL),
                                "OK");
            assert_non_null(strstr(LIVE_ACL_NEEDED, plus[i]));
        }
        assert_string_equal(kit_raw_ask(raw, "ACL", "SETUSER", "smallest", minus, NULL), "OK");
        fac_cache *cache = NULL;
        fac_error err;
        assert_status(fac_cache_open(&live.options, &cache, &err), FAC_OK, &err);
        bool is_good = can_do_all(cache);
        if (is_good != (without == KIT_COUNT(k_needed))) {
            fail_msg("%s: %s", minus, is_good ? "is not needed" : "something else is");
        }
        fac_cache_close(cache);
    }
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_server_password__asked_at_each_connect),
    KIT_TEST(test_server_password__wrong_or_none_is_told),
    KIT_TEST(test_server_password__one_that_hangs_holds_up_nobody),
    KIT_TEST(test_server_password__live_connections_authenticate_anew),
    KIT_TEST(test_server_password__refused_anew_it_goes_on),
    KIT_TEST(test_server_password__smallest_user_is_the_smallest),
};

KIT_MAIN(k_tests)
