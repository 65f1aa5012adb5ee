/* SPDX-License-Identifier: MIT */
/* The password of a handshake: from the settings, or from a file in any state. */
#include "engine/secret.h"

#include "kit/kit.h"
#include "kit/memory.h"
#include "kit/workdir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scene {
    struct kit_memory memory;
    struct kit_workdir dir;
    char path[KIT_WORKDIR_PATH_BYTES + 16];
    struct faci_engine_config config;
};

static void begin(struct scene *scene)
{
    kit_memory_init(&scene->memory);
    kit_workdir_make(&scene->dir);
    (void)snprintf(scene->path, sizeof(scene->path), "%s/secret", scene->dir.path);
    scene->config = (struct faci_engine_config){.alloc = &scene->memory.hook,
                                                .password_file = scene->path};
}

static void end(struct scene *scene)
{
    kit_workdir_remove(&scene->dir);
    kit_memory_assert_empty(&scene->memory);
}

static void write_file(const struct scene *scene, const void *bytes, size_t len)
{
    FILE *file = fopen(scene->path, "wbe");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* Load and compare; NULL: it is refused, and the error names the file, never what is in it. */
static void expect(const struct scene *scene, const char *want)
{
    struct faci_secret secret;
    fac_error err;
    fac_status st = faci_secret_load(&secret, &scene->config, &err);
    if (want == NULL) {
        assert_status(st, FAC_E_CONFIG, &err);
        assert_contains(err.message, scene->path);
        assert_null(strstr(err.message, "pass-"));
    } else {
        assert_status(st, FAC_OK, &err);
        assert_string_equal(secret.text, want);
    }
    faci_secret_fini(&secret);
    assert_null(secret.text);
}

static void test_secret__of_the_settings(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    scene.config.password_file = NULL;
    struct faci_secret secret;
    fac_error err;
    assert_status(faci_secret_load(&secret, &scene.config, &err), FAC_OK, &err);
    assert_null(secret.text);
    faci_secret_fini(&secret);
    scene.config.password = "pass-word\n";
    assert_status(faci_secret_load(&secret, &scene.config, &err), FAC_OK, &err);
    assert_ptr_equal(secret.text, scene.config.password);
    faci_secret_fini(&secret);
    end(&scene);
}

static void test_secret__of_a_file_less_one_line_end(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        const char *want;
    } k_cases[] = {
        {"pass-word", "pass-word"},
        {"pass-word\n", "pass-word"},
        {"pass-word\r\n", "pass-word"},
        {"pass-word\n\n", "pass-word\n"},
        {"pass-word\r\n\r\n", "pass-word\r\n"},
        {"pass-word\r", "pass-word\r"},
        {"pass-\nword", "pass-\nword"},
        {" pass-word ", " pass-word "},
        {"", ""},
        {"\n", ""},
        {"\r\n", ""},
    };
    struct scene scene;
    begin(&scene);
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        write_file(&scene, k_cases[i].content, strlen(k_cases[i].content));
        expect(&scene, k_cases[i].want);
    }
    end(&scene);
}

static void test_secret__length_to_the_last_byte(void **state)
{
    (void)state;
    static char content[FACI_SECRET_MAX_BYTES + 100];
    static char want[FACI_SECRET_MAX_BYTES + 1];
    static const char *const k_ends[] = {"", "\n", "\r\n"};
    memset(want, 'p', FACI_SECRET_MAX_BYTES);
    struct scene scene;
    begin(&scene);
    for (size_t i = 0; i < KIT_COUNT(k_ends); i++) {
        size_t end_len = strlen(k_ends[i]);
        memset(content, 'p', sizeof(content));
        memcpy(content + FACI_SECRET_MAX_BYTES, k_ends[i], end_len);
        write_file(&scene, content, FACI_SECRET_MAX_BYTES + end_len);
        expect(&scene, want);
        content[FACI_SECRET_MAX_BYTES] = 'p';
        memcpy(content + FACI_SECRET_MAX_BYTES + 1, k_ends[i], end_len);
        write_file(&scene, content, FACI_SECRET_MAX_BYTES + 1 + end_len);
        expect(&scene, NULL);
    }
    write_file(&scene, content, sizeof(content));
    expect(&scene, NULL);
    end(&scene);
}

