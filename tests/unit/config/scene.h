/* SPDX-License-Identifier: MIT */
/* config/scene.h — an environment and options for one case, as words in a table's row. */
#ifndef FAC_TEST_CONFIG_SCENE_H
#define FAC_TEST_CONFIG_SCENE_H

#include "config/config.h"
#include "config/settings.h"

#include "kit/kit.h"
#include "kit/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCENE_MAX = 6
};

/* "NAME=value" pairs; unused places are NULL. */
struct scene {
    const char *env[SCENE_MAX];
    const char *options[SCENE_MAX];
};

/* Each test is a process of one thread, so its environment is its own to change. */
static inline void scene_setenv(const char *name, const char *value)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe) */
    assert_int_equal(setenv(name, value, 1), 0);
}

static inline void scene_clear_environment(void)
{
    for (size_t id = 0; id < FACI_SETTING_COUNT; id++) {
        for (size_t family = 0; family < FACI_FAMILY_COUNT; family++) {
            const char *name = k_faci_settings[id].variables[family];
            if (name != NULL) {
                /* NOLINTNEXTLINE(concurrency-mt-unsafe) */
                assert_int_equal(unsetenv(name), 0);
            }
        }
    }
}

/* Cuts "name=value"; returns the value. */
static inline const char *scene_cut(const char *pair, char *name, size_t cap)
{
    const char *equals = strchr(pair, '=');
    assert_non_null(equals);
    assert_true((size_t)(equals - pair) < cap);
    memcpy(name, pair, (size_t)(equals - pair));
    name[equals - pair] = '\0';
    return equals + 1;
}

/* The environment holds exactly the scene's variables; the options exactly its options. */
static inline void scene_set(const struct scene *scene, fac_options *options)
{
    char name[64];
    scene_clear_environment();
    for (size_t i = 0; i < SCENE_MAX && scene->env[i] != NULL; i++) {
        const char *value = scene_cut(scene->env[i], name, sizeof(name));
        scene_setenv(name, value);
    }
    fac_options_init(options);
    for (size_t i = 0; i < SCENE_MAX && scene->options[i] != NULL; i++) {
        fac_error err;
        const char *value = scene_cut(scene->options[i], name, sizeof(name));
        fac_status st = fac_options_set(options, name, value, &err);
        assert_status(st, FAC_OK, &err);
    }
}

/* Resolve a scene that must work. Ends with faci_config_free(). */
static inline struct faci_config *scene_resolve(const struct scene *scene)
{
    fac_options options;
    scene_set(scene, &options);
    fac_error err = {.message = ""};
    struct faci_config *config = NULL;
    fac_status st = faci_config_resolve(&options, &config, &err);
    assert_status(st, FAC_OK, &err);
    assert_non_null(config);
    return config;
}

#endif
