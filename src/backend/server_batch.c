/* SPDX-License-Identifier: MIT */
/* backend/server_batch.c — many keys on one connection.
 *
 * Requests go out in a sliding window: as many as the connection has slots, each reply taken as it
 * comes, so a batch of any size needs little memory and no reply waits for a send. An attempt that
 * lost its connection is followed by another, which goes on with the items that are still pending.
 *
 * MGET answers null for a value that is no string, as for no value. Keys that came back null are
 * therefore counted with EXISTS; only if some exist is each asked with GET, which says WRONGTYPE. */
#include "backend/server.h"

#include "backend/value_sink.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/number.h"
#include "engine/server_error.h"

enum {
    MGET_KEYS = 128
}; /* in one command: it does not hold up the server for long */

/* One batch, over all its attempts. */
struct run {
    struct faci_server *server;
    const struct faci_batch *batch;
    const struct faci_limits *limits;
    uint64_t reply_bytes; /* of values taken so far */
    fac_error *first;     /* the first item's error goes here */
    bool has_first;
    size_t n_tried; /* items before this one may have been sent by an earlier attempt */
};

/* How one item is asked, and what its answer means. */
struct item_ops {
    const struct faci_command *command;
    size_t (*args)(const struct faci_batch *batch, size_t i,
                   struct faci_arg args[FACI_SET_ARGS_MAX], char *text);
    fac_status (*result)(const struct faci_answer *answer, bool was_resent);
};

static struct faci_key key_at(const struct faci_batch *batch, size_t i)
{
    fac_bytes name = batch->keys != NULL ? batch->keys[i] : batch->items[i].key;
    return (struct faci_key){batch->prefix, name};
}

static size_t next_pending(const struct faci_batch *batch, size_t i)
{
    while (i < batch->n && batch->statuses[i] != FACI_PENDING) {
        i++;
    }
    return i;
}

static void keep_first_error(struct run *run, const fac_error *err)
{
    if (!run->has_first && run->first != NULL) {
        *run->first = *err;
    }
    run->has_first = true;
}

static fac_status submit_item(struct faci_conn *conn, const struct item_ops *ops,
                              const struct run *run, size_t i, int64_t deadline_ns,
                              struct faci_slot **out, fac_error *err)
{
    struct faci_arg args[FACI_SET_ARGS_MAX];
    char text[FACI_I64_TEXT_BYTES];
    struct faci_request request = {.command = ops->command, .args = args};
    request.n_args = ops->args(run->batch, i, args, text);
    return faci_pipeline_submit(conn, &request, deadline_ns, out, err);
}

static void take_item(const struct item_ops *ops, struct run *run, const struct faci_slot *slot,
                      size_t i, bool was_resent)
{
    fac_error err;
    fac_status st = faci_pipeline_result(slot, &err);
    if (st < 0) {
        keep_first_error(run, &err);
    } else {
        st = ops->result(&slot->answer, was_resent);
    }
    run->batch->statuses[i] = st;
}

/* Items under way, oldest first. */
struct window {
    struct faci_slot *slots[FACI_CONN_PIPELINE_SLOTS];
    size_t items[FACI_CONN_PIPELINE_SLOTS];
    size_t n_out; /* submitted */
    size_t n_in;  /* taken */
};

static void take_oldest(struct faci_conn *conn, const struct item_ops *ops, struct run *run,
                        struct window *window)
{
    size_t at = window->n_in++ % FACI_CONN_PIPELINE_SLOTS;
    take_item(ops, run, window->slots[at], window->items[at], window->items[at] < run->n_tried);
    faci_pipeline_release(conn, window->slots[at]);
}

/* The connection is dead: what was answered before it died is an answer all the same. */
static void take_answered(struct faci_conn *conn, const struct item_ops *ops, struct run *run,
                          struct window *window)
{
    while (window->n_in < window->n_out &&
           faci_slot_state(window->slots[window->n_in % FACI_CONN_PIPELINE_SLOTS]) ==
               FACI_SLOT_DONE) {
        take_oldest(conn, ops, run, window);
    }
}

