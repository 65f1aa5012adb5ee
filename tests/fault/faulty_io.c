/* SPDX-License-Identifier: MIT */
/* fault/faulty_io.c — linked to a suite of other tests, it makes their transfers short, or their
 * calls stutter, from before main() on: the second argument behind the test's name says which. */
#include "kit/kit.h"
#include "kit/sysfault.h"

#include <stdlib.h>
#include <string.h>

/* glibc hands constructors the arguments of main(). */
__attribute__((constructor)) static void begin(int argc, char **argv)
{
    static const struct {
        const char *name;
        struct kit_sysfault fault;
    } k_modes[] = {
        {"chop1", {.chop_bytes = 1}},
        {"chop64", {.chop_bytes = KIT_SYS_STREAM_BYTES_MAX, .seed = 64}},
        {"stutter", {.is_stuttering = true}},
        {"stutter1", {.chop_bytes = 1, .is_stuttering = true}},
    };
    if (argc < 4) {
        return; /* --list */
    }
    for (size_t i = 0; i < KIT_COUNT(k_modes); i++) {
        if (strcmp(argv[3], k_modes[i].name) == 0) {
            kit_sysfault_arm(&k_modes[i].fault);
            return;
        }
    }
    abort();
}
