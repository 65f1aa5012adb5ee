/* SPDX-License-Identifier: MIT */
/* Selection, fall-back and precedence: which server a given environment and options mean. */
#include "scene.h"

/* "family endpoint/db", the second choice behind a space and '|'. */
static void say(const struct faci_config *config, char *buf, size_t cap)
{
    static const char *const k_families[] = {"?", "auto", "redis", "valkey", "memory"};
    size_t used = 0;
    for (unsigned i = 0; i < config->n_choices; i++) {
        char endpoint[300];
        const struct faci_settings *choice = &config->choices[i];
        faci_settings_endpoint(choice, endpoint, sizeof(endpoint));
        int n = snprintf(buf + used, cap - used, "%s%s %s/%u", i > 0 ? " | " : "",
                         k_families[choice->family], endpoint, (unsigned)choice->db);
        assert_true(n > 0 && (size_t)n < cap - used);
        used += (size_t)n;
    }
}

struct endpoint_case {
    struct scene scene;
    const char *want;
};

static void run_endpoint_cases(const struct endpoint_case *cases, size_t n_cases)
{
    for (size_t i = 0; i < n_cases; i++) {
        char got[700];
        struct faci_config *config = scene_resolve(&cases[i].scene);
        say(config, got, sizeof(got));
        if (strcmp(got, cases[i].want) != 0) {
            (void)fprintf(stderr, "row %zu\n", i);
        }
        assert_string_equal(got, cases[i].want);
        faci_config_free(config);
    }
}

/* clang-format off */
static void test_select__auto_takes_the_named_server(void **state)
{
    (void)state;
    static const struct endpoint_case k_cases[] = {
        {{{NULL}, {NULL}}, "redis localhost:6379/0"},
        {{{"REDIS_HOST=r"}, {NULL}}, "redis r:6379/0"},
        {{{"REDIS_PORT=1"}, {NULL}}, "redis localhost:1/0"},
        {{{"REDIS_URL=redis://u:p@r:9/3"}, {NULL}}, "redis r:9/3"},
        {{{"REDIS_UNIX_SOCKET=/r"}, {NULL}}, "redis unix:/r/0"},
        {{{"VALKEY_HOST=v"}, {NULL}}, "valkey v:6379/0"},
        {{{"VALKEY_PORT=2"}, {NULL}}, "valkey localhost:2/0"},
        {{{"VALKEY_URL=valkey://v"}, {NULL}}, "valkey v:6379/0"},
        {{{"VALKEY_URL=redis://v"}, {NULL}}, "valkey v:6379/0"},
        {{{"VALKEY_UNIX_SOCKET=/v"}, {NULL}}, "valkey unix:/v/0"},
        {{{"REDIS_URL=valkey://r"}, {NULL}}, "redis r:6379/0"},
        {{{"REDIS_URL=unix:///r%20x?db=4"}, {NULL}}, "redis unix:/r x/4"},
        {{{"REDIS_HOST=::1"}, {NULL}}, "redis [::1]:6379/0"},
        {{{"REDIS_URL=redis://[::1]:7/"}, {NULL}}, "redis [::1]:7/0"},
        /* No server is named: a VALKEY_* setting hints at Valkey, a REDIS_* one does not. */
        {{{"VALKEY_DB=3"}, {NULL}}, "valkey localhost:6379/3"},
        {{{"REDIS_DB=3"}, {NULL}}, "redis localhost:6379/3"},
        {{{"VALKEY_PREFIX=v:", "REDIS_HOST=r"}, {NULL}}, "redis r:6379/0"},
        {{{"CACHE_BACKEND=auto"}, {NULL}}, "redis localhost:6379/0"},
        {{{"CACHE_BACKEND="}, {NULL}}, "redis localhost:6379/0"},
        {{{"CACHE_BACKEND=valkey"}, {NULL}}, "valkey localhost:6379/0"},
        {{{"CACHE_BACKEND=redis", "VALKEY_HOST=v"}, {NULL}}, "redis localhost:6379/0"},
        {{{"CACHE_BACKEND=memory", "REDIS_HOST=r"}, {NULL}}, "memory memory/0"},
        {{{"CACHE_BACKEND=redis"}, {"provider=valkey"}}, "valkey localhost:6379/0"},
        {{{"CACHE_BACKEND=nonsense"}, {"provider=auto"}}, "redis localhost:6379/0"},
        /* Empty is not set. */
        {{{"VALKEY_HOST=", "REDIS_HOST=r", "REDIS_URL="}, {NULL}}, "redis r:6379/0"},
    };
    run_endpoint_cases(k_cases, KIT_COUNT(k_cases));
}

