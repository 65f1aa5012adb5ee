/* SPDX-License-Identifier: MIT */
/* Bad settings: each gets its status, and a message that names the thing and keeps its secrets. */
#include "scene.h"

struct refusal {
    struct scene scene;
    fac_status want;
    const char *names; /* the message contains it */
    const char *also;  /* and this */
};

static void run_refusals(const struct refusal *cases, size_t n_cases)
{
    for (size_t i = 0; i < n_cases; i++) {
        struct kit_memory memory;
        kit_memory_init(&memory);
        fac_options options;
        scene_set(&cases[i].scene, &options);
        options.allocator = &memory.hook;
        struct faci_config *config = NULL;
        fac_error err = {.message = ""};
        fac_status st = faci_config_resolve(&options, &config, &err);
        if (st != cases[i].want) {
            (void)fprintf(stderr, "row %zu: %s\n", i, cases[i].scene.env[0]);
        }
        assert_status(st, cases[i].want, &err);
        assert_int_equal(err.status, cases[i].want);
        assert_null(config);
        assert_contains(err.message, cases[i].names);
        assert_contains(err.message, cases[i].also);
        kit_memory_assert_empty(&memory);
    }
}

/* clang-format off */
#define CONFIG FAC_E_CONFIG

static void test_refusal__bad_values_name_variable_value_and_range(void **state)
{
    (void)state;
    static const struct refusal k_cases[] = {
        {{{"CACHE_BACKEND=memcached"}, {NULL}}, CONFIG, "CACHE_BACKEND: \"memcached\"",
         "redis, valkey, auto or memory"},
        {{{"CACHE_BACKEND=Redis"}, {NULL}}, CONFIG, "CACHE_BACKEND: \"Redis\"", "redis, valkey"},
        {{{"CACHE_BACKEND= redis"}, {NULL}}, CONFIG, "CACHE_BACKEND", "redis, valkey"},
        {{{"REDIS_PORT=abc"}, {NULL}}, CONFIG, "REDIS_PORT: \"abc\"", "1 to 65535"},
        {{{"REDIS_PORT=0"}, {NULL}}, CONFIG, "REDIS_PORT: \"0\"", "1 to 65535"},
        {{{"REDIS_PORT=65536"}, {NULL}}, CONFIG, "REDIS_PORT: \"65536\"", "1 to 65535"},
        {{{"REDIS_PORT=-1"}, {NULL}}, CONFIG, "REDIS_PORT: \"-1\"", "1 to 65535"},
        {{{"REDIS_PORT=6379 "}, {NULL}}, CONFIG, "REDIS_PORT", "1 to 65535"},
        {{{"REDIS_PORT=0x1"}, {NULL}}, CONFIG, "REDIS_PORT", "1 to 65535"},
        {{{"REDIS_PORT=99999999999999999999"}, {NULL}}, CONFIG, "REDIS_PORT", "1 to 65535"},
        {{{"VALKEY_PORT=abc"}, {NULL}}, CONFIG, "VALKEY_PORT: \"abc\"", "1 to 65535"},
        {{{"VALKEY_HOST=v", "REDIS_PORT=abc"}, {NULL}}, CONFIG, "REDIS_PORT", "1 to 65535"},
        {{{"VALKEY_PORT=1", "REDIS_PORT=abc"}, {NULL}}, CONFIG, "REDIS_PORT", "1 to 65535"},
        {{{"REDIS_DB=-1"}, {NULL}}, CONFIG, "REDIS_DB: \"-1\"", "0 to 1000000"},
        {{{"REDIS_DB=one"}, {NULL}}, CONFIG, "REDIS_DB: \"one\"", "0 to 1000000"},
        {{{"REDIS_DB=1000001"}, {NULL}}, CONFIG, "REDIS_DB", "0 to 1000000"},
        {{{"REDIS_CACHE_TTL=0"}, {NULL}}, CONFIG, "REDIS_CACHE_TTL: \"0\"", "none"},
        {{{"REDIS_CACHE_TTL=-1"}, {NULL}}, CONFIG, "REDIS_CACHE_TTL", "1 to 315360000"},
        {{{"REDIS_CACHE_TTL=1.5"}, {NULL}}, CONFIG, "REDIS_CACHE_TTL", "1 to 315360000"},
        {{{"REDIS_CACHE_TTL=315360001"}, {NULL}}, CONFIG, "REDIS_CACHE_TTL", "315360000"},
        {{{"REDIS_CACHE_TTL=9223372036854775807"}, {NULL}}, CONFIG, "REDIS_CACHE_TTL", "none"},
        {{{"REDIS_CACHE_TTL=None"}, {NULL}}, CONFIG, "REDIS_CACHE_TTL", "none"},
        {{{"REDIS_CACHE_TTL=hour"}, {NULL}}, CONFIG, "REDIS_CACHE_TTL: \"hour\"", "none"},
        {{{"REDIS_TIMEOUT=0"}, {NULL}}, CONFIG, "REDIS_TIMEOUT: \"0\"", "0.001 to 3600"},
        {{{"REDIS_TIMEOUT=0.000"}, {NULL}}, CONFIG, "REDIS_TIMEOUT", "0.001 to 3600"},
        {{{"REDIS_TIMEOUT=0.0005"}, {NULL}}, CONFIG, "REDIS_TIMEOUT", "three decimals"},
        {{{"REDIS_TIMEOUT=-1"}, {NULL}}, CONFIG, "REDIS_TIMEOUT: \"-1\"", "0.001 to 3600"},
        {{{"REDIS_TIMEOUT=inf"}, {NULL}}, CONFIG, "REDIS_TIMEOUT: \"inf\"", "0.001 to 3600"},
        {{{"REDIS_TIMEOUT=1e3"}, {NULL}}, CONFIG, "REDIS_TIMEOUT: \"1e3\"", "0.001 to 3600"},
        {{{"REDIS_TIMEOUT=1."}, {NULL}}, CONFIG, "REDIS_TIMEOUT", "0.001 to 3600"},
        {{{"REDIS_TIMEOUT=.5"}, {NULL}}, CONFIG, "REDIS_TIMEOUT", "0.001 to 3600"},
        {{{"REDIS_TIMEOUT=1,5"}, {NULL}}, CONFIG, "REDIS_TIMEOUT", "0.001 to 3600"},
        {{{"REDIS_TIMEOUT=3600.001"}, {NULL}}, CONFIG, "REDIS_TIMEOUT", "0.001 to 3600"},
        {{{"REDIS_TIMEOUT=9223372036854775807"}, {NULL}}, CONFIG, "REDIS_TIMEOUT", "3600"},
        {{{"REDIS_TIMEOUT=9223372036854775.9"}, {NULL}}, CONFIG, "REDIS_TIMEOUT", "3600"},
        {{{"REDIS_RETRY_ON_TIMEOUT=perhaps"}, {NULL}}, CONFIG,
         "REDIS_RETRY_ON_TIMEOUT: \"perhaps\"", "true, false, yes, no"},
        {{{"REDIS_MAX_CONNECTIONS=0"}, {NULL}}, CONFIG, "REDIS_MAX_CONNECTIONS", "1 to 10000"},
        {{{"REDIS_MAX_CONNECTIONS=10001"}, {NULL}}, CONFIG, "REDIS_MAX_CONNECTIONS", "10000"},
        {{{"REDIS_MAX_RETRIES=-1"}, {NULL}}, CONFIG, "REDIS_MAX_RETRIES: \"-1\"", "0 to 10"},
        {{{"REDIS_MAX_RETRIES=11"}, {NULL}}, CONFIG, "REDIS_MAX_RETRIES: \"11\"", "0 to 10"},
        {{{"REDIS_BREAKER=auto"}, {NULL}}, CONFIG, "REDIS_BREAKER: \"auto\"", "true, false"},
        {{{"REDIS_BREAKER_OPEN=0"}, {NULL}}, CONFIG, "REDIS_BREAKER_OPEN", "0.01 to 60 seconds"},
        {{{"REDIS_BREAKER_OPEN=0.009"}, {NULL}}, CONFIG, "REDIS_BREAKER_OPEN", "0.01 to 60"},
        {{{"REDIS_BREAKER_OPEN=60.001"}, {NULL}}, CONFIG, "REDIS_BREAKER_OPEN", "0.01 to 60"},
        {{{"REDIS_RECONNECT_MAX=0.049"}, {NULL}}, CONFIG, "REDIS_RECONNECT_MAX", "0.05 to 60"},
        {{{"REDIS_RECONNECT_MAX=61"}, {NULL}}, CONFIG, "REDIS_RECONNECT_MAX", "0.05 to 60"},
        {{{"VALKEY_HOST=v", "REDIS_RECONNECT_MAX=x"}, {NULL}}, CONFIG, "REDIS_RECONNECT_MAX",
         "0.05 to 60"},
        {{{"REDIS_INTEGRITY_CHECK=-1"}, {NULL}}, CONFIG, "REDIS_INTEGRITY_CHECK", "0 to 1000000"},
        {{{"REDIS_INTEGRITY_CHECK=1000001"}, {NULL}}, CONFIG, "REDIS_INTEGRITY_CHECK",
         "0 to 1000000"},
        {{{"CACHE_BACKEND=memory", "CACHE_MEMORY_BYTES=65535"}, {NULL}}, CONFIG,
         "CACHE_MEMORY_BYTES: \"65535\"", "65536 to 1099511627776"},
        {{{"CACHE_BACKEND=memory", "CACHE_MEMORY_BYTES=1025GiB"}, {NULL}}, CONFIG,
         "CACHE_MEMORY_BYTES", "GiB"},
        {{{"CACHE_BACKEND=memory", "CACHE_MEMORY_BYTES=64MB"}, {NULL}}, CONFIG,
         "CACHE_MEMORY_BYTES: \"64MB\"", "KiB, MiB or GiB"},
        {{{"CACHE_BACKEND=memory", "CACHE_MEMORY_BYTES=9223372036854775807GiB"}, {NULL}}, CONFIG,
         "CACHE_MEMORY_BYTES", "GiB"},
        {{{"CACHE_BACKEND=memory", "CACHE_MEMORY_BYTES=MiB"}, {NULL}}, CONFIG,
         "CACHE_MEMORY_BYTES", "GiB"},
        {{{"CACHE_BACKEND=memory", "CACHE_TTL=0"}, {NULL}}, CONFIG, "CACHE_TTL", "none"},
        {{{"REDIS_HOST=localhost:6379"}, {NULL}}, CONFIG, "REDIS_HOST", "without port"},
        {{{"REDIS_HOST=[::1]"}, {NULL}}, CONFIG, "REDIS_HOST", "brackets"},
        {{{"REDIS_HOST=::g"}, {NULL}}, CONFIG, "REDIS_HOST", "address"},
        {{{"REDIS_HOST=fe80::1%"}, {NULL}}, CONFIG, "REDIS_HOST", "address"},
        {{{"REDIS_HOST=a b"}, {NULL}}, CONFIG, "REDIS_HOST", "address"},
        {{{"REDIS_HOST=redis://a"}, {NULL}}, CONFIG, "REDIS_HOST", "address"},
    };
    run_refusals(k_cases, KIT_COUNT(k_cases));
}

