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
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    PATH_BYTES = 4096,
};

#ifdef FAC_HAS_TLS /* without which there is no https either */
/* Its folder is that of the library that this code is in. False: the error tells. */
static bool find_path(const char *file, char *out, size_t cap, fac_error *err)
{
    Dl_info info;
    union {
        unsigned (*function)(void);
        const void *pointer;
    } here = {.function = faci_fork_generation};
    if (dladdr(here.pointer, &info) == 0 || info.dli_fname == NULL) {
        (void)faci_fail(err, FAC_E_UNSUPPORTED, 0, "cannot tell where the library lies");
        return false;
    }
    const char *slash = strrchr(info.dli_fname, '/');
    int dir_len = slash != NULL ? (int)(slash - info.dli_fname) : 1;
    int len = snprintf(out, cap, "%.*s/%s", dir_len, slash != NULL ? info.dli_fname : ".",
                       file);
    if (len < 0 || (size_t)len >= cap) {
        (void)faci_fail(err, FAC_E_UNSUPPORTED, 0, "the library's path is too long");
        return false;
    }
    return true;
}

/* The table that the module's one symbol gives; NULL, and the error tells. Never unloaded: threads may
 * be in it. */
static const void *load(const char *file, const char *symbol, const char *package,
                        fac_error *err)
{
    char path[PATH_BYTES];
    if (!find_path(file, path, sizeof(path), err)) {
        return NULL;
    }
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == NULL) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc keeps it for each thread */
        const char *why = dlerror();
        (void)faci_fail(err, FAC_E_UNSUPPORTED, 0, "%s cannot be loaded (it needs %s): %s",
                        file, package, why != NULL ? why : "no reason given");
        return NULL;
    }
    union {
        void *pointer;
        const void *(*function)(void);
    } found = {.pointer = dlsym(handle, symbol)};
    if (found.pointer == NULL) {
        (void)faci_fail(err, FAC_E_UNSUPPORTED, 0, "%s is no module of this library", file);
        return NULL;
    }
    return found.function();
}

static fac_status check(const char *file, bool is_same_abi, const char *version, fac_error *err)
{
    if (!is_same_abi || strcmp(version, fac_version()) != 0) {
        return faci_fail(err, FAC_E_UNSUPPORTED, 0, "%s is of version %.20s, the library is %s",
                         file, version, fac_version());
    }
    return FAC_OK;
}

fac_status faci_module_tls(const struct faci_tls_module **out, fac_error *err)
{
    static const char k_file[] = "faciliter_tls.so";
    const struct faci_tls_module *module = load(k_file, FACI_TLS_SYMBOL,
                                                "OpenSSL 3, package libssl3", err);
    if (module == NULL) {
        return FAC_E_UNSUPPORTED;
    }
    *out = module;
    return check(k_file, module->abi == FACI_TLS_ABI, module->version, err);
}
#else
fac_status faci_module_tls(const struct faci_tls_module **out, fac_error *err)
{
    (void)out;
    return faci_module_left_out("TLS", "FAC_TLS", err);
}
#endif

#ifdef FAC_HAS_HTTP
fac_status faci_module_http(const struct faci_http_module **out, fac_error *err)
{
    static const char k_file[] = "faciliter_http.so";
    const struct faci_http_module *module = load(
        k_file, FACI_HTTP_SYMBOL, "libcurl and jansson, packages libcurl4 and libjansson4",
        err);
    if (module == NULL) {
        return FAC_E_UNSUPPORTED;
    }
    *out = module;
    return check(k_file, module->abi == FACI_HTTP_ABI, module->version, err);
}
#else
fac_status faci_module_http(const struct faci_http_module **out, fac_error *err)
{
    (void)out;
    return faci_module_left_out("https://", "FAC_HTTP", err);
}
#endif
