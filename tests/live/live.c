/* SPDX-License-Identifier: MIT */
/* live/live.c — the fixture of all live tests. */
#include "live/live.h"

#include "kit/kit.h"
#include "live/live_acl.h"

#include <stdio.h>
#include <string.h>

static const struct variant {
    const char *name;
    const char *server_name;
    fac_provider provider;
    enum kit_server_kind kind;
    uint32_t protocol;
    bool is_unix;
    bool is_tls;
    bool is_acl;
    bool is_https;
} k_variants[] = {
    {"memory", "memory", FAC_MEMORY, KIT_REDIS, 0, false, false, false, false},
    {"redis3", "redis", FAC_REDIS, KIT_REDIS, 3, false, false, false, false},
    {"redis2", "redis", FAC_REDIS, KIT_REDIS, 2, false, false, false, false},
    {"redis_unix", "redis", FAC_REDIS, KIT_REDIS, 3, true, false, false, false},
    {"valkey3", "valkey", FAC_VALKEY, KIT_VALKEY, 3, false, false, false, false},
    {"valkey2", "valkey", FAC_VALKEY, KIT_VALKEY, 2, false, false, false, false},
    {"redis_tls", "redis", FAC_REDIS, KIT_REDIS, 3, false, true, false, false},
    {"valkey_tls", "valkey", FAC_VALKEY, KIT_VALKEY, 3, false, true, false, false},
    {"redis_acl", "redis", FAC_REDIS, KIT_REDIS, 3, false, false, true, false},
    {"valkey_acl", "valkey", FAC_VALKEY, KIT_VALKEY, 3, false, false, true, false},
    {"valkey_https", "valkey", FAC_VALKEY, KIT_VALKEY, 2, false, false, false, true},
    {"valkey_tls2", "valkey", FAC_VALKEY, KIT_VALKEY, 2, false, true, false, false},
};

enum {
    CONFIG_LINES_MAX = 16
};

static const struct variant *find_variant(void)
{
    const char *name = kit_arg(0) != NULL ? kit_arg(0) : "redis3";
    for (size_t i = 0; i < KIT_COUNT(k_variants); i++) {
        if (strcmp(name, k_variants[i].name) == 0) {
            return &k_variants[i];
        }
    }
    fail_msg("no variant %s", name);
    return &k_variants[0];
}

static void start_server(struct live *live, const struct variant *variant,
                         const char *const *config)
{
    const char *lines[CONFIG_LINES_MAX + 2] = {NULL};
    size_t n = 0;
    if (variant->protocol == 2 && !variant->is_https) {
        lines[n++] = "rename-command HELLO \"\"";
    }
    if (variant->is_acl) {
        lines[n++] = "user smallest on >acl-pass ~* -@all " LIVE_ACL_NEEDED
                     " " LIVE_ACL_HELPFUL;
        live->options.username = "smallest";
        live->options.password = "acl-pass";
    }
    while (config != NULL && *config != NULL) {
        assert_true(n < CONFIG_LINES_MAX);
        lines[n++] = *config++;
    }
    struct kit_server_options options = {
        .kind = variant->kind, .config = lines, .is_tls = variant->is_tls};
    live->server = kit_server_start(&options);
    if (variant->is_https) {
        live->bridge = kit_bridge_start(kit_server_socket(live->server), true, "server.pem",
                                        "server.key");
        (void)snprintf(live->url, sizeof(live->url), "https://127.0.0.1:%u/base",
                       (unsigned)kit_bridge_port(live->bridge));
        live->ca = kit_cert("ca.pem");
        live->options.url = live->url;
        live->options.api_key = KIT_BRIDGE_KEY;
        live->options.tls_ca_file = live->ca.path;
    } else if (variant->is_unix) {
        live->options.unix_socket = kit_server_socket(live->server);
    } else {
        live->options.host = "127.0.0.1";
        live->options.port = kit_server_port(live->server);
    }
    if (variant->is_tls) {
        live->ca = kit_cert("ca.pem");
        live->options.tls = FAC_YES;
        live->options.tls_ca_file = live->ca.path;
    }
}