static void test_select__auto_keeps_a_second_server(void **state)
{
    (void)state;
    static const struct endpoint_case k_cases[] = {
        {{{"VALKEY_HOST=v", "REDIS_HOST=r"}, {NULL}}, "valkey v:6379/0 | redis r:6379/0"},
        {{{"VALKEY_PORT=7", "REDIS_HOST=r"}, {NULL}}, "valkey r:7/0 | redis r:6379/0"},
        {{{"VALKEY_URL=valkey://v", "REDIS_URL=redis://r/2"}, {NULL}},
         "valkey v:6379/0 | redis r:6379/2"},
        {{{"VALKEY_UNIX_SOCKET=/v", "REDIS_PORT=3"}, {NULL}},
         "valkey unix:/v/0 | redis localhost:3/0"},
        /* The same endpoint, said twice. */
        {{{"VALKEY_HOST=r", "REDIS_HOST=R"}, {NULL}}, "valkey r:6379/0"},
        {{{"VALKEY_HOST=r", "VALKEY_DB=1", "REDIS_HOST=r"}, {NULL}}, "valkey r:6379/1"},
        {{{"VALKEY_UNIX_SOCKET=/s", "REDIS_URL=unix:///s"}, {NULL}}, "valkey unix:/s/0"},
        /* One provider asked for, or an explicit endpoint: one choice. */
        {{{"CACHE_BACKEND=valkey", "VALKEY_HOST=v", "REDIS_HOST=r"}, {NULL}}, "valkey v:6379/0"},
        {{{"VALKEY_HOST=v", "REDIS_HOST=r"}, {"provider=redis"}}, "redis r:6379/0"},
        {{{"VALKEY_HOST=v", "REDIS_HOST=r"}, {"host=h"}}, "valkey h:6379/0"},
        {{{"VALKEY_HOST=v", "REDIS_HOST=r"}, {"unix_socket=/s"}}, "valkey unix:/s/0"},
        {{{"VALKEY_HOST=v", "REDIS_HOST=r"}, {"url=redis://h"}}, "redis h:6379/0"},
        {{{"VALKEY_HOST=v", "REDIS_HOST=r"}, {"port=9"}}, "valkey v:9/0 | redis r:9/0"},
    };
    run_endpoint_cases(k_cases, KIT_COUNT(k_cases));
}