/* Every pending item as a request of its own, in order. */
static fac_status run_items(struct faci_conn *conn, const struct item_ops *ops, struct run *run,
                            int64_t deadline_ns, fac_error *err)
{
    const struct faci_batch *batch = run->batch;
    struct window window = {.n_out = 0};
    size_t i = next_pending(batch, 0);
    fac_status st = FAC_OK;
    while (st == FAC_OK && (i < batch->n || window.n_in < window.n_out)) {
        if (i < batch->n && faci_pipeline_has_room(conn)) {
            size_t at = window.n_out % FACI_CONN_PIPELINE_SLOTS;
            window.items[at] = i;
            st = submit_item(conn, ops, run, i, deadline_ns, &window.slots[at], err);
            window.n_out += st == FAC_OK ? 1U : 0U;
            i = next_pending(batch, i + 1);
            continue;
        }
        st = faci_pipeline_wait(conn, window.slots[window.n_in % FACI_CONN_PIPELINE_SLOTS],
                                deadline_ns, err);
        if (st == FAC_OK) {
            take_oldest(conn, ops, run, &window);
        }
    }
    if (st < 0) {
        faci_conn_poison(conn, st, 0, "a batch was cut short");
        take_answered(conn, ops, run, &window);
        run->n_tried = i > run->n_tried ? i : run->n_tried;
    }
    return st;
}

static fac_status run_job(struct run *run, struct faci_job *job, fac_error *err)
{
    fac_error first = {0};
    run->first = &first;
    fac_status st = faci_engine_run(faci_server_engine(run->server), job,
                                    run->limits->deadline_ns, err);
    if (st == FAC_OK && run->has_first && err != NULL) {
        *err = first;
    }
    return st;
}

/* --- set_many, delete_many ------------------------------------------------------------------ */

struct write {
    struct run run;
    const struct item_ops *ops;
    struct faci_job job;
};

static fac_status attempt_write(struct faci_conn *conn, void *context, int64_t deadline_ns,
                                fac_error *err)
{
    struct write *write = context;
    return run_items(conn, write->ops, &write->run, deadline_ns, err);
}

static fac_status run_write(struct faci_backend *backend, const struct item_ops *ops,
                            const struct faci_batch *batch, const struct faci_limits *limits,
                            fac_error *err)
{
    struct write write = {
        .run = {.server = faci_server_of(backend), .batch = batch, .limits = limits},
        .ops = ops,
        .job = {.name = ops->command->name,
                .n_args = batch->n,
                .retry = FACI_RETRY_WRITE,
                .is_write = true,
                .run = attempt_write}};
    write.job.context = &write;
    return run_job(&write.run, &write.job, err);
}

static size_t set_item_args(const struct faci_batch *batch, size_t i,
                            struct faci_arg args[FACI_SET_ARGS_MAX], char *text)
{
    const fac_item *item = &batch->items[i];
    struct faci_key key = key_at(batch, i);
    int64_t ttl_ms = item->ttl_ms == FAC_TTL_DEFAULT ? batch->default_ttl_ms : item->ttl_ms;
    return faci_server_set_args(&key, item->value, ttl_ms, FACI_SET_ALWAYS, args, text);
}

static fac_status set_item_result(const struct faci_answer *answer, bool was_resent)
{
    (void)answer;
    (void)was_resent;
    return FAC_OK;
}

fac_status faci_server_set_many(struct faci_backend *backend, const struct faci_batch *batch,
                                const struct faci_limits *limits, fac_error *err)
{
    static const struct item_ops k_ops = {&k_faci_set, set_item_args, set_item_result};
    return run_write(backend, &k_ops, batch, limits, err);
}

static size_t remove_item_args(const struct faci_batch *batch, size_t i,
                               struct faci_arg args[FACI_SET_ARGS_MAX], char *text)
{
    (void)text;
    struct faci_key key = key_at(batch, i);
    args[0] = faci_arg_text("DEL");
    args[1] = faci_arg_key(&key);
    return 2;
}

static fac_status remove_item_result(const struct faci_answer *answer, bool was_resent)
{
    return answer->number > 0 || was_resent ? FAC_OK : FAC_MISS;
}

fac_status faci_server_remove_many(struct faci_backend *backend, const struct faci_batch *batch,
                                   const struct faci_limits *limits, fac_error *err)
{
    static const struct item_ops k_ops = {&k_faci_del, remove_item_args, remove_item_result};
    return run_write(backend, &k_ops, batch, limits, err);
}

/* --- get_many ------------------------------------------------------------------------------- */

enum {
    MGET_WINDOW = 8
}; /* commands under way: enough to keep both sides busy */

