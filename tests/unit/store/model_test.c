/* SPDX-License-Identifier: MIT */
/* Random operations on the store and on a table of slots, which must agree on each answer. */
#include "fixture.h"

#include <stdlib.h>

enum {
    N_KEYS = 1024,
    N_GROUPS = 4, /* a key's group is the start of its bytes: what clear() takes */
    MAX_VALUE_BYTES = 400,
};

struct slot {
    bool is_set;
    int64_t expires_at_ms;
    size_t len;
    char bytes[MAX_VALUE_BYTES];
};

struct model {
    struct fixture fx;
    uint64_t budget_bytes;
    uint64_t random;
    bool may_evict;
    uint64_t n_lost; /* entries that the store evicted */
    struct slot slots[N_KEYS];
    char names[N_KEYS][24];
};

static size_t pick(struct model *model, size_t n)
{
    return (size_t)(kit_random(&model->random) >> 16) % n;
}

/* The same bytes, cut at another place each time. */
static struct faci_key cut_key(struct model *model, size_t i)
{
    size_t len = strlen(model->names[i]);
    size_t cut = pick(model, len + 1);
    struct faci_key key = {fac_mem(model->names[i], cut),
                           fac_mem(model->names[i] + cut, len - cut)};
    return key;
}

static struct slot *live_slot(struct model *model, size_t i)
{
    struct slot *slot = &model->slots[i];
    if (slot->is_set && slot->expires_at_ms <= model->fx.now_ms) {
        slot->is_set = false;
    }
    return slot;
}

/* The model cannot know what is evicted: it asks, in a way that eviction does not notice. */
static void note_if_lost(struct model *model, size_t i)
{
    struct slot *slot = live_slot(model, i);
    if (model->may_evict && slot->is_set) {
        struct faci_key key = cut_key(model, i);
        if (faci_store_exists(model->fx.store, &key) == FAC_MISS) {
            slot->is_set = false;
            model->n_lost++;
        }
    }
}

static int64_t pick_ttl(struct model *model)
{
    size_t n = pick(model, 8);
    return n == 0 ? FACI_STORE_NO_EXPIRY : (int64_t)(1 + pick(model, (size_t)1 << (n * 3)));
}

static int64_t expiry(const struct model *model, int64_t ttl_ms)
{
    return ttl_ms == FACI_STORE_NO_EXPIRY ? INT64_MAX : model->fx.now_ms + ttl_ms;
}

static void do_get(struct model *model, size_t i)
{
    struct slot *slot = live_slot(model, i);
    struct faci_key key = cut_key(model, i);
    if (pick(model, 2) == 0) {
        fac_value *value = NULL;
        fac_status st = faci_store_get(model->fx.store, &key, &value);
        assert_status(st, slot->is_set ? FAC_OK : FAC_MISS, NULL);
        if (st == FAC_OK) {
            assert_int_equal(fac_value_bytes(value).len, slot->len);
            assert_memory_equal(fac_value_bytes(value).data, slot->bytes, slot->len);
            fac_value_unref(value);
        }
        return;
    }
    char buf[MAX_VALUE_BYTES];
    size_t cap = pick(model, sizeof(buf));
    size_t len = SIZE_MAX;
    fac_status want = !slot->is_set ? FAC_MISS : slot->len <= cap ? FAC_OK : FAC_SMALL;
    assert_status(faci_store_get_into(model->fx.store, &key, buf, cap, &len), want, NULL);
    assert_true(len == (slot->is_set ? slot->len : SIZE_MAX));
    if (want == FAC_OK) {
        assert_memory_equal(buf, slot->bytes, len);
    }
}

static void do_set(struct model *model, size_t i)
{
    struct slot *slot = live_slot(model, i);
    struct faci_key key = cut_key(model, i);
    enum faci_store_mode mode = pick(model, 4) == 0 ? FACI_STORE_ADD : FACI_STORE_SET;
    int64_t ttl_ms = pick_ttl(model);
    char bytes[MAX_VALUE_BYTES];
    bool is_long = model->may_evict || pick(model, 8) == 0;
    size_t len = pick(model, is_long ? sizeof(bytes) : 40);
    uint64_t fill = kit_random(&model->random);
    for (size_t at = 0; at < len; at++) {
        bytes[at] = (char)(fill >> (at % 8 * 8));
    }
    fac_status want = mode == FACI_STORE_ADD && slot->is_set ? FAC_EXISTS : FAC_OK;
    assert_status(
        faci_store_set(model->fx.store, &key, fac_mem(bytes, len), ttl_ms, mode, NULL), want,
        NULL);
    if (want == FAC_OK) {
        slot->is_set = true;
        slot->expires_at_ms = expiry(model, ttl_ms);
        slot->len = len;
        memcpy(slot->bytes, bytes, len);
    }
}

