#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# valgrind_one.sh PROGRAM TEST [ARGUMENT…]: one unit test under valgrind.
set -euo pipefail
log=build/valgrind/$(printf '%s.' "${1##*/}" "${@:2}" | tr -c 'A-Za-z0-9_.\n' _)log
status=0
leaks=definite,indirect
# A child of fork() has lost the stacks of its parent's threads, and all that only they knew of.
[[ "$*" != *fork* ]] || leaks=none
timeout 300 valgrind --quiet --error-exitcode=99 --leak-check=full \
    --errors-for-leak-kinds="$leaks" --show-leak-kinds="$leaks" \
    --child-silent-after-fork=yes --fair-sched=yes \
    "$@" >"$log" 2>&1 </dev/null || status=$?
if [ "$status" -ne 0 ]; then
    printf 'valgrind: %s ended with %d\n' "$*" "$status"
    grep -vE '^\[ +(RUN|OK) ' "$log" | tail -n 80
    exit 1
fi
