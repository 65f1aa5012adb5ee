/* SPDX-License-Identifier: MIT */
/* The public functions of options.h: the ABI rule, setting by name, describing; and what every
 * failed allocation leaves behind. */
#include "scene.h"

#include "config/options.h"

static void test_abi__init_writes_only_the_callers_bytes(void **state)
{
    (void)state;
    for (size_t size = 0; size <= sizeof(fac_options) + 16; size++) {
        unsigned char bytes[sizeof(fac_options) + 64];
        memset(bytes, 0xa5, sizeof(bytes));
        fac_options full;
        faci_options_inherit(&full);
        full.size = size;
        fac_options_init_size((fac_options *)(void *)bytes, size);
        size_t known = size < sizeof(full) ? size : sizeof(full);
        assert_memory_equal(bytes, &full, known);
        for (size_t i = known; i < size; i++) {
            assert_int_equal(bytes[i], 0);
        }
        for (size_t i = size; i < sizeof(bytes); i++) {
            assert_int_equal(bytes[i], 0xa5);
        }
    }
    fac_options_init_size(NULL, sizeof(fac_options));
}

static void test_abi__shorter_options_inherit_the_rest(void **state)
{
    (void)state;
    scene_clear_environment();
    scene_setenv("REDIS_DB", "5");
    /* As the header would have been with nothing behind `port`. What lies behind in memory is
     * not the library's to read. */
    fac_options options;
    memset(&options, 0xa5, sizeof(options));
    fac_options_init_size(&options, offsetof(fac_options, db));
    options.host = "h";
    options.port = 7;
    struct faci_config *config = NULL;
    fac_error err;
    assert_status(faci_config_resolve(&options, &config, &err), FAC_OK, &err);
    assert_string_equal(config->choices[0].host, "h");
    assert_int_equal(config->choices[0].port, 7);
    assert_int_equal(config->choices[0].db, 5);
    assert_string_equal(config->choices[0].prefix, "cache:");
    faci_config_free(config);
}

/* A header without what came after `log_context`. Zero would be a value of two of those fields:
 * no retries, no check. */
static void test_abi__options_from_before_the_breaker_inherit_it(void **state)
{
    (void)state;
    scene_clear_environment();
    scene_setenv("REDIS_INTEGRITY_CHECK", "100");
    fac_options options;
    memset(&options, 0xa5, sizeof(options));
    fac_options_init_size(&options, offsetof(fac_options, max_retries));
    struct faci_config *config = NULL;
    fac_error err;
    assert_status(faci_config_resolve(&options, &config, &err), FAC_OK, &err);
    const struct faci_settings *settings = &config->choices[0];
    assert_int_equal(settings->max_retries, 2);
    assert_true(settings->breaker);
    assert_int_equal(settings->breaker_open_ms, 1000);
    assert_int_equal(settings->reconnect_max_ms, 2000);
    assert_int_equal(settings->integrity_check, 100);
    faci_config_free(config);
}

/* No header has such a size; half a pointer must not be followed all the same. */
static void test_abi__a_field_cut_in_two_is_missing(void **state)
{
    (void)state;
    fac_options in;
    fac_options out;
    fac_options_init(&in);
    in.host = "h";
    in.port = 7;
    in.size = offsetof(fac_options, host) + 3;
    fac_error err;
    assert_status(faci_options_read(&in, &out, &err), FAC_OK, &err);
    assert_null(out.host);
    assert_int_equal(out.port, 0);
    assert_int_equal(out.db, -1);
    assert_int_equal(out.size, sizeof(out));
}

static void test_abi__a_newer_header_may_set_nothing_unknown(void **state)
{
    (void)state;
    scene_clear_environment();
    struct {
        fac_options options;
        unsigned char tail[24];
    } newer;
    for (size_t at = 0; at <= sizeof(newer.tail); at++) {
        memset(&newer, 0, sizeof(newer));
        fac_options_init_size(&newer.options, sizeof(newer));
        newer.options.host = "h";
        if (at < sizeof(newer.tail)) {
            newer.tail[at] = 1;
        }
        struct faci_config *config = NULL;
        fac_error err;
        assert_status(faci_config_resolve(&newer.options, &config, &err),
                      at < sizeof(newer.tail) ? FAC_E_UNSUPPORTED : FAC_OK, &err);
        faci_config_free(config);
    }
}

