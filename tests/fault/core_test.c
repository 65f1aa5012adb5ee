/* SPDX-License-Identifier: MIT */
/* What a core file holds of a process that has used its secrets and is idle: none of them. A child
 * opens caches in every way that takes a secret, and waits. Its memory is searched as the kernel would
 * dump it (private and anonymous, but for pages that are left out: VmFlags "dd"), and then the core
 * file that the kernel really writes, where it writes one into the working directory. */
#include "kit/bridge.h"
#include "kit/kit.h"
#include "kit/workdir.h"
#include "live/live.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define HAS_SHADOW 1 /* terabytes of it, and the sanitizer forbids a core file */
#else
#    define HAS_SHADOW 0
#endif

enum {
    SECRET_BYTES = 24,
    MASK = 0x5a,
    MAX_OPEN = 4,
    N_ROUNDS = 20,
    CHUNK_BYTES = 1 << 20,
    AREA_MAX_BYTES = 1 << 27, /* what is larger is a sanitizer's shadow: an arena has 2^26 */
};

/* Each kind of secret has a text of its own. */
enum secret {
    MARKER, /* none: it lies in plain memory, and the search has to find it */
    OPTION,
    URL,
    FILE_TEXT,
    ANSWER,
    KEY, /* the bridge's */
    N_SECRETS,
};

static const char *const k_names[] = {
    "the marker",          "the password of an option", "the password of a URL",
    "the file's password", "the answer of password_fn", "the API key",
};

/* What is printable, and unlike any other text. */
static size_t show(enum secret secret, char *out)
{
    if (secret == KEY) {
        (void)snprintf(out, SECRET_BYTES + 1, "%s", KIT_BRIDGE_KEY);
        return strlen(KIT_BRIDGE_KEY);
    }
    for (size_t i = 0; i < SECRET_BYTES; i++) {
        out[i] = (char)('A' + (i * 37 + (size_t)secret * 5 + 11) % 26);
    }
    out[SECRET_BYTES] = '\0';
    return SECRET_BYTES;
}

/* --- Searching ---------------------------------------------------------------------------------- */

struct search {
    size_t n_bytes;
    size_t found[N_SECRETS];
    char masked[N_SECRETS][SECRET_BYTES]; /* the texts themselves are never in this process */
    size_t len[N_SECRETS];
};

static void search_init(struct search *search)
{
    memset(search, 0, sizeof(*search));
    for (int secret = 0; secret < N_SECRETS; secret++) {
        char text[SECRET_BYTES + 1];
        search->len[secret] = show((enum secret)secret, text);
        for (size_t i = 0; i < search->len[secret]; i++) {
            search->masked[secret][i] = (char)(text[i] ^ MASK);
        }
        explicit_bzero(text, sizeof(text));
    }
}

static bool is_at(const struct search *search, int secret, const char *bytes, size_t left)
{
    size_t i = 0;
    while (i < search->len[secret] && i < left &&
           (char)(bytes[i] ^ MASK) == search->masked[secret][i]) {
        i++;
    }
    return i == search->len[secret];
}

/* Those that begin in the first `n` of the `len` bytes. */
static void search_bytes(struct search *search, const char *bytes, size_t n, size_t len)
{
    for (int secret = 0; secret < N_SECRETS; secret++) {
        const int first = search->masked[secret][0] ^ MASK;
        const char *at = memchr(bytes, first, n);
        while (at != NULL) {
            size_t offset = (size_t)(at - bytes);
            search->found[secret] += is_at(search, secret, at, len - offset) ? 1U : 0U;
            at = memchr(at + 1, first, n - offset - 1);
        }
    }
    search->n_bytes += n;
}

/* `bytes` of a file from an offset; pieces overlap, so that a text is found across their border. */
static void search_file(struct search *search, int fd, uint64_t from, uint64_t bytes)
{
    char *chunk = malloc(CHUNK_BYTES + SECRET_BYTES);
    assert_non_null(chunk);
    for (uint64_t at = 0; at < bytes; at += CHUNK_BYTES) {
        uint64_t left = bytes - at;
        size_t want = left < CHUNK_BYTES + SECRET_BYTES ? (size_t)left
                                                        : (size_t)CHUNK_BYTES + SECRET_BYTES;
        ssize_t got = pread(fd, chunk, want, (off_t)(from + at));
        if (got <= 0) {
            break;
        }
        search_bytes(search, chunk, (size_t)got < CHUNK_BYTES ? (size_t)got : CHUNK_BYTES,
                     (size_t)got);
    }
    free(chunk);
}