static void test_fallback__valkey_inherits_one_by_one(void **state)
{
    (void)state;
    static const struct endpoint_case k_cases[] = {
        {{{"CACHE_BACKEND=valkey", "REDIS_HOST=r"}, {NULL}}, "valkey r:6379/0"},
        {{{"CACHE_BACKEND=valkey", "REDIS_HOST=r", "REDIS_PORT=1", "REDIS_DB=2"}, {NULL}},
         "valkey r:1/2"},
        {{{"CACHE_BACKEND=valkey", "REDIS_HOST=r", "VALKEY_PORT=1"}, {NULL}}, "valkey r:1/0"},
        {{{"CACHE_BACKEND=valkey", "VALKEY_HOST=v", "REDIS_PORT=1"}, {NULL}}, "valkey v:1/0"},
        {{{"CACHE_BACKEND=valkey", "REDIS_URL=redis://r:5/6"}, {NULL}}, "valkey r:5/6"},
        {{{"CACHE_BACKEND=valkey", "REDIS_UNIX_SOCKET=/r"}, {NULL}}, "valkey unix:/r/0"},
        /* Whoever names an endpoint of its own inherits neither URL nor socket. */
        {{{"CACHE_BACKEND=valkey", "VALKEY_HOST=v", "REDIS_URL=redis://r:5/6"}, {NULL}},
         "valkey v:6379/0"},
        {{{"CACHE_BACKEND=valkey", "VALKEY_PORT=7", "REDIS_URL=redis://r:5/6"}, {NULL}},
         "valkey localhost:7/0"},
        {{{"CACHE_BACKEND=valkey", "VALKEY_PORT=7", "REDIS_UNIX_SOCKET=/r"}, {NULL}},
         "valkey localhost:7/0"},
        {{{"CACHE_BACKEND=valkey", "VALKEY_UNIX_SOCKET=/v", "REDIS_HOST=r", "REDIS_PORT=1"},
          {NULL}}, "valkey unix:/v/0"},
        /* A URL is a whole endpoint: without a port it is 6379. */
        {{{"CACHE_BACKEND=valkey", "VALKEY_URL=valkey://v", "REDIS_PORT=1"}, {NULL}},
         "valkey v:6379/0"},
        /* The nearer family's db, then the farther one's URL, then its variable. */
        {{{"CACHE_BACKEND=valkey", "VALKEY_DB=1", "REDIS_URL=redis://r/2"}, {NULL}},
         "valkey r:6379/1"},
        {{{"CACHE_BACKEND=valkey", "VALKEY_URL=valkey://v", "REDIS_DB=3"}, {NULL}},
         "valkey v:6379/3"},
        {{{"REDIS_URL=redis://r/2", "REDIS_DB=3"}, {NULL}}, "redis r:6379/2"},
        {{{"REDIS_URL=redis://r", "REDIS_DB=3"}, {NULL}}, "redis r:6379/3"},
        /* Redis never reads VALKEY_*. */
        {{{"CACHE_BACKEND=redis", "VALKEY_DB=9", "VALKEY_PORT=9"}, {NULL}},
         "redis localhost:6379/0"},
    };
    run_endpoint_cases(k_cases, KIT_COUNT(k_cases));
}

static void test_precedence__options_beat_the_environment(void **state)
{
    (void)state;
    static const struct endpoint_case k_cases[] = {
        {{{"REDIS_HOST=r", "REDIS_PORT=1", "REDIS_DB=2"}, {"host=h"}}, "redis h:1/2"},
        {{{"REDIS_HOST=r", "REDIS_PORT=1", "REDIS_DB=2"}, {"port=9"}}, "redis r:9/2"},
        {{{"REDIS_HOST=r", "REDIS_PORT=1", "REDIS_DB=2"}, {"db=0"}}, "redis r:1/0"},
        /* An endpoint of another kind silences the environment's. */
        {{{"REDIS_URL=redis://r:5/6"}, {"host=h"}}, "redis h:6379/0"},
        {{{"REDIS_URL=redis://r:5/6", "REDIS_HOST=x"}, {"host=h"}}, "redis h:6379/0"},
        {{{"REDIS_URL=not a url"}, {"host=h"}}, "redis h:6379/0"},
        {{{"REDIS_UNIX_SOCKET=/r"}, {"host=h"}}, "redis h:6379/0"},
        {{{"REDIS_UNIX_SOCKET=/r"}, {"url=redis://h"}}, "redis h:6379/0"},
        {{{"REDIS_HOST=r", "REDIS_PORT=5"}, {"url=redis://h"}}, "redis h:6379/0"},
        {{{"REDIS_HOST=r", "REDIS_PORT=5"}, {"unix_socket=/s"}}, "redis unix:/s/0"},
        {{{"REDIS_UNIX_SOCKET=/r"}, {"port=9"}}, "redis localhost:9/0"},
        {{{"REDIS_URL=unix:///r"}, {"port=9"}}, "redis localhost:9/0"},
        /* A field beats a part of a URL, whoever gave the URL. */
        {{{"REDIS_URL=redis://r:5/6"}, {"port=9", "db=7"}}, "redis r:9/7"},
        {{{NULL}, {"url=redis://h:5/6", "port=9", "db=7"}}, "redis h:9/7"},
        {{{"REDIS_DB=3"}, {"url=redis://h/6"}}, "redis h:6379/6"},
        {{{"REDIS_DB=3"}, {"url=redis://h"}}, "redis h:6379/3"},
        {{{"REDIS_DB=3"}, {"url=unix:///s?db=5"}}, "redis unix:/s/5"},
    };
    run_endpoint_cases(k_cases, KIT_COUNT(k_cases));
}

