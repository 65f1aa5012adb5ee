/* SPDX-License-Identifier: MIT */
/* What the tests of the store share: a store on a counting allocator and a clock they set. */
#ifndef FAC_UNIT_STORE_FIXTURE_H
#define FAC_UNIT_STORE_FIXTURE_H

#include "store/store.h"

#include "kit/kit.h"
#include "kit/memory.h"

#include <stdio.h>
#include <string.h>

#define KIB ((uint64_t)1024)
#define MIB (KIB * 1024)

struct fixture {
    struct kit_memory memory;
    int64_t now_ms;
    struct faci_store *store;
};

static inline int64_t fixture_now(void *clock)
{
    return *(const int64_t *)clock;
}

static inline struct faci_store_config fixture_config(struct fixture *fx, uint64_t budget_bytes)
{
    struct faci_store_config config = {
        .budget_bytes = budget_bytes,
        .alloc = &fx->memory.hook,
        .now_ms = fixture_now,
        .clock = &fx->now_ms,
        .seed = kit_seed(),
    };
    return config;
}

static inline void fixture_init(struct fixture *fx, uint64_t budget_bytes)
{
    kit_memory_init(&fx->memory);
    fx->now_ms = 1000;
    fx->store = NULL;
    struct faci_store_config config = fixture_config(fx, budget_bytes);
    fac_error err;
    assert_status(faci_store_open(&config, &fx->store, &err), FAC_OK, &err);
}

static inline void fixture_fini(struct fixture *fx)
{
    faci_store_free(fx->store);
    kit_memory_assert_empty(&fx->memory);
}

/* "cache:" + name. */
static inline struct faci_key key_of(const char *name)
{
    struct faci_key key = {fac_str("cache:"), fac_str(name)};
    return key;
}

static inline struct faci_key numbered_key(char *text, size_t cap, const char *prefix, size_t n)
{
    int len = snprintf(text, cap, "%zu", n);
    struct faci_key key = {fac_str(prefix), fac_mem(text, (size_t)len)};
    return key;
}

static inline void put(struct fixture *fx, const char *name, const char *value, int64_t ttl_ms)
{
    struct faci_key key = key_of(name);
    fac_error err;
    assert_status(faci_store_set(fx->store, &key, fac_str(value), ttl_ms, FACI_STORE_SET, &err),
                  FAC_OK, &err);
}

/* What get and get_into both say. */
static inline void assert_holds(struct fixture *fx, const struct faci_key *key, fac_bytes want)
{
    fac_value *value = NULL;
    assert_status(faci_store_get(fx->store, key, &value), FAC_OK, NULL);
    fac_bytes got = fac_value_bytes(value);
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.data, want.data, want.len);
    fac_value_unref(value);
    char buf[512];
    size_t len = 0;
    if (want.len <= sizeof(buf)) {
        assert_status(faci_store_get_into(fx->store, key, buf, sizeof(buf), &len), FAC_OK,
                      NULL);
        assert_int_equal(len, want.len);
        assert_memory_equal(buf, want.data, want.len);
    }
}

static inline void assert_has(struct fixture *fx, const char *name, const char *want)
{
    struct faci_key key = key_of(name);
    assert_holds(fx, &key, fac_str(want));
}

static inline bool is_there(struct fixture *fx, const char *name)
{
    struct faci_key key = key_of(name);
    return faci_store_exists(fx->store, &key) == FAC_OK;
}

static inline struct faci_store_stats stats_of(struct fixture *fx)
{
    struct faci_store_stats stats;
    faci_store_stats(fx->store, &stats);
    return stats;
}

/* The account is exact: each byte asked of the allocator, and no other. Only true while no value
 * is handed out. */
static inline void assert_account(struct fixture *fx, uint64_t budget_bytes)
{
    struct faci_store_stats stats = stats_of(fx);
    assert_true(stats.bytes <= budget_bytes);
    assert_int_equal(stats.bytes, fx->memory.n_bytes);
}

#endif