static void test_refusal__two_that_exclude_each_other(void **state)
{
    (void)state;
    static const struct refusal k_cases[] = {
        {{{"REDIS_URL=redis://r", "REDIS_HOST=r"}, {NULL}}, CONFIG, "REDIS_URL", "REDIS_HOST"},
        {{{"REDIS_URL=redis://r", "REDIS_PORT=1"}, {NULL}}, CONFIG, "REDIS_URL", "REDIS_PORT"},
        {{{"REDIS_URL=redis://r", "REDIS_UNIX_SOCKET=/r"}, {NULL}}, CONFIG, "REDIS_URL",
         "REDIS_UNIX_SOCKET"},
        {{{"REDIS_UNIX_SOCKET=/r", "REDIS_HOST=r"}, {NULL}}, CONFIG, "REDIS_UNIX_SOCKET",
         "REDIS_HOST"},
        {{{"REDIS_UNIX_SOCKET=/r", "REDIS_PORT=1"}, {NULL}}, CONFIG, "REDIS_UNIX_SOCKET",
         "REDIS_PORT"},
        {{{"VALKEY_URL=redis://r", "VALKEY_HOST=r"}, {NULL}}, CONFIG, "VALKEY_URL",
         "VALKEY_HOST"},
        {{{"VALKEY_HOST=v", "REDIS_URL=redis://r", "REDIS_HOST=r"}, {NULL}}, CONFIG,
         "REDIS_URL", "REDIS_HOST"},
        {{{"CACHE_BACKEND=valkey", "REDIS_URL=redis://r", "REDIS_HOST=r"}, {NULL}}, CONFIG,
         "REDIS_URL", "REDIS_HOST"},
        {{{"REDIS_PASSWORD=CANARY", "REDIS_PASSWORD_FILE=/f"}, {NULL}}, CONFIG,
         "REDIS_PASSWORD ", "REDIS_PASSWORD_FILE"},
        {{{"VALKEY_PASSWORD=CANARY", "VALKEY_PASSWORD_FILE=/f", "VALKEY_HOST=v"}, {NULL}},
         CONFIG, "VALKEY_PASSWORD ", "VALKEY_PASSWORD_FILE"},
        {{{NULL}, {"url=redis://h", "host=h"}}, CONFIG, "options.url", "options.host"},
        {{{NULL}, {"url=redis://h", "unix_socket=/s"}}, CONFIG, "options.url",
         "options.unix_socket"},
        {{{NULL}, {"unix_socket=/s", "host=h"}}, CONFIG, "options.unix_socket", "options.host"},
        {{{NULL}, {"unix_socket=/s", "port=1"}}, CONFIG, "options.unix_socket", "options.port"},
        {{{NULL}, {"url=unix:///s", "port=1"}}, CONFIG, "options.url", "options.port"},
        {{{NULL}, {"password=CANARY", "password_file=/f"}}, CONFIG, "options.password ",
         "options.password_file"},
        {{{NULL}, {"provider=redis", "url=memory://"}}, CONFIG, "options.provider",
         "options.url"},
        {{{NULL}, {"provider=memory", "url=redis://h"}}, CONFIG, "options.provider",
         "options.url"},
        {{{NULL}, {"provider=memory", "url=unix:///s"}}, CONFIG, "options.provider",
         "options.url"},
        {{{"REDIS_URL=memory://"}, {NULL}}, CONFIG, "REDIS_URL", "CACHE_BACKEND"},
        {{{"VALKEY_URL=memory://"}, {NULL}}, CONFIG, "VALKEY_URL", "CACHE_BACKEND"},
    };
    run_refusals(k_cases, KIT_COUNT(k_cases));
}

