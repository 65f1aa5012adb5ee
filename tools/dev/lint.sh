# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# lint.sh: everything that reads the code without running it. Every step runs; the failures are
# listed at the end.

lint_step() {
    local name=$1 before=$SECONDS status=0
    shift
    say "lint: $name"
    # Not behind `||`: there errexit would be off for all that the step does.
    set +e
    (
        set -e
        "$@"
    )
    status=$?
    set -e
    if [ "$status" -ne 0 ]; then
        lint_failed+=("$name")
        printf '   FAILED after %d s\n' "$((SECONDS - before))"
    else
        printf '   ok, %d s\n' "$((SECONDS - before))"
    fi
}

# No files to look at is a failure of the step, never a success.
some_files() {
    local files
    files=$(list_files "$@")
    [ -n "$files" ] || die "no file matches $*"
    printf '%s\n' "$files"
}

lint_format() {
    # Which files, and where it begins: `clang-format -i` does the rest.
    some_files '*.c' '*.h' '*.cpp' '*.def' | xargs clang-format --dry-run -Werror 2>&1 |
        awk -F: '/error:/ { if (n[$1]++ == 0) { print $1 ":" $2 ": not as .clang-format says" } }
                 END { for (file in n) { exit 1 } }'
}

lint_gcc() {
    build_preset dev
}

lint_clang() {
    build_preset tidy
}

lint_analyzer() {
    build_preset analyzer faci_objects faciliter_python
}

# clang-tidy takes seconds a file: what it passed once, with everything that it read unchanged,
# is not read again. build/lint/tidy holds one empty file for each such state.
lint_tidy() {
    mkdir -p build/lint/tidy
    local rules
    rules=$(cat .clang-tidy tests/.clang-tidy CMakePresets.json cmake/*.cmake tools/dev/tidy_one.sh | sha256sum)
    # Source, then all it includes from this tree, by what ninja noted when it was compiled.
    ninja -C build/tidy -t deps | awk -v root="$PWD/" '
        function flush() { if (source != "") { print source line } source = line = "" }
        /^[^ ]/ { flush(); next }
        /^ / {
            path = $1
            if (index(path, root) == 1) { path = substr(path, length(root) + 1) }
            else if (path ~ /^\//) { next }
            if (path ~ /^build\//) { next }
            if (source == "" && path ~ /\.c$/) { source = path } else { line = line " " path }
        }
        END { flush() }' | grep -E "^($lint_rooms)/" | sort -u -t ' ' -k 1,1 >build/lint/tidy_files
    [ -s build/lint/tidy_files ] || die "ninja knows no compiled file"
    xargs -P "$n_processors" -I '{}' tools/dev/tidy_one.sh "$rules" '{}' <build/lint/tidy_files
}

lint_cppcheck() {
    mkdir -p build/lint/cppcheck
    some_files 'src/*.c' 'cli/*.c' 'python/*.c' 'tests/kit/*.c' |
        xargs cppcheck --quiet --std=c11 --language=c -j "$n_processors" --error-exitcode=1 \
            --enable=warning,portability,performance --inline-suppr \
            --suppressions-list=tools/cppcheck.txt --cppcheck-build-dir=build/lint/cppcheck \
            -D_GNU_SOURCE -I src -I include -I tests
}

# The reference is the headers: a misnamed @param is an error. Clang reads them; no Doxygen.
lint_headers() {
    local header
    some_files 'include/faciliter/*.h' | while IFS= read -r header; do
        clang -std=c11 -x c -fsyntax-only -Wall -Wextra -Wpedantic -Wdocumentation \
            -Wno-unused-function -Wno-empty-translation-unit -Werror -I include "$header"
    done
}

lint_man() {
    local page pages status=0
    pages=$(some_files 'man/*.[1-8]' 'man/*.[1-8].in')
    for page in $pages; do
        groff -man -ww -z "$page" 2>build/lint/man.log || status=1
        if [ -s build/lint/man.log ]; then
            sed "s,^,$page: ," build/lint/man.log
            status=1
        fi
    done
    return "$status"
}

# Types of the package, of the examples and of a sample of its users; the form of every Python file.
lint_python() {
    (cd python && /usr/bin/python3 -m mypy --cache-dir ../build/lint/mypy \
        --config-file pyproject.toml -p faciliter_lib)
    MYPYPATH=python /usr/bin/python3 -m mypy --cache-dir build/lint/mypy-users --config-file python/pyproject.toml \
        examples/*.py tests/python/typing_sample.py
    some_files '*.py' '*.pyi' | xargs /usr/bin/python3 tools/check_python.py
}

lint_shell() {
    local script
    some_files '*.sh' dev .ci/run | while IFS= read -r script; do
        case $(head -n 1 "$script") in
            '#!/bin/sh') sh -n "$script" ;;
            *) bash -n "$script" ;;
        esac
    done
    # Pieces without a first line of their own are read through what sources them.
    shellcheck -x -a -S style dev
    some_files '*.sh' .ci/run | while IFS= read -r script; do
        if head -n 1 "$script" | grep -q '^#!'; then
            # SC2317 takes functions that are called by a name in a variable for dead code.
            shellcheck -x -S style -e SC2317 "$script"
        fi
    done
}

# run_lint [STEP…]
run_lint() {
    need_packages "${PACKAGES_LINT[@]}"
    mkdir -p build/lint
    lint_failed=()
    # STEPS and what they read. The examples and the tests are held to the same rules.
    lint_rooms='src|cli|python|examples|tests|bench|fuzz'
    local step
    if [ $# -eq 0 ]; then
        set -- format layers rules shell headers man python gcc clang analyzer cppcheck tidy
    fi
    for step in "$@"; do
        case $step in
            layers) lint_step "layers" tools/check_layers.sh ;;
            rules) lint_step "house rules" tools/check_house_rules.sh ;;
            format | shell | headers | man | python | gcc | clang | analyzer | cppcheck | tidy)
                lint_step "$step" "lint_$step" ;;
            *) die "lint has no step $step" ;;
        esac
    done
    [ ${#lint_failed[@]} -eq 0 ] || die "lint failed: ${lint_failed[*]}"
    say "lint found nothing"
}
