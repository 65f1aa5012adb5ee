/* SPDX-License-Identifier: MIT */
/* store/store.c — the in-process store: picks the shard, takes its lock, says what happened.
 *
 * Design notes.
 *
 * The top bits of a key's hash choose its shard. Each shard has an equal part of the budget and a
 * lock of its own, so the budget holds without any counter that all threads share. A shard has
 * 16 MiB or more when there is more than one: an entry may be almost as large as a shard, and big
 * values must fit into the default budget.
 *
 * Lock order: the budget's, which a change of the budget alone takes, then a shard's; no call holds
 * two of those, but around a fork. Under a shard's run the configured clock, and the allocator for
 * small things: a page, a segment of the index, a counter's record. A record that comes in is
 * allocated and filled before the lock is taken; what is removed is freed after it is given up. So
 * beside the budget there is, for each call in flight, at most its own new entry and what it drove
 * out, for as long as the call runs.
 *
 * A failed allocation comes before any change: the older value stays. */
#include "store/store.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/number.h"
#include "store/inside.h"

#include <stdio.h>

enum {
    MANY_SHARDS = 64,
    MAX_SHARDS = 4096,
    SHARD_MIN_BYTES = 16 << 20,
    SHARD_MAX_BYTES = 256 << 20, /* of 24-bit numbers there are enough for smallest entries */
    SHARD_BITS_AT = 52,          /* log2(MAX_SHARDS) bits remain above */
    EPOCH_BITS_AT = 40,
    /* Above this a copy takes longer than counting a reference up and down. */
    COPY_LOCKED_MAX_BYTES = 4096,
};

/* A key and where it lives. */
struct place {
    struct faci_shard *shard;
    const struct faci_key *key;
    uint64_t hash;
};

static struct place place_of(struct faci_store *store, const struct faci_key *key)
{
    uint64_t hash = faci_hash_key(&store->env.seed, key);
    struct place place = {
        .shard = &store->shards[(hash >> SHARD_BITS_AT) & (store->n_shards - 1)],
        .key = key,
        .hash = hash,
    };
    return place;
}

static uint64_t *epoch_of(const struct place *at)
{
    return &at->shard->key_epochs[(at->hash >> EPOCH_BITS_AT) % FACI_SHARD_EPOCHS];
}

/* --- Life ----------------------------------------------------------------------------------- */

static size_t choose_n_shards(uint64_t budget_bytes)
{
    size_t n = 1;
    while (n < MANY_SHARDS && budget_bytes / SHARD_MIN_BYTES >= n * 2) {
        n *= 2;
    }
    while (n < MAX_SHARDS && budget_bytes / n > SHARD_MAX_BYTES) {
        n *= 2;
    }
    return n;
}

/* Every shard is whole while its lock is held: so is the child's copy. */
static void lock_for_fork(void *owner) FACI_NO_LOCK_ANALYSIS
{
    struct faci_store *store = owner;
    faci_mutex_lock(&store->budget_lock);
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
    faci_mutex_unlock(&store->budget_lock);
}

