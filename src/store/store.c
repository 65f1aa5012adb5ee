/* SPDX-License-Identifier: MIT */
/* store/store.c — the in-process store: picks the shard, takes its lock, says what happened.
 *
 * Design notes.
 *
 * The top bits of a key's hash choose its shard, the low 32 bits its bucket there. Each shard has
 * an equal part of the budget and a lock of its own, so the budget holds without any counter
 * that all threads share. A shard has 16 MiB or more when there is more than one: an entry may
 * be almost as large as a shard, and big values must fit into the default budget.
 *
 * Lock order: a shard's lock is the only one here; no call holds two of them. Under it run the
 * configured clock, and the allocator for small things: an entry, a counter's value, a segment
 * of the index. A value that comes in is allocated and filled before the lock is taken; what is
 * removed is freed after it is given up. So beside the budget there is, for each call in flight,
 * at most its own new entry and a segment of the index, for as long as the call runs.
 *
 * A failed allocation comes before any change: the older value stays. */
#include "store/store.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/value.h"
#include "store/shard.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    MAX_SHARDS = 64,
    SHARD_MIN_BYTES = 16 << 20,
    SHARD_BITS_AT = 58, /* log2(MAX_SHARDS) bits remain above */
    MIN_BUDGET_BYTES = 64 << 10,
    CURSOR_SHARD_AT = 48, /* bits below: the bucket */
    /* Above this a copy takes longer than counting a reference up and down. */
    COPY_LOCKED_MAX_BYTES = 4096,
};

struct faci_store {
    struct faci_store_config config; /* alloc points to the field below */
    fac_allocator alloc;
    struct faci_hash_seed seed;
    struct faci_fork_watch fork_watch;
    size_t n_shards; /* a power of two */
    struct faci_shard shards[];
};

/* A key and where it lives. */
struct place {
    struct faci_shard *shard;
    const struct faci_key *key;
    uint32_t hash;
};

static struct place place_of(struct faci_store *store, const struct faci_key *key)
{
    uint64_t hash = faci_hash_key(&store->seed, key);
    struct place place = {
        .shard = &store->shards[(hash >> SHARD_BITS_AT) & (store->n_shards - 1)],
        .key = key,
        .hash = (uint32_t)hash,
    };
    return place;
}

static size_t choose_n_shards(uint64_t budget_bytes)
{
    size_t n = 1;
    while (n < MAX_SHARDS && budget_bytes / SHARD_MIN_BYTES >= n * 2) {
        n *= 2;
    }
    return n;
}

/* Every shard is whole while its lock is held: so is the child's copy. */
static void lock_for_fork(void *owner) FACI_NO_LOCK_ANALYSIS
{
    struct faci_store *store = owner;
    for (size_t i = 0; i < store->n_shards; i++) {
        faci_mutex_lock(&store->shards[i].lock);
    }
}

static void unlock_after_fork(void *owner) FACI_NO_LOCK_ANALYSIS
{
    struct faci_store *store = owner;
    for (size_t i = 0; i < store->n_shards; i++) {
        faci_mutex_unlock(&store->shards[i].lock);
    }
}