static void test_select__an_explicit_url_decides_the_provider(void **state)
{
    (void)state;
    static const struct endpoint_case k_cases[] = {
        {{{NULL}, {"url=redis://h"}}, "redis h:6379/0"},
        {{{NULL}, {"url=valkey://h"}}, "valkey h:6379/0"},
        {{{NULL}, {"url=VALKEY://h"}}, "valkey h:6379/0"},
        {{{NULL}, {"url=memory://"}}, "memory memory/0"},
        {{{"CACHE_BACKEND=memory"}, {"url=redis://h"}}, "redis h:6379/0"},
        {{{"CACHE_BACKEND=redis"}, {"url=memory://"}}, "memory memory/0"},
        {{{"CACHE_BACKEND=valkey"}, {"url=unix:///s"}}, "valkey unix:/s/0"},
        {{{"CACHE_BACKEND=memory"}, {"url=unix:///s"}}, "redis unix:/s/0"},
        {{{"VALKEY_DB=1"}, {"url=unix:///s"}}, "valkey unix:/s/1"},
        {{{NULL}, {"url=valkey://h", "provider=redis"}}, "redis h:6379/0"},
        {{{NULL}, {"url=redis://h", "provider=valkey"}}, "valkey h:6379/0"},
        {{{NULL}, {"url=valkey://h", "provider=auto"}}, "valkey h:6379/0"},
        {{{NULL}, {"url=memory://", "provider=memory"}}, "memory memory/0"},
        {{{"CACHE_BACKEND=memory"}, {"host=h"}}, "memory memory/0"},
    };
    run_endpoint_cases(k_cases, KIT_COUNT(k_cases));
}

/* "user password file", "-" for none. */
static void test_credentials__one_source_each(void **state)
{
    (void)state;
    static const struct {
        struct scene scene;
        const char *want;
    } k_cases[] = {
        {{{NULL}, {NULL}}, "- - -"},
        {{{"REDIS_USERNAME=u"}, {NULL}}, "u - -"},
        {{{"REDIS_USERNAME=u", "REDIS_PASSWORD=p"}, {NULL}}, "u p -"},
        {{{"REDIS_PASSWORD_FILE=/f"}, {NULL}}, "- - /f"},
        {{{"REDIS_PASSWORD_FILE=/f"}, {"password=p"}}, "- p -"},
        {{{"REDIS_PASSWORD=p"}, {"password_file=/f"}}, "- - /f"},
        {{{"REDIS_PASSWORD=p"}, {"password="}}, "- - -"},
        {{{"REDIS_PASSWORD_FILE=/f"}, {"password="}}, "- - -"},
        {{{"REDIS_PASSWORD=p", "REDIS_USERNAME=u"}, {"username="}}, "- p -"},
        {{{"REDIS_PASSWORD=p", "REDIS_URL=redis://:q@r"}, {NULL}}, "- q -"},
        {{{"REDIS_USERNAME=u", "REDIS_URL=redis://:q@r"}, {NULL}}, "u q -"},
        {{{"REDIS_PASSWORD_FILE=/f", "REDIS_URL=redis://a:q@r"}, {NULL}}, "a q -"},
        {{{"REDIS_PASSWORD_FILE=/f", "REDIS_URL=redis://r"}, {NULL}}, "- - /f"},
        {{{"REDIS_URL=redis://a:q@r"}, {"password=p"}}, "a p -"},
        {{{"REDIS_URL=redis://a:q@r"}, {"username=b"}}, "b q -"},
        {{{"REDIS_URL=redis://a:q@r"}, {"host=h"}}, "- - -"},
        {{{"REDIS_PASSWORD=p"}, {"host=h"}}, "- p -"},
        {{{"REDIS_PASSWORD=p"}, {"url=redis://a:@h"}}, "a - -"},
        {{{"REDIS_URL=redis://%41%3a:p%40%2F%25%c3%a4@r"}, {NULL}}, "A: p@/%\xc3\xa4 -"},
        {{{"REDIS_URL=redis://u:a:b@r"}, {NULL}}, "u a:b -"},
        {{{"REDIS_URL=unix://u:p@/s"}, {NULL}}, "u p -"},
        /* Valkey: the pair is inherited as one. */
        {{{"CACHE_BACKEND=valkey", "REDIS_USERNAME=u", "REDIS_PASSWORD=p"}, {NULL}}, "u p -"},
        {{{"CACHE_BACKEND=valkey", "VALKEY_PASSWORD=v", "REDIS_PASSWORD_FILE=/f"}, {NULL}},
         "- v -"},
        {{{"CACHE_BACKEND=valkey", "VALKEY_PASSWORD_FILE=/f", "REDIS_PASSWORD=p"}, {NULL}},
         "- - /f"},
        {{{"CACHE_BACKEND=valkey", "VALKEY_PASSWORD=v", "REDIS_URL=redis://a:q@r"}, {NULL}},
         "a v -"},
        {{{"CACHE_BACKEND=valkey", "VALKEY_HOST=v", "REDIS_URL=redis://a:q@r"}, {NULL}},
         "- - -"},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_config *config = scene_resolve(&k_cases[i].scene);
        const struct faci_settings *s = &config->choices[0];
        char got[128];
        (void)snprintf(got, sizeof(got), "%s %s %s", s->username != NULL ? s->username : "-",
                       s->password != NULL ? faci_secret_reveal(s->password) : "-",
                       s->password_file != NULL ? s->password_file : "-");
        assert_string_equal(got, k_cases[i].want);
        faci_config_free(config);
    }
}