static void test_abi__a_size_that_cannot_be_is_invalid(void **state)
{
    (void)state;
    scene_clear_environment();
    fac_options options;
    for (size_t size = 0; size < sizeof(size_t) + sizeof(fac_provider); size++) {
        fac_options_init(&options);
        options.size = size;
        struct faci_config *config = NULL;
        fac_error err;
        assert_status(faci_config_resolve(&options, &config, &err), FAC_E_INVALID, &err);
        assert_contains(err.message, "options.size");
        assert_status(fac_options_set(&options, "host", "h", &err), FAC_E_INVALID, &err);
    }
}

static void test_abi__an_allocator_must_be_whole(void **state)
{
    (void)state;
    scene_clear_environment();
    struct kit_memory memory;
    for (size_t i = 0; i < 3; i++) {
        kit_memory_init(&memory);
        fac_allocator hook = memory.hook;
        hook.allocate = i == 0 ? NULL : hook.allocate;
        hook.reallocate = i == 1 ? NULL : hook.reallocate;
        hook.release = i == 2 ? NULL : hook.release;
        fac_options options;
        fac_options_init(&options);
        options.allocator = &hook;
        struct faci_config *config = NULL;
        fac_error err;
        assert_status(faci_config_resolve(&options, &config, &err), FAC_E_INVALID, &err);
        assert_contains(err.message, "options.allocator");
    }
}

static void test_set__writes_each_field(void **state)
{
    (void)state;
    static const struct scene k_scene = {
        {NULL}, {"provider=valkey", "port=1", "db=0", "ttl=2", "timeout=0.5", "host=h"}};
    fac_options options;
    scene_set(&k_scene, &options);
    fac_error err;
    char user[] = "u";
    assert_status(fac_options_set(&options, "username", user, &err), FAC_OK, &err);
    assert_int_equal(err.status, FAC_OK);
    assert_status(fac_options_set(&options, "password", "", NULL), FAC_OK, NULL);
    assert_status(fac_options_set(&options, "password_file", "/f", &err), FAC_OK, &err);
    assert_status(fac_options_set(&options, "unix_socket", "/s", &err), FAC_OK, &err);
    assert_status(fac_options_set(&options, "url", "memory://", &err), FAC_OK, &err);
    assert_status(fac_options_set(&options, "prefix", "", &err), FAC_OK, &err);
    assert_status(fac_options_set(&options, "max_connections", "3", &err), FAC_OK, &err);
    assert_status(fac_options_set(&options, "retry_on_timeout", "no", &err), FAC_OK, &err);
    assert_status(fac_options_set(&options, "memory_bytes", "1GiB", &err), FAC_OK, &err);
    assert_status(fac_options_set(&options, "max_retries", "0", &err), FAC_OK, &err);
    assert_status(fac_options_set(&options, "breaker", "off", &err), FAC_OK, &err);
    assert_status(fac_options_set(&options, "breaker_open", "0.01", &err), FAC_OK, &err);
    assert_status(fac_options_set(&options, "reconnect_max", "60", &err), FAC_OK, &err);
    assert_status(fac_options_set(&options, "integrity_check", "0", &err), FAC_OK, &err);
    assert_int_equal(options.provider, FAC_VALKEY);
    assert_int_equal(options.port, 1);
    assert_int_equal(options.db, 0);
    assert_int_equal(options.ttl_ms, 2000);
    assert_int_equal(options.timeout_ms, 500);
    assert_string_equal(options.host, "h");
    assert_ptr_equal(options.username, user);
    assert_string_equal(options.password, "");
    assert_string_equal(options.password_file, "/f");
    assert_string_equal(options.unix_socket, "/s");
    assert_string_equal(options.url, "memory://");
    assert_string_equal(options.prefix, "");
    assert_int_equal(options.max_connections, 3);
    assert_int_equal(options.retry_on_timeout, FAC_NO);
    assert_int_equal(options.memory_bytes, 1073741824);
    assert_int_equal(options.max_retries, 0);
    assert_int_equal(options.breaker, FAC_NO);
    assert_int_equal(options.breaker_open_ms, 10);
    assert_int_equal(options.reconnect_max_ms, 60000);
    assert_int_equal(options.integrity_check, 0);
    assert_status(fac_options_set(&options, "retry_on_timeout", "TRUE", &err), FAC_OK, &err);
    assert_int_equal(options.retry_on_timeout, FAC_YES);
}

