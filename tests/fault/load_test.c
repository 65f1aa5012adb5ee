/* SPDX-License-Identifier: MIT */
/* Row J: the shared library is loaded and unloaded many times, with calls between. It stays mapped
 * (-z nodelete), and nothing grows. This program is linked without it: argument 1 is its path. */
#include "kit/kit.h"
#include "kit/procwatch.h"
#include "kit/server.h"
#include "kit/wait.h"

#include <faciliter/cache.h>

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

enum {
    HEAL_MS = 20000
};

/* The kit prints statuses by this name, and the library with it comes and goes. */
const char *fac_status_name(fac_status status)
{
    return status == FAC_OK ? "FAC_OK" : "an error";
}

struct library {
    void *handle;
    void (*options_init_size)(fac_options *options, size_t size);
    fac_status (*open)(const fac_options *options, fac_cache **out, fac_error *err);
    fac_status (*set)(fac_cache *cache, fac_bytes key, fac_bytes value, int64_t ttl_ms,
                      const fac_call *call, fac_error *err);
    fac_status (*exists)(fac_cache *cache, fac_bytes key, const fac_call *call, fac_error *err);
    void (*close)(fac_cache *cache);
};

/* `out` is the address of a pointer to a function, which ISO C has no cast to. */
static void find(const struct library *library, const char *name, void *out)
{
    void *found = dlsym(library->handle, name); /* NOLINT(concurrency-mt-unsafe) */
    assert_non_null(found);
    memcpy(out, &found, sizeof(found));
}

static void load(struct library *library)
{
    library->handle = dlopen(kit_arg(1), RTLD_NOW | RTLD_LOCAL);
    if (library->handle == NULL) {
        fail_msg("%s", dlerror()); /* NOLINT(concurrency-mt-unsafe) */
    }
    find(library, "fac_options_init_size", &library->options_init_size);
    find(library, "fac_cache_open", &library->open);
    find(library, "fac_cache_set", &library->set);
    find(library, "fac_cache_exists", &library->exists);
    find(library, "fac_cache_close", &library->close);
}

static void use(const struct library *library, const fac_options *options)
{
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(library->open(options, &cache, &err), FAC_OK, &err);
    assert_status(library->set(cache, fac_str("k"), fac_str("v"), 60000, NULL, &err), FAC_OK,
                  &err);
    assert_status(library->exists(cache, fac_str("k"), NULL, &err), FAC_OK, &err);
    library->close(cache);
}

static void cycle(const struct kit_server *server, size_t number)
{
    struct library library;
    load(&library);
    fac_options options;
    library.options_init_size(&options, sizeof(options));
    options.ignore_environment = true;
    options.provider = FAC_MEMORY;
    use(&library, &options);
    options.provider = FAC_REDIS;
    options.host = number % 4 == 0 ? "127.1" : "127.0.0.1"; /* a lookup's thread; or none */
    options.port = kit_server_port(server);
    options.timeout_ms = HEAL_MS;
    use(&library, &options);
    assert_int_equal(dlclose(library.handle), 0);
}

/* Mappings of the library: nodelete keeps one set of them. */
static size_t count_mappings(const char *part)
{
    FILE *file = fopen("/proc/self/maps", "re");
    assert_non_null(file);
    size_t n = 0;
    char line[1024];
    while (fgets(line, sizeof(line), file) != NULL) {
        n += strstr(line, part) != NULL ? 1U : 0U;
    }
    assert_int_equal(fclose(file), 0);
    return n;
}

static void test_load__cycles_leave_nothing(void **state)
{
    (void)state;
    struct kit_server *server = kit_server_start(
        &(struct kit_server_options){.kind = KIT_REDIS});
    /* This one, and one that a sanitizer starts with the first other. */
    size_t n_threads = kit_count_threads() + 1;
    for (size_t i = 0; i < 10; i++) {
        cycle(server, i); /* what libc and the sanitizers make once */
    }
    KIT_WAIT_FOR(HEAL_MS, kit_count_threads() <= n_threads);
    size_t n_fds = kit_count_fds();
    size_t n_mappings = count_mappings("libfaciliter");
    size_t n_all = count_mappings("");
    assert_true(n_mappings > 0);
    size_t n_cycles = kit_scaled(100); /* the row's 10^3 at a scale of 1000 */
    for (size_t i = 0; i < n_cycles; i++) {
        cycle(server, i);
    }
    KIT_WAIT_FOR(HEAL_MS, kit_count_threads() <= n_threads);
    assert_int_equal(kit_count_fds(), n_fds);
    assert_int_equal(count_mappings("libfaciliter"), n_mappings);
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__) /* theirs are many */
    /* Stacks and arenas that libc keeps may come once; one for each cycle would be a leak. */
    assert_true(count_mappings("") <= n_all + 8);
#endif
    (void)printf("%zu cycles, mappings %zu then %zu\n", n_cycles, n_all, count_mappings(""));
    kit_server_stop(server);
}

static void test_load__library_asks_to_stay(void **state)
{
    (void)state;
    struct library library;
    load(&library);
    struct link_map *map = NULL;
    assert_int_equal(dlinfo(library.handle, RTLD_DI_LINKMAP, &map), 0);
    bool has_flag = false;
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        has_flag = has_flag ||
                   (entry->d_tag == DT_FLAGS_1 && (entry->d_un.d_val & DF_1_NODELETE) != 0);
    }
    assert_true(has_flag);
    assert_int_equal(dlclose(library.handle), 0);
    assert_true(count_mappings("libfaciliter") > 0);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_load__cycles_leave_nothing),
    KIT_TEST(test_load__library_asks_to_stay),
};

KIT_MAIN(k_tests)