/* One MGET under way: which items it asks for, and the sink of its reply. */
struct chunk {
    struct read *read;
    struct faci_values_sink sink;
    struct faci_slot *slot;
    size_t items[MGET_KEYS];
    size_t n;
};

struct read {
    struct run run;
    struct chunk *chunks; /* MGET_WINDOW of them */
    size_t n_null;        /* items that came back null: FAC_MISS, as far as is known */
    int64_t n_existing;   /* of them, keys that exist all the same */
};

static void put_value(void *context, size_t index, fac_value *value, bool is_out_of_memory)
{
    struct chunk *chunk = context;
    struct run *run = &chunk->read->run;
    if (index >= chunk->n) {
        fac_value_unref(value);
        return;
    }
    size_t i = chunk->items[index];
    if (is_out_of_memory) {
        fac_error err;
        run->batch->statuses[i] = faci_fail(&err, FAC_E_NOMEM, 0,
                                            "no memory for a value of the batch");
        keep_first_error(run, &err);
        return;
    }
    run->batch->statuses[i] = value != NULL ? FAC_OK : FAC_MISS;
    run->batch->values[i] = value;
    chunk->read->n_null += value == NULL ? 1U : 0U;
}

/* The next items with this status; returns where to go on. */
static size_t fill_chunk(struct chunk *chunk, const struct faci_batch *batch, fac_status wanted,
                         size_t i)
{
    chunk->n = 0;
    for (; i < batch->n && chunk->n < MGET_KEYS; i++) {
        if (batch->statuses[i] == wanted) {
            chunk->items[chunk->n++] = i;
        }
    }
    return i;
}

static fac_status submit_chunk(struct faci_conn *conn, struct chunk *chunk,
                               const struct faci_command *command, int64_t deadline_ns,
                               fac_error *err)
{
    const struct run *run = &chunk->read->run;
    struct faci_arg args[MGET_KEYS + 1];
    args[0] = faci_arg_text(command->name);
    for (size_t k = 0; k < chunk->n; k++) {
        struct faci_key key = key_at(run->batch, chunk->items[k]);
        args[k + 1] = faci_arg_key(&key);
    }
    struct faci_request request = {.command = command, .args = args, .n_args = chunk->n + 1};
    if (command == &k_faci_mget) {
        request.sink = &chunk->sink.sink;
        request.max_reply_bytes = run->limits->max_reply_bytes;
    }
    return faci_pipeline_submit(conn, &request, deadline_ns, &chunk->slot, err);
}

static fac_status check_total(struct run *run, const struct chunk *chunk, fac_error *err)
{
    for (size_t k = 0; k < chunk->n; k++) {
        run->reply_bytes += fac_value_bytes(run->batch->values[chunk->items[k]]).len;
    }
    if (run->reply_bytes > run->limits->max_reply_bytes) {
        return faci_fail(err, FAC_E_TOO_LARGE, 0, "the values are larger than %llu bytes",
                         (unsigned long long)run->limits->max_reply_bytes);
    }
    return FAC_OK;
}

static fac_status take_chunk(struct faci_conn *conn, struct chunk *chunk, int64_t deadline_ns,
                             fac_error *err)
{
    fac_status st = faci_pipeline_wait(conn, chunk->slot, deadline_ns, err);
    if (st < 0) {
        return st;
    }
    fac_error why;
    st = faci_pipeline_result(chunk->slot, &why);
    if (st < 0) {
        /* NOPERM for one key refuses the command: each of its items has that answer. */
        for (size_t k = 0; k < chunk->n; k++) {
            chunk->read->run.batch->statuses[chunk->items[k]] = st;
        }
        keep_first_error(&chunk->read->run, &why);
    } else if (chunk->sink.n_put != chunk->n) {
        faci_conn_poison(conn, FAC_E_PROTOCOL, 0, "MGET: as many values as keys were expected");
        return faci_conn_fail(conn, err);
    }
    faci_pipeline_release(conn, chunk->slot);
    return check_total(&chunk->read->run, chunk, err);
}

static fac_status take_count(struct faci_conn *conn, struct chunk *chunk, int64_t deadline_ns,
                             fac_error *err)
{
    fac_status st = faci_pipeline_wait(conn, chunk->slot, deadline_ns, err);
    if (st == FAC_OK) {
        /* A user who may not ask is believed that they are misses. */
        bool is_count = chunk->slot->answer.type == FAC_REPLY_INTEGER;
        chunk->read->n_existing += is_count ? chunk->slot->answer.number : 0;
        faci_pipeline_release(conn, chunk->slot);
    }
    return st;
}

