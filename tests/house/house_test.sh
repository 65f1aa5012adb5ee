#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# house_test.sh CASE SOURCE SCRATCH: the tree keeps its rules, and the checks would notice if it
# did not: each is shown made-up trees with one thing wrong.
set -euo pipefail
case=$1 source=$2 scratch=$3

fail() {
    printf 'house test: %s\n' "$*" >&2
    exit 1
}

rm -rf "$scratch"
mkdir -p "$scratch"

# expect CHECK OUTCOME WORDS: OUTCOME is ok, or bad with WORDS in what it prints.
expect() {
    local check=$1 outcome=$2 words=$3 said got=ok
    said=$("$source/tools/$check.sh" "$scratch" 2>&1) || got=bad
    [ "$got" = "$outcome" ] || fail "$check said $got, not $outcome: $said"
    [[ $said == *"$words"* ]] || fail "$check did not say \"$words\": $said"
}

case $case in
    layers_hold) "$source/tools/check_layers.sh" "$source" ;;
    rules_hold) "$source/tools/check_house_rules.sh" "$source" ;;

    layers_refuse)
        mkdir -p "$scratch"/{tools,cli,src/low,src/high,include/faciliter}
        printf 'src/low:\nsrc/high: low\ncli:\ninclude/faciliter:\n' >"$scratch/tools/layers.txt"
        printf '#include "low/low.h"\n' >"$scratch/src/high/high.h"
        printf '#include <stdio.h>\n' >"$scratch/src/low/low.h"
        printf '#include <faciliter/cache.h>\n#include "main.h"\n' >"$scratch/cli/main.c"
        expect check_layers ok "3 files keep"
        printf '#include "low/low.h"\n#  include "high/high.h"\n' >"$scratch/src/low/low.c"
        expect check_layers bad "src/low/low.c:2: low may not include high/high.h"
        printf '#include "low.h"\n' >"$scratch/src/low/low.c"
        expect check_layers bad "src/low/low.c:1: \"low.h\" is not"
        rm "$scratch/src/low/low.c"
        printf '#include "low/low.h"\n' >"$scratch/cli/cli.h"
        expect check_layers bad "cli/cli.h:1: cli may not include low/low.h"
        rm "$scratch/cli/cli.h"
        printf '#include <stdio.h>\n' >"$scratch/include/faciliter/x.h"
        expect check_layers bad "include/faciliter/x.h:1: a public header may not include <stdio.h>"
        rm "$scratch/include/faciliter/x.h"
        mkdir "$scratch/src/new"
        expect check_layers bad "src/new has no row"
        rmdir "$scratch/src/new"
        expect check_layers ok "3 files keep"
        ;;

    rules_refuse)
        mkdir -p "$scratch/src/base"
        head='/* SPDX-License-Identifier: MIT */\n/* base/x.c: a file. */\n'
        good='/* free(x) and // are\n * prose; TO DO */\nint x = f("a // \\" malloc(");\nint y = s->free(x) + may_free(x);\nif (a == b || c <= d) {\n}\nfd = socket(a,\n  b | SOCK_CLOEXEC);\n'
        # shellcheck disable=SC2059 # the texts are formats on purpose
        printf "$head$good" >"$scratch/src/base/x.c"
        expect check_house_rules ok "1 files keep"
        while IFS='|' read -r line words; do
            # shellcheck disable=SC2059
            printf "$head$good%s\n" "$line" >"$scratch/src/base/x.c"
            expect check_house_rules bad "$words"
        done <<'ROWS'
x = malloc(3);|memory comes from
x = a ? getenv("X") : 0;|the environment is read
(void)sprintf(x, "a");|not used here
int x; // why|// comment
if ((x = f()) == 0) {|assignment in a condition
fd = socket(a, b, c);|without CLOEXEC
sleep(1);|sleeping
printf("x");|does not print
ROWS
        # shellcheck disable=SC2059
        printf "$head/* TO%s: later */\n" DO >"$scratch/src/base/x.c"
        expect check_house_rules bad "a reminder"
        printf 'int x;\n' >"$scratch/src/base/x.c"
        expect check_house_rules bad "SPDX"
        # shellcheck disable=SC2059
        { printf "$head"; printf 'int x%d;\n' {1..499}; } >"$scratch/src/base/x.c"
        expect check_house_rules bad "at most 500"
        ;;

    apt_source_of_a_suite)
        die() { fail "$@"; }
        # shellcheck source=tools/dev/backports.sh
        . "$source/tools/dev/backports.sh"
        mkdir -p "$scratch/deb822/sources.list.d" "$scratch/line/sources.list.d" "$scratch/none"
        cat >"$scratch/deb822/sources.list.d/debian.sources" <<'TEXT'
# a comment
Types: deb-src
URIs: http://mirror.example/sources
Suites: bookworm
Components: main

Types: deb deb-src
URIs: mirror+file:///etc/apt/mirrors/debian.list
Suites: bookworm-updates
 bookworm
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 key
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main
TEXT
        got=$(source_of_suite bookworm bookworm-backports "$scratch/deb822")
        want='Types: deb
URIs: mirror+file:///etc/apt/mirrors/debian.list
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 key
 -----END PGP PUBLIC KEY BLOCK-----
Suites: bookworm-backports'
        [ "$got" = "$want" ] || fail "deb822: $got"

        cat >"$scratch/line/sources.list" <<'TEXT'
# deb http://mirror.example/off bookworm main
deb-src http://mirror.example/debian bookworm main
deb http://mirror.example/security bookworm-security main
deb [ arch=amd64 signed-by=/usr/share/keyrings/a.gpg ] http://mirror.example/debian bookworm main contrib # here
deb http://mirror.example/second bookworm main
TEXT
        got=$(source_of_suite bookworm bookworm-backports "$scratch/line")
        want='Types: deb
URIs: http://mirror.example/debian
Suites: bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/a.gpg'
        [ "$got" = "$want" ] || fail "one line: $got"
        [ -z "$(source_of_suite bookworm x "$scratch/none")" ] || fail "something out of nothing"
        [ -z "$(source_of_suite trixie x "$scratch/deb822")" ] || fail "a suite that is not there"
        ;;

    *) fail "there is no case $case" ;;
esac
rm -rf "$scratch"
