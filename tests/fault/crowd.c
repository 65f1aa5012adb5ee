/* SPDX-License-Identifier: MIT */
/* fault/crowd.c — many threads, and a look at /proc/self. */
#include "fault/crowd.h"

#include "fault/late.h"
#include "kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    STACK_BYTES = 64 * 1024,
    SANITIZED_STACK_BYTES = 512 * 1024 /* frames are several times as large */
};

struct member {
    pthread_t thread;
    size_t index;
    struct crowd *crowd;
};

struct crowd {
    kit_thread_fn *fn;
    void *context;
    size_t n;
    struct member *members;
};

static void *run_member(void *argument)
{
    struct member *member = argument;
    member->crowd->fn(member->index, member->crowd->context);
    return NULL;
}

struct crowd *crowd_start(size_t n, kit_thread_fn *fn, void *context)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    struct member *members = calloc(n, sizeof(*members));
    pthread_attr_t attr;
    if (crowd == NULL || members == NULL || pthread_attr_init(&attr) != 0) {
        abort();
    }
    (void)pthread_attr_setstacksize(&attr,
                                    kit_is_sanitized() ? SANITIZED_STACK_BYTES : STACK_BYTES);
    *crowd = (struct crowd){.fn = fn, .context = context, .n = n, .members = members};
    for (size_t i = 0; i < n; i++) {
        members[i].index = i;
        members[i].crowd = crowd;
        if (pthread_create(&members[i].thread, &attr, run_member, &members[i]) != 0) {
            abort();
        }
    }
    (void)pthread_attr_destroy(&attr);
    return crowd;
}

void crowd_join(struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->n; i++) {
        (void)pthread_join(crowd->members[i].thread, NULL);
    }
    free(crowd->members);
    free(crowd);
}

/* --- /proc/self ------------------------------------------------------------------------------ */

size_t crowd_resident_bytes(void)
{
    char line[128];
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    (void)fclose(file);
    char *resident = line; /* "size resident …": pages */
    (void)strtoul(line, &resident, 10);
    return strtoul(resident, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}