static void test_refusal__tls_and_plain_text_at_once(void **state)
{
    (void)state;
    static const struct refusal k_cases[] = {
        {{{"REDIS_URL=redis://h", "REDIS_TLS=true"}, {NULL}}, CONFIG, "REDIS_TLS", "plain text"},
        {{{"REDIS_URL=rediss://h", "REDIS_TLS=false"}, {NULL}}, CONFIG, "REDIS_TLS", "says TLS"},
        {{{"VALKEY_URL=valkeys://h", "REDIS_TLS=no"}, {NULL}}, CONFIG, "REDIS_TLS", "says TLS"},
        {{{"REDIS_URL=unix:///s", "REDIS_TLS=1"}, {NULL}}, CONFIG, "REDIS_TLS", "Unix socket"},
        {{{"REDIS_UNIX_SOCKET=/s", "REDIS_TLS=1"}, {NULL}}, CONFIG, "REDIS_TLS", "Unix socket"},
        {{{"REDIS_TLS=1"}, {"url=redis://h"}}, CONFIG, "REDIS_TLS", "plain text"},
        {{{NULL}, {"url=redis://h", "tls=1"}}, CONFIG, "options.tls", "plain text"},
        {{{"REDIS_TLS_CA_FILE=/ca"}, {NULL}}, CONFIG, "REDIS_TLS_CA_FILE", "TLS is not"},
        {{{"REDIS_TLS_CA_DIR=/ca"}, {NULL}}, CONFIG, "REDIS_TLS_CA_DIR", "TLS is not"},
        {{{"REDIS_TLS_INSECURE=1"}, {NULL}}, CONFIG, "REDIS_TLS_INSECURE", "TLS is not"},
        {{{"REDIS_TLS_MIN_VERSION=1.3"}, {NULL}}, CONFIG, "REDIS_TLS_MIN_VERSION", "TLS is not"},
        {{{"REDIS_TLS_SERVER_NAME=h"}, {NULL}}, CONFIG, "REDIS_TLS_SERVER_NAME", "TLS is not"},
        {{{"REDIS_TLS=1", "REDIS_TLS_SERVER_NAME="}, {NULL}}, CONFIG, "REDIS_TLS_SERVER_NAME",
         "1 to 255"},
        {{{"REDIS_TLS=1", "REDIS_TLS_CA_FILE="}, {NULL}}, CONFIG, "REDIS_TLS_CA_FILE", "1 to"},
        {{{"REDIS_TLS=1", "REDIS_TLS_CERT_FILE=/c"}, {NULL}}, CONFIG, "REDIS_TLS_CERT_FILE", "key"},
        {{{"REDIS_TLS=1", "REDIS_TLS_KEY_FILE=/k"}, {NULL}}, CONFIG, "REDIS_TLS_KEY_FILE",
         "certificate"},
        {{{"REDIS_TLS=1", "REDIS_TLS_INSECURE=1", "REDIS_TLS_CA_FILE=/c"}, {NULL}}, CONFIG,
         "REDIS_TLS_CA_FILE", "tls_insecure"},
        {{{"REDIS_TLS=1", "REDIS_TLS_INSECURE=1", "REDIS_TLS_SERVER_NAME=h"}, {NULL}}, CONFIG,
         "REDIS_TLS_SERVER_NAME", "tls_insecure"},
        {{{"REDIS_TLS=1", "REDIS_TLS_MIN_VERSION=1.1"}, {NULL}}, CONFIG,
         "REDIS_TLS_MIN_VERSION: \"1.1\"", "1.2 or 1.3"},
        {{{"VALKEY_URL=valkeys://a", "REDIS_URL=redis://b"}, {NULL}}, CONFIG, "plain text",
         "CACHE_BACKEND"},
        {{{"REDIS_URL=https://u:CANARY@h"}, {NULL}}, CONFIG, "REDIS_URL", "api_key"},
        {{{"REDIS_URL=http://h"}, {NULL}}, CONFIG, "REDIS_URL", "https://"},
        {{{"REDIS_URL=http://127.evil.example"}, {NULL}}, CONFIG, "REDIS_URL", "https://"},
        {{{"REDIS_URL=https://h?q=1"}, {NULL}}, CONFIG, "REDIS_URL", "query"},
        {{{"REDIS_URL=https://h", "REDIS_TLS=no"}, {NULL}}, CONFIG, "REDIS_TLS", "says TLS"},
        {{{"REDIS_URL=https://h", "REDIS_DB=1"}, {NULL}}, CONFIG, "REDIS_DB", "api_key"},
        {{{"REDIS_URL=https://h", "REDIS_PASSWORD=CANARY"}, {NULL}}, CONFIG, "REDIS_PASSWORD",
         "api_key"},
        {{{"REDIS_API_KEY=CANARY"}, {NULL}}, CONFIG, "REDIS_API_KEY", "https://"},
    };
    run_refusals(k_cases, KIT_COUNT(k_cases));
}

