/* SPDX-License-Identifier: MIT */
/* The canary secret: a password that occurs nowhere else is used in every way there is, and is
 * found in nothing that the library or the command says, nor in the memory of the process after
 * close. The test itself has it masked, and shows it for as long as it is needed only. */
#include "fault/talk.h"
#include "kit/kit.h"
#include "kit/workdir.h"
#include "live/live.h"

#include <faciliter/facade.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CANARY_BYTES = 24,
    MASK = 0x5a,
    OUTPUT_BYTES = 262144
};

/* What is printable, and unlike any other text. */
static void show(char *canary)
{
    for (size_t i = 0; i < CANARY_BYTES; i++) {
        canary[i] = (char)(((i * 37 + 11) % 26 + 'A') | (i % 3 == 0 ? 0x20 : 0));
    }
    canary[CANARY_BYTES] = '\0';
}

/* The masked form: it may stay in memory. */
static void show_masked(char *masked)
{
    show(masked);
    for (size_t i = 0; i < CANARY_BYTES; i++) {
        masked[i] = (char)(masked[i] ^ MASK);
    }
}

/* How often the canary occurs, without ever putting it together. */
static size_t count_canary(const char *bytes, size_t len, const char *masked)
{
    size_t n = 0;
    for (size_t at = 0; at + CANARY_BYTES <= len; at++) {
        size_t i = 0;
        while (i < CANARY_BYTES && (char)(bytes[at + i] ^ MASK) == masked[i]) {
            i++;
        }
        n += i == CANARY_BYTES ? 1U : 0U;
    }
    return n;
}

/* Everything that was said. */
struct said {
    char *bytes;
    size_t len;
};

static void say(struct said *said, const void *bytes, size_t len)
{
    assert_true(said->len + len + 1 < OUTPUT_BYTES);
    memcpy(said->bytes + said->len, bytes, len);
    said->len += len;
    said->bytes[said->len++] = '\n';
}

static void take_log(void *context, fac_log_level level, const char *message)
{
    (void)level;
    say(context, message, strlen(message));
}

static void take_setting(void *context, const fac_setting *setting)
{
    say(context, setting->name, strlen(setting->name));
    say(context, setting->value, strlen(setting->value));
    say(context, setting->variable, strlen(setting->variable));
}

/* Open with these options and use it; what it says, errors and reports included. */
static fac_status open_and_use(struct said *said, const fac_options *options)
{
    fac_error err;
    fac_cache *cache = NULL;
    fac_status st = fac_cache_open(options, &cache, &err);
    say(said, &err, sizeof(err));
    (void)!fac_options_describe(options, take_setting, said, &err);
    say(said, &err, sizeof(err));
    if (st == FAC_OK) {
        struct talk *talk = calloc(1, sizeof(*talk));
        assert_non_null(talk);
        *talk = (struct talk){.cache = cache, .name = "canary", .large_bytes = 100000};
        talk_round(talk);
        talk_assert_true_values(talk);
        free(talk);
        fac_health health;
        fac_stats stats;
        (void)!fac_cache_health(cache, NULL, &health, sizeof(health), &err);
        (void)!fac_cache_stats(cache, NULL, &stats, sizeof(stats), &err);
        say(said, &health, sizeof(health));
        say(said, &stats, sizeof(stats));
        say(said, &err, sizeof(err));
        fac_cache_close(cache);
    }
    return st;
}

/* Readable and writable memory of this process: where a core would have it. */
static size_t count_in_memory(const char *masked)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    assert_non_null(maps);
    assert_true(memory >= 0);
    enum {
        CHUNK = 65536
    };
    static char chunk[CHUNK + CANARY_BYTES];
    char line[1024];
    size_t n = 0;
    while (fgets(line, sizeof(line), maps) != NULL) {
        char *end = NULL;
        uint64_t from = strtoull(line, &end, 16);
        assert_int_equal(*end, '-');
        uint64_t to = strtoull(end + 1, &end, 16);
        if (strncmp(end, " rw", 3) != 0 || to - from > (UINT64_C(1) << 27)) {
            continue; /* what is larger is a sanitizer's shadow: an arena has 2^26 bytes */
        }
        for (uint64_t at = from; at < to; at += CHUNK) {
            memset(chunk, 0, sizeof(chunk)); /* what was read before is not counted as memory */
            ssize_t got = pread(memory, chunk, sizeof(chunk), (off_t)at);
            n += got > 0 ? count_canary(chunk, (size_t)got, masked) : 0U;
        }
    }
    memset(chunk, 0, sizeof(chunk));
    assert_int_equal(fclose(maps), 0);
    assert_int_equal(close(memory), 0);
    return n;
}

static void begin(struct live *live, char *canary)
{
    /* The server is told its SHA-256, so that the kit never holds it. */
    static const char *const k_config[] = {
        "user tester on "
        "#fa2995fe180516e02a8f45a789ab5ed76b4a3abb2de0c5188877c1ad03641285 "
        "~* &* +@all",
        NULL,
    };
    live_start(live, k_config);
    show(canary);
    live->options.username = "tester";
    live->options.timeout_ms = LIVE_TIMEOUT_MS;
}

