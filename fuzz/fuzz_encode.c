/* SPDX-License-Identifier: MIT */
/* fuzz/fuzz_encode.c — any arguments make a request that a strict reader takes apart again. The
 * input is a list of arguments: a length of the head, a length of the tail, their bytes. */
#include "unit/resp/request.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "resp/encode.h"

#include <stdint.h>
#include <stdlib.h>

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    ARGS_MAX = 256
};

static fac_bytes take(const uint8_t **data, const uint8_t *end, size_t len)
{
    size_t here = (size_t)(end - *data);
    fac_bytes bytes = fac_mem(*data, len < here ? len : here);
    *data += bytes.len;
    return bytes;
}

static void check_arg(const struct faci_arg *want, fac_bytes got)
{
    faci_check(got.len == want->head.len + want->tail.len);
    faci_check(faci_bytes_start_with(got, want->head));
    fac_bytes rest = fac_mem((const unsigned char *)got.data + want->head.len, want->tail.len);
    faci_check(faci_bytes_equal(rest, want->tail));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct faci_arg args[ARGS_MAX];
    size_t n_args = 0;
    const uint8_t *end = data + size;
    while (end - data >= 2 && n_args < ARGS_MAX) {
        size_t head = *data++;
        size_t tail = *data++;
        args[n_args].head = take(&data, end, head);
        args[n_args].tail = take(&data, end, tail);
        n_args++;
    }
    size_t len = 0;
    faci_check(faci_resp_frame_bytes(args, n_args, &len));
    unsigned char *frame = malloc(len); /* exactly: one byte too many is an error */
    faci_check(frame != NULL);
    faci_check(faci_resp_put_frame(frame, args, n_args) == frame + len);
    fac_bytes got[ARGS_MAX];
    size_t n_got = 0;
    faci_check(request_parse(frame, len, got, ARGS_MAX, &n_got));
    faci_check(n_got == n_args);
    for (size_t i = 0; i < n_args; i++) {
        check_arg(&args[i], got[i]);
    }
    free(frame);
    return 0;
}
