# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# test.sh: the suite as users run it, under the sanitizers and under valgrind.

not_run='\*\*\*(Skipped|Not Run|Disabled)|\(Skipped\)|\(Not Run\)|\(Disabled\)'
may_skip=live.server_address.localhost_on_ipv6_only.redis3

# run_ctest PRESET [CTEST ARGUMENT…]: prints what fails, and ctest's summary.
run_ctest() {
    local preset=$1 log=build/$1/ctest.log status=0
    shift
    # One test runs a program as another user. A password is asked for now, if at all.
    [ "$(id -u)" -eq 0 ] || as_root true
    ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$test_jobs" "$@" \
        >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        grep -vE '^ *(Start +[0-9]+:|[0-9]+/[0-9]+ Test +#[0-9]+:.* Passed )' "$log" || true
    fi
    # A test that was skipped or not run has shown nothing. One may: a machine without IPv6 loopback
    # cannot show that localhost is reached over it.
    if grep -E "$not_run" "$log" | grep -F "$may_skip"; then
        say "no IPv6 loopback here: $may_skip was skipped"
    fi
    if grep -E "$not_run" "$log" | grep -vF "$may_skip"; then
        die "tests were skipped: they prove nothing; all of ctest's output is in $log"
    fi
    [ "$status" -eq 0 ] || die "tests failed; all of ctest's output is in $log"
    grep -E '^[0-9]+% tests passed|^Total Test time' "$log"
}

run_test() {
    need_packages "${PACKAGES_TEST[@]}"
    build_preset test
    run_ctest test
}

run_sanitizer() {
    local name=$1
    need_packages "${PACKAGES_TEST[@]}"
    build_preset "$name"
    export FAC_TEST_SCALE=${FAC_TEST_SCALE:-10}
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    # Forking with threads about is something the library supports, so its tests do it. OpenSSL and
    # libcurl were built without it: it sees what they touch, and not how they order that. So what such
    # libraries touch is left out; the price is what cmocka and jansson do for us, too.
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:die_after_fork=0:ignore_noninstrumented_modules=1
    say "the suite under $name, counts scaled to $FAC_TEST_SCALE %"
    run_ctest "$name"
}

# What valgrind cannot show, and why: 65,536 calls in its time; mallinfo(), of which it has none.
not_under_valgrind=(-e who_finds_the_line_full -e counts_what_malloc_holds)

# The unit tests under valgrind, each in a process of its own, as under ctest.
run_valgrind() {
    need_packages "${PACKAGES_VALGRIND[@]}"
    build_preset test
    export FAC_TEST_SCALE=${FAC_TEST_SCALE:-5}
    rm -rf build/valgrind
    mkdir -p build/valgrind
    ctest --test-dir build/test -N -V | sed -n 's/^[0-9]*: Test command: //p' |
        grep -F "$PWD/build/test/tests/unit/" |
        grep -vF "${not_under_valgrind[@]}" >build/valgrind/commands ||
        die "there are no unit tests in build/test"
    say "$(wc -l <build/valgrind/commands) unit tests under valgrind"
    xargs -P "$n_processors" -L 1 tools/dev/valgrind_one.sh <build/valgrind/commands ||
        die "valgrind found errors, or a test failed"
    say "valgrind found nothing"
}
