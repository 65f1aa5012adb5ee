/* SPDX-License-Identifier: MIT */
/**
 * @file stats.h
 * @brief What a cache counts, and what it knows about its server.
 *
 * The library fills as many bytes as the caller's header has, and sets `size` to the number it
 * filled: a field beyond it is unknown to the library that is loaded. Both structs grow at their
 * end only.
 */
#ifndef FACILITER_STATS_H
#define FACILITER_STATS_H

#include <faciliter/options.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Whether calls to a server are let through; memory is always FAC_BREAKER_CLOSED. */
typedef enum fac_breaker_state {
    FAC_BREAKER_CLOSED = 0,  /**< All are. */
    FAC_BREAKER_OPEN = 1,    /**< The server is in trouble: none is, until a pause is over. */
    FAC_BREAKER_PROBING = 2, /**< One is, to see whether it has healed. */
} fac_breaker_state;

/** Counters since open, and gauges of now. Each is exact; together they are no single moment. */
typedef struct fac_stats {
    size_t size; /**< Bytes the library filled. */

    uint64_t hits;    /**< Keys that get, get_into and get_many found. */
    uint64_t misses;  /**< Keys that they did not find. */
    uint64_t sets;    /**< Keys written by set, add, set_many. */
    uint64_t deletes; /**< Keys removed by delete, delete_many. */
    uint64_t errors;  /**< Calls that returned an error, FAC_E_INVALID excepted. */

    uint64_t timeouts;         /**< Of those, FAC_E_TIMEOUT. */
    uint64_t retries;          /**< Attempts beyond a call's first. */
    uint64_t connects;         /**< Connections that were set up. */
    uint64_t connect_failures; /**< Attempts to connect that failed. */
    uint64_t disconnects;      /**< Connections that ended other than by close. */

    uint32_t connections_open; /**< Now: idle and in use. */
    uint32_t connections_idle; /**< Now. */
    uint32_t calls_in_flight;  /**< Now: calls to a server that have not ended. */
    uint32_t calls_waiting;    /**< Now: of them, those that wait for a connection. */

    uint64_t
        memory_entries; /**< FAC_MEMORY: entries now, expired ones not yet reclaimed too. */
    uint64_t
        memory_bytes; /**< FAC_MEMORY: bytes now, of everything: index and malloc's own share too. */
    uint64_t memory_evicted; /**< FAC_MEMORY: entries that made room for others. */
    uint64_t memory_expired; /**< FAC_MEMORY: entries reclaimed after their time to live. */

    uint64_t late_replies;  /**< Came after their call had given up, and were dropped. */
    uint64_t batches;       /**< Sends to a server. */
    uint64_t batched_calls; /**< Calls in them: batched_calls / batches is the mean batch. */
    uint64_t reconnects; /**< Of `connects`, those that replaced a connection that was lost. */
    uint64_t
        breaker_opens; /**< The breaker opened; a probe that failed does not count again. */
    uint64_t breaker_refusals; /**< Calls that it refused. */

    uint32_t connections_connecting; /**< Now: of those open, not ready yet. */
    uint32_t connections_exclusive;  /**< Now: of those open, lent to one call alone. */
    fac_breaker_state breaker_state; /**< Now: of the server in use. */

    /** Calls of the server in use that it answered since open, and how long they took until then,
     *  in microseconds, rounded up. Percentiles are at most 1/16 too long, the maximum is exact;
     *  all are 0 before the first answer. */
    uint64_t latency_count;
    uint64_t latency_p50_us;  /**< Half of them took no longer. */
    uint64_t latency_p90_us;  /**< 90 % took no longer. */
    uint64_t latency_p99_us;  /**< 99 % took no longer. */
    uint64_t latency_p999_us; /**< 99.9 % took no longer. */
    uint64_t latency_max_us;  /**< The longest. */

    /** TLS handshakes that succeeded, of the server in use; over https they are libcurl's and not
     *  counted. */
    uint64_t tls_handshakes;
    uint64_t tls_resumed; /**< Of them, those that an earlier connection's ticket made short. */
    uint64_t memory_replaced; /**< FAC_MEMORY: values that a newer one of their key replaced. */
    uint64_t memory_budget;   /**< FAC_MEMORY: the most that memory_bytes may be, now. */
} fac_stats;

/** How a server is spoken to. */
typedef enum fac_security {
    FAC_SECURITY_NONE = 0, /**< Plain text; or memory. */
    FAC_SECURITY_TLS = 1,  /**< TLS, and the server's certificate and name are verified. */
    FAC_SECURITY_TLS_INSECURE = 2, /**< TLS with anybody: `tls_insecure` is set. */
} fac_security;

/** What answers behind a cache. */
typedef struct fac_health {
    size_t size; /**< Bytes the library filled. */

    bool is_healthy;       /**< A round trip succeeded just now. */
    bool is_second_choice; /**< FAC_AUTO: the other family's endpoint was taken at open. */

    fac_provider provider; /**< Whose settings are in use: FAC_REDIS, FAC_VALKEY, FAC_MEMORY. */
    char server[24];       /**< What the server says it is: "redis", "valkey"; "memory". */
    char version[24];      /**< Its version, such as "7.0.15". */
    char role[16];         /**< "master" or "replica"; "" when it does not say. */
    char endpoint[160];    /**< "host:port", "[address]:port", "unix:/path" or
                              "https://host:port/base" (cut to fit); "memory". */

    uint32_t protocol;   /**< RESP version: 2 or 3; 0 for memory. */
    uint64_t latency_us; /**< The round trip, in microseconds. */

    uint32_t connections_open; /**< Now. */
    uint32_t connections_idle; /**< Now. */
    uint32_t max_connections;  /**< The ceiling; 0 for memory. */

    fac_breaker_state breaker_state; /**< Now. */

    fac_security security; /**< How the server is spoken to. */
    /* Without TLS, and over https, where TLS is libcurl's, "" and 0. */
    char tls_version[16];          /**< Of the last handshake, such as "TLSv1.3". */
    char tls_cipher[48];           /**< Of the last handshake. */
    int64_t tls_cert_expires_at_s; /**< When the certificate of `tls_cert_file` ends, in seconds
                                        since 1970; 0 without one. */
} fac_health;

#ifdef __cplusplus
}
#endif
#endif
