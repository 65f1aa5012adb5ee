#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# alloc_sites_test.sh PROGRAM OBJDUMP: every place of the library that asks for memory has been
# refused it by a scenario of row G1. The places are the calls of base/mem.h in the program's own
# code; those that failed are told by the tests, run once for each kind of backend.
set -euo pipefail
program=$1
objdump=$2
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
export FAC_TEST_SITES=$scratch/failed FAC_TEST_SCALE=1

for variant in memory redis3 redis2; do
    "$program" test_alloc__fails_at_every_place "$variant" >"$scratch/log" 2>&1 ||
        { cat "$scratch/log" >&2; exit 1; }
done

# "offset function" of each call: the offset is where the call returns to. A jump instead of a call
# leaves no such place: it would hide one.
"$objdump" -d --no-show-raw-insn "$program" | awk '
    /^[0-9a-f]+ <.*>:$/ { where = $2; gsub(/[<>:]/, "", where); next }
    pending { sub(/:$/, "", $1); print $1, pending; pending = "" }
    /<__wrap_faci_mem_(alloc|zalloc|zalloc_array|realloc|copy_string)>/ {
        if ($2 ~ /^call/) { pending = where }
        else if ($2 ~ /^j/) { print "jump", where }
    }' >"$scratch/calls"
[ -s "$scratch/calls" ] || { printf 'no call of base/mem.h was found in %s\n' "$program" >&2; exit 1; }

sort -u "$scratch/failed" | sed 's/^0*//; s/^/ /; s/$/ /' >"$scratch/hit"
n_missed=0
while read -r offset where; do
    if ! grep -qi " ${offset} " "$scratch/hit"; then
        printf 'never failed: a call in %s (%s)\n' "$where" "$offset" >&2
        n_missed=$((n_missed + 1))
    fi
done <"$scratch/calls"
printf '%s places ask for memory, %s of them were never refused it\n' \
    "$(wc -l <"$scratch/calls")" "$n_missed"
[ "$n_missed" -eq 0 ]
