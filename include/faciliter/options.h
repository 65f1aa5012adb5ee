/* SPDX-License-Identifier: MIT */
/**
 * @file options.h
 * @brief How a cache is opened: every setting, its range and its default.
 *
 * A setting that is left at its "inherit" value comes from the environment, else from its
 * default: explicit field > environment > default. faciliter-env(7) lists the variables.
 */
#ifndef FACILITER_OPTIONS_H
#define FACILITER_OPTIONS_H

#include <faciliter/alloc.h>
#include <faciliter/error.h>
#include <faciliter/export.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The two times to live that are no number. Both are far from anything a program computes, so
 * that an `expires - now` of 0 or -1 is refused and never makes an entry immortal.
 */
enum {
    FAC_TTL_DEFAULT = -2147483647 - 1, /**< The cache's own time to live. */
    FAC_TTL_NONE = -2147483647,        /**< No expiry: kept until evicted. */
};

/** Which server, or none. */
typedef enum fac_provider {
    FAC_PROVIDER_INHERIT = 0, /**< CACHE_BACKEND, else FAC_AUTO. */
    FAC_AUTO = 1,             /**< The server whose settings are present; never FAC_MEMORY. */
    FAC_REDIS = 2,            /**< REDIS_* settings. */
    FAC_VALKEY = 3,           /**< VALKEY_* settings, each falling back to REDIS_*. */
    FAC_MEMORY = 4, /**< This process's own memory; each open has a store of its own. */
} fac_provider;

/** What fac_cache_open() does when no server answers. */
typedef enum fac_open_mode {
    FAC_OPEN_CONNECT = 0, /**< Fail: FAC_E_UNAVAILABLE, FAC_E_AUTH … */
    FAC_OPEN_LAZY = 1,    /**< Do not connect; the first call does, and later ones heal. */
} fac_open_mode;

/** A yes or no that can be left open. */
typedef enum fac_choice {
    FAC_INHERIT = 0,
    FAC_NO = 1,
    FAC_YES = 2,
} fac_choice;

/** The oldest TLS that is spoken. */
typedef enum fac_tls_version {
    FAC_TLS_VERSION_INHERIT = 0,
    FAC_TLS_1_2 = 12,
    FAC_TLS_1_3 = 13,
} fac_tls_version;

/** How much a log line matters. */
typedef enum fac_log_level {
    FAC_LOG_DEBUG = 0,
    FAC_LOG_INFO = 1,
    FAC_LOG_WARN = 2,
} fac_log_level;

/**
 * Receives one line of log, without a newline, never with a secret. Called on the thread that
 * is in the library, possibly on several at once; it must not call the library.
 *
 * @param context  fac_options.log_context.
 * @param level    How much it matters.
 * @param message  Borrowed until the function returns.
 */
typedef void fac_log_fn(void *context, fac_log_level level, const char *message);

/** A password that a fac_password_fn hands over. Grows at its end only. */
typedef struct fac_password {
    size_t size;     /**< Bytes that the library knows; set by it. */
    char *text;      /**< To fill: the password, NUL-terminated. Overwritten after use. */
    size_t text_cap; /**< Bytes there are, 4097. */
    /** To fill: how long it is valid from now on. Connections that were made with it ask for
     *  another one before it ends, and authenticate anew, without a call being lost; 0: for ever. */
    int64_t expires_in_ms;
} fac_password;

/**
 * Tells the password of now, for one that changes: asked at each connect. Called on a thread of
 * the library's own, one at a time for each cache, with all signals blocked; it must not call the
 * library. It may take as long as it likes: calls that wait for it end at their own deadline.
 *
 * @param context    fac_options.password_context; must live as long as the cache, and as a call of
 *                   this function that is under way when the cache ends.
 * @param within_ms  How long the call that asks can wait for it.
 * @param out        To fill.
 * @return True: `out` is filled. False: there is none now; the connect fails with FAC_E_AUTH.
 */
typedef bool fac_password_fn(void *context, uint32_t within_ms, fac_password *out);

/**
 * Settings of one cache. Start with fac_options_init(); set what differs. Strings are borrowed
 * until fac_cache_open() returns. The struct only ever grows at its end.
 */