fac_status faci_store_open(const struct faci_store_config *config, struct faci_store **out,
                           fac_error *err)
{
    faci_check(config->budget_bytes >= MIN_BUDGET_BYTES);
    size_t n_shards = choose_n_shards(config->budget_bytes);
    struct faci_store *store = faci_mem_zalloc(
        config->alloc, sizeof(*store) + n_shards * sizeof(struct faci_shard));
    if (store == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    store->config = *config;
    store->alloc = *config->alloc;
    store->config.alloc = &store->alloc;
    store->seed = faci_hash_seed_from(config->seed);
    store->n_shards = n_shards;
    uint64_t each_bytes = (config->budget_bytes - sizeof(*store)) / n_shards;
    for (size_t i = 0; i < n_shards; i++) {
        if (!faci_shard_init(&store->shards[i], &store->config, each_bytes)) {
            faci_store_free(store);
            return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
        }
    }
    store->fork_watch = (struct faci_fork_watch){
        .owner = store, .before = lock_for_fork, .after = unlock_after_fork};
    faci_fork_watch(&store->fork_watch);
    *out = store;
    return FAC_OK;
}

void faci_store_free(struct faci_store *store)
{
    if (store == NULL) {
        return;
    }
    if (store->fork_watch.owner != NULL) {
        faci_fork_unwatch(&store->fork_watch);
    }
    for (size_t i = 0; i < store->n_shards; i++) {
        faci_shard_fini(&store->shards[i]);
    }
    fac_allocator alloc = store->alloc;
    faci_mem_free(&alloc, store);
}

fac_status faci_store_get(struct faci_store *store, const struct faci_key *key, fac_value **out)
{
    struct place at = place_of(store, key);
    struct faci_shard_op op;
    faci_shard_op_begin(&op, &store->config);
    fac_value *value = NULL;
    faci_mutex_lock(&at.shard->lock);
    struct faci_entry *entry = faci_shard_find_locked(at.shard, &op, at.hash, key);
    if (entry != NULL) {
        entry->is_visited = 1;
        value = fac_value_ref(entry->value);
    }
    faci_mutex_unlock(&at.shard->lock);
    faci_shard_op_end(&op);
    if (value == NULL) {
        return FAC_MISS;
    }
    *out = value;
    return FAC_OK;
}

fac_status faci_store_get_into(struct faci_store *store, const struct faci_key *key, void *buf,
                               size_t cap, size_t *out_len)
{
    struct place at = place_of(store, key);
    struct faci_shard_op op;
    faci_shard_op_begin(&op, &store->config);
    fac_status st = FAC_MISS;
    fac_value *big = NULL;
    faci_mutex_lock(&at.shard->lock);
    struct faci_entry *entry = faci_shard_find_locked(at.shard, &op, at.hash, key);
    if (entry != NULL) {
        entry->is_visited = 1;
        fac_bytes bytes = fac_value_bytes(entry->value);
        *out_len = bytes.len;
        st = bytes.len <= cap ? FAC_OK : FAC_SMALL;
        if (st == FAC_OK && bytes.len > COPY_LOCKED_MAX_BYTES) {
            big = fac_value_ref(entry->value);
        } else if (st == FAC_OK) {
            (void)faci_bytes_put(buf, bytes);
        }
    }
    faci_mutex_unlock(&at.shard->lock);
    if (big != NULL) {
        (void)faci_bytes_put(buf, fac_value_bytes(big));
        fac_value_unref(big);
    }
    faci_shard_op_end(&op);
    return st;
}

static fac_status fail_too_large(const struct place *at, size_t value_len, fac_error *err)
{
    return faci_fail(err, FAC_E_TOO_LARGE, 0,
                     "key and value of %zu and %zu bytes do not fit: one part of the memory "
                     "store holds %" PRIu64 " bytes, overhead included",
                     faci_key_len(at->key), value_len, at->shard->max_item_bytes);
}

static int64_t expiry_of(struct faci_shard_op *op, int64_t ttl_ms)
{
    int64_t at_ms = 0;
    if (ttl_ms == FACI_STORE_NO_EXPIRY ||
        __builtin_add_overflow(faci_shard_op_now(op), ttl_ms, &at_ms)) {
        return FACI_STORE_NO_EXPIRY;
    }
    return at_ms;
}

/* What is to be stored under an absent key. */
static fac_status insert_locked(const struct place *at, struct faci_shard_op *op,
                                fac_value *value, int64_t ttl_ms)
    FACI_REQUIRES(&at->shard->lock)
{
    struct faci_entry *entry = faci_shard_new_entry(at->shard, at->hash, at->key);
    if (entry == NULL) {
        return FAC_E_NOMEM;
    }
    entry->value = value;
    entry->expires_at_ms = expiry_of(op, ttl_ms);
    faci_shard_insert_locked(at->shard, op, entry);
    return FAC_OK;
}

/* `*value` is what to store; afterwards what the caller has to give up, or NULL. */
static fac_status set_locked(const struct place *at, struct faci_shard_op *op,
                             fac_value **value, int64_t ttl_ms, enum faci_store_mode mode)
    FACI_REQUIRES(&at->shard->lock)
{
    faci_shard_sweep_locked(at->shard, op);
    struct faci_entry *entry = faci_shard_find_locked(at->shard, op, at->hash, at->key);
    if (entry == NULL) {
        fac_status st = insert_locked(at, op, *value, ttl_ms);
        if (st == FAC_OK) {
            *value = NULL;
        }
        return st;
    }
    if (mode == FACI_STORE_ADD) {
        return FAC_EXISTS;
    }
    *value = faci_shard_replace_locked(at->shard, op, entry, *value);
    entry->expires_at_ms = expiry_of(op, ttl_ms);
    return FAC_OK;
}

fac_status faci_store_set(struct faci_store *store, const struct faci_key *key, fac_bytes value,
                          int64_t ttl_ms, enum faci_store_mode mode, fac_error *err)
{
    struct place at = place_of(store, key);
    if (!faci_shard_can_hold(at.shard, faci_key_len(key), value.len)) {
        return fail_too_large(&at, value.len, err);
    }
    /* An add that comes second is the usual one where add serves as a lock: no copy for it. */
    if (mode == FACI_STORE_ADD && faci_store_exists(store, key) == FAC_OK) {
        return FAC_EXISTS;
    }
    fac_value *fresh = faci_value_new(&store->alloc, value.len);
    if (fresh == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory for a value of %zu bytes",
                         value.len);
    }
    (void)faci_bytes_put(faci_value_data(fresh), value);
    struct faci_shard_op op;
    faci_shard_op_begin(&op, &store->config);
    faci_mutex_lock(&at.shard->lock);
    fac_status st = set_locked(&at, &op, &fresh, ttl_ms, mode);
    faci_mutex_unlock(&at.shard->lock);
    fac_value_unref(fresh);
    faci_shard_op_end(&op);
    if (st == FAC_E_NOMEM) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory for a key of %zu bytes",
                         faci_key_len(key));
    }
    return st;
}