/* A quarter of the keys hold counters: the names tell which. Others are refused, or rarely
 * happen to be numbers. */
static void do_increment(struct model *model, size_t i)
{
    struct slot *slot = live_slot(model, i);
    struct faci_key key = cut_key(model, i);
    int64_t delta = (int64_t)pick(model, 2001) - 1000;
    int64_t ttl_ms = pick_ttl(model);
    int64_t number = 0;
    char text[MAX_VALUE_BYTES + 1];
    text[0] = '0';
    text[1] = '\0';
    if (slot->is_set) {
        memcpy(text, slot->bytes, slot->len);
        text[slot->len] = '\0';
    }
    char canonical[32];
    long long before = strtoll(text, NULL, 10);
    (void)snprintf(canonical, sizeof(canonical), "%lld", before);
    bool is_number = strcmp(canonical, text) == 0 &&
                     (!slot->is_set || strlen(text) == slot->len);
    fac_status st = faci_store_increment(model->fx.store, &key, delta, ttl_ms, &number, NULL);
    assert_status(st, is_number ? FAC_OK : FAC_E_SERVER, NULL);
    if (is_number) {
        assert_true(number == before + delta);
        slot->len = (size_t)snprintf(slot->bytes, sizeof(slot->bytes), "%lld",
                                     (long long)number);
        if (!slot->is_set) {
            slot->is_set = true;
            slot->expires_at_ms = expiry(model, ttl_ms);
        }
    }
}

static void do_small(struct model *model, size_t i)
{
    struct slot *slot = live_slot(model, i);
    struct faci_key key = cut_key(model, i);
    fac_status want = slot->is_set ? FAC_OK : FAC_MISS;
    int64_t left_ms = -1;
    int64_t ttl_ms = pick_ttl(model);
    switch (pick(model, 4)) {
    case 0:
        assert_status(faci_store_delete(model->fx.store, &key), want, NULL);
        slot->is_set = false;
        break;
    case 1:
        assert_status(faci_store_exists(model->fx.store, &key), want, NULL);
        break;
    case 2:
        assert_status(faci_store_touch(model->fx.store, &key, ttl_ms), want, NULL);
        slot->expires_at_ms = expiry(model, ttl_ms);
        break;
    default:
        assert_status(faci_store_ttl(model->fx.store, &key, &left_ms), want, NULL);
        if (slot->is_set) {
            assert_true(left_ms == (slot->expires_at_ms == INT64_MAX
                                        ? FACI_STORE_NO_EXPIRY
                                        : slot->expires_at_ms - model->fx.now_ms));
        }
        break;
    }
}

static void do_clear(struct model *model)
{
    char prefix[] = "g0:";
    prefix[1] = (char)('0' + pick(model, N_GROUPS));
    uint64_t n_removed = 0;
    uint64_t n_scanned = 0;
    uint64_t n_want = 0;
    for (size_t i = 0; i < N_KEYS; i++) {
        note_if_lost(model, i);
        if (live_slot(model, i)->is_set && memcmp(model->names[i], prefix, 3) == 0) {
            model->slots[i].is_set = false;
            n_want++;
        }
    }
    uint64_t n_expired = stats_of(&model->fx).n_expired;
    uint64_t n_entries = stats_of(&model->fx).n_entries;
    uint64_t cursor = 0;
    do {
        size_t max_scan = 1 + pick(model, 500);
        uint64_t before = n_scanned;
        faci_store_clear(model->fx.store, fac_str(prefix), max_scan, &cursor, &n_scanned,
                         &n_removed);
        assert_true(n_scanned - before <= (max_scan > 50 ? max_scan : 50));
    } while (cursor != 0);
    assert_int_equal(n_scanned, n_entries);
    assert_int_equal(n_removed, n_want);
    struct faci_store_stats stats = stats_of(&model->fx);
    assert_int_equal(stats.n_entries, n_entries - n_removed - (stats.n_expired - n_expired));
}

static void step(struct model *model)
{
    size_t what = pick(model, 1000);
    size_t i = pick(model, N_KEYS);
    note_if_lost(model, i);
    if (what < 400) {
        do_get(model, i);
    } else if (what < 700) {
        do_set(model, i);
    } else if (what < 800) {
        do_increment(model, i);
    } else if (what < 960) {
        do_small(model, i);
    } else if (what < 999 || pick(model, 40) != 0) {
        model->fx.now_ms += (int64_t)pick(model, 20);
    } else {
        do_clear(model);
    }
}