typedef struct fac_options {
    size_t size; /**< sizeof(fac_options) of the caller's header; fac_options_init() sets it. */

    fac_provider provider; /**< FAC_PROVIDER_INHERIT: inherit. */
    fac_open_mode open;    /**< Not from the environment. */

    /**
     * redis://, valkey://, rediss:// and valkeys:// (the same over TLS), unix:// or memory://, as
     * `scheme://[[user]:password@]host[:port][/db]` and `unix:///path[?db=n]`; or
     * `https://host[:port][/base]`, with `api_key`, for a server behind a REST interface (http://
     * on loopback only; the base is at most 200 bytes of what RFC 3986, 3.3 lets a path hold).
     * NULL: inherit. Excludes `host` and `unix_socket`; unix:// excludes `port`, too.
     */
    const char *url;
    /** Path, 1 to 107 bytes; NULL: inherit. Excludes `host`, `port` and `url`. */
    const char *unix_socket;
    const char *host; /**< Name or address, 1 to 255 bytes; NULL: inherit (localhost). */
    int32_t port;     /**< 1 to 65535; 0: inherit (6379). */
    int32_t db;       /**< 0 to 1000000; -1: inherit (0). */

    const char *username;      /**< ACL user; NULL: inherit (none). */
    const char *password;      /**< NULL: inherit (none); "": explicitly none. */
    const char *password_file; /**< Read again at each connect; NULL: inherit (none). */

    const char *prefix; /**< Put before every key, 0 to 256 bytes; NULL: inherit ("cache:"). */

    /** Default time to live: 1 to ten years of milliseconds, or FAC_TTL_NONE;
     *  FAC_TTL_DEFAULT: inherit (3600000). */
    int64_t ttl_ms;

    uint32_t max_connections; /**< 1 to 10000; 0: inherit (50). */
    uint32_t timeout_ms; /**< What a call may take in all, 1 to 3600000; 0: inherit (4000). */
    /** A read whose attempt got no answer in half of timeout_ms is sent once more;
     *  FAC_INHERIT: inherit (yes). */
    fac_choice retry_on_timeout;

    uint64_t memory_bytes; /**< Budget of FAC_MEMORY, 64 KiB to 1 TiB; 0: inherit (64 MiB). */

    bool ignore_environment; /**< True: read no variable; inherit means the default. */

    const fac_allocator *allocator; /**< NULL: malloc. Copied at open. */
    fac_log_fn *log;                /**< NULL: no log. */
    void *log_context;              /**< Passed to `log`. */

    /** Attempts of a call beyond its first, all within its one deadline and only where it may be
     *  sent again: 0 to 10; -1: inherit (2). */
    int32_t max_retries;
    /** Refuse calls at once, with FAC_E_UNAVAILABLE, while the server is in trouble, and let one
     *  try from time to time; FAC_INHERIT: inherit (yes). */
    fac_choice breaker;
    /** How long the breaker stays open at first, 10 to 60000; it doubles up to five times that;
     *  0: inherit (1000). */
    uint32_t breaker_open_ms;
    /** Longest pause between attempts to reach a server that was there, 50 to 60000; 0: inherit
     *  (2000). */
    uint32_t reconnect_max_ms;
    /** After so many commands on a connection a check goes along, and another answer than the
     *  right one ends the connection: 0 (never) to 1000000; -1: inherit (0). */
    int64_t integrity_check;

    const char *api_key; /**< Bearer token, for https:// only; NULL: inherit (none). */

    /** Speak TLS. A rediss://, valkeys:// or https:// URL says yes and may not be contradicted;
     *  FAC_INHERIT: inherit (no). With TLS the chain *and* the name of the server's certificate are
     *  verified, or the connect fails with FAC_E_AUTH. The fields below need it. */
    fac_choice tls;
    const char
        *tls_ca_file; /**< PEM certificates to trust, and CRLs that then count; NULL: inherit
                                  (the system's). */
    const char *tls_ca_dir;    /**< Directory of such files; NULL: inherit (none). */
    const char *tls_cert_file; /**< Our own certificate and chain, PEM; NULL: inherit (none). */
    const char
        *tls_key_file; /**< Its key, PEM, readable by nobody else; NULL: inherit (none). */
    /** Name or address that the certificate must have; NULL: inherit (the host). */
    const char *tls_server_name;
    fac_tls_version tls_min_version; /**< FAC_TLS_VERSION_INHERIT: inherit (FAC_TLS_1_2). */
    /** Take any certificate from anybody. Logged at open and told by fac_cache_health();
     *  FAC_INHERIT: inherit (no). */
    fac_choice tls_insecure;

    fac_password_fn *password_fn; /**< Excludes `password` and `password_file`; NULL: none. */
    void *password_context;       /**< Passed to `password_fn`. */
} fac_options;

