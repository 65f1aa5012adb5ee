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
    uint32_t calls_in_flight;  /**< Now: calls on a connection. */
    uint32_t calls_waiting;    /**< Now: calls that wait for a connection. */

    uint64_t
        memory_entries;    /**< FAC_MEMORY: entries now, expired ones not yet reclaimed too. */
    uint64_t memory_bytes; /**< FAC_MEMORY: bytes now, of everything, index included. */
    uint64_t memory_evicted; /**< FAC_MEMORY: entries that made room for others. */
    uint64_t memory_expired; /**< FAC_MEMORY: entries reclaimed after their time to live. */
} fac_stats;

/** What answers behind a cache. */
typedef struct fac_health {
    size_t size; /**< Bytes the library filled. */

    bool is_healthy;       /**< A round trip succeeded just now. */
    bool is_second_choice; /**< FAC_AUTO: the other family's endpoint was taken at open. */

    fac_provider provider; /**< Whose settings are in use: FAC_REDIS, FAC_VALKEY, FAC_MEMORY. */
    char server[24];       /**< What the server says it is: "redis", "valkey"; "memory". */
    char version[24];      /**< Its version, such as "7.0.15". */
    char role[16];         /**< "master" or "replica"; "" when it does not say. */
    char endpoint[160];    /**< "host:port" or "unix:/path" (cut to fit); "memory". */

    uint32_t protocol;   /**< RESP version: 2 or 3; 0 for memory. */
    uint64_t latency_us; /**< The round trip, in microseconds. */

    uint32_t connections_open; /**< Now. */
    uint32_t connections_idle; /**< Now. */
    uint32_t max_connections;  /**< The ceiling; 0 for memory. */
} fac_health;

#ifdef __cplusplus
}
#endif
#endif
