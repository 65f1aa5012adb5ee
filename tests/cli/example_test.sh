#!/bin/sh
# SPDX-License-Identifier: MIT
# cli/example_test.sh — the program in faciliter(3) compiles without a warning and does what the
# page says, on the memory backend.
# usage: example_test.sh CC SOURCE_DIR LIBRARY SANITIZERS [FLAG…]
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/faciliter-man.XXXXXX")
trap 'rm -rf "$dir"' EXIT

awk '/^\.SH EXAMPLE/ { here = 1 } here && /^\.EX/ { on = 1; next } /^\.EE/ { on = 0 } on' \
    "$2/man/faciliter.3" | sed 's/\\-/-/g; s/\\(aq/'"'"'/g; s/\\&//g; s/\\e/\\/g' >"$dir/example.c"
test -s "$dir/example.c"
set -- "$@" -pthread
[ -z "$4" ] || set -- "$@" "-fsanitize=$4"
cc=$1 source_dir=$2 library=$3
shift 4
"$cc" -std=c11 -Wall -Wextra -Wpedantic -Werror "-I$source_dir/include" "$dir/example.c" \
    "$library" "$@" -o "$dir/example"

[ "$(CACHE_BACKEND=memory "$dir/example")" = 'user:123 is {"name": "Alice"}' ]
# Without a server it says so and ends well: the cache is never in the way.
CACHE_BACKEND=redis REDIS_UNIX_SOCKET="$dir/nobody" "$dir/example" >"$dir/out" 2>"$dir/err"
grep -q '^no cache: ' "$dir/err"
[ "$(cat "$dir/out")" = 'user:123 is not cached' ]