/* As the kernel's default filter has it: private memory that was written, shared memory without a
 * name; not what MADV_DONTDUMP was said of. */
static void search_process(struct search *search, pid_t pid)
{
    char path[64];
    char line[4096 + 128];
    uint64_t from = 0;
    uint64_t to = 0;
    bool is_writable = false;
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    int memory = open(path, O_RDONLY | O_CLOEXEC);
    (void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
    FILE *maps = fopen(path, "re");
    assert_true(memory >= 0);
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        char *end = NULL;
        uint64_t number = strtoull(line, &end, 16);
        if (*end == '-') {
            from = number;
            to = strtoull(end + 1, &end, 16);
            is_writable = strncmp(end, " rw", 3) == 0;
        } else if (strncmp(line, "VmFlags:", 8) == 0 && is_writable &&
                   strstr(line, " dd") == NULL && to - from <= AREA_MAX_BYTES) {
            search_file(search, memory, from, to - from);
        }
    }
    assert_int_equal(fclose(maps), 0);
    assert_int_equal(close(memory), 0);
}

static void assert_only_marker(const struct search *search, const char *where)
{
    if (search->found[MARKER] == 0) {
        fail_msg("%s: not even the marker is found in %zu bytes", where, search->n_bytes);
    }
    for (int secret = MARKER + 1; secret < N_SECRETS; secret++) {
        if (search->found[secret] > 0) {
            fail_msg("%s: %s is there, %zu times", where, k_names[secret],
                     search->found[secret]);
        }
    }
}

/* --- The child ---------------------------------------------------------------------------------- */

struct idler {
    fac_cache *open[MAX_OPEN];
    char *marker;
};

static bool answer(void *context, uint32_t within_ms, fac_password *out)
{
    (void)context;
    (void)within_ms;
    (void)show(ANSWER, out->text);
    return true;
}

static fac_cache *open_and_use(const fac_options *options)
{
    fac_error err;
    fac_cache *cache = NULL;
    assert_status(fac_cache_open(options, &cache, &err), FAC_OK, &err);
    for (int i = 0; i < N_ROUNDS; i++) {
        live_set(cache, fac_str("key"), "a value");
        live_expect(cache, fac_str("key"), "a value");
    }
    return cache;
}

static fac_cache *open_with_file(const fac_options *base, const char *path)
{
    char text[SECRET_BYTES + 1];
    fac_options options = *base;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, show(FILE_TEXT, text)), SECRET_BYTES);
    assert_int_equal(close(fd), 0);
    explicit_bzero(text, sizeof(text));
    options.username = "of_file";
    options.password_file = path;
    return open_and_use(&options);
}

static fac_cache *open_with_url(const fac_options *base, const struct live *live)
{
    char url[SECRET_BYTES + 96];
    char text[SECRET_BYTES + 1];
    fac_options options = *base;
    (void)show(URL, text);
    (void)snprintf(url, sizeof(url), "redis%s://of_url:%s@127.0.0.1:%u",
                   options.tls == FAC_YES ? "s" : "", text,
                   (unsigned)kit_server_port(live->server));
    options.host = NULL;
    options.port = 0;
    options.tls = FAC_INHERIT;
    options.url = url;
    fac_cache *cache = open_and_use(&options);
    explicit_bzero(text, sizeof(text));
    explicit_bzero(url, sizeof(url));
    return cache;
}

static void open_all(struct idler *idler, const struct live *live)
{
    fac_options options = live->options;
    size_t n = 0;
    if (live->bridge != NULL) { /* options.api_key is set, and read-only memory */
        idler->open[n++] = open_and_use(&options);
        return;
    }
    char text[SECRET_BYTES + 1];
    char path[256];
    (void)show(OPTION, text);
    options.username = "of_option";
    options.password = text;
    idler->open[n++] = open_and_use(&options);
    explicit_bzero(text, sizeof(text));
    options.password = NULL;

    (void)snprintf(path, sizeof(path), "%s/password", kit_server_dir(live->server));
    idler->open[n++] = open_with_file(&options, path);
    options.username = "of_answer";
    options.password_fn = answer;
    idler->open[n++] = open_and_use(&options);
    options.password_fn = NULL;
    options.username = NULL;
    idler->open[n++] = open_with_url(&options, live);
}