static void test_set__changes_nothing_when_it_fails(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        fac_status want;
        const char *part;
    } k_cases[] = {
        {"prot", "1", FAC_E_CONFIG, "\"prot\" is no setting"},
        {"", "1", FAC_E_CONFIG, "is no setting"},
        {"PORT", "1", FAC_E_CONFIG, "is no setting"},
        {"port", "", FAC_E_CONFIG, "port: "},
        {"port", "65536", FAC_E_CONFIG,
         "port: \"65536\" is not allowed; it must be 1 to 65535"},
        {"db", "-1", FAC_E_CONFIG, "db: "},
        {"host", "", FAC_E_CONFIG, "host: "},
        {"ttl", "0", FAC_E_CONFIG, "ttl: "},
        {"url", "u:CANARY@h", FAC_E_CONFIG, "url: "},
        {"url", "redisss://h", FAC_E_CONFIG, "url: the URL's scheme \"redisss\" is unknown"},
        {"tls_min_version", "1", FAC_E_CONFIG, "tls_min_version: "},
        {"password_file", "", FAC_E_CONFIG, "password_file: "},
        {"provider", "", FAC_E_CONFIG, "provider: "},
        {"open", "lazy", FAC_E_CONFIG, "is no setting"},
    };
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        fac_options options;
        fac_options before;
        fac_error err = {.message = ""};
        fac_options_init(&options);
        before = options;
        assert_status(fac_options_set(&options, k_cases[i].name, k_cases[i].value, &err),
                      k_cases[i].want, &err);
        assert_contains(err.message, k_cases[i].part);
        assert_memory_equal(&options, &before, sizeof(options));
    }
    fac_options options;
    fac_error err;
    fac_options_init(&options);
    assert_status(fac_options_set(NULL, "port", "1", &err), FAC_E_INVALID, &err);
    assert_contains(err.message, "options is NULL");
    assert_status(fac_options_set(&options, NULL, "1", &err), FAC_E_INVALID, &err);
    assert_contains(err.message, "name is NULL");
    assert_status(fac_options_set(&options, "port", NULL, &err), FAC_E_INVALID, &err);
    assert_contains(err.message, "value is NULL");
}

static void test_set__does_not_write_behind_shorter_options(void **state)
{
    (void)state;
    fac_options options;
    memset(&options, 0xa5, sizeof(options));
    fac_options_init_size(&options, offsetof(fac_options, memory_bytes));
    fac_options before = options;
    fac_error err;
    assert_status(fac_options_set(&options, "memory_bytes", "1MiB", &err), FAC_E_CONFIG, &err);
    assert_contains(err.message, "memory_bytes");
    assert_memory_equal(&options, &before, sizeof(options));
}

/* ---- describe ---- */

struct report {
    size_t n;
    char text[4096];
};

/* "name=value (source variable)\n" */
static void on_setting(void *context, const fac_setting *setting)
{
    static const char *const k_sources[] = {"default", "environment", "option", "url"};
    struct report *report = context;
    size_t used = strlen(report->text);
    assert_true(strlen(setting->help) > 10);
    int n = snprintf(report->text + used, sizeof(report->text) - used, "%s=%s (%s%s%s)\n",
                     setting->name, setting->value, k_sources[setting->source],
                     *setting->variable != '\0' ? " " : "", setting->variable);
    assert_true(n > 0 && (size_t)n < sizeof(report->text) - used);
    report->n++;
}

