/* SPDX-License-Identifier: MIT */
/* net/module_load.c — the shared library's modules lie beside it and are loaded from there, from
 * nowhere else: who could put a file elsewhere on a search path shall not be run by it. */
#include "net/module.h"

#include "base/error.h"
#include "base/fork.h"
#include "net/http_module.h"
#include "net/tls_module.h"

#include <faciliter/version.h>

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    PATH_BYTES = 4096,
};

/* Its folder is that of the library that this code is in. */
static fac_status path_of(const char *file, char *out, size_t cap, fac_error *err)
{
    Dl_info info;
    union {
        unsigned (*function)(void);
        const void *pointer;
    } here = {.function = faci_fork_generation};
    if (dladdr(here.pointer, &info) == 0 || info.dli_fname == NULL) {
        return faci_fail(err, FAC_E_UNSUPPORTED, 0, "cannot tell where the library lies");
    }
    const char *slash = strrchr(info.dli_fname, '/');
    int dir_len = slash != NULL ? (int)(slash - info.dli_fname) : 1;
    int len = snprintf(out, cap, "%.*s/%s", dir_len, slash != NULL ? info.dli_fname : ".",
                       file);
    if (len < 0 || (size_t)len >= cap) {
        return faci_fail(err, FAC_E_UNSUPPORTED, 0, "the library's path is too long");
    }
    return FAC_OK;
}

/* The function of the module's one symbol gives its table. Never unloaded: threads may be in it. */
static fac_status load(const char *file, const char *symbol, const char *package,
                       const void **out, fac_error *err)
{
    char path[PATH_BYTES];
    fac_status st = path_of(file, path, sizeof(path), err);
    if (st < 0) {
        return st;
    }
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == NULL) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc keeps it for each thread */
        const char *why = dlerror();
        return faci_fail(err, FAC_E_UNSUPPORTED, 0,
                         "%s cannot be loaded (it comes with %s): %s", file, package,
                         why != NULL ? why : "no reason given");
    }
    union {
        void *pointer;
        const void *(*function)(void);
    } found = {.pointer = dlsym(handle, symbol)};
    if (found.pointer == NULL) {
        return faci_fail(err, FAC_E_UNSUPPORTED, 0, "%s is no module of this library", file);
    }
    *out = found.function();
    return FAC_OK;
}

static fac_status check(const char *file, unsigned abi, unsigned want, const char *version,
                        fac_error *err)
{
    if (abi != want || strcmp(version, fac_version()) != 0) {
        return faci_fail(err, FAC_E_UNSUPPORTED, 0, "%s is of version %.20s, the library is %s",
                         file, version, fac_version());
    }
    return FAC_OK;
}

#ifdef FAC_HAS_TLS
fac_status faci_module_tls(const struct faci_tls_module **out, fac_error *err)
{
    static const char k_file[] = "faciliter_tls.so";
    const void *table = NULL;
    fac_status st = load(k_file, FACI_TLS_SYMBOL, "OpenSSL 3, package libssl3", &table, err);
    const struct faci_tls_module *module = table;
    if (st == FAC_OK) {
        st = check(k_file, module->abi, FACI_TLS_ABI, module->version, err);
    }
    if (st == FAC_OK) {
        *out = module;
    }
    return st;
}
#else
fac_status faci_module_tls(const struct faci_tls_module **out, fac_error *err)
{
    (void)out;
    return faci_fail(err, FAC_E_UNSUPPORTED, 0, "TLS is not built into this library (FAC_TLS)");
}
#endif

#ifdef FAC_HAS_HTTP
fac_status faci_module_http(const struct faci_http_module **out, fac_error *err)
{
    static const char k_file[] = "faciliter_http.so";
    const void *table = NULL;
    fac_status st = load(k_file, FACI_HTTP_SYMBOL,
                         "libcurl and jansson, packages libcurl4 and libjansson4", &table, err);
    const struct faci_http_module *module = table;
    if (st == FAC_OK) {
        st = check(k_file, module->abi, FACI_HTTP_ABI, module->version, err);
    }
    if (st == FAC_OK) {
        *out = module;
    }
    return st;
}
#else
fac_status faci_module_http(const struct faci_http_module **out, fac_error *err)
{
    (void)out;
    return faci_fail(err, FAC_E_UNSUPPORTED, 0,
                     "https:// is not built into this library (FAC_HTTP)");
}
#endif
