/* SPDX-License-Identifier: MIT */
/* cli/nearest.c — what somebody who mistyped a command or an option may have meant. */
#include "nearest.h"

#include "args.h"
#include "output.h"

#include <string.h>

enum {
    NEAR_MAX = 2, /* edits */
};

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many insertions, removals and replacements apart two words are (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    if (a_len > CLI_NAME_MAX_BYTES || b_len > CLI_NAME_MAX_BYTES) {
        return SIZE_MAX;
    }
    size_t row[CLI_NAME_MAX_BYTES + 1];
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = min_of(replaced, min_of(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}

struct nearest {
    const char *name;
    size_t distance;
};

static void consider(struct nearest *nearest, const char *word, const char *name)
{
    size_t apart = distance(word, name);
    if (apart < nearest->distance && apart <= NEAR_MAX && apart < strlen(name)) {
        nearest->name = name;
        nearest->distance = apart;
    }
}

int cli_refuse_command(const struct cli *cli, const char *word)
{
    struct nearest nearest = {NULL, SIZE_MAX};
    for (size_t i = 0; i < k_n_commands; i++) {
        consider(&nearest, word, k_commands[i].name);
    }
    if (nearest.name != NULL) {
        return cli_usage(cli, "unknown command \"%s\"; did you mean \"%s\"?", word,
                         nearest.name);
    }
    return cli_usage(cli, "unknown command \"%s\"", word);
}

int cli_refuse_option(const struct cli *cli, const char *word)
{
    struct nearest nearest = {NULL, SIZE_MAX};
    for (size_t i = 0; i < k_n_options; i++) {
        consider(&nearest, word, k_options[i].name);
    }
    if (nearest.name != NULL) {
        return cli_usage(cli, "unknown option --%s; did you mean --%s?", word, nearest.name);
    }
    return cli_usage(cli, "unknown option --%s", word);
}