static void describe(const struct scene *scene, struct report *report)
{
    fac_options options;
    fac_error err = {.status = FAC_E_BUSY};
    scene_set(scene, &options);
    report->n = 0;
    report->text[0] = '\0';
    assert_status(fac_options_describe(&options, on_setting, report, &err), FAC_OK, &err);
    assert_int_equal(err.status, FAC_OK);
}

static void test_describe__tells_value_and_source_in_table_order(void **state)
{
    (void)state;
    static const struct scene k_scene = {{"CACHE_BACKEND=valkey", "REDIS_HOST=r",
                                          "VALKEY_PORT=1", "REDIS_PASSWORD=CANARY",
                                          "REDIS_TIMEOUT=0.250"},
                                         {"prefix=", "ttl=none"}};
    struct report report;
    describe(&k_scene, &report);
    assert_string_equal(report.text, "provider=valkey (environment CACHE_BACKEND)\n"
                                     "url= (default)\n"
                                     "unix_socket= (default)\n"
                                     "host=r (environment REDIS_HOST)\n"
                                     "port=1 (environment VALKEY_PORT)\n"
                                     "db=0 (default)\n"
                                     "username= (default)\n"
                                     "password=******** (environment REDIS_PASSWORD)\n"
                                     "password_file= (default)\n"
                                     "api_key= (default)\n"
                                     "tls=false (default)\n"
                                     "tls_ca_file= (default)\n"
                                     "tls_ca_dir= (default)\n"
                                     "tls_cert_file= (default)\n"
                                     "tls_key_file= (default)\n"
                                     "tls_server_name= (default)\n"
                                     "tls_min_version=1.2 (default)\n"
                                     "tls_insecure=false (default)\n"
                                     "prefix= (option)\n"
                                     "ttl=none (option)\n"
                                     "max_connections=50 (default)\n"
                                     "timeout=0.25 (environment REDIS_TIMEOUT)\n"
                                     "retry_on_timeout=true (default)\n"
                                     "max_retries=2 (default)\n"
                                     "breaker=true (default)\n"
                                     "breaker_open=1 (default)\n"
                                     "reconnect_max=2 (default)\n"
                                     "integrity_check=0 (default)\n");
}

static void test_describe__shows_the_parts_of_a_url(void **state)
{
    (void)state;
    static const struct scene k_env = {{"REDIS_URL=redis://u:CANARY@h:9/3"}, {NULL}};
    static const struct scene k_option = {{NULL}, {"url=unix://u:CANARY@/s"}};
    struct report report;
    describe(&k_env, &report);
    assert_null(strstr(report.text, "CANARY"));
    assert_contains(report.text, "provider=auto (default)\n"
                                 "url=redis://********@h:9/3 (environment REDIS_URL)\n"
                                 "unix_socket= (default)\n"
                                 "host=h (url REDIS_URL)\n"
                                 "port=9 (url REDIS_URL)\n"
                                 "db=3 (url REDIS_URL)\n"
                                 "username=u (url REDIS_URL)\n"
                                 "password=******** (url REDIS_URL)\n");
    describe(&k_option, &report);
    assert_null(strstr(report.text, "CANARY"));
    assert_contains(report.text, "url=unix://********@/s (option)\n"
                                 "unix_socket=/s (url)\n"
                                 "host= (default)\n"
                                 "port= (default)\n");
    static const struct scene k_scheme = {{NULL}, {"url=valkey://h"}};
    describe(&k_scheme, &report);
    assert_contains(report.text, "provider=valkey (url)\n");
    assert_contains(report.text, "port=6379 (default)\n");
}

static void test_describe__memory_has_only_its_own(void **state)
{
    (void)state;
    static const struct scene k_scene = {
        {"CACHE_BACKEND=memory", "CACHE_MEMORY_BYTES=2097152", "CACHE_TTL=60"}, {NULL}};
    struct report report;
    describe(&k_scene, &report);
    assert_string_equal(report.text, "provider=memory (environment CACHE_BACKEND)\n"
                                     "prefix=cache: (default)\n"
                                     "ttl=60 (environment CACHE_TTL)\n"
                                     "memory_bytes=2MiB (environment CACHE_MEMORY_BYTES)\n");
}