/* A file that goes on after the line end where reading stops is no password of that length. */
static void test_secret__line_end_at_the_limit_is_not_the_end(void **state)
{
    (void)state;
    static char content[FACI_SECRET_MAX_BYTES + 100];
    static const char *const k_ends[] = {"\n", "\r\n", "p\n"};
    struct scene scene;
    begin(&scene);
    for (size_t i = 0; i < KIT_COUNT(k_ends); i++) {
        memset(content, 'p', sizeof(content));
        memcpy(content + FACI_SECRET_MAX_BYTES, k_ends[i], strlen(k_ends[i]));
        write_file(&scene, content, sizeof(content));
        expect(&scene, NULL);
    }
    end(&scene);
}

static void test_secret__with_a_nul_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    write_file(&scene, "pass-\0word\n", 11);
    expect(&scene, NULL);
    write_file(&scene, "\0", 1);
    expect(&scene, NULL);
    end(&scene);
}

static void test_secret__file_that_cannot_be_read(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    struct faci_secret secret;
    fac_error err;
    assert_status(faci_secret_load(&secret, &scene.config, &err), FAC_E_CONFIG, &err);
    assert_int_equal(err.os_errno, ENOENT);
    assert_contains(err.message, scene.path);
    faci_secret_fini(&secret);

    assert_int_equal(mkdir(scene.path, 0700), 0);
    assert_status(faci_secret_load(&secret, &scene.config, &err), FAC_E_CONFIG, &err);
    assert_int_equal(err.os_errno, EISDIR);
    faci_secret_fini(&secret);
    assert_int_equal(rmdir(scene.path), 0);
    end(&scene);
}

static void test_secret__is_read_anew_each_time(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    write_file(&scene, "pass-one\n", 9);
    expect(&scene, "pass-one");
    write_file(&scene, "pass-two\n", 9);
    expect(&scene, "pass-two");
    end(&scene);
}

static void test_secret__without_memory(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    write_file(&scene, "pass-word\n", 10);
    kit_memory_fail(&scene.memory, 1, true);
    struct faci_secret secret;
    fac_error err;
    assert_status(faci_secret_load(&secret, &scene.config, &err), FAC_E_NOMEM, &err);
    assert_null(secret.text);
    faci_secret_fini(&secret);
    end(&scene);
}

/* The allocator of the last test: keeps what it is given back, to look into. */
static char kept[64];

static void *keep_allocate(void *context, size_t bytes)
{
    (void)context;
    memset(kept, 0, sizeof(kept));
    return bytes <= sizeof(kept) ? kept : NULL;
}

static void *keep_reallocate(void *context, void *block, size_t bytes)
{
    (void)context;
    (void)bytes;
    return block;
}

static void keep_release(void *context, void *block)
{
    (void)context;
    (void)block;
}

static void test_secret__is_zeroed_at_the_end(void **state)
{
    (void)state;
    static const fac_allocator k_keep = {keep_allocate, keep_reallocate, keep_release, NULL};
    static const char k_zeros[sizeof(kept)];
    struct scene scene;
    begin(&scene);
    scene.config.alloc = &k_keep;
    write_file(&scene, "pass-word\n", 10);
    struct faci_secret secret;
    fac_error err;
    assert_status(faci_secret_load(&secret, &scene.config, &err), FAC_OK, &err);
    assert_string_equal(kept, "pass-word");
    faci_secret_fini(&secret);
    assert_memory_equal(kept, k_zeros, sizeof(kept));
    end(&scene);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_secret__of_the_settings),
    KIT_TEST(test_secret__of_a_file_less_one_line_end),
    KIT_TEST(test_secret__length_to_the_last_byte),
    KIT_TEST(test_secret__line_end_at_the_limit_is_not_the_end),
    KIT_TEST(test_secret__with_a_nul_is_refused),
    KIT_TEST(test_secret__file_that_cannot_be_read),
    KIT_TEST(test_secret__is_read_anew_each_time),
    KIT_TEST(test_secret__without_memory),
    KIT_TEST(test_secret__is_zeroed_at_the_end),
};

KIT_MAIN(k_tests)