fac_status faci_store_open(const struct faci_store_config *config, struct faci_store **out,
                           fac_error *err)
{
    faci_check(config->budget_bytes >= FACI_STORE_MIN_BYTES);
    size_t n_shards = choose_n_shards(config->budget_bytes);
    size_t own_bytes = sizeof(struct faci_store) + n_shards * sizeof(struct faci_shard);
    struct faci_store *store = faci_mem_zalloc(config->alloc, own_bytes);
    if (store == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    store->alloc = *config->alloc;
    store->own_bytes = faci_mem_footprint(&store->alloc, store, own_bytes);
    store->env = (struct faci_shard_env){.alloc = &store->alloc,
                                         .now_ms = config->now_ms,
                                         .clock = config->clock,
                                         .seed = faci_hash_seed_from(config->seed)};
    store->n_shards = n_shards;
    faci_mutex_init(&store->budget_lock);
    uint64_t each_bytes = (config->budget_bytes - store->own_bytes) / n_shards;
    for (size_t i = 0; i < n_shards; i++) {
        faci_shard_init(&store->shards[i], &store->env, each_bytes);
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
    faci_fork_unwatch(&store->fork_watch);
    for (size_t i = 0; i < store->n_shards; i++) {
        faci_shard_fini(&store->shards[i]);
    }
    faci_mutex_fini(&store->budget_lock);
    fac_allocator alloc = store->alloc;
    faci_mem_free(&alloc, store);
}

/* --- A call: begin, work, end --------------------------------------------------------------- */

/* A read that had to read the clock looks for what is due, as each write does. */
static void end_read(struct faci_shard *shard, struct faci_shard_op *op)
    FACI_RELEASES(&shard->lock)
{
    if (op->now_ms != INT64_MIN) {
        faci_shard_reclaim_locked(shard, op);
    }
    faci_store_end(shard, op);
}

/* --- Reading -------------------------------------------------------------------------------- */

fac_status faci_store_get(struct faci_store *store, const struct faci_key *key, fac_value **out)
{
    struct place at = place_of(store, key);
    struct faci_shard_op op;
    struct faci_spot spot;
    fac_status st = FAC_MISS;
    faci_store_begin(at.shard, &op);
    if (faci_shard_find_locked(at.shard, &op, at.hash, key, &spot)) {
        faci_shard_use_locked(at.shard, &spot);
        *out = fac_value_ref(faci_record_value(spot.record));
        st = FAC_OK;
    }
    end_read(at.shard, &op);
    return st;
}

fac_status faci_store_get_into(struct faci_store *store, const struct faci_key *key, void *buf,
                               size_t cap, size_t *out_len)
{
    struct place at = place_of(store, key);
    struct faci_shard_op op;
    struct faci_spot spot;
    fac_status st = FAC_MISS;
    fac_value *big = NULL;
    faci_store_begin(at.shard, &op);
    if (faci_shard_find_locked(at.shard, &op, at.hash, key, &spot)) {
        faci_shard_use_locked(at.shard, &spot);
        fac_value *value = faci_record_value(spot.record);
        *out_len = faci_value_len(value);
        st = *out_len <= cap ? FAC_OK : FAC_SMALL;
        if (st == FAC_OK && *out_len > COPY_LOCKED_MAX_BYTES) {
            big = fac_value_ref(value);
        } else if (st == FAC_OK) {
            (void)faci_bytes_put(buf, fac_mem(value->data, *out_len));
        }
    }
    end_read(at.shard, &op);
    if (big != NULL) {
        (void)faci_bytes_put(buf, fac_value_bytes(big));
        fac_value_unref(big);
    }
    return st;
}

fac_status faci_store_exists(struct faci_store *store, const struct faci_key *key)
{
    int64_t left_ms = 0;
    return faci_store_ttl(store, key, &left_ms);
}

/* Asking for the time left is no use of the value. */
fac_status faci_store_ttl(struct faci_store *store, const struct faci_key *key, int64_t *out_ms)
{
    struct place at = place_of(store, key);
    struct faci_shard_op op;
    struct faci_spot spot;
    fac_status st = FAC_MISS;
    faci_store_begin(at.shard, &op);
    if (faci_shard_find_locked(at.shard, &op, at.hash, key, &spot)) {
        int64_t at_ms = faci_record_expires_at(spot.record);
        *out_ms = at_ms == FACI_STORE_NO_EXPIRY ? FACI_STORE_NO_EXPIRY
                                                : at_ms - faci_shard_op_now(&op);
        st = FAC_OK;
    }
    end_read(at.shard, &op);
    return st;
}

/* --- Writing -------------------------------------------------------------------------------- */

static fac_status fail_too_large(const struct place *at, size_t value_len, fac_error *err)
{
    return faci_fail(err, FAC_E_TOO_LARGE, 0,
                     "key and value of %zu and %zu bytes do not fit: one part of the memory "
                     "store holds %llu bytes, overhead included",
                     faci_key_len(at->key), value_len,
                     atomic_load_explicit(&at->shard->max_record_bytes, memory_order_relaxed));
}

/* By what is asked of the allocator: what that makes of it is known later. */
static bool can_hold(const struct place *at, size_t value_len)
{
    uint64_t max_bytes = atomic_load_explicit(&at->shard->max_record_bytes,
                                              memory_order_relaxed);
    size_t back_bytes = FACI_RECORD_BACK_BYTES + faci_key_len(at->key);
    return value_len <= FACI_VALUE_MAX_LEN && back_bytes <= FACI_VALUE_MAX_LEN &&
           faci_value_carrying_bytes(at->shard->env->alloc, value_len, back_bytes) <= max_bytes;
}

static bool fits_locked(const struct place *at, struct faci_record *record)
    FACI_REQUIRES(&at->shard->lock)
{
    return faci_record_bytes(at->shard->env->alloc, record) <=
           atomic_load_explicit(&at->shard->max_record_bytes, memory_order_relaxed);
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

/* A record with this value. NULL: `*st` says why, FAC_E_TOO_LARGE or FAC_E_NOMEM. */
static struct faci_record *make_record(const struct place *at, fac_bytes value, fac_status *st,
                                       fac_error *err)
{
    if (!can_hold(at, value.len)) {
        *st = fail_too_large(at, value.len, err);
        return NULL;
    }
    struct faci_record *record = faci_record_new(at->shard->env->alloc, at->key, value.len);
    if (record == NULL) {
        *st = faci_fail(err, FAC_E_NOMEM, 0, "out of memory for a value of %zu bytes",
                        value.len);
        return NULL;
    }
    (void)faci_bytes_put(faci_value_data(faci_record_value(record)), value);
    return record;
}

/* Takes the record if FAC_OK. */
static fac_status put_locked(const struct place *at, struct faci_shard_op *op,
                             struct faci_record *record, int64_t ttl_ms,
                             enum faci_store_mode mode) FACI_REQUIRES(&at->shard->lock)
{
    struct faci_spot spot;
    bool is_there = faci_shard_find_locked(at->shard, op, at->hash, at->key, &spot);
    if (is_there && mode == FACI_STORE_ADD) {
        return FAC_EXISTS;
    }
    if (!fits_locked(at, record)) {
        return FAC_E_TOO_LARGE;
    }
    faci_record_set_expiry(record, expiry_of(op, ttl_ms));
    if (is_there) {
        faci_shard_replace_locked(at->shard, op, &spot, record);
    } else if (!faci_shard_insert_locked(at->shard, op, at->hash, record)) {
        return FAC_E_NOMEM;
    }
    return FAC_OK;
}

/* Gives the record up if it was not taken, and says why in words. */
static fac_status finish_put(const struct place *at, struct faci_record *record,
                             size_t value_len, fac_status st, fac_error *err)
{
    if (st != FAC_OK) {
        fac_value_unref(faci_record_value(record));
    }
    if (st == FAC_E_TOO_LARGE) {
        return fail_too_large(at, value_len, err);
    }
    if (st == FAC_E_NOMEM) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory for an entry");
    }
    return st;
}

fac_status faci_store_set(struct faci_store *store, const struct faci_key *key, fac_bytes value,
                          int64_t ttl_ms, enum faci_store_mode mode, fac_error *err)
{
    struct place at = place_of(store, key);
    /* An add that comes second is the usual one where add serves as a lock: no copy for it. */
    if (mode == FACI_STORE_ADD && can_hold(&at, value.len) &&
        faci_store_exists(store, key) == FAC_OK) {
        return FAC_EXISTS;
    }
    fac_status st = FAC_OK;
    struct faci_record *record = make_record(&at, value, &st, err);
    if (record == NULL) {
        return st;
    }
    struct faci_shard_op op;
    faci_store_begin(at.shard, &op);
    faci_shard_reclaim_locked(at.shard, &op);
    st = put_locked(&at, &op, record, ttl_ms, mode);
    if (st == FAC_OK) {
        (*epoch_of(&at))++;
    }
    faci_store_end(at.shard, &op);
    return finish_put(&at, record, value.len, st, err);
}

fac_status faci_store_delete(struct faci_store *store, const struct faci_key *key)
{
    struct place at = place_of(store, key);
    struct faci_shard_op op;
    struct faci_spot spot;
    fac_status st = FAC_MISS;
    faci_store_begin(at.shard, &op);
    (*epoch_of(&at))++;
    if (faci_shard_find_locked(at.shard, &op, at.hash, key, &spot)) {
        faci_shard_remove_locked(at.shard, &op, &spot, FACI_GONE_DELETED);
        st = FAC_OK;
    }
    faci_shard_reclaim_locked(at.shard, &op);
    faci_store_end(at.shard, &op);
    return st;
}

fac_status faci_store_touch(struct faci_store *store, const struct faci_key *key,
                            int64_t ttl_ms)
{
    struct place at = place_of(store, key);
    struct faci_shard_op op;
    struct faci_spot spot;
    fac_status st = FAC_MISS;
    faci_store_begin(at.shard, &op);
    if (faci_shard_find_locked(at.shard, &op, at.hash, key, &spot)) {
        faci_shard_expire_at_locked(at.shard, &spot, expiry_of(&op, ttl_ms));
        faci_shard_use_locked(at.shard, &spot);
        st = FAC_OK;
    }
    faci_shard_reclaim_locked(at.shard, &op);
    faci_store_end(at.shard, &op);
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

/* `*number` is what to add, and then the sum. The time to live of what is there stays. */
static fac_status increment_locked(const struct place *at, struct faci_shard_op *op,
                                   int64_t *number, int64_t ttl_ms, fac_error *err)
    FACI_REQUIRES(&at->shard->lock)
{
    struct faci_spot spot;
    bool is_there = faci_shard_find_locked(at->shard, op, at->hash, at->key, &spot);
    int64_t before = 0;
    if (is_there &&
        !faci_number_parse_i64(fac_value_bytes(faci_record_value(spot.record)), &before)) {
        return fail_as_server(err, "value is not an integer or out of range");
    }
    if (__builtin_add_overflow(before, *number, number)) {
        return fail_as_server(err, "increment or decrement would overflow");
    }
    char text[FACI_I64_TEXT_BYTES];
    fac_bytes bytes = fac_mem(text, faci_number_format_i64(*number, text));
    fac_status st = FAC_OK;
    struct faci_record *record = make_record(at, bytes, &st, err);
    if (record == NULL) {
        return st;
    }
    if (!fits_locked(at, record)) {
        st = FAC_E_TOO_LARGE;
    } else if (is_there) {
        faci_record_set_expiry(record, faci_record_expires_at(spot.record));
        faci_shard_replace_locked(at->shard, op, &spot, record);
    } else {
        faci_record_set_expiry(record, expiry_of(op, ttl_ms));
        st = faci_shard_insert_locked(at->shard, op, at->hash, record) ? FAC_OK : FAC_E_NOMEM;
    }
    return finish_put(at, record, bytes.len, st, err);
}

fac_status faci_store_increment(struct faci_store *store, const struct faci_key *key,
                                int64_t delta, int64_t ttl_ms, int64_t *out, fac_error *err)
{
    struct place at = place_of(store, key);
    struct faci_shard_op op;
    int64_t number = delta;
    faci_store_begin(at.shard, &op);
    faci_shard_reclaim_locked(at.shard, &op);
    fac_status st = increment_locked(&at, &op, &number, ttl_ms, err);
    if (st == FAC_OK) {
        (*epoch_of(&at))++;
    }
    faci_store_end(at.shard, &op);
    if (st == FAC_OK) {
        *out = number;
    }
    return st;
}

/* --- For a cache in front of a server ------------------------------------------------------- */

struct faci_fill_token faci_store_fill_begin(struct faci_store *store,
                                             const struct faci_key *key)
{
    struct place at = place_of(store, key);
    struct faci_shard_op op;
    faci_store_begin(at.shard, &op);
    struct faci_fill_token token = {*epoch_of(&at), at.shard->all_epoch};
    faci_store_end(at.shard, &op);
    return token;
}

fac_status faci_store_fill(struct faci_store *store, const struct faci_key *key,
                           fac_bytes value, int64_t ttl_ms, struct faci_fill_token token,
                           fac_error *err)
{
    struct place at = place_of(store, key);
    fac_status st = FAC_OK;
    struct faci_record *record = make_record(&at, value, &st, err);
    if (record == NULL) {
        return st;
    }
    struct faci_shard_op op;
    faci_store_begin(at.shard, &op);
    faci_shard_reclaim_locked(at.shard, &op);
    if (token.key_epoch == *epoch_of(&at) && token.all_epoch == at.shard->all_epoch) {
        st = put_locked(&at, &op, record, ttl_ms, FACI_STORE_SET);
    } else {
        st = FAC_MISS;
    }
    faci_store_end(at.shard, &op);
    return finish_put(&at, record, value.len, st, err);
}