/* Fields set by the program itself, past what text can say. */
static void test_refusal__bad_fields_name_the_field(void **state)
{
    (void)state;
    scene_clear_environment();
    char long_text[5000];
    memset(long_text, 'a', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    fac_options o[29];
    static const char *const k_names[] = {
        "options.port", "options.port", "options.db", "options.db", "options.ttl_ms",
        "options.ttl_ms", "options.max_connections", "options.timeout_ms",
        "options.retry_on_timeout", "options.provider", "options.memory_bytes",
        "options.memory_bytes", "options.host", "options.host", "options.unix_socket",
        "options.prefix", "options.open", "options.url", "options.password_file",
        "options.password", "options.max_retries", "options.max_retries", "options.breaker",
        "options.breaker_open_ms", "options.breaker_open_ms", "options.reconnect_max_ms",
        "options.reconnect_max_ms", "options.integrity_check", "options.integrity_check",
    };
    for (size_t i = 0; i < KIT_COUNT(o); i++) {
        fac_options_init(&o[i]);
    }
    o[0].port = -1;
    o[1].port = 65536;
    o[2].db = -2;
    o[3].db = 1000001;
    o[4].ttl_ms = 0;
    o[5].ttl_ms = INT64_C(315360000001);
    o[6].max_connections = UINT32_MAX;
    o[7].timeout_ms = 3600001;
    o[8].retry_on_timeout = (fac_choice)3;
    o[9].provider = (fac_provider)5;
    o[10].memory_bytes = 65535;
    o[11].memory_bytes = UINT64_MAX;
    o[12].host = "";
    o[13].host = long_text;
    o[14].unix_socket = long_text;
    o[15].prefix = long_text;
    o[16].open = (fac_open_mode)2;
    o[17].url = long_text;
    o[18].password_file = "";
    o[19].password = long_text;
    o[20].max_retries = -2;
    o[21].max_retries = 11;
    o[22].breaker = (fac_choice)3;
    o[23].breaker_open_ms = 9;
    o[24].breaker_open_ms = 60001;
    o[25].reconnect_max_ms = 49;
    o[26].reconnect_max_ms = UINT32_MAX;
    o[27].integrity_check = -2;
    o[28].integrity_check = 1000001;
    for (size_t i = 0; i < KIT_COUNT(o); i++) {
        struct faci_config *config = NULL;
        fac_error err = {.message = ""};
        assert_status(faci_config_resolve(&o[i], &config, &err), FAC_E_CONFIG, &err);
        assert_contains(err.message, k_names[i]);
        assert_null(config);
    }
}
/* clang-format on */

static void test_refusal__every_text_has_its_limit(void **state)
{
    (void)state;
    static const struct {
        const char *variable;
        size_t max;
        char fill;
    } k_cases[] = {
        {"REDIS_HOST", 255, 'h'},      {"REDIS_UNIX_SOCKET", 107, '/'},
        {"REDIS_PREFIX", 256, 'p'},    {"REDIS_USERNAME", 256, 'u'},
        {"REDIS_PASSWORD", 4096, 'p'}, {"REDIS_PASSWORD_FILE", 4095, 'f'},
    };
    char text[5000];
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        for (size_t extra = 0; extra < 2; extra++) {
            scene_clear_environment();
            memset(text, k_cases[i].fill, k_cases[i].max + extra);
            text[k_cases[i].max + extra] = '\0';
            scene_setenv(k_cases[i].variable, text);
            struct faci_config *config = NULL;
            fac_error err = {.message = ""};
            fac_status st = faci_config_resolve(NULL, &config, &err);
            assert_status(st, extra > 0 ? FAC_E_CONFIG : FAC_OK, &err);
            if (extra > 0) {
                assert_contains(err.message, k_cases[i].variable);
            }
            faci_config_free(config);
        }
    }
}

