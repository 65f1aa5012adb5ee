/* SPDX-License-Identifier: MIT */
/* bench/driver.h — what stands on one side of a comparison, and the data both sides use.
 *
 * A driver is an operation of one library: opened on an endpoint, run in batches by one or more
 * threads, closed. Each run checks every reply; a wrong one ends the benchmark. */
#ifndef FAC_BENCH_DRIVER_H
#define FAC_BENCH_DRIVER_H

#include <faciliter/value.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BENCH_KEYS = 1000,
    BENCH_SMALL_BYTES = 100,
    BENCH_MAX_VALUE_BYTES = 64 * 1024,
    BENCH_MAX_THREADS = 128,
    BENCH_DEFAULT_CONNECTIONS = 50, /* The library's own, where a cell sets none. */
    BENCH_TTL_MS = 3600000,
};

/* BENCH_TTL_MS as hiredis sends it. */
#define BENCH_TTL_TEXT "3600000"
#define BENCH_PREFIX   "fac-bench:"

/* One key with its value: each value differs, so that a reply to another call cannot pass. */
struct bench_entry {
    char full_key[32]; /* With BENCH_PREFIX, as the server stores it. */
    size_t full_len;
    fac_bytes key;   /* Behind the prefix; points into full_key. */
    fac_bytes value; /* As long as bench_data_size() last said. */
};

/* Where a driver connects. */
struct bench_endpoint {
    const char *server;      /* "Redis 7.0.15" */
    const char *transport;   /* "tcp", "unix", "tcp +1 ms" */
    const char *unix_socket; /* NULL: TCP. */
    int port;                /* On 127.0.0.1. */
    bool is_valkey;
    const char *ca_file; /* TLS, and whom to trust; NULL: plain. */
    const char *api_key; /* The REST form over https; NULL: no. */
};

/* An open driver. A driver that shares one handle among its threads uses handles[0]. */
struct bench_peer {
    void *handles[BENCH_MAX_THREADS];
    uint32_t n_threads;
    uint32_t max_connections; /* Ours only; 0: the library's default. */
};

struct bench_driver {
    const char *name; /* The call that is measured, as its user writes it. */
    uint32_t unit;    /* Operations that are one call: 1, or BENCH_KEYS of a batch. */
    bool is_writing;  /* What it leaves on the server is checked too. */
    bool (*open)(struct bench_peer *peer, const struct bench_endpoint *endpoint);
    /* `n` operations, a multiple of `unit`, of thread `thread`; `at` is its place in the entries. */
    bool (*run)(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n);
    void (*close)(struct bench_peer *peer);
    uint32_t (*count_connections)(struct bench_peer *peer); /* NULL: one for each thread. */
};

/* The drivers: ours.c, hiredis.c, lockstep.c, many.c, store.c; tls.c and https.c, in a build that has those. */
extern const struct bench_driver k_ours_get_into;
extern const struct bench_driver k_ours_get;
extern const struct bench_driver k_ours_set;
extern const struct bench_driver k_ours_get_many;
extern const struct bench_driver k_ours_set_many;
extern const struct bench_driver k_store_get_into;
extern const struct bench_driver k_hiredis_get;
extern const struct bench_driver k_hiredis_get_format;
extern const struct bench_driver k_hiredis_set;
extern const struct bench_driver k_hiredis_get_pipeline;
extern const struct bench_driver k_hiredis_mget;
extern const struct bench_driver k_hiredis_set_pipeline;
extern const struct bench_driver k_curl_get;
extern const struct bench_driver k_lockstep_get;

/* Opening and closing, for the drivers that differ in `run` only. */
bool bench_ours_open(struct bench_peer *peer, const struct bench_endpoint *endpoint);
void bench_ours_close(struct bench_peer *peer);
uint32_t bench_ours_count_connections(struct bench_peer *peer);
bool bench_hiredis_open(struct bench_peer *peer, const struct bench_endpoint *endpoint);
void bench_hiredis_close(struct bench_peer *peer);

/* Over a connection of their own: empty the server; store every entry; check that every entry is
 * there with its value and a time to live. */
bool bench_server_empty(const struct bench_endpoint *endpoint);
bool bench_server_fill(const struct bench_endpoint *endpoint);
bool bench_server_verify(const struct bench_endpoint *endpoint);

/* data.c: the entries, written once by bench_data_init(), with values of BENCH_SMALL_BYTES. */
void bench_data_init(void);

/* Makes every value this long, at most BENCH_MAX_VALUE_BYTES. While no driver runs. */
void bench_data_size(size_t value_bytes);
const struct bench_entry *bench_entry_at(size_t index);

/* The next entry in turn. */
const struct bench_entry *bench_next(size_t *at);

/* Whether the bytes are the entry's value. */
bool bench_is_value(const struct bench_entry *entry, const void *data, size_t len);

/* Says on standard error what broke. Always false, so that `return bench_broke(…)` reads well. */
bool bench_broke(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
