/* SPDX-License-Identifier: MIT */
/**
 * @file export.h
 * @brief Symbol visibility and the attributes that public declarations carry.
 */
#ifndef FACILITER_EXPORT_H
#define FACILITER_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#    define FAC_API      __attribute__((visibility("default")))
#    define FAC_MUST_USE __attribute__((warn_unused_result))
#else
#    define FAC_API
#    define FAC_MUST_USE
#endif

#endif