static void test_refusal__a_value_over_4_kib_is_refused_unread(void **state)
{
    (void)state;
    static char text[200000];
    memset(text, '1', sizeof(text) - 1);
    scene_clear_environment();
    scene_setenv("REDIS_DB", text);
    struct faci_config *config = NULL;
    fac_error err = {.message = ""};
    assert_status(faci_config_resolve(NULL, &config, &err), FAC_E_CONFIG, &err);
    assert_contains(err.message, "REDIS_DB");
    assert_contains(err.message, "4096 bytes");
}

/* Resolve with one variable set. True when refused, with a message that names the variable. */
static bool is_refused_without_secret(const char *variable, bool is_memory, const char *value)
{
    scene_clear_environment();
    if (is_memory) {
        scene_setenv("CACHE_BACKEND", "memory");
    }
    scene_setenv(variable, value);
    struct faci_config *config = NULL;
    fac_error err = {.message = ""};
    bool is_refused = faci_config_resolve(NULL, &config, &err) < 0;
    if (is_refused) {
        assert_contains(err.message, variable);
    }
    /* Half of it would be too much. */
    assert_null(strstr(err.message, "CAN"));
    assert_null(strstr(err.message, "ARY"));
    faci_config_free(config);
    return is_refused;
}

static size_t count_refusals(const char *value)
{
    size_t n_refused = 0;
    for (size_t id = 0; id < FACI_SETTING_COUNT; id++) {
        const struct faci_setting_row *row = &k_faci_settings[id];
        for (size_t family = 0; family < FACI_FAMILY_COUNT; family++) {
            bool is_memory = family == FACI_FAMILY_CACHE && id != FACI_SETTING_PROVIDER;
            if (row->variables[family] != NULL &&
                is_refused_without_secret(row->variables[family], is_memory, value)) {
                n_refused++;
            }
        }
        fac_options options;
        fac_error err = {.message = ""};
        fac_options_init(&options);
        (void)!fac_options_set(&options, row->name, value, &err);
        assert_null(strstr(err.message, "CAN"));
        assert_null(strstr(err.message, "ARY"));
    }
    return n_refused;
}

