/* SPDX-License-Identifier: MIT */
/* Values at their limit and beyond it: apart from the others, since they take seconds. */
#include "kit/kit.h"
#include "live/live.h"

#include <stdlib.h>

static void test_server_large__of_64_mib_come_back(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    size_t len = (size_t)64 * 1024 * 1024;
    unsigned char *value = malloc(len);
    assert_non_null(value);
    for (size_t i = 0; i < len; i++) {
        value[i] = (unsigned char)(i * 7 + i / 65536);
    }
    live_set_bytes(live.cache, fac_str("large"), fac_mem(value, len));
    live_expect_bytes(live.cache, fac_str("large"), fac_mem(value, len));
    free(value);
    live_end(&live);
}

static void test_server_large__of_one_byte_more_are_refused(void **state)
{
    (void)state;
    struct live live;
    live_begin(&live);
    live_set(live.cache, fac_str("k"), "v");
    /* 64 MiB and one byte, made by the server itself. */
    assert_string_equal(
        kit_raw_ask(live_raw(&live), "SETRANGE", "cache:huge", "67108864", "x", NULL),
        "67108865");
    fac_error err;
    fac_value *value = NULL;
    live_expect_error(fac_cache_get(live.cache, fac_str("huge"), NULL, &value, &err),
                      FAC_E_TOO_LARGE, &err);
    assert_null(value);
    live_expect(live.cache, fac_str("k"), "v");
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_server_large__of_64_mib_come_back),
    KIT_TEST(test_server_large__of_one_byte_more_are_refused),
};

KIT_MAIN(k_tests)
