#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_hardening.sh FILE…: what the release build's hardening flags leave in what was built: shared
# objects and position-independent programs alike. Needs binutils.
set -euo pipefail
export LC_ALL=C
n_bad=0

complain() {
    printf '%s: %s\n' "$1" "$2" >&2
    n_bad=$((n_bad + 1))
}

check() {
    local file=$1 headers dynamic symbols
    headers=$(readelf -W -l -h "$file")
    dynamic=$(readelf -W -d "$file")
    symbols=$(readelf -W --dyn-syms "$file")
    grep -qE 'Type: +DYN' <<<"$headers" || complain "$file" "is not position-independent"
    grep -q 'GNU_RELRO' <<<"$headers" || complain "$file" "no part of it becomes read-only (relro)"
    grep -qE '\(BIND_NOW\)|Flags:.*BIND_NOW|FLAGS_1.*NOW' <<<"$dynamic" ||
        complain "$file" "is bound lazily (now)"
    grep -q 'GNU_STACK' <<<"$headers" || complain "$file" "says nothing of its stack"
    ! grep -E 'GNU_STACK.* RWE ' <<<"$headers" || complain "$file" "its stack can be executed"
    ! grep -E 'LOAD.* RWE ' <<<"$headers" || complain "$file" "a segment can be written and executed"
    ! grep -q 'TEXTREL' <<<"$dynamic" || complain "$file" "its code is changed when it is loaded"
    # Room for the path that installing writes is colons.
    # shellcheck disable=SC2016 # the word is the loader's
    ! grep -E 'RPATH|RUNPATH' <<<"$dynamic" | grep -vE '\[(\$ORIGIN[^:]*|:*)\]' ||
        complain "$file" "looks for libraries in a folder of the build"
    # Code with these has arrays on its stack, and copies of known size.
    grep -q '__stack_chk_fail' <<<"$symbols" || complain "$file" "has no stack protector"
    grep -qE '_chk(@|$| )' <<<"$symbols" || complain "$file" "has no fortified function"
    if [ "$(uname -m)" = x86_64 ]; then
        [ "$(objdump -d "$file" | grep -c endbr64)" -gt 0 ] || complain "$file" "has no branch targets (cf-protection)"
    fi
}

[ $# -gt 0 ] || { echo "usage: check_hardening.sh FILE…" >&2; exit 2; }
for file in "$@"; do
    check "$file"
done
[ "$n_bad" -eq 0 ] || exit 1
printf '%d files are hardened\n' "$#"
