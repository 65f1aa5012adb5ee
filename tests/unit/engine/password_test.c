/* SPDX-License-Identifier: MIT */
/* The password of a handshake: from the settings, or from a file in any state. */
#include "engine/password.h"

#include "base/clock.h"

#include "kit/kit.h"
#include "kit/memory.h"
#include "kit/procwatch.h"
#include "kit/workdir.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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
    assert_int_equal(chmod(scene->path, 0600), 0);
}

/* Load and compare; NULL: it is refused, and the error names the file, never what is in it. */
static void expect(const struct scene *scene, const char *want)
{
    struct faci_password secret;
    fac_error err;
    fac_status st = faci_password_get(&secret, &scene->config, FACI_NEVER_NS, &err);
    if (want == NULL) {
        assert_status(st, FAC_E_CONFIG, &err);
        assert_contains(err.message, scene->path);
        assert_null(strstr(err.message, "pass-"));
    } else {
        assert_status(st, FAC_OK, &err);
        assert_string_equal(faci_secret_reveal(secret.text), want);
    }
    faci_password_fini(&secret);
    assert_null(secret.text);
}

static void test_password__of_the_settings(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    scene.config.password_file = NULL;
    struct faci_password secret;
    fac_error err;
    assert_status(faci_password_get(&secret, &scene.config, FACI_NEVER_NS, &err), FAC_OK, &err);
    assert_null(secret.text);
    faci_password_fini(&secret);
    struct faci_secret *given = faci_secret_new("pass-word\n", 10);
    scene.config.password = given;
    assert_status(faci_password_get(&secret, &scene.config, FACI_NEVER_NS, &err), FAC_OK, &err);
    assert_ptr_equal(secret.text, given);
    faci_password_fini(&secret);
    faci_secret_free(given);
    end(&scene);
}

static void test_password__of_a_file_less_one_line_end(void **state)
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

static void test_password__length_to_the_last_byte(void **state)
{
    (void)state;
    static char content[FACI_PASSWORD_MAX_BYTES + 100];
    static char want[FACI_PASSWORD_MAX_BYTES + 1];
    static const char *const k_ends[] = {"", "\n", "\r\n"};
    memset(want, 'p', FACI_PASSWORD_MAX_BYTES);
    struct scene scene;
    begin(&scene);
    for (size_t i = 0; i < KIT_COUNT(k_ends); i++) {
        size_t end_len = strlen(k_ends[i]);
        memset(content, 'p', sizeof(content));
        memcpy(content + FACI_PASSWORD_MAX_BYTES, k_ends[i], end_len);
        write_file(&scene, content, FACI_PASSWORD_MAX_BYTES + end_len);
        expect(&scene, want);
        content[FACI_PASSWORD_MAX_BYTES] = 'p';
        memcpy(content + FACI_PASSWORD_MAX_BYTES + 1, k_ends[i], end_len);
        write_file(&scene, content, FACI_PASSWORD_MAX_BYTES + 1 + end_len);
        expect(&scene, NULL);
    }
    write_file(&scene, content, sizeof(content));
    expect(&scene, NULL);
    end(&scene);
}

/* A file that goes on after the line end where reading stops is no password of that length. */
static void test_password__line_end_at_the_limit_is_not_the_end(void **state)
{
    (void)state;
    static char content[FACI_PASSWORD_MAX_BYTES + 100];
    static const char *const k_ends[] = {"\n", "\r\n", "p\n"};
    struct scene scene;
    begin(&scene);
    for (size_t i = 0; i < KIT_COUNT(k_ends); i++) {
        memset(content, 'p', sizeof(content));
        memcpy(content + FACI_PASSWORD_MAX_BYTES, k_ends[i], strlen(k_ends[i]));
        write_file(&scene, content, sizeof(content));
        expect(&scene, NULL);
    }
    end(&scene);
}

static void test_password__with_a_nul_is_refused(void **state)
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

static void test_password__file_that_cannot_be_read(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    struct faci_password secret;
    fac_error err;
    assert_status(faci_password_get(&secret, &scene.config, FACI_NEVER_NS, &err), FAC_E_CONFIG,
                  &err);
    assert_int_equal(err.os_errno, ENOENT);
    assert_contains(err.message, scene.path);
    faci_password_fini(&secret);

    assert_int_equal(mkdir(scene.path, 0700), 0);
    assert_status(faci_password_get(&secret, &scene.config, FACI_NEVER_NS, &err), FAC_E_CONFIG,
                  &err);
    assert_int_equal(err.os_errno, EISDIR);
    faci_password_fini(&secret);
    assert_int_equal(rmdir(scene.path), 0);
    end(&scene);
}

static void test_password__is_read_anew_each_time(void **state)
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

static void test_password__is_left_out_of_core_files(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    write_file(&scene, "pass-word\n", 10);
    struct faci_password secret;
    fac_error err;
    assert_status(faci_password_get(&secret, &scene.config, FACI_NEVER_NS, &err), FAC_OK, &err);
    assert_true(kit_is_left_out_of_core_files(faci_secret_reveal(secret.text)));
    faci_password_fini(&secret);
    end(&scene);
}

static void test_password__file_that_others_can_read_is_refused(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        const char
            *want; /* for a file of root's; of others' no group may have any part in it */
    } k_cases[] = {
        {0600, "pass-word"}, {0400, "pass-word"}, {0640, "pass-word"}, {0440, "pass-word"},
        {0660, NULL},        {0604, NULL},        {0644, NULL},        {0602, NULL},
        {0601, NULL},        {0610, NULL},        {0777, NULL},
    };
    struct scene scene;
    begin(&scene);
    write_file(&scene, "pass-word\n", 10);
    bool is_root = geteuid() == 0;
    for (size_t i = 0; i < KIT_COUNT(k_cases); i++) {
        assert_int_equal(chmod(scene.path, k_cases[i].mode), 0);
        expect(&scene, is_root || (k_cases[i].mode & 077) == 0 ? k_cases[i].want : NULL);
    }
    if (is_root) { /* somebody else's, and it is no matter who */
        assert_int_equal(chown(scene.path, 65534, 65534), 0);
        assert_int_equal(chmod(scene.path, 0640), 0);
        expect(&scene, NULL);
        assert_int_equal(chmod(scene.path, 0600), 0);
        expect(&scene, "pass-word");
    }
    end(&scene);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_password__of_the_settings),
    KIT_TEST(test_password__of_a_file_less_one_line_end),
    KIT_TEST(test_password__length_to_the_last_byte),
    KIT_TEST(test_password__line_end_at_the_limit_is_not_the_end),
    KIT_TEST(test_password__with_a_nul_is_refused),
    KIT_TEST(test_password__file_that_cannot_be_read),
    KIT_TEST(test_password__is_read_anew_each_time),
    KIT_TEST(test_password__is_left_out_of_core_files),
    KIT_TEST(test_password__file_that_others_can_read_is_refused),
};

KIT_MAIN(k_tests)