fac_status faci_store_delete(struct faci_store *store, const struct faci_key *key)
{
    struct place at = place_of(store, key);
    struct faci_shard_op op;
    faci_shard_op_begin(&op, &store->config);
    fac_status st = FAC_MISS;
    faci_mutex_lock(&at.shard->lock);
    struct faci_entry *entry = faci_shard_find_locked(at.shard, &op, at.hash, key);
    if (entry != NULL) {
        faci_shard_remove_locked(at.shard, &op, entry);
        st = FAC_OK;
    }
    faci_shard_sweep_locked(at.shard, &op);
    faci_mutex_unlock(&at.shard->lock);
    faci_shard_op_end(&op);
    return st;
}

fac_status faci_store_exists(struct faci_store *store, const struct faci_key *key)
{
    int64_t left_ms = 0;
    return faci_store_ttl(store, key, &left_ms);
}

/* Asking for the time left is no use of the value: the visited bit stays as it is. */
fac_status faci_store_ttl(struct faci_store *store, const struct faci_key *key, int64_t *out_ms)
{
    struct place at = place_of(store, key);
    struct faci_shard_op op;
    faci_shard_op_begin(&op, &store->config);
    fac_status st = FAC_MISS;
    faci_mutex_lock(&at.shard->lock);
    struct faci_entry *entry = faci_shard_find_locked(at.shard, &op, at.hash, key);
    if (entry != NULL) {
        st = FAC_OK;
        *out_ms = entry->expires_at_ms == FACI_STORE_NO_EXPIRY
                      ? FACI_STORE_NO_EXPIRY
                      : entry->expires_at_ms - faci_shard_op_now(&op);
    }
    faci_mutex_unlock(&at.shard->lock);
    faci_shard_op_end(&op);
    return st;
}

fac_status faci_store_touch(struct faci_store *store, const struct faci_key *key,
                            int64_t ttl_ms)
{
    struct place at = place_of(store, key);
    struct faci_shard_op op;
    faci_shard_op_begin(&op, &store->config);
    fac_status st = FAC_MISS;
    faci_mutex_lock(&at.shard->lock);
    struct faci_entry *entry = faci_shard_find_locked(at.shard, &op, at.hash, key);
    if (entry != NULL) {
        entry->expires_at_ms = expiry_of(&op, ttl_ms);
        entry->is_visited = 1;
        st = FAC_OK;
    }
    faci_shard_sweep_locked(at.shard, &op);
    faci_mutex_unlock(&at.shard->lock);
    faci_shard_op_end(&op);
    return st;
}

static fac_status fail_as_server(fac_error *err, const char *words)
{
    (void)faci_fail(err, FAC_E_SERVER, 0, "%s", words);
    if (err != NULL) {
        (void)snprintf(err->server_code, sizeof(err->server_code), "ERR");
    }
    return FAC_E_SERVER;
}

