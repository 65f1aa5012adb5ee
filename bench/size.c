/* SPDX-License-Identifier: MIT */
/* bench/size.c — weighs the shared library and a process that uses it.
 *
 * The process is a fresh one, not a fork: a fork's heap is warm and would hide what is allocated.
 * It loads the library with dlopen, so that the library's own pages and relocations count. */
#include "size.h"

#include "driver.h"

#include <faciliter/cache.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

bool bench_library_bytes(double *out_bytes, const char **out_what)
{
#ifdef BENCH_STRIPPED_LIBRARY
    const char *path = BENCH_STRIPPED_LIBRARY;
    *out_what = "libfaciliter.so, stripped";
#else
    const char *path = BENCH_SHARED_LIBRARY;
    *out_what = "libfaciliter.so, not stripped";
#endif
    struct stat info;
    if (stat(path, &info) != 0) {
        return bench_broke("%s is not there", path);
    }
    *out_bytes = (double)info.st_size;
    return true;
}

/* KiB of resident memory. smaps_rollup walks the page tables; the counters of statm lag behind
 * by up to 64 pages a thread. No stdio: its buffers would count. */
static long resident_kib(void)
{
    static char text[4096];
    int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    if (n <= 0) {
        return -1;
    }
    text[n] = '\0';
    const char *at = strstr(text, "\nRss:");
    return at == NULL ? -1 : strtol(at + 5, NULL, 10);
}

/* The functions of the loaded library. */
struct loaded {
    void (*options_init_size)(fac_options *, size_t);
    fac_status (*cache_open)(const fac_options *, fac_cache **, fac_error *);
    fac_status (*cache_exists)(fac_cache *, fac_bytes, const fac_call *, fac_error *);
};

/* dlsym() gives a data pointer where a function's is wanted: copied, as ISO C has no cast for it. */
static bool find(void *library, const char *name, void *out_function)
{
    void *symbol = dlsym(library, name);
    memcpy(out_function, &symbol, sizeof(symbol));
    if (symbol == NULL) {
        (void)bench_broke("%s lacks %s", BENCH_SHARED_LIBRARY, name);
        return false;
    }
    return true;
}

static bool load(struct loaded *out)
{
    void *library = dlopen(BENCH_SHARED_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        (void)bench_broke("%s cannot be loaded", BENCH_SHARED_LIBRARY);
        return false;
    }
    return find(library, "fac_options_init_size", &out->options_init_size) &&
           find(library, "fac_cache_open", &out->cache_open) &&
           find(library, "fac_cache_exists", &out->cache_exists);
}

int bench_resident_probe(const char *port_text)
{
    /* Twice: the first look touches the pages that looking needs. */
    (void)resident_kib();
    const long before_kib = resident_kib();
    struct loaded library;
    if (!load(&library)) {
        return 1;
    }
    fac_options options;
    library.options_init_size(&options, sizeof(options));
    options.ignore_environment = true;
    options.provider = FAC_REDIS;
    options.host = "127.0.0.1";
    options.port = (int32_t)strtol(port_text, NULL, 10);
    fac_error err;
    fac_cache *cache = NULL;
    if (library.cache_open(&options, &cache, &err) != FAC_OK ||
        library.cache_exists(cache, fac_str("absent"), NULL, &err) != FAC_MISS) {
        (void)bench_broke("probe: %s", err.message);
        return 1;
    }
    const long after_kib = resident_kib();
    if (before_kib < 0 || after_kib < 0) {
        (void)bench_broke("no /proc/self/smaps_rollup");
        return 1;
    }
    (void)printf("%ld\n", (after_kib - before_kib) * 1024);
    return 0;
}

bool bench_resident_bytes(int port, double *out_bytes)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        return bench_broke("no pipe");
    }
    char port_text[16];
    (void)snprintf(port_text, sizeof(port_text), "%d", port);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(report[1], STDOUT_FILENO);
        (void)execl("/proc/self/exe", "fac_bench", "--resident-probe", port_text, (char *)NULL);
        _exit(127);
    }
    (void)close(report[1]);
    char text[32] = "";
    ssize_t n = pid < 0 ? -1 : read(report[0], text, sizeof(text) - 1);
    (void)close(report[0]);
    int outcome = -1;
    if (pid > 0) {
        (void)waitpid(pid, &outcome, 0);
    }
    if (n <= 0 || outcome != 0) {
        return bench_broke("the process that measures its memory failed");
    }
    *out_bytes = strtod(text, NULL);
    return true;
}
