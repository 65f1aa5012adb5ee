/* SPDX-License-Identifier: MIT */
/* The judge itself: what its model allows and refuses, and that it notices a wrong answer. */
#include "fault/traffic.h"
#include "fault/traffic_keys.h"
#include "kit/kit.h"
#include "kit/proxy.h"
#include "kit/server.h"
#include "kit/wait.h"

#include <string.h>

static void test_traffic_keys__read_what_was_acknowledged(void **state)
{
    (void)state;
    static struct own_key key;
    assert_int_equal(own_key_read(&key, 1), VERDICT_WRONG); /* from the future */
    assert_int_equal(own_key_seen(&key, false), VERDICT_RIGHT);
    assert_int_equal(own_key_seen(&key, true), VERDICT_WRONG); /* never written */
    memset(&key, 0, sizeof(key));
    key.n_begun = 3;
    own_key_wrote(&key, 1, KIT_OUTCOME_OK);
    own_key_wrote(&key, 2, KIT_OUTCOME_OK);
    own_key_wrote(&key, 3, KIT_OUTCOME_NOT_SENT);
    assert_int_equal(own_key_read(&key, 2), VERDICT_RIGHT);
    assert_int_equal(own_key_read(&key, 3), VERDICT_WRONG); /* said to be not applied */
    assert_int_equal(own_key_read(&key, 0), VERDICT_WRONG);
    assert_int_equal(own_key_read(&key, 4), VERDICT_WRONG);
    assert_int_equal(own_key_seen(&key, true), VERDICT_RIGHT);
    assert_int_equal(own_key_read(&key, 1), VERDICT_STALE);
    assert_int_equal(own_key_read(&key, 1), VERDICT_RIGHT); /* it is what the key holds */
    assert_int_equal(own_key_read(&key, 2), VERDICT_STALE);
    assert_int_equal(own_key_seen(&key, false), VERDICT_STALE);
    assert_int_equal(own_key_seen(&key, false), VERDICT_RIGHT);
}

static void test_traffic_keys__unknown_writes_may_come_at_any_time(void **state)
{
    (void)state;
    static struct own_key key;
    key.n_begun = 3;
    own_key_wrote(&key, 1, KIT_OUTCOME_UNKNOWN);
    own_key_wrote(&key, 2, KIT_OUTCOME_OK);
    assert_int_equal(own_key_read(&key, 1), VERDICT_RIGHT);
    assert_int_equal(own_key_read(&key, 2), VERDICT_RIGHT);
    assert_int_equal(own_key_deleted(&key, KIT_OUTCOME_OK), VERDICT_RIGHT);
    assert_int_equal(own_key_read(&key, 1), VERDICT_RIGHT);
    assert_int_equal(own_key_seen(&key, true), VERDICT_RIGHT);
    assert_int_equal(own_key_seen(&key, false), VERDICT_RIGHT);
    own_key_wrote(&key, 3, KIT_OUTCOME_OK);
    assert_int_equal(own_key_deleted(&key, KIT_OUTCOME_UNKNOWN), VERDICT_RIGHT);
    assert_int_equal(own_key_seen(&key, false), VERDICT_RIGHT);
    assert_int_equal(own_key_read(&key, 3), VERDICT_RIGHT);
    /* Of one deleted for certain, and with nothing unknown, nothing is left. */
    static struct own_key other;
    other.n_begun = 1;
    own_key_wrote(&other, 1, KIT_OUTCOME_OK);
    assert_int_equal(own_key_deleted(&other, KIT_OUTCOME_OK), VERDICT_RIGHT);
    assert_int_equal(own_key_deleted(&other, KIT_OUTCOME_OK), VERDICT_STALE);
    assert_int_equal(own_key_deleted(&other, KIT_OUTCOME_MISS), VERDICT_RIGHT);
}

static void test_traffic_keys__counters_have_bounds(void **state)
{
    (void)state;
    static const struct {
        enum kit_outcome outcome;
        int64_t value;
        enum verdict want;
    } k_steps[] = {
        {KIT_OUTCOME_OK, 1, VERDICT_RIGHT}, {KIT_OUTCOME_NOT_SENT, 0, VERDICT_RIGHT},
        {KIT_OUTCOME_OK, 2, VERDICT_RIGHT}, {KIT_OUTCOME_UNKNOWN, 0, VERDICT_RIGHT},
        {KIT_OUTCOME_OK, 4, VERDICT_RIGHT}, {KIT_OUTCOME_OK, 5, VERDICT_RIGHT},
        {KIT_OUTCOME_OK, 5, VERDICT_WRONG}, /* the same twice */
        {KIT_OUTCOME_OK, 8, VERDICT_WRONG}, /* more than were ever begun */
    };
    struct own_counter counter = {0};
    for (size_t i = 0; i < KIT_COUNT(k_steps); i++) {
        assert_int_equal(own_counter_added(&counter, k_steps[i].outcome, k_steps[i].value),
                         k_steps[i].want);
    }
    counter = (struct own_counter){0};
    assert_int_equal(own_counter_added(&counter, KIT_OUTCOME_OK, 2), VERDICT_WRONG);
}

/* A reply that the server never sent is right in form: nothing in it tells a client that it is not
 * the answer. Seeing that is what the traffic is for. */
static void test_traffic__notices_an_answer_of_nobodys(void **state)
{
    (void)state;
    struct kit_server_options server_options = {.kind = KIT_REDIS};
    struct kit_server *server = kit_server_start(&server_options);
    struct kit_proxy_options proxy_options = {.to_unix = kit_server_socket(server),
                                              .seed = kit_seed()};
    struct kit_proxy *proxy = kit_proxy_start(&proxy_options);
    fac_options options;
    fac_error err;
    fac_cache *cache = NULL;
    fac_options_init(&options);
    options.ignore_environment = true;
    options.provider = FAC_REDIS;
    options.host = "127.0.0.1";
    options.port = kit_proxy_port(proxy);
    options.max_connections = 2;
    options.timeout_ms = 1000;
    traffic_turn_breaker_off(&options);
    assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
    struct kit_faults faults = {.reply = KIT_REPLY_INSERT, .reply_mean = 50};
    kit_proxy_set(proxy, &faults);
    struct traffic_options traffic_options = {.cache = cache,
                                              .n_threads = 16,
                                              .n_ops = 4000,
                                              .value_max_bytes = 100,
                                              .seed = kit_seed()};
    struct traffic_result result = {.n_wrong = 0};
    /* Chance decides who gets a reply of nobody's, and how many there are before the calls are
     * used up by connections that died of it: until it was somebody who asked for a value. */
    int64_t give_up_at_ms = kit_now_ms() + TRAFFIC_PATIENCE_MS;
    while (result.n_wrong == 0 && kit_now_ms() < give_up_at_ms) {
        traffic_join(traffic_start(&traffic_options), &result);
        traffic_options.seed++; /* other keys */
    }
    assert_true(kit_proxy_counts(proxy).n_reply_faults > 0);
    assert_true(result.n_wrong > 0);
    assert_string_not_equal(result.first_wrong, "");
    fac_cache_close(cache);
    kit_proxy_stop(proxy);
    kit_server_stop(server);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_traffic_keys__read_what_was_acknowledged),
    KIT_TEST(test_traffic_keys__unknown_writes_may_come_at_any_time),
    KIT_TEST(test_traffic_keys__counters_have_bounds),
    KIT_TEST(test_traffic__notices_an_answer_of_nobodys),
};

KIT_MAIN(k_tests)
