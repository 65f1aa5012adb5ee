#!/bin/sh
# SPDX-License-Identifier: MIT
# What a reader may copy compiles without a warning: every C block of the README and of the guide.
# A block with a main() is a program; one without is a fragment and stands in a function, whose
# parameters the comment in front of it names: <!-- c: fac_cache *cache, fac_error err -->
# The README's first block is a program, and runs on memory.
# Usage: readme_test.sh <source folder> <include folder> <folder of libfaciliter.so> <cc> <scratch>
set -eu

source=$1 include=$2 libdir=$3 cc=$4 scratch=$5
rm -rf "$scratch"
mkdir -p "$scratch"

# split PAGE NAME: the blocks of a page become NAME-1.c, NAME-2.c …
split() {
    awk -v stem="$scratch/$2" '
        function finish(    file, i) {
            file = stem "-" ++n_blocks ".c"
            if (!is_program) {
                print "#include <faciliter/cache.h>\n#include <faciliter/facade.h>" >file
                print "#include <stdio.h>\nvoid fragment(" given ");\nvoid fragment(" given ")\n{" >file
            }
            for (i = 1; i <= n_lines; i++) {
                if (is_program || lines[i] !~ /^#include/) { print lines[i] >file }
            }
            if (!is_program) { print "}" >file }
            close(file)
        }
        inside && /^```/ { finish(); inside = 0; given = "void"; next }
        inside { lines[++n_lines] = $0; if (/int main\(/) { is_program = 1 }; next }
        /^```c$/ { inside = 1; n_lines = 0; is_program = 0; next }
        /^<!-- c: .* -->$/ { given = substr($0, 9, length($0) - 12); next }
        BEGIN { given = "void" }
        END { if (inside) { exit 1 } }' "$1"
}

split "$source/README.md" readme
for page in "$source"/docs/guide/*.md; do
    split "$page" "guide-$(basename "$page" .md)"
done

grep -q 'int main(' "$scratch/readme-1.c" || {
    echo "the first C block of the README is not a program" >&2
    exit 1
}
n_blocks=0
for block in "$scratch"/*.c; do
    # A fragment may end before it has used what it has got.
    "$cc" -std=c11 -Wall -Wextra -Wpedantic -Werror -Wno-unused-parameter -Wno-unused-variable \
        -Wno-unused-but-set-variable -I"$include" -c "$block" -o "${block%.c}.o"
    n_blocks=$((n_blocks + 1))
done
n_marked=$(cat "$source/README.md" "$source"/docs/guide/*.md | grep -c '^```c$')
[ "$n_blocks" -eq "$n_marked" ] || {
    echo "$n_blocks blocks were compiled, the pages have $n_marked" >&2
    exit 1
}
"$cc" "$scratch/readme-1.o" -o "$scratch/readme" -L"$libdir" -lfaciliter
CACHE_BACKEND=memory LD_LIBRARY_PATH=$libdir "$scratch/readme"
echo "$n_blocks blocks compile"
rm -rf "$scratch"
