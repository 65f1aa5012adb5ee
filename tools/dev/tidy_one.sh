#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tidy_one.sh RULES "SOURCE HEADER…": clang-tidy on SOURCE, unless it passed in this very state.
set -euo pipefail
rules=$1
read -r -a files <<<"$2"
stamp=build/lint/tidy/$({ printf '%s\n' "$rules"; cat "${files[@]}"; } | sha256sum | cut -c 1-40)
if [ -e "$stamp" ]; then
    exit 0
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! clang-tidy -p build/tidy --quiet "${files[0]}" >"$log" 2>&1; then
    # Its count of suppressed warnings in system headers is no news.
    grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header-filter' "$log" || true
    exit 1
fi
: >"$stamp"