static void test_canary__is_in_nothing_that_is_said_nor_left(void **state)
{
    (void)state;
    struct live live;
    char canary[CANARY_BYTES + 1];
    char masked[CANARY_BYTES + 1];
    char url[CANARY_BYTES + 96];
    struct said said = {calloc(1, OUTPUT_BYTES), 0};
    assert_non_null(said.bytes);
    show_masked(masked);
    begin(&live, canary);
    live.options.log = take_log;
    live.options.log_context = &said;
    assert_true(count_in_memory(masked) > 0); /* the search finds what is there */

    fac_options options = live.options;
    options.password = canary;
    assert_int_equal(open_and_use(&said, &options), FAC_OK);
    options.username = "nobody"; /* refused, with the password in hand */
    assert_int_equal(open_and_use(&said, &options), FAC_E_AUTH);
    options.port = 70000;
    assert_int_equal(open_and_use(&said, &options), FAC_E_CONFIG);
    assert_false(set_cache(&options));
    say(&said, cache_error(), strlen(cache_error()));
    options = live.options;
    options.username = NULL;
    options.host = NULL;
    options.port = 0;
    options.url = url;
    (void)snprintf(url, sizeof(url), "redis://tester:%s@127.0.0.1:%u", canary,
                   (unsigned)kit_server_port(live.server));
    assert_int_equal(open_and_use(&said, &options), FAC_OK);
    (void)snprintf(url, sizeof(url), "redis://tester:%s@127.0.0.1:port", canary);
    assert_int_equal(open_and_use(&said, &options), FAC_E_CONFIG);
    options = live.options;
    fac_error err;
    assert_status(fac_options_set(&options, "password", canary, &err), FAC_OK, &err);
    kit_server_kill(live.server);
    assert_int_equal(open_and_use(&said, &options), FAC_E_UNAVAILABLE);

    explicit_bzero(canary, sizeof(canary));
    explicit_bzero(url, sizeof(url));
    assert_int_equal(count_canary(said.bytes, said.len, masked), 0);
    assert_int_equal(count_in_memory(masked), 0);
    free(said.bytes);
    kit_server_restart(live.server);
    live_end(&live);
}

/* The command, with a password in its environment and in a file. */
static void test_canary__is_in_nothing_the_command_prints(void **state)
{
    (void)state;
    static const char *const k_calls[] = {"config",        "health",      "stats",
                                          "get absent",    "set k v",     "config --json",
                                          "health --json", "no-such-verb"};
    struct live live;
    char canary[CANARY_BYTES + 1];
    char masked[CANARY_BYTES + 1];
    char port[8];
    show_masked(masked);
    begin(&live, canary);
    (void)snprintf(port, sizeof(port), "%u", (unsigned)kit_server_port(live.server));
    /* NOLINTBEGIN(concurrency-mt-unsafe): no thread runs */
    assert_int_equal(setenv("CACHE_BACKEND", "redis", 1), 0);
    assert_int_equal(setenv("REDIS_HOST", "127.0.0.1", 1), 0);
    assert_int_equal(setenv("REDIS_PORT", port, 1), 0);
    assert_int_equal(setenv("REDIS_USERNAME", "tester", 1), 0);
    assert_int_equal(setenv("REDIS_PASSWORD", canary, 1), 0);
    char *output = malloc(OUTPUT_BYTES);
    assert_non_null(output);
    for (size_t i = 0; i < 2 * KIT_COUNT(k_calls); i++) {
        /* The second half: a user who is refused with it. */
        assert_int_equal(
            setenv("REDIS_USERNAME", i < KIT_COUNT(k_calls) ? "tester" : "nobody", 1), 0);
        char command[4096 + 64];
        (void)snprintf(command, sizeof(command), "%s %s 2>&1", kit_arg(1),
                       k_calls[i % KIT_COUNT(k_calls)]);
        FILE *pipe = popen(command, "re"); /* NOLINT(cert-env33-c) */
        assert_non_null(pipe);
        size_t len = fread(output, 1, OUTPUT_BYTES - 1, pipe);
        (void)pclose(pipe); /* most of them may fail */
        output[len] = '\0';
        assert_true(len > 0 || strstr(command, "set k v") != NULL ||
                    strstr(command, "get absent") != NULL);
        if (count_canary(output, len, masked) > 0) {
            fail_msg("%s prints the password", k_calls[i % KIT_COUNT(k_calls)]);
        }
    }
    assert_int_equal(unsetenv("REDIS_PASSWORD"), 0);
    /* NOLINTEND(concurrency-mt-unsafe) */
    free(output);
    live_end(&live);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_canary__is_in_nothing_that_is_said_nor_left),
    KIT_TEST(test_canary__is_in_nothing_the_command_prints),
};

KIT_MAIN(k_tests)
