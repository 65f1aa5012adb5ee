#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# valgrind_one.sh PROGRAM: all tests of one unit test program under valgrind.
set -euo pipefail
program=$1
log=build/valgrind/$(basename "$program").log
status=0
timeout 240 valgrind --quiet --error-exitcode=99 --leak-check=full \
    --errors-for-leak-kinds=definite,indirect --show-leak-kinds=definite,indirect \
    --child-silent-after-fork=yes --fair-sched=yes \
    "$program" >"$log" 2>&1 </dev/null || status=$?
if [ "$status" -ne 0 ]; then
    printf 'valgrind: %s ended with %d\n' "$program" "$status"
    grep -vE '^\[ +(RUN|OK) ' "$log" | tail -n 80
    exit 1
fi
