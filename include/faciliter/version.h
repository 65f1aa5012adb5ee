/* SPDX-License-Identifier: MIT */
/**
 * @file version.h
 * @brief The version of the headers, and of the library that is loaded.
 *
 * Semantic versioning: the major number is the SONAME's; within it, programs compiled against an
 * older header run with a newer library. Until 1.0 a minor version may ask for changes in a program's
 * source; each such change is in CHANGELOG.md.
 */
#ifndef FACILITER_VERSION_H
#define FACILITER_VERSION_H

#include <faciliter/export.h>

/* The build reads these three lines. */
#define FAC_VERSION_MAJOR 0
#define FAC_VERSION_MINOR 1
#define FAC_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The version of the library that is loaded, as "major.minor.patch".
 *
 * Ownership: a constant of the library. Threads: any. Never blocks.
 */
FAC_API const char *fac_version(void);

#ifdef __cplusplus
}
#endif
#endif
