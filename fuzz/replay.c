/* SPDX-License-Identifier: MIT */
/* fuzz/replay.c — a harness without libFuzzer: every file of the folders that are named goes
 * through it once. usage: fuzz_replay_<name> SEEDS [FOLDER…]; only SEEDS has to exist. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    INPUT_MAX_BYTES = 1 << 20,
    PATH_MAX_BYTES = 4096
};

/* The length, or -1 after a complaint. */
static long read_input(const char *path, uint8_t *buf)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        (void)fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
        return -1;
    }
    size_t len = fread(buf, 1, INPUT_MAX_BYTES, in);
    int has_failed = ferror(in) || len == INPUT_MAX_BYTES;
    (void)fclose(in);
    if (has_failed) {
        (void)fprintf(stderr, "%s cannot be read, or is too long\n", path);
        return -1;
    }
    return (long)len;
}

static int replay_file(const char *path)
{
    uint8_t *buf = malloc(INPUT_MAX_BYTES);
    long len = buf != NULL ? read_input(path, buf) : -1;
    /* A block of just that size, so that a sanitizer sees a byte read behind the input. */
    uint8_t *input = len >= 0 ? malloc(len > 0 ? (size_t)len : 1) : NULL;
    int is_read = input != NULL;
    if (is_read) {
        memcpy(input, buf, (size_t)len);
        (void)fprintf(stderr, "%s\n", path); /* the last one named is the one that failed */
        (void)LLVMFuzzerTestOneInput(input, (size_t)len);
    }
    free(input);
    free(buf);
    return is_read;
}

/* The number of files, or -1. */
static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return errno == ENOENT ? 0 : -1;
    }
    int n_files = 0;
    const struct dirent *entry;
    while (n_files >= 0 && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        char path[PATH_MAX_BYTES];
        int len = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        int is_done = len > 0 && len < (int)sizeof(path) && replay_file(path);
        n_files = is_done ? n_files + 1 : -1;
    }
    (void)closedir(dir);
    return n_files;
}

int main(int argc, char **argv)
{
    int n_inputs = 0;
    for (int i = 1; i < argc; i++) {
        int n_files = replay_folder(argv[i]);
        if (n_files < 0 || (i == 1 && n_files == 0)) {
            (void)fprintf(stderr, "%s: no inputs, or not all of them could be read\n", argv[i]);
            return 1;
        }
        n_inputs += n_files;
    }
    (void)printf("%d inputs\n", n_inputs);
    return n_inputs > 0 ? 0 : 1;
}
