/* SPDX-License-Identifier: MIT */
/* The values of one MGET: each is handed over whole and for its own key, or not at all. */
#include "backend/value_sink.h"

#include "kit/kit.h"
#include "kit/memory.h"

#include <stdio.h>
#include <string.h>

enum {
    SAID_BYTES = 256,
    MANY = 8
};

struct rig {
    struct kit_memory memory;
    struct faci_values_sink values;
    char said[SAID_BYTES]; /* "0=text 1=null …", as they were handed over */
};

static void put(void *context, size_t index, fac_value *value, bool is_out_of_memory)
{
    struct rig *rig = context;
    size_t used = strlen(rig->said);
    fac_bytes bytes = fac_value_bytes(value);
    const char *nothing = is_out_of_memory ? "no memory" : "null";
    (void)snprintf(rig->said + used, sizeof(rig->said) - used, "%zu=%.*s ", index,
                   value != NULL ? (int)bytes.len : (int)strlen(nothing),
                   value != NULL ? (const char *)bytes.data : nothing);
    fac_value_unref(value);
}

static void rig_init(struct rig *rig)
{
    kit_memory_init(&rig->memory);
    faci_values_sink_init(&rig->values, &rig->memory.hook, put, rig);
    rig->said[0] = '\0';
}

static void rig_fini(struct rig *rig)
{
    faci_values_sink_fini(&rig->values);
    kit_memory_assert_empty(&rig->memory);
}

static void begin(struct rig *rig, fac_reply_type type, int64_t number, unsigned depth)
{
    struct faci_sink *sink = &rig->values.sink;
    sink->ops->begin(sink, type, number, depth);
}

/* A string of `len` bytes, of which these come, in pieces of `at_once`. */
static void string(struct rig *rig, int64_t len, const char *come, size_t at_once,
                   unsigned depth)
{
    struct faci_sink *sink = &rig->values.sink;
    begin(rig, FAC_REPLY_STRING, len, depth);
    for (size_t at = 0; at < strlen(come); at += at_once) {
        size_t left = strlen(come) - at;
        sink->ops->data(sink, come + at, left < at_once ? left : at_once);
    }
    sink->ops->end(sink);
}

static void test_value_sink__hands_over_what_came(void **state)
{
    (void)state;
    for (size_t at_once = 1; at_once <= MANY; at_once++) {
        struct rig rig;
        rig_init(&rig);
        begin(&rig, FAC_REPLY_ARRAY, 4, 0);
        string(&rig, 5, "hello", at_once, 1);
        begin(&rig, FAC_REPLY_NULL, 0, 1);
        string(&rig, 0, "", at_once, 1);
        string(&rig, 3, "you", at_once, 1);
        assert_string_equal(rig.said, "0=hello 1=null 2= 3=you ");
        assert_int_equal(rig.values.n_put, 4);
        rig_fini(&rig);
    }
}

/* What a connection brings that is given up meanwhile. The bytes were whatever the heap had held. */
static void test_value_sink__keeps_what_is_not_whole(void **state)
{
    (void)state;
    static const char *const k_parts[] = {"", "h", "hell"};
    for (size_t i = 0; i < KIT_COUNT(k_parts); i++) {
        struct rig rig;
        rig_init(&rig);
        begin(&rig, FAC_REPLY_ARRAY, 2, 0);
        string(&rig, 3, "you", 3, 1);
        string(&rig, 5, k_parts[i], 1, 1);
        assert_string_equal(rig.said, "0=you ");
        assert_int_equal(rig.values.n_put, 1); /* fewer than there were keys: an error */
        rig_fini(&rig);
    }
}

/* A second attempt begins anew, wherever the first one ended. */
static void test_value_sink__begins_anew(void **state)
{
    (void)state;
    static const fac_reply_type k_first[] = {FAC_REPLY_ARRAY, FAC_REPLY_MAP};
    for (size_t i = 0; i < KIT_COUNT(k_first); i++) {
        struct rig rig;
        rig_init(&rig);
        begin(&rig, k_first[i], 1, 0);
        begin(&rig, FAC_REPLY_STRING, 5, 1); /* and no more of it */
        begin(&rig, FAC_REPLY_ARRAY, 1, 0);
        string(&rig, 3, "you", 3, 1);
        assert_string_equal(rig.said, "0=you ");
        rig_fini(&rig);
    }
}

static void test_value_sink__stops_at_what_is_no_value(void **state)
{
    (void)state;
    static const fac_reply_type k_types[] = {
        FAC_REPLY_INTEGER, FAC_REPLY_STATUS, FAC_REPLY_ERROR, FAC_REPLY_DOUBLE,
        FAC_REPLY_BOOLEAN, FAC_REPLY_ARRAY,  FAC_REPLY_MAP,   FAC_REPLY_SET,
    };
    for (size_t i = 0; i < KIT_COUNT(k_types); i++) {
        struct rig rig;
        rig_init(&rig);
        begin(&rig, FAC_REPLY_ARRAY, 3, 0);
        string(&rig, 3, "you", 3, 1);
        begin(&rig, k_types[i], 1, 1);
        string(&rig, 5, "inner", 5, 2);
        string(&rig, 3, "him", 3, 1);
        begin(&rig, FAC_REPLY_NULL, 0, 1);
        assert_string_equal(rig.said, "0=you ");
        assert_int_equal(rig.values.n_put, 1);
        rig_fini(&rig);
    }
}

static void test_value_sink__takes_nothing_but_an_array(void **state)
{
    (void)state;
    static const fac_reply_type k_types[] = {FAC_REPLY_MAP, FAC_REPLY_SET, FAC_REPLY_STRING};
    for (size_t i = 0; i < KIT_COUNT(k_types); i++) {
        struct rig rig;
        rig_init(&rig);
        begin(&rig, k_types[i], 2, 0);
        string(&rig, 3, "you", 3, 1);
        begin(&rig, FAC_REPLY_NULL, 0, 1);
        assert_string_equal(rig.said, "");
        assert_int_equal(rig.values.n_put, 0);
        rig_fini(&rig);
    }
}

static void test_value_sink__says_that_memory_ran_out(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    begin(&rig, FAC_REPLY_ARRAY, 2, 0);
    kit_memory_fail(&rig.memory, 1, false);
    string(&rig, 3, "you", 3, 1);
    string(&rig, 3, "him", 3, 1);
    assert_string_equal(rig.said, "0=no memory 1=him ");
    rig_fini(&rig);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_value_sink__hands_over_what_came),
    KIT_TEST(test_value_sink__keeps_what_is_not_whole),
    KIT_TEST(test_value_sink__begins_anew),
    KIT_TEST(test_value_sink__stops_at_what_is_no_value),
    KIT_TEST(test_value_sink__takes_nothing_but_an_array),
    KIT_TEST(test_value_sink__says_that_memory_ran_out),
};

KIT_MAIN(k_tests)
