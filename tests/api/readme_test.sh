#!/bin/sh
# SPDX-License-Identifier: MIT
# The program in the README is complete: it compiles without a warning and runs on memory.
# Usage: readme_test.sh <README.md> <include folder> <folder of libfaciliter.so> <cc> <scratch>
set -eu

readme=$1 include=$2 libdir=$3 cc=$4 scratch=$5

[ -f "$readme" ] || {
    echo "there is no $readme" >&2
    exit 1
}
mkdir -p "$scratch"
awk '/^```c$/ { inside = 1; next } /^```/ { if (inside) exit } inside' "$readme" \
    >"$scratch/readme.c"
grep -q 'int main(' "$scratch/readme.c" || {
    echo "the first C block of the README is not a program" >&2
    exit 1
}
"$cc" -std=c11 -Wall -Wextra -Wpedantic -Werror "$scratch/readme.c" -o "$scratch/readme" \
    -I"$include" -L"$libdir" -lfaciliter
CACHE_BACKEND=memory LD_LIBRARY_PATH=$libdir "$scratch/readme"
rm -rf "$scratch"