/** For fac_options_init(); bindings call it with the size of their own layout. Sets `size`
 *  bytes. Threads: any. @param options  To fill. @param size  Its size in bytes. */
FAC_API void fac_options_init_size(fac_options *options, size_t size);

/** Make every field "inherit". Never fails. @param options  To fill; NULL does nothing. */
static inline void fac_options_init(fac_options *options)
{
    fac_options_init_size(options, sizeof(*options));
}

/**
 * Set one field by its name in the settings table, from text: for command lines and bindings.
 *
 * Ownership: text settings keep `value` itself, borrowed until fac_cache_open() returns.
 * Threads: any, with an `options` of its own. Never blocks.
 *
 * @param options  Initialised options.
 * @param name     "provider", "url", "unix_socket", "host", "port", "db", "username", "password",
 *                 "password_file", "prefix", "ttl" (seconds or "none"), "max_connections",
 *                 "timeout" (seconds, fractions allowed), "retry_on_timeout" (true, false, yes,
 *                 no, on, off, 1, 0), "max_retries", "breaker" (as retry_on_timeout),
 *                 "breaker_open" and "reconnect_max" (seconds, fractions allowed),
 *                 "integrity_check", "memory_bytes" (bytes, or with KiB, MiB, GiB), "api_key",
 *                 "tls" and "tls_insecure" (as retry_on_timeout), "tls_ca_file", "tls_ca_dir",
 *                 "tls_cert_file", "tls_key_file", "tls_server_name", "tls_min_version" (1.2 or
 *                 1.3).
 * @param value    Its text, in the same form as the environment variable's.
 * @param err      Receives the detail of a failure; NULL if not wanted.
 * @return FAC_OK; FAC_E_CONFIG for an unknown name or a value out of form or range;
 *         FAC_E_UNSUPPORTED for a URL scheme that is not built, or options of a newer header;
 *         FAC_E_INVALID when a pointer is NULL. Nothing is set unless FAC_OK.
 */
FAC_API FAC_MUST_USE fac_status fac_options_set(fac_options *options, const char *name,
                                                const char *value, fac_error *err);

/** Where the effective value of a setting came from. */
typedef enum fac_source {
    FAC_SOURCE_DEFAULT = 0,
    FAC_SOURCE_ENVIRONMENT = 1, /**< fac_setting.variable names it. */
    FAC_SOURCE_OPTION = 2,
    FAC_SOURCE_URL = 3, /**< A part of the URL; fac_setting.variable names the URL's, if any. */
} fac_source;

/** One effective setting, as fac_options_describe() tells it. Grows at its end only. */
typedef struct fac_setting {
    const char *name;     /**< As for fac_options_set(). */
    const char *value;    /**< Effective value in the same form; secrets are "********". */
    fac_source source;    /**< Where it came from. */
    const char *variable; /**< The variable that decided, or "". */
    const char *help;     /**< One sentence. */
} fac_setting;

/** Receives one setting; everything is borrowed until it returns.
 *  @param context  As given. @param setting  The setting. */
typedef void fac_setting_fn(void *context, const fac_setting *setting);

/**
 * Resolve options, environment and defaults as fac_cache_open() would, and report each setting
 * that counts for the chosen backend, in the order of the table. Opens nothing. For FAC_AUTO, reports the first choice.
 *
 * Threads: any; as every reader of the environment, not while another thread changes it.
 * Never blocks.
 *
 * @param options  NULL for the environment alone.
 * @param fn       Called on this thread once for each setting, before this function returns.
 * @param context  Passed to `fn`.
 * @param err      Receives the detail of a failure; NULL if not wanted.
 * @return FAC_OK, FAC_E_CONFIG, FAC_E_INVALID, FAC_E_UNSUPPORTED (a URL scheme that is not
 *         built, or options of a newer header), FAC_E_NOMEM.
 */
FAC_API FAC_MUST_USE fac_status fac_options_describe(const fac_options *options,
                                                     fac_setting_fn *fn, void *context,
                                                     fac_error *err);

#ifdef __cplusplus
}
#endif
#endif