/* `*old` receives what the caller has to give up. */
static fac_status increment_locked(const struct place *at, struct faci_shard_op *op,
                                   int64_t *number, int64_t ttl_ms, fac_value **old,
                                   fac_error *err) FACI_REQUIRES(&at->shard->lock)
{
    struct faci_entry *entry = faci_shard_find_locked(at->shard, op, at->hash, at->key);
    int64_t before = 0;
    if (entry != NULL && !faci_number_parse_i64(fac_value_bytes(entry->value), &before)) {
        return fail_as_server(err, "value is not an integer or out of range");
    }
    if (__builtin_add_overflow(before, *number, number)) {
        return fail_as_server(err, "increment or decrement would overflow");
    }
    char text[FACI_I64_TEXT_BYTES];
    fac_bytes bytes = fac_mem(text, faci_number_format_i64(*number, text));
    if (!faci_shard_can_hold(at->shard, faci_key_len(at->key), bytes.len)) {
        return fail_too_large(at, bytes.len, err);
    }
    fac_value *fresh = faci_value_new(at->shard->config->alloc, bytes.len);
    if (fresh == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory for a counter");
    }
    (void)faci_bytes_put(faci_value_data(fresh), bytes);
    if (entry != NULL) {
        *old = faci_shard_replace_locked(at->shard, op, entry, fresh);
        return FAC_OK;
    }
    if (insert_locked(at, op, fresh, ttl_ms) != FAC_OK) {
        *old = fresh;
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory for a counter");
    }
    return FAC_OK;
}

fac_status faci_store_increment(struct faci_store *store, const struct faci_key *key,
                                int64_t delta, int64_t ttl_ms, int64_t *out, fac_error *err)
{
    struct place at = place_of(store, key);
    struct faci_shard_op op;
    faci_shard_op_begin(&op, &store->config);
    int64_t number = delta;
    fac_value *old = NULL;
    faci_mutex_lock(&at.shard->lock);
    faci_shard_sweep_locked(at.shard, &op);
    fac_status st = increment_locked(&at, &op, &number, ttl_ms, &old, err);
    faci_mutex_unlock(&at.shard->lock);
    fac_value_unref(old);
    faci_shard_op_end(&op);
    if (st == FAC_OK) {
        *out = number;
    }
    return st;
}

/* The cursor is the shard and the bucket that come next. Buckets are seen in rising order, which
 * is why entries that stay are seen although the index grows: they only move upwards. A chain is
 * not cut in two, so a max_scan smaller than a chain looks at that whole chain. */
void faci_store_clear(struct faci_store *store, fac_bytes prefix, size_t max_scan,
                      uint64_t *cursor, uint64_t *n_scanned, uint64_t *n_removed)
{
    uint64_t index = *cursor >> CURSOR_SHARD_AT;
    struct faci_shard_clear clear = {
        .prefix = prefix,
        .n_left = max_scan,
        .bucket = *cursor & (((uint64_t)1 << CURSOR_SHARD_AT) - 1),
    };
    bool is_first = true;
    bool is_done = true;
    while (index < store->n_shards && is_done && (is_first || clear.n_left > 0)) {
        struct faci_shard *shard = &store->shards[index];
        struct faci_shard_op op;
        faci_shard_op_begin(&op, &store->config);
        faci_mutex_lock(&shard->lock);
        is_done = faci_shard_clear_locked(shard, &op, &clear, is_first);
        faci_mutex_unlock(&shard->lock);
        faci_shard_op_end(&op);
        is_first = false;
        if (is_done) {
            index++;
            clear.bucket = 0;
        }
    }
    *n_scanned += clear.n_scanned;
    *n_removed += clear.n_removed;
    *cursor = index < store->n_shards ? index << CURSOR_SHARD_AT | clear.bucket : 0;
}

void faci_store_stats(struct faci_store *store, struct faci_store_stats *out)
{
    struct faci_store_stats sum = {.bytes = sizeof(*store)};
    for (size_t i = 0; i < store->n_shards; i++) {
        struct faci_shard *shard = &store->shards[i];
        faci_mutex_lock(&shard->lock);
        sum.n_entries += shard->n_entries;
        sum.bytes += shard->bytes;
        sum.n_evicted += shard->n_evicted;
        sum.n_expired += shard->n_expired;
        faci_mutex_unlock(&shard->lock);
    }
    *out = sum;
}