/* "prefix ttl connections timeout retry bytes" */
static void test_precedence__everything_else(void **state)
{
    (void)state;
    static const struct {
        struct scene scene;
        const char *want;
    } k_cases[] = {
        {{{NULL}, {NULL}}, "cache: 3600000 50 4000 1 67108864"},
        {{{"REDIS_PREFIX=p:", "REDIS_CACHE_TTL=1", "REDIS_MAX_CONNECTIONS=2",
           "REDIS_TIMEOUT=0.25", "REDIS_RETRY_ON_TIMEOUT=OFF"}, {NULL}},
         "p: 1000 2 250 0 67108864"},
        {{{"REDIS_PREFIX=p:", "REDIS_CACHE_TTL=1", "REDIS_MAX_CONNECTIONS=2",
           "REDIS_TIMEOUT=0.25", "REDIS_RETRY_ON_TIMEOUT=no"},
          {"prefix=", "ttl=none", "max_connections=10000", "timeout=3600",
           "retry_on_timeout=Yes", "memory_bytes=64KiB"}},
         " -2147483647 10000 3600000 1 65536"},
        {{{"CACHE_BACKEND=valkey", "REDIS_PREFIX=r:", "REDIS_CACHE_TTL=5",
           "VALKEY_PREFIX=v:", "VALKEY_TIMEOUT=1", "REDIS_TIMEOUT=2"}, {NULL}},
         "v: 5000 50 1000 1 67108864"},
        {{{"CACHE_BACKEND=valkey", "REDIS_MAX_CONNECTIONS=7", "REDIS_RETRY_ON_TIMEOUT=0",
           "REDIS_TIMEOUT=2"}, {NULL}}, "cache: 3600000 7 2000 0 67108864"},
        /* Memory has variables of its own, and the servers do not read them. */
        {{{"CACHE_BACKEND=memory", "CACHE_PREFIX=m:", "CACHE_TTL=none", "CACHE_MEMORY_BYTES=1MiB",
           "REDIS_PREFIX=r:", "REDIS_CACHE_TTL=9"}, {NULL}}, "m: -2147483647 50 4000 1 1048576"},
        {{{"CACHE_BACKEND=memory", "REDIS_PREFIX=r:", "REDIS_CACHE_TTL=9"}, {NULL}},
         "cache: 3600000 50 4000 1 67108864"},
        {{{"CACHE_PREFIX=m:", "CACHE_TTL=1", "CACHE_MEMORY_BYTES=1MiB"}, {NULL}},
         "cache: 3600000 50 4000 1 67108864"},
        {{{"CACHE_BACKEND=memory", "CACHE_TTL=1"}, {"ttl=315360000", "memory_bytes=1024GiB"}},
         "cache: 315360000000 50 4000 1 1099511627776"},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_config *config = scene_resolve(&k_cases[i].scene);
        const struct faci_settings *s = &config->choices[0];
        char got[200];
        (void)snprintf(got, sizeof(got), "%s %lld %u %u %d %llu", s->prefix,
                       (long long)s->ttl_ms, (unsigned)s->max_connections,
                       (unsigned)s->timeout_ms, (int)s->retry_on_timeout,
                       (unsigned long long)s->memory_bytes);
        assert_string_equal(got, k_cases[i].want);
        faci_config_free(config);
    }
}