/* All items with one status, many keys in a command and several commands under way. */
static fac_status run_chunks(struct faci_conn *conn, struct read *read,
                             const struct faci_command *command, fac_status wanted,
                             int64_t deadline_ns, fac_error *err)
{
    const struct faci_batch *batch = read->run.batch;
    size_t n_out = 0;
    size_t n_in = 0;
    size_t i = 0;
    fac_status st = FAC_OK;
    while (st == FAC_OK && (i < batch->n || n_in < n_out)) {
        if (i < batch->n && n_out - n_in < MGET_WINDOW) {
            struct chunk *chunk = &read->chunks[n_out % MGET_WINDOW];
            i = fill_chunk(chunk, batch, wanted, i);
            if (chunk->n > 0) {
                st = submit_chunk(conn, chunk, command, deadline_ns, err);
                n_out += st == FAC_OK ? 1U : 0U;
            }
        } else {
            struct chunk *chunk = &read->chunks[n_in++ % MGET_WINDOW];
            st = command == &k_faci_mget ? take_chunk(conn, chunk, deadline_ns, err)
                                         : take_count(conn, chunk, deadline_ns, err);
        }
    }
    return st;
}

/* --- Nulls that are no misses --------------------------------------------------------------- */

static size_t get_item_args(const struct faci_batch *batch, size_t i,
                            struct faci_arg args[FACI_SET_ARGS_MAX], char *text)
{
    (void)text;
    struct faci_key key = key_at(batch, i);
    args[0] = faci_arg_text("GET");
    args[1] = faci_arg_key(&key);
    return 2;
}

/* The value itself is not kept: one that appeared since MGET was not there when it was asked. */
static fac_status get_item_result(const struct faci_answer *answer, bool was_resent)
{
    (void)answer;
    (void)was_resent;
    return FAC_MISS;
}

static fac_status explain_nulls(struct faci_conn *conn, struct read *read, int64_t deadline_ns,
                                fac_error *err)
{
    read->n_existing = 0;
    fac_status st = run_chunks(conn, read, &k_faci_exists, FAC_MISS, deadline_ns, err);
    if (st < 0 || read->n_existing == 0) {
        return st;
    }
    const struct faci_batch *batch = read->run.batch;
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->statuses[i] == FAC_MISS) {
            batch->statuses[i] = FACI_PENDING;
        }
    }
    static const struct item_ops k_ops = {&k_faci_get, get_item_args, get_item_result};
    return run_items(conn, &k_ops, &read->run, deadline_ns, err);
}

static fac_status attempt_read(struct faci_conn *conn, void *context, int64_t deadline_ns,
                               fac_error *err)
{
    struct read *read = context;
    fac_status st = run_chunks(conn, read, &k_faci_mget, FACI_PENDING, deadline_ns, err);
    if (st == FAC_OK && read->n_null > 0) {
        st = explain_nulls(conn, read, deadline_ns, err);
    }
    if (st < 0) {
        faci_conn_poison(conn, st, 0, "a batch was cut short");
    }
    return st;
}

fac_status faci_server_get_many(struct faci_backend *backend, const struct faci_batch *batch,
                                const struct faci_limits *limits, fac_error *err)
{
    struct faci_server *server = faci_server_of(backend);
    const fac_allocator *alloc = &server->config->alloc;
    struct read read = {.run = {.server = server, .batch = batch, .limits = limits}};
    read.chunks = faci_mem_zalloc_array(alloc, MGET_WINDOW, sizeof(*read.chunks));
    if (read.chunks == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    for (size_t c = 0; c < MGET_WINDOW; c++) {
        read.chunks[c].read = &read;
        faci_values_sink_init(&read.chunks[c].sink, alloc, put_value, &read.chunks[c]);
    }
    struct faci_job job = {.name = k_faci_mget.name,
                           .n_args = batch->n,
                           .retry = FACI_RETRY_READ,
                           .run = attempt_read,
                           .context = &read};
    fac_status st = run_job(&read.run, &job, err);
    for (size_t c = 0; c < MGET_WINDOW; c++) {
        faci_values_sink_fini(&read.chunks[c].sink);
    }
    faci_mem_free(alloc, read.chunks);
    return st;
}
