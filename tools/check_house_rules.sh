#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_house_rules.sh [ROOT]: what the compilers cannot see. Comments and literals are taken out
# before the code is searched, so that prose may name what code may not call.
set -euo pipefail
cd -- "${1:-$(dirname -- "$0")/..}"

files=$(for folder in include src cli python examples tests bench fuzz; do
    [ ! -d "$folder" ] || find "$folder" -type f \( -name '*.[ch]' -o -name '*.def' \)
done | sort)
[ -n "$files" ] || { printf 'no file was found\n' >&2; exit 1; }

# shellcheck disable=SC2086 # one word a file: no name here has a blank
awk '
function complain(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; n_bad++ }

# The code of a line. Literals become "", comments a blank; `in_comment` spans lines.
function code_of(line,    code, token) {
    code = ""
    while (line != "") {
        if (in_comment) {
            if (!match(line, /\*\//)) { return code }
            line = substr(line, RSTART + 2); in_comment = 0; code = code " "
            continue
        }
        if (!match(line, /"([^"\\]|\\.)*"|\047([^\047\\]|\\.)+\047|\/\*|\/\//)) { return code line }
        token = substr(line, RSTART, RLENGTH)
        code = code substr(line, 1, RSTART - 1)
        line = substr(line, RSTART + RLENGTH)
        if (token == "/*") { in_comment = 1 }
        else if (token == "//") { complain("// comment"); return code }
        else { code = code "\"\"" }
    }
    return code
}

function calls(code, names) { return code ~ ("(^|[^A-Za-z0-9_.>])(" names ")\\(") }

function end_of_file() {
    # A table of cases may be longer than code that somebody has to hold in mind.
    max_lines = last_file ~ /^tests\// ? 600 : 500
    if (last_file != "" && n_lines > max_lines) {
        printf "%s: %d lines, at most %d\n", last_file, n_lines, max_lines; n_bad++
    }
}

FNR == 1 {
    end_of_file()
    last_file = FILENAME; in_comment = 0; statement = ""
    if ($0 !~ /SPDX-License-Identifier: MIT/) { complain("the first line is not the SPDX line") }
}
FNR == 2 && !/^\/\*/ { complain("no comment at the head says what the file is") }
{
    n_lines = FNR
    if (/TODO|FIXME|(^|[^X])XXX([^X]|$)/) { complain("a reminder: open an issue instead") }
    if (/\t/) { complain("a tab") }
    if (/[ ]$/) { complain("a blank at the end") }
    in_library = FILENAME ~ /^src\//
    code = code_of($0)
    if (in_library && FILENAME != "src/base/mem.c" &&
        calls(code, "malloc|calloc|realloc|free|strdup|strndup|v?asprintf|posix_memalign|aligned_alloc"))
        complain("memory comes from base/mem.h")
    if (in_library && FILENAME != "src/config/env.c" && calls(code, "getenv|secure_getenv"))
        complain("the environment is read in config/env.c")
    if (calls(code, "sprintf|vsprintf|strcpy|strcat|stpcpy|atoi|atol|atoll|atof|strtok|gets|gmtime|localtime|ctime|asctime|rand|srand|tmpnam|mktemp|alloca"))
        complain("a function that is not used here")
    if (calls(code, "sleep|usleep")) complain("sleeping is no way to wait for something")
    if (in_library && calls(code, "accept|pipe|signal|dup|dup2|epoll_create"))
        complain("use the form that takes CLOEXEC, or sigaction")
    if (in_library && calls(code, "printf|puts|putchar|exit|_exit|system|popen"))
        complain("a library does not print, exit or run programs")
    if (code ~ /(^|[^A-Za-z0-9_])if \(.*[^-=!<>+*\/%&|^]=[^=]/) complain("assignment in a condition")

    # A descriptor that a child would inherit: the flag has to be in the statement.
    statement = statement " " code
    if (code ~ /[;{}]/) {
        if (FILENAME !~ /^(tests|fuzz)\/.*_test\.c$/ && calls(statement, "socket|socketpair|accept4|open|openat|pipe2|eventfd|epoll_create1") && statement !~ /CLOEXEC/ && !/NOLINT\(android-cloexec/)
            complain("a descriptor without CLOEXEC")
        statement = ""
    }
}
END { end_of_file(); exit n_bad > 0 }
' $files >&2 || { printf 'house rules are broken\n' >&2; exit 1; }
printf '%d files keep the house rules\n' "$(printf '%s\n' "$files" | wc -l)"
