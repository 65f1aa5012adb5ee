# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# options.sh: the library without TLS, without https, and without both: everything built by gcc with
# warnings as errors, and the tests that have to do with it.

# What has #ifdefs, what looks at the product as a whole, and every backend once. `--all`: the suite.
options_tests=('^api\.' '^cli\.' '^config\.' '^house\.' '^live\.conformance' '^live\.tls'
    '^live\.server_password' '^fault\.alloc\.' '^fault\.canary\.' '^fault\.core\.' '^fault\.syscalls\.'
    '^python\.config\.' '^python\.conformance\.' '^python\.failures\.' '^engine\.password')

# options_configure NAME CMAKE ARGUMENT…: build/options/NAME
options_configure() {
    local name=$1
    shift
    run_quietly "build/options/$name.log" cmake -S . -B "build/options/$name" -G Ninja \
        -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=gcc -DFAC_TESTS=ON -DFAC_WERROR=ON \
        -DFAC_PYTHON=ON -DPython3_EXECUTABLE=/usr/bin/python3 "$@"
}

# options_try NAME LIBRARIES CTEST ARGUMENT…: LIBRARIES is a regex of what it may not be linked with.
options_try() {
    local name=$1 libraries=$2 before=$SECONDS program
    shift 2
    run_quietly "build/options/$name.log" \
        cmake --build "build/options/$name" -j "$build_jobs" -- --quiet
    say "options: $name is built ($((SECONDS - before)) s)"
    program=build/options/$name/tests/live/live_conformance_value_test
    if readelf -d "$program" | grep -E "NEEDED.*($libraries)"; then
        die "$name: a program with the static library is linked with what was switched off"
    fi
    run_ctest "options/$name" "$@"
    grep -qE ' api\.unbuilt\.schemes_send_nothing \.+ +Passed' "build/options/$name/ctest.log" ||
        die "$name: that its addresses give a clear error was not shown"
}

# Each of the patterns finds a test where TLS is there. One that finds none shows nothing.
options_check_patterns() {
    local pattern
    for pattern in "${options_tests[@]}"; do
        ctest --test-dir build/options/http_off -N -R "$pattern" | grep -qE '^Total Tests: [1-9]' ||
            die "options: no test has a name like $pattern"
    done
}

# The same commands mean the same build: the last words apart, that name the build directory.
options_same() {
    cmp -s <(sed "s,build/options/$1\b,build,g" "build/options/$1/compile_commands.json") \
        <(sed "s,build/options/$2\b,build,g" "build/options/$2/compile_commands.json")
}

run_options() {
    need_packages "${PACKAGES_TEST[@]}"
    local before=$SECONDS IFS='|'
    local tests=(-R "${options_tests[*]}")
    unset IFS
    case ${1:-} in
        --all) tests=() ;;
        '') ;;
        *) die "options takes --all, or nothing" ;;
    esac
    mkdir -p build/options
    options_configure http_off -DFAC_TLS=ON -DFAC_HTTP=OFF
    options_configure tls_off -DFAC_TLS=OFF -DFAC_HTTP=ON
    options_configure both_off -DFAC_TLS=OFF -DFAC_HTTP=OFF
    [ -n "$(find build/options/http_off -name CMakeCache.txt \
        -exec grep -l '^OPENSSL_INCLUDE_DIR:PATH=/' '{}' +)" ] || die "http_off has no TLS either"

    options_check_patterns
    options_try http_off 'libcurl|libjansson' "${tests[@]}"
    options_try tls_off 'libssl|libcrypto|libcurl|libjansson' "${tests[@]}"
    if options_same tls_off both_off; then # https needs TLS
        say "options: both_off is compiled by the commands of tls_off: the same build"
    else
        options_try both_off 'libssl|libcrypto|libcurl|libjansson' "${tests[@]}"
    fi
    say "the library works without its options ($((SECONDS - before)) s)"
}