/* What describe shows, set accepts, and then describes the same. */
static void test_describe__values_can_be_set_again(void **state)
{
    (void)state;
    for (size_t id = 0; id < FACI_SETTING_COUNT; id++) {
        const struct faci_setting_row *row = &k_faci_settings[id];
        if (row->option_type == FACI_FIELD_TEXT) {
            continue;
        }
        const int64_t numbers[] = {row->min, row->default_number, row->max};
        for (size_t i = 0; i < KIT_COUNT(numbers); i++) {
            if (row->kind == FACI_KIND_TTL && numbers[i] == 1) {
                continue; /* whole seconds in text; a program may set 1 ms */
            }
            char text[FACI_SETTING_TEXT_BYTES];
            struct faci_setting_value value = {.number = -7};
            fac_error err;
            faci_setting_format(row, numbers[i], text, sizeof(text));
            assert_status(faci_setting_parse(row, text, row->name, &value, &err), FAC_OK, &err);
            assert_true(value.number == numbers[i]);
        }
    }
}

static void test_describe__a_time_below_a_second_is_shown_whole(void **state)
{
    (void)state;
    static const struct scene k_scene = {{NULL}, {NULL}};
    fac_options options;
    scene_set(&k_scene, &options);
    options.ttl_ms = 1;
    options.timeout_ms = 10;
    options.provider = FAC_REDIS;
    struct report report = {.text = ""};
    fac_error err;
    assert_status(fac_options_describe(&options, on_setting, &report, &err), FAC_OK, &err);
    assert_contains(report.text, "ttl=0.001 (option)");
    assert_contains(report.text, "timeout=0.01 (option)");
    assert_contains(report.text, "provider=redis (option)");
}

static void test_describe__reports_failures_and_calls_nobody(void **state)
{
    (void)state;
    static const struct scene k_scene = {{"REDIS_PORT=abc"}, {NULL}};
    fac_options options;
    struct report report = {.text = ""};
    fac_error err;
    scene_set(&k_scene, &options);
    assert_status(fac_options_describe(&options, on_setting, &report, &err), FAC_E_CONFIG,
                  &err);
    assert_int_equal(report.n, 0);
    assert_status(fac_options_describe(&options, NULL, NULL, &err), FAC_E_INVALID, &err);
    assert_contains(err.message, "fn is NULL");
}

/* ---- no memory ---- */

static const struct scene k_sweeps[] = {
    {{"VALKEY_URL=valkey://u:CANARY@v/1", "REDIS_HOST=r", "REDIS_PASSWORD_FILE=/f"}, {NULL}},
    {{"VALKEY_HOST=v", "REDIS_HOST=v", "REDIS_PASSWORD=CANARY", "REDIS_USERNAME=u"}, {NULL}},
    {{"CACHE_BACKEND=memory"}, {NULL}},
    {{NULL}, {"url=unix://u:CANARY@/s", "prefix=p"}},
};

static void test_sweep__resolve_leaks_nothing_at_any_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < KIT_COUNT(k_sweeps); i++) {
        for (size_t mode = 0; mode < 2; mode++) {
            fac_status st = FAC_E_NOMEM;
            size_t n = 0;
            while (st != FAC_OK) {
                n++;
                struct kit_memory memory;
                kit_memory_init(&memory);
                fac_options options;
                scene_set(&k_sweeps[i], &options);
                options.allocator = &memory.hook;
                kit_memory_fail(&memory, n, mode == 1);
                struct faci_config *config = NULL;
                fac_error err = {.message = ""};
                st = faci_config_resolve(&options, &config, &err);
                assert_status(st, kit_memory_n_failed(&memory) > 0 ? FAC_E_NOMEM : FAC_OK,
                              &err);
                assert_int_equal(config == NULL, st != FAC_OK);
                faci_config_free(config);
                kit_memory_assert_empty(&memory);
            }
            assert_true(n >= 3);
        }
    }
}

