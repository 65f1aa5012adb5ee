/* SPDX-License-Identifier: MIT */
/* Any bytes as operations on the memory store, held against a table of slots. The store must agree
 * with it but for what it evicted, keep its budget, and account for each byte of its allocator. */
#include "base/mem.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    N_KEYS = 32,
    MAX_VALUE_BYTES = 20000,
    MIN_BUDGET = 64 * 1024,
};

struct slot {
    bool is_set;
    int64_t expires_at_ms;
    size_t len;
    uint8_t fill;
    bool is_number;
    int64_t number;
};

struct run {
    const uint8_t *at;
    const uint8_t *end;
    int64_t now_ms;
    size_t n_bytes; /* given out by the hook */
    uint64_t budget_bytes;
    struct faci_store *store;
    struct slot slots[N_KEYS];
    struct faci_fill_token tokens[N_KEYS];
    bool is_revoked[N_KEYS];
};

static void must(int condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

/* A block knows its size. */
static void *take(void *context, size_t bytes)
{
    struct run *run = context;
    size_t *block = malloc(bytes + 16);
    if (block == NULL) {
        return NULL;
    }
    *block = bytes;
    run->n_bytes += bytes;
    return block + 16 / sizeof(*block);
}

static void give_back(void *context, void *data)
{
    struct run *run = context;
    size_t *block = (size_t *)data - 16 / sizeof(*block);
    run->n_bytes -= *block;
    free(block);
}

static void *resize(void *context, void *data, size_t bytes)
{
    void *moved = take(context, bytes);
    if (moved != NULL) {
        const size_t before = *((size_t *)data - 16 / sizeof(size_t));
        memcpy(moved, data, before < bytes ? before : bytes);
        give_back(context, data);
    }
    return moved;
}

static int64_t now_of(void *clock)
{
    return *(const int64_t *)clock;
}

static unsigned next(struct run *run)
{
    return run->at < run->end ? *run->at++ : 0;
}

static struct faci_key key_of(size_t i)
{
    static char text[N_KEYS][8];
    (void)snprintf(text[i], sizeof(text[i]), "%c%zu", i % 2 == 0 ? 'a' : 'b', i);
    return (struct faci_key){fac_mem(text[i], 1), fac_str(text[i] + 1)};
}

/* What the model cannot know: whether it was evicted. */
static struct slot *settle(struct run *run, size_t i)
{
    struct slot *slot = &run->slots[i];
    struct faci_key key = key_of(i);
    if (slot->is_set && slot->expires_at_ms <= run->now_ms) {
        slot->is_set = false;
    }
    fac_status st = faci_store_exists(run->store, &key);
    must(st == FAC_OK || st == FAC_MISS, "exists");
    must(st == FAC_MISS || slot->is_set, "nothing comes back");
    slot->is_set = st == FAC_OK;
    return slot;
}

static int64_t expiry(const struct run *run, int64_t ttl_ms)
{
    return ttl_ms == FACI_STORE_NO_EXPIRY ? INT64_MAX : run->now_ms + ttl_ms;
}

static int64_t next_ttl(struct run *run)
{
    unsigned ttl = next(run);
    return ttl == 0 ? FACI_STORE_NO_EXPIRY : (int64_t)ttl * (ttl > 200 ? 1000 : 1);
}

static void check_value(const struct slot *slot, fac_bytes bytes)
{
    char text[32];
    if (slot->is_number) {
        int len = snprintf(text, sizeof(text), "%" PRId64, slot->number);
        must(bytes.len == (size_t)len && memcmp(bytes.data, text, bytes.len) == 0, "a number");
        return;
    }
    must(bytes.len == slot->len, "the length");
    const uint8_t *at = bytes.data;
    for (size_t i = 0; i < bytes.len; i += 1 + bytes.len / 16) {
        must(at[i] == slot->fill, "the bytes");
    }
}

static void do_get(struct run *run, size_t i)
{
    struct slot *slot = settle(run, i);
    struct faci_key key = key_of(i);
    fac_value *value = NULL;
    fac_status st = faci_store_get(run->store, &key, &value);
    must(st == (slot->is_set ? FAC_OK : FAC_MISS), "get");
    if (st == FAC_OK) {
        check_value(slot, fac_value_bytes(value));
        fac_value_unref(value);
    }
}

static void do_write(struct run *run, size_t i, unsigned how)
{
    static uint8_t bytes[MAX_VALUE_BYTES];
    struct slot *slot = settle(run, i);
    struct faci_key key = key_of(i);
    int64_t ttl_ms = next_ttl(run);
    unsigned shape = next(run);
    size_t len = (size_t)(shape & 31U) << (shape >> 5U) % 8U;
    uint8_t fill = (uint8_t)(0x80 | shape);
    memset(bytes, fill, len);
    fac_status st = FAC_OK;
    fac_status want = FAC_OK;
    if (how == 0) {
        st = faci_store_set(run->store, &key, fac_mem(bytes, len), ttl_ms, FACI_STORE_SET,
                            NULL);
    } else if (how == 1) {
        want = slot->is_set ? FAC_EXISTS : FAC_OK;
        st = faci_store_set(run->store, &key, fac_mem(bytes, len), ttl_ms, FACI_STORE_ADD,
                            NULL);
    } else {
        st = faci_store_fill(run->store, &key, fac_mem(bytes, len), ttl_ms, run->tokens[i],
                             NULL);
        want = st; /* refused without need now and then, */
        must(st == FAC_OK || st == FAC_MISS, "fill");
        must(st == FAC_MISS || !run->is_revoked[i], "a revoked fill is refused");
    }
    must(st == want, "a write");
    if (st == FAC_OK) {
        *slot = (struct slot){
            .is_set = true, .expires_at_ms = expiry(run, ttl_ms), .len = len, .fill = fill};
        run->is_revoked[i] = run->is_revoked[i] || how < 2;
    }
}

static void do_increment(struct run *run, size_t i)
{
    struct slot *slot = settle(run, i);
    struct faci_key key = key_of(i);
    int64_t ttl_ms = next_ttl(run);
    int64_t delta = (int64_t)next(run) - 128;
    int64_t sum = 0;
    fac_status st = faci_store_increment(run->store, &key, delta, ttl_ms, &sum, NULL);
    if (slot->is_set && !slot->is_number) {
        must(st == FAC_E_SERVER, "what is no number does not count");
        return;
    }
    must(st == FAC_OK && sum == (slot->is_set ? slot->number : 0) + delta, "increment");
    if (!slot->is_set) {
        slot->expires_at_ms = expiry(run, ttl_ms);
    }
    slot->is_set = true;
    slot->is_number = true;
    slot->number = sum;
    run->is_revoked[i] = true;
}

static void do_small(struct run *run, size_t i, unsigned how)
{
    struct slot *slot = settle(run, i);
    struct faci_key key = key_of(i);
    fac_status want = slot->is_set ? FAC_OK : FAC_MISS;
    int64_t left_ms = 0;
    if (how == 0) {
        must(faci_store_delete(run->store, &key) == want, "delete");
        slot->is_set = false;
        run->is_revoked[i] = true;
    } else if (how == 1) {
        int64_t ttl_ms = next_ttl(run);
        must(faci_store_touch(run->store, &key, ttl_ms) == want, "touch");
        slot->expires_at_ms = expiry(run, ttl_ms);
    } else {
        must(faci_store_ttl(run->store, &key, &left_ms) == want, "ttl");
        must(!slot->is_set || left_ms == (slot->expires_at_ms == INT64_MAX
                                              ? FACI_STORE_NO_EXPIRY
                                              : slot->expires_at_ms - run->now_ms),
             "what is left");
    }
}

static void do_all(struct run *run, unsigned how)
{
    uint64_t cursor = 0;
    uint64_t n[2] = {0};
    if (how == 0) {
        faci_store_drop_all(run->store);
    } else if (how == 1) {
        size_t max_scan = 1 + next(run);
        do {
            faci_store_clear(run->store, fac_str("a"), max_scan, &cursor, &n[0], &n[1]);
        } while (cursor != 0);
    } else {
        run->budget_bytes = MIN_BUDGET + (uint64_t)next(run) * 4096;
        must(faci_store_set_budget(run->store, run->budget_bytes, NULL) == FAC_OK, "budget");
        return;
    }
    for (size_t i = 0; i < N_KEYS; i++) {
        run->slots[i].is_set = run->slots[i].is_set && how == 1 && i % 2 == 1;
        run->is_revoked[i] = run->is_revoked[i] || how == 0 || i % 2 == 0;
    }
}

static void step(struct run *run)
{
    unsigned what = next(run);
    size_t i = next(run) % N_KEYS;
    if (what < 90) {
        do_write(run, i, what % 3);
    } else if (what < 150) {
        do_get(run, i);
    } else if (what < 180) {
        do_increment(run, i);
    } else if (what < 220) {
        do_small(run, i, what % 3);
    } else if (what < 235) {
        run->now_ms += (int64_t)next(run) * (what < 230 ? 1 : 1000);
    } else if (what < 240) {
        do_all(run, what % 3);
    } else {
        struct faci_key key = key_of(i);
        run->tokens[i] = faci_store_fill_begin(run->store, &key);
        run->is_revoked[i] = false;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;
    run = (struct run){
        .at = data, .end = data + size, .now_ms = 1000, .budget_bytes = MIN_BUDGET};
    const fac_allocator hook = {take, resize, give_back, &run};
    struct faci_store_config config = {.budget_bytes = run.budget_bytes,
                                       .alloc = &hook,
                                       .now_ms = now_of,
                                       .clock = &run.now_ms,
                                       .seed = size};
    if (faci_store_open(&config, &run.store, NULL) != FAC_OK) {
        return 0;
    }
    for (size_t i = 0; i < N_KEYS; i++) {
        struct faci_key key = key_of(i);
        run.tokens[i] = faci_store_fill_begin(run.store, &key);
    }
    while (run.at < run.end) {
        step(&run);
        struct faci_store_stats stats;
        faci_store_stats(run.store, &stats);
        must(stats.bytes <= run.budget_bytes, "the budget");
        must(stats.bytes == run.n_bytes, "the account");
    }
    faci_store_free(run.store);
    must(run.n_bytes == 0, "all is given back");
    return 0;
}