static void run_model(uint64_t seed, uint64_t budget_bytes, bool may_evict, size_t n_steps)
{
    struct model *model = calloc(1, sizeof(*model));
    assert_non_null(model);
    model->random = seed;
    model->budget_bytes = budget_bytes;
    model->may_evict = may_evict;
    fixture_init(&model->fx, budget_bytes);
    for (size_t i = 0; i < N_KEYS; i++) {
        (void)snprintf(model->names[i], sizeof(model->names[i]), "g%zu:%zx", i % N_GROUPS,
                       i * i);
    }
    for (size_t n = 0; n < n_steps; n++) {
        step(model);
        if (n % 16 == 0) {
            assert_account(&model->fx, budget_bytes);
        }
    }
    struct faci_store_stats stats = stats_of(&model->fx);
    assert_true(stats.n_expired > 0 || n_steps < 10000);
    assert_true(model->n_lost <= stats.n_evicted);
    assert_true(may_evict ? stats.n_evicted > 0 || n_steps < 10000 : stats.n_evicted == 0);
    /* What goes is freed last: besides the budget there is, during a call, the new entry and
     * perhaps a segment of the index, and no more. */
    size_t beside_bytes = MAX_VALUE_BYTES + 256 + 2048;
    assert_true(model->fx.memory.peak_bytes <= budget_bytes + beside_bytes);
    fixture_fini(&model->fx);
    free(model);
}

static void test_model__agrees_when_all_fits(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        run_model(kit_seed() + i, i % 2 == 0 ? 2 * MIB : 64 * MIB, false, kit_scaled(250000));
    }
}

static void test_model__agrees_but_for_the_evicted(void **state)
{
    (void)state;
    static const uint64_t k_budgets[] = {64 * KIB, 70001, 80 * KIB, 96 * KIB};
    for (uint64_t i = 0; i < KIT_COUNT(k_budgets); i++) {
        run_model(kit_seed() ^ (i << 32), k_budgets[i], true, kit_scaled(250000));
    }
}

/* Sizes from nothing to almost a shard, tiny entries by the thousand included: the index grows
 * as far as it may. */
static void test_model__never_exceeds_the_budget(void **state)
{
    (void)state;
    static const uint64_t k_budgets[] = {64 * KIB, 100000, MIB, 40 * MIB};
    static char bytes[1 << 20];
    uint64_t random = kit_seed();
    for (size_t b = 0; b < KIT_COUNT(k_budgets); b++) {
        struct fixture fx;
        fixture_init(&fx, k_budgets[b]);
        uint64_t n_too_large = 0;
        uint64_t most_bytes = 0;
        for (size_t n = 0; n < kit_scaled(60000); n++) {
            char text[32];
            size_t i = (size_t)(kit_random(&random) >> 32) % 100000;
            struct faci_key key = numbered_key(text, sizeof(text), "", i);
            size_t bits = (size_t)(kit_random(&random) >> 60) + n / 4096 % 4;
            size_t len = n / 8192 % 2 == 0 ? 0 : kit_random(&random) >> 40 & ((1U << bits) - 1);
            fac_status st = faci_store_set(fx.store, &key, fac_mem(bytes, len),
                                           FACI_STORE_NO_EXPIRY, FACI_STORE_SET, NULL);
            n_too_large += st == FAC_E_TOO_LARGE;
            assert_true(st == FAC_OK || st == FAC_E_TOO_LARGE);
            assert_account(&fx, k_budgets[b]);
            most_bytes = fx.memory.n_bytes > most_bytes ? fx.memory.n_bytes : most_bytes;
        }
        struct faci_store_stats stats = stats_of(&fx);
        assert_true(stats.n_evicted > 0 || kit_scaled(100) < 100);
        assert_true(n_too_large == 0 || k_budgets[b] < 512 * KIB);
        /* It is a cache: room that it has it uses. */
        assert_true(most_bytes > k_budgets[b] * 9 / 10 || b == 3 || kit_scaled(100) < 100);
        fixture_fini(&fx);
    }
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_model__agrees_when_all_fits),
    KIT_TEST(test_model__agrees_but_for_the_evicted),
    KIT_TEST(test_model__never_exceeds_the_budget),
};

KIT_MAIN(k_tests)