/* Uses everything, says so, and waits with all of it open. */
static _Noreturn void idle(const struct live *live, const char *dir, int ready)
{
    struct idler idler = {{NULL}, malloc(SECRET_BYTES + 1)};
    struct rlimit core = {0};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGABRT, SIG_DFL);
    bool is_good = chdir(dir) == 0 && getrlimit(RLIMIT_CORE, &core) == 0;
    core.rlim_cur = core.rlim_max;
    is_good = is_good && setrlimit(RLIMIT_CORE, &core) == 0 && idler.marker != NULL;
    if (is_good) {
        open_all(&idler, live);
        (void)show(MARKER, idler.marker);
        is_good = write(ready, "x", 1) == 1;
    }
    if (is_good) {
        for (;;) {
            (void)pause();
        }
    }
    _exit(1);
}

/* --- The test ----------------------------------------------------------------------------------- */

/* Whether the kernel writes core files of ours into the working directory, under the name "core…". */
static bool has_core_files(void)
{
    char pattern[256] = "";
    struct rlimit core = {0};
    FILE *file = fopen("/proc/sys/kernel/core_pattern", "re");
    bool is_read = file != NULL && fgets(pattern, sizeof(pattern), file) != NULL;
    if (file != NULL) {
        (void)fclose(file);
    }
    return !HAS_SHADOW && is_read && strncmp(pattern, "core", 4) == 0 &&
           strchr(pattern, '/') == NULL && getrlimit(RLIMIT_CORE, &core) == 0 &&
           core.rlim_max == RLIM_INFINITY;
}

static void search_core_file(struct search *search, const char *dir)
{
    char pattern[KIT_WORKDIR_PATH_BYTES + 16];
    glob_t names;
    (void)snprintf(pattern, sizeof(pattern), "%s/core*", dir);
    assert_int_equal(glob(pattern, 0, NULL, &names), 0);
    assert_int_equal(names.gl_pathc, 1);
    int fd = open(names.gl_pathv[0], O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    off_t size = lseek(fd, 0, SEEK_END);
    assert_true(size > 0);
    search_file(search, fd, 0, (uint64_t)size);
    assert_int_equal(close(fd), 0);
    globfree(&names);
}

/* The users' passwords as SHA-256: the texts shall not be in this process, nor in what it forks. */
static const char *const k_users[] = {
    "user of_option on "
    "#bf9e1a0a65bc31c015f45671a197282572a8920e76f14bcc48a77b38e2a5d557 "
    "~* &* +@all",
    "user of_url on "
    "#712103712d5c419a2166884af0feff9c1ee60ce97991480652de229a3dbdb435 "
    "~* &* +@all",
    "user of_file on "
    "#3d24ebd7e6860ff2f12b0778a3699667e6205076c0f2cc8cb5090513f14974d2 "
    "~* &* +@all",
    "user of_answer on "
    "#b8ec3c2c1b2d6d85d38faae31227e4f0b1a1c63071a21466b6ee3c6b23adfd14 "
    "~* &* +@all",
    NULL,
};

static void test_core__has_no_secret(void **state)
{
    (void)state;
    struct live live;
    struct kit_workdir dir;
    struct search search;
    int ready[2];
    char byte = 0;
    live_start(&live, strstr(kit_arg(0), "https") != NULL ? NULL : k_users);
    kit_workdir_make(&dir);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        idle(&live, dir.path, ready[1]);
    }
    assert_int_equal(close(ready[1]), 0);
    assert_int_equal(read(ready[0], &byte, 1), 1); /* 0: it died, and has said why */
    assert_int_equal(close(ready[0]), 0);

    search_init(&search);
    search_process(&search, pid);
    const bool has_core = has_core_files();
    int outcome = 0;
    assert_int_equal(kill(pid, SIGABRT), 0);
    assert_int_equal(waitpid(pid, &outcome, 0), pid);
    assert_true(WIFSIGNALED(outcome));
    assert_only_marker(&search, "the memory that would be dumped");
    if (has_core) {
        search_init(&search);
        assert_true(WCOREDUMP(outcome));
        search_core_file(&search, dir.path);
        assert_only_marker(&search, "the core file");
    }
    (void)printf("%zu bytes searched, %s\n", search.n_bytes,
                 has_core ? "of a core file"
                          : "of memory: this system writes no core file here");
    kit_workdir_remove(&dir);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_core__has_no_secret),
};

KIT_MAIN(k_tests)
