#!/bin/sh
# SPDX-License-Identifier: MIT
# Each public header compiles alone, as C11 and as C++17, without a warning.
# Usage: headers_test.sh <include folder> <compiler>…   (a compiler: "c:gcc" or "c++:g++")
set -eu

include=$1
shift
n_compiled=0

for compiler in "$@"; do
    language=${compiler%%:*}
    command=${compiler#*:}
    standard=c11
    [ "$language" = c ] || standard=c++17
    for header in "$include"/faciliter/*.h; do
        name=faciliter/${header##*/}
        # Twice: the include guard is a part of the header, too.
        printf '#include <%s>\n#include <%s>\nint faciliter_alone;\n' "$name" "$name" |
            "$command" -x "$language" -std="$standard" -Wall -Wextra -Wpedantic -Werror \
                -fsyntax-only -I"$include" - || {
            echo "$name does not compile alone with $command as $standard" >&2
            exit 1
        }
        n_compiled=$((n_compiled + 1))
    done
done
echo "$n_compiled compilations"
[ "$n_compiled" -gt 0 ]
