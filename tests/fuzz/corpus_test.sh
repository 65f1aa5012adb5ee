#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# corpus_test.sh ROOT BUILD: the seeds of fuzz_split alone execute every line of the lexer and the
# reader, and at least 95 % of their branches. They are compiled once more, with gcc's counters.
set -euo pipefail
root=$(cd -- "$1" && pwd)
mkdir -p "$2"
cd -- "$2"
rm -f ./*.gcda ./*.gcno ./*.gcov
branch_floor=95

# A line over its limit takes 64 KiB: more than a corpus should hold, so it is made here.
mkdir -p made
{ printf '0+'; head -c 65537 /dev/zero | tr '\0' x; printf '\r\n'; } >made/overlong_line
{ printf '0,'; head -c 65537 /dev/zero | tr '\0' 1; printf '\r\n'; } >made/overlong_double

flags=(-std=gnu11 -O0 -I "$root/src" -I "$root/include" -I "$root" -D_GNU_SOURCE)
gcc "${flags[@]}" --coverage -c "$root/src/resp/lexer.c" "$root/src/resp/reader.c"
gcc "${flags[@]}" --coverage -o replay "$root/fuzz/fuzz_split.c" "$root/fuzz/replay.c" \
    "$root/src/base/assert.c" lexer.o reader.o
./replay "$root/fuzz/seeds/split" made 2>replay.log || { tail -n 3 replay.log; exit 1; }

failed=0
for file in lexer reader; do
    gcov -b -o . "$file.o" >"$file.log"
    awk -v file="$file.c" -v floor="$branch_floor" '
        $0 ~ "^File .*/" file { here = 1 }
        here && /^Lines executed:/ { split($2, part, /[:%]/); lines = part[2] }
        here && /^Taken at least once:/ { split($4, part, /[:%]/); branches = part[2] }
        /^$/ { here = 0 }
        END { printf "%s: %s %% of the lines, %s %% of the branches\n", file, lines, branches
              exit !(lines == 100 && branches >= floor) }' "$file.log" || failed=1
    # What is missing, by line.
    grep -nE '^ *#####:' "$file.c.gcov" || true
    awk '/^ *[0-9#-]+\*?: *[0-9]+:/ { line = $0 } /^branch .*(taken 0%|never executed)/ { print line " | " $0 }' \
        "$file.c.gcov"
done
exit "$failed"
