# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# planted.sh: does the suite notice? Each patch of tests/planted/ puts one bug into a copy of the
# tree, and the test that its first line names has to fail. A patch that does not apply, a build
# that breaks and a test that does not exist are errors of ours, never a catch.

planted_tree=build/planted/tree
planted_build=build/planted/build
planted_timeout_s=180 # a bug that hangs costs that much; without one no test needs a sixth of it

# Bring the copy up to date. Only files that differ are written, so that little is rebuilt, and
# a patch left behind by an interrupted run is undone.
copy_tree() {
    local file
    mkdir -p "$planted_tree"
    list_files '*' >build/planted/files
    while IFS= read -r file; do
        if ! cmp -s "$file" "$planted_tree/$file"; then
            mkdir -p "$planted_tree/$(dirname "$file")"
            cp "$file" "$planted_tree/$file"
            [ ! -x "$file" ] || chmod +x "$planted_tree/$file"
        fi
    done <build/planted/files
    (cd "$planted_tree" && find . -type f | sed 's,^\./,,' | sort) |
        comm -23 - <(sort build/planted/files) |
        while IFS= read -r file; do rm -f "$planted_tree/$file"; done
}

header_of() {
    sed -n "s/^# $1: *//p" "$2" | head -n 1
}

# regex_of NAME…: matches exactly these tests.
regex_of() {
    local name joined=
    for name in "$@"; do
        joined=$joined${joined:+|}${name//./\\.}
    done
    printf '^(%s)$' "$joined"
}

# planted_make LOG NAME…: builds the programs of these tests, and everything when one is a script.
planted_make() {
    local log=$1 program targets=()
    shift
    while IFS= read -r program; do
        case $program in
            "$PWD/$planted_build"/*) targets+=("${program#"$PWD/$planted_build/"}") ;;
            *) targets+=(all) ;;
        esac
    done < <(ctest --test-dir "$planted_build" -N -V -R "$(regex_of "$@")" |
        sed -n 's/^[0-9]*: Test command: \([^ ]*\).*/\1/p' | sort -u)
    cmake --build "$planted_build" -j "$build_jobs" --target "${targets[@]:-all}" -- --quiet \
        >"$log" 2>&1
}

planted_ctest() {
    local log=$1
    shift
    ctest --test-dir "$planted_build" --no-tests=error --output-on-failure -j "$test_jobs" \
        -R "$(regex_of "$@")" >"$log" 2>&1 </dev/null
}

# try_patch PATCH: sets `verdict`.
try_patch() {
    local patch=$1 test log file
    test=$(header_of test "$patch")
    log=build/planted/$(basename "$patch" .patch).log
    verdict=
    if ! patch -s -f -F0 -p1 -d "$planted_tree" <"$patch" >"$log" 2>&1; then
        verdict="ERROR: the patch does not apply"
        copy_tree
        return
    fi
    if ! planted_make "$log" "$test"; then
        verdict="ERROR: does not build"
    elif planted_ctest "$log" "$test"; then
        verdict="NOT CAUGHT"
    elif grep -qE '\*\*\*(Not Run|Skipped|Disabled)' "$log" ||
        ! grep -qE '^0% tests passed, 1 tests? failed out of 1' "$log"; then
        verdict="ERROR: the test did not run"
    elif grep -q '\*\*\*Timeout' "$log"; then
        verdict="caught (timeout)"
    else
        verdict="caught"
    fi
    # As they were, and newer than what was built from them.
    sed -n 's,^+++ b/\([^[:space:]]*\).*,\1,p' "$patch" | while IFS= read -r file; do
        cp "$file" "$planted_tree/$file"
    done
}

# sample_of N PATCH…: about N of them, one a line. Every k-th, so that each room has its share; the
# number of commits says where that begins, so k commits in a row try every patch once.
sample_of() {
    local size=$1 step turn i
    shift
    step=$((($# + size - 1) / size))
    turn=$(git rev-list --count HEAD 2>/dev/null || date +%j)
    turn=$((10#$turn % step))
    say "a sample, number $((turn + 1)) of $step; without --sample, all $# are planted" >&2
    for ((i = turn + 1; i <= $#; i += step)); do
        printf '%s\n' "${!i}"
    done
}

# run_planted [--sample N] [PATCH…]
run_planted() {
    need_packages "${PACKAGES_PLANTED[@]}"
    local patches=() patch test tests=() n_caught=0 before=$SECONDS size=
    if [ "${1:-}" = --sample ]; then
        size=${2:-}
        [[ $size =~ ^[1-9][0-9]{0,3}$ ]] || die "planted --sample takes a number, not '$size'"
        shift 2
    fi
    if [ $# -gt 0 ]; then
        patches=("$@")
    else
        for patch in tests/planted/*.patch; do
            [ -e "$patch" ] && patches+=("$patch")
        done
    fi
    [ ${#patches[@]} -gt 0 ] || die "there is no tests/planted/*.patch"
    if [ -n "$size" ]; then
        mapfile -t patches < <(sample_of "$size" "${patches[@]}")
    fi
    for patch in "${patches[@]}"; do
        test=$(header_of test "$patch")
        if [ -z "$test" ] || [ -z "$(header_of bug "$patch")" ]; then
            die "$patch does not begin with '# test: NAME' and '# bug: WORDS'"
        fi
        tests+=("$test")
    done

    copy_tree
    run_quietly build/planted/configure.log cmake -S "$planted_tree" -B "$planted_build" \
        -G Ninja -DCMAKE_BUILD_TYPE=Debug -DFAC_TESTS=ON -DFAC_PYTHON=ON \
        -DFAC_TEST_TIMEOUT_S="$planted_timeout_s" -DPython3_EXECUTABLE=/usr/bin/python3
    planted_make build/planted/build.log "${tests[@]}" || {
        cat build/planted/build.log
        die "the tree does not build without any patch"
    }
    local n_tests
    n_tests=$(printf '%s\n' "${tests[@]}" | sort -u | wc -l)
    planted_ctest build/planted/unpatched.log "${tests[@]}" || {
        cat build/planted/unpatched.log
        die "a named test fails, or does not exist, without any patch"
    }
    grep -q "^100% tests passed, 0 tests failed out of $n_tests\$" build/planted/unpatched.log ||
        die "not every named test exists or ran: see build/planted/unpatched.log"
    say "without a patch, the $n_tests named tests pass"

    for patch in "${patches[@]}"; do
        try_patch "$patch"
        printf '  %-16s %s\n  %16s by %s\n' "$verdict" "$(header_of bug "$patch")" "" \
            "$(header_of test "$patch")"
        case $verdict in caught*) n_caught=$((n_caught + 1)) ;; esac
    done
    say "$n_caught of ${#patches[@]} planted bugs caught ($((SECONDS - before)) s)"
    [ "$n_caught" -eq ${#patches[@]} ] || die "logs are in build/planted"
}