/* "retries breaker open reconnect check" */
static void test_precedence__what_a_failing_server_meets(void **state)
{
    (void)state;
    static const struct {
        struct scene scene;
        const char *want;
    } k_cases[] = {
        {{{NULL}, {NULL}}, "2 1 1000 2000 0"},
        {{{"REDIS_MAX_RETRIES=0", "REDIS_BREAKER=no", "REDIS_BREAKER_OPEN=0.01",
           "REDIS_RECONNECT_MAX=0.05", "REDIS_INTEGRITY_CHECK=1000000"}, {NULL}},
         "0 0 10 50 1000000"},
        /* Zeros that a program says are no "inherit". */
        {{{"REDIS_MAX_RETRIES=10", "REDIS_BREAKER=yes", "REDIS_BREAKER_OPEN=60",
           "REDIS_RECONNECT_MAX=60", "REDIS_INTEGRITY_CHECK=7"},
          {"max_retries=0", "breaker=false", "breaker_open=0.5", "reconnect_max=1.25",
           "integrity_check=0"}}, "0 0 500 1250 0"},
        {{{"CACHE_BACKEND=valkey", "VALKEY_MAX_RETRIES=3", "REDIS_MAX_RETRIES=4",
           "REDIS_BREAKER=0", "REDIS_RECONNECT_MAX=4", "VALKEY_INTEGRITY_CHECK=5"}, {NULL}},
         "3 0 1000 4000 5"},
        {{{"CACHE_BACKEND=redis", "VALKEY_MAX_RETRIES=3", "VALKEY_BREAKER=0"}, {NULL}},
         "2 1 1000 2000 0"},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        struct faci_config *config = scene_resolve(&k_cases[i].scene);
        const struct faci_settings *s = &config->choices[0];
        char got[100];
        (void)snprintf(got, sizeof(got), "%u %d %u %u %u", (unsigned)s->max_retries,
                       (int)s->breaker, (unsigned)s->breaker_open_ms,
                       (unsigned)s->reconnect_max_ms, (unsigned)s->integrity_check);
        assert_string_equal(got, k_cases[i].want);
        faci_config_free(config);
    }
}
/* clang-format on */

static void test_precedence__ignores_the_environment_on_demand(void **state)
{
    (void)state;
    static const struct scene k_scene = {
        {"CACHE_BACKEND=nonsense", "REDIS_HOST=r", "REDIS_PORT=abc", "VALKEY_URL=x"}, {NULL}};
    fac_options options;
    scene_set(&k_scene, &options);
    options.ignore_environment = true;
    struct faci_config *config = NULL;
    fac_error err;
    assert_status(faci_config_resolve(&options, &config, &err), FAC_OK, &err);
    assert_int_equal(config->provider, FAC_AUTO);
    assert_string_equal(config->choices[0].host, "localhost");
    faci_config_free(config);
}

static void test_precedence__no_options_is_the_environment_alone(void **state)
{
    (void)state;
    static const struct scene k_scene = {{"REDIS_HOST=r"}, {NULL}};
    fac_options options;
    scene_set(&k_scene, &options);
    struct faci_config *config = NULL;
    fac_error err;
    assert_status(faci_config_resolve(NULL, &config, &err), FAC_OK, &err);
    assert_string_equal(config->choices[0].host, "r");
    faci_config_free(config);
}

static void test_relevance__variables_of_others_are_not_parsed(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct endpoint_case k_cases[] = {
        {{{"CACHE_BACKEND=redis", "VALKEY_PORT=abc", "VALKEY_TIMEOUT=x"}, {NULL}},
         "redis localhost:6379/0"},
        {{{"CACHE_BACKEND=valkey", "VALKEY_PORT=1", "REDIS_PORT=abc"}, {NULL}},
         "valkey localhost:1/0"},
        {{{"CACHE_BACKEND=memory", "REDIS_PORT=abc", "VALKEY_URL=x"}, {NULL}},
         "memory memory/0"},
        {{{"CACHE_MEMORY_BYTES=abc", "CACHE_TTL=abc"}, {NULL}}, "redis localhost:6379/0"},
        {{{"REDIS_PORT=abc"}, {"port=1"}}, "redis localhost:1/0"},
    };
    /* clang-format on */
    run_endpoint_cases(k_cases, KIT_COUNT(k_cases));
}

