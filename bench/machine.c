/* SPDX-License-Identifier: MIT */
/* bench/machine.c — what a figure is worthless without: the machine, the builds, the date. */
#include "report.h"

#include <faciliter/version.h>
#include <hiredis/hiredis.h>

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static void read_processor(char *out, size_t cap)
{
    (void)snprintf(out, cap, "unknown processor");
    FILE *in = fopen("/proc/cpuinfo", "re");
    if (in == NULL) {
        return;
    }
    char line[256];
    while (fgets(line, sizeof(line), in) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            (void)snprintf(out, cap, "%.*s", (int)strcspn(colon + 1, "\n"), colon + 1);
            break;
        }
    }
    (void)fclose(in);
}

double bench_load(void)
{
    double load = 0;
    return getloadavg(&load, 1) == 1 ? load : 0;
}

void bench_facts_fill(struct bench_facts *facts)
{
    const time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc) == NULL ||
        strftime(facts->date, sizeof(facts->date), "%Y-%m-%d %H:%M UTC", &utc) == 0) {
        (void)snprintf(facts->date, sizeof(facts->date), "unknown");
    }
    char processor[96];
    read_processor(processor, sizeof(processor));
    const char *name = processor + strspn(processor, " ");
    (void)snprintf(facts->machine, sizeof(facts->machine), "%s, %ld processors", name,
                   sysconf(_SC_NPROCESSORS_ONLN));
    struct utsname system;
    if (uname(&system) == 0) {
        (void)snprintf(facts->kernel, sizeof(facts->kernel), "%s %s %s", system.sysname,
                       system.release, system.machine);
    }
    (void)snprintf(facts->ours, sizeof(facts->ours), "libfaciliter %s, static, %s, %s: %s",
                   fac_version(), BENCH_COMPILER, BENCH_BUILD_TYPE, BENCH_FLAGS);
    (void)snprintf(facts->baseline, sizeof(facts->baseline), "hiredis %d.%d.%d (%s)",
                   HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH, BENCH_HIREDIS_BUILD);
    facts->load_before = bench_load();
}
