/* SPDX-License-Identifier: MIT */
/* cli/input.c — memory that grows, and reading standard input. */
#include "input.h"

#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    READ_BYTES = 65536,
    VALUE_MAX_BYTES = 64 * 1024 * 1024, /* the library refuses more: no need to read on */
};

bool cli_blob_reserve(struct cli_blob *blob, size_t cap)
{
    if (cap <= blob->cap) {
        return true;
    }
    char *data = realloc(blob->data, cap);
    if (data == NULL) {
        return false;
    }
    blob->data = data;
    blob->cap = cap;
    return true;
}

void cli_blob_fini(struct cli_blob *blob)
{
    free(blob->data);
    *blob = (struct cli_blob){0};
}

/* Read once. Returns the number of bytes, 0 at the end, -1 after a complaint. */
static ssize_t read_some(struct cli_blob *blob)
{
    if (blob->cap - blob->len < READ_BYTES &&
        !cli_blob_reserve(blob, 2 * blob->cap + READ_BYTES)) {
        cli_complain("no memory for the value");
        return -1;
    }
    for (;;) {
        ssize_t n = read(STDIN_FILENO, blob->data + blob->len, READ_BYTES);
        if (n >= 0) {
            return n;
        }
        if (errno != EINTR) {
            /* No thread runs yet. NOLINTNEXTLINE(concurrency-mt-unsafe) */
            cli_complain("cannot read standard input: %s", strerror(errno));
            return -1;
        }
    }
}

int cli_blob_read_input(struct cli_blob *blob)
{
    for (;;) {
        ssize_t n = read_some(blob);
        if (n <= 0) {
            return n == 0 ? CLI_DONE : CLI_FAILED;
        }
        blob->len += (size_t)n;
        if (blob->len > VALUE_MAX_BYTES) {
            cli_complain("the value on standard input is longer than %d bytes",
                         VALUE_MAX_BYTES);
            return CLI_FAILED;
        }
    }
}