static void test_sweep__describe_leaks_nothing_at_any_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < KIT_COUNT(k_sweeps); i++) {
        fac_status st = FAC_E_NOMEM;
        for (size_t n = 1; st != FAC_OK; n++) {
            struct kit_memory memory;
            kit_memory_init(&memory);
            fac_options options;
            scene_set(&k_sweeps[i], &options);
            options.allocator = &memory.hook;
            kit_memory_fail(&memory, n, false);
            struct report report = {.text = ""};
            fac_error err = {.message = ""};
            st = fac_options_describe(&options, on_setting, &report, &err);
            assert_status(st, kit_memory_n_failed(&memory) > 0 ? FAC_E_NOMEM : FAC_OK, &err);
            assert_int_equal(report.n == 0, st != FAC_OK);
            assert_null(strstr(report.text, "CANARY"));
            kit_memory_assert_empty(&memory);
        }
    }
}

/* A released block is looked at before it goes: no password in it. */
static size_t n_leaked;

static void *plain_allocate(void *context, size_t bytes)
{
    return ((const fac_allocator *)context)
        ->allocate(((const fac_allocator *)context)->context, bytes);
}

static void *plain_reallocate(void *context, void *block, size_t bytes)
{
    return ((const fac_allocator *)context)
        ->reallocate(((const fac_allocator *)context)->context, block, bytes);
}

static void watching_release(void *context, void *block)
{
    /* Every block here is at least as long as the canary's three first letters and a NUL. */
    n_leaked += memcmp(block, "CAN", 3) == 0 ? 1 : 0;
    ((const fac_allocator *)context)->release(((const fac_allocator *)context)->context, block);
}

static void test_secret__is_overwritten_before_it_is_freed(void **state)
{
    (void)state;
    static const struct scene k_scene = {{"REDIS_PASSWORD=CANARY", "REDIS_USERNAME=user"},
                                         {"host=host", "prefix=prefix"}};
    struct kit_memory memory;
    kit_memory_init(&memory);
    fac_allocator hook = {plain_allocate, plain_reallocate, watching_release, &memory.hook};
    fac_options options;
    scene_set(&k_scene, &options);
    options.allocator = &hook;
    struct faci_config *config = NULL;
    fac_error err;
    n_leaked = 0;
    assert_status(faci_config_resolve(&options, &config, &err), FAC_OK, &err);
    assert_string_equal(faci_secret_reveal(config->choices[0].password), "CANARY");
    faci_config_free(config);
    assert_int_equal(n_leaked, 0);
    kit_memory_assert_empty(&memory);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_abi__init_writes_only_the_callers_bytes),
    KIT_TEST(test_abi__shorter_options_inherit_the_rest),
    KIT_TEST(test_abi__options_from_before_the_breaker_inherit_it),
    KIT_TEST(test_abi__a_field_cut_in_two_is_missing),
    KIT_TEST(test_abi__a_newer_header_may_set_nothing_unknown),
    KIT_TEST(test_abi__a_size_that_cannot_be_is_invalid),
    KIT_TEST(test_abi__an_allocator_must_be_whole),
    KIT_TEST(test_set__writes_each_field),
    KIT_TEST(test_set__changes_nothing_when_it_fails),
    KIT_TEST(test_set__does_not_write_behind_shorter_options),
    KIT_TEST(test_describe__tells_value_and_source_in_table_order),
    KIT_TEST(test_describe__shows_the_parts_of_a_url),
    KIT_TEST(test_describe__memory_has_only_its_own),
    KIT_TEST(test_describe__values_can_be_set_again),
    KIT_TEST(test_describe__a_time_below_a_second_is_shown_whole),
    KIT_TEST(test_describe__reports_failures_and_calls_nobody),
    KIT_TEST(test_sweep__resolve_leaks_nothing_at_any_allocation),
    KIT_TEST(test_sweep__describe_leaks_nothing_at_any_allocation),
    KIT_TEST(test_secret__is_overwritten_before_it_is_freed),
};

KIT_MAIN(k_tests)