void live_start(struct live *live, const char *const *config)
{
    const struct variant *variant = find_variant();
    memset(live, 0, sizeof(*live));
    live->variant = variant->name;
    live->server_name = variant->server_name;
    live->protocol = variant->protocol;
    live->has_server = variant->provider != FAC_MEMORY;
    kit_memory_init(&live->memory);
    fac_options_init(&live->options);
    live->options.ignore_environment = true;
    live->options.provider = variant->provider;
    live->options.allocator = &live->memory.hook;
    live->options.timeout_ms = LIVE_TIMEOUT_MS;
    if (live->has_server) {
        start_server(live, variant, config);
    }
}

void live_open(struct live *live)
{
    fac_error err;
    assert_status(fac_cache_open(&live->options, &live->cache, &err), FAC_OK, &err);
    assert_non_null(live->cache);
}

void live_begin(struct live *live)
{
    live_start(live, NULL);
    live_open(live);
}

void live_end(struct live *live)
{
    fac_cache_unref(live->cache);
    kit_raw_close(live->raw);
    kit_bridge_stop(live->bridge);
    kit_server_stop(live->server);
    kit_memory_assert_empty(&live->memory);
}

void live_point_at(fac_options *options, uint16_t port)
{
    fac_options_init(options);
    options->ignore_environment = true;
    options->provider = FAC_REDIS;
    options->host = "127.0.0.1";
    options->port = port;
    options->timeout_ms = LIVE_TIMEOUT_MS;
}

struct kit_raw *live_raw(struct live *live)
{
    if (live->raw == NULL) {
        live->raw = kit_raw_unix(kit_server_socket(live->server));
        assert_non_null(live->raw);
    }
    return live->raw;
}

fac_stats live_stats(fac_cache *cache)
{
    fac_stats stats;
    fac_error err;
    assert_status(fac_cache_stats(cache, NULL, &stats, sizeof(stats), &err), FAC_OK, &err);
    return stats;
}

void live_check_set(fac_cache *cache, fac_bytes key, fac_bytes value, const char *file,
                    int line)
{
    fac_error err;
    fac_status got = fac_cache_set(cache, key, value, FAC_TTL_NONE, NULL, &err);
    kit_assert_status(got, FAC_OK, &err, file, line);
}

void live_check_get(fac_cache *cache, fac_bytes key, fac_bytes want, const char *file, int line)
{
    fac_error err;
    fac_value *value = NULL;
    fac_status got = fac_cache_get(cache, key, NULL, &value, &err);
    kit_assert_status(got, FAC_OK, &err, file, line);
    fac_bytes bytes = fac_value_bytes(value);
    if (bytes.len != want.len ||
        (want.len > 0 && memcmp(bytes.data, want.data, want.len) != 0)) {
        (void)fprintf(stderr, "got %zu bytes, want %zu\n", bytes.len, want.len);
        _fail(file, line);
    }
    if (((const char *)bytes.data)[bytes.len] != '\0') {
        (void)fprintf(stderr, "no NUL behind the value\n");
        _fail(file, line);
    }
    fac_value_unref(value);
}

void live_check_miss(fac_cache *cache, fac_bytes key, const char *file, int line)
{
    fac_error err;
    fac_value *value = NULL;
    fac_status got = fac_cache_get(cache, key, NULL, &value, &err);
    kit_assert_status(got, FAC_MISS, &err, file, line);
}

fac_status live_try_get(fac_cache *cache, const char *key, uint32_t deadline_ms, fac_error *err)
{
    fac_call call = fac_call_within(deadline_ms);
    fac_value *value = NULL;
    fac_status st = fac_cache_get(cache, fac_str(key), &call, &value, err);
    if (st == FAC_OK) {
        fac_value_unref(value);
    }
    return st;
}

void live_check_error(fac_status got, fac_status want, const fac_error *err, const char *file,
                      int line)
{
    kit_assert_status(got, want, err, file, line);
    kit_assert_status(err->status, want, err, file, line);
    if (want < 0 && err->message[0] == '\0') {
        (void)fprintf(stderr, "an error without a message\n");
        _fail(file, line);
    }
}
