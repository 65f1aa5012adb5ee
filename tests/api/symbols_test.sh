#!/bin/sh
# SPDX-License-Identifier: MIT
# The library exports exactly the functions that symbols.txt lists.
# Usage: symbols_test.sh <libfaciliter.so> <symbols.txt> <nm>
set -eu
export LC_ALL=C

library=$1 wanted=$2 nm=$3

exported=$("$nm" -D --defined-only "$library" | awk '{ print $3 }' | sort)
if ! difference=$(printf '%s\n' "$exported" | diff "$wanted" -); then
    echo "exported (>) and listed (<) functions differ:" >&2
    printf '%s\n' "$difference" >&2
    exit 1
fi