/* Whatever variable a secret was put into, wrong or right, no message has it. */
static void test_secret__is_in_no_message(void **state)
{
    (void)state;
    static const char *const k_values[] = {
        "redis://user:CANARY@host:99999",
        "redis://:CANARY@",
        "redis://CANARY@host",
        "redis://user:CANARY@host/x",
        "redis://user:CANARY@host?CANARY",
        "redis://user:%zzCANARY@host",
        "redis://:CAN/ARY@host",
        "redis://:CANARY/x@host",
        "redis://:CANARY#x@host",
        "redis://:CANARY?x@host",
        "redis://:CANARY@@host",
        "redis://u:CANARY@ho st",
        "unix://u:CANARY@host/s",
        "memory://u:CANARY@host",
        "https://u:CANARY@host",
        "rediss://u:CANARY@host:0",
        "postgres://u:CANARY@host",
        "u:CANARY@host",
        "redis:/u:CANARY@host",
        "redis://u:CANARY@[::1",
        "redis://u:CANARY@[host]",
        "redis://u:CANARY@host:0",
        "redis://u:CANARY@host/1/2",
    };
    for (size_t i = 0; i < KIT_COUNT(k_values); i++) {
        /* Of the 31 variables, those that are no free text. */
        assert_true(count_refusals(k_values[i]) >= 18);
    }
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_refusal__bad_values_name_variable_value_and_range),
    KIT_TEST(test_refusal__two_that_exclude_each_other),
    KIT_TEST(test_refusal__tls_and_plain_text_at_once),
    KIT_TEST(test_refusal__bad_fields_name_the_field),
    KIT_TEST(test_refusal__every_text_has_its_limit),
    KIT_TEST(test_refusal__a_value_over_4_kib_is_refused_unread),
    KIT_TEST(test_secret__is_in_no_message),
};

KIT_MAIN(k_tests)
