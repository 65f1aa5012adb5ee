/* SPDX-License-Identifier: MIT */
/* fault/fuzzing_found_test.c — what the fuzzing server found, each as a conversation of its own
 * that needs no luck. */
#include "kit/kit.h"
#include "kit/stub.h"
#include "kit/wait.h"
#include "live/live.h"

#include <stdlib.h>
#include <string.h>

enum {
    WRONG_BYTES = 256 * 1024, /* written behind a block, they break the heap for all to see */
    ROUNDS = 8
};

struct pair {
    fac_cache *cache;
    struct kit_stub *stub;
    char *wrong;
    size_t wrong_len;
    size_t n_before; /* commands that earlier rounds sent */
    fac_status statuses[2];
};

/* Two requests, then both replies at once: one that is right, and one of another shape. */
static void answer_both(struct kit_stub_conn *conn, void *context)
{
    struct pair *pair = context;
    size_t n = 0;
    while (n < 2 && kit_stub_next(conn) != NULL) {
        n++;
    }
    if (n == 2) {
        (void)kit_stub_send(conn, pair->wrong, pair->wrong_len);
        kit_stub_drain(conn);
    }
}

static void get(size_t index, void *context)
{
    struct pair *pair = context;
    /* The first one waits for its reply, and reads for both, when the second comes. */
    while (index == 1 && kit_stub_commands(pair->stub, "GET") == pair->n_before) {
        kit_nap();
    }
    fac_call call = fac_call_within(LIVE_TIMEOUT_MS);
    fac_value *value = NULL;
    pair->statuses[index] = fac_cache_get(pair->cache, fac_str("k"), &call, &value, NULL);
    fac_value_unref(value);
}

/* A header of one child was taken for a length of one byte, and the child written behind it. */
static void test_fuzzing_found__an_array_in_place_of_anothers_value(void **state)
{
    (void)state;
    static const char k_head[] = "$1\r\na\r\n*1\r\n$262144\r\n";
    static struct pair pair;
    pair.wrong_len = sizeof(k_head) - 1 + WRONG_BYTES + 2;
    pair.wrong = malloc(pair.wrong_len + 1);
    assert_non_null(pair.wrong);
    memcpy(pair.wrong, k_head, sizeof(k_head) - 1);
    memset(pair.wrong + sizeof(k_head) - 1, 'x', WRONG_BYTES);
    memcpy(pair.wrong + pair.wrong_len - 2, "\r\n", 3);
    struct kit_stub_options stub = {.fn = answer_both, .context = &pair};
    pair.stub = kit_stub_start(&stub);
    struct kit_memory memory;
    kit_memory_init(&memory);
    for (size_t i = 0; i < ROUNDS; i++) {
        fac_options options;
        live_point_at(&options, kit_stub_port(pair.stub));
        options.max_connections = 1;
        options.retry_on_timeout = FAC_NO;
        options.allocator = &memory.hook;
        fac_error err;
        assert_status(fac_cache_open(&options, &pair.cache, &err), FAC_OK, &err);
        pair.n_before = kit_stub_commands(pair.stub, "GET");
        kit_threads_join(kit_threads_start(2, get, &pair));
        assert_int_equal(pair.statuses[0], FAC_OK);
        assert_int_equal(pair.statuses[1], FAC_E_PROTOCOL);
        fac_cache_unref(pair.cache);
    }
    kit_memory_assert_empty(&memory);
    kit_stub_stop(pair.stub);
    free(pair.wrong);
}

static void answer_wrongly(struct kit_stub_conn *conn, void *context)
{
    const char *const *wrong = context;
    while (kit_stub_next(conn) != NULL) {
        (void)kit_stub_send(conn, *wrong, strlen(*wrong));
    }
}

/* Strings in a reply that is no array of strings and nulls. Those of a map were handed out with as
 * many bytes as it had said, none of which had been written: what the heap had held before. */
static void test_fuzzing_found__a_map_in_place_of_values(void **state)
{
    (void)state;
    static const char *k_wrong[] = {
        "%1\r\n$1\r\na\r\n$1\r\nb\r\n",  "~2\r\n$1\r\na\r\n$1\r\nb\r\n", "$1\r\na\r\n",
        "*2\r\n:1\r\n$1\r\na\r\n",       "*2\r\n*1\r\n$1\r\na\r\n_\r\n", "*2\r\n+a\r\n+b\r\n",
        "*1\r\n%1\r\n+a\r\n$1\r\nb\r\n", "%1\r\n$0\r\n\r\n$0\r\n\r\n",
    };
    for (size_t i = 0; i < KIT_COUNT(k_wrong); i++) {
        struct kit_stub_options script = {.fn = answer_wrongly, .context = &k_wrong[i]};
        struct kit_stub *stub = kit_stub_start(&script);
        fac_options options;
        live_point_at(&options, kit_stub_port(stub));
        fac_cache *cache = NULL;
        fac_error err;
        assert_status(fac_cache_open(&options, &cache, &err), FAC_OK, &err);
        fac_bytes keys[] = {fac_str("k1"), fac_str("k2")};
        fac_value *values[2];
        fac_status statuses[2];
        fac_call call = fac_call_within(LIVE_TIMEOUT_MS);
        assert_int_equal(fac_cache_get_many(cache, keys, 2, &call, values, statuses, NULL),
                         FAC_E_PROTOCOL);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(statuses[k], FAC_E_PROTOCOL);
            assert_null(values[k]);
        }
        fac_cache_unref(cache);
        kit_stub_stop(stub);
    }
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_fuzzing_found__an_array_in_place_of_anothers_value),
    KIT_TEST(test_fuzzing_found__a_map_in_place_of_values),
};

KIT_MAIN(k_tests)