static void test_equal__tells_every_setting_apart(void **state)
{
    (void)state;
    static const struct scene k_base = {{"REDIS_HOST=r"}, {NULL}};
    static const struct scene k_same = {{NULL}, {"host=r"}};
    static const struct scene k_others[] = {
        {{"REDIS_HOST=q"}, {NULL}},
        {{"REDIS_UNIX_SOCKET=/r"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_PORT=1"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_DB=1"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_USERNAME=u"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_PASSWORD=p"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_PASSWORD_FILE=/p"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_PREFIX=p"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_CACHE_TTL=1"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_MAX_CONNECTIONS=1"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_TIMEOUT=1"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_RETRY_ON_TIMEOUT=0"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_MAX_RETRIES=1"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_BREAKER=0"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_BREAKER_OPEN=2"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_RECONNECT_MAX=3"}, {NULL}},
        {{"REDIS_HOST=r", "REDIS_INTEGRITY_CHECK=1"}, {NULL}},
        {{"REDIS_HOST=r"}, {"memory_bytes=65536"}},
        {{"REDIS_HOST=r", "CACHE_BACKEND=redis"}, {NULL}},
        {{"REDIS_HOST=r", "CACHE_BACKEND=valkey"}, {NULL}},
        {{"REDIS_HOST=r", "CACHE_BACKEND=memory"}, {NULL}},
        {{"REDIS_HOST=r", "VALKEY_HOST=v"}, {NULL}},
    };
    struct faci_config *base = scene_resolve(&k_base);
    struct faci_config *same = scene_resolve(&k_same);
    assert_true(faci_config_equal(base, base));
    assert_true(faci_config_equal(base, same));
    for (size_t i = 0; i < KIT_COUNT(k_others); i++) {
        struct faci_config *other = scene_resolve(&k_others[i]);
        struct faci_config *again = scene_resolve(&k_others[i]);
        assert_false(faci_config_equal(base, other));
        assert_false(faci_config_equal(other, base));
        assert_true(faci_config_equal(other, again));
        faci_config_free(other);
        faci_config_free(again);
    }
    faci_config_free(base);
    faci_config_free(same);
    faci_config_free(NULL);
}

static void test_equal__looks_at_the_second_choice(void **state)
{
    (void)state;
    static const struct scene k_one = {{"VALKEY_HOST=v", "REDIS_HOST=r"}, {NULL}};
    static const struct scene k_two = {{"VALKEY_HOST=v", "REDIS_HOST=q"}, {NULL}};
    struct faci_config *one = scene_resolve(&k_one);
    struct faci_config *two = scene_resolve(&k_two);
    assert_false(faci_config_equal(one, two));
    faci_config_free(one);
    faci_config_free(two);
}

static void test_endpoint__is_cut_to_fit(void **state)
{
    (void)state;
    static const struct scene k_scene = {{"REDIS_HOST=cache.internal"}, {NULL}};
    struct faci_config *config = scene_resolve(&k_scene);
    char buf[6] = "xxxxx";
    faci_settings_endpoint(&config->choices[0], buf, sizeof(buf));
    assert_string_equal(buf, "cache");
    faci_config_free(config);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_select__auto_takes_the_named_server),
    KIT_TEST(test_select__auto_keeps_a_second_server),
    KIT_TEST(test_select__an_explicit_url_decides_the_provider),
    KIT_TEST(test_fallback__valkey_inherits_one_by_one),
    KIT_TEST(test_precedence__options_beat_the_environment),
    KIT_TEST(test_precedence__everything_else),
    KIT_TEST(test_precedence__what_a_failing_server_meets),
    KIT_TEST(test_precedence__ignores_the_environment_on_demand),
    KIT_TEST(test_precedence__no_options_is_the_environment_alone),
    KIT_TEST(test_credentials__one_source_each),
    KIT_TEST(test_relevance__variables_of_others_are_not_parsed),
    KIT_TEST(test_equal__tells_every_setting_apart),
    KIT_TEST(test_equal__looks_at_the_second_choice),
    KIT_TEST(test_endpoint__is_cut_to_fit),
};

KIT_MAIN(k_tests)
