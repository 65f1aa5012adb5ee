# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bench.sh: side by side with hiredis; arguments (groups, --quick, --only NAME) go to the program.

run_bench() {
    # The fault proxy of the tests, which adds the round trips, needs cmocka.
    need_packages "${PACKAGES_BENCH[@]}" libcmocka-dev
    build_preset bench fac_bench
    mkdir -p build/bench/out
    build/bench/bench/fac_bench --out build/bench/out "$@"
    say "tables and plots are in build/bench/out"
}
